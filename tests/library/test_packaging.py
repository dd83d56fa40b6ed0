"""What is installed, and what importing it pulls in."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from doctest import DocTestParser
from importlib import import_module
from importlib.metadata import requires, version
from inspect import getdoc, isclass, isfunction
from pathlib import Path

import pytest

import st_isotropy

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "st_isotropy").rglob("*.py"))
API_PAGES = sorted((ROOT / "docs" / "api").glob("*.md"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def imported_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after a statement."""
    program = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )


@pytest.mark.slow
@pytest.mark.parametrize("statement", ["import st_isotropy", "import st_isotropy.cli, st_isotropy.posthoc"])
def test_the_library_imports_neither_the_evaluation_nor_its_packages(statement: str) -> None:
    loaded = imported_by(statement)
    assert "st_isotropy" in loaded
    assert loaded.isdisjoint({"mteb", "faiss", "evaluation", "gph", "redzed", "matplotlib", "numba"})


@pytest.mark.slow
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


# What users' code may import, module by module of the pages under docs/api. A deprecated name stays for a version.
PUBLIC = {
    "st_isotropy": "AlignmentLoss BalancedWeight CachedAlignmentLoss GeometryCallback IsotropyEvaluator MSTLength "
    "Measure PersistentEntropy PersistentEntropyLoss RegularizedLoss Regularizer WeightSchedule authors_setting "
    "isotropy",
    "st_isotropy.authors": "InClusterLength authors_setting",
    "st_isotropy.barcodes": "Barcode barcode edge_lengths minimum_spanning_tree",
    "st_isotropy.barcodes.selection": "Selection count_prominent selected_bars",
    "st_isotropy.callbacks": "GeometryCallback",
    "st_isotropy.entropy": "absolute_entropy absolute_entropy_deficit entropy_deficit largest_mean_bar "
    "persistent_entropy total_persistence",
    "st_isotropy.evaluator": "IsotropyEvaluator",
    "st_isotropy.losses": "AlignmentLoss CachedAlignmentLoss DEFAULT_WEIGHT PersistentEntropyLoss RegularizedLoss",
    "st_isotropy.improve": "AffineMap CandidateResult Choice Gain Improvement Judgment ScoredTask ScoredTexts "
    "SearchTask SearchTexts SeenDocuments encode_scored encode_search improve read_beir read_pairs read_scored "
    "save_improved save_map state_verdict",
    "st_isotropy.metrics": "CATALOG CATALOGUE Cloud Measure alignment anti_hub_share as_cloud average_cosine "
    "effective_rank first_component_share hubness_skewness isoscore isotropic_values isotropy k_occurrences "
    "largest_coordinate_share largest_hub mean_mst_length participation_ratio partition_ratio persistent_entropy "
    "ph_dimension second_moment twonn_dimension uniformity",
    "st_isotropy.posthoc": "AllButTheTop Center PostHoc ProjectOutMean SpectralPower Whitening apply_posthoc",
    "st_isotropy.regularizers": "Covariance GlobalOrthogonal IsoScoreStar KoLeo MSTLength MeanCosine PersistentEntropy "
    "Regularizer SIGReg Uniformity",
    "st_isotropy.weights": "BalancedWeight WeightSchedule",
}


DEPRECATED = {"CATALOGUE", "isotropic_values"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_importable_from_where_its_page_says(module: str) -> None:
    for name in PUBLIC[module].split():
        assert hasattr(import_module(module), name), f"{module}.{name}"


def test_the_pages_of_the_interface_are_about_the_public_modules() -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in API_PAGES)
    assert set(re.findall(r"^::: ([\w.]+)$", pages, re.MULTILINE)) == PUBLIC.keys() - {"st_isotropy"}


@pytest.mark.parametrize("module", PUBLIC)
def test_every_name_that_a_page_shows_is_listed(module: str) -> None:
    loaded = import_module(module)
    own = [name for name, value in vars(loaded).items() if getattr(value, "__module__", None) == module]
    shown = getattr(loaded, "__all__", [name for name in own if not name.startswith("_")])
    assert set(shown) <= set(PUBLIC[module].split())


def public_objects(module: str) -> dict[str, object]:
    """The classes and functions that users may import from a module."""
    names = [name for name in PUBLIC[module].split() if name not in DEPRECATED]
    objects = {name: getattr(import_module(module), name) for name in names}
    return {name: value for name, value in objects.items() if isclass(value) or isfunction(value)}


def test_every_name_of_the_package_is_on_a_page() -> None:
    on_pages = {name for module in PUBLIC.keys() - {"st_isotropy"} for name in PUBLIC[module].split()}
    assert set(st_isotropy.__all__) <= on_pages


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_class_and_function_has_an_example_that_doctest_runs(module: str) -> None:
    objects = public_objects(module)
    assert objects
    assert [name for name, value in objects.items() if not DocTestParser().get_examples(value.__doc__ or "")] == []


@pytest.mark.parametrize("module", PUBLIC)
def test_examples_fit_the_column_of_a_page(module: str) -> None:
    lines = [line.strip() for value in public_objects(module).values() for line in (getdoc(value) or "").splitlines()]
    assert [line for line in lines if line.startswith((">>>", "...")) and len(line) > 80] == []


def error_texts(source: Path) -> Iterator[str]:
    """The texts of the errors that a module raises; what is filled in stands as a pair of braces."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Error"):
            for text in node.args[:1]:
                if isinstance(text, ast.Constant):
                    yield str(text.value)
                if isinstance(text, ast.JoinedStr):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in text.values)


def test_error_texts_begin_with_a_capital_letter() -> None:
    texts = [text for source in SOURCES for text in error_texts(source)]
    assert len(texts) > 50
    assert [text for text in texts if text[0].islower()] == []


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return 0 if not body else (body[-1].end_lineno or 0) - body[0].lineno + 1


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: str(source.relative_to(ROOT)))
def test_no_module_has_more_than_350_lines_and_no_function_a_body_of_more_than_40(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    assert len(text.splitlines()) <= 350
    assert {function.name: body_lines(function) for function in functions if body_lines(function) > 40} == {}
