"""What `st-isotropy improve` costs: over encoding, and over one exact search per candidate."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from evaluation.bench.stopwatch import MEGABYTES, OVER, Figure, alternate, cost, durations, in_fresh_process
from evaluation.data.docstrings import docstring_corpus
from evaluation.files import cache_root
from evaluation.models.load import load_model
from st_isotropy.improve import Judgment, SearchTask, SearchTexts, encode_search, improve
from st_isotropy.improve.candidates import table_of_transforms

ENCODING, LABEL_FREE, WHOLE, SEARCH = "encoding", "transforms", "transforms and adapters", "faiss search per candidate"
TEXTS, QUERIES, DOCUMENTS, WIDTH = 10_000, 1_000, 1_000_000, 384
BLOCK = 10_000  # rows


def improve_costs() -> Iterator[Figure]:
    """What `st-isotropy improve` costs, over encoding with MiniLM and over one exact faiss search per candidate."""
    yield from beside_encoding(load_model("minilm"), docstring_texts())
    yield from beside_search(DOCUMENTS)


def docstring_texts() -> SearchTexts:
    """At most 10,000 texts: docstrings without their first paragraphs, of which 1,000 are the queries."""
    corpus = docstring_corpus(cache_root())
    pairs = (*corpus.test, *corpus.train)[: TEXTS - QUERIES]
    answers = tuple(Judgment({row: 1.0}) for row in range(QUERIES))
    return SearchTexts([pair.rest for pair in pairs], [pair.first for pair in pairs[:QUERIES]], answers)


def beside_encoding(model: SentenceTransformer, texts: SearchTexts) -> Iterator[Figure]:
    """Time the search for an improvement beside the encoding that precedes it; once, as it takes minutes."""
    tasks: list[SearchTask] = []
    times = alternate({ENCODING: lambda: tasks.append(encode_search(model, texts))}, seconds=0, fewest=1)
    [task] = tasks
    names = list(table_of_transforms(len(task.documents), task.width))
    contenders = {LABEL_FREE: partial(improve, task, candidates=names), WHOLE: partial(improve, task)}
    times |= alternate(contenders, seconds=0, fewest=1)
    case = f"{len(texts.documents):,} documents, {len(texts.queries):,} queries"
    yield from durations(case, times)
    yield cost(case, times, LABEL_FREE, ENCODING, 0.1)
    yield cost(case, times, WHOLE, ENCODING, 1.0)


def beside_search(documents: int) -> Iterator[Figure]:
    """Time the transforms on a corpus in a file beside as many exact searches, each in a process of its own."""
    with TemporaryDirectory() as folder:
        corpus = Path(folder)
        write_corpus(corpus / "small", 2 * QUERIES)
        write_corpus(corpus / "large", documents)
        ours = in_fresh_process(improve_file, (corpus / "small",), (corpus / "large",))
        searched = in_fresh_process(search_file, (corpus / "small",), (corpus / "large",))
    tried = len(table_of_transforms(documents, WIDTH)) + 1  # as it is
    case = f"{documents:,} × {WIDTH} from a file, {QUERIES:,} queries"
    yield Figure(case, LABEL_FREE, "s", ours.seconds, at_most=600.0)
    yield Figure(case, LABEL_FREE, OVER, ours.seconds / (tried * searched.seconds), peer=SEARCH)
    yield Figure(case, LABEL_FREE, MEGABYTES, ours.megabytes, at_most=3_000.0)


def write_corpus(folder: Path, documents: int) -> None:
    """Write embeddings of documents in a cone, and of queries near the first of them."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    shape = (documents, WIDTH)
    rows = np.lib.format.open_memmap(folder / "documents.npy", mode="w+", dtype=np.float32, shape=shape)
    for start in range(0, documents, BLOCK):
        block = rows[start : start + BLOCK]
        block[:] = 0.5 + generator.standard_normal(block.shape, dtype=np.float32)
    noise = generator.standard_normal((QUERIES, WIDTH), dtype=np.float32)
    np.save(folder / "queries.npy", rows[:QUERIES] + noise)
    rows.flush()


def improve_file(folder: Path) -> None:
    """Try every transform on a corpus that stays in its file."""
    documents = torch.from_numpy(np.load(folder / "documents.npy", mmap_mode="c", allow_pickle=False))
    answers = tuple(Judgment({row: 1.0}) for row in range(QUERIES))
    texts = [f"query {row}" for row in range(QUERIES)]
    queries = torch.from_numpy(np.load(folder / "queries.npy", allow_pickle=False))
    task = SearchTask(documents, queries, answers, "cosine", np.arange(QUERIES), texts)
    improve(task, candidates=list(table_of_transforms(len(documents), WIDTH)))


def search_file(folder: Path) -> None:
    """Search the same corpus once, exactly."""
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(WIDTH)
    rows = np.load(folder / "documents.npy", mmap_mode="r", allow_pickle=False)
    for start in range(0, len(rows), BLOCK):
        index.add(np.ascontiguousarray(rows[start : start + BLOCK]))
    index.search(np.load(folder / "queries.npy", allow_pickle=False), 10)
