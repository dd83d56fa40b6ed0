"""Training pairs: read from files with the line of every fault, fitted to an objective, without what tasks ask."""

import json
import tracemalloc

import numpy as np
import pytest
from datasets import Dataset
from own_data import damaged_gzip, write_beir, write_lines, write_pairs
from small_corpus import static_model

from evaluation.errors import UserError
from evaluation.sources import Sources
from evaluation.tasks import resolve_tasks
from evaluation.training_pairs import (
    asked_about,
    content_hash,
    for_objective,
    load_pairs,
    with_mismatches,
    without_asked,
)

POSITIVE = Dataset.from_dict({"anchor": ["a b", "c d", "e f"], "positive": ["a", "c", "e"]})
SCORED = Dataset.from_dict({"sentence1": ["a b", "c d"], "sentence2": ["a", "c"], "score": [0.0, 1.0]})


@pytest.mark.parametrize("ending", [".tsv", ".tsv.gz"])
def test_pairs_are_read_from_a_file_and_scores_are_scaled(tmp_path, ending):
    write_lines(tmp_path / f"mine{ending}", ["sentence1\tsentence2\tscore", "a\tb\t0", 'c\t"d\t5', "e\tf\t2.5"])
    pairs = load_pairs("mine", Sources(pairs=(tmp_path,)))
    assert pairs.to_dict() == {"sentence1": ["a", "c", "e"], "sentence2": ["b", '"d', "f"], "score": [0.0, 1.0, 0.5]}


def test_scores_that_are_shares_stay_as_they_are(tmp_path):
    write_lines(tmp_path / "mine.tsv", ["sentence1\tsentence2\tscore", "a\tb\t0.2", "c\td\t0.4"])
    assert list(load_pairs("mine", Sources(pairs=(tmp_path,)))["score"]) == [0.2, 0.4]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["first\tsecond", "a\tb"],
            r"mine\.tsv, line 1: the columns are first, second, and must be anchor, pos",
        ),
        (["anchor\tpositive", "a\tb", "c"], r"mine\.tsv, line 3: there are 1 columns and must be 2\."),
        (["anchor\tpositive", "a\tb"], r"mine\.tsv holds 1 pairs, and training needs at least 2\."),
        (["sentence1\tsentence2\tscore", "a\tb\t1", "c\td\thigh"], r"line 3: the score 'high' is no number\."),
        (["anchor\tpositive", "a\tb", "c\t "], r"mine\.tsv, line 3: the positive is empty; give it, or take the line"),
        (["sentence1\tsentence2\tscore", "a\tb\t1", "", "c\td\thigh"], r"line 4: the score 'high' is no number\."),
        (["sentence1\tsentence2\tscore", "a\tb\tnan", "c\td\t1"], r"line 2: the score 'nan' is no number\."),
        (["sentence1\tsentence2\tscore", "a\tb\t5", "c\td\t5"], r"mine\.tsv: all 2 scores are 5, so there is nothing"),
    ],
)
def test_a_file_that_holds_no_pairs_is_told_with_its_line(tmp_path, lines, message):
    write_lines(tmp_path / "mine.tsv", lines)
    with pytest.raises(UserError, match=message):
        load_pairs("mine", Sources(pairs=(tmp_path,)))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mine.tsv", b"\xff\xfe", "mine.tsv, after line 0: this is not UTF-8"),
        ("mine.tsv.gz", b"no gzip", "mine.tsv.gz, after line 0: the gzip file is broken"),
        ("mine.tsv.gz", damaged_gzip("a\tb\n" * 100), "mine.tsv.gz, after line 0: the gzip file is broken"),
    ],
    ids=["encoding", "no gzip", "damaged gzip"],
)
def test_a_file_that_is_no_text_is_told(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_pairs("mine", Sources(pairs=(tmp_path,)))


def test_an_empty_file_has_no_columns(tmp_path):
    (tmp_path / "mine.tsv").write_text("")
    with pytest.raises(UserError, match=r"mine\.tsv, line 1: the columns are missing, and must be"):
        load_pairs("mine", Sources(pairs=(tmp_path,)))


def test_pairs_that_are_nowhere_are_told_with_where_they_were_looked_for(tmp_path):
    with pytest.raises(UserError, match=r"no training pairs 'mine'; mine\.tsv or mine\.tsv\.gz was looked for in "):
        load_pairs("mine", Sources(pairs=(tmp_path,)))
    with pytest.raises(UserError, match=r"was looked for in no folder: name one with --pairs DIR\."):
        load_pairs("mine", Sources())


def test_pairs_of_a_task_are_a_split_of_an_sts_task(tmp_path):
    write_lines(tmp_path / "rated" / "train.tsv", ["sentence1\tsentence2\tscore", "a\tb\t0", "c\td\t5"])
    write_lines(tmp_path / "sorted" / "test.tsv", ["text\tlabel", "a\tx", "b\ty"])
    sources = Sources(folders=(tmp_path,))
    assert list(load_pairs("rated:train", sources)["score"]) == [0.0, 1.0]
    with pytest.raises(UserError, match=r"from STS tasks, and sorted-clustering:test is of the type Clustering\."):
        load_pairs("sorted-clustering:test", sources)


def test_a_name_that_stands_for_several_tasks_is_refused():
    with pytest.raises(UserError, match="from one STS task, and docstrings:tune stands for 3 tasks"):
        load_pairs("docstrings:tune", Sources())


def test_a_blank_line_at_the_end_of_pairs_is_no_row(tmp_path):
    write_lines(tmp_path / "some.tsv", ["anchor\tpositive", "a\tb", "c\td", ""])
    assert len(load_pairs("some", Sources(pairs=(tmp_path,)))) == 2


def test_each_objective_gets_the_columns_that_it_trains_on():
    assert for_objective(POSITIVE, "contrastive", None, 4) is POSITIVE
    assert for_objective(SCORED, "cosine", None, 4) is SCORED
    for objective in ("cosine", "cosent"):
        scored = for_objective(POSITIVE, objective, None, 4)
        assert (
            scored.column_names == ["sentence1", "sentence2", "score"] and scored["score"][:] == [1.0] * 3 + [0.0] * 3
        )
    with pytest.raises(UserError, match=r"objective contrastive trains on positive pairs, but these pairs have scores"):
        for_objective(SCORED, "contrastive", None, 4)


def test_no_mismatch_is_a_pair_and_every_run_has_the_same_ones():
    pairs = Dataset.from_dict({"anchor": [f"a{i}" for i in range(50)], "positive": [f"p{i}" for i in range(50)]})
    scored = with_mismatches(pairs)
    for anchor, other, score in zip(*scored.to_dict().values(), strict=True):
        assert (anchor[1:] == other[1:]) == (score == 1)
    assert with_mismatches(pairs).to_dict() == scored.to_dict()


def test_a_pair_of_the_data_is_no_mismatch_by_chance():
    pairs = Dataset.from_dict({"anchor": [f"a{i // 2}" for i in range(40)], "positive": ["p0", "p1"] * 20})
    scored = with_mismatches(pairs).to_dict()
    true = set(zip(pairs["anchor"], pairs["positive"], strict=True))
    rows = list(zip(*scored.values(), strict=True))
    assert len(rows) == 40  # every mismatch would be a pair
    assert all((anchor, other) in true and score == 1 for anchor, other, score in rows)


def test_a_text_is_no_mismatch_of_itself_nor_of_what_it_is_paired_with_elsewhere():
    """Paraphrases are often listed in both directions, and in another case."""
    first, second = ["a", "b", "C", "d"], ["b", "a", "d", "c"]
    scored = with_mismatches(Dataset.from_dict({"anchor": first * 10, "positive": second * 10})).to_dict()
    wrong = [(one.lower(), other.lower()) for one, other, score in zip(*scored.values(), strict=True) if score == 0]
    assert {frozenset(pair) for pair in wrong} == {frozenset(pair) for pair in ("ac", "ad", "bc", "bd")}


def test_a_pair_without_a_score_is_told(tmp_path):
    folder = tmp_path / "mteb" / "sts13-sts"
    rows = [{"sentence1": "a", "sentence2": "b", "score": score} for score in (0, 2, None)]
    write_lines(folder / "test.jsonl", [json.dumps(row) for row in rows])
    with pytest.raises(UserError, match=r"^STS13:test: 1 of 3 scores are missing, that of row 3 the first; train on a"):
        load_pairs("STS13:test", Sources(mirror=tmp_path))


def test_one_long_text_does_not_multiply_the_memory_of_a_hash():
    many = Dataset.from_dict({"anchor": ["x" * 100_000, *map(str, range(2000))], "positive": ["y"] * 2001})
    tracemalloc.start()
    content_hash(many)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6  # 2001 texts as wide as the longest would take 0.8 GB


def test_a_teacher_gives_every_distinct_text_an_embedding_of_the_students_dimension():
    pairs = Dataset.from_dict(
        {"anchor": [f"word{i} word{i + 1}" for i in range(30)], "positive": [f"word{i}" for i in range(29)] + ["word1"]}
    )
    teacher = static_model(dimensions=20)
    taught = for_objective(pairs, "distillation", teacher, 16)
    assert taught.column_names == ["sentence", "label"] and len(taught) == 30 + 29
    assert np.asarray(taught["label"][:]).shape == (59, 16)
    with pytest.raises(
        UserError,
        match=r"A student of 16 dimensions learns the teacher's 20 along as many principal axes, "
        r"which takes at least 16 texts; there are 8\.",
    ):
        for_objective(pairs.select(range(4)), "distillation", teacher, 16)


@pytest.mark.parametrize("dimensions", [20, 27])
def test_a_teacher_no_wider_than_the_student_keeps_every_cosine(dimensions):
    pairs = Dataset.from_dict({"anchor": ["word1 word2", "word3"], "positive": ["word4", "word5 word6"]})
    teacher = static_model(dimensions=20)
    taught = for_objective(pairs, "distillation", teacher, dimensions)
    targets = np.asarray(taught["label"][:])
    own = teacher.encode(list(taught["sentence"]))
    assert targets.shape == (4, dimensions)
    np.testing.assert_allclose(targets @ targets.T, own @ own.T, atol=1e-5)


def test_pairs_that_an_sts_task_asks_about_are_dropped_in_any_order_case_and_white_space(tmp_path):
    write_lines(
        tmp_path / "rated" / "test.tsv",
        ["sentence1\tsentence2\tscore", "The cat\ta dog\t1", "one\ttwo\t2", "red\tblue\t3"],
    )
    write_lines(tmp_path / "sorted" / "test.tsv", ["text\tlabel", "left\tx", "right\ty"])
    pairs = Dataset.from_dict(
        {"anchor": ["the  CAT", "two", "one", "left"], "positive": ["A dog ", "one", "blue", "right"]}
    )
    kept, dropped = without_asked(pairs, asked_about(resolve_tasks([], None, [tmp_path])))
    assert (kept.to_dict(), dropped) == ({"anchor": ["one", "left"], "positive": ["blue", "right"]}, 2)


def test_the_hash_of_pairs_sees_every_value_its_order_and_the_names():
    def of(**columns):
        return content_hash(Dataset.from_dict(columns))

    first = of(anchor=["a", "b"], positive=["c", "d"])
    assert of(anchor=["a", "b"], positive=["c", "d"]) == first
    others = [
        of(anchor=["b", "a"], positive=["c", "d"]),
        of(anchor=["a", "b"], positive=["c", "e"]),
        of(sentence=["a", "b"], positive=["c", "d"]),
        of(anchor=["a", "b"], positive=["c", "d"], score=[0.0, 1.0]),
        of(anchor=["a", "b"], positive=["c", "d"], score=[0.0, 0.5]),
        of(sentence=["a", "b"], label=[[0.0, 1.0], [1.0, 0.0]]),
        of(sentence=["a", "b"], label=[[0.0, 1.0], [1.0, 0.1]]),
    ]
    assert len({first, *others}) == len(others) + 1


def test_a_long_text_is_read_whole(tmp_path):
    write_lines(tmp_path / "mine.tsv", ["anchor\tpositive", f"a\t{'long ' * 40_000}", "c\td"])
    assert len(load_pairs("mine", Sources(pairs=(tmp_path,)))["positive"][0]) == 200_000


def test_pairs_of_pair_classification_and_answered_queries_are_dropped_too(tmp_path):
    write_pairs(tmp_path / "same.tsv", column="label", count=20)
    write_beir(tmp_path / "books", documents=60)
    tasks = resolve_tasks([], None, [tmp_path])
    asked = asked_about(tasks)
    same, books = [next(task for task in tasks if task.name == name).make() for name in ("same", "books")]
    same.load_data()
    books.load_data()
    rows = same.dataset["default"]["test"]
    pairs = Dataset.from_dict({"anchor": [*rows["sentence2"], "new"], "positive": [*rows["sentence1"], "pair"]})
    assert without_asked(pairs, asked)[1] == 20
    data = books.dataset["default"]["test"]
    texts = {row["id"]: row["text"] for row in data["corpus"]}
    queries = dict(zip(data["queries"]["id"], data["queries"]["text"], strict=True))
    answered = [(queries[query], texts[doc]) for query, docs in data["relevant_docs"].items() for doc in docs]
    unanswered = (answered[0][0], answered[-1][1])
    anchors, positives = zip(*answered, unanswered, strict=True)
    kept, dropped = without_asked(Dataset.from_dict({"anchor": anchors, "positive": positives}), asked)
    assert dropped == len(answered) == 60 and kept.to_dict() == {"anchor": [unanswered[0]], "positive": [unanswered[1]]}


def test_mismatches_depend_on_the_seed_alone():
    pairs = Dataset.from_dict({"anchor": [f"a{i}" for i in range(40)], "positive": [f"b{i}" for i in range(40)]})
    assert with_mismatches(pairs, 1).to_dict() == with_mismatches(pairs, 1).to_dict()
    assert with_mismatches(pairs, 1).to_dict() != with_mismatches(pairs, 2).to_dict()
