"""Which order of absolute entropy takes the place of negatives, and whether one weight serves every batch size."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isclose, sqrt

from evaluation.documentation.chosen_settings import validation_score, weight_scores
from evaluation.documentation.results import StudySection
from evaluation.report.grid_ends import grid_ends
from evaluation.report.summary import NONE, Section
from evaluation.report.tables import Table
from evaluation.report.wording import number, weight_text

ORDERS = "positives-orders"  # the name of the study; its regimes end in the batch size
VARIANT = "alignment + absolute_entropy_order_"  # how its variants begin; they end in the order

Scores = dict[str, dict[int, dict[float, float]]]  # by order, batch size and weight


@dataclass(frozen=True)
class Constant:
    """A weight for every batch size.

    Attributes:
        order: Order of the entropy.
        falls: Whether the weight falls with the square root of the batch size, from that of the smallest batch on.
        weight: At the smallest batch size.
        shortfalls: By batch size, the best validation score of any order and weight there, minus that of this one.
    """

    order: str
    falls: bool
    weight: float
    shortfalls: dict[int, float]


def orders_table(sections: Sequence[StudySection]) -> Table:
    """The chosen weight of each order at each batch size, and its validation score minus that of in-batch negatives.

    A weight or a learning rate at an end of what was tried is flagged.

    Args:
        sections: Of the study of orders. Its in-batch negatives have the library's temperature.
    """
    alone = {
        _batch_size(one): max(validation_score(tried) for tried in one.section.tuning if tried.variant == NONE)
        for one in sections
    }
    rows = [
        [
            f"order {order}, best weight",
            *[_chosen_cell(one.section, order, alone[_batch_size(one)]) for one in sections],
        ]
        for order in _scores(sections)
    ]
    return Table(["", *[f"batch {size}" for size in alone]], {"": rows} if rows else {})


def constants_table(sections: Sequence[StudySection]) -> Table:
    """For each order the weight for all batch sizes that loses least where it loses most.

    Args:
        sections: Of the study of orders.
    """
    found = best_constants(_scores(sections))
    sizes = list(found[0].shortfalls) if found else []
    rows = [
        [
            f"order {one.order}, {'falling as 1/√batch from' if one.falls else 'the same,'} {weight_text(one.weight)}",
            *[number(one.shortfalls[size], 1) for size in sizes],
            number(max(one.shortfalls.values()), 1),
        ]
        for one in found
    ]
    return Table(["weight", *[f"batch {size}" for size in sizes], "most"], {"": rows} if rows else {})


def best_constants(scores: Scores) -> list[Constant]:
    """Find, for each order, the weight that loses least at its worst batch size: the same for all, and falling."""
    found = []
    for order in scores:
        for falls in (False, True):
            candidates = list(_constants(scores, order, falls))
            if candidates:
                found.append(min(candidates, key=lambda one: max(one.shortfalls.values())))
    return found


def _constants(scores: Scores, order: str, falls: bool) -> Iterator[Constant]:
    """Every weight of which there are scores at all batch sizes."""
    smallest = min(scores[order])
    best = {size: max(max(of[size].values()) for of in scores.values()) for size in scores[order]}
    for weight in scores[order][smallest]:
        wanted = {size: weight * sqrt(smallest / size) if falls else weight for size in best}
        at = {size: _score_near(scores[order][size], wanted[size]) for size in best}
        reached = {size: score for size, score in at.items() if score is not None}
        if len(reached) == len(best):
            yield Constant(order, falls, weight, {size: best[size] - reached[size] for size in best})


def _score_near(weights: dict[float, float], wanted: float) -> float | None:
    return next((score for weight, score in weights.items() if isclose(weight, wanted, rel_tol=1e-6)), None)


def _scores(sections: Sequence[StudySection]) -> Scores:
    scores: Scores = {}
    for of_study in sections:
        tuning = of_study.section.tuning
        for variant in dict.fromkeys(one.variant for one in tuning if one.variant.startswith(VARIANT)):
            by_size = scores.setdefault(variant.removeprefix(VARIANT), {})
            by_size[_batch_size(of_study)] = dict(sorted(weight_scores(of_study.section, variant).items()))
    return scores


def _batch_size(of_study: StudySection) -> int:
    return int(of_study.section.regime.rpartition(" ")[2])


def _chosen_cell(section: Section, order: str, alone: float) -> str:
    of_order = [tried for tried in section.tuning if tried.variant == VARIANT + order]
    (chosen,) = [tried for tried in of_order if tried.chosen]
    end = " ⚑" if grid_ends(of_order) else ""
    return f"{weight_text(chosen.weight)}{end}: {number(validation_score(chosen) - alone, 1, sign=True)}"
