"""What the studies found, in tables: every regularizer under every regime, and which setting was chosen."""

from collections.abc import Mapping, Sequence

from evaluation.documentation.chosen_settings import chosen_setting
from evaluation.documentation.differences import (
    TASK_METRICS,
    UnadjustedDifference,
    paired_difference,
    retention_row,
    tasks_difference,
)
from evaluation.documentation.figures import METHOD
from evaluation.documentation.results import StudySection
from evaluation.report.grid_ends import AT_AN_END
from evaluation.report.headline import GROUP_TITLES
from evaluation.report.measures import Group, Measure, Pair, Row
from evaluation.report.summary import NONE, START, Finding, Section, main_comparison
from evaluation.report.tables import FLAG_READING, MARKS, Table, decimals, mark
from evaluation.report.wording import difference, estimate, metric_name, number

RETENTION_OF = ("pq", "one-bit")
ISOSCORE = Measure("isotropy", "isoscore")
ADDED_MEASURES = (ISOSCORE, Measure("similarity"))
HEAD = "-head"  # how the name of a task with a linear head ends, before its split
HEAD_METRICS = ("accuracy", "f1", "mcc")
SHOWN_GROUPS: tuple[Group, ...] = ("isotropy", "similarity", "labels")
BOTH = "entropy_and_spread"
EXPLAINED = (START, NONE, METHOD, "mst_length", BOTH, "koleo", "whitening")
EXPLAINING = tuple(
    Measure("isotropy", metric)
    for metric in ("average_cosine", "mean_mst_length", "isoscore", "effective_rank", "hubness_skewness")
)
DEAR = ("entropy_h0_h1", "token_entropy")
EFFECTS_READING = (
    "Each cell is the difference from the objective alone on the test tasks, with its 95 % interval, for new training "
    "runs where there are several. ▲ better, ▼ worse, ○ no difference found, ? undecided. In the columns of isotropy "
    "and of tasks this is after Holm's adjustment over the lines of a regime, so that ○ can stand beside an interval "
    "without zero. It is not adjusted in the columns of STS and retrieval, means over the tasks of one kind, nor in "
    "those of retention, the share of exact nDCG@10 that an index keeps. "
    "“No headroom”: the index loses nothing even before training, so that there is nothing to win back. Task scores "
    f"and retention are in points of 100. {FLAG_READING}"
)

UNADJUSTED_READING = (
    "95 % intervals for new training runs, paired by seed and not adjusted for several comparisons. ▲ better, ▼ worse, "
    f"○ no difference found, ? undecided. Task scores and retention are in points of 100. {FLAG_READING}"
)

SIDE_BY_SIDE_READING = (
    "Differences from the objective alone, each at the weight and learning rate that validation tasks chose for it, in "
    "points; ▲ better, ▼ worse, ○ no difference found, after Holm's adjustment over the lines of a regime. The "
    f"[tables of results](results.md#every-regularizer-under-every-regime) have the intervals. {FLAG_READING}"
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
    headers += [*TASK_METRICS, *(f"{index} retention" for index in RETENTION_OF)]
    groups: dict[str, list[list[str]]] = {}
    for of_study in sections:
        section = of_study.section
        findings = {(finding.pair, finding.measure.group): finding for finding in section.findings()}
        kept = [retention_row(section, index) for index in RETENTION_OF]
        groups[of_study.name] = [
            [
                pair.new,
                chosen_setting(section, pair.new),
                *[_finding_cell(findings.get((pair, group))) for group in SHOWN_GROUPS],
                *[_unadjusted_cell(tasks_difference(section, kind, pair)) for kind in TASK_METRICS],
                *[_row_cell(section, row, pair) for row in kept],
            ]
            for pair in section.pairs
        ]
    return Table(headers, groups, words=(0, 1))


def heads_table(sections: Sequence[StudySection]) -> Table:
    """For regimes with a linear head: what each variant changes in the head's scores and in isotropy.

    Args:
        sections: From `sections_of_studies`; those without a head are left out.
    """
    groups: dict[str, list[list[str]]] = {}
    for of_study in sections:
        section = of_study.section
        scores = [_head_row(section, metric) for metric in HEAD_METRICS]
        isotropy = [of_study.row(ISOSCORE), of_study.row(Measure("isotropy", "first_component_share"))]
        if scores[0] is not None:
            groups[of_study.name] = [
                [pair.new, *[_row_cell(section, row, pair) for row in (*scores, *isotropy)]] for pair in section.pairs
            ]
    headers = ["regularizer", *map(metric_name, HEAD_METRICS), ISOSCORE.name, "first component's share"]
    return Table(headers, groups, words=(0,))


def added_table(sections: Sequence[StudySection]) -> Table:
    """What a regularizer adds to a transform: the model trained with it and transformed, less that without it.

    Args:
        sections: From `sections_of_studies`; those that transform no regularized model are left out.
    """
    groups: dict[str, list[list[str]]] = {}
    for of_study in sections:
        section = of_study.section
        after = [
            Pair(transformed.name, transformed.transform)
            for transformed in section.transformed
            if transformed.variant != NONE and {transformed.name, transformed.transform} <= set(section.variants)
        ]
        rows = [of_study.row(measure) for measure in ADDED_MEASURES]
        rows += [retention_row(section, index) for index in RETENTION_OF]
        if after:
            groups[of_study.name] = [
                [pair.new, *[_difference_cell(section, row, pair) for row in rows]] for pair in after
            ]
    shown = [measure.name for measure in ADDED_MEASURES]
    return Table(["variant", *shown, *(f"{index} retention" for index in RETENTION_OF)], groups, words=(0,))


def beside_entropy_table(sections: Sequence[StudySection], variant: str) -> Table:
    """What a second term adds to entropy: the model trained with both, less that with entropy alone.

    Args:
        sections: From `sections_of_studies`; those that lack one of the two are left out.
        variant: The variant with both terms; like entropy alone it is at the setting that was chosen for it.
    """
    both = [of_study for of_study in sections if {variant, METHOD} <= set(of_study.section.variants)]
    lines = []
    for of_study in both:
        measures = {finding.measure.group: finding.measure for finding in of_study.section.findings()}
        rows = [of_study.row(measures.get(group)) for group in SHOWN_GROUPS]
        lines.append([of_study.name, *[_difference_cell(of_study.section, row, Pair(variant, METHOD)) for row in rows]])
    headers = ["start model and regime", *[_column(group, both) for group in SHOWN_GROUPS]]
    return Table(headers, {"": lines} if lines else {}, words=(0,))


def measures_table(sections: Sequence[StudySection]) -> Table:
    """What training did to the geometry, beside what it did to the scores: means over the runs of each variant.

    Args:
        sections: From `sections_of_studies`; those that lack entropy, spread or both together are left out.
    """
    groups: dict[str, list[list[str]]] = {}
    explained = [one for one in sections if {METHOD, "mst_length", BOTH} <= set(one.section.variants)]
    for of_study in explained:
        section = of_study.section
        measures = {finding.measure.group: finding.measure for finding in section.findings()}
        rows = [of_study.row(measure) for measure in (*EXPLAINING, measures.get("similarity"))]
        rows += [retention_row(section, index) for index in RETENTION_OF]
        groups[of_study.name] = [
            [variant, *["" if row is None else _mean_cell(row, variant) for row in rows]]
            for variant in EXPLAINED
            if variant in section.variants
        ]
    headers = ["variant", *(measure.name for measure in EXPLAINING), _column("similarity", explained)]
    return Table([*headers, *(f"{index} retention" for index in RETENTION_OF)], groups, words=(0,))


def costs_table(sections: Sequence[StudySection], costs: Mapping[str, str]) -> Table:
    """What dear terms cost and change, beside plain ones in the same studies.

    Args:
        sections: From `sections_of_studies`; those that compare no dear term are left out.
        costs: What terms cost, as text, by regularizer.
    """
    compared = [of_study for of_study in sections if set(DEAR) & set(of_study.section.variants)]
    groups: dict[str, list[list[str]]] = {}
    for of_study in compared:
        findings = {(finding.pair, finding.measure.group): finding for finding in of_study.section.findings()}
        groups[of_study.name] = [
            [pair.new, costs[pair.new], *[_finding_cell(findings.get((pair, group))) for group in SHOWN_GROUPS[:2]]]
            for pair in of_study.section.pairs
            if pair.new in costs
        ]
    headers = ["regularizer", "time", *[_column(group, compared) for group in SHOWN_GROUPS[:2]]]
    return Table(headers, groups, words=(0,))


def choices_table(sections: Sequence[StudySection]) -> Table:
    """For each regime: what beat the objective alone, with its setting, on tasks of similarity and of labels."""
    headers = ["start model and regime", "better on STS and retrieval", "better on classification and clustering"]
    rows = [
        [of_study.name, _winners(of_study.section, "similarity"), _winners(of_study.section, "labels")]
        for of_study in sections
    ]
    return Table(headers, {"": rows}, words=(0, 1, 2))


def side_by_side_table(sections: Sequence[StudySection], group: str) -> Table:
    """The effect on one kind of task: a line for each regularizer or transform, a column for each regime.

    Args:
        sections: From `sections_of_studies`.
        group: One of `SHOWN_GROUPS`.
    """
    found = [
        {one.pair.new: one for one in of_study.section.findings() if one.measure.group == group}
        for of_study in sections
    ]
    counted = ("better", "worse", AT_AN_END)
    rows = []
    for new in dict.fromkeys(variant for findings in found for variant in findings):
        outcomes = [findings[new].outcome for findings in found if new in findings]
        cells = [_estimate_cell(findings.get(new)) for findings in found]
        rows.append([new, *[str(outcomes.count(outcome)) for outcome in counted], *cells])
    headers = [
        "regularizer",
        *[MARKS[outcome] for outcome in counted],
        *[of_study.section.title for of_study in sections],
    ]
    return Table(headers, {"": rows} if rows else {}, words=(0,))


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


def _estimate_cell(finding: Finding | None) -> str:
    return "" if finding is None else f"{mark(finding.outcome, finding.ends)} {estimate(finding.comparison)}"


def _row_cell(section: Section, row: Row | None, pair: Pair) -> str:
    if row is None or not row.comparisons(pair):
        return ""
    if not row.measure.counts:
        return row.measure.status or ""
    comparison = main_comparison(row.comparisons(pair))
    return _unadjusted_cell(UnadjustedDifference(row.measure, comparison, section.ends_of(pair)))


def _difference_cell(section: Section, row: Row | None, pair: Pair) -> str:
    return "" if row is None else _unadjusted_cell(paired_difference(section, row, pair))


def _mean_cell(row: Row, variant: str) -> str:
    return number(row.mean(variant), decimals(row)) if variant in row.values else ""


def _unadjusted_cell(found: UnadjustedDifference | None) -> str:
    return "" if found is None else f"{mark(found.outcome, found.ends)} {difference(found.comparison)}"


def _winners(section: Section, group: str) -> str:
    """The variants that are better, the largest estimate first; or that there is none."""
    found = [finding for finding in section.findings() if finding.measure.group == group]
    better = [finding for finding in found if finding.outcome == "better"]
    better.sort(key=lambda finding: finding.comparison.estimate, reverse=True)
    if not found:
        return "not measured"
    if not better:
        return "nothing: the objective alone"
    said = []
    for finding in better:
        setting = chosen_setting(section, finding.pair.new)
        said.append(f"{finding.pair.new}{f' ({setting})' if setting else ''} {difference(finding.comparison)}")
    return "; ".join(said)
