"""Which embeddings form a point cloud."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypedDict

import torch
from sentence_transformers.util import all_gather, all_gather_with_grad
from torch import Tensor

from st_isotropy.losses.tokens import TokenLayers
from st_isotropy.precision import at_least_float32

CloudKind = Literal["columns", "anchors", "queries-documents", "joint", "labels"]


class CloudOptions(TypedDict, total=False):
    """The options of `RegularizedLoss` that say what forms a point cloud, for losses that pass them on."""

    cloud: CloudKind
    level: Literal["sentence", "token"]
    layers: Sequence[int]
    max_points: int
    reduction: Literal["mean", "sum"]
    gather_across_devices: bool


@dataclass(frozen=True)
class Column:
    """What the encoder computed for one input column, one row per input.

    Attributes:
        embeddings: Sentence embeddings of shape `(rows, d)`; of a late-interaction model, which has none, its tokens.
        keys: Text keys of shape `(rows,)`; None where inputs cannot be compared.
        layers: Hidden layers of shape `(rows, tokens, d)`; empty at sentence level.
        mask: Which tokens count, bool of shape `(rows, tokens)`; None at sentence level.
    """

    embeddings: Tensor
    keys: Tensor | None = None
    layers: tuple[Tensor, ...] = ()
    mask: Tensor | None = None

    def split(self, batch_size: int) -> "list[Column]":
        """Cut merged columns apart: sentence-transformers puts like columns into one pass, one after the other."""
        cuts = [slice(start, start + batch_size) for start in range(0, len(self.embeddings), batch_size)]
        return [
            Column(
                self.embeddings[cut],
                None if self.keys is None else self.keys[cut],
                tuple(layer[cut] for layer in self.layers),
                None if self.mask is None else self.mask[cut],
            )
            for cut in cuts
        ]

    def gathered(self) -> "Column":
        """Append the rows of all other processes, in the order of their ranks, with gradient."""
        return replace(
            self,
            embeddings=all_gather_with_grad(self.embeddings),
            keys=None if self.keys is None else all_gather(self.keys),
        )


def column_groups(cloud: CloudKind, columns: int) -> list[range]:
    """List which columns share a cloud.

    Examples:
        >>> column_groups("queries-documents", 4)
        [range(0, 1), range(1, 4)]
    """
    everything = range(columns)
    groups = {
        "columns": [range(column, column + 1) for column in everything],
        "labels": [range(column, column + 1) for column in everything],
        "anchors": [everything[:1]],
        "queries-documents": [everything[:1], everything[1:]],
        "joint": [everything],
    }
    return [group for group in groups[cloud] if group]


def distinct_rows(keys: Sequence[int | None]) -> list[int]:
    """List the rows left when every text counts once, at its first occurrence; a row without key always stays.

    Examples:
        >>> distinct_rows([7, 8, 7, None, None])
        [0, 1, 3, 4]
    """
    first: dict[Any, int] = {}
    for row, key in enumerate(keys):
        first.setdefault(("row", row) if key is None else key, row)
    return list(first.values())


def point_clouds(
    columns: Sequence[Column],
    cloud: CloudKind,
    labels: Tensor | None = None,
    tokens: TokenLayers | None = None,
    step: int | None = None,
) -> list[Tensor]:
    """Form the point clouds of one batch.

    Identical texts count once per cloud. Keys and finiteness are read from the device in one transfer, labels,
    where they are needed, in another.

    Args:
        columns: One column per encoded input column.
        cloud: Which columns share a cloud; `labels` forms one cloud per column and label.
        labels: Integer labels of shape `(rows,)`, for `labels`.
        tokens: Take clouds of tokens instead of sentences.
        step: Global step of the trainer, if known: for the error text, and in training for drawing tokens.

    Returns:
        Point clouds of shape `(n, d)`, in float32, or float64 where the embeddings are.

    Raises:
        ValueError: If an embedding is NaN or infinite, naming the column and the step; if labels are needed and there
            are none, or they are not integers.
    """
    label_list = _integer_labels(labels, len(columns[0].embeddings)) if cloud == "labels" else None
    keys, finite = _on_host(columns)
    for index, is_finite in enumerate(finite, start=1):
        if not is_finite:
            when = "" if step is None else f" at step {step}"
            raise ValueError(
                f"The embeddings of input column {index} of {len(columns)} contain NaN or infinity{when}; "
                "lower the learning rate or the weight, or look for broken texts in that column or a custom "
                "regularizer whose gradient is not finite."
            )
    clouds, seed = [], (step or 0) if torch.is_grad_enabled() else 0
    for group in column_groups(cloud, len(columns)):
        group_keys = [key for column in group for key in keys[column]]
        for rows in _row_sets(group_keys, label_list):
            clouds += _points([columns[column] for column in group], rows, tokens, seed)
    return clouds


def _row_sets(keys: list[int | None], labels: list[int] | None) -> list[list[int]]:
    if labels is None:
        return [distinct_rows(keys)]
    # A text counts once per label: it may have several.
    sets = ([row for row, own in enumerate(labels) if own == label] for label in sorted(set(labels)))
    return [[rows[place] for place in distinct_rows([keys[row] for row in rows])] for rows in sets]


def _points(columns: Sequence[Column], rows: list[int], tokens: TokenLayers | None, seed: int) -> list[Tensor]:
    total = sum(len(column.embeddings) for column in columns)
    device = columns[0].embeddings.device
    if tokens is None:
        points = torch.cat([column.embeddings for column in columns])
        return [at_least_float32(points if len(rows) == total else points[torch.tensor(rows, device=device)])]
    kept = torch.zeros(total, dtype=torch.bool, device=device)
    kept[torch.tensor(rows, dtype=torch.long, device=device)] = True
    parts = zip(columns, kept.split(total // len(columns)), strict=True)
    masks = [counted[:, None] & column.mask for column, counted in parts if column.mask is not None]
    layers = zip(*(column.layers for column in columns), strict=True)
    clouds = [torch.cat([part[mask] for part, mask in zip(layer, masks, strict=True)]) for layer in layers]
    return [at_least_float32(tokens.draw(points, seed)) for points in clouds]


def _on_host(columns: Sequence[Column]) -> tuple[list[list[int | None]], list[bool]]:
    finite = torch.stack(
        [torch.stack([part.isfinite().all() for part in _points_of(column)]).all() for column in columns]
    )
    numbers = torch.cat([finite.long(), *(column.keys for column in columns if column.keys is not None)]).tolist()
    flags, rest = [bool(number) for number in numbers[: len(columns)]], iter(numbers[len(columns) :])
    keys = [[None if column.keys is None else next(rest) for _ in column.embeddings] for column in columns]
    return keys, flags


def _points_of(column: Column) -> Sequence[Tensor]:
    """What can enter a cloud; padding cannot, whatever the model computes for it."""
    if column.mask is None:
        return (column.embeddings,)
    return [layer.masked_fill(~column.mask[..., None], 0) for layer in column.layers]


def _integer_labels(labels: Tensor | None, rows: int) -> list[int]:
    if labels is None:
        raise ValueError(
            'The option cloud="labels" needs one integer label per row, but the batch has no labels; add a label '
            "column or use another cloud."
        )
    if labels.is_floating_point() or labels.shape != (rows,):
        kind = str(labels.dtype).removeprefix("torch.")
        raise ValueError(
            f'The option cloud="labels" needs one integer label per row, got {kind} labels of shape '
            f"{tuple(labels.shape)} for {rows} rows; use integer class labels or another cloud."
        )
    return labels.tolist()
