"""Batches of distinct classes: the most there can be, each full, and trained on by the study that asks for them."""

import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from evaluation.errors import UserError
from evaluation.study.description import Regime
from evaluation.train.distinct_batches import DistinctClassSampler, check_classes, count_batches

CLASSES = st.lists(st.integers(0, 5), min_size=1, max_size=40)


def sampler(classes: list[int], batch_size: int, seed: int = 0) -> DistinctClassSampler:
    rows = Dataset.from_dict({"anchor": [str(row) for row in range(len(classes))]})
    return DistinctClassSampler(rows, classes, batch_size, torch.Generator().manual_seed(seed))


@given(classes=CLASSES, batch_size=st.integers(1, 4), seed=st.integers(0, 3))
def test_batches_are_full_and_distinct_and_no_row_is_drawn_twice(classes, batch_size, seed):
    drawn = sampler(classes, batch_size, seed)
    batches = list(drawn)
    assert len(batches) == len(drawn)
    for batch in batches:
        assert len({classes[row] for row in batch}) == len(batch) == batch_size
    rows = [row for batch in batches for row in batch]
    assert len(rows) == len(set(rows))


@given(classes=CLASSES, batch_size=st.integers(1, 4))
def test_no_more_batches_are_possible(classes, batch_size):
    """In one more batch a class would fill as many places at most as there are batches."""
    more = count_batches(classes, batch_size) + 1
    assert sum(min(classes.count(one), more) for one in set(classes)) < more * batch_size


def test_another_seed_draws_other_batches_and_the_same_one_the_same():
    classes = [row % 8 for row in range(64)]
    assert list(sampler(classes, 4, 0)) == list(sampler(classes, 4, 0)) != list(sampler(classes, 4, 1))


def test_pairs_without_classes_or_with_too_few_are_refused():
    with pytest.raises(UserError, match=r"The regime 'r' has distinct_classes, but its pairs have no classes"):
        check_classes("The regime 'r'", Dataset.from_dict({"anchor": ["a"], "positive": ["b"]}), 1)
    few = Dataset.from_dict({"class": [0, 1, 1]})
    with pytest.raises(UserError, match=r"2 classes do not fill batches of 3: give a batch_size of at most 2\."):
        check_classes("The regime 'r'", few, 3)


def test_an_objective_without_positive_pairs_has_no_distinct_classes():
    with pytest.raises(UserError, match="'r' has distinct_classes, but cosine does not train on positive pairs"):
        Regime("cosine", "known", (1e-3,), name="r", distinct_classes=True)
