import re

import numpy as np
import pytest
from scipy import stats

from evaluation.statistics.intervals import NEW_PAIRS
from evaluation.statistics.spearman import changed, compare_resampled, resampled_spearman, spearman_bootstrap


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    return float(stats.spearmanr(a, b).statistic)


def pairs(runs: int | None, n: int = 150) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Similarities with ties, as gold scores have them."""
    gold = rng(1).integers(0, 11, size=n) / 2
    shape = (n,) if runs is None else (runs, n)
    noise = rng(2).normal(size=(2, *shape))
    return np.round(gold + 2 * noise[0], 1), np.round(gold + 1.5 * noise[1], 1), gold


@pytest.mark.parametrize("runs", [None, 3])
def test_the_correlation_is_recomputed_in_every_resample(runs):
    before, after, gold = pairs(runs)
    comparison = spearman_bootstrap(before, after, gold, rng())
    old, new = np.atleast_2d(before), np.atleast_2d(after)

    def difference(rows: np.ndarray) -> float:
        rises = [spearman(row[rows], gold[rows]) for row in new]
        falls = [spearman(row[rows], gold[rows]) for row in old]
        return float(np.mean(rises) - np.mean(falls))

    assert comparison.estimate == pytest.approx(difference(np.arange(150)))
    naive = np.array([difference(rows) for rows in rng(9).integers(0, 150, size=(400, 150))])
    assert (comparison.low, comparison.high) == pytest.approx(tuple(np.quantile(naive, [0.025, 0.975])), abs=0.02)
    assert comparison.p == pytest.approx(2 * stats.norm.sf(abs(comparison.estimate) / naive.std()), abs=0.01)
    assert comparison.detectable == pytest.approx(2.8016 * naive.std(), rel=0.1)
    assert (comparison.n, comparison.estimand) == (150, NEW_PAIRS)


def test_a_monotone_change_of_scale_does_not_matter():
    before, after, gold = pairs(None)
    first = spearman_bootstrap(before, after, gold, rng())
    second = spearman_bootstrap(np.exp(before), after**3, 2 * gold + 1, rng())
    assert (second.low, second.high) == pytest.approx((first.low, first.high))


def test_only_the_generator_that_is_passed_matters():
    data = pairs(None)
    first = spearman_bootstrap(*data, rng(5))
    np.random.seed(1)  # noqa: NPY002 (a dirtied global generator must not matter)
    np.random.random(7)  # noqa: NPY002
    assert spearman_bootstrap(*data, rng(5)) == first
    assert spearman_bootstrap(*data, rng(6)) != first


def test_variants_that_rank_alike_have_no_interval():
    before, _, gold = pairs(None)
    comparison = spearman_bootstrap(before, before * 2, gold, rng())
    assert (comparison.estimate, comparison.low) == (0.0, None)
    assert comparison.method == "no interval: both rank the pairs alike"


def test_what_has_no_correlation_is_refused():
    with pytest.raises(ValueError, match="all values of one variable are alike"):
        spearman_bootstrap(np.ones(20), np.arange(20), np.arange(20), rng())
    with pytest.raises(ValueError, match=r"Shapes \(1, 19\) and \(20,\) of similarities and gold do not fit\."):
        spearman_bootstrap(np.arange(20), np.arange(19), np.arange(20), rng())


def test_variants_share_the_resamples_of_a_seed():
    before, after, gold = pairs(None)
    old, new = (resampled_spearman(each, gold, rng(), 50) for each in (before, after))
    assert (
        compare_resampled(old, new, changed(before, after), gold).estimate
        == spearman_bootstrap(before, after, gold, rng()).estimate
    )
    np.testing.assert_array_equal(old, resampled_spearman(before, gold, rng(), 50))
    assert old[0] == pytest.approx(stats.spearmanr(before, gold).statistic, abs=1e-12)


def test_similarities_that_mostly_stay_give_no_interval():
    before, after, gold = pairs(None)
    comparison = spearman_bootstrap(before, np.where(np.arange(150) < 120, after, before), gold, rng())
    reason = r"no interval: the similarity of 1\d\d of 150 pairs changes, and it takes 90%"
    assert comparison.low is None and re.fullmatch(reason, comparison.method)


def test_fewer_than_twenty_pairs_beside_the_commonest_gold_score_give_no_interval():
    before, after, _ = pairs(None)
    gold = np.zeros(150)
    gold[:19] = np.arange(1, 20)
    comparison = spearman_bootstrap(before, after, gold, rng())
    reason = "no interval: 19 of 150 gold scores differ from the commonest, and it takes 20"
    assert comparison.method == reason and comparison.low is None
    gold[19] = 20
    assert spearman_bootstrap(before, after, gold, rng()).low is not None
