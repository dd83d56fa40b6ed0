"""Hashes that tell contents apart: of JSON values, of files, and of whole folders."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any


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
