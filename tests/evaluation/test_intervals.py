import math

import numpy as np
import pytest
from scipy import stats

from evaluation.statistics.intervals import (
    NEW_QUERIES,
    NEW_RUNS,
    Comparison,
    detectable_in_errors,
    query_interval,
    ratio_interval,
    stratified_interval,
    student_interval,
)
from evaluation.statistics.verdict import holm, verdict


def detectable_difference(spread: float, n: int) -> float:
    return detectable_in_errors(n - 1) * spread / math.sqrt(n)


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
    assert verdict(comparison).sentence == "undecided: +0.02, no interval: one alone has no spread"


def test_equal_differences_give_no_interval_and_no_verdict_in_favor():
    # 0.3 - 0.2 and 0.4 - 0.3 differ in the last digit, which is no spread.
    comparison = student_interval([0.3 - 0.2, 0.4 - 0.3, 0.1])
    assert (comparison.low, comparison.high) == (None, None)
    assert verdict(comparison).outcome == "undecided"
    assert comparison.method == "no interval: all 3 differences are equal"
    assert query_interval(np.zeros(50)).method == "no interval: all 50 differences are equal"


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


def test_query_interval_is_students_over_queries():
    differences = rng().normal(0.1, 1.0, size=300)
    expected = stats.ttest_1samp(differences, 0.0)
    comparison = query_interval(differences)
    assert (comparison.low, comparison.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert comparison.p == pytest.approx(expected.pvalue)
    assert (comparison.n, comparison.estimand) == (300, NEW_QUERIES)


def test_an_interval_over_several_corpora_is_welchs():
    first, second = rng(1).normal(1, 1, size=40), rng(2).normal(0, 5, size=200)
    comparison = stratified_interval([first, -second])  # a sum of two means is a difference with one turned around
    expected = stats.ttest_ind(first, second, equal_var=False)
    assert comparison.estimate == pytest.approx(first.mean() - second.mean())
    assert (comparison.low, comparison.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert comparison.p == pytest.approx(expected.pvalue)
    assert (comparison.n, comparison.estimand) == (240, NEW_QUERIES)


def test_a_corpus_with_few_queries_that_differ_leaves_several_without_an_interval():
    comparison = stratified_interval([rng(1).normal(size=40), np.repeat([0.0, 0.3], [90, 10])])
    assert comparison.low is None
    assert comparison.method == "no interval: 10 of 100 differ, and it takes 20 on one corpus"


@pytest.mark.parametrize("differing", [1, 19, 20, 40])
def test_too_few_queries_that_differ_give_no_interval(differing):
    comparison = query_interval(np.repeat([0.0, 0.3], [1000 - differing, differing]))
    assert comparison.estimate == pytest.approx(0.3 * differing / 1000)
    if differing < 20:
        assert comparison.method == f"no interval: {differing} of 1000 differ, and it takes 20"
        assert verdict(comparison).outcome == "undecided"
    else:
        assert comparison.low is not None and comparison.low > 0


def test_holm_is_the_closed_form_and_never_changes_the_order():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    for largest in (1.0, 1e-3):  # with and without ties at 1
        p_values = rng().uniform(0, largest, size=20)
        adjusted = np.asarray(holm(p_values.tolist()))
        assert (np.diff(adjusted[np.argsort(p_values)]) >= 0).all()
        assert (p_values <= adjusted).all() and adjusted.max() <= 1


def test_ratio_interval_compares_retentions():
    exact = rng(1).uniform(0.2, 1.0, size=(2, 400))
    index = exact * np.array([[0.7], [0.9]]) + rng(2).normal(0, 0.05, size=(2, 400))
    comparison = ratio_interval((index[0], exact[0]), (index[1], exact[1]))
    expected = index[1].mean() / exact[1].mean() - index[0].mean() / exact[0].mean()
    assert comparison.estimate == pytest.approx(expected)
    assert comparison.low is not None and comparison.high is not None
    rows = rng(3).integers(0, 400, size=(4000, 400))
    i, e = index[:, rows].mean(axis=2), exact[:, rows].mean(axis=2)
    bootstrapped = np.quantile(i[1] / e[1] - i[0] / e[0], [0.025, 0.975])
    assert (comparison.low, comparison.high) == pytest.approx(tuple(bootstrapped), abs=0.001)


def test_a_retention_of_nothing_is_refused():
    with pytest.raises(ValueError, match="the mean score under exact search is zero"):
        ratio_interval((np.ones(5), np.zeros(5)), (np.ones(5), np.ones(5)))


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
    assert ("a true difference under 0.025 would often go unseen" in result.sentence) == (
        outcome == "no difference found"
    )


@pytest.mark.parametrize("bad", [[], [0.1, float("nan")], [[0.1, 0.2]], [float("inf")]])
def test_differences_must_be_a_finite_row(bad):
    with pytest.raises(ValueError, match="Paired differences must be finite"):
        student_interval(bad)
