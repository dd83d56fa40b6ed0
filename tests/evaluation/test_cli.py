"""The command line: bad input is one sentence and exit status 2, and nothing is written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.__main__ import main

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quickstart", "--model", "minilmm"], "near names are minilm"),
        (["quickstart", "--seeds", "0"], "--seeds is 0"),
        (
            ["improvements", "static", "--beir", "none", "--beir", "docs"],
            "none has neither corpus.jsonl nor corpus.jsonl.gz",
        ),
        (["calibration", "--model", "static", "--beir", "none"], "none has neither corpus.jsonl nor corpus.jsonl.gz"),
        (["compare", "minilm", "--tasks", "STSBenchmrk", "--mirror", "."], "near names are STSBenchmark"),
        (["compare", "minilm", "--tasks", "STS12", "--mirror", "no-such-folder"], "no-such-folder"),
        (["compare", "minilm", "minilm", "--tasks", "STS12"], "A model is given twice"),
        (["compare", str(ROOT), f"{ROOT}/tests/..", "--tasks", "STS12"], "A model is given twice"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    # An empty cache: no model is built before the input is found wrong.
    monkeypatch.setenv("ST_ISOTROPY_CACHE", str(tmp_path / "cache"))
    assert main([*arguments, "--out", "run"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ") and error.count("\n") == 1 and error.rstrip().endswith(".")
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_does_not_exist_is_refused_with_the_ones_that_do(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["quikstart"])
    assert caught.value.code == 2
    assert "quickstart" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "function", "promise"),
    [
        (["quickstart"], "evaluation.study.quickstart.quickstart", "rerun the command to resume"),
        (["compare", "minilm", "--tasks", "STS12"], "evaluation.compare.compare", "rerun the command to resume"),
        (["bench"], "evaluation.bench.run.run", "rerun the command to start again"),
    ],
)
def test_an_interruption_says_what_the_same_command_will_do(
    command: list[str], function: str, promise: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(function, interrupt)
    assert main(command) == 130
    assert promise in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            FileNotFoundError(2, "No such file or directory", "cells/a.json"),
            "cells/a.json: No such file or directory; put",
        ),
        (ModuleNotFoundError("No module named 'faiss'", name="faiss"), "faiss is not installed: pip install -c const"),
    ],
)
def test_what_goes_missing_in_the_middle_is_one_sentence(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("evaluation.study.quickstart.quickstart", fail)
    assert main(["quickstart"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"error: {message}") and printed.count("\n") == 1


@pytest.mark.slow
def test_with_neither_mirror_nor_hub_run_fails_in_one_sentence(tmp_path: Path) -> None:
    # A hub address where nobody listens stands for a machine without a network.
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hf")}
    environment.pop("HF_HUB_OFFLINE", None)
    command = [sys.executable, "-m", "evaluation", "compare", "minilm", "--tasks", "STS12", "--out", "run"]
    found = subprocess.run(
        command, cwd=tmp_path, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=600
    )
    assert found.returncode == 2
    assert "cannot be reached; give a local copy with --mirror DIR" in found.stderr
    assert "Traceback" not in found.stderr
    assert not (tmp_path / "run").exists()
