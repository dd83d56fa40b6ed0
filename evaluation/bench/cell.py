"""What it takes to measure a model, over encoding every distinct text once and scoring it plainly."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from mteb.abstasks import AbsTask, AbsTaskClassification, AbsTaskClustering, AbsTaskRetrieval
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import v_measure_score

from evaluation.bench.stopwatch import Figure, alternate, cost, durations
from evaluation.files import delete_folder
from evaluation.measure.measure import distributions, measure
from evaluation.measure.scores import BATCH_SIZE, embeddings_file, evaluate
from evaluation.models.embeddings import load_texts
from evaluation.models.load import load_model
from evaluation.retrieval.indexes import QUICK_INDEXES
from evaluation.tasks.loading import load
from evaluation.tasks.resolve import DOCSTRINGS, resolve_tasks
from evaluation.tasks.source import TaskSource
from st_isotropy.metrics import isotropy

MODELS = {"static": 3, "minilm": 1}  # and rounds: one of MiniLM takes a quarter of an hour
BANKING = "Banking77Classification"
MEASURED, SCORED, PLAIN, ISOTROPY = "measuring", "mteb's scores", "plain", "isotropy"
LIMIT = 1.5
INDEX_SEEDS = range(3)
DRAWS, PER_LABEL = 10, 8  # as mteb fits classifiers, and clusters

Vectors = Mapping[str, NDArray[np.float32]]  # text -> embedding


def cell(mirror: Path | None = None) -> Iterator[Figure]:
    """Measuring a model, over encoding every distinct text once and scoring it plainly."""
    cases = {"quickstart": [DOCSTRINGS], **({BANKING: [BANKING]} if mirror else {})}
    for name, rounds in MODELS.items():
        model = load_model(name)
        for case, tasks in cases.items():
            yield from compare_costs(f"{name}, {case}", model, resolve_tasks(tasks, mirror), rounds)


def compare_costs(case: str, model: SentenceTransformer, tasks: Sequence[TaskSource], rounds: int) -> Iterator[Figure]:
    """Time a measurement, the plain way, and the parts of both; parts are given as shares of the measurement."""
    loaded = [task.make() for task in tasks]
    for task in loaded:
        load(task)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "scored"
        contenders: dict[str, Callable[[], object]] = {
            MEASURED: partial(_measure, model, tasks, QUICK_INDEXES),
            SCORED: partial(_measure_nothing_else, model, tasks, folder),
            PLAIN: partial(score_plainly, model, loaded),
        }
        times = alternate(contenders, seconds=0, fewest=rounds)
        texts = load_texts(embeddings_file(folder, tasks[0].name))
    times |= alternate({ISOTROPY: partial(_isotropy, texts)}, seconds=0, fewest=rounds)
    yield from durations(case, times)
    yield cost(case, times, MEASURED, PLAIN, LIMIT)
    yield cost(case, times, SCORED, PLAIN, None)
    for part in (SCORED, ISOTROPY):
        yield cost(case, times, part, MEASURED, None)


def _measure(model: SentenceTransformer, tasks: Sequence[TaskSource], indexes: Sequence[str]) -> None:
    with TemporaryDirectory() as folder:
        measure(
            model,
            "measured",
            tasks,
            Path(folder),
            isotropy_of=tasks[0].name,
            indexes=indexes,
            start=None,
            index_seeds=INDEX_SEEDS,
            show_progress=False,
        )


def _measure_nothing_else(model: SentenceTransformer, tasks: Sequence[TaskSource], folder: Path) -> None:
    delete_folder(folder)  # else what is there would be read
    evaluate(model, "scored", tasks, folder, show_progress=False)


def _isotropy(texts: NDArray[np.float32]) -> None:
    isotropy(texts)
    distributions(texts)


def encode_once(model: SentenceTransformer, tasks: Sequence[AbsTask]) -> Vectors:
    """Encode every distinct text of some loaded tasks."""
    texts = list(dict.fromkeys(text for task in tasks for text in _texts(task)))
    rows = model.encode(texts, batch_size=BATCH_SIZE, show_progress_bar=False)
    return dict(zip(texts, np.asarray(rows, dtype=np.float32), strict=True))


def score_plainly(model: SentenceTransformer, tasks: Sequence[AbsTask]) -> list[float]:
    """Encode every distinct text once, and give each task's main score as it is usually computed."""
    vectors = encode_once(model, tasks)
    return [_score(task, vectors) for task in tasks]


def _texts(task: AbsTask) -> Iterator[str]:
    rows = _rows(task)
    if isinstance(task, AbsTaskRetrieval):
        yield from rows["test"]["queries"]["text"]
        yield from rows["test"]["corpus"]["text"]
    elif isinstance(task, AbsTaskClassification):
        yield from (rows["train"]["text"][place] for draw in _draws(task) for place in draw)
        yield from rows["test"]["text"]
    else:
        yield from rows["test"]["sentences"]


def _rows(task: AbsTask) -> Any:
    dataset: Any = task.dataset
    return dataset.get("default", dataset)


def _score(task: AbsTask, vectors: Vectors) -> float:
    rows = _rows(task)
    if isinstance(task, AbsTaskRetrieval):
        return _ndcg(rows["test"], vectors)
    if isinstance(task, AbsTaskClassification):
        return _accuracy(task, vectors)
    assert isinstance(task, AbsTaskClustering)
    return _v_measure(task, vectors)


def _ndcg(data: Any, vectors: Vectors) -> float:
    """nDCG@10 by cosine, where a query has one relevant document."""
    queries, corpus = (_unit(vectors, data[name]["text"]) for name in ("queries", "corpus"))
    places = {id_: place for place, id_ in enumerate(data["corpus"]["id"])}
    relevant = [places[next(iter(data["relevant_docs"][query]))] for query in data["queries"]["id"]]
    similarity = queries @ corpus.T
    ranks = (similarity > similarity[np.arange(len(relevant)), relevant][:, None]).sum(axis=1)
    return float(np.where(ranks < 10, 1 / np.log2(ranks + 2), 0).mean())


def _accuracy(task: AbsTaskClassification, vectors: Vectors) -> float:
    rows = _rows(task)
    texts, labels = rows["train"]["text"], np.array(rows["train"]["label"])
    test, gold = np.array([vectors[text] for text in rows["test"]["text"]]), np.array(rows["test"]["label"])
    right = []
    for draw in _draws(task):
        known = np.array([vectors[texts[place]] for place in draw])
        classifier = LogisticRegression(max_iter=100, random_state=task.seed).fit(known, labels[draw])
        right.append((classifier.predict(test) == gold).mean())
    return float(np.mean(right))


def _draws(task: AbsTaskClassification) -> list[list[int]]:
    """Places of the training texts of each classifier, drawn as mteb draws them."""
    labels = _rows(task)["train"]["label"]
    order, draws = list(range(len(labels))), []
    for _ in range(DRAWS):
        np.random.RandomState(task.seed).shuffle(order)
        by_label: dict[int, list[int]] = {}
        for place in order:
            by_label.setdefault(labels[place], []).append(place)
        draws.append([place for places in by_label.values() for place in places[:PER_LABEL]])
    return draws


def _v_measure(task: AbsTaskClustering, vectors: Vectors) -> float:
    """The mean over as many draws of as many texts as mteb clusters."""
    rows, generator = _rows(task)["test"], np.random.default_rng(0)
    labels, points = np.array(rows["labels"]), np.array([vectors[text] for text in rows["sentences"]])
    found = []
    for _ in range(DRAWS):
        drawn = generator.integers(0, len(labels), size=task.max_documents_per_cluster)
        clusters = MiniBatchKMeans(len(set(labels)), batch_size=task.k_mean_batch_size, n_init="auto")
        found.append(v_measure_score(labels[drawn], clusters.fit_predict(points[drawn])))
    return float(np.mean(found))


def _unit(vectors: Vectors, texts: Sequence[str]) -> NDArray[np.float32]:
    rows = np.array([vectors[text] for text in texts])
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
