"""Data with known answers, read as the harness reports errors."""

from pathlib import Path

from evaluation.errors import UserError
from st_isotropy.improve import ScoredTexts, SearchTexts, read_beir, read_scored


def read_corpus(folder: Path) -> SearchTexts:
    """Read a folder laid out as those of BEIR.

    Raises:
        UserError: If it is none.
    """
    try:
        return read_beir(folder)
    except ValueError as error:
        raise UserError(str(error)) from error


def read_scored_pairs(path: Path) -> ScoredTexts:
    """Read scored sentence pairs.

    Raises:
        UserError: If a line is wrong.
    """
    try:
        return read_scored(path, [])
    except ValueError as error:
        raise UserError(str(error)) from error
