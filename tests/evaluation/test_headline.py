"""The five lines that answer what a run was for."""

from dataclasses import replace

import numpy as np
from example_summary import ISOSCORE, MEAN, example_summary, small_summary

from evaluation.report.headline import headlines
from evaluation.report.measures import Difference, Measure, Pair, Row
from evaluation.report.summary import Cost, Section, Summary, TransferAnswer
from evaluation.statistics.dose_response import dose_response
from evaluation.statistics.intervals import query_interval, student_interval

COST = Cost(1.0, 1.0)
FLAT = Measure("retrieval", "ndcg_at_10", "cisi", "flat", "exact", only_corpus=True)
PQ = replace(FLAT, index="pq", status="in range")


def answer(summary: Summary) -> list[str]:
    return [f"{headline.title}: {headline.sentence}" for headline in headlines(summary)]


def summary(*sections: Section) -> Summary:
    return Summary("A title", list(sections), [], COST)


def section(differences: dict[str, list[float]], title: str = "here", measure: Measure = ISOSCORE) -> Section:
    """New variants compared with "old" on one measure."""
    count = len(next(iter(differences.values())))
    values = {"old": [1.0] * count, **{new: [1.0 + change for change in runs] for new, runs in differences.items()}}
    found = [Difference(Pair(new, "old"), [student_interval(runs)]) for new, runs in differences.items()]
    return Section(title, list(values), [Row(measure, values, found)])


def test_a_rise_names_its_numbers_and_its_estimand() -> None:
    [line] = answer(summary(section({"new": [0.01, 0.02, 0.03, 0.02]})))
    assert line == "Isotropy: rose, IsoScore +0.020 [+0.007, +0.033] (new − old) for new training runs."


def test_a_null_says_what_would_often_go_unseen() -> None:
    [line] = answer(summary(section({"new": [-0.1, 0.2, 0.0]}, measure=MEAN)))
    assert line.startswith("STS and retrieval tasks: no difference found, mean of STS and retrieval +0.03 [")
    assert "a true difference under" in line and "would often go unseen" in line


def test_one_run_is_undecided_and_says_why() -> None:
    [line] = answer(summary(section({"new": [0.1]})))
    assert line == "Isotropy: undecided, IsoScore +0.1 (new − old), no interval: one alone has no spread."
    few = query_interval([0.5, 0.0, 0.0])
    both = section({"new": [0.1]})
    both.rows[0].comparisons(Pair("new", "old")).append(few)
    [line] = answer(summary(both))
    assert line == "Isotropy: undecided, IsoScore +0.167 (new − old), no interval: 1 of 3 differ, and it takes 20."
    [line] = answer(summary(section({"one": [0.1], "two": [0.2]})))
    assert line == "Isotropy: undecided in all 2 comparisons; no interval: one alone has no spread."


def test_many_are_counted_and_the_best_and_the_worst_are_named() -> None:
    up, down, none = [0.1, 0.11, 0.12, 0.11], [-0.2, -0.21, -0.22, -0.2], [0.01, -0.02, 0.0, 0.01]
    [line] = answer(summary(section({"up": up, "none": none}), section({"down": down, "flat": none}, "there")))
    assert line == (
        "Isotropy: rose in 1 of 4 comparisons, fell in 1, no difference found in 2. "
        "By IsoScore: most up (here) +0.110 [+0.097, +0.123], least down (there) −0.208 [−0.223, −0.192]."
    )


def test_the_only_decided_of_several_is_named() -> None:
    [line] = answer(summary(section({"up": [0.1, 0.11, 0.12, 0.11], "same": [0.2, 0.2, 0.2, 0.2]})))
    assert line == (
        "Isotropy: rose in 1 of 2 comparisons, undecided in 1. By IsoScore: most up +0.110 [+0.097, +0.123]."
    )


def test_a_rise_that_does_not_survive_its_family_is_not_counted() -> None:
    barely = {f"new{place}": [0.1, 0.2, 0.32, 0.02 * place] for place in range(8)}
    [alone] = answer(summary(section({"new0": [0.1, 0.2, 0.32, 0.15]})))
    assert alone.startswith("Isotropy: rose")
    [line] = answer(summary(section(barely)))
    assert line.startswith("Isotropy: no difference found in all 8 comparisons. By IsoScore: most ")


def test_dose_response_counts_yes_no_and_the_opposite() -> None:
    rng = np.random.default_rng(0)
    doses = np.tile(np.arange(6.0), (5, 1))
    found = []
    for name, scores in (("up", doses), ("down", -doses), ("noise", rng.normal(size=(5, 6)))):
        comparison = dose_response(doses, scores + rng.normal(size=(5, 6)) * 0.01)
        found.append(TransferAnswer(name, "isoscore", comparison))
    line = answer(summary(replace(section({"up": [0.1, 0.2]}), transfer=found)))[-1]
    assert line.startswith(
        "Dose-response: scores rise with isotropy in 1 of 3 curves, scores fall as isotropy rises in 1, "
        "no evidence in 1. Rank correlation: highest up by IsoScore +1.00 ["
    )


def test_single_measures_that_speak_for_themselves_are_named_unless_they_do_not_count() -> None:
    base = section({"new": [0.1]}, measure=FLAT)
    rows = [
        replace(base.rows[0], measure=measure, differences=[Difference(Pair("new", "old"), [student_interval(runs)])])
        for measure, runs in (
            (FLAT, [0.1]),
            (Measure("retrieval", "ndcg_at_10"), [0.2]),
            (PQ, [0.3, 0.32, 0.31]),
            (replace(PQ, index="ivf"), [-1.0, 1, 0]),
            (replace(PQ, index="hnsw", metric="retention", status="out of range"), [9.0, 8.0, 9.0]),
        )
    ]
    [line] = answer(summary(replace(base, rows=rows)))
    assert line.startswith("FAISS retrieval: better in 1 of 2 comparisons, no difference found in 1. Best pq nDCG@10 ")
    assert "worst ivf nDCG@10" in line


def test_where_no_index_is_in_range_the_line_says_that_it_speaks_of_exact_search() -> None:
    base = section({"new": [0.3, 0.32, 0.31]}, measure=FLAT)
    rows = [base.rows[0], replace(base.rows[0], measure=replace(PQ, status="no headroom"))]
    [line] = answer(summary(replace(base, rows=rows)))
    assert line.startswith(
        "FAISS retrieval (exact search, because no approximate index is in range): better, flat nDCG@10 +0.310 ["
    )


def test_there_are_at_most_five_lines_and_none_about_what_was_not_measured() -> None:
    assert [headline.title for headline in headlines(example_summary())] == [
        "Isotropy",
        "STS and retrieval tasks",
        "Classification and clustering",
        "FAISS retrieval",
        "Dose-response",
    ]
    assert len(answer(small_summary())) == 4
    assert answer(summary()) == []


def test_what_cures_a_harmful_objective_is_said_to_be_worse_than_the_start() -> None:
    cured, plain = [-2.0, -2.1, -1.9, -2.0], [-5.0, -5.2, -4.8, -5.0]
    values = {"start": [50.0], "none": [50 + fall for fall in plain], "koleo": [50 + fall for fall in cured]}
    found = [
        Difference(Pair("koleo", "none"), [student_interval(np.subtract(cured, plain))]),
        Difference(Pair("none", "start"), [student_interval(plain)]),
        Difference(Pair("koleo", "start"), [student_interval(cured)]),
    ]
    one = Section("here", list(values), [Row(MEAN, values, found)])
    [line] = answer(summary(one))
    assert line.startswith("STS and retrieval tasks: better, mean of STS and retrieval +3.00 [")
    assert line.endswith(
        " Beside the start model: worse in all 2 comparisons. Better than the objective, worse than the start: koleo."
    )


def test_each_reference_has_a_family_of_its_own() -> None:
    rises = {name: [0.1, 0.2, 0.32, 0.15] for name in ("a", "b")}
    found = {new: [student_interval(runs)] for new, runs in rises.items()}
    beside = {old: [Difference(Pair(new, old), found[new]) for new in found] for old in "xy"}
    values = {name: [1.0] * 4 for name in (*rises, "x", "y")}
    one = Section("here", list(values), [Row(ISOSCORE, values, [*beside["x"], *beside["y"]])])
    alone = Section("here", list(values), [Row(ISOSCORE, values, beside["x"])])
    assert [finding.adjusted_p for finding in one.findings()] == 2 * [f.adjusted_p for f in alone.findings()]
    assert {finding.family for finding in one.findings()} == {2}
