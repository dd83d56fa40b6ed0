import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from st_isotropy.improve import Gain, Judgment, ScoredTask, SearchTask, SeenDocuments, improve, state_verdict
from st_isotropy.improve import adapter as adapter_module
from st_isotropy.improve import selection as selection_module
from st_isotropy.improve.adapter import AdapterSettings, losses_for, train_adapter
from st_isotropy.improve.candidates import (
    ADAPTER,
    AS_IT_IS,
    fit_candidates,
    pick_transforms,
    table_of_transforms,
)
from st_isotropy.improve.folds import group_pairs, make_folds
from st_isotropy.improve.intervals import search_gain, spearman_gain
from st_isotropy.improve.judgments import score_rankings
from st_isotropy.improve.maps import AffineMap
from st_isotropy.improve.quantization import encode, find_best_codes
from st_isotropy.improve.ranking import DOCUMENT_ROWS, find_best
from st_isotropy.improve.selection import CHOSEN, CHOSEN_TRANSFORM, cross_fit
from st_isotropy.improve.table import format_improvement
from st_isotropy.improve.verdict import state_seen
from st_isotropy.metrics.cloud import as_cloud
from st_isotropy.posthoc import PostHoc, SpectralPower, Whitening


def gaussian(count, width, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def search_task(queries=60, documents=150, width=8, seed=0):
    """One dimension varies most and says nothing about which document answers a query; the others do."""
    corpus = gaussian(documents, width, seed) * (1 + 6 * torch.eye(width)[0])
    asked = corpus[:queries] + 0.5 * gaussian(queries, width, seed + 1)
    asked[:, 0] = 7 * gaussian(queries, 1, seed + 2)[:, 0]
    answers = tuple(Judgment({row: 1.0}) for row in range(queries))
    return SearchTask(corpus, asked, answers, "cosine", np.arange(queries), [f"query {row}" for row in range(queries)])


def scored_task(pairs=60, width=8, seed=0):
    sentences = gaussian(2 * pairs, width, seed) + 5 * torch.eye(width)[0]
    rows = np.arange(2 * pairs).reshape(2, pairs).T
    plain = sentences - 5 * torch.eye(width)[0]
    gold = torch.cosine_similarity(plain[rows[:, 0]], plain[rows[:, 1]]).double().numpy()
    return ScoredTask(sentences, rows, gold, "cosine", np.arange(pairs), [str(pair) for pair in range(pairs)])


@pytest.fixture
def quick_adapter(monkeypatch):
    """Few and short trainings: what is asserted does not depend on how well an adapter is trained."""
    monkeypatch.setattr(adapter_module, "STEPS", 20)
    monkeypatch.setattr(selection_module, "RATES", (3e-3,))


class Rotation(PostHoc):
    """A random rotation, which changes no cosine."""

    def affine(self, cloud):
        width = cloud.points.shape[1]
        matrix = torch.linalg.qr(gaussian(width, width, seed=5).double()).Q
        return matrix, torch.zeros(width, dtype=torch.float64)


# Search.


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean", "manhattan"])
def test_the_best_documents_are_those_of_a_full_sort(similarity, monkeypatch):
    monkeypatch.setattr("st_isotropy.improve.ranking.DOCUMENT_ROWS", 7)
    monkeypatch.setattr("st_isotropy.improve.ranking.QUERY_ROWS", 4)
    documents, queries = gaussian(60, 5).double(), gaussian(9, 5, seed=1).double()
    scores = {
        "cosine": torch.nn.functional.normalize(queries) @ torch.nn.functional.normalize(documents).T,
        "dot": queries @ documents.T,
        "euclidean": -torch.cdist(queries, documents),
        "manhattan": -torch.cdist(queries, documents, p=1),
    }[similarity]
    expected = scores.argsort(dim=1, descending=True)[:, :10]
    assert torch.equal(find_best(queries, documents, similarity, 10), expected)


def test_of_equally_similar_documents_the_first_comes_first_whatever_the_blocks(monkeypatch):
    documents = torch.tensor([[2.0, 0.0], [1.0, 0.0], [3.0, 0.0]])[
        torch.randint(3, (200,), generator=torch.Generator())
    ]
    query = torch.ones(1, 2)
    expected = sorted(range(200), key=lambda row: (-float(documents[row, 0]), row))[:90]
    for rows in (DOCUMENT_ROWS, 64, 11):
        monkeypatch.setattr("st_isotropy.improve.ranking.DOCUMENT_ROWS", rows)
        assert find_best(query, documents, "dot", 90)[0].tolist() == expected


def test_a_corpus_smaller_than_the_depth_is_ranked_whole():
    assert find_best(torch.ones(2, 3), gaussian(4, 3), "dot", 10).shape == (2, 4)


def test_the_measures_of_a_ranking_by_hand():
    judgments = [Judgment({0: 3.0, 5: 1.0}, missing=(2.0,)), Judgment({9: 1.0})]
    scores = score_rankings(np.array([[7, 5, 0], [1, 2, 3]]), judgments)
    ideal = 3 + 2 / math.log2(3) + 1 / 2
    assert np.allclose(scores[0], [(1 / math.log2(3) + 3 / 2) / ideal, 1 / 2, 2 / 3])
    assert scores[1].tolist() == [0, 0, 0]


def test_a_query_that_is_a_text_of_the_corpus_does_not_find_itself():
    documents = torch.eye(12)
    answers = tuple(Judgment({(row + 1) % 12: 1.0}, own=row) for row in range(12))
    names = [f"text {row}" for row in range(12)]
    task = SearchTask(documents, documents + 0.5 * documents.roll(-1, 0), answers, "cosine", np.arange(12), names)
    identity = AffineMap.keeping(12, 12)
    assert (task.evaluate(identity) == 1).all()
    without_own = replace(task, judgments=tuple(Judgment(answer.grades) for answer in answers))
    assert (without_own.evaluate(identity)[:, 1] == 0.5).all()  # MRR: itself first
    assert (task.evaluate(identity, "int8") == 1).all()


def test_one_bit_codes_rank_as_hamming_distances_of_the_signs():
    documents, queries = gaussian(80, 16), gaussian(6, 16, seed=1)
    differing = ((queries[:, None] > 0) != (documents > 0)).sum(dim=2)
    expected = torch.sort(differing, dim=1, stable=True).indices[:, :10]
    assert torch.equal(find_best_codes(queries, documents, "dot", 10, "binary", lambda rows: rows), expected)


def test_int8_codes_neither_overflow_out_of_range_nor_fail_where_nothing_varies():
    ranges = np.array([[-1.0, 0.0], [1.0, 0.0]], dtype=np.float32)
    low, high = encode(torch.tensor([[-9.0, 0.0], [9.0, 0.0]]), "int8", ranges)[:, 0].tolist()
    assert low == -128 and high >= 126


def test_int8_codes_find_nearly_what_exact_search_finds():
    documents, queries = gaussian(500, 32), gaussian(20, 32, seed=1)
    exact = find_best(queries, documents, "cosine", 10)
    coded = find_best_codes(queries, documents, "cosine", 10, "int8", lambda rows: rows)
    shared = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact.tolist(), coded.tolist(), strict=True)])
    assert shared > 0.6  # its codes have an offset in each dimension


# Folds and intervals.


def test_items_of_a_group_share_a_fold_and_folds_are_even():
    groups = np.repeat(np.arange(40), [1, 2, 3, 4] * 10)
    folds = make_folds(groups)
    assert all(len(set(folds[groups == group])) == 1 for group in range(40))
    assert np.ptp(np.bincount(folds)) <= 1


def test_pairs_linked_through_others_are_one_group():
    assert group_pairs([("a", "b"), ("c", "d"), ("b", "c"), ("x", "y")]).tolist() == [0, 0, 0, 1]


def test_the_interval_of_queries_is_students_and_groups_widen_it():
    differences = np.random.default_rng(0).normal(0.1, 0.3, size=80)
    gain = search_gain(differences, np.arange(80))
    half = 1.99045 * differences.std(ddof=1) / math.sqrt(80)
    assert gain.low == pytest.approx(differences.mean() - half, abs=1e-5)
    assert gain.estimand == "new queries, this corpus"
    twice = search_gain(np.repeat(differences, 2), np.repeat(np.arange(80), 2))
    assert (twice.low, twice.high) == pytest.approx((gain.low, gain.high))


def test_too_few_differing_queries_give_no_interval():
    gain = search_gain(np.array([0.5] * 19 + [0.0] * 81), np.arange(100))
    assert (gain.low, gain.is_proven) == (None, False)
    assert gain.method == "no interval: 19 of 100 queries differ, and it takes 20"


def test_spearman_is_compared_within_folds_and_averaged():
    rng = np.random.default_rng(0)
    gold = rng.normal(size=200)
    folds = np.arange(200) % 5
    before, after = gold + 2 * rng.normal(size=200), gold + rng.normal(size=200) + 100 * folds
    gain = spearman_gain(before, after, gold, folds, np.arange(200))

    def rank(values):
        return values.argsort().argsort()

    def within(values):
        return np.mean([np.corrcoef(rank(values[folds == fold]), rank(gold[folds == fold]))[0, 1] for fold in range(5)])

    assert gain.estimate == pytest.approx(within(after) - within(before))
    assert gain.low is not None and 0 < gain.low < gain.estimate < gain.high
    assert (
        spearman_gain(before, 3 * before, gold, folds, np.arange(200)).method == "no interval: all pairs rank as before"
    )


# Candidates and adapter.


def test_every_candidate_keeps_as_many_dimensions_as_asked_for():
    rows = gaussian(60, 12)
    for kept, expected in ((None, 12), (5, 5)):
        for name, transform in table_of_transforms(60, 12, kept).items():
            assert transform.fit_embeddings(rows).linear.weight.shape == (expected, 12), name


def test_a_family_of_candidates_is_named_by_its_name():
    table = table_of_transforms(600, 8)
    transforms, adapter = pick_transforms(table, ["SpectralPower", "Whitening(0.1)", "adapter"])
    assert list(transforms) == ["SpectralPower(0.25)", "SpectralPower(0.5)", "SpectralPower(0.75)", "Whitening(0.1)"]
    assert adapter and not pick_transforms(table, ["Center"])[1]
    with pytest.raises(ValueError) as caught:
        pick_transforms(table, ["Centre"])
    assert str(caught.value) == (
        "There is no candidate 'Centre'; choose from Center, ProjectOutMean, AllButTheTop, SpectralPower, Whitening, "
        "adapter, or one of them with its number."
    )


def test_components_kept_are_those_of_largest_variance():
    rows = gaussian(500, 6) * torch.tensor([1.0, 9.0, 2.0, 5.0, 0.5, 0.1])
    cloud = as_cloud(rows)
    kept = SpectralPower(0.0, components=2).affine(cloud)[0]
    assert kept.abs().argmax(dim=1).tolist() == [1, 3]
    whitened = rows.double() @ Whitening(components=2).affine(cloud)[0].T
    assert torch.allclose(torch.cov(whitened.T, correction=0), torch.eye(2).double(), atol=1e-6)
    with pytest.raises(ValueError, match=r"^A transform keeps between 1 and 6 components here, not 7.$"):
        Whitening(components=7).affine(cloud)


@pytest.mark.parametrize("loss", [("in-batch negatives", 5.0), ("alignment + absolute entropy", 1.0)])
def test_an_adapter_learns_which_directions_matter(loss):
    task = search_task(queries=80)
    start = AffineMap.keeping(8, 8)
    trained = train_adapter(task, AdapterSettings(*loss, 1e-2, AS_IT_IS), start)
    gain = task.summarize(task.evaluate(trained))[0] - task.summarize(task.evaluate(start))[0]
    assert gain > 0.1
    assert torch.equal(start.matrix, torch.eye(8))


def test_an_adapter_of_scored_pairs_learns_their_order():
    task = scored_task()
    start = AffineMap.keeping(8, 8)
    trained = train_adapter(task, AdapterSettings("CoSENT", 20.0, 1e-2, AS_IT_IS), start)
    assert task.summarize(task.evaluate(trained))[0] > task.summarize(task.evaluate(start))[0] + 0.05


def test_documents_that_answer_a_query_too_are_no_negatives():
    queries = torch.eye(3)
    right = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])
    loss = adapter_module._in_batch_negatives(queries, queries, right, 1.0)
    pair, alone = math.log(1 + math.exp(-1)), math.log(1 + 2 * math.exp(-1))
    assert loss.item() == pytest.approx((2 * pair + alone) / 3, abs=1e-6)


def test_a_querys_own_text_is_no_negative():
    answers = (Judgment({1: 1.0}, own=0), Judgment({0: 1.0}, own=1))
    task = SearchTask(torch.eye(2), torch.eye(2), answers, "cosine", np.arange(2), ["a", "b"])
    settings = AdapterSettings("in-batch negatives", 20.0, 0.1, AS_IT_IS)
    start = AffineMap.keeping(2, 2)
    trained = train_adapter(task, settings, start)
    assert torch.equal(trained.matrix, start.matrix)  # nothing is left to push apart


def test_a_pull_keeps_an_adapter_nearer_to_its_start():
    task, start = search_task(), AffineMap.keeping(8, 8)
    free, pulled = (
        train_adapter(task, AdapterSettings("in-batch negatives", 5.0, 1e-2, AS_IT_IS, pull), start).matrix
        for pull in (0.0, 10.0)
    )
    assert (pulled - start.matrix).norm() < 0.8 * (free - start.matrix).norm()


# Selection.


def with_noise(task, folds, fold):
    """The task with the queries of a fold, and what answers them, replaced by noise."""
    inside = np.flatnonzero(folds == fold)
    rng = np.random.default_rng(9)
    queries, judgments = task.queries.clone(), list(task.judgments)
    queries[inside] = gaussian(len(inside), task.width, seed=8)
    for number in inside:
        judgments[number] = Judgment({int(rng.integers(len(task.documents))): 1.0})
    return replace(task, queries=queries, judgments=tuple(judgments))


@pytest.mark.slow
def test_noise_in_place_of_a_folds_queries_and_answers_changes_nothing_that_is_scored_on_it(quick_adapter):
    task = search_task(queries=70)
    plan = selection_module.Plan(table_of_transforms(150, 8), losses_for(task), AffineMap.keeping(8, 8))
    folds = make_folds(task.groups)
    clean = cross_fit(task, plan, fit_candidates(task, plan.transforms, plan.as_it_is), folds)
    assert {choice.adapter is not None for choice in clean.choices} == {True}
    for fold in (0, 3):
        noisy = with_noise(task, folds, fold)
        known = fit_candidates(noisy, plan.transforms, plan.as_it_is)
        other = cross_fit(noisy, plan, known, folds).choices[fold]
        ours = clean.choices[fold]
        assert (other.name, other.transform, other.adapter) == (ours.name, ours.transform, ours.adapter)
        assert other.maps.keys() == ours.maps.keys() >= {ADAPTER, CHOSEN, CHOSEN_TRANSFORM}
        for name in ours.maps:
            assert torch.equal(other.maps[name].matrix, ours.maps[name].matrix), name
            assert torch.equal(other.maps[name].offset, ours.maps[name].offset), name


def test_noise_in_place_of_a_folds_pairs_changes_nothing_that_is_scored_on_it(quick_adapter):
    task = scored_task(pairs=70)
    plan = selection_module.Plan(table_of_transforms(100, 8), losses_for(task), AffineMap.keeping(8, 8))
    folds = make_folds(task.groups)
    inside = np.flatnonzero(folds == 2)
    sentences, gold = task.sentences.clone(), task.gold.copy()
    sentences[task.pairs[inside].ravel()] = gaussian(2 * len(inside), 8, seed=8)
    gold[inside] = np.random.default_rng(9).normal(size=len(inside))
    noisy = replace(task, sentences=sentences, gold=gold)
    ours, other = (cross_fit(given, plan, None, folds).choices[2] for given in (task, noisy))
    assert (other.name, other.transform, other.adapter) == (ours.name, ours.transform, ours.adapter)
    assert all(torch.equal(other.maps[name].matrix, ours.maps[name].matrix) for name in ours.maps)


def test_the_choice_finds_a_rogue_dimension_and_proves_that_removing_it_helps():
    improvement = improve(search_task(queries=100, documents=300), candidates=["Center", "AllButTheTop(1)"])
    assert improvement.is_proven and improvement.choice.name == "AllButTheTop(1)"
    assert improvement.fold_choices == ("AllButTheTop(1)",) * 5
    names = [row.name for row in improvement.candidates]
    assert names == [AS_IT_IS, "Center", "AllButTheTop(1)", CHOSEN_TRANSFORM, CHOSEN]
    assert improvement.isotropy_after["isoscore"].value > improvement.isotropy_before["isoscore"].value + 0.3
    assert state_verdict(improvement, "my-model", "better").startswith(f"{improvement.choice.name}: nDCG@10 +")
    assert state_verdict(improvement, "my-model", "better").endswith("on held-out queries; saved in better")


def test_an_adapter_is_named_after_its_start_and_its_settings_are_told():
    settings = AdapterSettings("alignment + absolute entropy", 1.0, 3e-4, "SpectralPower(0.5)", 10.0)
    assert settings.title == "SpectralPower(0.5) + adapter"
    expected = "alignment + absolute entropy, weight 1, rate 0.0003, pull 10, from SpectralPower(0.5)"
    assert str(settings) == expected
    assert replace(settings, start=AS_IT_IS).title == "adapter"


def test_a_random_rotation_is_never_offered():
    improvement = improve(search_task(), candidates={"rotation": Rotation()})
    assert not improvement.is_proven
    assert "keep my-model" in state_verdict(improvement, "my-model", None)


@pytest.mark.slow
def test_noise_is_never_offered_as_a_gain(quick_adapter):
    task = search_task(queries=60)
    shuffled = replace(task, judgments=tuple(Judgment({(7 * row + 61) % 150: 1.0}) for row in range(60)))
    assert not improve(shuffled).is_proven


@pytest.mark.slow
def test_an_adapter_needs_fifty_queries(quick_adapter):
    few, enough = improve(search_task(queries=49)), improve(search_task(queries=50))
    assert ADAPTER not in [row.name for row in few.candidates] and few.seen is None
    assert ADAPTER in [row.name for row in enough.candidates] and enough.seen is not None


@pytest.mark.slow
def test_documents_of_training_queries_are_told_from_others(quick_adapter):
    task = search_task(queries=60)
    shared = replace(task, judgments=tuple(Judgment({min(row, 30): 1.0}) for row in range(60)))
    seen = improve(shared, candidates=["adapter"]).seen
    assert seen is not None and seen.share == pytest.approx(0.5) and seen.others.n == 30


def test_scored_pairs_gain_from_centering():
    improvement = improve(scored_task(pairs=120), candidates=["Center"])
    assert improvement.measures == ("Spearman",) and improvement.is_proven
    assert improvement.gain.estimand == "new sentence pairs"


def test_a_smaller_model_is_compared_with_the_first_dimensions():
    improvement = improve(search_task(queries=100, documents=300), candidates=["PCA", "Whitening"], dimensions=4)
    assert improvement.map.matrix.shape == (4, 8)
    assert improvement.candidates[0].name == "all 8 dimensions" and improvement.candidates[0].gains == ()
    assert "first 4 dimensions" in format_improvement(improvement)
    assert torch.equal(improvement.choice.maps[AS_IT_IS].matrix, torch.eye(4, 8))


@pytest.mark.slow
def test_a_map_of_queries_leaves_documents_alone(quick_adapter):
    improvement = improve(search_task(), queries_only=True)
    assert [row.name for row in improvement.candidates] == [AS_IT_IS, CHOSEN_TRANSFORM, ADAPTER, CHOSEN]
    rows = gaussian(5, 8)
    adapter = improvement.choice.maps[ADAPTER]
    assert torch.equal(adapter.of_documents(rows), rows) and not torch.equal(adapter.of_queries(rows), rows)


def test_one_bit_codes_gain_from_centering_in_a_cone():
    task = search_task()
    cone = replace(task, documents=task.documents + 4, queries=task.queries + 4)
    as_it_is, centered = improve(cone, candidates=["Center"], quantized=True).candidates[:2]
    assert set(as_it_is.codes) == {"int8", "binary"}
    assert centered.codes["binary"] > as_it_is.codes["binary"] + 0.1  # in a cone the signs agree


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        (
            search_task(queries=29),
            {},
            "There are 29 queries or pairs, and a gain is shown on at least 30; add some.",
        ),
        (
            search_task(),
            {"dimensions": 8},
            "The option dimensions is 8; use a number from 2 to 7, below the width.",
        ),
        (scored_task(), {"queries_only": True}, "Scored pairs have no side that is the query; leave queries_only out."),
        (
            search_task(),
            {"queries_only": True, "dimensions": 4},
            "Documents that stay as they are keep their dimensions; use queries_only or dimensions alone.",
        ),
        (
            replace(scored_task(), groups=np.array([0] * 50 + list(range(1, 11)))),
            {},
            "50 of 60 queries or pairs are linked by texts that they share, which leaves no 5 folds of independent "
            "ones; give pairs of other texts.",
        ),
        (
            search_task(),
            {"candidates": {"mine": Rotation()}, "queries_only": True},
            "Transforms of your own change documents, too; leave out queries_only, or leave candidates out to train an "
            "adapter of the queries.",
        ),
        (
            search_task(),
            {"candidates": {"mine": Rotation()}, "dimensions": 4},
            "The candidate 'mine' keeps 8 dimensions, but 4 are asked for; give it a transform such as "
            "SpectralPower(0.0, components=4), or leave the option dimensions out.",
        ),
        (
            search_task(),
            {"candidates": {"as it is": Rotation()}},
            "The name 'as it is' is that of another row of the table; name the transform differently.",
        ),
        (
            replace(search_task(), groups=np.arange(60) // 2),
            {"candidates": "adapter"},
            "The adapter is trained on at least 50 queries or pairs that share no text, and of these 60 there are 30; "
            "add some, or try other candidates.",
        ),
    ],
)
def test_what_cannot_be_split_or_cut_is_refused(task, options, message):
    with pytest.raises(ValueError) as caught:
        improve(task, **options)
    assert str(caught.value) == message


def test_documents_that_were_seen_are_told_of_and_of_no_others_nothing_is_said():
    others = Gain(0.02, 0.01, 0.03, "t", "new queries", 40)
    assert state_seen(SeenDocuments(0.25, others)) == (
        "25% of held-out queries ask for a document that a training query had; gain for the others: +2.0 [+1.0, +3.0]."
    )
    nobody = Gain(0.0, None, None, "no interval", "new queries", 0)
    assert state_seen(SeenDocuments(1.0, nobody)) == (
        "Every held-out query asks for a document that a training query had."
    )
