"""Embeddings as they come: arrays, tensors, lists of rows, columns of a table."""

import warnings
from collections.abc import Iterable, Mapping, Sized
from typing import Any

import numpy as np
import torch
from torch import Tensor


def as_rows(embeddings: Any) -> Tensor:
    """Make a tensor of numbers of embeddings in any container, without gradient, in the precision they have.

    Args:
        embeddings: A tensor or an array of any strides and byte order, a list of rows, nested lists, a data frame of
            numbers, or a column of rows.

    Returns:
        A dense tensor; whether its shape is `(n, d)` is for the caller to check.

    Raises:
        ValueError: If they are sparse, have rows of unequal lengths, or are no real numbers.

    Examples:
        >>> as_rows([[1, 2], [3, 4]]).shape, as_rows(np.ones((3, 2), dtype=">f4")[::-1]).shape
        (torch.Size([2, 2]), torch.Size([3, 2]))
    """
    if isinstance(embeddings, Tensor):
        return _dense(embeddings)
    if isinstance(embeddings, list) and embeddings and all(isinstance(row, Tensor) for row in embeddings):
        rows = [_dense(row) for row in embeddings]
        if len({row.shape for row in rows}) == 1:
            return torch.stack(rows)  # on their device
    if hasattr(embeddings, "tocsr"):
        raise ValueError(_SPARSE)
    if isinstance(embeddings, np.ma.MaskedArray):
        embeddings = np.ma.filled(embeddings.astype(float), np.nan)
    if isinstance(embeddings, str | bytes | Mapping) or not isinstance(embeddings, Iterable):
        raise ValueError(f"Embeddings are rows of numbers, but this is a {type(embeddings).__name__}; {_PASS_ROWS}.")
    to_list = getattr(embeddings, "to_pylist", None)  # of Arrow, whose lists no array of numbers can share
    embeddings = to_list() if to_list else embeddings
    to_numpy = getattr(embeddings, "to_numpy", None)  # of a table, or a column of one
    embeddings = to_numpy() if to_numpy else embeddings
    array = np.asarray(embeddings) if isinstance(embeddings, np.ndarray) or hasattr(embeddings, "__array__") else None
    if array is None or array.dtype == object:
        array = _stacked(list(embeddings))
    if array.dtype.kind not in "fiub":
        raise ValueError(f"Embeddings are numbers, but these are of type {array.dtype}; {_PASS_ROWS}.")
    if array.dtype.kind == "f" and array.itemsize > 8:
        array = array.astype(np.float64)
    elif array.dtype.kind in "ub" and array.itemsize > 1:
        array = array.astype(np.float64)
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nothing writes to it
        return torch.from_numpy(np.ascontiguousarray(native))


_SPARSE = (
    "Isotropy is measured on dense embeddings, but these are sparse; use a SentenceTransformer, not a SparseEncoder."
)
_PASS_ROWS = "pass an array of shape (n, d)"


def _dense(points: Tensor) -> Tensor:
    if points.is_nested:
        raise ValueError(_unequal([len(part) for part in points.unbind()], points.ndim == 3))
    if points.layout != torch.strided:
        raise ValueError(_SPARSE)
    if points.is_complex():
        raise ValueError(f"Embeddings are real numbers, but these are of type {points.dtype}; {_PASS_ROWS}.")
    if points.is_meta:
        raise ValueError("Embeddings are numbers, but a tensor on the device meta holds none; load the model first.")
    if points.is_floating_point() and points.itemsize < 2:  # torch computes little with 8 bits
        points = points.float()
    return (points.dequantize() if points.is_quantized else points).detach()


def _stacked(rows: list[Any]) -> np.ndarray:
    """One array of a list of rows, each an array, a tensor, a list or a number."""
    arrays = [_row(row) for row in rows]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        matrices = {array.ndim for array in arrays} == {2}
        raise ValueError(_unequal([len(array) if array.ndim else 1 for array in arrays], matrices))
    return np.stack(arrays) if arrays else np.zeros(0)


def _row(row: Any) -> np.ndarray:
    if isinstance(row, Tensor):
        row = _dense(row).cpu()
        return (row.float() if row.dtype == torch.bfloat16 else row).numpy()
    if isinstance(row, list | tuple) and any(isinstance(part, Sized) for part in row):
        return _stacked(list(row))
    array = np.asarray(row.tolist() if isinstance(row, np.ndarray) and row.dtype == object else row)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"Embeddings are rows of numbers, but one row is {str(row)[:40]!r}; {_PASS_ROWS}.")
    return array


def _unequal(lengths: list[int], matrices: bool) -> str:
    if matrices:
        return (
            f"These are {len(lengths)} matrices of {min(lengths)} to {max(lengths)} rows, such as the tokens of texts; "
            "concatenate them to measure their rows as one cloud, or pass one embedding per text."
        )
    first, other = lengths[0], next((length for length in lengths if length != lengths[0]), lengths[0])
    return (
        f"The rows have unequal lengths: row 0 has {first} numbers and row {lengths.index(other)} has {other}; pass "
        "embeddings of one model and one dimension."
    )
