"""Every arm of `st-isotropy improve` on one task, each chosen and trained without the queries that it is scored on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evaluation.improvements.records import ArmPair, ArmResult
from st_isotropy.improve.adapter import ADAPTER, AS_IT_IS, RATES, AdapterSettings, losses_for
from st_isotropy.improve.candidates import fit_candidates
from st_isotropy.improve.folds import make_folds
from st_isotropy.improve.improvement import FOLDS, check_folds, sample_rows, score_codes
from st_isotropy.improve.planning import make_plan
from st_isotropy.improve.selection import CHOSEN, CHOSEN_TRANSFORM, Choice, CrossFit, Plan, cross_fit
from st_isotropy.improve.tasks import ScoredTask, Task
from st_isotropy.metrics import isotropy

MEASURES = ("average_cosine", "isoscore", "effective_rank", "hubness_skewness")
IN_BATCH, ABSOLUTE, ALIGNMENT = "in-batch negatives", "alignment + absolute entropy", "alignment alone"
LOSSES: Mapping[str, tuple[tuple[str, float], ...]] = {
    IN_BATCH: ((IN_BATCH, 5.0), (IN_BATCH, 10.0), (IN_BATCH, 20.0)),
    ABSOLUTE: ((ABSOLUTE, 1.0), (ABSOLUTE, 0.3), (ABSOLUTE, 3.0)),
    ALIGNMENT: ((ABSOLUTE, 0.0),),
}
COSENT = "CoSENT"
ISOTROPIC = "SpectralPower(0.5)"  # the start of the second kind of adapter


@dataclass(frozen=True)
class _Arm:
    """Which scores of a cross-fit are an arm."""

    name: str
    fit: CrossFit
    column: str


def measure_arms(task: Task, seed: int = 0) -> tuple[tuple[ArmResult, ...], tuple[ArmPair, ...]]:
    """Cross-fit every arm, and compare them on held-out queries or pairs.

    Args:
        task: The task.
        seed: Seed of folds, splits and batches.

    Returns:
        The arms, the embeddings as they are first, and pairs of arms that answer a question.

    Raises:
        ValueError: If there are too few queries or pairs.
    """
    folds = make_folds(task.groups, FOLDS, seed)
    check_folds(folds, task)
    arms = _cross_fit_arms(task, make_plan(task, None, None, queries_only=False, seed=seed), folds)
    before = _values(arms[AS_IT_IS])
    results = tuple(_result(task, arm, before, folds) for arm in arms.values())
    pairs = tuple(
        ArmPair(after, other, task.compare(_values(arms[other]), _values(arms[after]), folds)[0])
        for asked in QUESTIONS.values()
        for after, other in asked
        if after in arms and other in arms
    )
    return results, pairs


def from_plain(loss: str) -> str:
    """Name of the arm that trains an adapter from the embeddings as they are."""
    return f"adapter: {loss}"


def from_isotropic(loss: str) -> str:
    """Name of the arm that trains an adapter from an isotropic start."""
    return f"transform, then adapter: {loss}"


# What is asked of two arms, the one that is asked about first.
QUESTIONS = {
    "An isotropic start, beside a plain one with the same loss,": tuple(
        (from_isotropic(loss), from_plain(loss)) for loss in (IN_BATCH, ABSOLUTE, COSENT)
    ),
    "Alignment with absolute entropy, beside in-batch negatives from the same start,": tuple(
        (start(ABSOLUTE), start(IN_BATCH)) for start in (from_plain, from_isotropic)
    ),
    "Absolute entropy, beside alignment alone,": ((from_plain(ABSOLUTE), from_plain(ALIGNMENT)),),
}


def _cross_fit_arms(task: Task, plan: Plan, folds: NDArray[np.int64]) -> dict[str, _Arm]:
    known = None if task.fits_on_items else fit_candidates(task, plan.transforms, plan.as_it_is)
    losses = {COSENT: losses_for(task)} if isinstance(task, ScoredTask) else LOSSES
    whole = cross_fit(task, plan, known, folds)
    arms = [_Arm(AS_IT_IS, whole, AS_IT_IS), _Arm(CHOSEN_TRANSFORM, whole, CHOSEN_TRANSFORM)]
    for loss, tried in losses.items():
        plain = replace(plan, losses=tried, starts=(AS_IT_IS,))
        arms.append(_Arm(from_plain(loss), cross_fit(task, plain, known, folds), ADAPTER))
        if loss != ALIGNMENT:
            isotropic = replace(plan, losses=tried, starts=(ISOTROPIC,))
            arms.append(_Arm(from_isotropic(loss), cross_fit(task, isotropic, known, folds), ADAPTER))
    arms.append(_Arm(CHOSEN, whole, CHOSEN))
    return {arm.name: arm for arm in arms}


def _values(arm: _Arm) -> NDArray[np.float64]:
    return arm.fit.values[arm.column]


def _result(task: Task, arm: _Arm, before: NDArray[np.float64], folds: NDArray[np.int64]) -> ArmResult:
    first = arm.fit.choices[0].maps[arm.column]
    found = isotropy(sample_rows(task, first), names=MEASURES, similarity=task.similarity)
    adapters = [_adapter(arm, choice) for choice in arm.fit.choices]
    ends = (min(RATES), max(RATES))
    return ArmResult(
        name=arm.name,
        score=task.score(_values(arm), folds)[0],
        gain=None if arm.name == AS_IT_IS else task.compare(before, _values(arm), folds)[0],
        one_bit=score_codes(task, arm.fit, arm.column, "binary"),
        isotropy={name: measure.value for name, measure in found.items()},
        chosen=tuple(_in_words(arm, choice) for choice in arm.fit.choices),
        at_end=sum(adapter is not None and adapter.rate in ends for adapter in adapters),
    )


def _in_words(arm: _Arm, choice: Choice) -> str:
    adapter = _adapter(arm, choice)
    if adapter is not None:
        return str(adapter)
    return AS_IT_IS if arm.column == AS_IT_IS else choice.transform


def _adapter(arm: _Arm, choice: Choice) -> AdapterSettings | None:
    """The settings of the adapter, if that is what the arm scores in a fold."""
    return choice.adapter if choice.adapter and choice.maps[arm.column] is choice.maps[ADAPTER] else None
