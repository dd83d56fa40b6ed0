"""The one error whose cause the user can remove, the check of a name that raises it, and numbers in its sentences."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something the user can fix, in one sentence; the command line prints it and exits with status 2."""


def check_name(kind: str, name: str, names: Iterable[str]) -> None:
    """Refuse a name that is not among the known ones.

    Raises:
        UserError: The name is unknown; near names are listed, or all of them where none is near.
    """
    known = list(names)
    if name not in known:
        near = get_close_matches(name, known, n=3, cutoff=0.4) or known
        raise UserError(f"There is no {kind} {name!r}; near names are {', '.join(near)}.")


def counted(number: int, one: str, several: str = "") -> str:
    """Write a number with its noun.

    Args:
        number: How many there are.
        one: The noun for one.
        several: The noun for several, if it is not the other with an s.

    Example:
        >>> counted(1, "query", "queries"), counted(1200, "text")
        ('1 query', '1,200 texts')
    """
    return f"{number:,} {one if number == 1 else several or one + 's'}"
