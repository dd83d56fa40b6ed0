"""Own data as mteb tasks: found in folders, scored by mteb, and loaded again by mteb's own tools."""

import json
import pickle
from pathlib import Path

import mteb
import numpy as np
import pytest
from mteb.results import BenchmarkResults
from own_data import sentences, write_beir, write_labels, write_lines, write_pairs
from scipy.stats import spearmanr
from shared_data import SHARED
from small_corpus import static_model

from evaluation.errors import UserError
from evaluation.measure.scores import evaluate
from evaluation.measured import TaskScores
from evaluation.tasks import own_types
from evaluation.tasks.resolve import TaskSource, resolve_tasks


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data set of each kind."""
    folder = tmp_path_factory.mktemp("own")
    write_beir(folder / "books", zipped=True)
    for seed, split in enumerate(("train", "validation", "test")):
        write_pairs(folder / "likeness" / f"{split}.tsv", seed=seed)
        write_labels(folder / "topics" / f"{split}.csv", seed=seed)
    write_pairs(folder / "same" / "dev.tsv.gz", column="label")
    write_labels(folder / "more" / "poems.tsv", header="sentence\tlabel")
    return folder


@pytest.fixture(scope="module")
def results(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[TaskSource], list, Path]:
    sources = resolve_tasks([], folders=[folder])
    out = tmp_path_factory.mktemp("scores")
    return sources, evaluate(static_model(), "own", sources, out), out


def test_every_kind_of_data_becomes_the_task_it_serves_for(results) -> None:
    sources, scores, _ = results
    assert all(isinstance(each, TaskScores) and 0 < each.score <= 1 for each in scores)
    assert [(each.task, each.type, each.metric) for each in scores] == [
        ("books", "Retrieval", "ndcg_at_10"),
        ("likeness", "STS", "cosine_spearman"),
        ("poems-clustering", "Clustering", "v_measure"),
        ("same", "PairClassification", "max_ap"),
        ("topics", "Classification", "accuracy"),
        ("topics-clustering", "Clustering", "v_measure"),
    ]
    notes = [source.note for source in sources if source.note]
    assert notes == ["poems is clustered only, because classification needs a file train beside another split."]


def test_a_query_that_is_a_document_does_not_find_itself(tmp_path: Path) -> None:
    """As in ArguAna. Elsewhere equal ids mean nothing, as both files count from 1."""
    texts = sentences(20, words=12)
    queries = [json.dumps({"_id": str(i), "text": text}) for i, text in enumerate(texts[:10])]
    near = [f"{text} {text.split()[0]}" for text in texts[:10]]
    corpora = {"arguments": [f"{text} " for text in texts], "numbers": texts[::-1]}  # white space does not count
    for name, documents in corpora.items():
        rows = [*documents, *near]
        write_lines(
            tmp_path / name / "corpus.jsonl", [json.dumps({"_id": str(i), "text": t}) for i, t in enumerate(rows)]
        )
        write_lines(tmp_path / name / "queries.jsonl", queries)
        grades = [f"{i}\t{20 + i}\t1" for i in range(10)]
        write_lines(tmp_path / name / "qrels" / "test.tsv", ["query-id\tcorpus-id\tscore", *grades])
    sources = resolve_tasks([], folders=[tmp_path])
    assert [source.note for source in sources] == ["Queries of arguments are documents too, and none finds itself.", ""]
    arguments, numbers = evaluate(static_model(), "own", sources, tmp_path / "scores")
    assert arguments.score == pytest.approx(1.0)
    assert numbers.score < 0.9  # the same text, under another id, is found first


def test_a_query_with_the_text_of_its_document_says_nothing_about_the_others(tmp_path: Path) -> None:
    texts = sentences(20, words=12)
    questions = ["contact us", *[" ".join(text.split()[:6]) for text in texts[1:]]]
    for name, rows in (("corpus", ["contact us", *texts[1:]]), ("queries", questions)):
        lines = [json.dumps({"_id": str(i), "text": text}) for i, text in enumerate(rows)]
        write_lines(tmp_path / "answers" / f"{name}.jsonl", lines)
    grades = ["0\t1\t1", *[f"{i}\t{i}\t1" for i in range(1, 20)]]
    write_lines(tmp_path / "answers" / "qrels" / "test.tsv", ["query-id\tcorpus-id\tscore", *grades])
    [answers] = evaluate(static_model(), "own", resolve_tasks([], folders=[tmp_path]), tmp_path / "scores")
    assert answers.score > 0.7


def test_a_corpus_is_kept_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrow refuses more than 2 GiB of text in one."""
    monkeypatch.setattr(own_types, "BLOCK_ROWS", 7)
    write_beir(tmp_path / "books", documents=20)
    [source] = resolve_tasks(["books"], folders=[tmp_path])
    task = source.make()
    task.load_data()
    corpus = task.dataset["default"]["test"]["corpus"]
    assert len(corpus) == 20 and corpus.data.column("text").num_chunks == 3


def test_scores_are_those_of_the_data(folder: Path, results) -> None:
    model, by_name = static_model(), {each.task: each for each in results[1]}
    rows = [line.split("\t") for line in (folder / "likeness" / "test.tsv").read_text().splitlines()[1:]]
    first, second, gold = zip(*rows, strict=True)
    similarity = model.similarity_pairwise(model.encode(list(first)), model.encode(list(second)))
    assert by_name["likeness"].score == pytest.approx(spearmanr(similarity, np.array(gold, float)).statistic, abs=1e-4)
    assert first[0].startswith('"')  # quotation marks are characters like any other
    texts = sentences(60, words=20)
    found = model.similarity(
        model.encode([" ".join(text.split()[:4]) for text in texts[:30]]),
        model.encode([f"{text.split()[0]} {text}" for text in texts]),
    ).numpy()
    grades = np.zeros((30, 60))
    grades[np.arange(30), np.arange(30)], grades[np.arange(30), np.arange(30) + 1] = 2, 1
    gains = np.take_along_axis(grades, np.argsort(-found, axis=1)[:, :10], axis=1) / np.log2(np.arange(2, 12))
    assert by_name["books"].score == pytest.approx(np.mean(gains.sum(axis=1)) / (2 + 1 / np.log2(3)), abs=1e-5)


def test_mtebs_own_tools_load_the_results(results) -> None:
    sources, scores, out = results
    loaded = mteb.ResultCache(out / "mteb").load_results(tasks=[source.make() for source in sources])
    assert isinstance(loaded, BenchmarkResults)
    [result] = loaded.model_results
    assert {each.task_name: each.get_score() for each in result.task_results} == pytest.approx(
        {each.task: each.score for each in scores}, abs=1e-6
    )
    frame = loaded.to_dataframe()
    assert set(frame["task_name"]) == {source.name for source in sources}


def test_sources_can_be_sent_to_other_processes(results) -> None:
    for source in pickle.loads(pickle.dumps(results[0])):
        source.make().load_data()


def test_the_revision_names_the_content(folder: Path, tmp_path: Path) -> None:
    path = write_pairs(tmp_path / "pairs.tsv")
    [before] = resolve_tasks([], folders=[tmp_path])
    write_pairs(path, seed=1)
    [after] = resolve_tasks([], folders=[tmp_path])
    assert before.make().metadata.revision != after.make().metadata.revision
    with pytest.raises(UserError, match=r"^The data in .* changed during the run: start again in a new run"):
        before.make().load_data()


def test_splits_are_named_behind_a_colon(folder: Path) -> None:
    [source] = resolve_tasks(["likeness:validation"], folders=[folder])
    assert (source.name, source.part, list(source.make().eval_splits)) == (
        "likeness:validation",
        "validation",
        ["validation"],
    )
    with pytest.raises(UserError, match=r"^topics in .* has no split train: it has test, validation, and the parts"):
        resolve_tasks(["topics:train"], folders=[folder])


def test_a_task_and_its_usual_split_by_name_are_one(tmp_path: Path) -> None:
    write_pairs(tmp_path / "rated" / "test.tsv")
    for split in ("train", "test"):
        write_labels(tmp_path / "topics" / f"{split}.tsv")
    usual = ["rated", "topics", "topics-head", "STSBenchmark"]
    named = [f"{name}:test" for name in usual]
    assert [source.name for source in resolve_tasks([*usual, *named, "topics-head:tune"], folders=[tmp_path])] == [
        *usual,
        "topics-head:tune",
    ]


def test_a_class_that_the_test_split_lacks_is_no_failure(tmp_path: Path) -> None:
    write_labels(tmp_path / "topics" / "train.tsv")
    lines = write_labels(tmp_path / "all.tsv", seed=1).read_text().splitlines()
    write_lines(tmp_path / "topics" / "test.tsv", [lines[0], *(line for line in lines[1:] if line[-1] != "a")])
    [source, _] = resolve_tasks([], folders=[tmp_path / "topics"])
    [scores] = evaluate(static_model(), "own", [source], tmp_path / "out")
    assert scores.type == "Classification" and scores.score == pytest.approx(np.mean(list(scores.units.values())))


def test_labels_that_train_lacks_are_told(tmp_path: Path) -> None:
    write_labels(tmp_path / "topics" / "train.tsv")
    lines = write_labels(tmp_path / "topics" / "test.tsv", seed=1).read_text().splitlines()
    write_lines(tmp_path / "topics" / "test.tsv", [*lines, "what is this\tz"])
    [source, _] = resolve_tasks([], folders=[tmp_path])
    assert source.note == (
        "1 of 61 texts of topics have labels that train lacks, such as z; no model can be right about them."
    )
    write_lines(tmp_path / "topics" / "test.tsv", [lines[0], *(f"{line}.0" for line in lines[1:])])
    with pytest.raises(
        UserError, match=r"test\.tsv: train has none of its labels, such as a\.0, b\.0, c\.0; write labels"
    ):
        resolve_tasks([], folders=[tmp_path])


def test_more_classes_than_a_clustering_draws_are_drawn_from_more_rows(tmp_path: Path) -> None:
    write_lines(tmp_path / "many.tsv", ["text\tlabel", *(f"text {i}\tlabel {i % 2060}" for i in range(4200))])
    [source] = resolve_tasks([], folders=[tmp_path])
    task = source.make()
    task.load_data()
    assert task.max_documents_per_cluster == 2 * 2060


def test_a_hostile_name_stays_in_the_table_and_out_of_paths(tmp_path: Path) -> None:
    name = '<b>"a":b & $(x)'
    write_pairs(tmp_path / "in" / name / "test.tsv")
    [source] = resolve_tasks([], folders=[tmp_path / "in"])
    [scores] = evaluate(static_model(), "own", [source], tmp_path / "out")
    assert scores.task == source.name == name
    for path in (tmp_path / "out").rglob("*"):
        assert not set(path.name) & set('<>:"/\\|?*$&() '), path


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda folder: None, r"^There is no folder .*: name a folder with --folder\.$"),
        (lambda folder: write_lines(folder, ["a table"]), r"data is a file: name a folder with --folder\.$"),
        (lambda folder: (folder / "sub").mkdir(parents=True), "holds no data set: give a BEIR folder"),
        (
            lambda folder: write_lines(folder / "corpus.jsonl", ["{}"]),
            r"data has no queries\.jsonl \(or queries\.jsonl\.gz\), which a BEIR folder needs: add it\.$",
        ),
        (
            lambda folder: (
                write_beir(folder, split="test.old").joinpath("qrels/test.old.tsv").rename(folder / "old.tsv")
            ),
            r"data has no qrels/<split>\.tsv with the relevant documents, such as qrels/test\.tsv\.$",
        ),
        (
            lambda folder: write_lines(folder / "a.tsv", ["x\ty"]),
            r"a\.tsv, line 1: the columns are x, y; give a header",
        ),
        (
            lambda folder: (write_pairs(folder / "train.tsv"), write_labels(folder / "test.tsv")),
            r"test\.tsv holds texts with labels and .*train\.tsv pairs with scores: give all splits",
        ),
        (
            lambda folder: write_pairs(folder / "STS12" / "test.tsv"),
            "STS12 in .* has the name of a task, type,",
        ),
        (
            lambda folder: [write_pairs(folder / each / "words.tsv") for each in "ab"],
            "a and .*b both hold a data set words: rename one",
        ),
        (
            lambda folder: [write_pairs(folder / f"{name}.tsv") for name in ("words", "Words")],
            "The tasks .* and .* differ in case only",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_sentence(write, reason: str, tmp_path: Path) -> None:
    write(tmp_path / "data")
    with pytest.raises(UserError, match=reason):
        resolve_tasks([], folders=[tmp_path / "data"])


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="no local copies of data sets (ST_ISOTROPY_SHARED)")
def test_public_data_sets_are_taken_as_they_are() -> None:
    sources = resolve_tasks([], folders=[SHARED / "data" / "beir", SHARED / "data" / "glue"])
    assert [(source.name, source.type) for source in sources] == [
        ("cisi", "Retrieval"),
        ("cranfield", "Retrieval"),
        ("medquad", "Retrieval"),
        ("cola", "Classification"),
        ("cola-clustering", "Clustering"),
        ("mrpc", "PairClassification"),
    ]
