"""The cache of the Hugging Face hub as its client leaves it: blobs by hash, and snapshots of links to them."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path


def write_repository(home: Path, kind: str, name: str, files: Mapping[str, bytes], commit: str, ref: str = "") -> None:
    """Lay out a repository in the cache.

    Args:
        home: What HF_HOME names.
        kind: "models" or "datasets".
        name: Such as "org/name".
        files: Content by path.
        commit: The revision, 40 hexadecimal digits.
        ref: Branch that names it; empty where it was asked for by its commit alone.
    """
    folder = home / "hub" / f"{kind}--{name.replace('/', '--')}"
    (folder / "blobs").mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        link = folder / "snapshots" / commit / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    if ref:
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / ref).write_text(commit, encoding="utf-8")


def files_of(folder: Path) -> dict[str, bytes]:
    """The content of every file of a folder, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
