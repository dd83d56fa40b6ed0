"""One model measured: task scores, isotropy of what was encoded, and every FAISS index on the same embeddings."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from rich import get_console
from sentence_transformers import SentenceTransformer

from evaluation.files import file_name, read_json, write_json
from evaluation.measure.scores import BATCH_SIZE, embeddings_file, evaluate, qrels_file
from evaluation.measured import (
    ChosenIndex,
    Distributions,
    Failure,
    Histogram,
    IsotropyValue,
    Measured,
    TaskScores,
)
from evaluation.models.embeddings import RetrievalEmbeddings, count_duplicates, load_texts
from evaluation.report.progress import progress
from evaluation.retrieval.check import faiss_check, search_curves
from evaluation.retrieval.search import Qrels
from evaluation.retrieval.settings import choose_indexes
from evaluation.tasks.source import TaskSource
from st_isotropy.barcodes import barcode
from st_isotropy.metrics import isotropy

MEASURES = (
    "isoscore",
    "average_cosine",
    "effective_rank",
    "persistent_entropy",
    "mean_mst_length",
    "hubness_skewness",
    "first_component_share",
)
INDEX_SEEDS = (0, 1, 2, 3, 4)
SAMPLE = 2000  # rows; pictures of a larger cloud look the same
COSINE_BINS = 100
MOST_BARS = 200


def measure(
    model: SentenceTransformer,
    variant: str,
    tasks: Sequence[TaskSource],
    folder: Path,
    *,
    isotropy_of: str,
    indexes: Sequence[str],
    start: Path | None,
    index_seeds: Sequence[int] = INDEX_SEEDS,
    norms: Mapping[str, float] = MappingProxyType({}),
    batch_size: int = BATCH_SIZE,
    show_progress: bool = True,
) -> Measured:
    """Measure one model; a task that is finished in `folder` is read, not run again.

    Args:
        model: The model.
        variant: Its name in mteb's results.
        tasks: What to evaluate on.
        folder: Folder of this model alone; `embeddings/` in it can be deleted afterwards, and a later measurement then
            evaluates again; `indexes/` is read by the measurements that start from this one.
        isotropy_of: Name of the task whose texts are measured: the documents of a retrieval task, all texts of others.
        indexes: Names of FAISS indexes for the retrieval tasks; none for no FAISS check.
        start: Folder in which the start model was measured, whose embeddings decide the settings of the indexes; None
            if this is the start model.
        index_seeds: Seeds over which each index is averaged.
        norms: Per classification task, the norm at which it is scored; see `evaluation.measure.scores.evaluate`.
        batch_size: Texts per forward pass.
        show_progress: Whether to show progress over the tasks and the FAISS checks.

    Returns:
        What was measured; what needs a task that failed is left out.

    Raises:
        UserError: If `folder` holds scores of another model, or an index is unknown.
        OSError: If nothing can be written to `folder`.
    """
    results = evaluate(model, variant, tasks, folder, batch_size, show_progress, norms)
    scores = [result for result in results if isinstance(result, TaskScores)]
    searched = [score.task for score in scores if indexes and qrels_file(folder, score.task).exists()]
    unset = [name for name in searched if start is not None and not _has_settings(start, name)]
    failures = [result for result in results if isinstance(result, Failure)]
    failures += [Failure(name, _unset(name, variant)) for name in unset]
    encoded = embeddings_file(folder, isotropy_of)
    texts = load_texts(encoded) if encoded.exists() else ()
    has_geometry = len(texts) > 1  # one text has none
    measured = Measured(
        isotropy=_isotropy(texts) if has_geometry else {},
        tasks=scores,
        failures=failures,
        distributions=distributions(texts) if has_geometry else None,
    )
    checked = [name for name in searched if name not in unset]
    with progress(f"FAISS check of {variant}", len(checked), get_console(), show_progress) as finish:
        for name in checked:
            embeddings = RetrievalEmbeddings.load(embeddings_file(folder, name))
            qrels = read_json(qrels_file(folder, name))
            chosen = chosen_indexes(start or folder, name, indexes, qrels, index_seeds)
            measured.indexes[name] = chosen
            measured.duplicates[name] = count_duplicates(embeddings.corpus)
            measured.retrieval[name] = faiss_check(embeddings, qrels, chosen, index_seeds)
            measured.curves[name] = search_curves(embeddings, qrels, chosen, index_seeds)
            finish(name)
    return measured


def _isotropy(texts: NDArray[np.float32]) -> dict[str, IsotropyValue]:
    found = isotropy(texts, names=MEASURES)
    return {name: IsotropyValue(measure.value, measure.isotropic) for name, measure in found.items()}


def chosen_indexes(
    start: Path, task: str, names: Sequence[str], qrels: Qrels, seeds: Sequence[int]
) -> list[ChosenIndex]:
    """The settings of the indexes for a retrieval task, chosen once on the start model's embeddings and then kept.

    Args:
        start: Folder in which the start model was measured; the choice is in `indexes/<task>.json`.
        task: Name of the task.
        names: Names of the indexes.
        qrels: Grades of documents for queries.
        seeds: Index seeds to average over.
    """
    path = _indexes_file(start, task)
    chosen = {index["name"]: ChosenIndex(**index) for index in read_json(path, list)} if path.exists() else {}
    missing = [name for name in names if name not in chosen]
    if missing:
        embeddings = RetrievalEmbeddings.load(embeddings_file(start, task))
        chosen |= {index.name: index for index in choose_indexes(embeddings, qrels, missing, seeds)}
        write_json(path, [asdict(index) for index in chosen.values()])
    return [chosen[name] for name in names]


def _has_settings(start: Path, task: str) -> bool:
    return _indexes_file(start, task).exists() or embeddings_file(start, task).exists()


def _unset(task: str, variant: str) -> str:
    return (
        f"The FAISS check of {variant} on {task} was left out, because the first model, which decides the settings, "
        "has no embeddings of it; fix that failure and rerun the command."
    )


def _indexes_file(start: Path, task: str) -> Path:
    return start / "indexes" / f"{file_name(task)}.json"


def distributions(texts: NDArray[np.float32]) -> Distributions:
    """What a picture of the cloud needs, from at most `SAMPLE` rows that a fixed generator draws.

    Args:
        texts: Unit rows of shape `(n, d)`.

    Returns:
        A histogram of the cosines of all pairs of rows, and the lengths of the H0 bars, thinned out to at most
        `MOST_BARS` quantiles.
    """
    rows = np.random.default_rng(0).choice(len(texts), size=min(SAMPLE, len(texts)), replace=False)
    sample = texts[np.sort(rows)]
    cosines = (sample @ sample.T)[np.triu_indices(len(sample), k=1)]
    counts, edges = np.histogram(np.clip(cosines, -1, 1), bins=COSINE_BINS, range=(-1, 1))
    bars = barcode(torch.from_numpy(sample)).lengths.sort().values.numpy()
    if len(bars) > MOST_BARS:
        bars = np.quantile(bars, np.linspace(0, 1, MOST_BARS))
    return Distributions(Histogram(edges.tolist(), counts.tolist()), bars.tolist())
