import math

import numpy as np
import pytest
from scipy import stats

from evaluation.statistics import (
    NEW_PAIRS,
    NEW_QUERIES,
    NEW_RUNS,
    Comparison,
    bootstrap_interval,
    detectable_difference,
    ratio_bootstrap,
    spearman_bootstrap,
    student_interval,
    verdict,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_student_interval_is_scipys(n):
    differences = rng(n).normal(0.3, 1.0, size=n)
    expected = stats.ttest_1samp(differences, 0.0).confidence_interval(0.95)
    comparison = student_interval(differences)
    assert (comparison.low, comparison.high) == pytest.approx((expected.low, expected.high))
    assert comparison.estimate == pytest.approx(differences.mean())
    assert (comparison.n, comparison.estimand) == (n, NEW_RUNS)
    assert comparison.method == f"Student t over {n} paired runs"


def test_one_run_gives_no_interval_over_runs():
    comparison = student_interval([0.02])
    assert (comparison.estimate, comparison.low, comparison.high, comparison.detectable) == (0.02, None, None, None)
    assert verdict(comparison).sentence == "no difference found: +0.0200, no interval: one run has no spread"


def test_equal_differences_give_no_interval_and_no_verdict_in_favor():
    # 0.3 - 0.2 and 0.4 - 0.3 differ in the last digit, which is no spread.
    comparison = student_interval([0.3 - 0.2, 0.4 - 0.3, 0.1])
    assert (comparison.low, comparison.high) == (None, None)
    assert verdict(comparison).outcome == "no difference found"
    assert comparison.method == "no interval: all 3 differences are equal"
    assert bootstrap_interval(np.zeros(50), rng()).method == "no interval: all 50 differences are equal"


@pytest.mark.parametrize("n", [2, 3, 5, 10, 300])
def test_the_detectable_difference_is_detected_in_80_of_100_cases(n):
    difference = detectable_difference(2.0, n)
    critical = stats.t.ppf(0.975, n - 1)
    power = stats.nct.sf(critical, n - 1, difference / 2.0 * math.sqrt(n))
    assert power == pytest.approx(0.8, abs=1e-4)
    assert detectable_difference(4.0, n) == pytest.approx(2 * difference)


@pytest.mark.slow
def test_the_detectable_difference_is_detected_in_80_of_100_simulated_cases():
    shift = detectable_difference(1.0, 5)
    samples = rng().normal(shift, 1.0, size=(20_000, 5))
    assert (stats.ttest_1samp(samples, 0.0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.01)


def test_bootstrap_interval_agrees_with_students_on_many_well_behaved_queries():
    differences = rng().normal(0.1, 1.0, size=2000)
    student, bootstrap = student_interval(differences), bootstrap_interval(differences, rng())
    assert bootstrap.estimate == pytest.approx(student.estimate)
    assert (bootstrap.low, bootstrap.high) == pytest.approx((student.low, student.high), abs=0.005)
    assert bootstrap.detectable == pytest.approx(student.detectable, rel=0.05)
    assert (bootstrap.n, bootstrap.estimand) == (2000, NEW_QUERIES)


def test_bootstrap_interval_is_the_quantiles_of_all_resamples():
    # Of two differences 0 and 1, a resample has the mean 0, 1/2 or 1 with probabilities 1/4, 1/2 and 1/4.
    comparison = bootstrap_interval([0.0, 1.0], rng())
    assert (comparison.low, comparison.high) == (0.0, 1.0)


def test_the_same_generator_state_gives_the_same_interval_whatever_the_global_one_does():
    differences = rng(3).exponential(size=200)
    first = bootstrap_interval(differences, rng(5))
    np.random.seed(1)  # noqa: NPY002 (a dirtied global generator must not matter)
    np.random.random(7)  # noqa: NPY002
    assert bootstrap_interval(differences, rng(5)) == first
    assert bootstrap_interval(differences, rng(6)) != first


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    return float(stats.spearmanr(a, b).statistic)


def pairs(runs: int | None, n: int = 150) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Similarities with ties, as gold scores have them."""
    gold = rng(1).integers(0, 11, size=n) / 2
    shape = (n,) if runs is None else (runs, n)
    noise = rng(2).normal(size=(2, *shape))
    return np.round(gold + 2 * noise[0], 1), np.round(gold + 1.5 * noise[1], 1), gold


@pytest.mark.parametrize("runs", [None, 3])
def test_spearman_bootstrap_recomputes_the_correlation_in_every_resample(runs):
    before, after, gold = pairs(runs)
    comparison = spearman_bootstrap(before, after, gold, rng())
    old, new = np.atleast_2d(before), np.atleast_2d(after)

    def difference(rows: np.ndarray) -> float:
        return float(
            np.mean([spearman(row[rows], gold[rows]) for row in new])
            - np.mean([spearman(row[rows], gold[rows]) for row in old])
        )

    assert comparison.estimate == pytest.approx(difference(np.arange(150)))
    naive = [difference(rows) for rows in rng(9).integers(0, 150, size=(1000, 150))]
    assert (comparison.low, comparison.high) == pytest.approx(tuple(np.quantile(naive, [0.025, 0.975])), abs=0.012)
    assert (comparison.n, comparison.estimand) == (150, NEW_PAIRS)


def test_spearman_bootstrap_ignores_a_monotone_change_of_scale():
    before, after, gold = pairs(None)
    first = spearman_bootstrap(before, after, gold, rng())
    second = spearman_bootstrap(np.exp(before), after**3, 2 * gold + 1, rng())
    assert (second.low, second.high) == pytest.approx((first.low, first.high))


def test_spearman_bootstrap_refuses_what_has_no_correlation():
    with pytest.raises(ValueError, match="undefined on these data"):
        spearman_bootstrap(np.ones(20), np.arange(20), np.arange(20), rng())
    with pytest.raises(ValueError, match=r"Shapes \(1, 20\), \(1, 19\) and \(20,\) of before, after and gold do not"):
        spearman_bootstrap(np.ones(20), np.arange(19), np.arange(20), rng())


def test_ratio_bootstrap_compares_retentions():
    exact = rng(1).uniform(0.2, 1.0, size=(2, 400))
    index = exact * np.array([[0.7], [0.9]]) + rng(2).normal(0, 0.05, size=(2, 400))
    comparison = ratio_bootstrap((index[0], exact[0]), (index[1], exact[1]), rng())
    expected = index[1].mean() / exact[1].mean() - index[0].mean() / exact[0].mean()
    assert comparison.estimate == pytest.approx(expected)
    assert comparison.low is not None and comparison.high is not None
    assert 0.18 < comparison.low < expected < comparison.high < 0.22


def test_a_retention_of_nothing_is_refused():
    with pytest.raises(ValueError, match="a ratio to zero"):
        ratio_bootstrap((np.ones(5), np.zeros(5)), (np.ones(5), np.ones(5)), rng())


@pytest.mark.parametrize(
    ("low", "high", "greater_is_better", "outcome"),
    [
        (0.01, 0.03, True, "better"),
        (0.01, 0.03, False, "worse"),
        (-0.03, -0.01, True, "worse"),
        (-0.03, -0.01, False, "better"),
        (-0.01, 0.03, True, "no difference found"),
        (0.0, 0.03, True, "no difference found"),
    ],
)
def test_a_verdict_needs_an_interval_without_zero(low, high, greater_is_better, outcome):
    comparison = Comparison((low + high) / 2, low, high, "Student t over 3 paired runs", NEW_RUNS, 3, 0.025)
    result = verdict(comparison, greater_is_better)
    assert result.outcome == outcome
    assert result.sentence.startswith(f"{outcome}: ")
    assert ("detectable: 0.0250" in result.sentence) == (outcome == "no difference found")


@pytest.mark.parametrize("bad", [[], [0.1, float("nan")], [[0.1, 0.2]], [float("inf")]])
def test_differences_must_be_a_finite_row(bad):
    with pytest.raises(ValueError, match="Paired differences must be finite"):
        student_interval(bad)
