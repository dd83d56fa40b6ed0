"""The results of the studies in tables: every regularizer under every regime, and the chosen settings."""

from collections.abc import Sequence

from evaluation.documentation.chosen_settings import chosen_setting
from evaluation.documentation.differences import TASK_METRICS, retention_row, row_findings, tasks_findings
from evaluation.documentation.results import METHOD, StudySection
from evaluation.report.headline import GROUP_TITLES
from evaluation.report.measures import Group, Measure, Pair, Row
from evaluation.report.summary import NONE, START, Finding, Section
from evaluation.report.tables import FLAG_READING, Table, decimals, mark
from evaluation.report.wording import difference, metric_name, number

RETENTION_OF = ("pq", "one-bit")
ISOSCORE = Measure("isotropy", "isoscore")
HEAD = "-head"  # how the name of a task with a linear head ends, before its split
HEAD_METRICS = ("accuracy", "f1", "mcc")
SHOWN_GROUPS: tuple[Group, ...] = ("isotropy", "similarity", "labels")
EXPLAINED = (START, NONE, METHOD, "absolute_entropy", "mst_length", "koleo", "isoscore_star", "whitening")
EXPLAINING = tuple(
    Measure("isotropy", metric)
    for metric in ("average_cosine", "mean_mst_length", "isoscore", "effective_rank", "hubness_skewness")
)
MARKS_READING = (
    "with its 95 % interval, for new training runs where there are several. ▲ better, ▼ worse, ○ no difference found, "
    "? undecided: after Holm's adjustment over the lines of each column, so that ○ can stand beside an interval "
    "without zero."
)
EFFECTS_READING = (
    f"Each cell is the difference from the objective alone on the test tasks, {MARKS_READING} "
    "STS and retrieval are means over the tasks of one kind, and retention is the share of exact nDCG@10 that an index "
    "keeps. “No headroom”: the index loses nothing even before training, so that there is nothing to win back. Task "
    f"scores and retention are in points of 100. {FLAG_READING}"
)

HEADS_READING = (
    f"Each cell is the difference from the objective alone, {MARKS_READING} Task scores are in points of 100. "
    f"{FLAG_READING}"
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
    headers += [*TASK_METRICS, *(f"{index} retention" for index in RETENTION_OF)]
    groups: dict[str, list[list[str]]] = {}
    for of_study in sections:
        section = of_study.section
        findings = {(finding.pair, finding.measure.group): finding for finding in section.findings()}
        of_tasks = [{one.pair: one for one in tasks_findings(section, kind, NONE)} for kind in TASK_METRICS]
        kept = [_row_cells(section, retention_row(section, index)) for index in RETENTION_OF]
        groups[of_study.name] = [
            [
                pair.new,
                chosen_setting(section, pair.new),
                *[_finding_cell(findings.get((pair, group))) for group in SHOWN_GROUPS],
                *[_finding_cell(found.get(pair)) for found in of_tasks],
                *[cells.get(pair, "") for cells in kept],
            ]
            for pair in of_study.pairs
        ]
    return Table(headers, groups, words=(0, 1))


def split_effects(table: Table) -> tuple[Table, Table]:
    """The table of effects in two that are narrow enough for a page: groups of measures, and what they consist of."""
    groups = 2 + len(SHOWN_GROUPS)
    last = len(table.headers)
    return table.only([*range(groups)]), table.only([0, *range(groups, last)])


def heads_table(sections: Sequence[StudySection]) -> Table:
    """For regimes with a linear head: the effect of each variant on the head's scores and on isotropy.

    Args:
        sections: From `sections_of_studies`; those without a head are left out.
    """
    groups: dict[str, list[list[str]]] = {}
    for of_study in sections:
        section = of_study.section
        scores = [_head_row(section, metric) for metric in HEAD_METRICS]
        isotropy = [of_study.row(ISOSCORE), of_study.row(Measure("isotropy", "first_component_share"))]
        if scores[0] is not None:
            columns = [_row_cells(section, row) for row in (*scores, *isotropy)]
            groups[of_study.name] = [[pair.new, *[cells.get(pair, "") for cells in columns]] for pair in of_study.pairs]
    headers = ["regularizer", *map(metric_name, HEAD_METRICS), ISOSCORE.name, "first component's share"]
    return Table(headers, groups, words=(0,))


def measures_table(sections: Sequence[StudySection]) -> Table:
    """Geometry and scores after training: means over the runs of each variant.

    Args:
        sections: From `sections_of_studies`.
    """
    groups: dict[str, list[list[str]]] = {}
    for of_study in sections:
        section = of_study.section
        measures = {finding.measure.group: finding.measure for finding in section.findings()}
        rows = [of_study.row(measure) for measure in (*EXPLAINING, measures.get("similarity"))]
        rows += [retention_row(section, index) for index in RETENTION_OF]
        groups[of_study.name] = [
            [variant, *["" if row is None else _mean_cell(row, variant) for row in rows]]
            for variant in EXPLAINED
            if variant in section.variants
        ]
    headers = ["variant", *(measure.name for measure in EXPLAINING), _column("similarity", sections)]
    return Table([*headers, *(f"{index} retention" for index in RETENTION_OF)], groups, words=(0,))


def choices_table(sections: Sequence[StudySection]) -> Table:
    """For each regime: the variants that beat the objective alone, with settings, on similarity and label tasks."""
    headers = ["start model and regime", "better on STS and retrieval", "better on classification and clustering"]
    rows = [[of_study.name, _winners(of_study, "similarity"), _winners(of_study, "labels")] for of_study in sections]
    return Table(headers, {"": rows}, words=(0, 1, 2))


def _head_row(section: Section, metric: str) -> Row | None:
    """The first row of a score of a linear head."""
    of_heads = (row for row in section.rows if row.measure.task.partition(":")[0].endswith(HEAD))
    return next((row for row in of_heads if row.measure.metric == metric), None)


def _column(group: Group, sections: Sequence[StudySection]) -> str:
    found = [finding for of_study in sections for finding in of_study.section.findings()]
    names = {finding.measure.name for finding in found if finding.measure.group == group}
    return names.pop() if len(names) == 1 else GROUP_TITLES[group]


def _finding_cell(finding: Finding | None) -> str:
    return "" if finding is None else f"{mark(finding.outcome, finding.ends)} {difference(finding.comparison)}"


def _row_cells(section: Section, row: Row | None) -> dict[Pair, str]:
    """By pair with the objective alone: its difference, or why the measure does not count."""
    if row is None:
        return {}
    found = row_findings(section, row, NONE)
    return {one.pair: _finding_cell(one) if row.measure.counts else row.measure.status or "" for one in found}


def _mean_cell(row: Row, variant: str) -> str:
    return number(row.mean(variant), decimals(row)) if variant in row.values else ""


def _winners(of_study: StudySection, group: Group) -> str:
    """The variants that are better, the largest estimate first, or a sentence that there is none."""
    found = of_study.findings(group)
    better = [finding for finding in found if finding.outcome == "better"]
    better.sort(key=lambda finding: finding.comparison.estimate, reverse=True)
    if not found:
        return "not measured"
    if not better:
        return "nothing: the objective alone"
    said = []
    for finding in better:
        setting = chosen_setting(of_study.section, finding.pair.new)
        said.append(f"{finding.pair.new}{f' ({setting})' if setting else ''} {difference(finding.comparison)}")
    return "; ".join(said)
