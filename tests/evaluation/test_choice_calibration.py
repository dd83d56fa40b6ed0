from pathlib import Path

import numpy as np
import pytest

from evaluation.files import read_json
from evaluation.improvements.choice_calibration import Calibration, calibrate, calibration_table

COMMITTED = Path(__file__).parents[2] / "evaluation" / "results" / "improve" / "calibration.json"


def scores(gain: float, candidates: int = 4) -> np.ndarray:
    rng = np.random.default_rng(0)
    base = rng.beta(0.5, 0.7, size=(400, 1))
    moved = np.clip(base + 0.2 * rng.normal(size=(400, candidates)), 0, 1)
    return np.hstack([base, moved + gain * (1 - moved)])


def test_under_the_null_little_is_offered_and_a_large_gain_is_always_found() -> None:
    null, measured = calibrate("simulated", scores(0.5), sizes=(100,), trials=200)
    assert null.null and null.offered <= 0.06 and null.coverage is not None and null.coverage > 0.9
    assert measured.offered == 1.0 and measured.coverage is not None and measured.coverage > 0.9


def test_a_calibration_is_the_same_every_time_and_says_what_it_is() -> None:
    one, again = (list(calibrate("simulated", scores(0.1), sizes=(30,), trials=20)) for _ in range(2))
    assert one == again
    table = calibration_table(one)
    assert table.count("\n") == 4 and "none is better" in table and "as measured" in table


def test_what_is_no_better_is_offered_in_at_most_5_percent_of_the_committed_runs() -> None:
    if not COMMITTED.is_file():
        pytest.skip("the calibration is not committed yet")
    rows = [Calibration(**row) for row in read_json(COMMITTED, list)]
    assert {row.queries for row in rows} == {30, 100, 300, 1000}
    assert all(row.offered <= 0.05 for row in rows if row.null)
