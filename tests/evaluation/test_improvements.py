"""Every arm of `st-isotropy improve`, held out: what is an arm, that finished cells are read, and what is shown."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from own_data import write_beir, write_pairs
from small_corpus import static_model

from evaluation.__main__ import main
from evaluation.files import read_record
from evaluation.improvements import arms as arms_module
from evaluation.improvements.answers import answers
from evaluation.improvements.arms import ABSOLUTE, ALIGNMENT, COSENT, IN_BATCH, from_isotropic, from_plain, measure_arms
from evaluation.improvements.records import ArmPair, ArmResult, Cell, Evidence
from evaluation.improvements.table import END_MARK, gains_table, improvements_tables, state_gain
from st_isotropy.improve import Gain, Judgment, ScoredTask, SearchTask, improve
from st_isotropy.improve import adapter as adapter_module
from st_isotropy.improve import selection as selection_module
from st_isotropy.improve.adapter import AS_IT_IS
from st_isotropy.improve.selection import CHOSEN, CHOSEN_TRANSFORM

Found = tuple[tuple[ArmResult, ...], tuple[ArmPair, ...]]


@pytest.fixture(scope="module", autouse=True)
def quick_adapter() -> Iterator[None]:
    """Few and short trainings: what is asserted does not depend on how well an adapter is trained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter_module, "STEPS", 2)
        for module in (selection_module, arms_module):
            patch.setattr(module, "RATES", (1e-3, 3e-3))
        yield


def gaussian(count: int, width: int, seed: int) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def search_task() -> SearchTask:
    """60 queries near their documents, which lie in a cone that the queries do not share."""
    documents = gaussian(120, 8, 0) + 3 * torch.eye(8)[0]
    queries = documents[:60] + 0.5 * gaussian(60, 8, 1) - 3 * torch.eye(8)[0]
    answers = tuple(Judgment({row: 1.0}) for row in range(60))
    return SearchTask(documents, queries, answers, "cosine", np.arange(60), [str(row) for row in range(60)])


def scored_task() -> ScoredTask:
    sentences, rows = gaussian(120, 8, 0), np.arange(120).reshape(2, 60).T
    gold = torch.cosine_similarity(sentences[:60], sentences[60:]).double().numpy()
    texts = [str(pair) for pair in range(60)]
    return ScoredTask(sentences + 3 * torch.eye(8)[0], rows, gold, "cosine", np.arange(60), texts)


def by_name(arms: tuple[ArmResult, ...]) -> Mapping[str, ArmResult]:
    return {arm.name: arm for arm in arms}


@pytest.fixture(scope="module")
def found(quick_adapter: None) -> Found:
    """All arms of the search task, and pairs of them."""
    return measure_arms(search_task())


def test_the_honest_choice_and_the_transform_are_those_of_improve(found: Found) -> None:
    arms = by_name(found[0])
    candidates = {row.name: row for row in improve(search_task()).candidates}
    for name in (AS_IT_IS, CHOSEN_TRANSFORM, CHOSEN):
        assert arms[name].score == candidates[name].scores[0]
    assert (arms[CHOSEN].gain,) == candidates[CHOSEN].gains[:1] and arms[AS_IT_IS].gain is None


def test_every_arm_trains_with_its_loss_from_its_start(found: Found) -> None:
    arms, pairs = found
    trained = {name: arm for name, arm in by_name(arms).items() if ":" in name}
    assert list(trained) == [
        from_plain(IN_BATCH),
        from_isotropic(IN_BATCH),
        from_plain(ABSOLUTE),
        from_isotropic(ABSOLUTE),
        from_plain(ALIGNMENT),
    ]
    for name, arm in trained.items():
        loss = IN_BATCH if IN_BATCH in name else ABSOLUTE
        assert all(words.startswith(loss) for words in arm.chosen) and len(arm.chosen) == 5
        assert all(("from as it is" in words) == name.startswith("adapter") for words in arm.chosen)
        assert arm.at_end == 5  # there are two rates
    assert all("weight 0," in words for words in trained[from_plain(ALIGNMENT)].chosen)
    assert {(pair.after, pair.before) for pair in pairs} == {
        (from_isotropic(IN_BATCH), from_plain(IN_BATCH)),
        (from_isotropic(ABSOLUTE), from_plain(ABSOLUTE)),
        (from_plain(ABSOLUTE), from_plain(IN_BATCH)),
        (from_isotropic(ABSOLUTE), from_isotropic(IN_BATCH)),
        (from_plain(ABSOLUTE), from_plain(ALIGNMENT)),
    }


def test_a_pair_is_the_difference_of_the_gains_of_its_arms(found: Found) -> None:
    arms, pairs = found
    for pair in pairs:
        after, before = (by_name(arms)[name].score for name in (pair.after, pair.before))
        assert pair.gain.estimate == pytest.approx(after - before)


def test_scored_pairs_are_learned_with_cosent() -> None:
    arms, pairs = measure_arms(scored_task())
    assert [arm.name for arm in arms] == [
        *(AS_IT_IS, CHOSEN_TRANSFORM, from_plain(COSENT), from_isotropic(COSENT)),
        CHOSEN,
    ]
    assert [(pair.after, pair.before) for pair in pairs] == [(from_isotropic(COSENT), from_plain(COSENT))]


def test_isotropy_is_that_of_the_mapped_documents(found: Found) -> None:
    arms = by_name(found[0])
    assert arms[AS_IT_IS].isotropy["average_cosine"] > 0.4 > 0.1 > arms[CHOSEN_TRANSFORM].isotropy["average_cosine"]


def test_a_finished_cell_is_read_and_the_command_prints_every_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    static_model().save_pretrained(str(tmp_path / "model"))
    corpus, scored = write_beir(tmp_path / "corpus", documents=120), write_pairs(tmp_path / "scored.tsv")
    out = tmp_path / "out"
    command = ["improvements", str(tmp_path / "model"), "--beir", str(corpus), "--scored", str(scored)]
    assert main([*command, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    files = sorted((out / "cells").iterdir())
    assert len(files) == 2 and "corpus, 60 queries" in printed and "scored, 60 pairs" in printed
    evidence = read_record(out / "improvements.json", Evidence)
    assert [cell.data for cell in evidence.cells] == ["corpus", "scored"]
    assert str(tmp_path) not in evidence.command.replace(str(tmp_path / "model"), "")
    marked = read_record(files[0], Cell)
    stamps = [file.stat().st_mtime_ns for file in files]
    assert main([*command, "--out", str(out)]) == 0
    assert [file.stat().st_mtime_ns for file in files] == stamps and read_record(files[0], Cell) == marked
    tables = printed[printed.index("|") :]
    assert capsys.readouterr().out.endswith(tables)


@pytest.mark.parametrize("changed", ["data", "model"])
def test_a_cell_of_other_data_or_of_a_retrained_model_under_the_same_name_is_not_reused(
    changed: str, tmp_path: Path
) -> None:
    model, scored, out = tmp_path / "model", tmp_path / "scored.tsv", tmp_path / "out"
    command = ["improvements", str(model), "--scored", str(scored), "--out", str(out)]
    for seed in (0, 1):
        static_model(seed=seed * (changed == "model")).save_pretrained(str(model))
        write_pairs(scored, seed=seed * (changed == "data"))
        assert main(command) == 0
    assert len(list((out / "cells").iterdir())) == 2


def test_a_folder_that_holds_something_else_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored = write_pairs(tmp_path / "scored.tsv")
    assert main(["improvements", "static", "--scored", str(scored), "--out", str(tmp_path)]) == 2
    assert "exists and is not a run directory: name another one with --out." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "There are no data: give --beir DIR or --scored FILE."),
        (("a/corpus", "b/corpus"), "Two data sets are called corpus, and the tables name them so: rename one."),
    ],
)
def test_data_that_cannot_be_told_apart_are_refused(
    names: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(write_beir(tmp_path / name)) for name in names]
    assert main(["improvements", "static", *(["--beir", *folders] if folders else []), "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_gains_are_bold_where_proven_and_marked_where_the_rate_is_at_its_end() -> None:
    proven, open_ = (Gain(0.05, low, 0.09, "t", "new queries", 60) for low in (0.01, -0.01))
    chosen = ("in words",) * 5
    arms = (
        ArmResult(AS_IT_IS, 0.5, None, 0.4, {}, chosen),
        ArmResult(CHOSEN_TRANSFORM, 0.55, open_, 0.4, {}, chosen),
        ArmResult(from_plain(IN_BATCH), 0.55, proven, 0.4, {}, chosen, at_end=3),
    )
    evidence = Evidence("command", (Cell("static", "cisi", "nDCG@10", 60, arms, (), 1.0),))
    [[row]] = gains_table(evidence).groups.values()
    assert row[:4] == ["static", "50.0", "+5.0 [−1.0, +9.0]", f"**+5.0 [+1.0, +9.0]**{END_MARK}"]
    assert set(row[4:]) == {"—"}


def test_a_gain_without_interval_is_its_estimate() -> None:
    assert state_gain(Gain(0.004, None, None, "no interval", "new queries", 30)) == "+0.4"


def test_all_tables_are_markdown(found: Found) -> None:
    arms, pairs = found
    text = improvements_tables(Evidence("command", (Cell("static", "cisi", "nDCG@10", 60, arms, pairs, 1.0),)))
    assert text.count("|---") >= 3 and "score of one-bit codes" in text


def test_the_answers_count_intervals_above_and_below_0() -> None:
    better, worse, open_ = (Gain(0.0, low, high, "t", "q", 60) for low, high in ((0.1, 0.2), (-0.2, -0.1), (-0.1, 0.1)))
    chosen = ("in words",) * 5
    arms = tuple(ArmResult(CHOSEN_TRANSFORM, 0.5, gain, 0.4, {}, chosen) for gain in (better, better, worse, open_))
    pairs = (ArmPair(from_isotropic(IN_BATCH), from_plain(IN_BATCH), worse),)
    found = list(answers(Evidence("command", (Cell("static", "cisi", "nDCG@10", 60, arms, pairs, 1.0),))))
    assert found[0] == (
        "Geometry alone, the chosen transform without labels, is better in 2 of 4 comparisons, worse in 1, and no "
        "difference is found in 1."
    )
    assert found[3].startswith("An isotropic start") and "better in 0 of 1 comparison, worse in 1," in found[3]
