"""A study from its description to its summary, on data of a few dozen texts."""

import math
import pickle
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from own_data import sentences, write_lines, write_pairs
from small_corpus import static_model, transformer_model
from small_study import REGIME, cells, run, small_study, untuned, without_cost, write_data

from evaluation.errors import UserError
from evaluation.files import read_json
from evaluation.measured import IndexQuality
from evaluation.models.embeddings import count_duplicates
from evaluation.models.load import fingerprint, load_model
from evaluation.report.files import read_summary, write_report
from evaluation.report.measures import Pair
from evaluation.report.summary import Section
from evaluation.report.terminal import print_report, wide_console
from evaluation.study import cell, plan
from evaluation.study import run as study_run
from evaluation.study.description import Grid
from evaluation.study.prepare import prepare
from evaluation.study.section import gains_over_exact
from evaluation.tasks.mteb import identity
from evaluation.tasks.resolve import resolve_tasks
from evaluation.tasks.source import TaskSource
from evaluation.train.columns import for_objective
from evaluation.train.pairs import load_pairs
from evaluation.train.training import Recipe, train

pytestmark = pytest.mark.study


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return folder, write_data(folder)


@pytest.fixture(scope="module")
def tuned(data, tmp_path_factory):
    folder, sources = data
    out = tmp_path_factory.mktemp("tuned") / "run"
    return out, run(small_study(folder), sources, out)


def cell_names(out: Path, phase: str) -> list[str]:
    return [path.parent.name for path in (out / "cells").glob(f"*/{phase}-*.json")]


def test_a_tuned_study_reports_every_variant_and_finishes_clean(tuned):
    out, summary = tuned
    [section] = summary.sections
    assert section.variants == ["start", "none", "persistent_entropy", "koleo", "start + center", "center"]
    assert {row.measure.group for row in section.rows} == {"isotropy", "similarity", "retrieval"}
    assert section.findings()[0].pair == Pair("persistent_entropy", "none")
    assert summary.missing == [] and list(section.training) == ["none", "persistent_entropy", "koleo", "center"]
    assert summary.notes[0] == "small trains on 120 rows."
    assert read_summary(out) == summary
    assert not (out / "models").exists() and list(out.rglob("*.tmp")) == []
    for name in ("report.md", "report.html", "study.json"):
        assert (out / name).stat().st_size


def test_every_variant_is_tried_with_equally_many_settings_and_the_best_on_validation_is_chosen(tuned):
    _, summary = tuned
    tuning = summary.sections[0].tuning
    for variant in ("none", "persistent_entropy", "koleo"):
        tried = [each for each in tuning if each.variant == variant]
        rates = {each.learning_rate for each in tried}
        assert sum(len(each.scores) for each in tried) == 2 and rates == {each.learning_rate for each in tuning}
        [chosen] = [each for each in tried if each.chosen]
        assert np.mean(chosen.scores) == max(np.mean(each.scores) for each in tried)


def test_test_tasks_are_run_with_the_chosen_settings_only_and_on_other_seeds(tuned):
    out, summary = tuned
    chosen = {each.variant: each for each in summary.sections[0].tuning if each.chosen}
    tested = [name for name in cell_names(out, "test") if not name.startswith("start-")]
    [transformed_start] = [name for name in tested if "-start-center-" in name]
    tested.remove(transformed_start)
    assert len(tested) == 4 * 2  # three trained variants and a transform, two seeds
    for name in tested:
        variant = next(each for each in (*chosen, "center") if f"-{each}-" in name)
        rate = chosen["none" if variant == "center" else variant].learning_rate
        assert f"-rate-{rate}-seed-0" in name or f"-rate-{rate}-seed-1" in name
    tried = [name for name in cell_names(out, "validation") if not name.startswith("start-")]
    assert len(tried) == 6 and all("-seed-1000-" in name for name in tried)


def test_no_model_takes_the_score_of_another_from_mteb_in_any_cell(tuned):
    out, _ = tuned
    files = (out / "cells").glob("*/test-*/mteb/results/*/*/rated.json")
    seen = [(path.parent.parent.name, path.parent.name) for path in files]
    assert len(seen) == 2 + 4 * 2
    assert len({name for name, _ in seen}) == len({revision for _, revision in seen}) == len(seen)


def test_two_variants_of_one_base_model_never_take_each_others_score(data, tmp_path):
    """T1 and T2 of the notes on mteb: its cache knows a model by name and revision, which variants share."""
    from evaluation.measure.scores import evaluate
    from evaluation.tasks.resolve import resolve_tasks

    folder, sources = data
    tasks = resolve_tasks(["rated"], None, sources.folders)
    base, changed = load_model(str(folder / "model")), load_model(str(folder / "model"))
    changed[0].embedding.weight.data[:, 0] *= 5
    alone = [evaluate(model, "base", tasks, tmp_path / f"alone-{i}")[0] for i, model in enumerate((base, changed))]
    assert alone[0].score != alone[1].score
    # Even under one name and in one folder of mteb's results, the second is evaluated anew.
    shared = tmp_path / "shared"
    first = evaluate(base, "base", tasks, shared)[0]
    (shared / "rated.json").unlink()
    second = evaluate(changed, "base", tasks, shared)[0]
    assert (first.score, second.score) == (alone[0].score, alone[1].score)
    assert len(list((shared / "mteb" / "results").glob("*/*/rated.json"))) == 2


def test_seconds_of_indexes_are_timing_and_nothing_else_has_seconds(tuned):
    out, summary = tuned
    [title] = summary.timing.indexes
    of_none = summary.timing.indexes[title]["none"]["found"]
    assert list(of_none) == ["flat", "one-bit"]
    assert all(seconds > 0 for index in of_none.values() for seconds in index.values())
    assert "seconds" not in str(without_cost(out))


@pytest.mark.slow
def test_a_finished_study_is_read_and_an_extended_one_reuses_its_cells(tuned, data, tmp_path):
    finished, summary = tuned
    folder, sources = data
    out = shutil.copytree(finished, tmp_path / "run")
    before = cells(out)
    again = run(small_study(folder), sources, out)
    assert (again.sections, cells(out)) == (summary.sections, before)
    extended = run(small_study(folder, posthoc=("center", "whitening"), seeds=3), sources, out)
    after = cells(out)
    assert {name: after[name] for name in before} == before
    # A third seed of four variants, and another transform of the objective and of the start model.
    assert len(after) - len(before) == 4 + 3 + 1
    assert set(extended.sections[0].variants) == {*summary.sections[0].variants, "whitening", "start + whitening"}


@pytest.mark.slow
def test_a_changed_study_in_the_same_directory_gives_what_it_gives_in_a_fresh_one(tmp_path):
    sources = write_data(tmp_path)
    study = untuned(tmp_path, test=("found", "rated"), indexes=("flat", "one-bit"), seeds=1)
    first = run(study, sources, tmp_path / "run")
    write_pairs(tmp_path / "tasks" / "rated" / "test.tsv", seed=9)  # other data of the same name
    changed = replace(study, index_seeds=2, indexes=("flat", "one-bit", "hnsw"))
    second = run(changed, sources, tmp_path / "run")
    fresh = run(changed, sources, tmp_path / "fresh")
    assert second.sections == fresh.sections != first.sections


@pytest.mark.slow
def test_a_model_that_changed_under_its_name_is_another_start_model(tmp_path):
    sources = write_data(tmp_path)
    study = untuned(tmp_path, seeds=1)
    first = run(study, sources, tmp_path / "run")
    static_model(seed=5).save_pretrained(str(tmp_path / "model"), create_model_card=False)
    second = run(study, sources, tmp_path / "run")
    fresh = run(study, sources, tmp_path / "fresh")
    assert second.sections == fresh.sections != first.sections


def test_training_that_diverges_is_that_variants_failure_and_the_rest_is_reported(data, tmp_path):
    folder, sources = data
    study = small_study(
        folder,
        regimes=(replace(REGIME, learning_rates=(5e-3,)),),
        regularizers=(Grid("koleo", (0.3,)), Grid("global_orthogonal", (1e300,))),
        validation=(),
        test=("rated",),
        indexes=(),
        posthoc=(),
        seeds=1,
    )
    summary = run(study, sources, tmp_path / "run")
    assert summary.sections[0].variants == ["start", "none", "koleo"]
    [missing] = summary.missing
    assert "global_orthogonal, weight 1e+300, rate 0.005, seed 0: Training" in missing
    assert missing in (tmp_path / "run" / "report.md").read_text(encoding="utf-8").replace("\\", "")


def test_nothing_is_chosen_for_a_variant_whose_trainings_all_diverge(data, tmp_path):
    folder, sources = data
    study = small_study(
        folder,
        regimes=(replace(REGIME, learning_rates=(1e38, 2e38)),),
        regularizers=(Grid("koleo", (0.3,)),),
        test=("rated",),
        indexes=(),
        seeds=1,
    )
    summary = run(study, sources, tmp_path / "run")
    [section] = summary.sections
    assert section.variants == ["start", "start + center"] and section.tuning == []
    assert len(summary.missing) == 4 and all(isinstance(each, str) for each in summary.missing)
    assert "NaN or infinite weights at learning rate 1e+38; lower it." in summary.missing[0]


def test_a_model_that_collapses_is_measured_or_told_and_stops_nothing(data, tmp_path):
    folder, sources = data
    study = untuned(
        folder,
        regimes=(replace(REGIME, learning_rates=(10.0,), steps=30),),
        regularizers=(Grid("mean_cosine", (-1000.0,)),),
        test=("found", "rated"),
        indexes=("flat", "one-bit"),
        seeds=1,
    )
    summary = run(study, sources, tmp_path / "run")
    [section] = summary.sections
    assert section.variants == ["start", "none", "mean_cosine"]
    [cosine] = [row.values for row in section.rows if row.name == "average cosine"]
    assert cosine["mean_cosine"][0] > 0.95 and cosine["none"][0] < 0.5


class _Broken:
    """Makes a task, unless there is a file that says no."""

    def __init__(self, make, sign: Path) -> None:
        self.make, self.sign = make, sign

    def __call__(self):
        task = self.make()
        if self.sign.exists() and self.sign.read_text() == "no":
            task.load_data = self.refuse
        return task

    def refuse(self, *args, **kwargs):
        raise RuntimeError("the disk of the task is on fire")


@pytest.fixture
def breakable(monkeypatch, tmp_path):
    """A file: while it says "no", the data of the task `found` cannot be loaded."""
    sign = tmp_path / "sign"
    resolve = study_run.resolve_tasks

    def resolved(names: list[str], *where) -> list[TaskSource]:
        return [
            replace(source, make=_Broken(source.make, sign)) if source.name == "found" else source
            for source in resolve(names, *where)
        ]

    monkeypatch.setattr(study_run, "resolve_tasks", resolved)
    return sign


def test_a_task_that_raises_is_missing_the_rest_is_reported_and_a_rerun_tries_it_again(data, tmp_path, breakable):
    folder, sources = data
    sign = breakable
    study = untuned(folder, test=("found", "rated"), indexes=("flat",), seeds=1)
    sign.write_text("no")
    summary = run(study, sources, tmp_path / "run")
    assert len(summary.missing) == 3 and all("the disk of the task is on fire" in each for each in summary.missing)
    assert summary.missing[0].startswith(
        f"start ({folder / 'model'}): The data of found (local/found) cannot be loaded (the disk of the"
    )
    assert {row.name for row in summary.sections[0].rows} == {"rated Spearman"}
    print_report(summary, wide_console())
    scored = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("test-*/rated.json")}
    assert len(scored) == 3
    sign.write_text("yes")
    again = run(study, sources, tmp_path / "run")
    assert again.missing == []
    assert {"rated Spearman", "found nDCG@10", "flat nDCG@10", "IsoScore"} <= {
        row.name for row in again.sections[0].rows
    }
    assert {path: path.stat().st_mtime_ns for path in scored} == scored
    fresh = run(study, sources, tmp_path / "fresh")
    assert fresh.sections == again.sections


def test_a_start_model_on_which_every_task_fails_is_one_sentence_before_any_training(data, tmp_path, breakable):
    folder, sources = data
    sign = breakable
    sign.write_text("no")
    with pytest.raises(
        UserError, match=r"^start \(.*model\): The data of found .* cannot be loaded \(the disk of the task is on"
    ):
        run(untuned(folder, seeds=1, test=("found",)), sources, tmp_path / "run")
    assert [name[:6] for name in cell_names(tmp_path / "run", "test")] == ["start-"]


def test_a_validation_task_that_fails_on_the_start_model_stops_the_study_before_any_training(data, tmp_path, breakable):
    folder, sources = data
    sign = breakable
    sign.write_text("no")
    with pytest.raises(UserError, match=r"^The data of found .* cannot be loaded \(the disk of the task is on fire"):
        run(small_study(folder, validation=("found",), test=("rated",), indexes=()), sources, tmp_path / "run")
    assert not (tmp_path / "run" / "models").exists()


def test_a_teacher_is_distilled(data, tmp_path):
    folder, sources = data
    static_model(dimensions=20, seed=3).save_pretrained(str(tmp_path / "teacher"), create_model_card=False)
    regime = replace(
        REGIME, objective="distillation", teacher=str(tmp_path / "teacher"), learning_rates=(5e-3,), name="distilled"
    )
    summary = run(untuned(folder, regimes=(regime,), seeds=1), sources, tmp_path / "run")
    assert summary.missing == [] and summary.sections[0].variants == ["start", "none", "koleo"]


def test_a_student_that_truncates_is_distilled_at_its_whole_width(data, tmp_path):
    folder, sources = data
    student = static_model()
    student.truncate_dim = 8
    student.save_pretrained(str(tmp_path / "student"), create_model_card=False)
    static_model(dimensions=20, seed=3).save_pretrained(str(tmp_path / "teacher"), create_model_card=False)
    regime = replace(
        REGIME, objective="distillation", teacher=str(tmp_path / "teacher"), learning_rates=(5e-3,), name="distilled"
    )
    study = untuned(folder, regimes=(regime,), seeds=1, models=(str(tmp_path / "student"),))
    assert run(study, sources, tmp_path / "run").missing == []


def test_pairs_that_a_task_asks_about_are_left_out_and_counted(data, tmp_path):
    folder, sources = data
    lines = (folder / "tasks" / "rated" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]
    asked = [line.split("\t")[:2] for line in lines[:3]]
    leaks = [asked[0], asked[1][::-1], [asked[2][0].upper(), f"  {asked[2][1]} "]]
    kept = [[text, text[::-1]] for text in sentences(20, seed=11)]
    rows = ["\t".join(pair) for pair in [*kept, *leaks]]
    write_lines(tmp_path / "pairs" / "leaky.tsv", ["anchor\tpositive", *rows])
    regime = replace(REGIME, pairs="leaky", learning_rates=(5e-3,), name="leaky", batch_size=4)
    sources = replace(sources, pairs=(tmp_path / "pairs",))
    summary = run(untuned(folder, regimes=(regime,), seeds=1), sources, tmp_path / "run")
    assert summary.notes[0] == "leaky trains on 40 rows; 3 pairs that a task asks about were left out."


def test_training_pairs_that_teach_nothing_are_refused_and_repeats_are_told(data, tmp_path):
    folder, sources = data
    regime = replace(REGIME, pairs="mine", learning_rates=(5e-3,), name="mine", batch_size=4)
    study, sources = untuned(folder, regimes=(regime,)), replace(sources, pairs=(tmp_path,))
    write_lines(tmp_path / "mine.tsv", ["anchor\tpositive", *["one\tother"] * 300])
    with pytest.raises(UserError) as caught:
        prepare(study, sources, [], tmp_path / "run")
    assert str(caught.value) == (
        "All 300 training pairs of the regime 'mine' have the same texts, so there is nothing to learn; give pairs "
        "that differ."
    )
    rows = [f"{text}\t{text[::-1]}" for text in sentences(20, seed=11)]
    write_lines(tmp_path / "mine.tsv", ["sentence1\tsentence2\tscore", *(f"{row}\t0.5" for row in rows)])
    with pytest.raises(UserError) as caught:
        prepare(study, sources, [], tmp_path / "run")
    assert str(caught.value) == (
        "All 20 training rows of the regime 'mine' have the score 0.5, so there is nothing to learn; give rows that "
        "differ in it."
    )
    write_lines(tmp_path / "mine.tsv", ["anchor\tpositive", *rows, rows[0]])
    [one], _ = prepare(study, sources, [], tmp_path / "run")
    assert one.note == "mine trains on 42 rows; 1 of its 21 pairs repeats another."


def test_retention_over_100_percent_is_explained_by_duplicates_only_where_there_are_some():
    kept = IndexQuality("sq8", {}, 0.51, 1.0, 1.0, 0.0, 0.0, 80.0, 32.0, retention=1.02)
    section = Section("static", ["start"], [], indexes={"start": {"books": [kept, replace(kept, retention=0.9)]}})
    assert gains_over_exact(section, {"books": 0}) == [
        "Retention on books passes 100 % (sq8 keeps 102.0 % of start): approximate search ranks otherwise than exact "
        "search, by chance with relevant documents further up."
    ]
    assert gains_over_exact(section, {"books": 1}) == [
        "Retention on books passes 100 % (sq8 keeps 102.0 % of start): 1 document has the embedding of another, and "
        "every index ranks it in an order of its own."
    ]
    below = replace(section, indexes={"start": {"books": [replace(kept, retention=1.0001)]}})
    assert gains_over_exact(below, {"books": 1}) == []
    rows = np.eye(4, dtype=np.float32)[[0, 1, 2, 1]]
    assert count_duplicates(rows + 1e-6) == 1


def test_a_worker_with_other_data_measures_nothing(data, tmp_path):
    _, sources = data
    [task] = resolve_tasks(["rated"], folders=sources.folders)
    model = static_model()
    model.save_pretrained(str(tmp_path / "model"))
    measuring = cell.Measuring("test", (task,), ("local/rated of old",), "rated", (), 1)
    start = cell.Cell("start", str(tmp_path / "model"), fingerprint(model), None, None, measuring, tmp_path)
    cell.run_cell(start, alone=False)
    [failure] = start.read().failures
    assert failure.reason.startswith(f"The data of rated are {identity(task)} here and local/rated of old where the")


def test_isotropy_of_a_task_that_is_not_in_the_study_is_refused(data, tmp_path):
    folder, sources = data
    with pytest.raises(UserError, match=r"no test task of the study, for isotropy_of, 'rated'; near names are rated:"):
        run(untuned(folder, test=("found", "rated:report"), isotropy_of="rated"), sources, tmp_path / "run")


@pytest.mark.parametrize("reported", ["rated", "rated:tune", "rated:test"])
def test_settings_are_not_chosen_on_what_is_reported(reported, data, tmp_path):
    folder, sources = data
    study = small_study(folder, validation=("rated:tune",), test=("found", reported), isotropy_of="")
    shown = reported.removesuffix(":test")
    message = rf"(\d+) of the \1 rows of validation task rated:tune also occur in {shown}, and choosing settings takes"
    with pytest.raises(UserError, match=message):
        run(study, sources, tmp_path / "run")


def test_what_is_reported_is_left_out_of_what_settings_are_chosen_on(data, tmp_path):
    folder, sources = data
    tasks = tmp_path / "tasks"
    shutil.copytree(folder / "tasks", tasks)
    header, *chosen = (tasks / "chosen" / "test.tsv").read_text(encoding="utf-8").splitlines()
    write_lines(tasks / "known.tsv", [header, *chosen[:10], *(line + " " for line in chosen[50:])])
    study = small_study(folder, test=("known",), indexes=(), posthoc=(), seeds=1)
    out = tmp_path / "run"
    summary = run(study, replace(sources, folders=(tasks,)), out)
    assert summary.notes[0] == (
        "20 of the 60 rows of chosen, on which settings are chosen, are left out because known asks about them."
    )
    [file] = out.glob("cells/start-*/validation-*.json")
    assert len(read_json(file)["tasks"][0]["pairs"]["default/test"]["gold"]) == 40


def test_a_name_may_look_like_markup(data, tmp_path):
    folder, sources = data
    regime = replace(REGIME, learning_rates=(5e-3,), name="mine [/b] STS17[en-en]")
    assert run(untuned(folder, regimes=(regime,), seeds=1), sources, tmp_path / "run").missing == []


def test_one_pair_that_is_left_is_not_trained_on(data, tmp_path):
    folder, sources = data
    lines = (folder / "tasks" / "rated" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]
    pairs = ["\t".join(line.split("\t")[:2]) for line in lines[:5]]
    write_lines(tmp_path / "pairs" / "leaky.tsv", ["anchor\tpositive", *pairs, "only\tthis"])
    study = untuned(folder, regimes=(replace(REGIME, pairs="leaky", learning_rates=(5e-3,)),), seeds=1)
    with pytest.raises(UserError, match="Regime 'small' has 1 training pair left after removing"):
        run(study, replace(sources, pairs=(tmp_path / "pairs",)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_transform_is_fitted_on_texts_of_all_columns(monkeypatch):
    monkeypatch.setattr(cell, "FITTED_ON", 40)
    pairs = Dataset.from_dict({"anchor": sentences(60, seed=1), "positive": sentences(60, seed=2)})
    texts = cell._some_texts(pairs)
    anchors = set(texts) & set(pairs["anchor"])
    assert len(set(texts)) == 40 and 10 < len(anchors) < 30
    assert cell._some_texts(pairs) == texts


@pytest.mark.parametrize(
    ("regularizer", "message"),
    [
        ("label_entropy", r"'label_entropy' has a cloud for each label, which rows of the regime 'small' do not have"),
        ("token_entropy", r"^The regularizer token_entropy cannot be added: .*token"),
    ],
)
def test_a_regularizer_that_fits_no_model_or_objective_is_refused_before_any_training(
    regularizer, message, data, tmp_path
):
    folder, sources = data
    with pytest.raises(UserError, match=message):
        run(untuned(folder, regularizers=(Grid(regularizer, (0.3,)),)), sources, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_transform_that_cannot_be_fitted_is_that_variants_failure_and_the_rest_is_reported(data, tmp_path):
    folder, sources = data
    few = [f"{text}\t{text[::-1]}" for text in sentences(6, seed=11)]
    write_lines(tmp_path / "pairs" / "few.tsv", ["anchor\tpositive", *few])
    regime = replace(REGIME, pairs="few", learning_rates=(5e-3,), name="few", batch_size=4)
    study = untuned(folder, regimes=(regime,), seeds=1, posthoc=("spectral_power", "center"))
    summary = run(study, replace(sources, pairs=(tmp_path / "pairs",)), tmp_path / "run")
    [section] = summary.sections
    assert section.variants == ["start", "none", "koleo", "start + center", "center"]
    assert len(summary.missing) == 2  # of the start model, and of the objective
    for missing in summary.missing:
        assert "The transform spectral_power cannot be fitted on the training texts: A scaling of all 16" in missing


def test_a_start_model_that_scores_by_dot_products_has_no_faiss_check(data, tmp_path):
    folder, sources = data
    model = static_model()
    model.similarity_fn_name = "dot"
    model.save_pretrained(str(tmp_path / "dot"), create_model_card=False)
    study = untuned(folder, models=(str(tmp_path / "dot"),), test=("found",), indexes=("flat",), seeds=1)
    summary = run(study, sources, tmp_path / "run")
    assert "retrieval" not in {row.measure.group for row in summary.sections[0].rows} and summary.missing == []
    assert summary.notes[1].startswith("There is no FAISS check: the indexes here search by cosine, and ")


def test_fewer_pairs_than_a_batch_are_refused(data, tmp_path):
    folder, sources = data
    regime = replace(REGIME, batch_size=121)
    with pytest.raises(UserError, match=r"'small' has 120 training rows, fewer than its batch size of 121, after"):
        run(small_study(folder, regimes=(regime,)), sources, tmp_path / "run")


def test_a_transformer_has_the_same_fingerprint_before_and_after_it_is_saved(tmp_path, data):
    """Else a cell that was killed after its training would not know its own scores again."""
    _, sources = data
    pairs = for_objective(load_pairs("known", sources), "cosine", None, 32)
    start = transformer_model(tmp_path / "start")
    recipe = Recipe("cosine", steps=2, batch_size=4, learning_rate=1e-3)
    trained = train(start, pairs, recipe, None, 0, tmp_path / "cell", show_progress=False)
    loaded = train(start, pairs, recipe, None, 0, tmp_path / "cell", show_progress=False)
    assert trained is not loaded and fingerprint(trained) == fingerprint(loaded)
    trained.encode(["word1 word2", "word3"])
    assert fingerprint(trained) == fingerprint(loaded)


def test_nothing_but_the_progress_is_said_while_cells_run(data, tmp_path, capfd):
    """What a library prints would tear the progress bar apart."""
    folder, sources = data
    run(untuned(folder, test=("found", "rated"), seeds=1), sources, tmp_path / "run")
    said = capfd.readouterr()
    assert said.err == ""
    lines = [line for line in said.out.splitlines() if line.strip()]
    assert lines[0].startswith("1 combination of a start model and a regime:")
    finished = lines[1 : lines.index("Does it?")]
    assert len(finished) == 3  # the start model, the objective alone, the regularizer
    assert all(re.search(r": \S.* \(\d of \d, after \d+ min \d\d s\)$", line) for line in finished)


def test_hostile_names_are_harmless(tmp_path):
    name = "<img src=x onerror=alert(1)> \"quotes\" & 'ticks' | ../../etc" + "ü" * 60
    sources = write_data(tmp_path)
    write_pairs(tmp_path / "tasks" / "<b>bold</b>.tsv")
    model = tmp_path / "model <script>" / ("m" * 120)
    static_model().save_pretrained(str(model), create_model_card=False)
    study = untuned(
        tmp_path,
        title=name,
        models=(str(model),),
        regimes=(replace(REGIME, learning_rates=(5e-3,), name=name),),
        regularizers=(Grid("koleo", (0.3,), name="<i>/../koleo"),),
        seeds=1,
    )
    before = {path for path in tmp_path.rglob("*") if "run" not in path.parts}
    summary = run(study, sources, tmp_path / "run")
    assert summary.missing == []
    assert {path for path in tmp_path.rglob("*") if "run" not in path.parts} == before
    for path in (tmp_path / "run").rglob("*"):
        assert len(path.name) < 150 and not set(path.name) & set("<>\"'|&:\\ü")
    html = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "<img src=x" not in html and "<i>/" not in html and "&lt;i&gt;/../koleo" in html


def test_a_section_in_which_nothing_could_be_compared_is_printed_and_written(tmp_path, tuned):
    _, summary = tuned
    empty = replace(summary.sections[0], rows=[], transfer=[])
    alone = replace(empty, variants=["start"], tuning=[], curves={}, indexes={}, distributions={}, training={})
    for section in (empty, alone):
        nothing = replace(summary, sections=[section])
        print_report(nothing, wide_console())
        write_report(nothing, tmp_path)
        assert read_summary(tmp_path) == nothing


def test_every_number_of_a_finished_cell_is_finite(tuned):
    out, _ = tuned
    for path in (out / "cells").glob("*/test-*.json"):
        assert all(math.isfinite(each["value"]) for each in read_json(path)["isotropy"].values())


@pytest.mark.slow
def test_a_cell_is_sent_to_a_process_without_data(data):
    folder, sources = data
    study = small_study(folder, test=("found", "docstrings"))
    tasks = resolve_tasks(study.test, sources.mirror, sources.folders)
    measuring = plan.plan_measuring("test", study, tasks, "")
    assert len(pickle.dumps(measuring)) < 20_000


def test_a_transform_can_follow_a_regularizer(data, tmp_path):
    folder, sources = data
    study = untuned(folder, posthoc=("center",), posthoc_of=("koleo", "none"))
    [section] = run(study, sources, tmp_path / "run").sections
    assert section.variants == ["start", "none", "koleo", "start + center", "koleo + center", "center"]
    [cosine] = [row for row in section.rows if row.name == "average cosine"]
    assert all(abs(value) < 0.2 for each in ("center", "koleo + center") for value in cosine.values[each])
    assert cosine.values["center"] != cosine.values["koleo + center"]
    assert cosine.comparisons(Pair("koleo + center", "none"))


@pytest.mark.slow
def test_a_study_extends_its_grid_while_a_choice_lies_at_an_end_and_resumes_without_training_again(data, tmp_path):
    folder, sources = data
    study = small_study(
        folder, extend=1, regularizers=(Grid("koleo", (0.3,)),), test=("rated",), posthoc=(), indexes=()
    )
    out = tmp_path / "run"
    [section] = run(study, sources, out).sections
    rates = {
        variant: {one.learning_rate: one.extension for one in section.tuning if one.variant == variant}
        for variant in ("none", "koleo")
    }
    assert rates["none"] == rates["koleo"]  # for all variants alike
    added = {rate for rate, extension in rates["none"].items() if extension}
    assert added and added <= {1.25e-3, 8e-2}  # two rates have ends only, so that some choice lies at one
    for end in section.grid_ends:  # what is left lies beyond the bound
        assert end.value in added
    before = cells(out)
    assert run(study, sources, out).sections == [section] and cells(out) == before
    written = read_json(out / "summary.json")["sections"][0]
    assert {one["learning_rate"] for one in written["tuning"] if one["extension"]} == added


@pytest.mark.slow
def test_variants_with_objectives_of_their_own_are_paired_with_the_tuned_reference_on_the_same_batches(data, tmp_path):
    folder, sources = data
    regime = replace(REGIME, objective="contrastive", learning_rates=(5e-3,), temperature_scales=(5, 20))
    study = small_study(
        folder,
        regimes=(regime,),
        regularizers=(
            Grid("absolute_entropy", (0.3, 3), objective="alignment"),
            Grid("none", objective="contrastive_two_sided", name="two-sided"),
        ),
        test=("rated",),
        posthoc=(),
        indexes=(),
        seeds=1,
    )
    summary = run(study, sources, tmp_path / "run")
    [section] = summary.sections
    assert summary.missing == []
    assert section.variants == ["start", "none", "alignment + absolute_entropy", "two-sided"]
    assert {pair.old for pair in section.pairs} == {"none", "start"}
    tried = {(one.variant, one.objective, one.temperature_scale, len(one.scores)) for one in section.tuning}
    assert tried == {
        ("none", "", 5, 1),
        ("none", "", 20, 1),
        ("alignment + absolute_entropy", "alignment", None, 1),
        ("two-sided", "contrastive_two_sided", None, 2),  # as many runs as the others have settings
    }
    assert (
        "In small the reference, none, trains with contrastive, and on the same batches alignment + absolute_entropy "
        "with alignment, two-sided with contrastive_two_sided."
    ) in summary.notes
    assert read_summary(tmp_path / "run").sections[0].tuning == section.tuning
    assert "0.005, scale 5" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_pairs_with_classes_are_trained_on_in_distinct_ones_where_the_regime_asks_and_else_as_without(data, tmp_path):
    folder, sources = data
    rows = [f"{text}\t{text[::-1]}\t{row % 8}" for row, text in enumerate(sentences(64, seed=5))]
    plain = [row.rpartition("\t")[0] for row in rows]
    write_lines(tmp_path / "pairs" / "classed.tsv", ["anchor\tpositive\tclass", *rows])
    write_lines(tmp_path / "pairs" / "plain.tsv", ["anchor\tpositive", *plain])
    classed = replace(REGIME, objective="contrastive", pairs="classed", learning_rates=(5e-3,), name="as they come")
    distinct = replace(classed, distinct_classes=True, name="distinct")
    without = replace(classed, pairs="plain", name="without classes")
    study = untuned(folder, regimes=(classed, distinct, without), seeds=1)
    summary = run(study, replace(sources, pairs=(tmp_path / "pairs",)), tmp_path / "run")
    assert summary.missing == []
    values = [[row.values for row in section.rows] for section in summary.sections]
    assert values[0] == values[2] != values[1]
