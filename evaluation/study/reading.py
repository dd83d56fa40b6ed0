"""A study from its TOML file."""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_origin

from evaluation.errors import UserError, check_name
from evaluation.study.description import Grid, Regime, Study


def read_study(path: Path) -> Study:
    """Read a study from a TOML file.

    Raises:
        UserError: The file cannot be read, is no TOML, or does not describe a study; the text says what and where.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"The study {path} cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"The study {path} is no TOML file: {error}.") from error
    tables: dict[str, Any] = {}
    for name, kind in (("regimes", Regime), ("regularizers", Grid)):
        rows = content.get(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise UserError(f"The study {path}: write {name} as tables, each under [[{name}]].")
        tables[name] = [_build(kind, row, f"the study {path}, [[{name}]] number {i}") for i, row in enumerate(rows, 1)]
    return _build(Study, {**content, **tables}, f"the study {path}")


def _build(kind: type[Any], row: Mapping[str, Any], where: str) -> Any:
    known = [field.name for field in fields(kind)]
    for key in row:
        if key not in known:
            check_name(f"key in {where},", key, known)
    missing = [field.name for field in fields(kind) if field.default is MISSING and field.name not in row]
    if missing:
        raise UserError(f"There is no {', '.join(missing)} in {where}.")
    for field in fields(kind):
        wanted = get_origin(field.type) or field.type
        value = row.get(field.name)
        if field.name in row and (
            not isinstance(value, _TOML_TYPES[wanted]) or isinstance(value, bool) != (wanted is bool)
        ):
            raise UserError(f"In {where}, {field.name} is {value!r} and must be {_TOML_NAMES[wanted]}.")
        if field.type == tuple[str, ...] and (
            odd := [value for value in row.get(field.name, ()) if type(value) is not str]
        ):
            raise UserError(f"In {where}, {field.name} holds {odd[0]!r} and must be a list of texts.")
    return kind(**row)


_TOML_TYPES: dict[Any, Any] = {str: str, bool: bool, int: int, float: int | float, tuple: list}
_TOML_NAMES: dict[Any, str] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    tuple: "a list",
}
