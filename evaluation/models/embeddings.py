"""Embeddings of one task's texts under one variant, saved once and used by every index and isotropy measure."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.errors import UserError
from evaluation.files import new_file


@dataclass(frozen=True, eq=False)
class RetrievalEmbeddings:
    """Unit rows for queries and documents, with their ids.

    Rows are converted to float32 and L2-normalized here, so that inner products are cosines. A zero row (a text without
    a known token) stays zero and is equally far from everything.

    Attributes:
        queries: Shape `(q, d)`.
        corpus: Shape `(n, d)`, n at least 2.
        query_ids: One id per query.
        corpus_ids: One id per document.
        skips_own_id: Whether a query does not count the document of its own id as found, because it is that document.

    Raises:
        UserError: Shapes and ids do not fit, ids repeat, there are too few rows, or a value is not finite.
    """

    queries: NDArray[np.float32]
    corpus: NDArray[np.float32]
    query_ids: tuple[str, ...]
    corpus_ids: tuple[str, ...]
    skips_own_id: bool = False

    def __post_init__(self) -> None:
        for name, ids_name in (("queries", "query_ids"), ("corpus", "corpus_ids")):
            ids = tuple(getattr(self, ids_name))
            if len(set(ids)) != len(ids):
                raise UserError(f"{len(ids) - len(set(ids))} of {len(ids)} ids of the {name} repeat: make them unique.")
            object.__setattr__(self, ids_name, ids)
            object.__setattr__(self, name, _unit_rows(np.asarray(getattr(self, name)), name, len(ids)))
        if len(self.corpus) < 2:
            documents = f"{len(self.corpus)} document{'' if len(self.corpus) == 1 else 's'}"
            raise UserError(f"The corpus has {documents}: retrieval needs at least 2.")
        if len(self.queries) < 1:
            raise UserError("There are no queries: retrieval needs at least 1.")
        if self.queries.shape[1] != self.corpus.shape[1]:
            raise UserError(
                f"Queries have {self.queries.shape[1]} dimensions and documents {self.corpus.shape[1]}: "
                "encode both with one model."
            )

    def save(self, path: Path) -> None:
        """Save everything in one `.npz` file, whole or not at all."""
        _save(
            path,
            queries=self.queries,
            corpus=self.corpus,
            query_ids=np.array(self.query_ids, dtype=str),
            corpus_ids=np.array(self.corpus_ids, dtype=str),
            skips_own_id=np.array(self.skips_own_id),
        )

    @classmethod
    def load(cls, path: Path) -> "RetrievalEmbeddings":
        """Load what `save` wrote; nothing is unpickled."""
        with np.load(path, allow_pickle=False) as saved:
            query_ids, corpus_ids = (tuple(saved[name].tolist()) for name in ("query_ids", "corpus_ids"))
            return cls(saved["queries"], saved["corpus"], query_ids, corpus_ids, bool(saved["skips_own_id"]))


def count_duplicates(rows: NDArray[np.float32]) -> int:
    """How many unit rows of shape `(n, d)` are an earlier one, to three decimals: a batch changes the last ones."""
    return len(rows) - len(np.unique(rows.round(3) + 0.0, axis=0))  # + 0.0: there is a negative zero


def save_texts(path: Path, rows: NDArray[np.floating]) -> None:
    """Save the embeddings of a task other than retrieval, as unit rows of shape `(n, d)`, where `load_texts` looks.

    Raises:
        UserError: A value is not finite.
    """
    _save(path, corpus=_unit_rows(rows, "texts", len(rows)))


def load_texts(path: Path) -> NDArray[np.float32]:
    """Load the unit rows, shape `(n, d)`, of a task's texts: the documents of a retrieval task, or all texts."""
    with np.load(path, allow_pickle=False) as saved:
        return saved["corpus"]


def _save(path: Path, **arrays: NDArray[np.generic]) -> None:
    with new_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]


def _unit_rows(rows: NDArray[np.floating], name: str, count: int) -> NDArray[np.float32]:
    if rows.ndim != 2 or len(rows) != count:
        raise UserError(f"The {name} array has shape {rows.shape} for {count} ids: give one row per id.")
    if not np.isfinite(rows).all():
        bad = int((~np.isfinite(rows).all(axis=1)).sum())
        raise UserError(f"{bad} of {count} embeddings of the {name} hold NaN or infinity: check the model.")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(rows / np.where(lengths > 0, lengths, 1), dtype=np.float32)
