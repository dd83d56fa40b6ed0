"""Choosing among candidates, and cross-fitting the choice: what is scored on a fold was chosen without it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from st_isotropy.improve.adapter import (
    ADAPTER,
    AS_IT_IS,
    PULL,
    RATES,
    AdapterSettings,
    train_adapter,
)
from st_isotropy.improve.candidates import FittedCandidates, fit_candidates
from st_isotropy.improve.folds import make_folds
from st_isotropy.improve.maps import AffineMap
from st_isotropy.improve.tasks import Task
from st_isotropy.posthoc import PostHoc

INNER_FOLDS = 3  # one of them validates the adapter's settings
CHOSEN_TRANSFORM = "chosen transform"
CHOSEN = "chosen among all"
STARTS = (CHOSEN_TRANSFORM, AS_IT_IS, "SpectralPower(0.5)")  # of the adapter


@dataclass(frozen=True)
class Plan:
    """What is tried.

    Attributes:
        transforms: Label-free candidates by name.
        losses: Losses of the linear adapter, each with its scale or weight; none leaves the adapter out.
        as_it_is: What is done without any candidate: nothing, or keeping the first dimensions.
        starts: Names of the maps that the adapter starts from; those that are no candidate are left out.
        seed: Seed of folds, splits and batches.
    """

    transforms: dict[str, PostHoc]
    losses: tuple[tuple[str, float], ...]
    as_it_is: AffineMap
    starts: tuple[str, ...] = STARTS
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Choice:
    """What was chosen on some items.

    Attributes:
        name: What was chosen among all candidates.
        transform: The best label-free candidate.
        adapter: Settings of the best adapter; None where none is trained.
        maps: Map of each label-free candidate, of the chosen one (`CHOSEN_TRANSFORM`), of the adapter and of what was
            chosen among all (`CHOSEN`).

    Examples:
        >>> identity = AffineMap.keeping(2, width=2)
        >>> maps = {"Center": identity, CHOSEN: identity}
        >>> Choice("Center", "Center", None, maps).tried
        ['Center']
    """

    name: str
    transform: str
    adapter: AdapterSettings | None
    maps: dict[str, AffineMap]

    @property
    def tried(self) -> list[str]:
        """Names of the label-free candidates."""
        return [name for name in self.maps if name not in (CHOSEN_TRANSFORM, ADAPTER, CHOSEN)]


def choose(task: Task, fitted: FittedCandidates, plan: Plan) -> Choice:
    """Choose on the items of a task, which is all that this function sees of them.

    Label-free candidates are compared on all items. The adapter's settings are chosen on a third of the items after
    training on the others, it is compared with the best label-free candidate there, and then trained on all items.

    Args:
        task: The items to choose on.
        fitted: The label-free candidates with their scores on these items.
        plan: What is tried.
    """
    transform = max(fitted.maps, key=lambda name: _main(task, fitted.values[name]))  # of equal ones the first
    maps = {**fitted.maps, CHOSEN_TRANSFORM: fitted.maps[transform]}
    name, settings = transform, None
    if plan.losses:
        split = make_folds(task.groups, INNER_FOLDS, plan.seed)
        training, validating = np.flatnonzero(split > 0), np.flatnonzero(split == 0)
        starts = [transform if start == CHOSEN_TRANSFORM else start for start in plan.starts]
        settings, score = choose_adapter(
            task.part(training), task.part(validating), maps, [start for start in starts if start in maps], plan
        )
        maps[ADAPTER] = train_adapter(task, settings, maps[settings.start], plan.seed)
        if score > _main(task.part(validating), fitted.values[transform][validating]):
            name = settings.title
    maps[CHOSEN] = maps[transform] if name == transform else maps[ADAPTER]
    return Choice(name, transform, settings, maps)


def choose_adapter(
    training: Task, validating: Task, maps: dict[str, AffineMap], starts: Sequence[str], plan: Plan
) -> tuple[AdapterSettings, float]:
    """Choose an adapter's rate, then its loss, its start and whether it is pulled towards it, one after another.

    Args:
        training: Items to train on.
        validating: Items to choose on.
        maps: The label-free candidates.
        starts: Those that it can start from.
        plan: What is tried.

    Returns:
        The settings, and the main measure that they reach on the validating items.
    """
    reached: dict[AdapterSettings, float] = {}

    def best_of(tried: Sequence[AdapterSettings]) -> AdapterSettings:
        for settings in tried:
            if settings not in reached:
                map_ = train_adapter(training, settings, maps[settings.start], plan.seed)
                reached[settings] = _main(validating, validating.evaluate(map_))
        return max(tried, key=lambda settings: reached[settings])

    best = best_of([AdapterSettings(*plan.losses[0], rate, starts[0]) for rate in RATES])
    best = best_of([replace(best, loss=loss, strength=strength) for loss, strength in plan.losses])
    best = best_of([replace(best, start=start) for start in starts])
    best = best_of([best, replace(best, pull=PULL)])
    return best, reached[best]


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Choices on the training folds, and what they score on the folds that they have not seen.

    Attributes:
        folds: The fold of each item.
        choices: What was chosen without each fold.
        values: For each candidate, `CHOSEN_TRANSFORM`, the adapter and `CHOSEN`, the scores of held-out items, in the
            order of the items, as `Task.evaluate` gives them.
    """

    folds: NDArray[np.int64]
    choices: tuple[Choice, ...]
    values: dict[str, NDArray[np.float64]]


def cross_fit(
    task: Task,
    plan: Plan,
    known: FittedCandidates | None,
    folds: NDArray[np.int64],
    progress: Callable[[range], Iterable[int]] = iter,
) -> CrossFit:
    """Choose on all folds but one, and score what was chosen on that one, for each in turn.

    Args:
        task: All items.
        plan: What is tried.
        known: The label-free candidates with their scores, where they depend on no item; None fits them in every fold
            to its training items.
        folds: The fold of each item.
        progress: Wraps the range of folds to show progress.
    """
    choices: list[Choice] = []
    values: dict[str, NDArray[np.float64]] = {}
    for fold in progress(range(int(folds.max()) + 1)):
        training, scoring = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        part, held_out = task.part(training), task.part(scoring)
        fitted = fit_candidates(part, plan.transforms, plan.as_it_is) if known is None else known.part(training)
        choice = choose(part, fitted, plan)
        choices.append(choice)
        scored = None if known is None else known.part(scoring).values
        for name, scores in _held_out_scores(choice, held_out, scored).items():
            values.setdefault(name, np.zeros((len(folds), scores.shape[1])))[scoring] = scores
    return CrossFit(folds, tuple(choices), values)


def _held_out_scores(
    choice: Choice, held_out: Task, known: dict[str, NDArray[np.float64]] | None
) -> dict[str, NDArray[np.float64]]:
    """Score the maps of a choice on the items it has not seen; `known` holds what label-free candidates score."""
    scores = dict(known) if known is not None else {name: held_out.evaluate(choice.maps[name]) for name in choice.tried}
    if choice.adapter is not None:
        scores[ADAPTER] = held_out.evaluate(choice.maps[ADAPTER])
    scores[CHOSEN_TRANSFORM] = scores[choice.transform]
    scores[CHOSEN] = scores[choice.transform if choice.name == choice.transform else ADAPTER]
    return scores


def _main(task: Task, values: NDArray[np.float64]) -> float:
    return task.summarize(values)[0]
