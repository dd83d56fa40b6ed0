"""Models and data by hub name, from a cache as the hub's client leaves it, without a network."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mteb
import pyarrow
import pytest
from hub_cache import files_of, write_repository
from own_data import sentences
from pyarrow import parquet
from remote_code import write_remote_code
from small_corpus import static_model

from evaluation.files import read_json

pytestmark = [pytest.mark.slow, pytest.mark.study]  # each command is a process of its own

README = "---\nconfigs:\n{}---\n"
CONFIG = "- config_name: {}\n  data_files:\n  - split: {}\n    path: {}\n"
Run = Callable[..., subprocess.CompletedProcess[str]]


def table(**columns: list) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def similarity_data() -> dict[str, bytes]:
    first = sentences(60)
    second = [
        " ".join([*text.split()[: row % 8], *first[row - 1].split()[row % 8 :]]) for row, text in enumerate(first)
    ]
    return {
        "README.md": README.format(CONFIG.format("default", "test", "data/test-*")).encode(),
        "data/test-00000-of-00001.parquet": table(
            sentence1=first, sentence2=second, score=[5 * (row % 8) / 8 for row in range(60)]
        ),
    }


def retrieval_data() -> dict[str, bytes]:
    texts = sentences(60, words=20)
    ids = [f"d{row}" for row in range(60)]
    asked = [f"q{row}" for row in range(30)]
    parts = {"corpus": "train", "queries": "train", "qrels": "train"}
    return {
        "README.md": README.format(
            "".join(CONFIG.format(name, split, f"{name}/{split}-*") for name, split in parts.items())
        ).encode(),
        "corpus/train-00000-of-00001.parquet": table(_id=ids, text=texts),
        "queries/train-00000-of-00001.parquet": table(
            _id=asked, text=[" ".join(text.split()[:4]) for text in texts[:30]]
        ),
        "qrels/train-00000-of-00001.parquet": table(**{"query-id": asked, "corpus-id": ids[:30], "score": [1] * 30}),
    }


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `home`, the cache, and texts and pairs."""
    folder = tmp_path_factory.mktemp("hub")
    home = folder / "home"
    static_model().save_pretrained(str(folder / "model"))
    write_repository(home, "models", "org/tiny", files_of(folder / "model"), "a" * 40, "main")
    static_model(dimensions=8).save_pretrained(str(folder / "older"))
    write_repository(home, "models", "org/tiny", files_of(folder / "older"), "b" * 40, "v1")
    write_remote_code(static_model(), folder / "remote")
    write_repository(home, "models", "org/remote", files_of(folder / "remote"), "c" * 40, "main")
    for task, data in (("STS13", similarity_data()), ("NanoSciFactRetrieval", retrieval_data())):
        described = mteb.get_task(task).metadata.dataset
        write_repository(home, "datasets", described["path"], data, described["revision"])
    texts = sentences(60)
    (folder / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    pairs = "".join(f"{' '.join(text.split()[:5])}\t{text}\n" for text in texts)
    (folder / "pairs.tsv").write_text(pairs, encoding="utf-8")
    return folder


@pytest.fixture
def run(cache: Path, tmp_path: Path) -> Run:
    def start(*command: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"HF_HOME": str(cache / "home"), "HF_HUB_OFFLINE": "1"}
        for name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_MODULES_CACHE"):
            environment.pop(name, None)
        if command[0] == "st-isotropy":
            command = ("-c", "from st_isotropy.cli import run; run()", *command[1:])
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stderr
        return done

    return start


def test_a_model_is_diagnosed_by_hub_name_at_the_revision_asked_for(run: Run, cache: Path, tmp_path: Path) -> None:
    command = ["st-isotropy", "diagnose", "org/tiny", "--texts", str(cache / "texts.txt"), "--json", "found.json"]
    for revision, dimensions in (([], 16), (["--revision", "v1"], 8)):
        assert "org/tiny" in run(*command, *revision).stdout
        assert json.loads((tmp_path / "found.json").read_text())["dimensions"] == dimensions
    refused = run(*command, "--revision", "v2", status=2).stderr.splitlines()[-1]
    assert refused.startswith("st-isotropy: The model org/tiny cannot be loaded: ")


def test_a_model_is_improved_by_hub_name(run: Run, cache: Path, tmp_path: Path) -> None:
    files = ["--texts", str(cache / "texts.txt"), "--pairs", str(cache / "pairs.tsv")]
    run("st-isotropy", "improve", "org/tiny", *files, "--candidates", "Center", "--out", "better", "--save-best")
    assert "org/tiny" in (tmp_path / "better" / "README.md").read_text(encoding="utf-8")


def test_a_model_with_code_of_its_own_is_run_by_hub_name_on_request(run: Run, cache: Path) -> None:
    command = ["st-isotropy", "diagnose", "org/remote", "--texts", str(cache / "texts.txt")]
    assert "read it in https://huggingface.co/org/remote, and if you" in run(*command, status=2).stderr
    assert "org/remote" in run(*command, "--trust-remote-code").stdout


def test_a_model_and_data_are_compared_by_hub_name(run: Run, cache: Path, tmp_path: Path) -> None:
    command = ["-m", "evaluation", "compare", "org/tiny", "--tasks", "STS13", "NanoSciFactRetrieval"]
    run(*command)
    summary = read_json(tmp_path / "runs" / "compare" / "summary.json")
    [section] = summary["sections"]
    assert summary["missing"] == []
    assert {"STS13 Spearman", "NanoSciFactRetrieval nDCG@10"} <= {row["name"] for row in section["rows"]}
    configuration = read_json(tmp_path / "runs" / "compare" / "configuration.json")
    described = mteb.get_task("STS13").metadata.dataset
    assert configuration["tasks"]["STS13"] == f"{described['path']} {described['revision']}"


def test_data_that_are_not_in_the_cache_are_named_with_how_to_get_them(run: Run, cache: Path) -> None:
    refused = run("-m", "evaluation", "compare", "org/tiny", "--tasks", "STS12", status=2).stderr.splitlines()[-1]
    described = mteb.get_task("STS12").metadata.dataset
    name, revision = described["path"], described["revision"]
    assert refused == (
        f"error: The data of STS12 ({name}) cannot be loaded (Couldn't reach '{name}' on the Hub "
        f"(OfflineModeIsEnabled)): run `hf download --repo-type dataset {name} --revision {revision}` where the hub "
        "can be reached, or give a complete local copy, laid out as on the hub, with --mirror DIR."
    )
