"""The compared pairs of a section."""

from evaluation.report.summary import Section


def compared_pairs(section: Section) -> dict[str, tuple[str, str]]:
    """The compared pairs in the order of the rows: per name, "new − old", the new and the old variant."""
    by_name = {f"{new} − {old}": (new, old) for new in section.variants for old in section.variants}
    return {pair: by_name[pair] for row in section.rows for pair in row.comparisons}


def common_old(section: Section) -> str | None:
    """The variant that all others are compared with; None if there is no such variant."""
    olds = {old for _, old in compared_pairs(section).values()}
    return olds.pop() if len(olds) == 1 else None
