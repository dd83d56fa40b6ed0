"""Reads a compact file back as a summary, with rounded numbers."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from evaluation.errors import UserError
from evaluation.measured import CurvePoint, Distributions, Histogram, IndexQuality
from evaluation.report.compact_records import (
    OVER_RUNS,
    CompactCloud,
    CompactPoint,
    CompactRow,
    CompactSection,
    CompactSummary,
    Compared,
    Method,
)
from evaluation.report.grid_ends import Candidate
from evaluation.report.measures import Difference, Measure, Pair, Row
from evaluation.report.rows import compare_runs
from evaluation.report.summary import Cost, Section, Summary, TransferAnswer, Transformed
from evaluation.statistics.intervals import Comparison

Point = TypeVar("Point", CurvePoint, IndexQuality)


def read_compact(path: Path) -> Summary:
    """Read a compact file back.

    Args:
        path: The file.

    Raises:
        UserError: The file is not a compact result of this version.
    """
    try:
        return _restored(TypeAdapter(CompactSummary).validate_json(path.read_bytes()))
    except (ValidationError, IndexError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise UserError(
            f"{path} is not a compact result of this version ({reason}): recreate it with "
            "python -m evaluation documentation --add RUN NAME."
        ) from error


def _restored(compact: CompactSummary) -> Summary:
    sections = [_restored_section(section, compact.methods) for section in compact.sections]
    return Summary(
        compact.title, sections, compact.notes, Cost(compact.seconds, compact.peak_memory_gib), compact.missing
    )


def _restored_section(section: CompactSection, methods: Sequence[Method]) -> Section:
    return Section(
        title=section.title,
        variants=section.variants,
        rows=[_restored_row(row, section, methods) for row in section.rows],
        isotropy_of=section.isotropy_of,
        model=section.model,
        regime=section.regime,
        objective=section.objective,
        transformed=[Transformed(*transformed) for transformed in section.transformed],
        tuning=[
            Candidate(
                candidate.variant,
                candidate.weight,
                candidate.learning_rate,
                candidate.scores,
                {m: [value] for m, value in zip(section.tuned_measures, candidate.isotropy, strict=True)},
                candidate.chosen,
                candidate.extension,
                candidate.objective,
                candidate.temperature_scale,
            )
            for candidate in section.tuning
        ],
        transfer=[
            TransferAnswer(answer.variant, answer.metric, _comparison(answer.comparison, methods))
            for answer in section.transfer
        ],
        curves=_restored_points(CurvePoint, section.curves, section.variants),
        indexes=_restored_points(IndexQuality, section.indexes, section.variants),
        distributions={cloud.variant: _distributions(cloud) for cloud in section.clouds},
        training=_terms(section),
        corpora=section.corpora,
    )


def _restored_row(row: CompactRow, section: CompactSection, methods: Sequence[Method]) -> Row:
    values = {v: runs for v, runs in zip(section.variants, row.values, strict=True) if runs is not None}
    differences = [
        Difference(
            Pair(*pair),
            [
                compare_runs(values, Pair(*pair)) if one == OVER_RUNS else _comparison(one, methods)
                for one in comparisons
            ],
        )
        for pair, comparisons in zip(section.pairs, row.differences, strict=True)
        if comparisons is not None
    ]
    return Row(Measure(*row.measure), values, differences, row.isotropic)


def _comparison(compared: Compared, methods: Sequence[Method]) -> Comparison:
    text = methods[compared.method]
    return Comparison(
        compared.estimate,
        compared.low,
        compared.high,
        text.method,
        text.estimand,
        text.n,
        compared.detectable,
        compared.p,
        compared.sign_flip_p,
    )


def _distributions(cloud: CompactCloud) -> Distributions:
    edges = np.linspace(cloud.first_edge, cloud.last_edge, len(cloud.counts) + 1).tolist()
    return Distributions(Histogram(edges, cloud.counts), cloud.bars)


def _terms(section: CompactSection) -> dict[str, dict[str, list[tuple[float, float]]]]:
    terms: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for one in section.training:
        steps = section.steps[one.steps]
        terms.setdefault(one.variant, {})[one.term] = list(zip(steps, one.values, strict=True))
    return terms


def _restored_points(
    kind: Callable[..., Point], points: Iterable[CompactPoint], variants: Sequence[str]
) -> dict[str, dict[str, list[Point]]]:
    grouped: dict[str, dict[str, list[Point]]] = {}
    for point in points:
        for variant, numbers in zip(variants, point.numbers, strict=True):
            if numbers is not None:
                found = kind(point.name, point.setting, *numbers)
                grouped.setdefault(variant, {}).setdefault(point.task, []).append(found)
    return {variant: grouped[variant] for variant in variants if variant in grouped}
