"""Every arm of `st-isotropy improve` on one task, each chosen and trained without the queries that it is scored on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evaluation.improvements.records import ArmPair, ArmResult
from st_isotropy.improve.adapter import ADAPTER, AS_IT_IS, RATES, losses_for
from st_isotropy.improve.candidates import fit_candidates
from st_isotropy.improve.folds import make_folds
from st_isotropy.improve.improvement import FOLDS, check_folds, make_plan, sample_rows, score_codes
from st_isotropy.improve.selection import CHOSEN, CHOSEN_TRANSFORM, CrossFit, Plan, cross_fit
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
        for after, other in _questions(arms)
    )
    return results, pairs


def from_plain(loss: str) -> str:
    """Name of the arm that trains an adapter from the embeddings as they are."""
    return f"adapter: {loss}"


def from_isotropic(loss: str) -> str:
    """Name of the arm that trains an adapter from an isotropic start."""
    return f"transform, then adapter: {loss}"


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


def _questions(arms: Mapping[str, _Arm]) -> list[tuple[str, str]]:
    """Does an isotropic start help the adapter, and which loss is better from each start?"""
    starts = [(from_isotropic(loss), from_plain(loss)) for loss in (IN_BATCH, ABSOLUTE, COSENT)]
    losses = [(start(ABSOLUTE), start(IN_BATCH)) for start in (from_plain, from_isotropic)]
    alone = [(from_plain(ABSOLUTE), from_plain(ALIGNMENT))]
    return [pair for pair in (*starts, *losses, *alone) if all(name in arms for name in pair)]


def _values(arm: _Arm) -> NDArray[np.float64]:
    return arm.fit.values[arm.column]


def _result(task: Task, arm: _Arm, before: NDArray[np.float64], folds: NDArray[np.int64]) -> ArmResult:
    first = arm.fit.choices[0].maps[arm.column]
    found = isotropy(sample_rows(task, first), names=MEASURES, similarity=task.similarity)
    rates = [
        choice.adapter.rate
        for choice in arm.fit.choices
        if choice.adapter is not None and choice.maps[arm.column] is choice.maps[ADAPTER]
    ]
    return ArmResult(
        name=arm.name,
        score=task.score(_values(arm), folds)[0],
        gain=None if arm.name == AS_IT_IS else task.compare(before, _values(arm), folds)[0],
        one_bit=score_codes(task, arm.fit, arm.column, "binary"),
        isotropy={name: measure.value for name, measure in found.items()},
        chosen=tuple(_in_words(arm, fold) for fold in range(len(arm.fit.choices))),
        at_end=sum(rate in (min(RATES), max(RATES)) for rate in rates),
    )


def _in_words(arm: _Arm, fold: int) -> str:
    choice = arm.fit.choices[fold]
    if choice.adapter is not None and choice.maps[arm.column] is choice.maps[ADAPTER]:
        return str(choice.adapter)
    return AS_IT_IS if arm.column == AS_IT_IS else choice.transform
