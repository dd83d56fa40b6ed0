"""Training pairs in the columns that an objective trains on, the texts in them, and a hash of their content."""

import hashlib
import json
from collections.abc import Iterator
from typing import cast

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sklearn.decomposition import PCA

from evaluation.data.texts import normalized
from evaluation.errors import UserError
from evaluation.train.catalog import OBJECTIVES


def for_objective(pairs: Dataset, objective: str, teacher: SentenceTransformer | None, dimensions: int) -> Dataset:
    """Turn pairs into the columns that an objective trains on.

    Positive pairs become scored ones by as many mismatches. Texts get a teacher's embeddings: for a narrower student
    rotated to principal axes and cut, without centering, so that cosines change as little as they can, and for a wider
    one with zeros behind them, which changes no cosine.

    Args:
        pairs: From `load_pairs`.
        objective: One of `evaluation.train.catalog.OBJECTIVES`.
        teacher: For objectives that learn a teacher's embeddings.
        dimensions: The student's.

    Raises:
        UserError: The pairs have scores and the objective needs positives, or there are fewer texts than the axes that
            a narrower student takes.
    """
    wanted = OBJECTIVES[objective].columns
    if (wanted == "labelled") != ("label" in pairs.column_names):
        takes = "texts with labels, such as cola:train" if wanted == "labelled" else "pairs"
        raise UserError(
            f"The objective {objective} trains on {takes}, but the columns here are {', '.join(pairs.column_names)}."
        )
    if wanted == "labelled":
        return pairs
    scored = "score" in pairs.column_names
    if wanted == "scored":
        return pairs if scored else with_mismatches(pairs)
    if wanted == "positive":
        if scored:
            raise UserError(
                f"The objective {objective} trains on positive pairs, but these pairs have scores; "
                "give a file with the columns anchor and positive."
            )
        return pairs
    assert teacher is not None  # the study asks for one
    return _with_teacher(pairs, teacher, dimensions)


def with_mismatches(pairs: Dataset, seed: int = 0) -> Dataset:
    """Score positive pairs 1 and as many mismatches 0: columns `sentence1`, `sentence2`, `score`.

    A mismatch joins an anchor with another pair's positive. Left out are mismatches that are a pair of the data, in
    either order, and those of two equal texts, whatever the case and white space.
    Mismatches belong to the data, not to a training run, so every run uses the same `seed`.
    """
    first, second = list(pairs["anchor"]), list(pairs["positive"])
    n = len(first)
    other = (np.arange(n) + np.random.default_rng(seed).integers(1, n, size=n)) % n
    alike = list(map(normalized, first)), list(map(normalized, second))
    true = {frozenset(pair) for pair in zip(*alike, strict=True)}  # both directions: paraphrases have none
    places = [
        (i, j)
        for i, j in enumerate(other)
        if len(pair := frozenset((alike[0][i], alike[1][j]))) > 1 and pair not in true
    ]
    wrong = [(first[i], second[j]) for i, j in places]
    return Dataset.from_dict(
        {
            "sentence1": first + [anchor for anchor, _ in wrong],
            "sentence2": second + [positive for _, positive in wrong],
            "score": [1.0] * n + [0.0] * len(wrong),
        }
    )


def _with_teacher(pairs: Dataset, teacher: SentenceTransformer, dimensions: int) -> Dataset:
    texts = list(dict.fromkeys(text for name in pairs.column_names[:2] for text in pairs[name]))
    embeddings = teacher.encode(texts, convert_to_numpy=True, show_progress_bar=False)
    width = embeddings.shape[1]
    if width <= dimensions:
        targets = np.pad(embeddings, ((0, 0), (0, dimensions - width)))
    elif len(texts) < dimensions:
        raise UserError(
            f"A student of {dimensions} dimensions learns the teacher's {width} along as many principal axes, "
            f"which takes at least {dimensions} texts; there are {len(texts)}."
        )
    else:
        axes = cast(NDArray[np.float32], PCA(dimensions, svd_solver="full").fit(embeddings).components_)
        targets = (embeddings @ axes.T).astype(np.float32)
    return Dataset.from_dict({"sentence": texts, "label": targets.tolist()})


def texts_of(pairs: Dataset) -> Iterator[str]:
    """All texts of the pairs, column by column, repeated ones too."""
    for name in text_columns(pairs):
        yield from pairs[name]


def text_columns(pairs: Dataset) -> list[str]:
    """Names of the columns that hold texts."""
    kinds = pairs.features.items()
    return [name for name, kind in kinds if getattr(kind, "dtype", None) == "string"]  # lists of numbers have none


def count_repeats(pairs: Dataset) -> int:
    """How many rows have the texts of an earlier one."""
    return len(pairs) - len(set(zip(*(pairs[name] for name in text_columns(pairs)), strict=True)))


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
