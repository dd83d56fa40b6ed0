import math

import numpy as np
import pytest
from scipy import stats

from evaluation.statistics.dose_response import dose_response, transfer
from evaluation.statistics.intervals import Comparison

DOSES = np.tile(np.linspace(0, 1, 6), (5, 1))


def noisy(slope: float, runs: int = 5) -> np.ndarray:
    return slope * DOSES[:runs] + np.random.default_rng(0).normal(0, 0.3, size=(runs, 6))


def test_it_is_students_t_over_the_arcsines_of_the_correlations_of_the_runs():
    scores = noisy(0.5)
    shrinkage = 1 - 1 / 36
    angles = [math.asin(shrinkage * stats.spearmanr(DOSES[run], scores[run]).statistic) for run in range(5)]
    expected = stats.ttest_1samp(angles, 0.0)
    comparison = dose_response(DOSES, scores)
    interval = expected.confidence_interval(0.95)
    assert comparison.estimate == pytest.approx(math.sin(np.mean(angles)) / shrinkage)
    assert comparison.low == pytest.approx(math.sin(interval.low) / shrinkage)
    assert comparison.high == pytest.approx(min(1.0, math.sin(min(interval.high, math.pi / 2)) / shrinkage))
    assert comparison.p == pytest.approx(expected.pvalue)


def test_of_a_single_run_it_is_spearmans_correlation():
    scores = noisy(0.5)[:1]
    assert dose_response(DOSES[:1], scores).estimate == pytest.approx(stats.spearmanr(DOSES[0], scores[0]).statistic)


def test_a_baseline_of_each_run_and_any_monotone_scale_do_not_matter():
    scores, baselines = noisy(0.5), np.arange(5.0)[:, None]
    assert dose_response(DOSES, scores) == dose_response(np.exp(3 * DOSES) - baselines, scores + baselines)


def test_runs_that_agree_by_chance_do_not_claim_certainty():
    comparison = dose_response(DOSES[:3], DOSES[:3])
    assert comparison.estimate == pytest.approx(1.0)
    assert comparison.low is not None and 0.7 < comparison.low < 0.95


@pytest.mark.parametrize(("slope", "answer"), [(3.0, "yes"), (0.0, "no evidence"), (-3.0, "the opposite")])
def test_the_answer_is_one_of_three(slope, answer):
    result = transfer(dose_response(DOSES, noisy(slope)))
    assert result.answer == answer
    assert result.sentence.startswith(f"{answer}: rank correlation ")


def test_no_evidence_says_what_would_have_been_seen():
    known = Comparison(0.1, -0.2, 0.4, "Student t over ...", "new training runs", 5, 0.45)
    assert transfer(known).sentence.endswith("; one under 0.45 would often go unseen")
    blind = Comparison(0.1, -1.0, 1.0, "Student t over ...", "new training runs", 2, 7.0)
    assert transfer(blind).sentence.endswith("; even one of 1 could go unseen")


def test_one_run_is_undecided():
    result = transfer(dose_response(DOSES[:1], DOSES[:1]))
    assert (result.answer, result.sentence) == (
        "undecided",
        "undecided: rank correlation +1.00, no interval: one alone has no spread",
    )


def test_four_doses_are_too_few_for_an_interval():
    assert dose_response(DOSES[:, :4], DOSES[:, :4]).method == "no interval: there are 4 doses, and it takes 5"


def test_a_measure_that_does_not_move_has_no_association():
    assert dose_response(np.ones((3, 6)), DOSES[:3]).estimate == 0


def test_bad_shapes_are_refused():
    with pytest.raises(
        ValueError, match=r"Isotropy \(5, 2\) and scores \(5, 2\) must be alike: \(runs, doses\), three"
    ):
        dose_response(DOSES[:, :2], DOSES[:, :2])
