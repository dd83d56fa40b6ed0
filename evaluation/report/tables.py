"""A section as tables of text, the same for the terminal, `report.md` and `report.html`."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from evaluation.report.grid_ends import AT_AN_END, Candidate, Counted, GridEnd, rate_text
from evaluation.report.headline import GROUP_TITLES, correlation
from evaluation.report.measures import GROUPS, Difference, Pair, Row
from evaluation.report.summary import Finding, Section
from evaluation.report.wording import difference, estimate, interval, measure_name, number, significant, weight_text
from evaluation.statistics.intervals import NEW_RUNS, NEW_RUNS_AND_QUERIES, NEW_RUNS_AND_TEXTS, Comparison

OVER_RUNS = "95 %: new training runs"
OVER_ITEMS = "95 %: new queries, texts or tasks"
OVER_BOTH = "95 %: new runs and queries or texts"
READING = (
    "Intervals: “new training runs” is Student's t over paired seeds; “new queries, texts or tasks” holds these runs "
    "fixed: Student's t over them, a bootstrap over sentence pairs. ↑ or ↓ is the direction of improvement, "
    "for isotropy towards the isotropic cloud."
)
MARKS = {
    "better": "▲",
    "yes": "▲",
    "worse": "▼",
    "the opposite": "▼",
    "no difference found": "○",
    "no evidence": "○",
    "undecided": "?",
    AT_AN_END: "⚑",
}
FLAG = "⚑"  # at a difference that rests on a choice at an end of a grid
MARKS_READING = (
    "▲ better, ▼ worse, ○ no difference found, ? undecided; brackets are 95 % intervals; after Holm's adjustment over "
    "the verdicts of a group."
)
FLAG_READING = (
    "⚑ one of the two chose a setting at an end of its grid, so that a wider grid could change the difference: it is "
    "counted neither as better nor as worse."
)
TRANSFER_READING = (
    "Spearman's rank correlation of validation score and isotropy over the weights of one regularizer: ▲ scores rise "
    "with isotropy, ▼ they fall, ○ no evidence, ? undecided; not adjusted for the number of curves."
)
FEW = 3  # variants that fit side by side with their differences

INDEX_COLUMNS = {
    "ndcg_at_10": ("nDCG@10", 100, 1),
    "retention": ("retention %", 100, 1),
    "recall_at_10": ("recall@10 %", 100, 1),
    "recall_at_100": ("recall@100 %", 100, 1),
    "distances_per_query": ("distances per query", 1, 0),
    "bytes_per_vector": ("bytes per vector", 1, 0),
    "hubness": ("hubness", 1, 2),
    "list_imbalance": ("list imbalance", 1, 2),
    "quantization_error": ("error ÷ variance", 1, 3),
}


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Attributes:
        headers: One per column.
        groups: Rows under a title each; a table without groups has one, titled "".
        words: Columns that hold words; the others hold numbers.
    """

    headers: list[str]
    groups: dict[str, list[list[str]]]
    words: tuple[int, ...] = (0,)

    def only(self, columns: Sequence[int]) -> "Table":
        """The table with some of its columns."""
        groups = {
            title: [[cells[column] for column in columns] for cells in rows] for title, rows in self.groups.items()
        }
        words = tuple(place for place, column in enumerate(columns) if column in self.words)
        return Table([self.headers[column] for column in columns], groups, words)


def is_small(section: Section) -> bool:
    """Whether all variants fit side by side, with the differences of each compared pair."""
    return len(section.variants) <= FEW


def decimals(row: Row) -> int:
    """Decimals for the values of a row: one for scores in points, about four digits for isotropy measures."""
    if row.measure.group != "isotropy":
        return 1
    largest = max(abs(value) for values in row.values.values() for value in values)
    return 4 if largest <= 1 else 3 if largest < 10 else 1


def measure_table(section: Section) -> Table:
    """Every measure with its value for each variant and, if the variants are few, their differences."""
    isotropic = _isotropic_columns(section)
    columns = _difference_columns(section) if is_small(section) else []
    headers = ["measure", *isotropic, *section.variants, *[header for _, header in columns]]

    def cells(row: Row) -> list[str]:
        digits = decimals(row)
        references = [row.isotropic_of.get(variant, row.isotropic) for variant in isotropic.values()]
        values = ["" if reference is None else number(reference, digits) for reference in references]
        values += [number(row.mean(v), digits) if v in row.values else "" for v in section.variants]
        digits += row.measure.group != "isotropy"  # differences of points are small beside the points
        return [_name(row), *values, *[_difference_cell(row, *column, digits) for column in columns]]

    return Table(headers, {GROUP_TITLES[group]: [cells(row) for row in rows] for group, rows in _by_group(section)})


def _isotropic_columns(section: Section) -> dict[str, str]:
    """The headers of what an isotropic cloud would give, with the variant of each: one for all, or one for each."""
    if any(row.isotropic_of for row in section.rows):
        return {f"isotropic, as {variant}": variant for variant in section.variants}
    return {"isotropic": ""} if any(row.isotropic is not None for row in section.rows) else {}


def difference_table(section: Section) -> Table:
    """Every difference of every compared pair, one per line, with all its intervals and p-values."""
    headers = ["measure", "pair", "difference"]
    for header in (OVER_RUNS, OVER_ITEMS, OVER_BOTH):
        headers += [header, "p", "p by sign flips"]
    groups = {
        GROUP_TITLES[group]: [
            [_name(row), *_difference_cells(compared)] for row in rows for compared in row.differences
        ]
        for group, rows in _by_group(section)
    }
    lines = [cells for rows in groups.values() for cells in rows]
    filled = [place for place in range(len(headers)) if any(cells[place] for cells in lines)]
    return Table(headers, {title: rows for title, rows in groups.items() if rows}, words=(0, 1)).only(filled)


def _difference_cells(compared: Difference) -> list[str]:
    cells = [compared.pair.name, estimate(compared.comparisons[0])]
    for header in (OVER_RUNS, OVER_ITEMS, OVER_BOTH):
        found = next((c for c in compared.comparisons if _kind(c) == header and c.low is not None), None)
        p_values = (None, None) if found is None else (found.p, found.sign_flip_p)
        cells.append("" if found is None else interval(found, " … "))
        cells += ["" if p is None else significant(p, 2) for p in p_values]
    return cells


def mark(outcome: Counted, ends: Collection[GridEnd] = ()) -> str:
    """The sign of an outcome, with a flag where it rests on a choice at an end of a grid.

    Example:
        >>> mark("better"), mark("no difference found", [GridEnd("none", "learning rate", 0.004, "highest")])
        ('▲', '○⚑')
    """
    return MARKS[outcome] + FLAG * (bool(ends) and outcome != AT_AN_END)


def verdict_table(section: Section) -> Table:
    """The verdicts: a line for each compared pair, a column for each deciding measure with what it generalizes to."""
    findings = section.findings()
    measures = sorted(
        dict.fromkeys(finding.measure for finding in findings), key=lambda measure: GROUPS.index(measure.group)
    )
    scopes = {measure: _usual_scope([one for one in findings if one.measure == measure]) for measure in measures}

    def cell(finding: Finding) -> str:
        text = f"{mark(finding.outcome, finding.ends)} {difference(finding.comparison)}"
        other = finding.comparison.low is not None and finding.scope != scopes[finding.measure]
        return f"{text} for {finding.scope}" if other else text

    cells = {(finding.pair, finding.measure): cell(finding) for finding in findings}
    old = section.reference
    rows = [
        [pair.name if old is None else pair.new, *[cells.get((pair, measure), "") for measure in measures]]
        for pair in section.pairs
    ]
    first = "compared" if old is None else f"compared with {old}"
    headers = [
        f"{GROUP_TITLES[measure.group]}: {measure.name}" + (f", for {scopes[measure]}" if scopes[measure] else "")
        for measure in measures
    ]
    return Table([first, *headers], {"": rows})


def marks_reading(sections: Sequence[Section]) -> str:
    """How to read the verdicts of some sections."""
    return f"{MARKS_READING} {FLAG_READING}" if any(section.grid_ends for section in sections) else MARKS_READING


def _usual_scope(findings: Sequence[Finding]) -> str:
    """Over what most of some verdicts generalize; empty where none has an interval."""
    scopes = Counter(finding.scope for finding in findings if finding.comparison.low is not None)
    return scopes.most_common(1)[0][0] if scopes else ""


def transfer_table(section: Section) -> Table:
    """Whether scores rise with isotropy: a line for each regularizer, a column for each isotropy measure."""
    measures = list(dict.fromkeys(answer.measure for answer in section.transfer))
    cells = {(t.variant, t.measure): f"{MARKS[t.answer]} {correlation(t.comparison)}" for t in section.transfer}
    variants = list(dict.fromkeys(answer.variant for answer in section.transfer))
    rows = [[variant, *[cells.get((variant, measure), "") for measure in measures]] for variant in variants]
    return Table(["regularizer", *measures], {"": rows})


def tuning_table(section: Section) -> Table:
    """Every setting that was tried on the validation tasks, with the chosen one marked."""
    measures = list(dict.fromkeys(measure for candidate in section.tuning for measure in candidate.isotropy))
    ends = section.grid_ends

    def choice(candidate: Candidate) -> str:
        said = ["chosen"] * candidate.chosen
        said += [
            f"{FLAG} {end.end} {end.setting}" for end in ends if candidate.chosen and end.variant == candidate.variant
        ]
        return ", ".join([*said, *[f"extension {candidate.extension}"] * bool(candidate.extension)])

    def cells(candidate: Candidate) -> list[str]:
        spread = f"{number(min(candidate.scores), 2)} … {number(max(candidate.scores), 2)}"
        isotropy = [
            significant(fmean(candidate.isotropy[measure]), 4) if measure in candidate.isotropy else ""
            for measure in measures
        ]
        return [
            candidate.variant,
            weight_text(candidate.weight),
            rate_text(candidate),
            number(fmean(candidate.scores), 2),
            spread if len(candidate.scores) > 1 else "",
            *isotropy,
            choice(candidate),
        ]

    headers = ["regularizer", "weight", "learning rate", "validation score", "over seeds"]
    headers += [*map(measure_name, measures), "choice"]
    return Table(headers, {"": [cells(candidate) for candidate in section.tuning]}, words=(0, len(headers) - 1))


def index_table(section: Section, task: str) -> Table:
    """The quality of each index for each variant on one retrieval task."""
    points = [(variant, point) for variant, tasks in section.indexes.items() for point in tasks.get(task, [])]
    columns = {key: column for key, column in INDEX_COLUMNS.items() if any(getattr(point, key) for _, point in points)}
    rows = [
        [
            point.name,
            variant,
            *[
                "" if getattr(point, key) is None else number(scale * getattr(point, key), digits)
                for key, (_, scale, digits) in columns.items()
            ],
        ]
        for variant, point in points
    ]
    return Table(["index", "variant", *[header for header, _, _ in columns.values()]], {"": rows}, words=(0, 1))


def tasks_of(points: Mapping[str, Mapping[str, object]]) -> list[str]:
    """The retrieval tasks that curves or indexes were measured on."""
    return list(dict.fromkeys(task for tasks in points.values() for task in tasks))


def _by_group(section: Section) -> list[tuple[str, list[Row]]]:
    grouped = [(group, [row for row in section.rows if row.measure.group == group]) for group in GROUPS]
    return [(group, rows) for group, rows in grouped if rows]


def _difference_columns(section: Section) -> list[tuple[Pair, str]]:
    """Pair and header of each column: a compared pair's estimate, then the kinds of interval that occur.

    With several references, only pairs with the first, the objective alone: more would make the table too wide.
    """
    columns, pairs = [], section.pairs
    for pair in pairs:
        if pair.old != pairs[0].old:
            continue
        columns.append((pair, pair.name))
        found = {_kind(c) for row in section.rows for c in row.comparisons(pair) if c.low is not None}
        columns += [(pair, header) for header in (OVER_RUNS, OVER_ITEMS) if header in found]
    return columns


def _difference_cell(row: Row, pair: Pair, header: str, digits: int) -> str:
    comparisons = row.comparisons(pair)
    if header == pair.name:
        return number(comparisons[0].estimate, digits, sign=True) if comparisons else ""
    return next((_interval(c, digits) for c in comparisons if _kind(c) == header), "")


def _kind(comparison: Comparison) -> str:
    """The column in which an interval stands."""
    kinds = {NEW_RUNS: OVER_RUNS, NEW_RUNS_AND_QUERIES: OVER_BOTH, NEW_RUNS_AND_TEXTS: OVER_BOTH}
    return kinds.get(comparison.estimand, OVER_ITEMS)


def _interval(comparison: Comparison, digits: int) -> str:
    if comparison.low is None or comparison.high is None:
        return ""
    return f"{number(comparison.low, digits, sign=True)} … {number(comparison.high, digits, sign=True)}"


def _name(row: Row) -> str:
    return f"{row.name} {'↑' if row.measure.greater_is_better else '↓'}"
