"""Differences that a study's report does not list: over one kind of task, of an index, of any two variants.

As in the report, each is adjusted after Holm: over all variants that are compared with one by one measure.
"""

from collections.abc import Callable

import numpy as np

from evaluation.report.corpora import average_parts
from evaluation.report.measures import Measure, Pair, Row
from evaluation.report.summary import Finding, Section, adjust_findings, main_comparison
from evaluation.statistics.intervals import Comparison, student_interval

TASK_METRICS = {"STS": "cosine_spearman", "retrieval": "ndcg_at_10"}  # kind of similarity task -> its main score


def retention_row(section: Section, index: str) -> Row | None:
    """The share of exact search that an index keeps: the mean over corpora, or its value on the one corpus in range.

    If it is in range on none, the first corpus, whose status gives the reason.
    """
    rows = [row for row in section.rows if row.measure.metric == "retention" and row.measure.index == index]
    means = [row for row in rows if row.measure.is_mean]
    in_range = [row for row in rows if row.measure.counts]
    if means or len(in_range) == 1:
        return (means or in_range)[0]
    return rows[0] if rows and not in_range else None


def tasks_findings(section: Section, kind: str, reference: str) -> list[Finding]:
    """The differences in the mean over the tasks of similarity of one kind.

    Args:
        section: Of a study.
        kind: One of `TASK_METRICS`.
        reference: The variant that others are compared with.

    Returns:
        One for each variant that has all of those tasks; none where there is no such task.
    """
    rows = [
        row for row in section.rows if row.measure.group == "similarity" and row.measure.metric == TASK_METRICS[kind]
    ]
    counted_once = average_parts(rows, section.corpora)

    def compare(pair: Pair) -> Comparison | None:
        if not all({pair.new, pair.old} <= row.values.keys() for row in rows):
            return None
        return student_interval(np.mean([_differences(row, pair) for row in counted_once], axis=0))

    return _findings(section, rows[0].measure, reference, compare) if rows else []


def row_findings(section: Section, row: Row, reference: str) -> list[Finding]:
    """The differences of every variant that has a measure from a reference that need not be one of the report's."""

    def compare(pair: Pair) -> Comparison | None:
        if listed := row.comparisons(pair):
            return main_comparison(listed)
        return student_interval(_differences(row, pair)) if {pair.new, pair.old} <= row.values.keys() else None

    return _findings(section, row.measure, reference, compare)


def _findings(
    section: Section, measure: Measure, reference: str, compare: Callable[[Pair], Comparison | None]
) -> list[Finding]:
    listed = [pair for pair in section.pairs if pair.old == reference]
    pairs = listed or [Pair(variant, reference) for variant in section.variants if variant != reference]
    found = [
        Finding(pair, measure, comparison, ends=tuple(section.ends_of(pair)))
        for pair in pairs
        if (comparison := compare(pair)) is not None
    ]
    return adjust_findings(found)


def _differences(row: Row, pair: Pair) -> np.ndarray:
    return np.subtract(row.values[pair.new], row.values[pair.old])
