"""What the documentation generates: from results with known numbers, from none, and from what is committed."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_summary import COSINE, MEAN, example_summary, renamed, row

pytest.importorskip("matplotlib", reason="the figures need the extra eval")


from evaluation.documentation import forest_figures, generated, results
from evaluation.documentation.chosen_settings import WeightChoice, tried_weights, weight_choices, weight_gains
from evaluation.documentation.colors import palettes
from evaluation.documentation.differences import retention_row
from evaluation.documentation.effects import (
    choices_table,
    effects_table,
    heads_table,
    measures_table,
)
from evaluation.documentation.figures import drawn
from evaluation.documentation.forest_figures import regimes_figure, variants_figure
from evaluation.documentation.generated import GENERATED, NOTHING
from evaluation.documentation.results import METHOD, StudySection, sections_of_studies, studies
from evaluation.documentation.study_pages import study_page, study_plots
from evaluation.documentation.without_negatives import batches_table, overview_table, rates_table
from evaluation.errors import UserError
from evaluation.files import write_json
from evaluation.report.compact_reading import read_compact
from evaluation.report.compact_writing import write_compact
from evaluation.report.files import write_report
from evaluation.report.grid_ends import Candidate
from evaluation.report.markdown import markdown_report
from evaluation.report.measures import Difference, Measure, Pair, Row
from evaluation.report.summary import Cost, Section, Summary
from evaluation.statistics.intervals import NEW_RUNS, Comparison
from st_isotropy.metrics import CATALOG

STS12, STS13 = (Measure("similarity", "cosine_spearman", task) for task in ("STS12", "STS13"))
CISI = Measure("similarity", "ndcg_at_10", "cisi")
BANKING = Measure("labels", "accuracy", "Banking77")
COLA_F1 = Measure("labels", "f1", "cola")
PQ = Measure("retrieval", "retention", "cisi", "pq", "in range", only_corpus=True)


def example_study(sections: int = 2) -> Summary:
    """The example, under names that a study uses."""
    summary = example_summary(sections=sections, variants=3)
    return replace(summary, sections=[renamed(section, "persistent entropy", METHOD) for section in summary.sections])


def write_example(folder: Path) -> None:
    """Results with one study that was run; the other results are left out."""
    write_compact(example_study(), folder / "static-cosine.json")


@pytest.fixture
def one_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Summary]:
    write_example(tmp_path)
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    yield example_study()


@pytest.fixture
def no_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)


def test_every_study_is_listed_and_those_without_results_say_so(no_study: None) -> None:
    listed = GENERATED["studies"]()
    names = {path.stem for path in results.STUDIES.glob("*.toml")}
    assert names and {study.name for study in studies()} == names
    assert listed.count("Not run yet.") == len(names)
    assert all(f"results/{name}.md" in listed for name in names)
    for name in (
        "home-figure",
        "effects",
        "choices",
        "weights",
        "gains",
        "tried",
        "doses",
        "whitening",
    ):
        assert GENERATED[name]() == NOTHING
    assert "not been run yet" in GENERATED["quickstart"]()
    assert "not been run yet" in study_page(studies()[0])


def test_a_result_of_another_format_is_no_study_that_was_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    assert sections_of_studies() == []
    write_json(tmp_path / "static-cosine.json", {"title": "of old"})
    results._read.cache_clear()
    with pytest.raises(
        UserError, match=r"static-cosine\.json is not a compact result of this version \(Field required\)"
    ):
        sections_of_studies()


def test_a_committed_result_is_small_and_of_a_study_or_the_quickstart() -> None:
    found = {path.stem: path.stat().st_size for path in results.RESULTS.glob("*.json")}
    known = {path.stem for path in results.STUDIES.glob("*.toml")} | {"quickstart", "coverage"}
    assert found.keys() <= known
    assert max(found.values()) <= 300_000 and sum(found.values()) <= 3_000_000


def test_a_run_is_added_to_the_results_and_shows_the_same_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    write_report(example_study(), tmp_path / "run")
    path = results.add_result(tmp_path / "run", "static-cosine")
    assert path == tmp_path / "results" / "static-cosine.json"
    found = results.committed("static-cosine")
    assert found is not None and found.sections[0].pairs == example_study().sections[0].pairs
    assert (found.title, found.notes, found.timing) == (
        example_study().title,
        example_study().notes,
        example_study().timing,
    )
    assert markdown_report(found) == markdown_report(example_study())
    with pytest.raises(UserError, match=r"There is no .*no-such-study\.toml: name one of forms-of-entropy, "):
        results.add_result(tmp_path / "run", "no-such-study")


def test_every_number_of_a_compact_file_is_rounded_so_that_it_rounds_further_as_before(tmp_path: Path) -> None:
    summary = example_study()
    generator = np.random.default_rng(0)
    retentions = [69.95000001, 70.04999999, *generator.uniform(60, 80, 200)]
    rows = [
        Row(replace(PQ, task=f"corpus {place}", only_corpus=False), {"none": [float(value)]})
        for place, value in enumerate(retentions)
    ]
    write_compact(replace(summary, sections=[Section("here", ["none"], rows)]), tmp_path / "file.json")
    [section] = read_compact(tmp_path / "file.json").sections
    for before, after in zip(rows, section.rows, strict=True):
        for digits in range(4):
            assert f"{after.mean('none'):.{digits}f}" == f"{before.mean('none'):.{digits}f}"


def test_the_page_of_a_study_has_every_variant_of_every_section(one_study: Summary) -> None:
    page = study_page(next(study for study in studies() if study.summary))
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## Missing",
        *[f"## {section.title}" for section in one_study.sections],
        "## Notes",
    ]
    for section in one_study.sections:
        for finding in section.findings():
            assert finding.outcome in page
    shown = re.findall(r"^!\[.+\]\(\.\./assets/results/(.+)\.svg\)$", page, re.MULTILINE)
    assert shown == list(study_plots(next(study for study in studies() if study.summary))) and len(shown) > 6


def test_the_hours_of_a_study_are_those_of_its_result(one_study: Summary) -> None:
    lines = GENERATED["hours"]().splitlines()
    assert f"| [static-cosine](results/static-cosine.md) | {one_study.timing.seconds / 3600:.1f} |" in lines
    assert "| [glue-cola](results/glue-cola.md) | not run yet |" in lines


def test_effects_have_a_line_for_each_regularizer_of_each_regime(one_study: Summary) -> None:
    table = effects_table(sections_of_studies())
    assert list(table.groups) == [f"{section.title} (static-cosine)" for section in one_study.sections]
    for section, rows in zip(one_study.sections, table.groups.values(), strict=True):
        assert [cells[0] for cells in rows] == section.variants[2:]
        findings = {(finding.pair, finding.measure.group): finding for finding in section.findings()}
        for cells in rows:
            assert len(cells) == len(table.headers)
            found = findings[Pair(cells[0], "none"), "labels"]
            assert cells[4].startswith({"better": "▲", "worse": "▼", "no difference found": "○"}[found.outcome])


def test_effects_tell_sts_from_retrieval() -> None:
    rows = [
        row(STS12, {METHOD: [0.1, 0.2, 0.3]}),
        row(STS13, {METHOD: [0.5, 0.6, 0.7]}),
        row(CISI, {METHOD: [-3.0, -3.1, -3.2]}),
        row(BANKING, {METHOD: [9.0, 9.1, 9.2]}),
    ]
    table = effects_table([StudySection("static-cosine", section_with(rows, ("none", METHOD)))])
    [[cells]] = table.groups.values()
    assert table.headers[5:7] == ["STS", "retrieval"]
    assert cells[5:7] == ["▲ +0.40 [+0.15, +0.65]", "▼ −3.10 [−3.35, −2.85]"]


def test_a_mark_by_one_kind_of_task_or_one_index_is_adjusted_over_its_column() -> None:
    slight = [0.25, 0.5, 0.5]  # p 0.038
    changes = {METHOD: slight, "whitening": [-0.2, 0.1, 0.1]}
    rows = [row(STS12, changes), row(CISI, {METHOD: slight}), row(PQ, changes)]
    [cells, _] = effects_table([StudySection("static-cosine", section_with(rows))]).groups[
        "static, cosine (static-cosine)"
    ]
    said = "+0.42 [+0.06, +0.78]"
    assert cells[5:8] == [f"○ {said}", f"▲ {said}", f"○ {said}"]  # the column of retrieval has one line


def section_with(rows: list[Row], variants: tuple[str, ...] = ("none", METHOD, "whitening")) -> Section:
    return Section("static, cosine", list(variants), rows)


def test_choices_name_what_is_better_and_nothing_where_nothing_is() -> None:
    section = section_with(
        [
            row(STS12, {METHOD: [1.0, 1.1, 1.2], "whitening": [-3.0, -3.1, -3.2]}),
            row(BANKING, {METHOD: [-1.0, 1.1, 0.2], "whitening": [-0.1, 0.3, -0.2]}),
        ]
    )
    study = "static-cosine"
    [[_, similarity, labels]] = choices_table([StudySection(study, section)]).groups[""]
    assert similarity == "persistent_entropy +1.10 [+0.85, +1.35]"
    assert labels == "nothing: the objective alone"


def test_a_head_has_its_metrics_beside_isotropy() -> None:
    changes = {METHOD: [1.0, 1.1, 1.2], "whitening": [-3.0, -3.1, -3.2]}
    rows = [row(Measure("labels", metric, "cola-head:validation"), changes) for metric in ("accuracy", "f1", "mcc")]
    share = row(Measure("isotropy", "first_component_share"), changes)
    study = "glue"
    table = heads_table([StudySection(study, section_with([share, *rows])), StudySection(study, section_with([share]))])
    up, down = "+1.10 [+0.85, +1.35]", "−3.10 [−3.35, −2.85]"
    assert table.groups == {
        "static, cosine (glue)": [
            [METHOD, *[f"▲ {up}"] * 3, "", f"▼ {up}"],
            ["whitening", *[f"▼ {down}"] * 3, "", f"▲ {down}"],
        ]
    }


def test_a_variant_without_a_measure_leaves_its_cell_empty() -> None:
    every = {METHOD: [0.1, 0.2, 0.3], "mst_length": [1, 1, 1], "whitening": [2.0, 2.1, 2.2]}
    lacking = {variant: changes for variant, changes in every.items() if variant != "whitening"}
    section = section_with([row(MEAN, lacking)], ("none", *every))
    [measures] = measures_table([StudySection("static-cosine", section)]).groups.values()
    assert [cells[0] for cells in measures if not any(cells[1:])] == ["whitening"]


def test_measures_stand_beside_scores_for_every_variant_that_explains() -> None:
    changes = {METHOD: [0.1, 0.2, 0.3], "mst_length": [1, 1, 1], "koleo": [0.4, 0.6, 0.8], "sigreg": [9]}
    rows = [row(COSINE, changes), row(STS12, changes)]
    rows = [replace(one, values={"start": [40.0], **one.values}) for one in rows]
    alone = rows[0].mean("none")
    study, section = "static-cosine", section_with(rows, ("start", "none", *changes))
    table = measures_table([StudySection(study, section)])
    assert table.headers[1:3] + table.headers[-3:] == [
        "average cosine", "mean MST length", "STS12 Spearman", "pq retention", "one-bit retention"
    ]  # fmt: skip
    [lines] = table.groups.values()
    assert [line[0] for line in lines] == ["start", "none", METHOD, "mst_length", "koleo"]
    assert [(float(line[1]), line[2], float(line[-3])) for line in lines] == [
        (pytest.approx(alone + change, abs=0.06), "", pytest.approx(alone + change, abs=0.06))
        for change in (40 - alone, 0, 0.2, 1, 0.6)
    ]


def test_a_weight_stands_beside_those_that_were_tried() -> None:
    tried = [(METHOD, 30.0, True), (METHOD, 3.0, False), (METHOD, "auto", False), ("koleo", 1.0, True)]
    tuning = [Candidate(variant, weight, 1e-3, [50.0], {}, chosen) for variant, weight, chosen in tried]
    study, section = "static-cosine", replace(section_with([]), tuning=tuning)
    [choice] = weight_choices([StudySection(study, section)], METHOD)
    assert choice == WeightChoice("static, cosine (static-cosine)", 30.0, [3.0, 30.0], 1e-3)


def test_the_answer_on_whitening_lists_tasks_with_labels(one_study: Summary) -> None:
    assert GENERATED["whitening"]() == NOTHING
    section = section_with([row(BANKING, {METHOD: [1, 2, 3], "whitening": [3.0, 3.1, 3.2]})])
    write_compact(Summary("Does it?", [section], [], Cost(1.0, 1.0)), results.RESULTS / "static-cosine.json")
    results._read.cache_clear()
    assert GENERATED["whitening"]() == "- static, cosine: ▲ +3.10 [+2.85, +3.35] (Banking77 accuracy)"


def test_every_weight_that_was_tried_stands_with_how_often_it_was_chosen() -> None:
    tried = [("none", 0.0, True), ("koleo", 1.0, False), ("koleo", 0.1, True), ("koleo", "auto", False)]
    tuning = [Candidate(variant, weight, 1e-3, [50.0], {}, chosen) for variant, weight, chosen in tried]
    section = replace(section_with([]), tuning=tuning)
    other = replace(section, title="glove, cosine")
    distilled = replace(section, title="static, a teacher on medquad", objective="distillation")
    sections = [StudySection("static-cosent", regime) for regime in (section, other, distilled)]
    assert tried_weights(sections) == {"koleo": {0.1: 2, 1.0: 0}}


def test_a_single_weight_is_not_counted_as_chosen() -> None:
    tried = [("koleo", 1.0, False), ("koleo", 0.1, True), ("alignment + koleo, weight 0.3", 0.3, True)]
    tuning = [Candidate(variant, weight, 1e-3, [50.0], {}, chosen) for variant, weight, chosen in tried]
    several = replace(section_with([]), title="static", tuning=tuning)
    single = replace(section_with([]), title="glove", tuning=tuning[1:])
    assert tried_weights([StudySection("a", several), StudySection("b", single)]) == {"koleo": {0.1: 1, 1.0: 0}}


def test_what_two_studies_tried_under_one_regime_counts_once() -> None:
    def study(name: str, *scores: tuple[float, float]) -> StudySection:
        """The objective alone scores 50; of each other weight the score is given, and the best is chosen."""
        best = max(score for _, score in scores)
        tuning = [Candidate(METHOD, weight, 1e-3, [score], {}, score == best) for weight, score in scores]
        alone = Candidate("none", 0.0, 1e-3, [50.0], {}, True)
        return StudySection(name, replace(section_with([]), tuning=[alone, *tuning]))

    sections = [study("forms", (1, 52), (3, 51)), study("cosine", (3, 51), (10, 49))]
    assert weight_gains(sections, METHOD) == {1: [2.0], 3: [1.0], 10: [-1.0]}
    assert tried_weights(sections) == {METHOD: {1: 1, 3: 0, 10: 0}}
    assert weight_choices(sections, METHOD) == [
        WeightChoice("static, cosine (forms, cosine)", 1, [1, 3, 10], 1e-3),
    ]


def test_the_gain_of_a_weight_is_at_the_best_learning_rate_of_both() -> None:
    tried = [
        *[("none", 0.0, 1e-3, [50.0, 52.0]), ("none", 0.0, 2e-3, [53.0, 53.0])],
        *[(METHOD, 3.0, 1e-3, [54.0, 56.0]), (METHOD, 3.0, 2e-3, [50.0, 50.0]), (METHOD, "auto", 1e-3, [90.0, 90.0])],
        *[(METHOD, 30.0, 1e-3, [52.0, 52.0]), ("koleo", 3.0, 1e-3, [99.0, 99.0])],
    ]
    section = section_with([])
    tuning = [Candidate(variant, weight, rate, scores, {}, False) for variant, weight, rate, scores in tried]
    study = "static-cosine"
    other = [replace(one, scores=[one.scores[0] + 10 * (one.weight == 30)]) for one in tuning]
    sections = [
        StudySection(study, replace(section, tuning=tuning)),
        StudySection(study, replace(section, title="glove, cosine", tuning=other)),
    ]
    tuned = [*tuning, Candidate(METHOD, 3.0, 1e-3, [99.0, 99.0], {}, False)]
    scaled = replace(section, title="static, a teacher on medquad", objective="distillation", tuning=tuned)
    alone = replace(section, title="minilm", tuning=[candidate for candidate in tuning if candidate.weight != 30])
    others = [StudySection(study, regime) for regime in (scaled, alone)]
    assert weight_gains([*sections, *others], METHOD) == {3.0: [2.0, 1.0], 30.0: [-1.0, 9.0]}


def test_the_default_weight_is_counted_where_it_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    beside = "in-batch negatives + persistent entropy, scale 10"

    def study(title: str, variant: str, *weights: float) -> StudySection:
        tuning = [Candidate(variant, weight, 1e-3, [50.0], {}, weight == weights[0]) for weight in weights]
        return StudySection("static-cosent", replace(section_with([]), title=title, tuning=tuning))

    sections = [study("a", METHOD, 3, 10), study("b", METHOD, 10, 3), study("c", METHOD, 30), study("d", beside, 30, 3)]
    monkeypatch.setattr(generated, "sections_of_studies", lambda: sections)
    sentence, _, _, _, *lines, _, _ = GENERATED["weights"]().splitlines()
    assert sentence == (
        "The default weight, 3, was the choice in 1 of the 3 cases in which it was tried, in 1 of them as the smallest "
        "that was tried:"
    )
    assert [line.split(" | ")[1:] for line in lines] == [
        [METHOD, "3", "3, 10", "0.001 |"],
        [METHOD, "10", "3, 10", "0.001 |"],
        [beside, "30", "3, 30", "0.001 |"],
    ]


def test_the_doses_are_counted_before_they_are_listed(one_study: Summary) -> None:
    answers = [curve.answer for section in one_study.sections for curve in section.transfer]
    decided = [answer for answer in answers if answer != "undecided"]
    assert "the opposite" in decided
    first, _, *studies = GENERATED["doses"]().splitlines()
    assert (
        first.startswith(f"Of {len(answers)} curves, ") and f" {len(decided)} have an interval, not adjusted" in first
    )
    assert f"fall as it rises in {decided.count('the opposite')}, " in first
    assert len(studies) == 1


def test_where_no_dose_has_an_interval_no_study_is_listed(one_study: Summary, monkeypatch: pytest.MonkeyPatch) -> None:
    without = [
        replace(curve, comparison=replace(curve.comparison, low=None, high=None))
        for section in one_study.sections
        for curve in section.transfer
    ]
    section = replace(one_study.sections[0], transfer=without)
    monkeypatch.setattr(generated, "sections_of_studies", lambda: [StudySection("own", section)])
    assert GENERATED["doses"]() == (
        f"Of {len(without)} curves, one for each regularizer and measure of isotropy in each regime, none has an "
        "interval, which takes two seeds of each setting. So none answers this."
    )


def test_every_measure_has_its_reading() -> None:
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in GENERATED["measure-readings"]().splitlines()[2:]}
    assert list(lines) == list(CATALOG)
    assert lines["average_cosine_centered"] == (
        "| average_cosine_centered | the mean cosine of distinct rows; of the rows less their mean | −0.0005 | "
        "from 0.1: a lopsided cloud | from 0.3: a very lopsided cloud |"
    )
    assert "; in a search by the queries | " in lines["largest_hub_queries"]
    assert lines["isoscore"].endswith(
        "| 0.969 | 3 times below: some directions dominate | 10 times below: few directions hold the variance |"
    )


def test_retention_is_the_mean_over_corpora_or_that_of_the_only_corpus() -> None:
    one = row(PQ, {METHOD: [1.0, 1.2, 1.1]})
    other = row(replace(PQ, index="opq"), {METHOD: [5.0, 5.2, 5.1]})
    assert retention_row(section_with([other, one]), "pq") is one
    corpora = [replace(one, measure=replace(PQ, task=corpus, only_corpus=False)) for corpus in ("cisi", "medquad")]
    mean = replace(one, measure=replace(PQ, task="", only_corpus=False))
    assert retention_row(section_with([*corpora, mean]), "pq") is mean
    assert retention_row(section_with(corpora), "pq") is None
    assert retention_row(section_with([other]), "pq") is None
    out_of_range = replace(one, measure=replace(PQ, status="out of range", only_corpus=False))
    assert retention_row(section_with([out_of_range, corpora[1]]), "pq") is corpora[1]
    assert retention_row(section_with([out_of_range]), "pq") is out_of_range
    no_headroom = replace(one, measure=replace(PQ, status="no headroom"))
    study = "static-cosine"
    [[*_, pq, one_bit]] = effects_table([StudySection(study, section_with([no_headroom]))]).groups[
        "static, cosine (static-cosine)"
    ]
    assert (pq, one_bit) == ("no headroom", "")


def test_the_home_figure_names_every_term_and_says_what_it_shows(one_study: Summary) -> None:
    plot = variants_figure("static-cosine", "Beside the objective")
    assert plot is not None and plot.panels == len(one_study.sections)
    svg = drawn(plot, "one")
    for section in one_study.sections:
        compared = {pair.new for pair in section.pairs if pair.old == "none"}
        assert section.title in plot.alternative and f">{section.title}</text>" in svg
        assert compared and all(f">{variant} " in svg and f"{variant} " in plot.alternative for variant in compared)
    assert svg == drawn(plot, "one")
    assert svg.startswith("<svg") and "prefers-color-scheme: dark" in svg and "var(--ours)" in svg
    assert all(f"{name}:" in palette for palette in palettes() for name in re.findall(r"var\((--[\w-]+)\)", svg))


def test_the_home_figure_puts_the_largest_difference_first_and_marks_what_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changes = {METHOD: [-0.1, 0.1, 0.2], "koleo": [1.0, 1.1, 1.2], "whitening": [2.0, 2.1, 2.2]}
    section = section_with([row(MEAN, changes)], ("none", *changes))
    monkeypatch.setattr(forest_figures, "sections_of_studies", lambda study: [StudySection(study, section)])
    plot = variants_figure("static-cosine", "Beside the objective")
    assert plot is not None
    assert plot.alternative == "static, cosine: whitening +2.10; koleo +1.10; persistent_entropy +0.07 (hollow)."


def test_the_figure_of_one_variant_has_a_line_for_each_regime_in_a_panel_for_each_kind_of_study(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changes = {"alignment + koleo": [1.0, 1.1, 1.2], "alignment + koleo, weight 1": [2.0, 2.1, 2.2], "koleo": [3.0] * 3}
    section = replace(section_with([row(MEAN, changes)], ("none", *changes)), model="static", regime="cosine")
    sections = {"tuned": [StudySection("tuned", section)], "untuned": []}
    monkeypatch.setattr(forest_figures, "sections_of_studies", sections.__getitem__)
    plot = regimes_figure({"Tuned": "tuned", "Defaults": "untuned"}, "alignment + koleo", "KoLeo")
    assert plot is not None and plot.panels == 1
    assert plot.alternative == "Tuned: cosine +1.10." and "alignment + koleo, static: " in plot.caption
    svg = drawn(plot, "one")
    assert ">cosine</text>" in svg and ">+1.10</text>" in svg
    assert regimes_figure({"Defaults": "untuned"}, "alignment + koleo", "KoLeo") is None


def test_the_overview_has_a_line_for_each_regime_and_trained_variants_alone() -> None:
    changes = {
        "koleo": [1.0, 1.1, 1.2],
        "koleo, weight 1": [-0.1, 0.1, 0.2],
        "alignment": [-9.0, -9.1, -9.2],
        "whitening": [2.0] * 3,
    }
    tuning = [Candidate(name, 1, 1e-2, [40.0], {}, chosen=True) for name in changes if name != "whitening"]
    section = replace(section_with([row(MEAN, changes)], ("none", *changes)), tuning=tuning)
    table = overview_table([StudySection("positives-only-x", section)])
    assert table.headers == ["regime", "koleo"]
    assert table.groups == {"": [["static, cosine", "▲ +1.10; weight 1: ○ +0.07"]]}
    assert overview_table([]).groups == {}


def test_the_best_weight_of_each_term_beside_alignment_is_starred_and_compared_with_tuned_negatives() -> None:
    tuning = [
        Candidate("none", 0.0, 1e-2, [40.0, 42.0], {}, chosen=True),
        Candidate("none", 0.0, 3e-2, [39.0, 39.0], {}, chosen=False),
        *(
            Candidate("alignment + koleo", weight, 1e-2, [score], {}, chosen=False)
            for weight, score in ((1, 40), (3, 43.5))
        ),
        Candidate("alignment + koleo", 1, 3e-2, [42], {}, chosen=False),
        Candidate("alignment", 0.0, 1e-2, [20], {}, chosen=True),
        Candidate("uniformity", 1, 1e-2, [50], {}, chosen=True),
    ]
    section = replace(section_with([]), tuning=tuning)
    table = batches_table([StudySection("positives-only-x", section)])
    assert table.groups == {"": [[section.title, "alignment + koleo", "1: +1.0, 3: +2.5 ★"]]}
    assert batches_table([StudySection("positives-only-x", section_with([]))]).groups == {}


def test_the_best_learning_rate_of_each_variant_is_starred_and_compared_with_the_best_negatives() -> None:
    tuning = [
        Candidate("none", 0.0, 1e-2, [40.0, 42.0], {}, chosen=True),
        Candidate("none", 0.0, 3e-6, [39.0, 39.0], {}, chosen=False),
        Candidate("alignment + koleo", 1, 1e-2, [40], {}, chosen=False),
        Candidate("alignment + koleo", 3, 1e-2, [38], {}, chosen=False),
        Candidate("alignment + koleo", 1, 3e-6, [41.5], {}, chosen=True),
        Candidate("alignment", 0.0, 1e-2, [20], {}, chosen=True),
    ]
    section = replace(section_with([]), tuning=tuning)
    table = rates_table([StudySection("positives-defaults-x", section)])
    assert table.groups[""] == [
        [section.title, "in-batch negatives", "3e-06: −2.0, 0.01: +0.0 ★"],
        [section.title, "alignment + koleo", "3e-06: +0.5 ★, 0.01: −1.0"],
    ]
    assert rates_table([StudySection("positives-defaults-x", section_with([]))]).groups == {}


def test_the_tables_are_beside_the_objective_where_the_start_is_a_reference_too() -> None:
    changes = {METHOD: [1.0, 1.1, 1.2], "whitening": [2.0, 2.1, 2.2]}
    beside_start = [
        Difference(Pair(new, "start"), [Comparison(9.0, 8.0, 10.0, "", NEW_RUNS, 3, 0.5, 0.001)]) for new in changes
    ]
    mean, banking = row(MEAN, changes), row(BANKING, changes)
    rows = [replace(one, differences=[*one.differences, *beside_start]) for one in (mean, banking)]
    sections = [StudySection("static-cosine", section_with(rows, ("start", "none", *changes)))]
    [lines] = effects_table(sections).groups.values()
    assert [line[0] for line in lines] == list(changes)
    [[_, similarity, _]] = choices_table(sections).groups[""]
    assert "+9" not in similarity


def test_the_effects_of_a_regime_are_two_tables_without_columns_that_are_empty_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [row(BANKING, {METHOD: [9.0, 9.1, 9.2]})]
    found = [StudySection("one", section_with(rows, ("none", METHOD)))]
    monkeypatch.setattr(generated, "sections_of_studies", lambda: found)
    title, _, headers, _, line, *_ = GENERATED["effects"]().splitlines()
    assert title == "**static, cosine (one)**"
    assert (headers, line) == ("| regularizer | Banking77 accuracy |", f"| {METHOD} | ▲ +9.10 [+8.85, +9.35] |")


def test_committed_numbers_are_filled_in() -> None:
    assert "| new training runs | Student t | 3 | normal |" in GENERATED["coverage"]()
    assert re.search(
        r"covers \d\d to \d\d % over 3 to 10 seeds and \d\d to \d\d % over 5 to 41 tasks",
        GENERATED["coverage-skewed"](),
    )
    assert re.search(r"^\| h0 \| \d+ \| \d+ \|", GENERATED["bench"](), re.MULTILINE)
    assert GENERATED["step"]().count("with the term") >= 2


def test_the_spread_of_a_step_is_the_one_that_was_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figure = {"case": "tiny", "contender": "term", "peer": "base loss", "value": 1.5, "spread": 0.25}
    write_json(tmp_path / "step.json", {"suites": {"step": [figure]}})
    monkeypatch.setattr(generated, "BENCH", tmp_path)
    assert GENERATED["step"]().endswith("| tiny | term | 1.5000 ± 0.2500 |")
