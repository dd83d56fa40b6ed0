"""Writes a summary as the compact file that is committed: what a page shows, one row per line, rounded.

Findings and sentences are left out because they follow from the rest. Texts on how intervals were computed are stored
once per file, and comparisons refer to them by index.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from statistics import fmean
from typing import TypeVar

from evaluation.files import write_text
from evaluation.measured import CurvePoint, Distributions, IndexQuality
from evaluation.report.compact_records import (
    OVER_RUNS,
    CompactCandidate,
    CompactCloud,
    CompactMeasure,
    CompactPoint,
    CompactRow,
    CompactSection,
    CompactSummary,
    CompactTerm,
    CompactTransfer,
    Compared,
    Method,
    OverRuns,
)
from evaluation.report.measures import Pair, Row
from evaluation.report.rows import compare_runs
from evaluation.report.summary import Section, Summary, main_comparison
from evaluation.report.wording import decimals, difference, significant
from evaluation.statistics.intervals import Comparison
from evaluation.statistics.verdict import verdict

Point = TypeVar("Point", CurvePoint, IndexQuality)

# Significant digits. Scores of tasks are whole: several can be the same, and which is the least must not change.
VALUE_DIGITS = {"isotropy": 8, "similarity": 17, "labels": 17, "retrieval": 6}
TUNED_DIGITS = 5
DOSE_DIGITS = 12  # of what dose plots on the site show small differences of
DOSES = ("isoscore", "average_cosine")
UNSHOWN = "seed_spread"  # of an index, on no page
COMPARED_DIGITS = 4  # decimals, or more where an interval is narrow
FEWEST_DIGITS = 4  # significant, of a small number
P_DIGITS = 3
DRAWN_DIGITS = 3
BARS = 40  # as many as a plot needs
FLOAT_NOISE = 12  # significant digits that arithmetic leaves alone


def write_compact(summary: Summary, path: Path) -> None:
    """Write a summary as a compact file, whole or not at all.

    Args:
        summary: The result of a run.
        path: The file.
    """
    write_text(path, "\n".join(_lines(_compact(summary))) + "\n")


def _compact(summary: Summary) -> CompactSummary:
    methods: dict[Method, int] = {}
    sections = [_compact_section(section, methods) for section in summary.sections]
    timing = summary.timing
    return CompactSummary(
        summary.title,
        summary.notes,
        summary.missing,
        _round(timing.seconds, VALUE_DIGITS["isotropy"]),
        _round(timing.peak_memory_gib, TUNED_DIGITS),
        list(methods),
        sections,
    )


def _compact_section(section: Section, methods: dict[Method, int]) -> CompactSection:
    pairs, steps = section.pairs, _distinct_steps(section)
    measures = list(dict.fromkeys(measure for candidate in section.tuning for measure in candidate.isotropy))
    return CompactSection(
        section.title,
        section.isotropy_of,
        section.model,
        section.regime,
        section.objective,
        section.variants,
        [(transformed.variant, transformed.transform) for transformed in section.transformed],
        [(pair.new, pair.old) for pair in pairs],
        [_compact_row(row, section.variants, pairs, methods) for row in section.rows],
        measures,
        [
            CompactCandidate(
                candidate.variant,
                candidate.weight,
                candidate.learning_rate,
                candidate.chosen,
                _rounded(candidate.scores, DOSE_DIGITS),
                [_round(fmean(candidate.isotropy[metric]), _tuned_digits(metric)) for metric in measures],
                candidate.extension,
                candidate.objective,
                candidate.temperature_scale,
            )
            for candidate in section.tuning
        ],
        [
            CompactTransfer(answer.variant, answer.metric, _compared_whole(answer.comparison, methods))
            for answer in section.transfer
        ],
        _compact_points(section.curves, section.variants),
        _compact_points(section.indexes, section.variants),
        [_compact_cloud(variant, cloud) for variant, cloud in section.distributions.items()],
        steps,
        [
            CompactTerm(
                variant,
                term,
                steps.index([step for step, _ in line]),
                _rounded([value for _, value in line], DRAWN_DIGITS),
            )
            for variant, terms in section.training.items()
            for term, line in terms.items()
        ],
        section.corpora,
    )


def _tuned_digits(metric: str) -> int:
    return DOSE_DIGITS if metric in DOSES else TUNED_DIGITS


def _compact_row(row: Row, variants: Sequence[str], pairs: Sequence[Pair], methods: dict[Method, int]) -> CompactRow:
    measure, digits = row.measure, VALUE_DIGITS[row.measure.group]
    values = {variant: _rounded(runs, digits) for variant, runs in row.values.items()}
    return CompactRow(
        CompactMeasure(measure.group, measure.metric, measure.task, measure.index, measure.status, measure.only_corpus),
        None if row.isotropic is None else _round(row.isotropic, digits),
        [values.get(variant) for variant in variants],
        [_compact_comparisons(row.comparisons(pair), values, pair, methods) for pair in pairs],
    )


def _compact_comparisons(
    comparisons: Sequence[Comparison], values: Mapping[str, list[float]], pair: Pair, methods: dict[Method, int]
) -> list[Compared | OverRuns] | None:
    if not comparisons:
        return None
    main = main_comparison(comparisons)  # the one that a verdict rests on
    over_runs = _shown(compare_runs(values, pair)) if {pair.new, pair.old} <= values.keys() else None
    return [
        OVER_RUNS if _shown(comparison) == over_runs else _compared(comparison, methods, comparison is main)
        for comparison in comparisons
    ]


def _shown(comparison: Comparison) -> list[str]:
    """A comparison as pages show it, by its sentence and in tables."""
    p_values = (comparison.p, comparison.sign_flip_p)
    return [
        verdict(comparison).sentence,
        difference(comparison),
        comparison.estimand,
        *["" if p is None else significant(p, 2) for p in p_values],
    ]


def _compared(comparison: Comparison, methods: dict[Method, int], main: bool = True) -> Compared:
    """The numbers with as many digits as a page can show, which depends on the width of the interval."""
    method = methods.setdefault(Method(comparison.method, comparison.estimand, comparison.n), len(methods))
    shown = COMPARED_DIGITS if main else COMPARED_DIGITS - 1
    if comparison.low is not None and comparison.high is not None:
        shown = max(shown, decimals((comparison.high - comparison.low) / 2) + 1)
    numbers = (comparison.low, comparison.high, comparison.detectable if main else None)
    return Compared(
        method,
        _round(comparison.estimate, _digits(comparison.estimate, shown)),
        *[None if number is None else _round(number, _digits(number, shown)) for number in numbers],
        *[None if p is None else _round(p, P_DIGITS) for p in (comparison.p, comparison.sign_flip_p)],
    )


def _compared_whole(comparison: Comparison, methods: dict[Method, int]) -> Compared:
    """Keeps every digit of the estimate: rank correlations are often close, and rounding must not change the lowest."""
    return _compared(comparison, methods)._replace(estimate=comparison.estimate)


def _compact_points(
    by_variant: Mapping[str, Mapping[str, Sequence[Point]]], variants: Sequence[str]
) -> list[CompactPoint]:
    """Every index in every setting once, with the numbers of each variant."""
    numbers: dict[tuple[str, str, tuple[tuple[str, int], ...]], dict[str, list[float | None]]] = {}
    for variant, tasks in by_variant.items():
        for task, points in tasks.items():
            for point in points:
                found = [
                    0.0 if field.name == UNSHOWN else getattr(point, field.name)
                    for field in fields(point)
                    if field.name not in ("name", "setting")
                ]
                rounded = [None if number is None else _round(number, _digits(number, 1)) for number in found]
                while rounded[-1] is None:  # what the kind of index does not have
                    rounded.pop()
                numbers.setdefault((task, point.name, tuple(point.setting.items())), {})[variant] = rounded
    return [
        CompactPoint(task, name, dict(setting), [of_variant.get(variant) for variant in variants])
        for (task, name, setting), of_variant in numbers.items()
    ]


def _compact_cloud(variant: str, cloud: Distributions) -> CompactCloud:
    """The histogram without its empty ends, and as many bars as a plot needs."""
    counts, edges = cloud.cosines.counts, cloud.cosines.edges
    filled = [place for place, count in enumerate(counts) if count]
    first, last = filled[0], filled[-1] + 1
    return CompactCloud(
        variant,
        _round(edges[first], TUNED_DIGITS),
        _round(edges[last], TUNED_DIGITS),
        counts[first:last],
        _rounded(cloud.bars[:: math.ceil(len(cloud.bars) / BARS)], DRAWN_DIGITS),
    )


def _distinct_steps(section: Section) -> list[list[float]]:
    """The steps at which losses were logged, mostly the same for all variants."""
    lines = (line for terms in section.training.values() for line in terms.values())
    return [list(steps) for steps in dict.fromkeys(tuple(step for step, _ in line) for line in lines)]


def _digits(number: float, shown: int) -> int:
    """The significant digits of a number with this many decimals, or a few if it is small."""
    before = math.floor(math.log10(abs(number))) + 1 if number else 0
    return max(FEWEST_DIGITS, before + shown)


def _rounded(numbers: Iterable[float], digits: int) -> list[float]:
    return [_round(number, digits) for number in numbers]


def _round(number: float, digits: int) -> float:
    """Round to significant digits, keeping more if the last would be a 5, which a page could then round the wrong way.

    Example:
        >>> _round(1.4500021, 6), _round(1.4412349, 6)
        (1.450002, 1.44123)
    """
    exact = float(f"{number:.{FLOAT_NOISE}g}")
    while True:
        rounded = float(f"{number:.{digits}g}")
        if rounded in (number, exact) or not repr(rounded).partition("e")[0].removesuffix(".0").endswith("5"):
            return rounded
        digits += 1


def _lines(summary: CompactSummary) -> Iterator[str]:
    """JSON with a line for each row of a section, so that a change of one shows as a line."""
    yield "{"
    for name in ("title", "notes", "missing", "seconds", "peak_memory_gib", "methods"):
        yield f"{_json(name)}: {_json(getattr(summary, name))},"
    yield '"sections": ['
    for place, section in enumerate(summary.sections):
        yield "{"
        yield ",\n".join(_field(field.name, getattr(section, field.name)) for field in fields(section))
        yield "}" if place == len(summary.sections) - 1 else "},"
    yield "]"
    yield "}"


def _field(name: str, value: object) -> str:
    if isinstance(value, list) and value and isinstance(value[0], tuple) and len(value[0]) > 2:
        rows = ",\n".join(_json(row) for row in value)
        return f"{_json(name)}: [\n{rows}\n]"
    return f"{_json(name)}: {_json(value)}"


def _json(value: object) -> str:
    """Compact JSON: no spaces, whole numbers without a decimal point, trailing defaults left out."""
    return json.dumps(_short(value), separators=(",", ":"), ensure_ascii=False)


def _short(value: object) -> object:
    if isinstance(value, Compared | CompactMeasure | CompactCandidate):
        kept = list(value)
        while kept and kept[-1] in (None, "", False) and not isinstance(kept[-1], float):
            kept.pop()
        return [_short(one) for one in kept]
    if isinstance(value, list | tuple):
        return [_short(one) for one in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value
