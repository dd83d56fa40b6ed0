"""An encoder that keeps the embeddings that mteb asks for, so that other measurements use the same ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.types import Array, BatchedInput, PromptType
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from torch.utils.data import DataLoader

from evaluation.files import short_hash
from evaluation.models.embeddings import RetrievalEmbeddings
from evaluation.models.wrapped_encoder import AnyEncoder, WrappedEncoder


@dataclass(frozen=True, eq=False)
class _Call:
    """One call of `encode`: what was encoded, and as what."""

    prompt_type: PromptType | None
    split: str
    columns: dict[str, list[str]]
    rows: NDArray[np.float32]


class RecordingEncoder(WrappedEncoder):
    """Passes everything on to an encoder and keeps the embeddings, with the prompts and routes that mteb chose.

    Used for one evaluation of one task.

    Args:
        encoder: The encoder that does the work.
    """

    def __init__(self, encoder: AnyEncoder) -> None:
        super().__init__(encoder)
        self._calls: list[_Call] = []

    def encode(
        self,
        inputs: DataLoader[BatchedInput],
        *,
        task_metadata: TaskMetadata,
        hf_split: str,
        hf_subset: str,
        prompt_type: PromptType | None = None,
        **kwargs: Any,
    ) -> Array:
        """Encode texts and keep the result, with their ids where they have some."""
        embeddings = self._encoder.encode(
            inputs,
            task_metadata=task_metadata,
            hf_split=hf_split,
            hf_subset=hf_subset,
            prompt_type=prompt_type,
            **kwargs,
        )
        dataset = cast(Any, inputs.dataset)
        columns = {name: list(dataset[name]) for name in ("id", "text") if name in dataset.column_names}
        rows = np.asarray(embeddings, dtype=np.float32)
        self._calls.append(_Call(prompt_type, hf_split, columns, rows))
        return embeddings

    def encode_plain(self, texts: list[str], batch_size: int) -> NDArray[np.float32]:
        """Encode texts without prompt or truncation, as a head sees them, and keep the result: rows `(n, d)`."""
        rows = encode_plain(self.model, texts, batch_size)
        self._calls.append(_Call(None, "", {"text": texts}, rows))
        return rows

    def texts(self) -> NDArray[np.float32]:
        """The embeddings of the distinct texts that are not queries, shape `(n, d)`, in the order first encoded."""
        seen: dict[str, NDArray[np.float32]] = {}
        for call in self._calls:
            if call.prompt_type != PromptType.query:
                for text, row in zip(call.columns["text"], call.rows, strict=True):
                    seen.setdefault(text, row)
        return np.array(list(seen.values()))

    def document_hashes(self) -> list[str]:
        """A hash of the texts of the documents, whatever their order; none where nothing was encoded as a document."""
        texts = {
            text for call in self._calls if call.prompt_type == PromptType.document for text in call.columns["text"]
        }
        return [short_hash(sorted(texts))] if texts else []

    def mean_norm(self, split: str) -> float:
        """The mean Euclidean norm of the embeddings of one split, as the model gave them."""
        rows = np.concatenate([call.rows for call in self._calls if call.split == split])
        return float(np.linalg.norm(rows, axis=1).mean())

    def scaled(self, factor: float) -> "ScaledReplay":
        """An encoder that gives the same embeddings once more, in the order in which they were asked for."""
        return ScaledReplay(self._encoder, [factor * call.rows for call in self._calls])

    def retrieval(self, skips_own_id: bool) -> RetrievalEmbeddings:
        """Queries and documents of a retrieval task with one subset and one split.

        Args:
            skips_own_id: Whether the task does not count the document of a query's own id as found.

        Raises:
            UserError: An embedding is not finite, ids repeat, or there are fewer than 2 documents.
        """
        query_ids, queries = _joined(call for call in self._calls if call.prompt_type == PromptType.query)
        corpus_ids, corpus = _joined(call for call in self._calls if call.prompt_type == PromptType.document)
        return RetrievalEmbeddings(queries, corpus, query_ids, corpus_ids, skips_own_id)


class ScaledReplay(WrappedEncoder):
    """Gives recorded embeddings, multiplied by a factor, to a second evaluation of the same task.

    Args:
        encoder: The encoder that they are from.
        embeddings: One array `(n, d)` a call, in the order of the calls.
    """

    def __init__(self, encoder: AnyEncoder, embeddings: Sequence[NDArray[np.float32]]) -> None:
        super().__init__(encoder)
        self._embeddings = iter(embeddings)

    def encode(self, inputs: DataLoader[BatchedInput], **kwargs: Any) -> Array:
        """Give the embeddings of the next call."""
        return next(self._embeddings)


def encode_plain(model: SentenceTransformer, texts: list[str], batch_size: int) -> NDArray[np.float32]:
    """Encode texts without prompt or truncation."""
    with model.truncate_embeddings(None):
        rows = model.encode(texts, prompt="", batch_size=batch_size, show_progress_bar=False)
    return np.asarray(rows, dtype=np.float32)


def _joined(calls: Iterable[_Call]) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Ids and rows of all chunks."""
    chunks = list(calls)
    return tuple(id_ for call in chunks for id_ in call.columns["id"]), np.concatenate([call.rows for call in chunks])
