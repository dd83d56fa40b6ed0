"""Batches without two rows of one class, of which in-batch negatives would push apart what belongs together."""

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from datasets import Dataset
from sentence_transformers.base.sampler import DefaultBatchSampler

from evaluation.errors import UserError


class DistinctClassSampler(DefaultBatchSampler):
    """Draws full batches of rows of different classes, those with most rows left first and at random among equals.

    So there are as many batches as the classes allow, whatever the order.

    Args:
        dataset: The rows.
        classes: The class of each row.
        batch_size: Rows in a batch, at most as many as there are classes.
        generator: Source of the random order.
    """

    def __init__(self, dataset: Dataset, classes: Sequence[int], batch_size: int, generator: torch.Generator) -> None:
        super().__init__(dataset, batch_size, drop_last=True, generator=generator)
        self.classes = list(classes)

    def __len__(self) -> int:
        """Count the batches."""
        return count_batches(self.classes, self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Draw the batches of an epoch."""
        rows_of: dict[int, list[int]] = {}
        for row in torch.randperm(len(self.classes), generator=self.generator).tolist():
            rows_of.setdefault(self.classes[row], []).append(row)
        groups = list(rows_of.values())
        for _ in range(len(self)):
            shuffled = [groups[place] for place in torch.randperm(len(groups), generator=self.generator).tolist()]
            fullest = sorted(shuffled, key=len, reverse=True)[: self.batch_size]
            yield [rows.pop() for rows in fullest]


def count_batches(classes: Sequence[int], batch_size: int) -> int:
    r"""Count the full batches of different classes that rows allow, each row in one at most.

    A class fills one place in each of `b` batches, or has fewer rows, so the places must be no more than
    $\sum_c \min(n_c, b)$.

    Example:
        >>> count_batches([0, 0, 0, 1, 1, 2], 2)
        3
    """
    sizes = Counter(classes).values()
    batches = 0
    while sum(min(size, batches + 1) for size in sizes) >= (batches + 1) * batch_size:
        batches += 1
    return batches


def check_classes(where: str, pairs: Dataset, batch_size: int) -> None:
    """Refuse pairs without classes, or with fewer than a batch has rows.

    Raises:
        UserError: The text names the regime and the numbers.
    """
    if "class" not in pairs.column_names:
        raise UserError(
            f"{where} has distinct_classes, but its pairs have no classes: give a file with the columns anchor, "
            "positive and class."
        )
    if (found := len(set(pairs["class"]))) < batch_size:
        raise UserError(
            f"{where} has distinct_classes, but {found} classes do not fill batches of {batch_size}: give a "
            f"batch_size of at most {found}."
        )
