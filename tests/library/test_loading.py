"""Options of loading a model: code of its own, precision, device, revision and batch size."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from remote_code import write_remote_code
from sentence_transformers import SentenceTransformer

from st_isotropy.cli import main
from st_isotropy.diagnosis.loading import Loading, load_dense

NUMBERS = ["--candidates", "Center", "AllButTheTop(1)"]


@pytest.fixture
def pair_file(sentences, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{text} the\t{text}\n" for text in sentences(40)), encoding="utf-8")
    return str(path)


@pytest.fixture
def remote(static_model, tmp_path):
    return write_remote_code(static_model, tmp_path / "remote")


@pytest.mark.parametrize("command", ["diagnose", "improve"])
def test_a_folder_that_needs_code_of_its_own_says_how_to_trust_it(command, remote, text_file, pair_file, capsys):
    arguments = [command, remote, "--texts", text_file, *(["--pairs", pair_file] if command == "improve" else [])]
    assert main(arguments) == 2
    assert capsys.readouterr().err == (
        f"st-isotropy: The model {remote} comes with code of its own (scaling.Scaling), which would run on this "
        f"machine; read it in {remote}, and if you trust it add --trust-remote-code.\n"
    )
    assert main([*arguments, "--trust-remote-code", *(NUMBERS if command == "improve" else [])]) == 0


def test_a_configuration_that_names_code_says_how_to_trust_it(model, text_file, tmp_path, capsys):
    folder = tmp_path / "coded"
    model.save_pretrained(str(folder))
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}}
    path.write_text(json.dumps(config), encoding="utf-8")
    capsys.readouterr()
    assert main(["diagnose", str(folder), "--texts", text_file]) == 2
    assert capsys.readouterr().err == (
        f"st-isotropy: The model {folder} comes with code of its own, which would run on this machine; read it in "
        f"{folder}, and if you trust it add --trust-remote-code.\n"
    )


def test_a_transformer_with_code_of_its_own_is_run_on_request(model, text_file, tmp_path, capsys):
    folder = tmp_path / "own"
    model.save_pretrained(str(folder))
    (folder / "own_config.py").write_text(
        "from transformers import BertConfig\n\n\nclass OwnConfig(BertConfig):\n    model_type = 'own'\n"
    )
    (folder / "own_model.py").write_text(
        "from transformers import BertModel\n\nfrom .own_config import OwnConfig\n\n\n"
        "class OwnModel(BertModel):\n    config_class = OwnConfig\n"
    )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    code = {"AutoConfig": "own_config.OwnConfig", "AutoModel": "own_model.OwnModel"}
    config |= {"model_type": "own", "architectures": ["OwnModel"], "auto_map": code}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    command = ["diagnose", str(folder), "--texts", text_file]
    assert main(command) == 2
    assert f"The model {folder} comes with code of its own, which would run" in capsys.readouterr().err
    assert main([*command, "--trust-remote-code", "--precision", "bfloat16"]) == 0


@pytest.mark.slow
def test_an_improved_model_with_code_of_its_own_is_saved_with_that_code(remote, text_file, pair_file, tmp_path):
    out = tmp_path / "better"
    arguments = ["improve", remote, "--texts", text_file, "--pairs", pair_file, "--trust-remote-code", *NUMBERS]
    assert main([*arguments, "--out", str(out), "--save-best"]) == 0
    code = (
        "import sys; from sentence_transformers import SentenceTransformer as S\n"
        "print(S(sys.argv[1], trust_remote_code=True, device='cpu').encode('a cat').shape)"
    )
    loaded = subprocess.run([sys.executable, "-c", code, str(out)], capture_output=True, text=True, check=True)
    assert loaded.stdout == "(16,)\n"


@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
def test_a_model_is_loaded_in_the_precision_asked_for(precision, model, model_folder, tmp_path):
    model.bfloat16().save_pretrained(str(tmp_path / "half"))
    for folder in (model_folder, str(tmp_path / "half")):
        loaded = load_dense(folder, Loading(precision=precision))
        assert {parameter.dtype for parameter in loaded.parameters()} == {getattr(torch, precision)}
    assert load_dense(str(tmp_path / "half")).dtype == torch.bfloat16


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_is_diagnosed_and_improved(
    precision, model_folder, text_file, pair_file, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    options = ["--precision", precision, "--device", "cpu", "--batch-size", "7"]
    assert main(["diagnose", model_folder, "--texts", text_file, "--json", "half.json", *options]) == 0
    assert main(["diagnose", model_folder, "--texts", text_file, "--json", "full.json"]) == 0
    half, full = (json.loads((tmp_path / f"{name}.json").read_text())["measures"] for name in ("half", "full"))
    assert half["isoscore"] != full["isoscore"]
    assert half["isoscore"]["value"] == pytest.approx(full["isoscore"]["value"], rel=0.05)
    command = ["improve", model_folder, "--texts", text_file, "--pairs", pair_file, "--out", "better", "--save-best"]
    assert main([*command, *NUMBERS, *options]) == 0
    saved = SentenceTransformer("better")
    assert np.isfinite(saved.encode(["a cat"])).all()


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", "meta"])
def test_a_device_that_is_not_there_is_one_sentence(device, model_folder, text_file, capsys):
    assert main(["diagnose", model_folder, "--texts", text_file, "--device", device]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"st-isotropy: The device {device!r} cannot be used (") and error.count("\n") == 1
    assert "; name one that this machine has with --device, such as cpu" in error


def test_a_folder_has_no_revision(model_folder, text_file, capsys):
    assert main(["diagnose", model_folder, "--texts", text_file, "--revision", "v1"]) == 2
    assert capsys.readouterr().err == (
        f"st-isotropy: The folder {model_folder} has no revisions, as only models of the hub do; leave --revision "
        "out.\n"
    )


@pytest.mark.parametrize("size", ["0", "-3", "many"])
def test_a_batch_has_a_text_at_least(size, model_folder, text_file, capsys):
    assert main(["diagnose", model_folder, "--texts", text_file, f"--batch-size={size}"]) == 2
    assert f"argument --batch-size: {size} is no whole number from 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [("--precision", "float16"), ("--device", "cpu"), ("--batch-size", "8"), ("--revision", "v1")],
)
@pytest.mark.parametrize("command", ["diagnose", "improve"])
def test_options_of_a_model_do_not_go_with_embeddings(command, option, value, tmp_path, capsys):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(60, 8)))
    path = str(tmp_path / "rows.npy")
    qrels = ["--queries", path, "--qrels", path]
    given = ["diagnose", path] if command == "diagnose" else ["improve", "--embeddings", path, *qrels]
    assert main([*given, option, value]) == 2
    assert capsys.readouterr().err == f"st-isotropy: {option} does not go with embeddings; leave it out.\n"
