"""Over what a mean over tasks generalizes: few tasks are no sample of tasks, and parts of one corpus are one task."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from evaluation.measured import Measured, TaskScores
from evaluation.report.compact_reading import read_compact
from evaluation.report.compact_writing import write_compact
from evaluation.report.corpora import parts_of_one_corpus
from evaluation.report.files import read_summary, write_report
from evaluation.report.markdown import markdown_report
from evaluation.report.measures import Measure, Pair, Row
from evaluation.report.rows import task_rows
from evaluation.report.summary import Cost, Section, Summary, main_comparison
from evaluation.report.tables import verdict_table
from evaluation.report.terminal import print_report
from evaluation.statistics.few_tasks import averaged_interval, combined_interval
from evaluation.statistics.intervals import (
    NEW_ITEMS,
    NEW_QUERIES,
    NEW_RUNS,
    NEW_TASKS,
    Comparison,
    query_interval,
    task_interval,
)
from evaluation.study.section import build_section

PAIR, MEAN = Pair("new", "old"), Measure("similarity")
CORPUS = ("path/a", "hash of documents")


def scores(name: str, rise: float = 0.0, data: tuple[str, ...] = (), queries: int = 200, seed: int = 0) -> TaskScores:
    rng = np.random.default_rng([seed, *map(ord, name)])
    values = np.clip(rng.uniform(0.2, 0.6, queries) + rise + 0.05 * rise * rng.normal(size=queries), 0, 1)
    units = {str(place): float(value) for place, value in enumerate(values)}
    return TaskScores(name, "Retrieval", "ndcg_at_10", float(values.mean()), 0.0, units, data=data)


def mean_row(rises: dict[str, float], corpora: list[list[str]] | None = None, runs: int = 1) -> Row:
    measured = {
        "old": [[scores(name) for name in rises]] * runs,
        "new": [[scores(name, rise + 0.001 * run) for name, rise in rises.items()] for run in range(runs)],
    }
    rows = task_rows(measured, [PAIR], np.random.default_rng(0), corpora or [])
    return next(row for row in rows if row.measure.is_mean)


def section(rises: dict[str, float], corpora: list[list[str]] | None = None, runs: int = 1) -> Section:
    tasks = [Row(Measure("similarity", "ndcg_at_10", name), {}) for name in rises]
    row = mean_row(rises, corpora, runs)
    return Section("here", ["old", "new"], [*tasks, row], corpora=corpora or [])


def test_two_tasks_each_of_whose_intervals_excludes_zero_are_a_difference() -> None:
    rises = {"one": -0.17, "two": -0.02}
    assert task_interval([-17.0, -2.0]).high > 0  # as a sample of tasks, two say nothing
    [finding] = section(rises).findings()
    assert finding.outcome == "worse"
    assert "for new queries or texts of these 2 tasks, these runs fixed (combined from" in finding.sentence


def test_over_five_tasks_the_verdict_of_one_run_is_about_new_tasks() -> None:
    four, five = ({name: 0.05 + 0.01 * place for place, name in enumerate("abcde"[:count])} for count in (4, 5))
    assert [section(four).findings()[0].comparison.estimand] == [NEW_ITEMS]
    [finding] = section(five).findings()
    assert finding.comparison.estimand == NEW_TASKS and f"for {NEW_TASKS} (Student t over 5 tasks)" in finding.sentence


def test_several_runs_speak_of_new_runs_on_these_tasks() -> None:
    for names, said in (("ab", "these 2 tasks"), ("abcde", "these 5 tasks")):
        [finding] = section(dict.fromkeys(names, 0.05), runs=3).findings()
        assert finding.comparison.estimand == NEW_RUNS
        assert f"for new training runs on {said} (Student t over 3 paired runs)" in finding.sentence
    header = verdict_table(section(dict.fromkeys("ab", 0.05), runs=3)).headers[1]
    assert header == "STS and retrieval tasks: mean of STS and retrieval, for new training runs on these 2 tasks"


def test_a_verdict_that_generalizes_to_something_else_than_its_column_says_so() -> None:
    both = section(dict.fromkeys("ab", 0.05), runs=3)
    more = mean_row(dict.fromkeys("ab", 0.05))
    pair = Pair("other", "old")
    row = both.rows[-1]
    differences = [*row.differences, replace(row.differences[0], pair=Pair("third", "old"))]
    differences.append(replace(more.differences[0], pair=pair))
    cells = verdict_table(replace(both, rows=[*both.rows[:-1], replace(row, differences=differences)])).groups[""]
    assert [" for " in line[1] for line in cells] == [False, False, True]
    assert cells[2][1].endswith(" for new queries or texts of these 2 tasks, these runs fixed")


def test_a_comparison_over_fewer_than_five_tasks_from_before_decides_nothing() -> None:
    alone = Comparison(-9.5, None, None, "no interval: one alone has no spread", NEW_RUNS, 1, None)
    assert main_comparison([alone, task_interval([-17.0, -2.0])]) is alone
    assert main_comparison([alone, task_interval([-17.0, -2.0, -3.0, -4.0, -5.0])]).estimand == NEW_TASKS


def test_a_task_without_scores_of_single_texts_leaves_few_tasks_without_an_interval() -> None:
    measured = {
        name: [[scores("a", rise), replace(scores("b", rise), units={})]] for name, rise in (("old", 0.0), ("new", 0.1))
    }
    rows = task_rows(measured, [PAIR], np.random.default_rng(0))
    assert rows[-1].comparisons(PAIR)[-1].method == "no interval: 1 of the 2 tasks have none"
    [finding] = Section("here", ["old", "new"], rows).findings()
    assert (finding.measure.task, finding.outcome, finding.tasks) == ("a", "better", 1)


def test_the_errors_of_tasks_add_up_as_those_of_independent_samples() -> None:
    differences = np.random.default_rng(0).normal(1, 2, size=(3, 400))
    together = combined_interval([query_interval(one) for one in differences])
    error = np.sqrt((differences.var(axis=1, ddof=1) / 400).sum()) / 3
    assert together.estimate == pytest.approx(differences.mean())
    assert (together.high - together.low) / 2 == pytest.approx(1.96 * error, rel=0.01)


def test_the_mean_of_parts_is_never_narrower_than_the_same_queries_asked_twice() -> None:
    once = query_interval(np.random.default_rng(0).normal(1, 2, size=400))
    twice = averaged_interval([once, once])
    assert (twice.low, twice.high, twice.n) == (once.low, once.high, once.n)


@pytest.mark.parametrize(
    ("data", "corpora"),
    [
        ([("p",), ("q",), ("r",)], []),
        ([(), (), ()], []),
        ([("p",), ("q", "h"), ("p",)], [["a", "c"]]),
        ([("p", "h"), ("q", "h"), ("r",)], [["a", "b"]]),
        ([("p", "h"), ("q", "g"), ("q", "h")], [["a", "b", "c"]]),
    ],
)
def test_tasks_that_share_a_data_set_or_documents_are_parts_of_one_corpus(
    data: list[tuple[str, ...]], corpora: list[list[str]]
) -> None:
    tasks = [scores(name, data=of) for name, of in zip("abc", data, strict=True)]
    assert parts_of_one_corpus(tasks) == corpora


def test_parts_of_one_corpus_are_averaged_before_anything_else() -> None:
    rises = {"a": 0.02, "b": 0.06, "c": 0.10}
    row = mean_row(rises, [["a", "b"]])
    assert row.comparisons(PAIR)[0].estimate == pytest.approx(7, abs=0.1)  # 4 and 10, not 2, 6 and 10
    assert row.comparisons(PAIR)[-1].method == "combined from the intervals of 2 tasks"
    assert row.values["new"][0] - row.values["old"][0] == pytest.approx(row.comparisons(PAIR)[-1].estimate)


def test_parts_do_not_make_up_the_five_tasks_that_new_tasks_take() -> None:
    rises = {name: 0.05 + 0.01 * place for place, name in enumerate("abcde")}
    assert section(rises).findings()[0].comparison.estimand == NEW_TASKS
    [finding] = section(rises, [["a", "b"]]).findings()
    assert (finding.comparison.estimand, finding.tasks) == (NEW_ITEMS, 4)


def test_where_all_are_parts_of_one_corpus_it_is_one_task() -> None:
    [finding] = section({"a": 0.05, "b": 0.06}, [["a", "b"]]).findings()
    assert finding.outcome == "better"
    assert "of this task, these runs fixed (averaged over 2 parts of one corpus)" in finding.sentence


def test_a_section_knows_the_corpora_of_its_tasks_and_the_report_names_them(tmp_path) -> None:
    measured = {
        name: [Measured(tasks=[scores(task, rise, data) for task, data in (("a", CORPUS), ("b", CORPUS), ("c", ()))])]
        for name, rise in (("old", 0.0), ("new", 0.1))
    }
    built = build_section("here", "a", measured, [PAIR])
    assert built.corpora == [["a", "b"]] and built.findings()[0].tasks == 2
    summary = Summary("A title", [built], [], Cost(1.0, 1.0))
    note = "a and b are parts of one corpus: in the mean over tasks they count as one."
    assert note in markdown_report(summary)
    printed = io.StringIO()
    print_report(summary, Console(file=printed, width=200))
    assert note in printed.getvalue()
    write_report(summary, tmp_path)
    assert read_summary(tmp_path) == summary
    write_compact(summary, tmp_path / "compact.json")
    assert read_compact(tmp_path / "compact.json").sections[0].corpora == [["a", "b"]]


def test_queries_of_a_task_row_are_those_of_this_task() -> None:
    [row] = task_rows({"old": [[scores("a")]], "new": [[scores("a", 0.1)]]}, [PAIR], np.random.default_rng(0))
    [finding] = Section("here", ["old", "new"], [row]).findings()
    assert finding.comparison.estimand == NEW_QUERIES
    assert "for new queries of this task, these runs fixed (Student t over 200 queries)" in finding.sentence
