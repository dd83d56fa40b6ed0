"""The docstring corpus: natural text pairs from the installed libraries, split into training and held-out pairs.

A docstring's first paragraph and the rest of it say the same thing in different words, so they make a positive pair.
Sources are parsed with `ast`; nothing is imported or run, and nothing is downloaded.
"""

import ast
import hashlib
import json
import platform
import re
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from inspect import cleandoc
from pathlib import Path

from datasets import Dataset
from rich.progress import track

from evaluation.data.texts import fraction
from evaluation.errors import UserError
from evaluation.files import read_json, write_json

# Import name -> distribution name. The standard library goes by "python" and takes Python's own version.
LIBRARIES = {"numpy": "numpy", "scipy": "scipy", "sklearn": "scikit-learn", "torch": "torch", "pandas": "pandas"}
STANDARD_LIBRARY = "python"
PACKAGES = (*LIBRARIES, STANDARD_LIBRARY)

FIRST_PARAGRAPH = (25, 300)  # characters: shorter says nothing, longer is no summary
REST = (120, 600)  # characters: shorter is no document, longer is cut at a word
HELD_OUT = 1 / 3

_TEST_PARTS = {"test", "tests", "testing", "conftest.py", "site-packages", "idlelib", "lib2to3", "__pycache__"}
_TEMPLATE = re.compile(r"%\(\w+\)s|\{\w+\}")
_FORMAT = 1  # raise when parsing or splitting changes, so that an old cache is not taken for a new one


@dataclass(frozen=True)
class DocPair:
    """A docstring's first paragraph and the rest of it, with the place it comes from."""

    name: str
    package: str
    subpackage: str
    first: str
    rest: str


@dataclass(frozen=True)
class Corpus:
    """Docstring pairs of which no text is in both `train` and `test`.

    Attributes:
        train: Pairs to train on.
        test: Held-out pairs, for the tasks.
        versions: The version of each package that was read.
    """

    train: tuple[DocPair, ...]
    test: tuple[DocPair, ...]
    versions: dict[str, str] = field(compare=False)

    def __post_init__(self) -> None:
        if len(self.train) < 2 or len(self.test) < 2:
            raise UserError(
                f"The corpus has {len(self.train)} training and {len(self.test)} held-out pairs and needs "
                "at least 2 of each; add text."
            )

    @cached_property
    def sha256(self) -> str:
        """Hash of every text and label, in order."""
        rows = [list(asdict(pair).values()) for part in (self.train, self.test) for pair in part]
        return hashlib.sha256(json.dumps([len(self.train), rows]).encode()).hexdigest()


def docstring_corpus(cache: Path, packages: tuple[str, ...] = PACKAGES) -> Corpus:
    """Read the docstring pairs of the installed `packages`, from `cache` when these very versions were read before.

    Args:
        cache: Folder that keeps the parsed corpus.
        packages: Names out of `PACKAGES`.

    Raises:
        UserError: If a package is not installed, or too little text was found.
    """
    versions = {package: _version(package) for package in packages}
    key = hashlib.sha256(json.dumps([_FORMAT, platform.python_version(), versions]).encode()).hexdigest()[:16]
    path = cache / f"docstrings-{key}.json"
    if path.exists():
        pairs = tuple(DocPair(**row) for row in read_json(path, list))
    else:
        pairs = tuple(distinct(_read(packages)))
        write_json(path, [asdict(pair) for pair in pairs])
    return split(pairs, versions)


def split(pairs: Iterable[DocPair], versions: dict[str, str]) -> Corpus:
    """Hold out about a third of distinct pairs, by a hash of the first paragraph: a text never changes sides."""
    train, test = [], []
    for pair in pairs:
        (test if fraction(_words(pair.first)) < HELD_OUT else train).append(pair)
    return Corpus(tuple(train), tuple(test), versions)


def distinct(pairs: Iterable[DocPair]) -> Iterator[DocPair]:
    """Drop each pair of which either text occurred before, on whichever side, ignoring case and punctuation."""
    seen: set[str] = set()
    for pair in pairs:
        texts = {_words(pair.first), _words(pair.rest)}
        if len(texts) == 2 and seen.isdisjoint(texts):
            seen |= texts
            yield pair


def positive_pairs(corpus: Corpus) -> Dataset:
    """The training pairs as columns `anchor` and `positive`, for in-batch negatives."""
    return Dataset.from_dict({"anchor": [p.first for p in corpus.train], "positive": [p.rest for p in corpus.train]})


def docstring_pairs(source: str, module: str, package: str) -> Iterator[DocPair]:
    """Read the pairs of one module's source: public functions, classes and methods, in order of appearance."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # invalid escapes in other people's sources
        tree = ast.parse(source)
    subpackage = ".".join(module.split(".")[:2])
    for name, docstring in _documented(tree, module):
        first, rest = _halves(docstring)
        if (
            _TEMPLATE.search(first) is None
            and len(rest) >= REST[0]
            and FIRST_PARAGRAPH[0] <= len(first) <= FIRST_PARAGRAPH[1]
        ):
            yield DocPair(name, package, subpackage, first, rest)


def _documented(node: ast.Module | ast.ClassDef, name: str) -> Iterator[tuple[str, str]]:
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            docstring = ast.get_docstring(child, clean=False)
            if docstring is not None:
                yield f"{name}.{child.name}", docstring
            if isinstance(child, ast.ClassDef):
                yield from _documented(child, f"{name}.{child.name}")


def _halves(docstring: str) -> tuple[str, str]:
    """The first paragraph and the rest, with white space collapsed and the rest cut at a word."""
    first, _, rest = cleandoc(docstring).partition("\n\n")
    rest = " ".join(rest.split())
    if len(rest) > REST[1]:
        rest = rest[: REST[1]].rsplit(" ", 1)[0]
    return " ".join(first.split()), rest


def _read(packages: tuple[str, ...]) -> Iterator[DocPair]:
    files = [(package, root, path) for package in packages for root in [_root(package)] for path in _sources(root)]
    for package, root, path in track(files, "Reading docstrings", transient=True):
        parts = path.relative_to(root).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        try:
            source = path.read_text(encoding="utf-8")
            yield from docstring_pairs(
                source, module if package == STANDARD_LIBRARY else f"{package}.{module}", package
            )
        except (SyntaxError, UnicodeDecodeError):
            continue  # a few installed files are templates or broken on purpose


def _sources(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        if _TEST_PARTS.isdisjoint(parts) and not path.name.startswith("test_"):
            yield path


def _root(package: str) -> Path:
    if package == STANDARD_LIBRARY:
        return Path(sysconfig.get_paths()["stdlib"])
    spec = find_spec(package)  # of a top-level name: locates the package without importing it
    if spec is None or spec.origin is None:
        raise UserError(
            f"The docstring corpus reads {package}, which is not installed: pip install {LIBRARIES[package]}."
        )
    return Path(spec.origin).parent


def _version(package: str) -> str:
    _root(package)
    return platform.python_version() if package == STANDARD_LIBRARY else version(LIBRARIES[package])


def _words(text: str) -> str:
    """The words of a text in lower case, without punctuation."""
    return " ".join(re.findall(r"\w+", text.lower()))
