"""Texts to frozen embeddings: each distinct text once, as the model encodes queries and documents."""

from collections.abc import Sequence

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from st_isotropy.improve.folds import group_pairs
from st_isotropy.improve.inputs import ScoredTexts, SearchTexts, group_texts
from st_isotropy.improve.saving import ends_in_normalize
from st_isotropy.improve.tasks import ScoredTask, SearchTask
from st_isotropy.kinds import with_reason
from st_isotropy.metrics.cloud import check_points
from st_isotropy.unwrap import unwrap


def encode_search(
    model: SentenceTransformer, texts: SearchTexts, batch_size: int = 32, show_progress_bar: bool = False
) -> SearchTask:
    """Encode a corpus as documents and queries as queries.

    Args:
        model: The model; its prompts, routes, similarity and `truncate_dim` are respected.
        texts: What to encode.
        batch_size: Texts per forward pass.
        show_progress_bar: Show a progress bar while encoding.

    Returns:
        The task.

    Raises:
        ValueError: If an embedding is not finite, or the model is of another kind.

    Examples:
        >>> from st_isotropy.improve import Judgment
        >>> answers = (Judgment({0: 1.0}), Judgment({1: 1.0}))
        >>> texts = SearchTexts(["a cat", "the sun"], ["cats", "sun"], answers)
        >>> encode_search(model, texts).documents.shape
        torch.Size([2, 32])
    """
    _check_dense(model)
    options = {"batch_size": batch_size, "show_progress_bar": show_progress_bar}
    return SearchTask(
        documents=_encode(model.encode_document, texts.documents, options),
        queries=_encode(model.encode_query, texts.queries, options),
        judgments=texts.judgments,
        similarity=model.similarity_fn_name,
        groups=group_texts(texts.queries),
        texts=texts.queries,
        unit_rows=ends_in_normalize(unwrap(model)),
    )


def encode_scored(
    model: SentenceTransformer, texts: ScoredTexts, batch_size: int = 32, show_progress_bar: bool = False
) -> ScoredTask:
    """Encode scored pairs, and the corpus if there is one; arguments and errors as for `encode_search`.

    Examples:
        >>> texts = ScoredTexts([("a cat", "cats"), ("a cat", "the sun")], [0.9, 0.1])
        >>> encode_scored(model, texts).pairs.tolist()  # rows of distinct sentences
        [[0, 1], [0, 2]]
    """
    _check_dense(model)
    options = {"batch_size": batch_size, "show_progress_bar": show_progress_bar}
    numbers = {text: number for number, text in enumerate(dict.fromkeys(text for pair in texts.pairs for text in pair))}
    return ScoredTask(
        sentences=_encode(model.encode, list(numbers), options),
        pairs=np.array([[numbers[text] for text in pair] for pair in texts.pairs]),
        gold=np.array(texts.scores),
        similarity=model.similarity_fn_name,
        groups=group_pairs(texts.pairs),
        texts=[" / ".join(pair) for pair in texts.pairs],
        corpus=_encode(model.encode, texts.corpus, options) if texts.corpus else None,
        unit_rows=ends_in_normalize(unwrap(model)),
    )


def _check_dense(model: object) -> None:
    if not isinstance(unwrap(model), SentenceTransformer):
        kind = with_reason(type(unwrap(model)).__name__)
        raise ValueError(f"Texts are encoded by a SentenceTransformer, not by a {kind}.")


def _encode(encode, texts: Sequence[str], options: dict) -> Tensor:
    distinct = list(dict.fromkeys(texts))
    place = {text: number for number, text in enumerate(distinct)}
    rows = torch.as_tensor(encode(distinct, convert_to_tensor=True, **options)).detach().cpu().float()
    check_points(rows)
    return rows if len(distinct) == len(texts) else rows[torch.tensor([place[text] for text in texts])]
