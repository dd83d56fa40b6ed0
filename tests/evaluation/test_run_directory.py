"""A run directory is continued by the same configuration only, and never half written."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from evaluation.errors import UserError
from evaluation.files import read_json, write_json
from evaluation.run_directory import Timing, open_run

ROOT = Path(__file__).parents[2]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_run_records_configuration_and_environment(tmp_path: Path) -> None:
    open_run(tmp_path / "run", {"seeds": 3})
    assert read_json(tmp_path / "run" / "configuration.json") == {"seeds": 3}
    environment = read_json(tmp_path / "run" / "environment.json")
    assert environment["packages"]["torch"] and environment["python"]


def test_the_same_configuration_continues_a_run(tmp_path: Path) -> None:
    open_run(tmp_path / "run", {"seeds": 3, "versions": {"numpy": "2"}})
    before = snapshot(tmp_path)
    open_run(tmp_path / "run", {"seeds": 3, "versions": {"numpy": "2"}})
    assert snapshot(tmp_path) == before


def test_another_configuration_is_refused_with_what_differs_and_nothing_is_touched(tmp_path: Path) -> None:
    open_run(tmp_path / "run", {"seeds": 3, "weight": 30.0, "versions": {"numpy": "2", "scipy": "1"}})
    before = snapshot(tmp_path)
    with pytest.raises(UserError, match=r"seeds was 3 and is now 5; versions\.numpy was '2' and is now '3'") as caught:
        open_run(tmp_path / "run", {"seeds": 5, "weight": 30.0, "versions": {"numpy": "3", "scipy": "1"}})
    assert "--out" in str(caught.value) and "weight" not in str(caught.value)
    assert snapshot(tmp_path) == before


def test_a_run_made_with_other_package_versions_is_refused(tmp_path: Path) -> None:
    open_run(tmp_path / "run", {"seeds": 3})
    described = tmp_path / "run" / "environment.json"
    older = read_json(described)
    older["packages"]["mteb"] = "2.0.0"
    write_json(described, older)
    before = snapshot(tmp_path)
    with pytest.raises(UserError, match=r"configuration \(packages\.mteb was '2\.0\.0' and is now '[\d.]+'\): rerun"):
        open_run(tmp_path / "run", {"seeds": 3})
    assert snapshot(tmp_path) == before


def test_a_directory_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(UserError, match="is not a run directory"):
        open_run(tmp_path, {"seeds": 3})
    assert snapshot(tmp_path) == {"thesis.tex": b"precious"}


def test_a_file_in_the_place_of_a_run_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(UserError, match="is not a run directory"):
        open_run(tmp_path / "run", {})


def test_a_second_process_is_refused_while_the_first_one_lives(tmp_path: Path) -> None:
    open_run(tmp_path / "run", {"command": "study"})
    code = (
        "import sys; from pathlib import Path; from evaluation.run_directory import open_run\n"
        "open_run(Path(sys.argv[1]), {'command': 'study'})"
    )
    other = [sys.executable, "-c", code, str(tmp_path / "run")]
    refused = subprocess.run(other, capture_output=True, text=True, cwd=ROOT)
    assert refused.returncode == 1 and "Another run is using" in refused.stderr
    assert subprocess.run([*other[:-1], str(tmp_path / "free")], cwd=ROOT).returncode == 0
    assert subprocess.run([*other[:-1], str(tmp_path / "free")], cwd=ROOT).returncode == 0  # the first one has ended


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        open_run(tmp_path / "file" / "run", {})


def test_what_was_begun_counts_where_a_run_is_interrupted(tmp_path):
    open_run(tmp_path, {"command": "study"})
    with pytest.raises(KeyboardInterrupt), Timing(tmp_path):
        time.sleep(0.05)
        raise KeyboardInterrupt
    first = Timing(tmp_path).read()["seconds"]
    assert first >= 0.05
    with Timing(tmp_path):  # a run that finds everything finished costs nothing
        time.sleep(0.05)
    assert Timing(tmp_path).read()["seconds"] == first


_KILLED = """
import os, signal, sys, time
from pathlib import Path
from evaluation import run_directory

run_directory.TICK = 0.02
with run_directory.Timing(Path(sys.argv[1])).running():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_time_adds_up_over_starts_that_were_killed(tmp_path: Path) -> None:
    for start in (1, 2):
        subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], cwd=ROOT)
        assert start * 0.2 < Timing(tmp_path).read()["seconds"] < start * 0.6
