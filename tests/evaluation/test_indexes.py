import math

import faiss
import numpy as np
import pytest

from evaluation.retrieval.indexes import KINDS, POINTS_PER_CENTROID


@pytest.mark.parametrize("documents", [78, 79, 400, 3000, 100_000])
def test_inverted_lists_have_enough_documents_each_and_the_ladder_probes_from_one_to_half_or_more(documents):
    ladder = KINDS["ivf"].ladder(documents, 64)
    [lists] = {setting["nlist"] for setting in ladder}
    assert 2 <= lists <= math.sqrt(documents) + 1
    assert documents >= POINTS_PER_CENTROID * lists
    probes = [setting["nprobe"] for setting in ladder]
    assert probes[0] == 1 and lists / 2 <= probes[-1] < lists
    assert probes == sorted(probes)


@pytest.mark.parametrize("dimensions", [1, 7, 33, 50, 251, 256, 384, 768])
def test_codebooks_divide_the_dimensions_and_grow(dimensions):
    sizes = [setting["M"] for setting in KINDS["pq"].ladder(1000, dimensions)]
    assert all(dimensions % size == 0 for size in sizes)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == dimensions


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("dimensions", [5, 24])
def test_every_kind_builds_at_the_fewest_documents_it_says_it_needs(name, dimensions):
    kind = KINDS[name]
    documents = kind.needs(dimensions)
    corpus = np.random.default_rng(0).standard_normal((documents, dimensions), dtype=np.float32)
    faiss.normalize_L2(corpus)
    ladder = (KINDS[kind.follows] if kind.follows else kind).ladder(documents, dimensions)
    index = kind.create(dimensions, ladder[-1])
    index.train(corpus)
    index.add(corpus)
    found = index.search(corpus[:5], 1)[1]
    assert index.ntotal == documents
    assert ((found >= 0) & (found < documents)).all()


@pytest.mark.parametrize("name", ["pq", "opq"])
@pytest.mark.parametrize(("dimensions", "parts"), [(50, 32), (24, 96)])
def test_codes_of_a_model_whose_dimension_does_not_divide_are_as_long(name, dimensions, parts):
    corpus = np.random.default_rng(0).standard_normal((700, dimensions), dtype=np.float32)
    faiss.normalize_L2(corpus)
    index = KINDS[name].create(dimensions, {"M": parts})
    index.train(corpus)
    index.add(corpus)
    assert (index.search(corpus[:50], 1)[1][:, 0] == np.arange(50)).mean() > 0.5
    decoded = index.reconstruct_n(0, 700)
    assert decoded.shape == corpus.shape
    assert np.square(decoded - corpus).sum(axis=1).mean() < 0.5  # of unit rows


def test_needs_are_as_small_as_training_allows():
    corpus = np.eye(24, dtype=np.float32)[:11]
    with pytest.raises(RuntimeError):
        KINDS["pca-2"].create(24, {}).train(corpus)
    assert KINDS["pca-2"].needs(24) == 12


def test_a_followed_kind_exists_and_has_no_ladder_of_its_own():
    followers = [kind for kind in KINDS.values() if kind.follows]
    assert [(kind.name, kind.follows) for kind in followers] == [("opq", "pq")]
    assert all(kind.needs(64) >= KINDS[kind.follows].needs(64) for kind in followers)
