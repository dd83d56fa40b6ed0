"""Texts as they compare across data sets, and a number that a text alone decides."""

import hashlib

Texts = tuple[str, ...]  # what one row of a task asks about: a pair's two sentences, a query or a text


def normalized(text: str) -> str:
    """The text in lower case, with single spaces for all white space."""
    return " ".join(text.lower().split())


def normalized_texts(*texts: str) -> Texts:
    """The texts of a row as they compare across data sets: each normalized, in sorted order."""
    return tuple(sorted(map(normalized, texts)))


def forms(texts: Texts) -> list[Texts]:
    """The forms in which a row's texts occur: as they are and, for a pair, joined to one text in either order.

    A linear head reads the two sentences of a pair as one text.
    """
    return [texts, *((" ".join(order),) for order in (texts, texts[::-1]) if len(texts) > 1)]


def fraction(text: str) -> float:
    """A number in [0, 1) from a hash of the text: evenly spread, and the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64
