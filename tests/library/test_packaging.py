"""What is installed, and what importing it pulls in."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest

import st_isotropy

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def imported_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after a statement."""
    program = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )


@pytest.mark.parametrize("statement", ["import st_isotropy", "import st_isotropy.cli, st_isotropy.posthoc"])
def test_the_library_imports_neither_the_evaluation_nor_its_packages(statement: str) -> None:
    loaded = imported_by(statement)
    assert "st_isotropy" in loaded
    assert loaded.isdisjoint({"mteb", "faiss", "evaluation", "gph", "redzed", "matplotlib", "numba"})


def test_the_import_check_can_fail() -> None:
    assert "evaluation" in imported_by("import st_isotropy, evaluation.errors")


def test_the_public_names_are_importable_and_documented() -> None:
    public = [name for name in vars(st_isotropy) if name[0].isupper()]
    assert {"PersistentEntropyLoss", "RegularizedLoss", "IsotropyEvaluator", "PersistentEntropy"} <= set(public)
    assert all(getattr(st_isotropy, name).__doc__ for name in public)


def test_the_version_is_the_installed_one() -> None:
    assert st_isotropy.__version__ == version("st-isotropy")


def test_the_package_is_marked_as_typed() -> None:
    assert (ROOT / "st_isotropy" / "py.typed").is_file()


def test_the_core_needs_nothing_but_sentence_transformers_torch_numpy_and_scipy() -> None:
    core = [line for line in requires("st-isotropy") or [] if "extra ==" not in line]
    assert {re.split(r"[^\w-]", line)[0] for line in core} == {"sentence-transformers", "torch", "numpy", "scipy"}


def test_every_requirement_is_pinned_in_the_constraints() -> None:
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0] for line in constraints if "==" in line}
    extras, groups = PROJECT["project"]["optional-dependencies"], PROJECT["dependency-groups"]
    lines = [
        *PROJECT["project"]["dependencies"],
        *(line for part in (*extras.values(), *groups.values()) for line in part),
    ]
    names = {re.split(r"[^\w-]", line)[0].lower() for line in lines if isinstance(line, str)}
    assert names - {"st-isotropy"} <= pinned
    assert "torch==2.13.0" in constraints


def test_the_readme_has_two_commands_and_at_most_100_lines() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)
    assert len(commands) == 2
    assert "evaluation quickstart" in commands[0] and "pytest" in commands[1]
    assert all("constraints.txt" in command for command in commands)
    assert len(readme.splitlines()) <= 100
