"""What the cells of one start model and regime measured, to a section of the summary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.measure.measure import statuses
from evaluation.report.measure_names import LOWER_IS_MORE_ISOTROPIC, measure_name
from evaluation.report.rows import isotropy_rows, retrieval_rows, task_rows
from evaluation.report.summary import Candidate, Section, TransferAnswer
from evaluation.statistics.dose_response import dose_response, transfer
from evaluation.study.description import NONE, START, Setting

FEWEST_FOR_A_CORRELATION = 3  # doses; a rank correlation over two says nothing


@dataclass(frozen=True)
class Tried:
    """A setting with what its training runs gave on the validation tasks.

    Attributes:
        setting: The setting.
        measured: What was measured, per tuning seed.
    """

    setting: Setting
    measured: list[dict[str, Any]]

    @property
    def scores(self) -> list[float] | None:
        """The mean validation score in points, per tuning seed; None where a training or a task failed."""
        if any(run["failures"] for run in self.measured):
            return None
        return [100 * float(np.mean([task["score"] for task in run["tasks"]])) for run in self.measured]

    @property
    def isotropy(self) -> dict[str, list[float]]:
        """Each isotropy measure, per tuning seed."""
        return {
            name: [run["isotropy"][name]["value"] for run in self.measured] for name in self.measured[0]["isotropy"]
        }


def study_section(
    title: str,
    isotropy_of: str,
    measured: Mapping[str, list[dict[str, Any]]],
    tried: Sequence[Tried],
    chosen: Mapping[str, Setting],
    start_folder: Path,
) -> tuple[Section, list[str]]:
    """Compare every variant with the objective alone, paired by seed.

    Args:
        title: The start model and the regime.
        isotropy_of: The task whose texts the isotropy was measured on.
        measured: Per variant, what was measured on the test tasks, per seed.
        tried: What was measured on the validation tasks; empty where there was nothing to choose.
        chosen: Per trained variant, the setting that the test tasks were run with.
        start_folder: Folder with the parameters of the indexes.

    Returns:
        The section, and a sentence for each part that is missing in it.
    """
    failures = [failure for each in tried for run in each.measured for failure in run["failures"]]
    failures += [failure for runs in measured.values() for run in runs for failure in run["failures"]]
    start = measured[START][0]
    whole = {variant: runs for variant, runs in measured.items() if all(_is_whole(run, start) for run in runs)}
    pairs = [(NONE, variant) for variant in whole if variant not in (START, NONE)] if NONE in whole else []

    def part(name: str) -> dict[str, list[Any]]:
        return {variant: [run[name] for run in runs] for variant, runs in whole.items()}

    by_index = {task: statuses(start_folder, task) for task in start["retrieval"]}
    rows = [
        *isotropy_rows(part("isotropy"), pairs),
        *task_rows(part("tasks"), pairs, np.random.default_rng(0)),
        *retrieval_rows(part("retrieval"), by_index, pairs),
    ]
    section = Section(
        title=title,
        variants=list(whole),
        rows=rows,
        isotropy_of=isotropy_of,
        tuning=[_candidate(each, chosen) for each in tried if each.scores is not None],
        transfer=transfer_answers(tried, chosen),
        curves={variant: _mean_points(runs) for variant, runs in part("curves").items()},
        indexes={variant: _mean_points(runs) for variant, runs in part("retrieval").items()},
        distributions=_of_first_run(whole, "distributions"),
        training=_of_first_run(whole, "training"),
    )
    return section, failures


def _of_first_run(whole: Mapping[str, list[dict[str, Any]]], name: str) -> dict[str, Any]:
    return {variant: runs[0][name] for variant, runs in whole.items() if runs[0][name]}


def index_seconds(measured: Mapping[str, list[dict[str, Any]]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Seconds to build and search each index, per variant, retrieval task and index, averaged over runs."""
    whole = {variant: [run["retrieval"] for run in runs if "retrieval" in run] for variant, runs in measured.items()}
    return {
        variant: {
            task: {
                points[0]["name"]: {
                    name: float(np.mean([point[name] for point in points]))
                    for name in ("build_seconds", "search_seconds")
                }
                for points in zip(*[run[task] for run in runs if task in run], strict=True)
            }
            for task in runs[0]
        }
        for variant, runs in whole.items()
        if runs
    }


def _is_whole(run: Mapping[str, Any], start: Mapping[str, Any]) -> bool:
    """Whether a run can stand in a table: it was trained, and where a task failed on it there are others."""
    return bool(run.get("tasks")) and bool(run["isotropy"] or not start["isotropy"])


def transfer_answers(tried: Sequence[Tried], chosen: Mapping[str, Setting]) -> list[TransferAnswer]:
    """Ask, for each regularizer and isotropy measure, whether weights that raise isotropy raise the validation score.

    All doses are at the learning rate that was chosen for the regularizer; the objective alone is a dose of 0.
    """
    answers = []
    for variant, setting in chosen.items():
        doses = [
            each
            for each in tried
            if each.setting.variant in (NONE, variant)
            and each.setting.learning_rate == setting.learning_rate
            and each.scores is not None
        ]
        if variant == NONE or len(doses) < FEWEST_FOR_A_CORRELATION:
            continue
        scores = np.array([each.scores for each in doses]).T
        for name in doses[0].isotropy:
            sign = -1 if name in LOWER_IS_MORE_ISOTROPIC else 1
            comparison = dose_response(sign * np.array([each.isotropy[name] for each in doses]).T, scores)
            found = transfer(comparison)
            answers.append(TransferAnswer(variant, measure_name(name), found.answer, found.sentence, comparison))
    return answers


def _candidate(tried: Tried, chosen: Mapping[str, Setting]) -> Candidate:
    setting = tried.setting
    return Candidate(
        variant=setting.variant,
        weight=setting.weight,
        learning_rate=setting.learning_rate,
        scores=tried.scores or [],
        isotropy=tried.isotropy,
        chosen=chosen.get(setting.variant) == setting,
    )


def _mean_points(runs: Sequence[Mapping[str, list[dict[str, Any]]]]) -> dict[str, list[dict[str, Any]]]:
    """Average indexes, or points of their curves, over runs: settings are the same in all of them."""
    return {
        task: [_mean_point([run[task][place] for run in runs]) for place in range(len(points))]
        for task, points in runs[0].items()
        if all(task in run for run in runs)
    }


def _mean_point(points: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean of every number; a number that some run lacks is left out, and so is how long things took."""
    names = [
        name for name in points[0] if name not in ("name", "setting", "per_query") and not name.endswith("seconds")
    ]
    means = {
        name: float(np.mean([point[name] for point in points]))
        for name in names
        if all(point[name] is not None for point in points)
    }
    return {"name": points[0]["name"], "setting": points[0]["setting"], **means}
