"""A choice at an end of its grid: found, flagged wherever the difference is shown, and counted nowhere."""

import io

import pytest
from example_summary import MEAN, row
from rich.console import Console

from evaluation.report.compact_reading import read_compact
from evaluation.report.compact_writing import write_compact
from evaluation.report.files import read_summary, write_report
from evaluation.report.grid_ends import Candidate, GridEnd, grid_ends
from evaluation.report.headline import headlines
from evaluation.report.markdown import markdown_report
from evaluation.report.measures import Pair
from evaluation.report.summary import Cost, Section, Summary, Transformed
from evaluation.report.tables import tuning_table, verdict_table
from evaluation.report.terminal import print_report

RATES, WEIGHTS = (1e-3, 3e-3, 1e-2), (1.0, 3.0, 10.0)
BETTER, SAME = [1.6, 1.7, 1.8], [-0.2, 0.1, 0.1]


def tried(
    variant: str, weight: float | str, rate: float, weights: tuple[float | str, ...] = WEIGHTS
) -> list[Candidate]:
    """A whole grid of which one setting was chosen."""
    return [Candidate(variant, w, r, [50.0], {}, (w, r) == (weight, rate)) for r in RATES for w in weights]


def section(tuning: list[Candidate], koleo: list[float] = BETTER) -> Section:
    rows = [row(MEAN, {"koleo": koleo, "whitening": BETTER})]
    transformed = [Transformed("none", "whitening")]
    return Section("static", ["none", "koleo", "whitening"], rows, transformed=transformed, tuning=tuning)


INSIDE = [*tried("none", 0, 3e-3, (0,)), *tried("koleo", 3.0, 3e-3)]
TOO_LIGHT = [*tried("none", 0, 3e-3, (0,)), *tried("koleo", 1.0, 3e-3)]
TOO_SLOW = [*tried("none", 0, 1e-2, (0,)), *tried("koleo", 3.0, 3e-3)]


@pytest.mark.parametrize(
    ("tuning", "ends"),
    [
        (INSIDE, []),
        (TOO_LIGHT, [GridEnd("koleo", "weight", 1.0, "lowest")]),
        (TOO_SLOW, [GridEnd("none", "learning rate", 1e-2, "highest")]),
        (
            tried("koleo", 10.0, 1e-3),
            [GridEnd("koleo", "learning rate", 1e-3, "lowest"), GridEnd("koleo", "weight", 10.0, "highest")],
        ),
    ],
)
def test_a_choice_at_an_end_of_rates_or_weights_is_found(tuning: list[Candidate], ends: list[GridEnd]) -> None:
    assert grid_ends(tuning) == ends


def test_one_value_is_no_choice_and_the_weight_0_is_no_end() -> None:
    assert grid_ends(tried("koleo", 3.0, 3e-3, (3.0,))) == []
    assert grid_ends(tried("koleo", 0.0, 3e-3, (0.0, 1.0, 3.0))) == []
    assert grid_ends(tried("koleo", 1.0, 3e-3, (0.0, 1.0, 3.0))) == []


def test_a_temperature_at_an_end_is_found_and_one_that_was_not_searched_has_none() -> None:
    scales = (5.0, 10.0, 20.0)
    at_end = [Candidate("none", 0, 3e-3, [50.0], {}, scale == 5.0, temperature_scale=scale) for scale in scales]
    assert grid_ends(at_end) == [GridEnd("none", "temperature scale", 5.0, "lowest")]
    inside = [Candidate("none", 0, 3e-3, [50.0], {}, scale == 10.0, temperature_scale=scale) for scale in scales]
    assert grid_ends(inside) == grid_ends(at_end[:1]) == []


def test_weights_of_one_kind_are_a_grid_of_their_own() -> None:
    mixed = ("auto:0.03", "auto", "auto:0.3", 1.0, 30.0)
    assert grid_ends(tried("koleo", "auto", 3e-3, mixed)) == []
    assert grid_ends(tried("koleo", "auto:0.3", 3e-3, mixed)) == [GridEnd("koleo", "weight", "auto:0.3", "highest")]
    assert grid_ends(tried("koleo", 1.0, 3e-3, mixed)) == [GridEnd("koleo", "weight", 1.0, "lowest")]
    assert grid_ends(tried("koleo", "decay:3", 3e-3, ("decay:3", 1.0, 30.0))) == []


def test_a_difference_of_which_a_side_chose_at_an_end_is_neither_gain_nor_loss() -> None:
    assert [one.outcome for one in section(INSIDE).findings()] == ["better", "better"]
    assert [one.outcome for one in section(TOO_LIGHT).findings()] == ["at an end of a grid", "better"]
    assert [one.outcome for one in section(TOO_SLOW).findings()] == ["at an end of a grid", "at an end of a grid"]
    [falling, _] = section(TOO_SLOW, [-x for x in BETTER]).findings()
    assert falling.outcome == "at an end of a grid"


def test_a_null_at_an_end_stays_a_null_and_is_flagged() -> None:
    [koleo, _] = section(TOO_LIGHT, SAME).findings()
    assert koleo.outcome == "no difference found"
    assert koleo.sentence.endswith("; koleo chose the lowest weight that was tried, 1")


def test_the_verdict_says_whose_choice_lies_at_which_end() -> None:
    [koleo, _] = section(TOO_SLOW).findings()
    assert koleo.sentence == (
        "at an end of a grid, so not counted as better: mean of STS and retrieval +1.7 [+1.45, +1.95] for new training "
        "runs (Student t over 3 paired runs); Holm's p 0.0023 among 2 comparisons; "
        "none chose the highest learning rate that was tried, 0.01"
    )


def test_a_transformed_variant_has_the_choices_of_the_one_it_is_made_from() -> None:
    assert section(TOO_SLOW).ends_of(Pair("whitening", "start")) == grid_ends(TOO_SLOW)
    assert section(TOO_LIGHT).ends_of(Pair("whitening", "start")) == []
    assert section(TOO_LIGHT).ends_of(Pair("koleo", "start")) == grid_ends(TOO_LIGHT)


def test_the_headline_counts_no_flagged_difference_as_a_rise() -> None:
    [line] = headlines(Summary("A title", [section(TOO_LIGHT)], [], Cost(1.0, 1.0)))
    assert line.sentence.startswith("better in 1 of 2 comparisons, at an end of a grid in 1. By mean of STS")
    assert "koleo +1.70 [+1.45, +1.95] (at an end of a grid)" in line.sentence


def test_the_tables_flag_the_difference_and_the_choice() -> None:
    koleo, whitening = verdict_table(section(TOO_LIGHT)).groups[""]
    assert (koleo[1][:2], whitening[1][:2]) == ("⚑ ", "▲ ")
    assert verdict_table(section(TOO_LIGHT, SAME)).groups[""][0][1].startswith("○⚑ ")
    choices = [cells[-1] for cells in tuning_table(section(TOO_LIGHT)).groups[""] if cells[-1]]
    assert choices == ["chosen", "chosen, ⚑ lowest weight"]


def test_the_report_reads_the_flag_where_there_is_one() -> None:
    flagged, plain = (
        markdown_report(Summary("A title", [section(tuning)], [], Cost(1.0, 1.0))) for tuning in (TOO_LIGHT, INSIDE)
    )
    assert "⚑ one of the two chose a setting at an end of its grid" in flagged and "⚑" not in plain
    print_report(Summary("A title", [section(TOO_LIGHT)], [], Cost(1.0, 1.0)), Console(file=io.StringIO()))


def test_a_summary_carries_the_ends_as_data_and_files_of_before_give_them_too(tmp_path) -> None:
    summary = Summary("A title", [section(TOO_SLOW)], [], Cost(1.0, 1.0))
    [written] = [one.to_dict() for one in summary.sections]
    expected = {"variant": "none", "setting": "learning rate", "value": 1e-2, "end": "highest"}
    assert written["grid_ends"] == [expected]
    write_report(summary, tmp_path)
    assert read_summary(tmp_path) == summary
    write_compact(summary, tmp_path / "compact.json")
    text = (tmp_path / "compact.json").read_text(encoding="utf-8")
    (tmp_path / "before.json").write_text(text.replace(',\n"corpora": []', ""), encoding="utf-8")
    assert '"corpora"' not in (tmp_path / "before.json").read_text(encoding="utf-8")
    for file in ("compact.json", "before.json"):
        assert read_compact(tmp_path / file).sections[0].grid_ends == grid_ends(TOO_SLOW)
