import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize

from st_isotropy.cli import main
from st_isotropy.improve import (
    AffineMap,
    Judgment,
    ScoredTexts,
    SearchTexts,
    encode_scored,
    encode_search,
    save_improved,
)
from st_isotropy.improve.saving import write_folder


def gaussian(count, width, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def pair_file(sentences, tmp_path):
    drawn = sentences(80)
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{text} the\t{text}\n" for text in drawn[:40]), encoding="utf-8")
    (tmp_path / "texts.txt").write_text("\n".join(drawn), encoding="utf-8")
    return str(path)


@pytest.fixture
def arrays(tmp_path):
    """Documents whose first dimension varies most and says nothing about which one answers a query."""
    corpus = gaussian(200, 8) * (1 + 6 * torch.eye(8)[0])
    queries = corpus[:40] + 0.5 * gaussian(40, 8, seed=1)
    queries[:, 0] = 7 * gaussian(40, 1, seed=2)[:, 0]
    np.save(tmp_path / "corpus.npy", corpus.numpy())
    np.save(tmp_path / "queries.npy", queries.numpy())
    (tmp_path / "qrels.txt").write_text("".join(f"{row} {row}\n" for row in range(40)), encoding="utf-8")
    return [
        *("--embeddings", str(tmp_path / "corpus.npy"), "--queries", str(tmp_path / "queries.npy")),
        *("--qrels", str(tmp_path / "qrels.txt")),
    ]


def test_a_model_that_gains_nothing_is_kept_and_the_status_is_0(model_folder, pair_file, tmp_path, capsys):
    texts, out = str(tmp_path / "texts.txt"), tmp_path / "better"
    command = ["improve", model_folder, "--texts", texts, "--pairs", pair_file, "--out", str(out)]
    assert main([*command, "--candidates", "Center"]) == 0
    printed = capsys.readouterr().out
    assert "nDCG@10" in printed and "What each fold chose" in printed
    assert f"keep {model_folder}" in printed.splitlines()[-1]
    assert not out.exists()


def test_the_best_is_saved_where_asked_for_and_gives_the_vectors_that_were_measured(model_folder, pair_file, tmp_path):
    texts, out = str(tmp_path / "texts.txt"), tmp_path / "better"
    command = ["improve", model_folder, "--texts", texts, "--pairs", pair_file, "--out", str(out), "--save-best"]
    assert main([*command, "--candidates", "Center"]) == 0
    assert SentenceTransformer(str(out)).encode(["a cat", "a dog"]).shape == (2, 16)
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "## Improved with st-isotropy" in card and "pairs.tsv, texts.txt" in card
    assert str(tmp_path) not in card.replace(model_folder, "")


def test_embeddings_from_anywhere_are_improved_and_numpy_applies_the_map(arrays, tmp_path, capsys):
    out = tmp_path / "better"
    assert main(["improve", *arrays, "--candidates", "AllButTheTop(1)", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert f"on held-out queries; saved in {out}" in printed
    names: dict = {name: np.load(tmp_path / f"{name}.npy") for name in ("corpus", "queries")}
    exec("\n".join(printed.splitlines()[-4:]), names)  # the four lines that it prints
    assert np.linalg.eigvalsh(np.cov(names["corpus"].T))[0] < 1e-6  # a direction is gone
    assert names["queries"].shape == (40, 8)
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "transform.safetensors"]


def test_long_doubles_are_improved_as_doubles(arrays, tmp_path, capsys):
    command = ["improve", *arrays, "--candidates", "Center"]
    assert main(command) == 0
    expected = capsys.readouterr().out
    for name in ("corpus.npy", "queries.npy"):
        np.save(tmp_path / name, np.load(tmp_path / name).astype(np.longdouble))
    assert main(command) == 0
    assert capsys.readouterr().out == expected


def test_a_proven_gain_is_one_line_and_its_interval_is_above_0(arrays, capsys):
    assert main(["improve", *arrays, "--candidates", "AllButTheTop(1)"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("AllButTheTop(1): nDCG@10 +") and "[+" in last


@pytest.mark.slow
def test_a_saved_model_gives_the_mapped_vectors_without_this_package(model, tmp_path):
    model.append(Normalize())
    texts = ["a cat sings", "the sea shines", "two dogs"]
    expected = {}
    for truncated in (32, 8):
        model.truncate_dim = truncated
        map_ = AffineMap(gaussian(5, truncated), gaussian(1, 5)[0])
        before = torch.as_tensor(model.encode(texts))
        expected[str(truncated)] = torch.nn.functional.normalize(map_.of_queries(before), dim=1)
        save_improved(model, map_, tmp_path / str(truncated), "## Done")
        assert torch.equal(torch.as_tensor(model.encode(texts)), before)
    program = f"""
import sys
sys.modules["st_isotropy"] = None
from sentence_transformers import SentenceTransformer
import numpy as np
for name in {list(expected)}:
    rows = SentenceTransformer({str(tmp_path)!r} + "/" + name, device="cpu").encode({texts!r})
    np.save({str(tmp_path)!r} + "/" + name + ".npy", rows)
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    for name, rows in expected.items():
        assert np.allclose(np.load(tmp_path / f"{name}.npy"), rows, atol=1e-5)


def test_a_map_of_queries_is_saved_on_the_side_of_the_queries(model, tmp_path):
    model.append(Normalize())
    texts = ["a cat sings", "the sea shines"]
    map_ = AffineMap(gaussian(32, 32), gaussian(1, 32)[0], queries_only=True)
    queries = torch.nn.functional.normalize(map_.of_queries(torch.as_tensor(model.encode_query(texts))), dim=1)
    documents = model.encode_document(texts)
    save_improved(model, map_, tmp_path / "better", "## Done")
    loaded = SentenceTransformer(str(tmp_path / "better"), device="cpu")
    assert np.allclose(loaded.encode_query(texts), queries, atol=1e-5)
    assert np.array_equal(loaded.encode_document(texts), documents)


@pytest.mark.parametrize("queries_only", [False, True], ids=["all texts", "queries only"])
@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean", "manhattan"])
def test_what_is_saved_scores_what_was_reported(similarity, queries_only, model, sentences, tmp_path):
    model.append(Normalize())
    model.similarity_fn_name = similarity
    texts = sentences(60)
    answers = tuple(Judgment({row: 1.0}) for row in range(30))
    search = SearchTexts(texts, [f"{text} the sea" for text in texts[:30]], answers)
    scored = ScoredTexts([(text, other) for text, other in zip(texts[::2], texts[1::2], strict=True)], list(range(30)))
    tasks = [encode_search(model, search)] + [encode_scored(model, scored)] * (not queries_only)
    map_ = AffineMap(3 * gaussian(32, 32), gaussian(1, 32)[0], queries_only, tasks[0].unit_rows)
    save_improved(model, map_, tmp_path / "better", "## Done")
    loaded = SentenceTransformer(str(tmp_path / "better"), device="cpu")
    again = [encode_search(loaded, search)] + [encode_scored(loaded, scored)] * (not queries_only)
    for before, after in zip(tasks, again, strict=True):
        reported = before.evaluate(map_)
        assert np.ptp(reported) > 0
        assert np.allclose(after.evaluate(AffineMap.keeping(32, 32)), reported, atol=1e-5)


def test_nothing_is_left_behind_when_the_writing_is_interrupted(tmp_path):
    def write(place):
        (place / "half").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "better", write)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_not_overwritten(arrays, tmp_path, capsys):
    (tmp_path / "better").mkdir()
    assert main(["improve", *arrays, "--out", str(tmp_path / "better")]) == 2
    message = f"st-isotropy: {tmp_path / 'better'} exists and is not overwritten; choose another place for --out.\n"
    assert capsys.readouterr().err == message


def test_the_numbers_are_written_as_json(arrays, tmp_path):
    assert main(["improve", *arrays, "--candidates", "AllButTheTop(1)", "--json", str(tmp_path / "numbers.json")]) == 0
    numbers = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in numbers["candidates"]][:2] == ["as it is", "AllButTheTop(1)"]
    assert numbers["candidates"][-1]["gains"][0]["low"] > 0
    assert numbers["fold_choices"] == ["AllButTheTop(1)"] * 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pairs", "p.tsv"], "MODEL is missing; name a model, or embeddings with --embeddings."),
        (["m", "--pairs", "p.tsv"], "--texts is missing; name the corpus, one text per line."),
        (["m", "--beir", "d", "--texts", "t"], "--texts does not go with --beir; leave it out."),
        (["m", "--scored", "s", "--queries", "q"], "--queries does not go with a model; leave it out."),
        (["--embeddings", "c.npy", "--qrels", "q"], "--queries is missing; name the .npy file of the queries."),
        (["m", "--texts", "t", "--pairs", "p", "--save-best"], "The option --save-best needs a place; add --out."),
        (
            ["m", "--texts", "t"],
            "one of the arguments --pairs --beir --scored --qrels is required; see `st-isotropy improve --help`.",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused_in_one_sentence(options, message, capsys):
    assert main(["improve", *options]) == 2
    assert capsys.readouterr().err == f"st-isotropy: {message}\n"


def test_too_few_queries_are_refused_before_a_model_is_loaded(pair_file, tmp_path, capsys):
    few = tmp_path / "few.tsv"
    few.write_text("a\tb\nc\td\n", encoding="utf-8")
    assert main(["improve", "no-model", "--texts", str(tmp_path / "texts.txt"), "--pairs", str(few)]) == 2
    message = f"{few} has 2 queries with a relevant text, and a gain is shown on at least 30; add some."
    assert capsys.readouterr().err == f"st-isotropy: {message}\n"


@pytest.mark.parametrize("options", [["--candidates", "adapter"], ["--queries-only"]])
def test_an_adapter_that_is_asked_for_and_has_too_few_queries_is_refused_before_a_model_is_loaded(
    options, pair_file, tmp_path, capsys
):
    assert main(["improve", "no-model", "--texts", str(tmp_path / "texts.txt"), "--pairs", pair_file, *options]) == 2
    message = (
        "The adapter is trained on at least 50 queries or pairs that share no text, and of these 40 there are 40; add "
        "some, or try other candidates."
    )
    assert capsys.readouterr().err == f"st-isotropy: {message}\n"


def test_a_missing_adapter_is_accounted_for(arrays, capsys):
    assert main(["improve", *arrays]) == 0
    note = "No adapter is trained, as it takes 50 queries or pairs that share no text."
    assert note in capsys.readouterr().err.splitlines()


def test_two_outputs_at_one_place_are_refused_before_the_work(arrays, tmp_path, capsys):
    place = tmp_path / "better"
    assert main(["improve", *arrays, "--out", str(place), "--json", str(place)]) == 2
    message = f"{place} would be overwritten; give every file its own name."
    assert capsys.readouterr().err == f"st-isotropy: {message}\n"


def test_documents_that_are_not_finite_are_refused_before_the_work(arrays, tmp_path, capsys):
    corpus = np.load(tmp_path / "corpus.npy")
    corpus[7, 3] = np.nan
    np.save(tmp_path / "corpus.npy", corpus)
    assert main(["improve", *arrays]) == 2
    assert "1 of 200 embeddings hold NaN or infinite values, the first in row 7" in capsys.readouterr().err


def test_a_card_without_an_interval_claims_none(arrays, tmp_path):
    np.save(tmp_path / "queries.npy", np.load(tmp_path / "corpus.npy")[:40])  # every candidate finds them
    out = tmp_path / "better"
    assert main(["improve", *arrays, "--out", str(out), "--save-best", "--candidates", "Center"]) == 0
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "(no interval: " in card and "95 % interval" not in card
    assert "It is not proven to be above 0; saving was asked for." in card


def test_embeddings_of_two_widths_are_refused(arrays, tmp_path, capsys):
    np.save(tmp_path / "queries.npy", gaussian(40, 4).numpy())
    assert main(["improve", *arrays]) == 2
    message = (
        f"{tmp_path / 'corpus.npy'} has 8 dimensions but {tmp_path / 'queries.npy'} 4; encode both with one model."
    )
    assert capsys.readouterr().err == f"st-isotropy: {message}\n"
