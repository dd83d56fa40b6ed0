"""Files and folders that appear whole or not at all, under names that are harmless everywhere."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from evaluation.errors import UserError

_LONGEST_NAME = 60  # characters
_RESERVED_NAMES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{i}" for port in ("COM", "LPT") for i in range(1, 10))}


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its name when the block ends well, and goes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON, whole or not at all; NaN and infinity are refused because JSON has none."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: The file is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no text at all
        raise UserError(f"{path} is damaged ({error}): delete it and repeat the command.") from error


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path` that takes its name when the block ends well, and goes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        try:
            temporary.replace(path)
        except OSError:
            if not path.is_dir():  # else another process has just made the same folder
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
