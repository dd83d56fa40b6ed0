"""`python -m evaluation run` from a mirror of a few sentence pairs, and what it says about mirrors that are broken."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import mteb
import numpy as np
import pyarrow
import pytest
import torch
from own_data import sentences, write_beir, write_labels, write_lines, write_pairs
from pyarrow import parquet
from scipy.stats import spearmanr
from sentence_transformers import SentenceTransformer
from small_corpus import WORDS, static_model

from evaluation.__main__ import main
from evaluation.compare import labels
from evaluation.files import read_json
from evaluation.models.embeddings import load_texts
from st_isotropy.metrics import isotropy

pytestmark = pytest.mark.study

PAIRS = 60
DATA = "mteb/sts13-sts/data/test-00000-of-00001.parquet"


def sentence_pairs() -> dict[str, list]:
    generator = np.random.default_rng(0)
    words = [generator.choice(WORDS, size=8).tolist() for _ in range(PAIRS)]
    shared = [row % 8 for row in range(PAIRS)]  # never all 8: equal sentences would tie but for rounding
    return {
        "sentence1": [" ".join(row) for row in words],
        "sentence2": [" ".join(words[i][:k] + words[i - 1][k:]) for i, k in enumerate(shared)],
        "score": [5 * k / 8 for k in shared],
    }


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    path = tmp_path / "mirror" / DATA
    path.parent.mkdir(parents=True)
    parquet.write_table(pyarrow.table(sentence_pairs()), path)
    return tmp_path / "mirror"


@pytest.fixture
def models(tmp_path: Path) -> list[str]:
    for seed, name in enumerate(("before", "after")):
        static_model(seed=seed).save_pretrained(str(tmp_path / name), create_model_card=False)
    return [str(tmp_path / "before"), str(tmp_path / "after")]


def run(models: list[str], mirror: Path, out: Path) -> int:
    return main(["compare", *models, "--tasks", "STS13", "--mirror", str(mirror), "--out", str(out)])


def rows(out: Path) -> list[dict]:
    [section] = read_json(out / "summary.json")["sections"]
    return section["rows"]


def test_two_models_are_scored_and_compared_over_sentence_pairs(
    models: list[str], mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run(models, mirror, tmp_path / "run") == 0
    [row] = [row for row in rows(tmp_path / "run") if row["measure"]["group"] == "similarity"]
    data = sentence_pairs()
    assert list(row["values"]) == ["before", "after"]
    for seed, [score] in enumerate(row["values"].values()):
        encoded = static_model(seed=seed)
        first, second = (encoded.encode(data[column]) for column in ("sentence1", "sentence2"))
        similarity = encoded.similarity_pairwise(first, second)
        assert score == pytest.approx(100 * spearmanr(similarity, data["score"]).statistic, abs=1e-4)
    [[over_runs, over_pairs, *_]] = [found["comparisons"] for found in row["differences"]]
    assert over_runs["low"] is None and over_pairs["n"] == PAIRS
    assert over_pairs["low"] < over_pairs["estimate"] < over_pairs["high"]
    assert over_pairs["estimate"] == pytest.approx(row["values"]["after"][0] - row["values"]["before"][0])
    assert {"isotropy"} == {other["measure"]["group"] for other in rows(tmp_path / "run")} - {"similarity"}
    assert "STS13 Spearman" in capsys.readouterr().out
    assert (tmp_path / "run" / "report.md").read_text().startswith("# ")


def test_one_model_is_scored_without_a_comparison(models: list[str], mirror: Path, tmp_path: Path) -> None:
    assert run(models[:1], mirror, tmp_path / "run") == 0
    [section] = read_json(tmp_path / "run" / "summary.json")["sections"]
    assert section["findings"] == [] and section["rows"][-1]["name"] == "STS13 Spearman"


def test_a_finished_task_is_not_evaluated_again(models: list[str], mirror: Path, tmp_path: Path) -> None:
    run(models, mirror, tmp_path / "run")
    scored = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "models").rglob("*")}
    assert run(models, mirror, tmp_path / "run") == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "models").rglob("*")} == scored


def test_two_mirrors_with_folders_of_one_name_are_never_taken_for_one(
    models: list[str], mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    readme = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: test\n    path: data/test-*\n---\n"
    (mirror / DATA).parents[1].joinpath("README.md").write_text(readme)
    other = tmp_path / "other"
    shutil.copytree(mirror, other)
    turned = sentence_pairs()
    turned["score"] = [5 - score for score in turned["score"]]
    parquet.write_table(pyarrow.table(turned), other / DATA)
    assert run(models[:1], mirror, tmp_path / "run") == run(models[:1], other, tmp_path / "turned") == 0
    [score], [turned_score] = (rows(tmp_path / name)[-1]["values"]["before"] for name in ("run", "turned"))
    assert turned_score == pytest.approx(-score) and score > 10
    shutil.copy(other / DATA, mirror / DATA)
    assert run(models[:1], mirror, tmp_path / "run") == 2
    assert "tasks.STS13 was" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (Path.unlink, "doesn't contain any data files"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "not a parquet file"),
    ],
    ids=["missing", "pointer"],
)
def test_a_mirror_with_broken_data_is_one_sentence(
    spoil, reason: str, models: list[str], mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    spoil(mirror / DATA)
    assert run(models[:1], mirror, tmp_path / "run") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: The data of STS13 (") and reason in error
    assert error.endswith("give a complete local copy, laid out as on the hub, with --mirror DIR.\n")
    assert not (tmp_path / "run" / "summary.json").exists()


def test_isotropy_that_could_not_be_measured_is_not_said_to_be(
    models: list[str], mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (mirror / DATA).unlink()
    write_pairs(tmp_path / "own" / "likeness.tsv")
    command = ["compare", models[0], "--mirror", str(mirror), "--folder", str(tmp_path / "own")]
    command += ["--tasks", "STS13", "likeness", "--out", str(tmp_path / "run")]
    assert main(command) == 0
    note = "Isotropy is measured on the texts of STS13, without before, for which these failed."
    assert note in read_json(tmp_path / "run" / "summary.json")["notes"]
    assert "IsoScore" not in capsys.readouterr().out


def test_a_split_that_is_not_there_is_named_with_those_that_are(
    models: list[str], mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (mirror / DATA).rename((mirror / DATA).with_name("train-00000-of-00001.parquet"))
    assert run(models[:1], mirror, tmp_path / "run") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: STS13 (") and "has no split test; it has train: name one of these, or give" in error


def test_the_first_model_and_the_task_of_the_isotropy_belong_to_a_run(
    models: list[str], own: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    def again(*names: str, tasks: str) -> int:
        data = ["--folder", str(own), "--tasks", *tasks.split(), "--indexes", "flat", "--out", str(tmp_path / "run")]
        return main(["compare", *names, *data])

    assert again(*models, tasks="likeness poems-clustering") == 0
    assert again(*models, tasks="poems-clustering likeness") == 2
    assert "isotropy of was 'likeness' and is now 'poems-clustering'" in capsys.readouterr().err
    assert again(*models[::-1], tasks="likeness poems-clustering") == 2
    assert f"compared with was {models[0]!r} and is now {models[1]!r}" in capsys.readouterr().err


def test_models_in_folders_have_the_shortest_names_that_tell_them_apart(tmp_path: Path) -> None:
    for name in ("one/final", "two/final", "base"):
        (tmp_path / name).mkdir(parents=True)
    names = [str(tmp_path / "one" / "final"), str(tmp_path / "two" / "final"), str(tmp_path / "base"), "org/final"]
    assert list(labels(names).values()) == ["one/final", "two/final", "base", "org/final"]


def test_a_first_model_without_scores_leaves_the_others_theirs(
    models: list[str], own: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    broken = static_model()
    with torch.no_grad():
        broken[0].embedding.weight[:] = torch.nan
    broken.save_pretrained(str(tmp_path / "broken"), create_model_card=False)
    data = ["--tasks", "books", "--folder", str(own), "--indexes", "flat", "--out", str(tmp_path / "run")]
    assert main(["compare", str(tmp_path / "broken"), models[0], *data]) == 0
    summary = read_json(tmp_path / "run" / "summary.json")
    first, unset = summary["missing"]
    assert first.startswith("books has no score for st-isotropy/") and "40 of 40 embeddings of the queries" in first
    assert unset.startswith("The FAISS check of ") and "because the first model" in unset
    [row] = [row for row in summary["sections"][0]["rows"] if row["name"] == "books nDCG@10"]
    assert len(row["values"]) == 1 and not row["differences"]


def test_a_model_without_scores_leaves_the_comparison_of_the_others(
    models: list[str], own: Path, tmp_path: Path
) -> None:
    broken = static_model()
    with torch.no_grad():
        broken[0].embedding.weight[:] = torch.nan
    broken.save_pretrained(str(tmp_path / "broken"), create_model_card=False)
    data = ["--tasks", "books", "likeness", "--folder", str(own), "--indexes", "flat", "--out", str(tmp_path / "run")]
    assert main(["compare", *models, str(tmp_path / "broken"), *data]) == 0
    summary = read_json(tmp_path / "run" / "summary.json")
    assert len(summary["missing"]) == 2
    rows = {row["name"]: row for row in summary["sections"][0]["rows"]}
    for name in ("books nDCG@10", "likeness Spearman", "mean of STS and retrieval", "IsoScore", "flat nDCG@10"):
        assert len(rows[name]["values"]) == 2
        assert len(rows[name]["differences"]) == 1


def test_a_faiss_check_that_had_to_wait_for_the_first_model_is_made_up_for(
    models: list[str], own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate, calls = mteb.evaluate, []

    def fails_once(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            raise RuntimeError("a passing fault")
        return evaluate(*args, **kwargs)

    monkeypatch.setattr(mteb, "evaluate", fails_once)
    out = tmp_path / "run"
    command = ["compare", *models, "--tasks", "books", "--folder", str(own), "--indexes", "flat"]
    assert main([*command, "--out", str(out)]) == 0
    assert len(read_json(out / "summary.json")["missing"]) == 2
    assert main([*command, "--out", str(out)]) == 0
    summary = read_json(out / "summary.json")
    assert summary["missing"] == []
    [row] = [row for row in summary["sections"][0]["rows"] if row["name"] == "flat nDCG@10"]
    assert len(row["values"]) == 2 and len(calls) == 3


def test_an_index_that_a_wider_model_cannot_be_trained_on_is_left_out_for_it(own: Path, tmp_path: Path) -> None:
    for name, width in (("narrow", 16), ("wide", 256)):
        static_model(dimensions=width).save_pretrained(str(tmp_path / name), create_model_card=False)
    command = ["compare", str(tmp_path / "narrow"), str(tmp_path / "wide"), "--tasks", "books"]
    command += ["--folder", str(own), "--indexes", "pca-2", "sq8", "pq", "--out", str(tmp_path / "run")]
    assert main(command) == 0
    summary = read_json(tmp_path / "run" / "summary.json")
    assert "books: pq is left out: it needs 624 documents and the corpus has 80." in summary["notes"]
    assert "books has too few documents for pca-2 at the dimension of wide." in summary["notes"]
    rows = {row["name"].partition(" (")[0]: row for row in summary["sections"][0]["rows"]}
    assert list(rows["pca-2 nDCG@10"]["values"]) == ["narrow"]
    assert list(rows["sq8 nDCG@10"]["values"]) == ["narrow", "wide"]


def test_models_of_different_dimension_have_an_isotropic_value_each(own: Path, tmp_path: Path) -> None:
    for name, width in (("narrow", 16), ("wide", 64)):
        static_model(dimensions=width).save_pretrained(str(tmp_path / name), create_model_card=False)
    command = ["compare", str(tmp_path / "narrow"), str(tmp_path / "wide"), "--tasks", "likeness"]
    assert main([*command, "--folder", str(own), "--out", str(tmp_path / "run")]) == 0
    lines = (tmp_path / "run" / "report.md").read_text().splitlines()
    cells = {line.split(" | ")[0]: line.split(" | ") for line in lines if line.startswith("| ")}
    assert cells["| measure"][1:5] == ["isotropic, as narrow", "isotropic, as wide", "narrow", "wide"]
    for place, (name, width) in enumerate((("narrow", 16), ("wide", 64)), start=1):
        texts = load_texts(next((tmp_path / "run").glob(f"cells/{name}-*/*/embeddings/likeness.npz")))
        assert texts.shape[1] == width
        measured = isotropy(texts, names=["isoscore", "effective_rank"])
        assert cells["| IsoScore ↑"][place] == f"{measured['isoscore'].isotropic:.4f}"
        assert cells["| effective rank ↑"][place] == f"{measured['effective_rank'].isotropic:.1f}"


def test_a_file_gets_a_line_for_every_finished_part_and_one_notice_that_a_task_has_a_newer_version(
    models: list[str], tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    for split, seed in (("train", 0), ("test", 1)):
        texts = sentences(40, seed)
        rows = [json.dumps({"text": text, "label": row % 2}) for row, text in enumerate(texts)]
        write_lines(tmp_path / "mirror" / "mteb" / "banking77" / f"{split}.jsonl", rows)
    command = ["compare", *models, "--mirror", str(tmp_path / "mirror"), "--tasks", "Banking77Classification"]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    told = capfd.readouterr()
    for model in ("before", "after"):
        assert re.search(
            rf"evaluating {model}-\w+: Banking77Classification \(1 of 1, after \d+ min \d\d s\)\n", told.out
        )
        assert re.search(rf"measuring models: {model} \(1 of 1, after \d+ min \d\d s\)\n", told.out)
    assert (told.out + told.err).count("superseded") == 1
    assert "Banking77Classification is superseded by Banking77Classification.v2, says mteb." in told.out


def test_a_model_scored_by_euclidean_distance_has_scores(models: list[str], own: Path, tmp_path: Path) -> None:
    model = SentenceTransformer(models[0])
    model.similarity_fn_name = "euclidean"
    model.save_pretrained(str(tmp_path / "euclidean"), create_model_card=False)
    command = ["compare", models[0], str(tmp_path / "euclidean"), "--tasks", "likeness", "--folder", str(own)]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    summary = read_json(tmp_path / "run" / "summary.json")
    [row] = [row for row in summary["sections"][0]["rows"] if row["name"] == "likeness Spearman"]
    assert len(row["values"]) == 2 and not summary["missing"]


def test_options_may_be_repeated(models: list[str], own: Path, tmp_path: Path) -> None:
    command = ["compare", models[0], models[1], "--tasks", "likeness", "--tasks", "books"]
    command += ["--folder", str(own), "--indexes", "flat", "--out", str(tmp_path / "run")]
    assert main(command) == 0
    configuration = read_json(tmp_path / "run" / "configuration.json")
    assert len(configuration["models"]) == 2 and list(configuration["tasks"]) == ["likeness", "books"]


def test_several_corpora_give_the_deciding_measure_an_interval_over_their_queries(
    models: list[str], own: Path, tmp_path: Path
) -> None:
    write_beir(own / "films", documents=90)
    command = ["compare", *models, "--tasks", "books", "films", "--folder", str(own), "--indexes", "one-bit"]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    rows = {row["name"]: row for row in read_json(tmp_path / "run" / "summary.json")["sections"][0]["rows"]}
    [(_, over_queries)] = [found["comparisons"] for found in rows["mean over corpora: flat nDCG@10"]["differences"]]
    alone = [rows[f"{corpus}: flat nDCG@10"] for corpus in ("books", "films")]
    estimates = [row["differences"][0]["comparisons"][0]["estimate"] for row in alone]
    assert over_queries["estimate"] == pytest.approx(np.mean(estimates))
    assert over_queries["estimand"] == "new queries, these runs fixed"


@pytest.mark.slow
def test_two_processes_give_the_comparison_that_one_gives(models: list[str], own: Path, tmp_path: Path) -> None:
    found = []
    for jobs in ("1", "2"):
        out = tmp_path / jobs
        assert main(["compare", *models, "--folder", str(own), "--jobs", jobs, "--out", str(out)]) == 0
        found.append(read_json(out / "summary.json")["sections"])
    for one, two in zip(found[0][0]["rows"], found[1][0]["rows"], strict=True):
        assert one["name"] == two["name"]
        for model in one["values"]:
            assert one["values"][model] == pytest.approx(two["values"][model], rel=1e-4, abs=1e-6)


def test_one_model_gives_its_scores_alone(models: list[str], own: Path, tmp_path: Path) -> None:
    assert main(["compare", models[0], "--folder", str(own), "--out", str(tmp_path / "run")]) == 0
    [section] = read_json(tmp_path / "run" / "summary.json")["sections"]
    assert section["variants"] == ["before"] and section["findings"] == []
    assert all(len(row["values"]) == 1 and not row["differences"] for row in section["rows"])


@pytest.mark.parametrize("jobs", ["0", "-1"])
def test_fewer_processes_than_one_are_refused(jobs: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["compare", "static", "--tasks", "docstrings", "--jobs", jobs]) == 2
    assert f"--jobs is {jobs}, and at least 1 process is needed." in capsys.readouterr().err


@pytest.fixture
def own(tmp_path: Path) -> Path:
    write_beir(tmp_path / "own" / "books", documents=80)
    write_pairs(tmp_path / "own" / "likeness.tsv")
    write_labels(tmp_path / "own" / "poems.tsv")
    return tmp_path / "own"


def test_own_data_are_compared_with_isotropy_and_indexes(
    models: list[str], own: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    command = ["compare", *models, "--folder", str(own), "--indexes", "hnsw", "--out", str(tmp_path / "run")]
    assert main(command) == 0
    summary = read_json(tmp_path / "run" / "summary.json")
    [section] = summary["sections"]
    names = [row["name"] for row in section["rows"]]
    assert {"IsoScore", "books nDCG@10", "likeness Spearman", "poems-clustering V-measure"} <= set(names)
    assert [name.split()[0] for name in names if name.startswith(("flat", "hnsw"))] == ["flat", "hnsw", "hnsw"]
    values = {row["name"]: row["values"] for row in section["rows"]}
    for model in ("before", "after"):
        assert values["flat nDCG@10"][model] == pytest.approx(values["books nDCG@10"][model], abs=2e-3)
        assert {point["name"] for point in section["curves"][model]["books"]} == {"hnsw"}
        assert set(section["distributions"][model]) == {"cosines", "bars"}
    assert summary["missing"] == []
    assert (
        "poems is clustered only, because classification needs a file train beside another split." in summary["notes"]
    )
    assert "Isotropy is measured on the texts of books." in capsys.readouterr().out
    write_pairs(own / "likeness.tsv", seed=5)
    assert main(command) == 2
    assert "tasks.likeness was" in capsys.readouterr().err  # another revision is another run


def test_a_model_that_scores_by_dot_products_has_no_faiss_check(
    models: list[str], own: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    model = static_model()
    model.similarity_fn_name = "dot"
    model.save_pretrained(str(tmp_path / "dot"), create_model_card=False)
    command = ["compare", models[0], str(tmp_path / "dot"), "--folder", str(own), "--tasks", "books"]
    assert main([*command, "--indexes", "flat", "--out", str(tmp_path / "run")]) == 0
    names = [row["name"] for row in read_json(tmp_path / "run" / "summary.json")["sections"][0]["rows"]]
    assert "books nDCG@10" in names and not [name for name in names if name.startswith("flat")]
    said = " ".join(capsys.readouterr().out.split())
    assert "There is no FAISS check: the indexes here search by cosine, and dot scores by another similarity" in said


def test_a_task_without_scores_is_named_and_the_others_are_reported(
    models: list[str], own: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    static_model(words=["none", "of", "these"]).save_pretrained(str(tmp_path / "blind"), create_model_card=False)
    out = tmp_path / "run"
    data = ["--tasks", "books", "likeness", "--folder", str(own), "--indexes", "flat"]
    assert main(["compare", models[0], str(tmp_path / "blind"), *data, "--out", str(out)]) == 0
    summary = read_json(out / "summary.json")
    [missing] = summary["missing"]
    assert missing.startswith("likeness has no score for st-isotropy/") and "cosine_spearman is nan, as when" in missing
    values = {row["name"]: row["values"] for row in summary["sections"][0]["rows"]}
    assert len(values["books nDCG@10"]) == 2 and len(values["likeness Spearman"]) == 1
    assert "Missing: likeness has no score" in capsys.readouterr().out


def test_an_unknown_index_is_told_before_anything_runs(
    models: list[str], own: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    command = ["compare", *models, "--folder", str(own), "--indexes", "hsnw", "--out", str(tmp_path / "run")]
    assert main(command) == 2
    assert capsys.readouterr().err.startswith("error: There is no index 'hsnw'; near names are hnsw")
    assert not (tmp_path / "run").exists()
