"""What the studies found, in tables: every regularizer under every regime, and which setting was chosen."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from evaluation.documentation.chosen_settings import chosen_setting
from evaluation.documentation.figures import METHOD
from evaluation.documentation.results import StudySection
from evaluation.report.compared_pairs import compared_pairs
from evaluation.report.headline import GROUP_TITLES
from evaluation.report.summary import Finding, Row, Section, main_comparison
from evaluation.report.tables import MARKS, Table, decimals
from evaluation.report.wording import difference, estimated, number
from evaluation.statistics.intervals import Comparison, student_interval
from evaluation.statistics.verdict import verdict
from evaluation.study.description import NONE, START

RETENTION_OF = ("pq", "one-bit")
TASKS_BY_ENDING = {"STS": " Spearman", "retrieval": " nDCG@10"}
ADDED_MEASURES = ("IsoScore", "mean of STS and retrieval")
HEAD_METRICS = ("accuracy", "F1", "MCC")
SHOWN_GROUPS = ("isotropy", "similarity", "labels")
BOTH = "entropy_and_spread"
EXPLAINED = (START, NONE, METHOD, "mst_length", BOTH, "koleo", "whitening")
EXPLAINING = ("average cosine", "mean MST length", "IsoScore", "effective rank", "hubness skewness (k = 10)")
DEAR = ("entropy_h0_h1", "token_entropy")
EFFECTS_READING = (
    "Each cell is the difference from the objective alone on the test tasks, with its 95 % interval, for new training "
    "runs where there are several. ▲ better, ▼ worse, ○ no difference found, ? undecided. In the columns of isotropy "
    "and of tasks this is after Holm's adjustment over the lines of a regime, so that ○ can stand beside an interval "
    "without zero. It is not adjusted in the columns of STS and retrieval, means over the tasks of one kind, nor in "
    "those of retention, the share of exact nDCG@10 that an index keeps. "
    "“No headroom”: the index loses nothing even before training, so that there is nothing to win back. Task scores "
    "and retention are in points of 100."
)

UNADJUSTED_READING = (
    "95 % intervals for new training runs, paired by seed and not adjusted for several comparisons. ▲ better, ▼ worse, "
    "○ no difference found, ? undecided. Task scores and retention are in points of 100."
)

SIDE_BY_SIDE_READING = (
    "Differences from the objective alone, each at the weight and learning rate that validation tasks chose for it, in "
    "points; ▲ better, ▼ worse, ○ no difference found, after Holm's adjustment over the lines of a regime. The "
    "[tables of results](results.md#every-regularizer-under-every-regime) have the intervals."
)

COSTS_READING = (
    "Time is that of the term, forward and backward, as a multiple of a whole training step of MiniLM without it, on "
    "one core and 64 pairs of 32 tokens: a cloud of 64 sentences, or of 512 tokens, for each column. Beside a static "
    "encoder or a GPU the same milliseconds weigh more. The differences are those of the table above."
)

MEASURES_READING = (
    "Means over the training runs of each variant, on the corpus that the study names for isotropy. “start” is the "
    "model before training, “none” the objective alone. Scores and retention are in points of 100; [Isotropy measures]"
    "(measures.md) says how to read the others."
)


def effects_table(sections: Sequence[StudySection]) -> Table:
    """One line for each regularizer or transform under each regime, one column for each kind of effect.

    Args:
        sections: From `sections_of_studies`.
    """
    headers = ["regularizer", "weight, learning rate", *[_column(group, sections) for group in SHOWN_GROUPS]]
    headers += [*TASKS_BY_ENDING, *(f"{index} retention" for index in RETENTION_OF)]
    groups: dict[str, list[list[str]]] = {}
    for each in sections:
        section = each.section
        findings = {(finding.pair, finding.group): finding for finding in section.findings()}
        kept = [retention_row(section, index) for index in RETENTION_OF]
        groups[each.name] = [
            [
                new,
                chosen_setting(section, new),
                *[_finding_cell(findings.get((pair, group))) for group in SHOWN_GROUPS],
                *[_tasks_cell(section, kind, new, old) for kind in TASKS_BY_ENDING],
                *[_row_cell(row, pair) for row in kept],
            ]
            for pair, (new, old) in compared_pairs(section).items()
        ]
    return Table(headers, groups, words=(0, 1))


def heads_table(sections: Sequence[StudySection]) -> Table:
    """For regimes with a linear head: what each variant changes in the head's scores and in isotropy.

    Args:
        sections: From `sections_of_studies`; those without a head are left out.
    """
    columns = {
        **{metric: rf"-head(:\w+)? {metric}" for metric in HEAD_METRICS},
        "IsoScore": "IsoScore",
        "first component's share": "first component share",
    }
    groups: dict[str, list[list[str]]] = {}
    for each in sections:
        found = {
            shown: next((row for row in each.section.rows if re.search(f"{pattern}$", row.name)), None)
            for shown, pattern in columns.items()
        }
        if found[HEAD_METRICS[0]] is not None:
            groups[each.name] = [
                [new, *[_row_cell(row, pair) for row in found.values()]]
                for pair, (new, _) in compared_pairs(each.section).items()
            ]
    return Table(["regularizer", *columns], groups, words=(0,))


def added_table(sections: Sequence[StudySection]) -> Table:
    """What a regularizer adds to a transform: the model trained with it and transformed, less that without it.

    Args:
        sections: From `sections_of_studies`; those that transform no regularized model are left out.
    """
    groups: dict[str, list[list[str]]] = {}
    for each in sections:
        section = each.section
        named = [(new, new.rpartition(" + ")[2]) for new in section.variants if " + " in new]
        after = [(new, old) for new, old in named if old in section.variants]
        rows = [each.row(name) for name in ADDED_MEASURES]
        rows += [retention_row(section, index) for index in RETENTION_OF]
        if after:
            groups[each.name] = [
                [new, *["" if row is None else _difference_cell(row, new, old) for row in rows]] for new, old in after
            ]
    return Table(["variant", *ADDED_MEASURES, *(f"{index} retention" for index in RETENTION_OF)], groups, words=(0,))


def beside_entropy_table(sections: Sequence[StudySection], variant: str) -> Table:
    """What a second term adds to entropy: the model trained with both, less that with entropy alone.

    Args:
        sections: From `sections_of_studies`; those that lack one of the two are left out.
        variant: The variant with both terms; like entropy alone it is at the setting that was chosen for it.
    """
    both = [each for each in sections if {variant, METHOD} <= set(each.section.variants)]
    lines = []
    for each in both:
        measures = {finding.group: finding.measure for finding in each.section.findings()}
        rows = [each.row(measures.get(group)) for group in SHOWN_GROUPS]
        lines.append([each.name, *["" if row is None else _difference_cell(row, variant, METHOD) for row in rows]])
    headers = ["start model and regime", *[_column(group, both) for group in SHOWN_GROUPS]]
    return Table(headers, {"": lines} if lines else {}, words=(0,))


def measures_table(sections: Sequence[StudySection]) -> Table:
    """What training did to the geometry, beside what it did to the scores: means over the runs of each variant.

    Args:
        sections: From `sections_of_studies`; those that lack entropy, spread or both together are left out.
    """
    groups: dict[str, list[list[str]]] = {}
    explained = [each for each in sections if {METHOD, "mst_length", BOTH} <= set(each.section.variants)]
    for each in explained:
        section = each.section
        measures = {finding.group: finding.measure for finding in section.findings()}
        rows = [each.row(name) for name in (*EXPLAINING, measures.get("similarity"))]
        rows += [retention_row(section, index) for index in RETENTION_OF]
        groups[each.name] = [
            [variant, *["" if row is None else _mean_cell(row, variant) for row in rows]]
            for variant in EXPLAINED
            if variant in section.variants
        ]
    headers = ["variant", *EXPLAINING, _column("similarity", explained)]
    return Table([*headers, *(f"{index} retention" for index in RETENTION_OF)], groups, words=(0,))


def costs_table(sections: Sequence[StudySection], costs: Mapping[str, str]) -> Table:
    """What dear terms cost and change, beside plain ones in the same studies.

    Args:
        sections: From `sections_of_studies`; those that compare no dear term are left out.
        costs: What terms cost, as text, by regularizer.
    """
    compared = [each for each in sections if set(DEAR) & set(each.section.variants)]
    groups: dict[str, list[list[str]]] = {}
    for each in compared:
        findings = {(finding.pair, finding.group): finding for finding in each.section.findings()}
        groups[each.name] = [
            [new, costs[new], *[_finding_cell(findings.get((pair, group))) for group in SHOWN_GROUPS[:2]]]
            for pair, (new, _) in compared_pairs(each.section).items()
            if new in costs
        ]
    headers = ["regularizer", "time", *[_column(group, compared) for group in SHOWN_GROUPS[:2]]]
    return Table(headers, groups, words=(0,))


def choices_table(sections: Sequence[StudySection]) -> Table:
    """For each regime: what beat the objective alone, with its setting, on tasks of similarity and of labels."""
    headers = ["start model and regime", "better on STS and retrieval", "better on classification and clustering"]
    rows = [[each.name, *[_winners(each.section, group) for group in ("similarity", "labels")]] for each in sections]
    return Table(headers, {"": rows}, words=(0, 1, 2))


def side_by_side_table(sections: Sequence[StudySection], group: str) -> Table:
    """The effect on one kind of task: a line for each regularizer or transform, a column for each regime.

    Args:
        sections: From `sections_of_studies`.
        group: One of `SHOWN_GROUPS`.
    """
    found = [
        {compared_pairs(each.section)[one.pair][0]: one for one in each.section.findings() if one.group == group}
        for each in sections
    ]
    counted = ("better", "worse")
    rows = []
    for new in dict.fromkeys(variant for findings in found for variant in findings):
        outcomes = [findings[new].outcome for findings in found if new in findings]
        cells = [_estimate_cell(findings.get(new)) for findings in found]
        rows.append([new, *[str(outcomes.count(outcome)) for outcome in counted], *cells])
    headers = ["regularizer", *[MARKS[outcome] for outcome in counted], *[each.section.title for each in sections]]
    return Table(headers, {"": rows} if rows else {}, words=(0,))


def retention_row(section: Section, index: str) -> Row | None:
    """What an index keeps of exact search: the mean over the corpora, or the one corpus where it is in range.

    Where it is nowhere in range, the first corpus, whose name says why.
    """
    rows = [row for row in section.rows if f" {row.name}".partition(f" {index} retention")[1]]
    means = [row for row in rows if row.name.startswith("mean over corpora")]
    in_range = [row for row in rows if not row.remark]
    if means or len(in_range) == 1:
        return (means or in_range)[0]
    return rows[0] if rows and not in_range else None


def tasks_difference(section: Section, kind: str, new: str, old: str) -> tuple[Comparison, Row] | None:
    """The difference in the mean over the tasks of similarity of one kind, with a row that says how it is read.

    Args:
        section: Of a study.
        kind: One of `TASKS_BY_ENDING`.
        new: The variant.
        old: What it is compared with.

    Returns:
        The difference; None where a variant lacks such a task, or there is none.
    """
    ending = TASKS_BY_ENDING[kind]
    rows = [row for row in section.rows if row.group == "similarity" and row.name.endswith(ending)]
    if not all({new, old} <= row.values.keys() for row in rows) or not rows:
        return None
    differences = np.mean([np.subtract(row.values[new], row.values[old]) for row in rows], axis=0)
    return student_interval(differences), rows[0]


def paired_difference(row: Row, new: str, old: str) -> tuple[Comparison, Row] | None:
    """The difference of two variants over their paired runs, with its row; None where one lacks the measure."""
    if not {new, old} <= row.values.keys():
        return None
    return student_interval(np.subtract(row.values[new], row.values[old])), row


def _column(group: str, sections: Sequence[StudySection]) -> str:
    found = [finding for each in sections for finding in each.section.findings()]
    measures = {finding.measure for finding in found if finding.group == group}
    return measures.pop() if len(measures) == 1 else GROUP_TITLES[group]


def _finding_cell(finding: Finding | None) -> str:
    return "" if finding is None else f"{MARKS[finding.outcome]} {difference(finding.comparison)}"


def _estimate_cell(finding: Finding | None) -> str:
    return "" if finding is None else f"{MARKS[finding.outcome]} {estimated(finding.comparison)}"


def _row_cell(row: Row | None, pair: str) -> str:
    if row is None or pair not in row.comparisons:
        return ""
    if row.remark:
        return row.remark
    return _cell(main_comparison(row.comparisons[pair]), row)


def _tasks_cell(section: Section, kind: str, new: str, old: str) -> str:
    found = tasks_difference(section, kind, new, old)
    return "" if found is None else _cell(*found)


def _difference_cell(row: Row, new: str, old: str) -> str:
    found = paired_difference(row, new, old)
    return "" if found is None else _cell(*found)


def _mean_cell(row: Row, variant: str) -> str:
    return number(row.mean(variant), decimals(row)) if variant in row.values else ""


def _cell(comparison: Comparison, row: Row) -> str:
    return f"{MARKS[verdict(comparison, row.greater_is_better, row.name).outcome]} {difference(comparison)}"


def _winners(section: Section, group: str) -> str:
    """The variants that are better, the largest estimate first; or that there is none."""
    compared = compared_pairs(section)
    found = [each for each in section.findings() if each.group == group]
    better = [each for each in found if each.outcome == "better"]
    better.sort(key=lambda each: each.comparison.estimate, reverse=True)
    if not found:
        return "not measured"
    if not better:
        return "nothing: the objective alone"
    said = []
    for each in better:
        new, _ = compared[each.pair]
        setting = chosen_setting(section, new)
        said.append(f"{new}{f' ({setting})' if setting else ''} {difference(each.comparison)}")
    return "; ".join(said)
