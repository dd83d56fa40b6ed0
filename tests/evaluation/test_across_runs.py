"""Runs side by side, and the command that writes reports anew."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from example_summary import ISOSCORE, MEAN, example_summary, small_summary
from rich.console import Console

from evaluation.__main__ import main
from evaluation.files import write_json
from evaluation.report.across_runs import compare_runs
from evaluation.report.files import write_report
from evaluation.report.grid_ends import Candidate
from evaluation.report.measures import Difference, Measure, Pair, Row
from evaluation.report.summary import Cost, Section, Summary
from evaluation.report.terminal import print_comparison
from evaluation.statistics.intervals import Comparison

COST = Cost(1.0, 1.0)


def row(measure: Measure, comparison: Comparison) -> Row:
    return Row(measure, {"old": [0.0], "new": [0.5]}, [Difference(Pair("new", "old"), [comparison])])


def run(**intervals: tuple[float, float] | None) -> Summary:
    """A run with one section and an isotropy row per interval; None for a difference without one."""
    rows = []
    for name, interval in intervals.items():
        low, high = interval or (None, None)
        comparison = Comparison(0.5, low, high, "", "new training runs", 3, None)
        rows.append(row(Measure("isotropy", name), comparison))
    return Summary("A title", [Section("a section", ["old", "new"], rows)], [], COST)


def test_intervals_agree_contradict_overlap_or_are_not_there() -> None:
    first = run(same=(1, 2), larger=(1, 2), apart=(1, 2), partly=(1, 3), zero=(-1, 1), without=(1, 2))
    second = run(same=(1.5, 3), larger=(3, 4), apart=(-4, -3), partly=(-1, 2), zero=(-2, 1), without=None)
    shared = {one.measure.name: one.reading for one in compare_runs({"a": first, "b": second}).shared}
    assert shared == {
        "same": "agree",
        "larger": "agree",
        "apart": "contradict",
        "partly": "overlap",
        "zero": "agree on none",
        "without": "undecided",
    }


def test_a_difference_at_an_end_of_a_grid_is_flagged_and_no_part_of_the_reading() -> None:
    plain = run(x=(1, 2))
    tuning = [Candidate("new", 0, rate, [50.0], {}, rate == 3e-3) for rate in (1e-3, 3e-3)]
    ended = replace(plain, sections=[replace(plain.sections[0], tuning=tuning)])
    comparison = compare_runs({"a": plain, "b": ended})
    assert comparison.shared[0].reading == "undecided"
    [[cells]] = comparison.table().groups.values()
    assert cells[2:4] == ["+0.50 [+1.00, +2.00]", "⚑ +0.50 [+1.00, +2.00]"]


def test_what_only_one_run_has_is_named() -> None:
    comparison = compare_runs({"a": run(x=(1, 2), y=(1, 2)), "b": run(x=(1, 2))})
    assert [one.measure.name for one in comparison.shared] == ["x"]
    assert comparison.alone == ["Only in a: y in “a section”."]
    more = example_summary(sections=2, variants=2)
    fewer = example_summary(sections=1, variants=1)
    comparison = compare_runs({"more": more, "fewer": replace(fewer, sections=[*fewer.sections])})
    assert comparison.alone == [
        "Only in more: MST length − none in “static, contrastive objective”, section “static, cosine objective”."
    ]


def test_markup_in_the_title_of_a_section_is_printed_as_it_is() -> None:
    one = run(isoscore=(1, 2))
    one = replace(one, sections=[replace(one.sections[0], title="cosine on STS17[en-en] [/x]")])
    console = Console(file=io.StringIO(), width=200)
    print_comparison(compare_runs({"a": one, "b": one}), console)
    assert "cosine on STS17[en-en] [/x]" in console.file.getvalue()


def test_runs_of_one_section_each_are_matched_whatever_its_title() -> None:
    other = run(x=(1, 2))
    other = replace(other, sections=[replace(other.sections[0], title="another section")])
    [shared] = compare_runs({"a": run(x=(1, 2)), "b": other}).shared
    assert shared.section == "a section / another section"


def test_means_over_other_tasks_and_measures_on_another_corpus_are_not_compared() -> None:
    def of(corpus: str, *tasks: str) -> Summary:
        comparison = Comparison(0.5, 0.4, 0.6, "", "new training runs", 3, None)
        rows = [
            row(measure, comparison)
            for measure in (
                ISOSCORE,
                *[Measure("similarity", "cosine_spearman", task) for task in tasks],
                MEAN,
                Measure("retrieval", "retention", corpus, "pq", "in range", only_corpus=True),
            )
        ]
        indexes = {"old": {corpus: []}, "new": {corpus: []}}
        one = Section("a section", ["old", "new"], rows, isotropy_of=corpus, indexes=indexes)
        return Summary("A title", [one], [], COST)

    comparison = compare_runs({"a": of("cisi", "STS12", "STS13"), "b": of("medquad", "STS12", "STS14")})
    assert [one.measure.name for one in comparison.shared] == ["STS12 Spearman"]
    assert comparison.alone == [
        "Only in a: STS13 Spearman in “a section”.",
        "Only in b: STS14 Spearman in “a section”.",
        "Measured on different tasks, so not compared, in “a section”: "
        "IsoScore, mean of STS and retrieval, pq retention.",
    ]
    same = compare_runs({"a": of("cisi", "STS12"), "b": of("cisi", "STS12")})
    assert len(same.shared) == 4 and same.alone == []


def test_nothing_shared_is_said() -> None:
    comparison = compare_runs({"a": run(x=(1, 2)), "b": run(y=(1, 2))})
    assert comparison.shared == [] and "have no difference in common" in comparison.answer


def test_the_command_compares_runs_and_writes_one_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_report(example_summary(1, 2), tmp_path / "a")
    write_report(example_summary(1, 3), tmp_path / "b")
    out = tmp_path / "out"
    assert main(["report", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "shared differences" in printed and "Only in b: KoLeo − none" in printed
    markdown = (out / "report-comparison.md").read_text(encoding="utf-8")
    assert "| measure | pair | a | b | reading |" in markdown
    assert "<table" in (out / "report-comparison.html").read_text(encoding="utf-8")

    stored = (tmp_path / "a" / "summary.json").read_bytes()
    written = (tmp_path / "a" / "report.html").read_bytes()
    (tmp_path / "a" / "report.html").unlink()
    assert main(["report", str(tmp_path / "a")]) == 0
    assert (tmp_path / "a" / "report.html").read_bytes() == written
    assert (tmp_path / "a" / "summary.json").read_bytes() == stored


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "has no summary.json: name the directory of a finished run."),
        ("{", "is broken"),
        ("[]", "is broken"),
        ('{"title": "old", "variants": [], "rows": []}', "is not a summary of this version (sections: Field required)"),
    ],
)
def test_a_wrong_summary_is_one_sentence(
    content: str | None, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "summary.json").write_text(content, encoding="utf-8")
    assert main(["report", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert reason in error and error.count("\n") == 1


def test_a_missing_folder_and_a_run_named_twice_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert "nowhere is not a folder" in capsys.readouterr().err
    write_json(tmp_path / "summary.json", small_summary().to_dict())
    assert main(["report", str(tmp_path), f"{tmp_path}/."]) == 2
    assert "given twice" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(tmp_path / "summary.json", small_summary().to_dict())

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("evaluation.report.files.write_text", full)
    assert main(["report", str(tmp_path)]) == 2
    assert "report.md: No space left on device" in capsys.readouterr().err
