"""How `python -m evaluation` loads models: code of their own, precision, device, batches."""

from dataclasses import replace

import pytest
import torch
from datasets import Dataset
from own_data import write_pairs
from remote_code import write_remote_code
from small_corpus import static_model, transformer_model
from small_study import untuned, write_data

from evaluation.__main__ import _parser, main
from evaluation.errors import UserError
from evaluation.files import read_json
from evaluation.measure.scores import BATCH_SIZE
from evaluation.models.load import fingerprint, load_model
from evaluation.study.cell import start_model
from evaluation.study.run import run_study
from evaluation.study.runner import Backend
from evaluation.train.training import Recipe, train
from st_isotropy import cli
from st_isotropy.diagnosis.loading import Loading


@pytest.fixture
def compare(tmp_path):
    write_pairs(tmp_path / "data" / "pairs.tsv")

    def run(model, *options, out="run"):
        start_model.cache_clear()
        return main(["compare", model, "--folder", str(tmp_path / "data"), "--out", str(tmp_path / out), *options])

    return run


def test_the_commands_have_the_same_options_of_a_model():
    def options(parser, command):
        [commands] = [action for action in parser._actions if action.dest != "help" and action.choices]
        [group] = [
            group for group in commands.choices[command]._action_groups if "loaded and run" in (group.title or "")
        ]
        return {action.option_strings[0]: tuple(action.choices or ()) for action in group._group_actions}

    expected = options(cli._parser(), "diagnose")
    assert expected.keys() == {"--trust-remote-code", "--revision", "--device", "--batch-size", "--precision"}
    assert options(cli._parser(), "improve") == options(_parser(), "compare") == expected
    assert _parser().parse_args(["compare", "model"]).batch_size == BATCH_SIZE


def test_code_of_a_models_own_is_trusted_on_request_and_asked_about_otherwise(compare, tmp_path, capsys):
    model = write_remote_code(static_model(), tmp_path / "remote")
    assert compare(model) == 2
    assert capsys.readouterr().err == (
        f"error: The model {model} comes with code of its own (scaling.Scaling), which would run on this machine; read "
        f"it in {model}, and if you trust it add --trust-remote-code.\n"
    )
    assert compare(model, "--trust-remote-code") == 0


def test_the_fingerprint_sees_code_that_came_with_the_model(tmp_path):
    trusting = Loading(trust_remote_code=True)
    folders = [write_remote_code(static_model(), tmp_path / f"by{factor}", factor) for factor in (2, 3)]
    first, second = (load_model(folder, trusting) for folder in folders)
    assert torch.equal(torch.tensor(first.encode("word1")) * 1.5, torch.tensor(second.encode("word1")))
    assert fingerprint(first) != fingerprint(second)
    assert fingerprint(load_model(folders[0], trusting)) == fingerprint(first)


def test_a_cell_of_another_precision_has_another_name_and_other_embeddings(compare, tmp_path):
    model = str(tmp_path / "model")
    transformer_model(tmp_path / "bert").save_pretrained(model)
    assert compare(model) == compare(model, "--precision", "bfloat16", out="half") == 0
    whole, half = (next((tmp_path / out / "cells").glob("*-*")).name for out in ("run", "half"))
    assert whole != half
    scores = [read_json(tmp_path / out / "summary.json")["sections"][0]["rows"] for out in ("run", "half")]
    assert scores[0] != scores[1]
    assert "The models are loaded with precision bfloat16." in read_json(tmp_path / "half" / "summary.json")["notes"]


def test_a_run_of_another_precision_is_not_resumed(compare, tmp_path, capsys):
    model = str(tmp_path / "model")
    static_model().save_pretrained(model)
    assert compare(model) == 0
    assert compare(model, "--precision", "float16") == 2
    assert "precision was None and is now 'float16'" in capsys.readouterr().err


def test_another_batch_size_or_device_resumes_the_run(compare, tmp_path):
    model = str(tmp_path / "model")
    static_model().save_pretrained(model)
    assert compare(model) == 0
    cells = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "cells").rglob("*")}
    assert compare(model, "--batch-size", "7", "--device", "cpu") == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "cells").rglob("*")} == cells


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--device", "nonsense"], "The device 'nonsense' cannot be used ("),
        (["--revision", "v1"], "There is no revision 'v1' of static, as only models of the hub have revisions; leave"),
        (["--batch-size", "0"], "--batch-size is 0, and a batch has at least 1 text."),
    ],
)
def test_what_cannot_be_is_one_sentence(options, reason, compare, capsys):
    assert compare("static", *options) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {reason}") and error.count("\n") == 1


def test_a_study_trains_a_model_with_code_of_its_own_and_resumes_it(tmp_path):
    sources = write_data(tmp_path)
    study = untuned(tmp_path, models=(write_remote_code(static_model(), tmp_path / "remote"),), seeds=1)
    with pytest.raises(UserError, match="comes with code of its own"):
        run_study(study, sources, tmp_path / "run", Backend())
    trusting = Loading(trust_remote_code=True)
    first = run_study(study, sources, tmp_path / "run", Backend(), trusting)
    assert not first.missing
    again = run_study(replace(study, title="Anew"), sources, tmp_path / "run", Backend(), trusting)
    assert [row.values for row in again.sections[0].rows] == [row.values for row in first.sections[0].rows]


def test_a_trained_model_with_code_of_its_own_is_read_back(tmp_path):
    start = load_model(write_remote_code(static_model(), tmp_path / "remote"), Loading(trust_remote_code=True))
    pairs = Dataset.from_dict({"anchor": ["word1 word2", "word3"] * 8, "positive": ["word1", "word3 word4"] * 8})
    recipe = Recipe("contrastive", steps=2, batch_size=4)
    options = {"show_progress": False, "trust_remote_code": True}
    trained = train(start, pairs, recipe, None, 0, tmp_path / "cell", **options)
    assert fingerprint(train(start, pairs, recipe, None, 0, tmp_path / "cell", **options)) == fingerprint(trained)
