"""One model measured: what mteb encoded is what isotropy and FAISS see, whatever prompts and routes the model has."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Router
from small_corpus import small_corpus, static_model

from evaluation.files import read_json, read_record, write_record
from evaluation.measure.measure import COSINE_BINS, MEASURES, MOST_BARS, measure
from evaluation.measure.scores import embeddings_file, qrels_file
from evaluation.measured import ChosenIndex, Measured
from evaluation.models.embeddings import RetrievalEmbeddings
from evaluation.retrieval.check import faiss_check
from evaluation.study.section import left_out_indexes
from evaluation.tasks.docstrings import DocstringRetrieval
from evaluation.tasks.resolve import docstring_tasks
from evaluation.tasks.source import TaskSource

PAIRS = 600
RETRIEVAL = "DocstringRetrieval"


def tasks():
    return docstring_tasks(partial(small_corpus, PAIRS))


def with_prompts() -> SentenceTransformer:
    model = static_model()
    model.prompts = {"query": "word1 word2 word3: ", "document": "word4 word5 word6: "}
    return model


def with_routes() -> SentenceTransformer:
    queries, documents = static_model(seed=0), static_model(seed=0)
    documents[0].embedding.weight.data *= np.random.default_rng(1).choice([0.5, 1.5], size=16).astype(np.float32)
    return SentenceTransformer(modules=[Router.for_query_document([queries[0]], [documents[0]])], device="cpu")


@pytest.mark.parametrize("make", [static_model, with_prompts, with_routes])
def test_exact_search_over_what_mteb_encoded_gives_mtebs_score(make, tmp_path: Path) -> None:
    model = make()
    result = measure(
        model, "start", tasks()[:1], tmp_path, isotropy_of=RETRIEVAL, indexes=("flat",), start=None, index_seeds=(0,)
    )
    [score], [flat] = result.tasks, result.retrieval[RETRIEVAL]
    assert flat.quality.ndcg_at_10 == pytest.approx(score.score, abs=2e-5) and 0 < score.score < 1
    embeddings = RetrievalEmbeddings.load(embeddings_file(tmp_path, RETRIEVAL))
    pairs = small_corpus(PAIRS).test
    expected = model.encode_document([pair.rest for pair in pairs]), model.encode_query([pair.first for pair in pairs])
    for rows, own in zip((embeddings.corpus, embeddings.queries), expected, strict=True):
        np.testing.assert_allclose(rows, own / np.linalg.norm(own, axis=1, keepdims=True), atol=1e-5)
    if make is not static_model:
        assert not np.allclose(model.encode([pairs[0].first]), model.encode_query([pairs[0].first]), atol=1e-2) or (
            not np.allclose(model.encode([pairs[0].rest]), model.encode_document([pairs[0].rest]), atol=1e-2)
        )


class WithoutOwn(DocstringRetrieval):
    """Finds other docstrings of the same topic; a query's own document does not count."""

    metadata = DocstringRetrieval.metadata.model_copy(update={"name": "WithoutOwn"})
    ignore_identical_ids = True

    def load_data(self, *args, **kwargs):
        super().load_data()
        data = self.dataset["default"]["test"]
        ids = data["queries"]["id"]
        others = {query: {other: 1 for other in ids[::7] if other != query} for query in ids}
        data.update(corpus=data["queries"].add_column("title", [""] * len(ids)), relevant_docs=others)


def test_a_document_that_is_the_query_is_left_out_as_by_mteb(tmp_path: Path) -> None:
    source = TaskSource("WithoutOwn", "Retrieval", partial(WithoutOwn, small_corpus(PAIRS)))
    options = {"isotropy_of": source.name, "indexes": ("flat", "rotated", "hnsw"), "index_seeds": (0,)}
    result = measure(static_model(), "start", [source], tmp_path, start=None, **options)
    [score], [flat, rotated, graph] = result.tasks, result.retrieval[source.name]
    assert flat.quality.ndcg_at_10 == pytest.approx(score.score, abs=2e-5) and score.score > 0
    assert list(flat.per_query.values()) == pytest.approx(list(score.units.values()), abs=1e-6)
    assert rotated.quality.recall_at_10 == rotated.quality.recall_at_100 == 1 and 0.5 < graph.quality.recall_at_10 <= 1


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Measured]:
    folder = tmp_path_factory.mktemp("start")
    options = {"isotropy_of": RETRIEVAL, "indexes": ("flat", "hnsw", "one-bit"), "index_seeds": (0, 1)}
    return folder, measure(static_model(), "start", tasks(), folder, start=None, **options)


def test_everything_is_measured_on_one_model(start: tuple[Path, Measured]) -> None:
    folder, result = start
    assert [task.task for task in result.tasks] == [source.name for source in tasks()]
    assert tuple(result.isotropy) == MEASURES and result.failures == []
    assert [score.quality.name for score in result.retrieval[RETRIEVAL]] == ["flat", "hnsw", "one-bit"]
    assert {point.name for point in result.curves[RETRIEVAL]} == {"hnsw"}
    count = len(RetrievalEmbeddings.load(embeddings_file(folder, RETRIEVAL)).corpus)
    cosines, bars = result.distributions.cosines, result.distributions.bars
    assert sum(cosines.counts) == count * (count - 1) / 2 and len(cosines.edges) == COSINE_BINS + 1
    assert len(bars) == min(MOST_BARS, count - 1) and bars == sorted(bars)
    average = np.average((np.array(cosines.edges[1:]) + cosines.edges[:-1]) / 2, weights=cosines.counts)
    assert average == pytest.approx(result.isotropy["average_cosine"].value, abs=0.01)


def test_another_model_is_measured_at_the_start_models_settings(start: tuple[Path, Measured], tmp_path: Path) -> None:
    folder, _ = start
    result = measure(
        static_model(seed=1),
        "other",
        tasks()[:1],
        tmp_path,
        isotropy_of=RETRIEVAL,
        indexes=("flat", "hnsw", "one-bit"),
        start=folder,
        index_seeds=(0, 1),
    )
    chosen = [ChosenIndex(**index) for index in read_json(folder / "indexes" / f"{RETRIEVAL}.json", list)]
    assert [score.quality.setting for score in result.retrieval[RETRIEVAL]] == [index.setting for index in chosen]
    assert not (tmp_path / "indexes").exists()
    embeddings = RetrievalEmbeddings.load(embeddings_file(tmp_path, RETRIEVAL))
    again = faiss_check(embeddings, read_json(qrels_file(tmp_path, RETRIEVAL)), chosen, (0, 1))
    assert [score.per_query for score in again] == [s.per_query for s in result.retrieval[RETRIEVAL]]


def test_measuring_again_reads_what_is_finished(start: tuple[Path, Measured]) -> None:
    folder, result = start
    before = (folder / f"{RETRIEVAL}.json").stat().st_mtime_ns
    again = measure(static_model(), "start", tasks(), folder, isotropy_of=RETRIEVAL, indexes=(), start=None)
    assert (again.tasks, again.isotropy, again.retrieval) == (result.tasks, result.isotropy, {})
    assert (folder / f"{RETRIEVAL}.json").stat().st_mtime_ns == before


def test_an_index_that_is_left_out_is_told_under_the_name_of_the_task() -> None:
    kept, left = ChosenIndex("flat", {}, "exact", 1.0), ChosenIndex("pq", None, "left out", None, "pq is left out.")
    measured = Measured(indexes={"STS12": [kept], "NFCorpus:report": [kept, left]})
    assert left_out_indexes(measured) == ["NFCorpus:report: pq is left out."]


def test_what_was_measured_is_read_back_as_it_was_written(start: tuple[Path, Measured], tmp_path: Path) -> None:
    _, result = start
    write_record(tmp_path / "measured.json", result)
    assert read_record(tmp_path / "measured.json", Measured) == result
