"""Kill -9 at any moment and rerun: the same summary as that of an unbroken run, apart from its timing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_study import without_cost, write_data

pytestmark = pytest.mark.study

ROOT = Path(__file__).parents[2]
STUDY = """
title = "Does it?"
models = ["{model}"]
test = ["found", "rated"]
validation = ["chosen"]
posthoc = ["center"]
indexes = ["flat", "one-bit"]
index_seeds = 1
seeds = 1
tuning_seeds = 1

[[regimes]]
name = "small"
objective = "cosine"
pairs = "known"
learning_rates = [5e-3]
steps = 4
batch_size = 8

[[regularizers]]
regularizer = "koleo"
weights = [0.1, 0.3]
"""


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "kills"), [(1, 20), (2, 3)])
def test_a_study_that_is_killed_at_any_moment_gives_the_summary_of_an_unbroken_one(tmp_path, jobs, kills):
    write_data(tmp_path)
    study = tmp_path / "study.toml"
    study.write_text(STUDY.format(model=tmp_path / "model"), encoding="utf-8")
    data = ["--folder", str(tmp_path / "tasks"), "--pairs", str(tmp_path / "pairs")]
    runs = tmp_path / "runs"
    command = [sys.executable, ROOT / "tests" / "support" / "kill_study.py", kills, runs, "study", study, *data]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # so that worker processes find this very `evaluation`
    done = subprocess.run(
        [*map(str, command), "--jobs", str(jobs)],
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert len(report["killed_at"]) == kills
    expected = without_cost(runs / "unbroken")
    assert expected["missing"] == [] and expected["sections"][0]["tuning"]
    for number in range(report["studies"]):
        folder = runs / f"killed-{number}"
        assert without_cost(folder) == expected
        assert list(folder.rglob("*.tmp")) == [] and not (folder / "models").exists()
    print(  # noqa: T201
        f"\n{kills} kills with --jobs {jobs}, {min(report['killed_at'])} to {max(report['killed_at'])} s into a study "
        f"of {report['seconds']} s: {report['studies']} studies, each summary equal to the unbroken one"
    )
