"""The tables of orders and weights for the page on training without negatives."""

from evaluation.documentation.orders import VARIANT, best_constants, constants_table, orders_table
from evaluation.documentation.results import StudySection
from evaluation.report.grid_ends import Candidate
from evaluation.report.summary import Section

# By batch size, order and weight; in-batch negatives alone score 50.
SCORES = {
    8: {"1": {1: 48, 2: 51, 4: 50}, "0.5": {1: 49, 2: 50, 4: 53}},
    32: {"1": {1: 52, 2: 51, 4: 48}, "0.5": {1: 50, 2: 54, 4: 51}},
}


def sections() -> list[StudySection]:
    """One regime for each batch size, with worse learning rates on both sides, once on one side alone."""
    made = []
    for size, orders in SCORES.items():
        tuning = [Candidate("none", 0.0, 1e-2, [49.0, 51.0], {}, chosen=True)]
        for order, weights in orders.items():
            rates = [3e-3, 1e-2] if (size, order) == (32, "0.5") else [3e-3, 1e-2, 3e-2]
            for weight, score in weights.items():
                for rate in rates:
                    reached, chosen = score - 5 * (rate != 1e-2), (score, rate) == (max(weights.values()), 1e-2)
                    tuning.append(Candidate(VARIANT + order, weight, rate, [reached], {}, chosen=chosen))
        regime = f"MedQuAD, batch {size}"
        section = Section(f"static, {regime}", [], [], regime=regime, tuning=tuning)
        made.append(StudySection("positives-orders", section))
    return made


def test_the_best_weight_of_each_order_is_beside_in_batch_negatives_and_flagged_at_an_end() -> None:
    assert orders_table(sections()).groups[""] == [
        ["order 1, best weight", "2: +1.0", "1 ⚑: +2.0"],
        ["order 0.5, best weight", "4 ⚑: +3.0", "2 ⚑: +4.0"],
    ]


def test_a_constant_is_judged_by_the_batch_size_where_it_loses_most() -> None:
    table = constants_table(sections())
    assert table.headers == ["weight", "batch 8", "batch 32", "most"]
    # The best of any order is 53 at batch 8 and 54 at batch 32.
    assert table.groups[""] == [
        ["order 1, the same, 2", "2.0", "3.0", "3.0"],
        ["order 1, falling as 1/√batch from 2", "2.0", "2.0", "2.0"],
        ["order 0.5, the same, 2", "3.0", "0.0", "3.0"],
        ["order 0.5, falling as 1/√batch from 4", "0.0", "0.0", "0.0"],
    ]


def test_a_weight_that_was_not_tried_at_every_batch_size_is_no_constant() -> None:
    scores = {"1": {8: {1.0: 50.0}, 32: {1.0: 50.0}}}
    assert [(one.falls, one.weight) for one in best_constants(scores)] == [(False, 1.0)]


def test_without_the_study_there_is_no_table() -> None:
    assert orders_table([]).groups == constants_table([]).groups == {}
