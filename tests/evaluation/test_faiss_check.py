import dataclasses
import itertools
import math

import faiss
import numpy as np
import pytest

from evaluation.errors import UserError
from evaluation.measured import ChosenIndex
from evaluation.models.embeddings import RetrievalEmbeddings
from evaluation.retrieval.check import faiss_check, search_curves
from evaluation.retrieval.indexes import ALL_INDEXES, QUICK_INDEXES
from evaluation.retrieval.settings import choose_indexes

FLAT = [ChosenIndex("flat", {}, "exact", 1.0)]
SEEDS = (0, 1, 2)


def choose(start, qrels, names=QUICK_INDEXES, seeds=SEEDS):
    return choose_indexes(start, qrels, names, seeds)


def checked(variant, qrels, chosen, seeds=SEEDS):
    return faiss_check(variant, qrels, chosen, seeds)


def embeddings(queries: np.ndarray, corpus: np.ndarray) -> RetrievalEmbeddings:
    query_ids = tuple(f"q{row}" for row in range(len(queries)))
    return RetrievalEmbeddings(queries, corpus, query_ids, tuple(f"d{row}" for row in range(len(corpus))))


def planted(documents: int, dimensions: int, noise: float = 1.0) -> tuple[RetrievalEmbeddings, dict]:
    """A query is its document plus noise, in a clustered cloud around a common direction."""
    rng = np.random.default_rng(7)
    centers = rng.standard_normal((20, dimensions))
    corpus = centers[rng.integers(20, size=documents)] + rng.standard_normal((documents, dimensions)) + 0.5
    queries = corpus[: min(documents, 300)] + noise * rng.standard_normal((min(documents, 300), dimensions))
    return embeddings(queries, corpus), {f"q{row}": {f"d{row}": 1} for row in range(len(queries))}


def without_times(score) -> dict:
    return {key: value for key, value in dataclasses.asdict(score).items() if not key.endswith("_seconds")}


def test_ndcg_is_the_one_computed_by_hand():
    corpus = np.array([[1.0, 0.0], [0.9, 0.2], [0.0, 1.0], [-1.0, 0.0]])
    queries = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]])
    # Graded: q0 finds d0, d1, d2, d3 in this order, with grades 0, 1, 0, 3. q1 finds its document first.
    # q2 is not judged and does not count.
    qrels = {"q0": {"d1": 1, "d3": 3}, "q1": {"d2": 1}}
    [flat] = checked(embeddings(queries, corpus), qrels, FLAT)
    found = 1 / math.log2(3) + 3 / math.log2(5)
    ideal = 3 + 1 / math.log2(3)
    assert flat.per_query == pytest.approx({"q0": found / ideal, "q1": 1.0})
    assert flat.quality.ndcg_at_10 == pytest.approx((found / ideal + 1) / 2)
    assert (flat.quality.retention, flat.quality.recall_at_10, flat.quality.recall_at_100) == (1.0, 1.0, 1.0)
    assert flat.quality.distances_per_query == 4


def test_a_judged_query_without_a_relevant_document_in_the_corpus_counts_as_zero():
    start = embeddings(np.eye(2), np.eye(2))
    [flat] = checked(start, {"q0": {"d0": 1}, "q1": {"elsewhere": 1}}, FLAT)
    assert flat.per_query == {"q0": 1.0, "q1": 0.0}


def test_a_query_with_no_judgment_does_not_count():
    start = embeddings(np.eye(2), np.eye(2))
    [flat] = checked(start, {"q0": {"d0": 1}, "q1": {}}, FLAT)
    assert flat.per_query == {"q0": 1.0}


def test_a_rotation_changes_nothing_under_exact_search():
    start, qrels = planted(400, 24)
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((24, 24)))[0]
    turned = embeddings(start.queries @ rotation, start.corpus @ rotation)
    [before], [after] = checked(start, qrels, FLAT), checked(turned, qrels, FLAT)
    assert after.per_query == before.per_query
    assert 0 < before.quality.ndcg_at_10 < 1


def test_lengths_do_not_matter():
    start, qrels = planted(400, 24)
    scale = np.random.default_rng(0).uniform(0.1, 10, size=(400, 1))
    [before], [after] = (
        checked(embeddings(start.queries, corpus), qrels, FLAT) for corpus in (start.corpus, start.corpus * scale)
    )
    assert after.per_query == before.per_query


def test_every_index_is_in_range_on_a_corpus_with_headroom_and_keeps_what_was_promised():
    start, qrels = planted(1200, 128, noise=2.0)
    chosen = choose(start, qrels)
    scores = checked(start, qrels, chosen)
    assert [one.name for one in chosen] == [score.quality.name for score in scores] == list(QUICK_INDEXES)
    assert [one.status for one in chosen] == ["exact", *["in range"] * 4]
    for choice, score in zip(chosen, scores, strict=True):
        assert score.quality.retention == pytest.approx(choice.retention)
        assert score.quality.setting == choice.setting
        assert score.quality.ndcg_at_10 == pytest.approx(np.mean(list(score.per_query.values())))
        assert score.build_seconds > 0 and score.search_seconds > 0
    by_name = {score.quality.name: score for score in scores}
    assert by_name["flat"].quality.bytes_per_vector == pytest.approx(4 * 128, abs=1)
    assert by_name["one-bit"].quality.bytes_per_vector == pytest.approx(128 / 8, abs=1)
    assert by_name["hnsw"].quality.bytes_per_vector > 4 * 128
    assert by_name["pq"].quality.bytes_per_vector < 4 * 128 / 2
    assert by_name["ivf"].quality.distances_per_query < 1200
    assert by_name["hnsw"].quality.distances_per_query < 1200
    assert by_name["pq"].quality.distances_per_query == by_name["flat"].quality.distances_per_query == 1200
    assert all(score.quality.recall_at_10 < 1 for name, score in by_name.items() if name != "flat")


def test_the_check_is_deterministic_and_leaves_the_thread_count_alone():
    start, qrels = planted(800, 32, noise=2.0)
    chosen = choose(start, qrels)
    before = faiss.omp_get_max_threads()
    first = checked(start, qrels, chosen)
    np.random.seed(123)  # noqa: NPY002 (a dirtied global generator must not matter)
    np.random.random(10)  # noqa: NPY002
    assert list(map(without_times, checked(start, qrels, chosen))) == list(map(without_times, first))
    assert faiss.omp_get_max_threads() == before


def test_index_seeds_are_averaged():
    start, qrels = planted(800, 32, noise=2.0)
    ivf = choose(start, qrels, ["ivf"])
    [first], [second], [both] = (checked(start, qrels, ivf, seeds=seeds) for seeds in ((0,), (1,), (0, 1)))
    assert first.per_query != second.per_query
    assert both.quality.ndcg_at_10 == pytest.approx((first.quality.ndcg_at_10 + second.quality.ndcg_at_10) / 2)
    apart = abs(first.quality.ndcg_at_10 - second.quality.ndcg_at_10)
    assert both.quality.seed_spread == pytest.approx(apart / math.sqrt(2))
    assert first.quality.seed_spread == 0


def test_ties_of_the_one_bit_index_do_not_follow_the_order_of_the_corpus():
    # All documents have the same signs. Were ties broken by the order of the corpus, q0 would always find d0 first.
    corpus = np.random.default_rng(0).uniform(0.1, 1.0, size=(200, 8))
    start = embeddings(corpus[:1], corpus)
    [one_bit] = checked(start, {"q0": {"d0": 1}}, [ChosenIndex("one-bit", {}, "in range", 0.8)], seeds=range(20))
    assert one_bit.quality.ndcg_at_10 < 0.3


def test_missing_neighbors_count_as_not_found():
    # One list is probed of two, and it holds 8 of 78 documents: faiss fills up with -1, which read as a place would be
    # the last document, here a relevant one that lies in the other list.
    rng = np.random.default_rng(0)
    right, left = (np.array([x, 0.0]) + 0.01 * rng.standard_normal((n, 2)) for x, n in ((1.0, 8), (-1.0, 70)))
    start = embeddings(np.array([[1.0, 0.0]]), np.vstack([right, left]))
    choice = ChosenIndex("ivf", {"nlist": 2, "nprobe": 1}, "in range", 0.8)
    [ivf] = checked(start, {"q0": {"d15": 1}}, [choice], seeds=[0])  # k-means finds these two lists
    assert ivf.per_query == {"q0": 0.0}
    assert ivf.quality.recall_at_10 == pytest.approx(8 / 10)
    assert ivf.quality.recall_at_100 == pytest.approx(8 / 78)
    assert ivf.quality.distances_per_query == 8 + 2


@pytest.mark.parametrize("place", [0, 19])
def test_a_query_without_a_direction_finds_nothing_wherever_its_document_stands(place):
    start, _ = planted(20, 8)
    queries = start.queries.copy()
    queries[0] = 0
    [flat] = checked(dataclasses.replace(start, queries=queries), {"q0": {f"d{place}": 1}, "q1": {"d1": 1}}, FLAT)
    assert flat.per_query["q0"] == 0.0 < flat.per_query["q1"]


def test_where_no_query_has_a_direction_nothing_is_found():
    start, _ = planted(20, 8)
    [flat] = checked(dataclasses.replace(start, queries=np.zeros_like(start.queries)), {"q0": {"d0": 1}}, FLAT)
    found = flat.quality
    assert (found.ndcg_at_10, found.recall_at_10, found.recall_at_100, found.hubness) == (0.0, 0.0, 0.0, 0.0)


def test_in_a_corpus_of_fewer_than_ten_documents_only_the_own_one_is_left_out():
    angles = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    corpus = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    start = RetrievalEmbeddings(np.array([[1.0, 0.0]] * 2), corpus, ("q", "a"), tuple("abcde"), skips_own_id=True)
    [flat] = checked(start, {"q": {"e": 1}, "a": {"e": 1}}, FLAT)
    # The farthest document is the fifth, and the fourth where the nearest is the query itself.
    assert flat.per_query == pytest.approx({"q": 1 / math.log2(6), "a": 1 / math.log2(5)})
    assert (flat.quality.recall_at_10, flat.quality.recall_at_100) == (1.0, 1.0)


def test_the_row_of_exact_search_is_what_retention_is_a_share_of_among_equal_documents():
    rng = np.random.default_rng(0)
    corpus = rng.standard_normal((300, 16))
    corpus[200:260] = corpus[200]  # one answer for many questions
    answers = rng.integers(300, size=80)
    start = embeddings(corpus[answers] + 0.5 * rng.standard_normal((80, 16)), corpus)
    qrels = {f"q{query}": {f"d{answer}": 1} for query, answer in enumerate(answers)}
    flat, sq8 = checked(start, qrels, choose(start, qrels, ("flat", "sq8")))
    assert flat.quality.retention == 1.0 and flat.quality.recall_at_10 == 1.0
    assert sq8.quality.retention == pytest.approx(sq8.quality.ndcg_at_10 / flat.quality.ndcg_at_10)


def test_opq_is_left_out_where_the_corpus_has_fewer_documents_than_dimensions():
    rng = np.random.default_rng(0)
    start = embeddings(rng.standard_normal((20, 768)), rng.standard_normal((700, 768)))
    qrels = {f"q{i}": {f"d{i}": 1} for i in range(20)}
    pq, opq = choose(start, qrels, ("pq", "opq"))
    assert pq.setting is not None
    assert opq.status == "left out" and "it needs 768 documents and the corpus has 700" in opq.note


def test_every_kind_of_index_works_and_the_controls_behave():
    start, qrels = planted(800, 32, noise=2.0)
    chosen = choose(start, qrels, ALL_INDEXES, seeds=(0,))
    scores = {score.quality.name: score for score in checked(start, qrels, chosen, seeds=(0,))}
    assert set(scores) == set(ALL_INDEXES)
    assert scores["rotated"].per_query == scores["flat"].per_query
    assert scores["rotated"].quality.recall_at_10 == 1
    assert scores["opq"].quality.setting == scores["pq"].quality.setting
    assert scores["opq"].quality.quantization_error < scores["pq"].quality.quantization_error < 1
    assert scores["sq8"].quality.quantization_error < scores["sq4"].quality.quantization_error < 0.1
    assert (
        scores["sq8"].quality.recall_at_10 > scores["sq4"].quality.recall_at_10 > scores["one-bit"].quality.recall_at_10
    )
    assert scores["rabitq"].quality.recall_at_10 > scores["one-bit"].quality.recall_at_10
    assert (
        scores["pca-2"].quality.recall_at_10
        > scores["truncate-2"].quality.recall_at_10
        > scores["truncate-4"].quality.recall_at_10
    )
    assert scores["ivf"].quality.list_imbalance >= 1
    assert {name for name, score in scores.items() if score.quality.quantization_error is not None} == {
        "pq", "opq", "sq8", "sq4"
    }  # fmt: skip
    assert {name for name, score in scores.items() if score.quality.list_imbalance is not None} == {"ivf"}


def test_truncation_is_exact_search_on_the_first_dimensions():
    start, qrels = planted(300, 16, noise=1.0)
    [truncated] = checked(start, qrels, choose(start, qrels, ["truncate-4"], seeds=(0,)), seeds=(0,))
    [flat] = checked(embeddings(start.queries[:, :4], start.corpus[:, :4]), qrels, FLAT)
    assert truncated.per_query == flat.per_query


def test_quantization_error_is_relative_to_the_variance_and_not_to_the_length():
    # Moving a cloud far from the origin makes a narrow cone on the sphere. The raw error of its codes falls with the
    # variance; their ratio, which is what search suffers from, hardly moves.
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((700, 16))
    choice = [ChosenIndex("pq", {"M": 8}, "in range", 0.8)]
    qrels = {"q0": {"d0": 1}}
    errors = [
        checked(embeddings(cloud[:5], cloud), qrels, choice, seeds=(0,))[0].quality.quantization_error
        for cloud in (wide, wide + 20 * np.eye(16)[0])
    ]
    assert errors[1] == pytest.approx(errors[0], rel=0.25)


def test_hubness_is_the_skewness_of_how_often_documents_are_found():
    # Four queries find the same ten of forty documents: ten counts of 4 and thirty of 0.
    corpus = np.vstack([np.tile([1.0, 0.0], (10, 1)), np.tile([0.0, 1.0], (30, 1))])
    start = embeddings(np.tile([1.0, 0.0], (4, 1)), corpus)
    [flat] = checked(start, {f"q{row}": {"d0": 1} for row in range(4)}, FLAT)
    share = 10 / 40
    assert flat.quality.hubness == pytest.approx((1 - 2 * share) / math.sqrt(share * (1 - share)))


def test_curves_rise_to_exact_search_and_pass_through_the_chosen_setting():
    start, qrels = planted(1200, 64, noise=2.0)
    chosen = choose(start, qrels, ["flat", "hnsw", "ivf", "pq"])
    scores = {score.quality.name: score for score in checked(start, qrels, chosen)}
    points = search_curves(start, qrels, chosen, SEEDS)
    assert {point.name for point in points} == {"hnsw", "ivf"}
    for choice, parameter in ((chosen[1], "efSearch"), (chosen[2], "nprobe")):
        curve = [point for point in points if point.name == choice.name]
        assert [point.setting[parameter] for point in curve] == sorted(point.setting[parameter] for point in curve)
        assert all(a.distances_per_query < b.distances_per_query for a, b in itertools.pairwise(curve))
        assert all(a.recall_at_10 <= b.recall_at_10 for a, b in itertools.pairwise(curve))
        assert curve[-1].recall_at_10 > 0.9
        [same] = [point for point in curve if point.setting == choice.setting]
        assert same.ndcg_at_10 == pytest.approx(scores[choice.name].quality.ndcg_at_10)
        assert same.distances_per_query == pytest.approx(scores[choice.name].quality.distances_per_query)


def test_easy_data_has_no_headroom_and_says_so():
    start, qrels = planted(200, 16, noise=0.0)
    [hnsw] = choose(start, qrels, ["hnsw"])
    assert (hnsw.status, hnsw.note) == ("no headroom", "no headroom: the start model keeps 100% of its exact nDCG@10.")


def test_an_index_that_keeps_too_little_is_out_of_range():
    start, qrels = planted(1000, 8, noise=0.3)
    [one_bit] = choose(start, qrels, ["one-bit"])
    assert one_bit.status == "out of range"
    assert one_bit.retention is not None and one_bit.retention < 0.7


@pytest.mark.parametrize("documents", [2, 3, 11, 77])
def test_small_corpora_leave_out_what_cannot_be_trained(documents):
    start, qrels = planted(documents, 12)
    chosen = choose(start, qrels)
    assert [one.name for one in chosen if one.status == "left out"] == ["ivf", "pq"]
    assert chosen[2].note == f"ivf is left out: it needs 78 documents and the corpus has {documents}."
    assert chosen[3].note == f"pq is left out: it needs 624 documents and the corpus has {documents}."
    assert [score.quality.name for score in checked(start, qrels, chosen)] == ["flat", "hnsw", "one-bit"]


@pytest.mark.parametrize(("documents", "dimensions"), [(78, 5), (624, 7), (650, 1), (640, 33)])
def test_odd_sizes_work(documents, dimensions):
    start, qrels = planted(documents, dimensions)
    scores = checked(start, qrels, choose(start, qrels, seeds=(0,)), seeds=(0,))
    assert {score.quality.name for score in scores} == set(QUICK_INDEXES) - ({"pq"} if documents < 624 else set())
    assert all(math.isfinite(score.quality.ndcg_at_10) for score in scores)


def test_when_exact_search_finds_nothing_there_is_no_retention():
    corpus = np.vstack([np.tile([1.0, 0.0], (20, 1)), [[-1.0, 0.0]]])
    start = embeddings(np.array([[1.0, 0.0]]), corpus)
    qrels = {"q0": {"d20": 1}}
    flat, hnsw = choose(start, qrels, ["flat", "hnsw"])
    assert (flat.retention, hnsw.retention) == (None, None)
    assert hnsw.note == "The start model finds nothing by exact search, so there is no retention."
    assert [score.quality.retention for score in checked(start, qrels, [flat, hnsw])] == [None, None]


def test_an_unknown_index_is_answered_with_near_names():
    start, qrels = planted(20, 4)
    with pytest.raises(UserError, match=r"^There is no index 'hsnw'; near names are hnsw\.$"):
        choose(start, qrels, ["hsnw"])


def test_qrels_of_another_corpus_are_refused():
    start, _ = planted(20, 4)
    with pytest.raises(UserError, match=r"^Of 20 queries none has a relevant document in the corpus: check that"):
        choose(start, {"q0": {"other": 1}, "q1": {"d3": 0}})
