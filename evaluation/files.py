"""Files and folders that appear whole or not at all, their harmless names, and hashes of their contents."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import psutil
from pydantic import TypeAdapter, ValidationError

from evaluation.errors import UserError

Record = TypeVar("Record")

# Nothing more can be written: the disk or a quota is full, a file would be too large, or there are no rights.
NO_MORE_FILES = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES}
_LONGEST_NAME = 60  # characters
_TEMPORARY = ".*.tmp"
_OWNER = re.compile(r"\.(\d+)-[0-9a-f]{32}\.tmp$")
_RESERVED_NAMES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{i}" for port in ("COM", "LPT") for i in range(1, 10))}


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its name when the block ends well, and goes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        _name(error, path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON, whole or not at all; NaN and infinity are refused because JSON has none."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def read_json(path: Path, kind: type = dict) -> Any:
    """Read a JSON file that was written by this package.

    Args:
        path: The file.
        kind: What it holds: an object or a list.

    Raises:
        UserError: The file is broken, as after a disk error or an edit: what this package writes is whole.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _broken(path, str(error)) from error
    if not isinstance(content, kind):
        raise _broken(path, f"it holds a {type(content).__name__} instead of a {kind.__name__}")
    return content


def write_record(path: Path, record: Any) -> None:
    """Write a dataclass of typed fields as JSON, whole or not at all."""
    write_json(path, asdict(record))


def read_record(path: Path, kind: type[Record]) -> Record:
    """Read back what `write_record` wrote.

    Args:
        path: The file.
        kind: The dataclass.

    Raises:
        UserError: It holds something else, as after a disk error or a change by hand.
    """
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except ValidationError as error:
        raise _broken(path, first_fault(error)) from error


def first_fault(error: ValidationError) -> str:
    """The first thing that does not fit a record, behind its place unless that is the whole file."""
    first = error.errors()[0]
    return ": ".join([*filter(None, [".".join(map(str, first["loc"]))]), first["msg"]])


def _broken(path: Path, reason: str) -> UserError:
    return UserError(f"{path} is broken ({reason}): delete it and rerun the command.")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path` that takes its name when the block ends well, and goes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    temporary.mkdir()
    try:
        yield temporary
        try:
            temporary.replace(path)
        except OSError:
            if not path.is_dir():  # else another process has just made the same folder
                raise
    except OSError as error:
        _name(error, path)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def delete_folder(path: Path) -> None:
    """Delete a folder if it is there; if the process is killed meanwhile, it is gone whole or still whole."""
    if path.exists():
        temporary = _temporary(path)
        path.replace(temporary)
        shutil.rmtree(temporary, ignore_errors=True)


def delete_leftovers(folder: Path) -> None:
    """Delete the temporary files and folders that a killed process left anywhere in `folder`."""
    for path in list(folder.rglob(_TEMPORARY)):
        owner = _OWNER.search(path.name)
        if owner and psutil.pid_exists(int(owner[1])):  # another run in this folder is still writing it
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)  # it may have been in a folder that is gone by now


def is_temporary(path: Path) -> bool:
    """Whether a killed process may have left it."""
    return path.match(_TEMPORARY)


def _temporary(path: Path) -> Path:
    """A name beside `path` that `delete_leftovers` finds."""
    return path.with_name(f".{path.name}.{os.getpid()}-{uuid4().hex}.tmp")


def _name(error: OSError, path: Path) -> None:
    """Name the file in the error of a full disk, which comes from a write that does not know it."""
    if error.errno in NO_MORE_FILES and error.filename is None:
        error.filename = str(path)


def file_name(name: str) -> str:
    """Turn any name into one that is harmless as a file on every system; two names never give the same one.

    A name of letters, digits, dots, dashes and underscores, 60 characters at most, stays as it is. From any other name
    the end is taken, with dashes for what is not harmless, and a hash of the whole name is added.

    Example:
        >>> file_name("STSBenchmark"), file_name("STSBenchmark:tune")
        ('STSBenchmark', 'STSBenchmark-tune-01a0f7ef')
    """
    harmless = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[-_LONGEST_NAME:]
    if harmless.partition(".")[0].upper() in _RESERVED_NAMES:
        harmless = harmless.replace(".", "-")
    elif harmless and harmless == name:
        return name
    return f"{harmless}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".strip("-.")


def cache_root() -> Path:
    """Where things computed once per machine go: ST_ISOTROPY_CACHE, or st-isotropy in the user's cache folder."""
    if chosen := os.environ.get("ST_ISOTROPY_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "st-isotropy"


def short_hash(content: Any) -> str:
    """Hash of plain JSON values."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def folder_hash(folder: Path) -> str:
    """Hash of the names and contents of all files in a folder, hidden ones left out; see `files_hash`."""
    paths = {path.relative_to(folder): path for path in sorted(_files(folder, frozenset()))}
    seen = {name: path for name, path in paths.items() if not any(part.startswith(".") for part in name.parts)}
    return files_hash({name.as_posix(): path for name, path in seen.items()})


def _files(folder: Path, above: frozenset[Path]) -> Iterator[Path]:
    """All files in a folder, and in linked ones, which `rglob` leaves out; a link to a folder around it is skipped."""
    inside = above | {folder.resolve()}
    for path in folder.iterdir():
        if path.is_dir() and path.resolve() not in inside:
            yield from _files(path, inside)
        elif path.is_file():
            yield path


def files_hash(files: Mapping[str, Path]) -> str:
    """Hash of the names and contents of files, in their order.

    Contents are read again only when the size or time of a file changed.
    """
    described = [(path, name, path.stat()) for name, path in files.items()]
    return _hash_of(tuple((path, name, stat.st_size, stat.st_mtime_ns) for path, name, stat in described))


@lru_cache
def _hash_of(files: tuple[tuple[Path, str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, name, *_ in files:
        with path.open("rb") as file:
            digest.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()} ".encode())
    return digest.hexdigest()[:16]
