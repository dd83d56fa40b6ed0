"""What models measured, per variant and run, to a section of the summary: for studies and comparisons alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np

from evaluation.errors import counted
from evaluation.measured import CurvePoint, IndexQuality, Measured, Status
from evaluation.report.corpora import parts_of_one_corpus
from evaluation.report.grid_ends import Candidate
from evaluation.report.index_rows import retrieval_rows
from evaluation.report.measures import Pair
from evaluation.report.rows import isotropy_rows, task_rows
from evaluation.report.summary import NONE, START, Section
from evaluation.report.transfer import transfer_answers
from evaluation.study.settings import Setting

SHOWN_OVER_EXACT = 1.0005  # shares from here on are written as more than 100.0 %

Part = TypeVar("Part")
Point = TypeVar("Point", CurvePoint, IndexQuality)
Runs = Mapping[str, Sequence[Measured]]  # variant -> one record per run; the runs of two variants pair up by place


@dataclass(frozen=True)
class Tried:
    """A setting with what its training runs gave on the validation tasks.

    Attributes:
        setting: The setting.
        measured: What was measured, per tuning seed.
        extension: The extension of the grid that added it; 0 for the grid that the study names.
    """

    setting: Setting
    measured: Sequence[Measured]
    extension: int = 0

    @property
    def scores(self) -> list[float] | None:
        """The mean validation score in points, per tuning seed; None where a training or a task failed."""
        if any(run.failures for run in self.measured):
            return None
        return [100 * float(np.mean([task.score for task in run.tasks])) for run in self.measured]

    @property
    def isotropy(self) -> dict[str, list[float]]:
        """Each isotropy measure, per tuning seed."""
        return {name: [run.isotropy[name].value for run in self.measured] for name in self.measured[0].isotropy}


def build_section(title: str, isotropy_of: str, measured: Runs, pairs: Sequence[Pair]) -> Section:
    """Compare variants in all that both of a pair have, paired by run.

    Args:
        title: What the section is about.
        isotropy_of: The task whose texts the isotropy was measured on.
        measured: What was measured on the tasks.
        pairs: Which variants are compared.

    Returns:
        The section, without what tuning adds.
    """
    isotropy = _having(measured, lambda run: run.isotropy)
    statuses: dict[str, dict[str, Status]] = {
        task: {index.name: index.status for index in indexes}
        for runs in measured.values()
        for run in runs
        for task, indexes in run.indexes.items()
    }
    corpora = parts_of_one_corpus(task for runs in measured.values() for run in runs for task in run.tasks)
    rows = [
        *(isotropy_rows(isotropy, pairs) if isotropy else []),
        *task_rows(_of_every_run(measured, lambda run: run.tasks), pairs, np.random.default_rng(0), corpora),
        *retrieval_rows(_of_every_run(measured, lambda run: run.retrieval), statuses, pairs),
    ]
    qualities = _of_every_run(measured, _index_qualities)
    return Section(
        title=title,
        variants=list(measured),
        rows=rows,
        isotropy_of=isotropy_of,
        corpora=corpora,
        curves={variant: _mean_points(runs) for variant, runs in _having(measured, lambda run: run.curves).items()},
        indexes={variant: _mean_points(runs) for variant, runs in qualities.items()},
        distributions={
            variant: runs[0].distributions for variant, runs in measured.items() if runs[0].distributions is not None
        },
        training={variant: runs[0].training for variant, runs in measured.items() if runs[0].training},
    )


def add_tuning(section: Section, tried: Sequence[Tried], chosen: Mapping[str, Setting]) -> Section:
    """Add to a section what was tried on the validation tasks.

    Args:
        section: The section of the test tasks.
        tried: Every setting; empty where there was nothing to choose.
        chosen: Per trained variant, the setting that the test tasks were run with.
    """
    tuning = candidates(tried, chosen)
    return replace(section, tuning=tuning, transfer=transfer_answers(tuning))


def candidates(tried: Sequence[Tried], chosen: Mapping[str, Setting]) -> list[Candidate]:
    """The settings that were tried and did not fail, as a summary has them."""
    return [_candidate(setting, chosen) for setting in tried if setting.scores is not None]


def whole_variants(measured: Runs, start: Measured) -> dict[str, Sequence[Measured]]:
    """The variants that can stand in a table: trained in every run, and where a task failed there are others."""
    return {
        variant: runs
        for variant, runs in measured.items()
        if all(run.tasks and (run.isotropy or not start.isotropy) for run in runs)
    }


def pairs_of_study(variants: Sequence[str]) -> list[Pair]:
    """Every variant beside the objective alone, where its training did not fail, and beside the start model."""
    return [
        *[Pair(variant, NONE) for variant in variants if NONE in variants and variant not in (START, NONE)],
        *[Pair(variant, START) for variant in variants if variant != START],
    ]


def left_out_indexes(measured: Measured) -> list[str]:
    """A sentence for each index that was left out on a task."""
    return [
        f"{task}: {index.note}"
        for task, indexes in measured.indexes.items()
        for index in indexes
        if index.status == "left out"
    ]


def gains_over_exact(section: Section, duplicates: Mapping[str, int]) -> list[str]:
    """Why an index keeps more than 100 % of exact search: a sentence for each retrieval task on which one does.

    Args:
        section: The section.
        duplicates: How many documents of each task have the embedding of an earlier one.
    """
    found: dict[str, tuple[float, str, str]] = {}
    for variant, tasks in section.indexes.items():
        for task, qualities in tasks.items():
            for quality in qualities:
                one = (quality.retention or 0.0, quality.name, variant)
                found[task] = max(found.get(task, one), one)
    return [
        f"Retention on {task} passes 100 % ({index} keeps {100 * kept:.1f} % of {variant}): {_why(duplicates[task])}."
        for task, (kept, index, variant) in found.items()
        if kept >= SHOWN_OVER_EXACT and task in duplicates
    ]


def _why(duplicates: int) -> str:
    if not duplicates:
        return "approximate search ranks otherwise than exact search, by chance with relevant documents further up"
    one = duplicates == 1
    return (
        f"{counted(duplicates, 'document')} {'has' if one else 'have'} the embedding of another, and every index ranks "
        f"{'it' if one else 'these'} in an order of its own"
    )


def index_seconds(measured: Runs) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Seconds to build and search each index, per variant, retrieval task and index, averaged over runs."""
    return {
        variant: {
            task: {
                scores[0].quality.name: {
                    "build_seconds": float(np.mean([score.build_seconds for score in scores])),
                    "search_seconds": float(np.mean([score.search_seconds for score in scores])),
                }
                for scores in zip(*[run.retrieval[task] for run in runs if task in run.retrieval], strict=True)
            }
            for task in runs[0].retrieval
        }
        for variant, runs in measured.items()
    }


def _candidate(tried: Tried, chosen: Mapping[str, Setting]) -> Candidate:
    setting = tried.setting
    return Candidate(
        variant=setting.variant,
        weight=setting.weight,
        learning_rate=setting.learning_rate,
        scores=tried.scores or [],
        isotropy=tried.isotropy,
        chosen=chosen.get(setting.variant) == setting,
        extension=tried.extension,
        objective=setting.objective,
        temperature_scale=setting.temperature_scale,
    )


def _of_every_run(measured: Runs, part: Callable[[Measured], Part]) -> dict[str, list[Part]]:
    return {variant: [part(run) for run in runs] for variant, runs in measured.items()}


def _having(measured: Runs, part: Callable[[Measured], Part]) -> dict[str, list[Part]]:
    """The same, of the variants all of whose runs have it."""
    return {variant: parts for variant, parts in _of_every_run(measured, part).items() if all(parts)}


def _index_qualities(run: Measured) -> dict[str, list[IndexQuality]]:
    return {task: [score.quality for score in scores] for task, scores in run.retrieval.items()}


def _mean_points(runs: Sequence[Mapping[str, Sequence[Point]]]) -> dict[str, list[Point]]:
    """Average indexes, or points of their curves, over runs: settings are the same in all of them."""
    return {
        task: [_mean_point([run[task][place] for run in runs]) for place in range(len(points))]
        for task, points in runs[0].items()
        if all(task in run for run in runs)
    }


def _mean_point(points: Sequence[Point]) -> Point:
    """The mean of every number; None where some run lacks it."""
    names = [field.name for field in fields(points[0]) if field.name not in ("name", "setting")]
    values = {name: [getattr(point, name) for point in points] for name in names}
    return replace(
        points[0],
        **{name: None if None in numbers else float(np.mean(numbers)) for name, numbers in values.items()},
    )
