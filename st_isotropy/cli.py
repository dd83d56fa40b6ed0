"""Console script `st-isotropy diagnose`: how anisotropic is a model, in what way, and what is likely to help."""

import argparse
import os
import sys
import zipfile
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn, cast, get_args

import numpy as np
from sentence_transformers import SentenceTransformer

from st_isotropy.diagnosis.diagnosis import FEWEST_ROWS, Diagnosis, diagnose
from st_isotropy.diagnosis.loading import load_dense
from st_isotropy.diagnosis.table import format_table
from st_isotropy.metrics.cloud import Similarity


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see `st-isotropy diagnose --help`.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 after one sentence on standard error when the input is bad."""
    try:
        options = _parser().parse_args(arguments)
        _diagnose(options)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"st-isotropy: {error}\n")
        return 2
    return 0


def run() -> NoReturn:
    """Run the console script."""
    sys.exit(main())


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="st-isotropy", description="Measure the geometry of sentence embeddings.")
    command = parser.add_subparsers(required=True, metavar="command").add_parser(
        "diagnose",
        help="how anisotropic is a model, in what way, and what is likely to help",
        description="Encode texts, measure the embeddings beside what an isotropic cloud of the same size would give, "
        "name the defects, and try post-hoc transforms on a held-out half.",
    )
    command.add_argument("model", metavar="MODEL", help="model folder, hub name, or a .npy file of embeddings (n, d)")
    command.add_argument("--texts", metavar="FILE|-", help="one text per line; - reads standard input")
    command.add_argument("--queries", metavar="FILE", help="queries, one per line (.npy if MODEL is one)")
    command.add_argument(
        "--similarity", choices=get_args(Similarity), help="for .npy; a model has its own (default cosine)"
    )
    command.add_argument(
        "--unpack-bits",
        action=argparse.BooleanOptionalAction,
        help="whether 8-bit integers in .npy are packed bits (binary, ubinary) or numbers (int8, uint8)",
    )
    command.add_argument("--html", type=Path, metavar="OUT", help="write one self-contained page with plots")
    command.add_argument("--json", type=Path, metavar="OUT", help="write the numbers as JSON")
    return parser


def _diagnose(options: argparse.Namespace) -> None:
    # Both fail before the encoding, which may take long.
    sources = [source for source in (options.model, options.texts, options.queries) if source is not None]
    check_targets([path for path in (options.html, options.json) if path is not None], sources)
    if options.html is not None:
        load_page_writer()
    if options.model.endswith(".npy"):
        if options.texts is not None:
            raise ValueError(f"{options.model} already holds embeddings; leave --texts out, or name a model.")
        embeddings = read_embeddings(Path(options.model), options.unpack_bits)
        queries = None if options.queries is None else read_embeddings(Path(options.queries), options.unpack_bits)
        similarity = options.similarity or "cosine"
    else:
        if options.texts is None:
            raise ValueError(
                f"The option --texts is missing; name a file with the texts that {options.model} should encode, one "
                "per line."
            )
        texts = read_texts(options.texts, fewest=FEWEST_ROWS)
        asking = None if options.queries is None else read_texts(options.queries, fewest=2)
        model = load_model(options.model)
        embeddings = model.encode_document(texts, show_progress_bar=True)
        queries = None if asking is None else model.encode_query(asking, show_progress_bar=True)
        similarity = options.similarity or model.similarity_fn_name
    diagnosis = diagnose(embeddings, source=options.model, queries=queries, similarity=similarity)
    cast(TextIOWrapper, sys.stdout).reconfigure(errors="replace")  # a pipe on Windows has no minus sign and no ∞
    sys.stdout.write(format_table(diagnosis) + "\n")
    if options.json is not None:
        write_text(options.json, diagnosis.to_json())
    if options.html is not None:
        write_text(options.html, load_page_writer()(diagnosis, embeddings))


def check_targets(paths: Sequence[Path], sources: Sequence[str]) -> None:
    """Raise a `ValueError` for files that cannot be written, that are the same, or that are a source."""
    for path in paths:
        if path.is_dir() or not path.parent.is_dir():
            wrong = "it is a folder" if path.is_dir() else f"there is no folder {path.parent}"
            raise ValueError(f"{path} cannot be written: {wrong}; choose another place.")
    taken = {Path(source).resolve() for source in sources}
    for path in paths:
        if path.resolve() in taken:
            raise ValueError(f"{path} would be overwritten; give every file its own name.")
        taken.add(path.resolve())


def load_page_writer() -> Callable[[Diagnosis, np.ndarray], str]:
    """Import what writes the page; a `ValueError` names the extra when its libraries are missing."""
    try:
        from st_isotropy.diagnosis.page import write_page
    except ImportError as missing:
        raise ValueError(
            f"The page needs {missing.name}, which is not installed; run `pip install 'st-isotropy[diagnose]'`."
        ) from None
    return write_page


def read_texts(source: str, fewest: int) -> list[str]:
    """Read one text per line, without blank lines and repetitions.

    Args:
        source: Path of a UTF-8 file, or "-" for standard input.
        fewest: How many different texts there must be.

    Returns:
        The texts in order of first appearance.

    Raises:
        ValueError: If the file is not UTF-8 text or has too few different texts.
        OSError: If it cannot be read.
    """
    name = "standard input" if source == "-" else source
    try:
        # Not `sys.stdin` itself, which decodes as the locale says and hides what it cannot.
        file = TextIOWrapper(sys.stdin.buffer, "utf-8") if source == "-" else Path(source).open(encoding="utf-8")
        with file:
            content = file.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8 text (byte {error.start}); convert it first.") from None
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}; check the path.") from None
    # A spreadsheet may put a byte-order mark first. `splitlines` would break lines within texts, as at form feeds.
    lines = [line.strip() for line in content.removeprefix("\ufeff").split("\n") if line.strip()]
    texts = list(dict.fromkeys(lines))
    if len(texts) < fewest:
        raise ValueError(
            f"{name} has {len(texts)} different texts in {len(lines)} lines; at least {fewest} are needed, so add some."
        )
    return texts


def read_embeddings(path: Path, unpack_bits: bool | None = None) -> np.ndarray:
    """Read embeddings of shape `(n, d)` from a `.npy` file; pickled objects in it are never loaded.

    Args:
        path: The file.
        unpack_bits: Whether 8-bit integers hold a bit for each of eight dimensions, which become -1 and 1.

    Returns:
        The array, in its own precision if that is float, else in float32.

    Raises:
        ValueError: If the file cannot be read, holds objects, or is not a numeric array with two axes; if it holds
            8-bit integers and nobody said what they are.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}; check the path.") from None
    except (ValueError, EOFError, zipfile.BadZipFile, MemoryError) as error:
        reason = "holds pickled objects" if "Object arrays" in str(error) else "is not a .npy array"
        raise ValueError(f"{path} {reason}; save plain numbers with numpy.save(path, array).") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or array.ndim != 2:
        shape, dtype = getattr(array, "shape", "?"), getattr(array, "dtype", type(array).__name__)
        raise ValueError(f"{path} has shape {shape} and type {dtype}; embeddings are numbers of shape (n, d).")
    if array.dtype.itemsize > 1:
        return array if array.dtype.kind == "f" else array.astype(np.float32)
    if unpack_bits is None:
        raise ValueError(
            f"{path} holds 8-bit integers ({array.dtype}), which can be packed bits or numbers; add --unpack-bits for "
            "binary or ubinary embeddings, or --no-unpack-bits for int8 or uint8 ones."
        )
    if not unpack_bits:
        return array.astype(np.float32)
    # The bytes of `binary` are those of `ubinary` minus 128.
    bits = np.unpackbits(array if array.dtype == np.uint8 else (array.astype(np.int16) + 128).astype(np.uint8), axis=1)
    return 2 * bits.astype(np.float32) - 1


def load_model(name: str) -> SentenceTransformer:
    """Load a sentence-transformers model.

    Args:
        name: Folder or hub name.

    Returns:
        The model.

    Raises:
        ValueError: If it cannot be loaded, with the first line of the reason.
    """
    try:
        return load_dense(name)
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"The model {name} cannot be loaded: {reason[0].rstrip('.')}; give a folder or a hub name."
        ) from None


def write_text(path: Path, content: str) -> None:
    """Write a file under a temporary name, then rename it: a reader never sees half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ValueError(f"{path} cannot be written: {error.strerror}; choose another place.") from None
