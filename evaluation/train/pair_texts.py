"""The texts of training pairs, and a hash of their content."""

import hashlib
import json
from collections.abc import Iterator

import numpy as np
from datasets import Dataset


def texts_of(pairs: Dataset) -> Iterator[str]:
    """All texts of the pairs, column by column, repeated ones too."""
    for name in text_columns(pairs):
        yield from pairs[name]


def text_columns(pairs: Dataset) -> list[str]:
    """Names of the columns that hold texts."""
    kinds = pairs.features.items()
    return [name for name, kind in kinds if getattr(kind, "dtype", None) == "string"]  # lists of numbers have none


def content_hash(pairs: Dataset) -> str:
    """Hash of the columns and their values, in order."""
    digest = hashlib.sha256(json.dumps(pairs.column_names).encode())
    texts = text_columns(pairs)
    for name in pairs.column_names:
        if name in texts:  # NumPy would give every text the room of the longest
            digest.update(json.dumps(list(pairs[name])).encode())
        else:
            digest.update(np.ascontiguousarray(pairs.select_columns([name]).with_format("numpy")[:][name]).data)
    return digest.hexdigest()[:16]
