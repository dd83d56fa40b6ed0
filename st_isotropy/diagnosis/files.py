"""Files that a command reads and writes: texts, embeddings, reports."""

import os
import sys
import zipfile
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

import numpy as np

from st_isotropy.diagnosis.formats import check_is_text, check_lines_are_texts


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


def read_texts(source: str, fewest: int) -> list[str]:
    """Read one text per line, without blank lines and repetitions.

    Args:
        source: Path of a UTF-8 file, or "-" for standard input.
        fewest: How many different texts there must be.

    Returns:
        The texts in order of first appearance.

    Raises:
        ValueError: If the file cannot be read, is not UTF-8 text, is a table, or has too few different texts.
    """
    name = "standard input" if source == "-" else source
    if source != "-":
        check_is_text(Path(source))
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
    check_lines_are_texts(name, lines)
    texts = list(dict.fromkeys(lines))
    if len(texts) < fewest:
        raise ValueError(
            f"{name} has {len(texts)} different texts in {len(lines)} lines; at least {fewest} are needed, so add some."
        )
    return texts


def read_embeddings(path: Path, unpack_bits: bool | None = None, mapped: bool = False) -> np.ndarray:
    """Read embeddings of shape `(n, d)` from a `.npy` file; pickled objects in it are never loaded.

    Args:
        path: The file.
        unpack_bits: Whether 8-bit integers hold a bit for each of eight dimensions, which become -1 and 1.
        mapped: Leave floats in the file until they are used.

    Returns:
        The array, in its own precision if that is float, else in float32.

    Raises:
        ValueError: If the file cannot be read, holds objects, or is not a numeric array with two axes; if it holds
            8-bit integers and nobody said what they are.
    """
    try:
        # Copy on write: nothing that is done to the array reaches the file.
        array = np.load(path, mmap_mode="c" if mapped else None, allow_pickle=False)
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


def write_text(path: Path, content: str) -> None:
    """Write a file under a temporary name, then rename it: a reader never sees half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ValueError(f"{path} cannot be written: {error.strerror}; choose another place.") from None
