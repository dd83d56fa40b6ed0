import itertools

import numpy as np
import pytest
from scipy import stats

from evaluation.statistics.sign_flips import sign_flip_test


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_few_pairs_are_tested_with_every_sign_pattern():
    values = np.random.default_rng(3).normal(0.5, 1.0, size=7)
    means = np.array([np.mean(values * signs) for signs in itertools.product((1, -1), repeat=7)])
    assert sign_flip_test(values, rng()) == pytest.approx((np.abs(means) >= abs(values.mean()) - 1e-12).mean())


@pytest.mark.parametrize("n", [1, 3, 5])
def test_too_few_pairs_get_no_p_value(n):
    assert sign_flip_test(np.arange(1, n + 1), rng()) is None


def test_zeros_have_no_sign_and_do_not_count():
    assert sign_flip_test([0.0] * 100 + [0.1, 0.2], rng()) is None
    assert sign_flip_test([1e-15] * 100 + [0.1, 0.2], rng()) is None  # as rounding leaves them
    values = np.random.default_rng(4).normal(0.3, 1.0, size=9)
    assert sign_flip_test([*values, 0.0, 0.0], rng()) == sign_flip_test(values, rng())


def test_many_pairs_agree_with_students_t():
    values = np.random.default_rng(5).normal(0.1, 1.0, size=300)
    assert sign_flip_test(values, rng()) == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue, abs=0.015)


def test_a_drawn_p_value_is_never_zero():
    assert sign_flip_test(np.ones(100), rng()) == pytest.approx(2 / 10_000)


def test_only_the_generator_that_is_passed_matters():
    values = np.random.default_rng(6).normal(0.1, 1.0, size=50)
    first = sign_flip_test(values, rng())
    np.random.seed(1)  # noqa: NPY002 (a dirtied global generator must not matter)
    assert sign_flip_test(values, rng()) == first
