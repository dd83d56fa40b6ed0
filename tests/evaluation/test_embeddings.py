import numpy as np
import pytest

from evaluation.errors import UserError
from evaluation.models.embeddings import RetrievalEmbeddings


def test_embeddings_survive_a_round_trip(tmp_path):
    rng = np.random.default_rng(0)
    corpus_ids = ("naïve <b>/../", *(f"d{row}" for row in range(1, 30)))
    start = RetrievalEmbeddings(rng.standard_normal((3, 6)), rng.standard_normal((30, 6)), ("a", "b", "c"), corpus_ids)
    start.save(tmp_path / "deep" / "corpus.npz")
    loaded = RetrievalEmbeddings.load(tmp_path / "deep" / "corpus.npz")
    np.testing.assert_allclose(loaded.corpus, start.corpus, rtol=1e-6)
    np.testing.assert_allclose(loaded.queries, start.queries, rtol=1e-6)
    assert (loaded.query_ids, loaded.corpus_ids) == (start.query_ids, start.corpus_ids)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["corpus.npz"]


def test_saved_embeddings_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "bad.npz", queries=np.array([{}]), corpus=np.eye(2), query_ids=["q"], corpus_ids=["a", "b"])
    with pytest.raises(ValueError, match="allow_pickle=False"):
        RetrievalEmbeddings.load(tmp_path / "bad.npz")


def test_a_zero_row_stays_zero():
    start = RetrievalEmbeddings(np.array([[0.0, 0.0], [3.0, 4.0]]), np.eye(2), ("a", "b"), ("c", "d"))
    np.testing.assert_allclose(start.queries, [[0, 0], [0.6, 0.8]], rtol=1e-6)
    assert start.queries.dtype == np.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"corpus": np.full((2, 2), np.nan)}, "2 of 2 embeddings of the corpus hold NaN or infinity: check the model."),
        ({"corpus": np.ones((3, 2))}, "The corpus array has shape (3, 2) for 2 ids: give one row per id."),
        ({"corpus": np.ones((1, 2)), "corpus_ids": ("d",)}, "The corpus has 1 document: retrieval needs at least 2."),
        ({"queries": np.ones((0, 2)), "query_ids": ()}, "There are no queries: retrieval needs at least 1."),
        ({"corpus_ids": ("d", "d")}, "1 of 2 ids of the corpus repeat: make them unique."),
        (
            {"queries": np.ones((1, 3))},
            "Queries have 3 dimensions and documents 2: encode both with one model.",
        ),
    ],
)
def test_bad_embeddings_are_refused_in_one_sentence(change, message):
    good = {"queries": np.ones((1, 2)), "corpus": np.eye(2), "query_ids": ("q",), "corpus_ids": ("a", "b")}
    with pytest.raises(UserError) as error:
        RetrievalEmbeddings(**(good | change))
    assert str(error.value) == message
