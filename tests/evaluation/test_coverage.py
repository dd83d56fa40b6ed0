import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.files import read_json
from evaluation.statistics.coverage import LEAST, Coverage, misses, simulate
from evaluation.statistics.coverage_cases import coverage_cases
from evaluation.statistics.simulated_case import SimulatedCase

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def committed() -> list[Coverage]:
    return [Coverage(**row) for row in read_json(ROOT / "evaluation" / "results" / "coverage.json", list)]


def test_no_method_is_used_where_it_was_seen_to_cover_less_than_93_percent(committed):
    assert misses(committed) == []


def test_a_miss_would_be_noticed(committed):
    used = next(row for row in committed if row.used and row.assumed and row.given == 1)
    assert misses([replace(used, coverage=LEAST - 0.001)])
    assert not misses([replace(used, coverage=LEAST - 0.001, used=False)])


def test_every_size_that_studies_use_was_simulated(committed):
    sizes = {(row.estimand, row.size) for row in committed if row.used}
    assert {("new training runs", size) for size in ("3", "5", "10")} <= sizes
    assert {("new queries, these runs fixed", size) for size in ("50", "300", "1000")} <= sizes
    assert {("new sentence pairs, these runs fixed", size) for size in ("50", "300", "1000")} <= sizes


def test_misses_of_the_methods_that_are_not_used_are_shown(committed):
    assert any(row.coverage is not None and row.coverage < LEAST for row in committed if not row.used)


def cheap_cases() -> list[SimulatedCase]:
    """The methods for three training runs, which come first and take a second."""
    return list(itertools.islice(coverage_cases(), 3))


def test_a_simulation_is_the_same_every_time_and_compares_methods_on_the_same_samples():
    student, percentile, bca = (replace(case, trials=200) for case in cheap_cases())
    assert simulate(student) == simulate(student)
    assert [case.method for case in (student, percentile, bca)] == [
        "Student t",
        "percentile bootstrap",
        "BCa bootstrap",
    ]
    covered = [simulate(case).coverage for case in (student, percentile, bca)]
    assert covered[0] > 0.9 > covered[1] > 0.5


def test_the_committed_figures_are_those_of_the_code(committed):
    assert [simulate(case) for case in cheap_cases()] == committed[:3]
