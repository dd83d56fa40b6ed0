"""Tables and verdicts from a summary with known numbers."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_summary import example_summary, renamed, small_summary

from evaluation.measured import IndexQuality, IndexScore, IsotropyValue, TaskScores
from evaluation.report.files import read_summary, write_report
from evaluation.report.index_rows import retrieval_rows
from evaluation.report.markdown import markdown_report
from evaluation.report.measures import Difference, Measure, Pair, Row
from evaluation.report.rows import isotropy_rows, task_rows
from evaluation.report.summary import Cost, Section, Summary, TransferAnswer
from evaluation.report.terminal import print_report, wide_console
from evaluation.statistics.intervals import NEW_QUERIES, NEW_RUNS, Comparison, student_interval

PAIR = Pair("regularized", "plain")
PAIRS = [PAIR]


def section(rows: list[Row]) -> Section:
    return Section("A section", list(rows[0].values), rows)


def summary(rows: list[Row]) -> Summary:
    return Summary("A title", [section(rows)], ["A note."], Cost(61.0, 1.5))


def isotropy(plain: list[float], regularized: list[float]) -> list[Row]:
    measured = {
        name: [{"isoscore": IsotropyValue(value, 0.9), "average_cosine": IsotropyValue(value, 0.0)} for value in values]
        for name, values in {"plain": plain, "regularized": regularized}.items()
    }
    return isotropy_rows(measured, PAIRS)


def task(score: float, units: dict[str, float] | None = None, name: str = "T") -> TaskScores:
    return TaskScores(name, "Retrieval", "ndcg_at_10", score, 0.0, units or {})


def index(name: str, per_query: list[float], exact: list[float]) -> IndexScore:
    mean = sum(per_query) / len(per_query)
    found = {"recall_at_10": 1.0, "recall_at_100": 1.0, "hubness": 0.0, "seed_spread": 0.0}
    cost = {"distances_per_query": 1.0, "bytes_per_vector": 1.0}
    quality = IndexQuality(name, {}, mean, **found, **cost, retention=mean / (sum(exact) / len(exact)))
    return IndexScore(quality, {str(i): value for i, value in enumerate(per_query)}, 0.0, 0.0)


def without_retention(score: IndexScore) -> IndexScore:
    return replace(score, quality=replace(score.quality, retention=None))


def test_a_rise_is_better_or_worse_by_the_direction_of_the_measure() -> None:
    rows = isotropy([0.10, 0.11, 0.12], [0.20, 0.22, 0.21])
    assert [finding.outcome for finding in section(rows).findings()] == ["better"]
    assert rows[1].name == "average cosine" and not rows[1].measure.greater_is_better
    [finding] = section(rows[1:]).findings()
    assert finding.outcome == "worse"


def test_no_difference_names_what_would_often_go_unseen() -> None:
    [finding] = section(isotropy([0.10, 0.11, 0.12], [0.12, 0.10, 0.12])).findings()
    assert finding.outcome == "no difference found"
    assert "a true difference under" in finding.sentence and NEW_RUNS in finding.sentence


def test_one_run_is_undecided_where_nothing_else_speaks() -> None:
    [finding] = section(isotropy([0.1], [0.2])).findings()
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
    [finding] = section(task_rows(measured, PAIRS, generator)).findings()
    assert finding.outcome == "better" and "for new queries of this task, these runs fixed" in finding.sentence


def test_scores_are_in_points_and_their_mean_is_a_row() -> None:
    measured = {
        name: [[task(first, name="S"), task(second, name="T")]]
        for name, first, second in (("plain", 0.40, 0.60), ("regularized", 0.41, 0.65))
    }
    rows = task_rows(measured, PAIRS, np.random.default_rng(0))
    assert [row.values["plain"] for row in rows] == [[40.0], [60.0], [50.0]]
    assert rows[-1].name == "mean of STS and retrieval"
    assert rows[-1].comparisons(PAIR)[0].estimate == pytest.approx(3.0)


def test_a_variant_that_lacks_a_task_gets_no_verdict_from_another_measure() -> None:
    generator = np.random.default_rng(0)
    names = ("plain", "whole", "broken")
    measured = {
        name: [
            [
                task(0.5 + rise + 0.001 * generator.normal(), name=letter)
                for letter in "ABCD"[: 3 if name == "broken" else 4]
            ]
            for _ in range(5)
        ]
        for name, rise in zip(names, (0.0, -0.01, -0.01), strict=True)
    }
    pairs = [Pair("whole", "plain"), Pair("broken", "plain")]
    rows = task_rows(measured, pairs, generator)
    whole, broken = section(rows).findings()
    assert {whole.measure.name, broken.measure.name} == {"mean of STS and retrieval"}
    assert (whole.outcome, broken.outcome) == ("worse", "undecided")
    assert broken.comparison.estimate == pytest.approx(-1, abs=0.2)
    assert "no interval: 1 of the 4 scores that it is the mean of are missing" in broken.sentence
    markdown_report(summary(rows))


def test_queries_of_reranking_are_queries() -> None:
    units = {str(i): 0.1 * i for i in range(9)}
    run = replace(task(0.4, units), type="Reranking")
    [row] = task_rows({"plain": [[run]], "regularized": [[run]]}, PAIRS, np.random.default_rng(0))
    assert [comparison.estimand for comparison in row.comparisons(PAIR)] == [NEW_RUNS, NEW_QUERIES]


def test_retention_is_the_share_of_exact_search_and_only_indexes_in_range_are_averaged() -> None:
    exact, half = [0.8, 0.4, 0.6], [0.4, 0.2, 0.3]
    run = [index("flat", exact, exact), index("pq", half, exact), index("hnsw", exact, exact)]
    rows = retrieval_rows(
        {"plain": [{"T": run}], "regularized": [{"T": run}]},
        {"T": {"flat": "exact", "pq": "in range", "hnsw": "no headroom"}},
        PAIRS,
    )
    by_name = {row.name: row for row in rows}
    assert by_name["pq retention"].values["plain"] == [pytest.approx(50.0)]
    assert by_name["mean of the approximate indexes"].values["plain"] == [pytest.approx(30.0)]
    assert "hnsw nDCG@10 (no headroom)" in by_name


def test_where_exact_search_finds_nothing_there_is_no_retention() -> None:
    nothing = [0.0, 0.0, 0.0]
    blind = [index("flat", nothing, [1.0]), without_retention(index("pq", nothing, [1.0]))]
    seeing = [index("flat", [1.0, 0.5, 0.0], [1.0]), index("pq", [0.5, 0.5, 0.0], [1.0])]
    measured = {"plain": [{"T": blind}], "regularized": [{"T": seeing}]}
    rows = retrieval_rows(measured, {"T": {"flat": "exact", "pq": "in range"}}, PAIRS)
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
    assert "95 %: new training runs" in text and "95 %: new queries, texts or tasks" in text
    assert "| T nDCG@10 ↑ | 45.0 | 60.0 | +15.00 |" in text
    assert "Took 1 min 01 s; peak memory 1.50 GiB." in text and "A note." in text
    lengths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(lengths) == 1


def test_a_name_with_a_bar_does_not_break_the_table() -> None:
    comparisons = isotropy([1], [2])[0].comparisons(PAIR)
    values = {"plain": [1.0], "regularized": [2.0]}
    row = Row(Measure("labels", "accuracy", "a|b"), values, [Difference(PAIR, comparisons)])
    text = markdown_report(summary([row]))
    assert "a\\|b" in text


def printed(summary: Summary) -> str:
    console = wide_console()
    console.file, console.width = io.StringIO(), 136
    print_report(summary, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    for place, one in enumerate((example_summary(1, 1), small_summary())):
        folder = tmp_path / str(place)
        write_report(one, folder)
        assert read_summary(folder) == one
        assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.md", "summary.json"]


def test_the_terminal_shows_few_variants_side_by_side() -> None:
    text = printed(small_summary())
    [line] = [line for line in text.splitlines() if line.startswith(" IsoScore ↑")]
    assert len(line.split()) == 2 + 4 + 1 + 3  # name and arrow, four values, difference, interval
    assert "Isotropy: rose" in text and "Took 1 min 01 s" in text
    assert "…" not in text.replace(" … ", "")  # nothing is cut off


def test_a_table_wider_than_the_terminal_keeps_its_names_and_its_intervals_whole() -> None:
    whole = small_summary()
    estimate = Comparison(-0.83, -1.0, -0.55, "bootstrap", "over weights", 4, 0.4)
    measures = [f"measure {place}" for place in range(7)]
    answers = [TransferAnswer("persistent_entropy", measure, estimate) for measure in measures]
    text = printed(replace(whole, sections=[replace(whole.sections[0], transfer=answers)]))
    [line] = [line for line in text.splitlines() if line.startswith(" persistent_entropy ")]
    assert line.count("▼ −0.83 [−1.00, −0.55]") == 7
    assert max(len(line) for line in text.splitlines() if line.startswith("Intervals")) <= 136  # sentences are not


def test_a_split_in_a_name_is_no_emoji() -> None:
    whole = small_summary()
    flat = Measure("retrieval", "ndcg_at_10", "SciFact:train", "flat", "exact")
    rows = [replace(row, measure=flat) for row in whole.sections[0].rows[:1]]
    text = printed(replace(whole, sections=[replace(whole.sections[0], rows=rows)]))
    assert "SciFact:train: flat" in text


def test_the_terminal_has_a_line_for_each_of_many_variants_and_the_answer_after_the_tables() -> None:
    text = printed(example_summary())
    lines = text.splitlines()
    assert max(map(len, lines)) <= 136
    for variant in ("persistent entropy", "MST length", "centring"):
        assert len([line for line in lines if line.startswith(f" {variant} ")]) == 4  # verdicts and transfer, twice
    assert text.index("Isotropy: rose in") > text.rindex("centring  ")
    assert "Missing: static, cosine objective: NFCorpus" in text


def test_markdown_has_everything_and_its_tables_are_whole() -> None:
    text = markdown_report(example_summary())
    for heading in (
        "## static, contrastive",
        "### Every measure",
        "### Every difference",
        "### Tuning",
        "### Indexes on",
    ):
        assert heading in text
    assert "- persistent entropy − none, Isotropy: better: IsoScore" in text
    assert "| persistent entropy | 10 | 0.002 |" in text and "| chosen |" in text
    assert "**Missing:**" in text
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.splitlines()}) == 1


def test_markup_in_a_name_is_printed_as_it_is() -> None:
    one = small_summary()
    name = "[bold]a[/bold]/../<b>"
    one = replace(one, title=name, sections=[renamed(one.sections[0], "persistent entropy", name)], notes=["[x] y"])
    assert name in printed(one) and "[x] y" in printed(one)
    assert "<b>" not in markdown_report(one)


def corpora(differences: dict[str, float]) -> list[Row]:
    """Exact search on several corpora, with one run: regularized is above plain by as much at every query."""
    generator = np.random.default_rng(0)
    plain, regularized = {}, {}
    for name, difference in differences.items():
        scores = generator.uniform(0.2, 0.6, 60)
        higher = scores + difference + 0.02 * generator.normal(size=60)
        plain[name], regularized[name] = ([index("flat", list(found), list(found))] for found in (scores, higher))
    statuses = {name: {"flat": "exact"} for name in differences}
    return retrieval_rows({"plain": [plain], "regularized": [regularized]}, statuses, PAIRS)


def test_measures_that_speak_for_themselves_are_one_family() -> None:
    rows = corpora({"x": 0.0, "y": 0.0, "z": 0.006})
    *rows, mean = rows
    [alone] = section(rows[2:]).findings()
    assert alone.outcome == "better"
    undecided = replace(
        mean, differences=[Difference(PAIR, mean.comparisons(PAIR)[:1])]
    )  # one run, and no interval over queries
    found = section([*rows, undecided]).findings()
    assert [finding.outcome for finding in found] == ["no difference found"] * 3
    assert found[2].adjusted_p == pytest.approx(3 * (alone.adjusted_p or 0))
    assert "among 3 comparisons, better if it were the only one" in found[2].sentence
    assert found[2].sentence.count("would often go unseen") == 1


def test_with_several_corpora_the_verdict_rests_on_their_mean() -> None:
    runs = [corpora({"x": 0.02, "y": -0.10, "z": -0.10 + noise}) for noise in (0.0, 0.01, 0.02)]
    rows = [
        replace(
            several[0],
            values={variant: [row.values[variant][0] for row in several] for variant in several[0].values},
            differences=[
                Difference(PAIR, [student_interval([row.mean("regularized") - row.mean("plain") for row in several])])
            ],
        )
        for several in zip(*runs, strict=True)
    ]
    [finding] = section(rows).findings()
    assert (finding.measure.name, finding.outcome) == ("mean over corpora: flat nDCG@10", "worse")


def test_means_over_corpora_leave_out_those_where_an_index_is_not_in_range() -> None:
    exact, most, half = [0.8, 0.4, 0.6], [0.7, 0.4, 0.5], [0.4, 0.2, 0.3]
    run = {
        name: [index("flat", exact, exact), index("pq", found, exact)]
        for name, found in zip("xyz", (most, half, half), strict=True)
    }
    statuses = {
        name: {"flat": "exact", "pq": status}
        for name, status in zip("xyz", ("no headroom", *["in range"] * 2), strict=True)
    }
    by_name = {row.name: row for row in retrieval_rows({"plain": [run], "regularized": [run]}, statuses, PAIRS)}
    assert by_name["mean over corpora: pq retention"].values["plain"] == [pytest.approx(50.0)]
    assert "x: pq retention (no headroom)" in by_name
