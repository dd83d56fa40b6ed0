"""What own data must hold to be evaluated on: refused where a score would say nothing, else a remark for the report."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from evaluation.errors import UserError, counted

FEWEST_PAIRS = 10  # a rank correlation of two pairs is always 100 or −100


def check_texts(path: Path, name: str, texts: Sequence[str], one: str = "text", several: str = "texts") -> str:
    """Refuse texts that are all blank or all the same.

    Args:
        path: The file that they are from.
        name: Name of the data set.
        texts: The texts.
        one: What a text is called.
        several: What texts are called.

    Returns:
        A remark about those that are blank; mostly empty.

    Raises:
        UserError: No text says anything that another does not.
    """
    blank = sum(not text.strip() for text in texts)
    if blank == len(texts):
        raise UserError(f"{path}: {_all(texts, one, several)} blank; fill {'it' if blank == 1 else 'them'} in.")
    if len(texts) > 1 and len({" ".join(text.split()) for text in texts}) == 1:
        raise UserError(
            f"{path}: {_all(texts, one, several)} the same, {texts[0].strip()[:40]!r}; give {several} that differ."
        )
    if not blank:
        return ""
    return f"{blank:,} of the {counted(len(texts), one, several)} of {name} {'is' if blank == 1 else 'are'} blank."


def check_pairs(path: Path, name: str, first: Sequence[str], second: Sequence[str]) -> str:
    """Refuse too few pairs, and pairs with nothing in them.

    Returns:
        A remark about blank texts; mostly empty.

    Raises:
        UserError: There are fewer than `FEWEST_PAIRS`, or no text says anything that another does not.
    """
    if len(first) < FEWEST_PAIRS:
        raise UserError(
            f"{path} has {counted(len(first), 'pair')}, of which a score says nothing: give at least {FEWEST_PAIRS}."
        )
    return check_texts(path, name, [*first, *second])


def check_clusters(path: Path, name: str, labels: Sequence[str]) -> str:
    """Refuse labels of which each has one text: whatever clusters are found, they nearly match.

    Returns:
        A remark about the labels that have one text; mostly empty.

    Raises:
        UserError: No label has two texts.
    """
    alone = _alone(labels)
    if len(alone) == len(labels):
        raise UserError(
            f"{path}: each of the {len(labels)} texts has a label of its own, so there are no clusters to find; give "
            "labels that texts share."
        )
    return _few(alone, labels, name, "text, which makes the V-measure larger") if alone else ""


def remark_on_examples(name: str, labels: Sequence[str]) -> str:
    """A remark about the labels of a train split that have one example; mostly empty."""
    alone = _alone(labels)
    return _few(alone, labels, name, "training text, from which a classifier learns little") if alone else ""


def _few(alone: Sequence[str], labels: Sequence[str], name: str, what: str) -> str:
    have = "has" if len(alone) == 1 else "have"
    return (
        f"{len(alone):,} of the {counted(len(set(labels)), 'label')} of {name}, such as {alone[0]}, {have} one {what}."
    )


def _alone(labels: Sequence[str]) -> list[str]:
    """The labels of a single text."""
    return sorted(label for label, count in Counter(labels).items() if count == 1)


def _all(texts: Sequence[str], one: str, several: str) -> str:
    return f"the only {one} is" if len(texts) == 1 else f"all {counted(len(texts), one, several)} are"
