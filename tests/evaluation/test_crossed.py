import numpy as np
import pytest
from scipy import stats

from evaluation.statistics.intervals import NEW_RUNS_AND_QUERIES, crossed_interval


def test_with_runs_alike_only_the_queries_vary():
    per_query = np.random.default_rng(0).normal(0.1, 0.2, size=300)
    comparison = crossed_interval(np.tile(per_query, (5, 1)))
    expected = stats.ttest_1samp(per_query, 0.0)
    assert (comparison.low, comparison.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert comparison.p == pytest.approx(expected.pvalue)
    assert comparison.estimand == NEW_RUNS_AND_QUERIES


def test_with_queries_alike_only_the_runs_vary():
    per_run = np.random.default_rng(1).normal(0.1, 0.2, size=5)
    comparison = crossed_interval(np.tile(per_run[:, None], (1, 300)))
    expected = stats.ttest_1samp(per_run, 0.0).confidence_interval(0.95)
    assert (comparison.low, comparison.high) == pytest.approx(tuple(expected))


def test_it_is_wider_than_either_source_alone():
    rng = np.random.default_rng(2)
    table = rng.normal(size=(1, 200)) + 0.1 * rng.normal(size=(5, 1)) + 0.2 * rng.normal(size=(5, 200))
    comparison = crossed_interval(table)
    queries = stats.ttest_1samp(table.mean(axis=0), 0.0).confidence_interval(0.95)
    assert comparison.low is not None and comparison.low < queries.low
    assert comparison.high is not None and comparison.high > queries.high
    assert comparison.estimate == pytest.approx(table.mean())


def test_too_few_differing_queries_give_no_interval():
    table = np.zeros((5, 100))
    table[:, :19] = 0.5
    assert crossed_interval(table).method == "no interval: 19 of 100 differ, and it takes 20"


def test_what_averaging_index_seeds_rounds_off_is_no_difference():
    table = np.random.default_rng(0).choice([-1e-14, 1e-14], size=(5, 100))
    table[:, :3] = 0.5
    assert crossed_interval(table).method == "no interval: 3 of 100 differ, and it takes 20"


def test_too_few_runs_give_no_interval():
    assert crossed_interval(np.eye(4, 100)).method == "no interval: there are 4 runs, and it takes 5"


@pytest.mark.parametrize("bad", [np.zeros(5), np.zeros((1, 5)), np.full((2, 5), np.nan)])
def test_it_takes_two_runs_and_finite_values(bad):
    with pytest.raises(ValueError, match=r"must be finite, of shape \(runs, queries\), two of each"):
        crossed_interval(bad)


def test_differences_that_are_all_equal_give_no_interval():
    assert crossed_interval(np.ones((5, 30))).method == "no interval: all 150 differences are equal"
