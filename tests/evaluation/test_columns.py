"""Training pairs in the columns of an objective: mismatches that are none, a teacher's embeddings, and a hash."""

import tracemalloc

import numpy as np
import pytest
from datasets import Dataset
from small_corpus import static_model

from evaluation.errors import UserError
from evaluation.train.columns import content_hash, for_objective, with_mismatches

POSITIVE = Dataset.from_dict({"anchor": ["a b", "c d", "e f"], "positive": ["a", "c", "e"]})
SCORED = Dataset.from_dict({"sentence1": ["a b", "c d"], "sentence2": ["a", "c"], "score": [0.0, 1.0]})


def test_each_objective_gets_the_columns_that_it_trains_on():
    assert for_objective(POSITIVE, "contrastive", None, 4) is POSITIVE
    assert for_objective(SCORED, "cosine", None, 4) is SCORED
    for objective in ("cosine", "cosent"):
        scored = for_objective(POSITIVE, objective, None, 4)
        assert (
            scored.column_names == ["sentence1", "sentence2", "score"] and scored["score"][:] == [1.0] * 3 + [0.0] * 3
        )
    with pytest.raises(UserError, match=r"objective contrastive trains on positive pairs, but these pairs have scores"):
        for_objective(SCORED, "contrastive", None, 4)


def test_no_mismatch_is_a_pair_and_every_run_has_the_same_ones():
    pairs = Dataset.from_dict({"anchor": [f"a{i}" for i in range(50)], "positive": [f"p{i}" for i in range(50)]})
    scored = with_mismatches(pairs)
    for anchor, other, score in zip(*scored.to_dict().values(), strict=True):
        assert (anchor[1:] == other[1:]) == (score == 1)
    assert with_mismatches(pairs).to_dict() == scored.to_dict()


def test_a_pair_of_the_data_is_no_mismatch_by_chance():
    pairs = Dataset.from_dict({"anchor": [f"a{i // 2}" for i in range(40)], "positive": ["p0", "p1"] * 20})
    scored = with_mismatches(pairs).to_dict()
    true = set(zip(pairs["anchor"], pairs["positive"], strict=True))
    rows = list(zip(*scored.values(), strict=True))
    assert len(rows) == 40  # every mismatch would be a pair
    assert all((anchor, other) in true and score == 1 for anchor, other, score in rows)


def test_a_text_is_no_mismatch_of_itself_nor_of_what_it_is_paired_with_elsewhere():
    """Paraphrases are often listed in both directions, and in another case."""
    first, second = ["a", "b", "C", "d"], ["b", "a", "d", "c"]
    scored = with_mismatches(Dataset.from_dict({"anchor": first * 10, "positive": second * 10})).to_dict()
    wrong = [(one.lower(), other.lower()) for one, other, score in zip(*scored.values(), strict=True) if score == 0]
    assert {frozenset(pair) for pair in wrong} == {frozenset(pair) for pair in ("ac", "ad", "bc", "bd")}


def test_a_teacher_gives_every_distinct_text_an_embedding_of_the_students_dimension():
    pairs = Dataset.from_dict(
        {"anchor": [f"word{i} word{i + 1}" for i in range(30)], "positive": [f"word{i}" for i in range(29)] + ["word1"]}
    )
    teacher = static_model(dimensions=20)
    taught = for_objective(pairs, "distillation", teacher, 16)
    assert taught.column_names == ["sentence", "label"] and len(taught) == 30 + 29
    assert np.asarray(taught["label"][:]).shape == (59, 16)
    with pytest.raises(
        UserError,
        match=r"A student of 16 dimensions learns the teacher's 20 along as many principal axes, "
        r"which takes at least 16 texts; there are 8\.",
    ):
        for_objective(pairs.select(range(4)), "distillation", teacher, 16)


@pytest.mark.parametrize("dimensions", [20, 27])
def test_a_teacher_no_wider_than_the_student_keeps_every_cosine(dimensions):
    pairs = Dataset.from_dict({"anchor": ["word1 word2", "word3"], "positive": ["word4", "word5 word6"]})
    teacher = static_model(dimensions=20)
    taught = for_objective(pairs, "distillation", teacher, dimensions)
    targets = np.asarray(taught["label"][:])
    own = teacher.encode(list(taught["sentence"]))
    assert targets.shape == (4, dimensions)
    np.testing.assert_allclose(targets @ targets.T, own @ own.T, atol=1e-5)


def test_mismatches_depend_on_the_seed_alone():
    pairs = Dataset.from_dict({"anchor": [f"a{i}" for i in range(40)], "positive": [f"b{i}" for i in range(40)]})
    assert with_mismatches(pairs, 1).to_dict() == with_mismatches(pairs, 1).to_dict()
    assert with_mismatches(pairs, 1).to_dict() != with_mismatches(pairs, 2).to_dict()


def test_one_long_text_does_not_multiply_the_memory_of_a_hash():
    many = Dataset.from_dict({"anchor": ["x" * 100_000, *map(str, range(2000))], "positive": ["y"] * 2001})
    tracemalloc.start()
    content_hash(many)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6  # 2001 texts as wide as the longest would take 0.8 GB


def test_the_hash_of_pairs_sees_every_value_its_order_and_the_names():
    def of(**columns):
        return content_hash(Dataset.from_dict(columns))

    first = of(anchor=["a", "b"], positive=["c", "d"])
    assert of(anchor=["a", "b"], positive=["c", "d"]) == first
    others = [
        of(anchor=["b", "a"], positive=["c", "d"]),
        of(anchor=["a", "b"], positive=["c", "e"]),
        of(sentence=["a", "b"], positive=["c", "d"]),
        of(anchor=["a", "b"], positive=["c", "d"], score=[0.0, 1.0]),
        of(anchor=["a", "b"], positive=["c", "d"], score=[0.0, 0.5]),
        of(sentence=["a", "b"], label=[[0.0, 1.0], [1.0, 0.0]]),
        of(sentence=["a", "b"], label=[[0.0, 1.0], [1.0, 0.1]]),
    ]
    assert len({first, *others}) == len(others) + 1
