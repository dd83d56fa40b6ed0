"""Differences that a study's report does not list: over one kind of task, of an index, of any two variants."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from evaluation.report.corpora import average_parts
from evaluation.report.grid_ends import Counted, GridEnd, discount_ends
from evaluation.report.measures import Measure, Pair, Row
from evaluation.report.summary import Section
from evaluation.statistics.intervals import Comparison, student_interval
from evaluation.statistics.verdict import Outcome, verdict

TASK_METRICS = {"STS": "cosine_spearman", "retrieval": "ndcg_at_10"}  # kind of similarity task -> its main score


@dataclass(frozen=True)
class UnadjustedDifference:
    """A difference that is not a verdict of its section and so is not adjusted.

    Attributes:
        measure: What is measured.
        comparison: The difference.
        ends: Choices of the two variants that lie at an end of their grids.
    """

    measure: Measure
    comparison: Comparison
    ends: Sequence[GridEnd] = field(default_factory=list)

    @property
    def alone(self) -> Outcome:
        """The outcome by its interval, wherever the choices lie."""
        return verdict(self.comparison, self.measure.greater_is_better).outcome

    @property
    def outcome(self) -> Counted:
        """What counts of it."""
        return discount_ends(self.alone, self.ends)


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


def tasks_difference(section: Section, kind: str, pair: Pair) -> UnadjustedDifference | None:
    """The difference in the mean over the tasks of similarity of one kind.

    Args:
        section: Of a study.
        kind: One of `TASK_METRICS`.
        pair: What is compared.

    Returns:
        The difference; None if a variant lacks such a task, or if there is none.
    """
    rows = [
        row for row in section.rows if row.measure.group == "similarity" and row.measure.metric == TASK_METRICS[kind]
    ]
    if not all({pair.new, pair.old} <= row.values.keys() for row in rows) or not rows:
        return None
    counted_once = average_parts(rows, section.corpora)
    differences = np.mean([np.subtract(row.values[pair.new], row.values[pair.old]) for row in counted_once], axis=0)
    return UnadjustedDifference(rows[0].measure, student_interval(differences), section.ends_of(pair))


def paired_difference(section: Section, row: Row, pair: Pair) -> UnadjustedDifference | None:
    """The difference of two variants over their paired runs; None where one lacks the measure."""
    if not {pair.new, pair.old} <= row.values.keys():
        return None
    differences = np.subtract(row.values[pair.new], row.values[pair.old])
    return UnadjustedDifference(row.measure, student_interval(differences), section.ends_of(pair))
