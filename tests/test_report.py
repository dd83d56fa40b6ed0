"""Tables and verdicts from a summary with known numbers."""

import numpy as np
import pytest

from evaluation.report import markdown_report
from evaluation.rows import isotropy_rows, retrieval_rows, task_rows
from evaluation.statistics import NEW_QUERIES, NEW_RUNS
from evaluation.summary import Row, Summary

PAIR = "regularized − plain"
PAIRS = [("plain", "regularized")]


def summary(rows: list[Row]) -> Summary:
    timing = {"seconds": 61.0, "peak_memory_gib": 1.5}
    return Summary("A title", list(rows[0].values), rows, ["A note."], timing)


def isotropy(plain: list[float], regularized: list[float]) -> list[Row]:
    measured = {
        name: [
            {"isoscore": {"value": value, "isotropic": 0.9}, "average_cosine": {"value": value, "isotropic": 0.0}}
            for value in values
        ]
        for name, values in {"plain": plain, "regularized": regularized}.items()
    }
    return isotropy_rows(measured, PAIRS)


def task(score: float, units: dict[str, float] | None = None, kind: str = "Retrieval") -> dict[str, object]:
    return {"task": "T", "type": kind, "metric": "ndcg_at_10", "score": score, "units": units or {}, "pairs": {}}


def index(name: str, per_query: list[float], exact: list[float]) -> dict[str, object]:
    mean = sum(per_query) / len(per_query)
    return {
        "name": name,
        "ndcg_at_10": mean,
        "per_query": {str(i): value for i, value in enumerate(per_query)},
        "retention": mean / (sum(exact) / len(exact)),
    }


def test_a_rise_is_better_or_worse_by_the_direction_of_the_measure() -> None:
    rows = isotropy([0.10, 0.11, 0.12], [0.20, 0.22, 0.21])
    assert [finding.outcome for finding in summary(rows).findings()] == ["better"]
    assert rows[1].name == "average cosine" and not rows[1].greater_is_better
    [finding] = summary(rows[1:]).findings()
    assert finding.outcome == "worse"


def test_no_difference_names_what_would_often_go_unseen() -> None:
    [finding] = summary(isotropy([0.10, 0.11, 0.12], [0.12, 0.10, 0.12])).findings()
    assert finding.outcome == "no difference found"
    assert "a true difference under" in finding.sentence and NEW_RUNS in finding.sentence


def test_one_run_is_undecided_where_nothing_else_speaks() -> None:
    [finding] = summary(isotropy([0.1], [0.2])).findings()
    assert finding.outcome == "undecided"


def test_one_run_speaks_about_new_queries() -> None:
    generator = np.random.default_rng(0)
    plain = generator.uniform(0.2, 0.6, 100)
    units = [
        dict(zip(map(str, range(100)), values, strict=True))
        for values in (plain, plain + 0.1 + 0.01 * generator.normal(size=100))
    ]
    measured = {
        n: [[task(float(np.mean(list(u.values()))), u)]] for n, u in zip(("plain", "regularized"), units, strict=True)
    }
    [finding] = summary(task_rows(measured, PAIRS, generator)).findings()
    assert finding.outcome == "better" and NEW_QUERIES in finding.sentence


def test_scores_are_in_points_and_their_mean_is_a_row() -> None:
    measured = {"plain": [[task(0.40), task(0.60)]], "regularized": [[task(0.41), task(0.65)]]}
    rows = task_rows(measured, PAIRS, np.random.default_rng(0))
    assert [row.values["plain"] for row in rows] == [[40.0], [60.0], [50.0]]
    assert rows[-1].name == "mean of the tasks"
    assert rows[-1].comparisons[PAIR][0].estimate == pytest.approx(3.0)


def test_retention_is_the_share_of_exact_search_and_only_indexes_in_range_are_averaged() -> None:
    exact, half = [0.8, 0.4, 0.6], [0.4, 0.2, 0.3]
    run = [index("flat", exact, exact), index("pq", half, exact), index("hnsw", exact, exact)]
    rows = retrieval_rows(
        {"plain": [run], "regularized": [run]}, {"flat": "exact", "pq": "in range", "hnsw": "no headroom"}, PAIRS
    )
    by_name = {row.name: row for row in rows}
    assert by_name["pq retention"].values["plain"] == [pytest.approx(50.0)]
    assert by_name["mean of the approximate indexes"].values["plain"] == [pytest.approx(30.0)]
    assert "hnsw nDCG@10 (no headroom)" in by_name


def test_where_exact_search_finds_nothing_there_is_no_retention() -> None:
    nothing = [0.0, 0.0, 0.0]
    blind = [index("flat", nothing, [1.0]), {**index("pq", nothing, [1.0]), "retention": None}]
    seeing = [index("flat", [1.0, 0.5, 0.0], [1.0]), index("pq", [0.5, 0.5, 0.0], [1.0])]
    rows = retrieval_rows({"plain": [blind], "regularized": [seeing]}, {"flat": "exact", "pq": "in range"}, PAIRS)
    assert [row.name for row in rows] == ["flat nDCG@10", "pq nDCG@10", "mean of the approximate indexes"]


def test_the_report_has_a_line_for_every_row_and_names_both_estimands() -> None:
    generator = np.random.default_rng(0)
    units = {str(i): float(value) for i, value in enumerate(generator.uniform(size=40))}
    more = {key: value + 0.1 for key, value in units.items()} | {"0": 0.5}
    measured = {
        "plain": [[task(0.4, units)], [task(0.5, units)]],
        "regularized": [[task(0.5, more)], [task(0.7, more)]],
    }
    rows = task_rows(measured, PAIRS, generator)
    text = markdown_report(summary(rows))
    assert "95 %: new training runs" in text and "95 %: new queries or texts" in text
    assert "| T nDCG@10 ↑ | 45.0 | 60.0 | +15.00 |" in text
    assert "Took 1 min 01 s; peak memory 1.50 GiB." in text and "A note." in text
    lengths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(lengths) == 1


def test_a_name_with_a_bar_does_not_break_the_table() -> None:
    row = Row(
        "tasks",
        "a|b",
        True,
        None,
        {"plain": [1.0], "regularized": [2.0]},
        {PAIR: isotropy([1], [2])[0].comparisons[PAIR]},
    )
    text = markdown_report(summary([row]))
    assert "a\\|b" in text
