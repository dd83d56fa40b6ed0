"""Training pairs by name: every fault of a file is told with its line."""

import json

import mteb
import pytest
from own_data import damaged_gzip, write_lines

from evaluation.data.places import Sources
from evaluation.errors import UserError
from evaluation.train.pairs import load_pairs


@pytest.mark.parametrize("ending", [".tsv", ".tsv.gz"])
def test_pairs_are_read_from_a_file_and_scores_are_scaled(tmp_path, ending):
    write_lines(tmp_path / f"mine{ending}", ["sentence1\tsentence2\tscore", "a\tb\t0", 'c\t"d\t5', "e\tf\t2.5"])
    pairs = load_pairs("mine", Sources(pairs=(tmp_path,)))
    assert pairs.to_dict() == {"sentence1": ["a", "c", "e"], "sentence2": ["b", '"d', "f"], "score": [0.0, 1.0, 0.5]}


def test_columns_are_found_by_name_and_others_are_not_read(tmp_path):
    write_lines(tmp_path / "mine.CSV", ["id\tpositive \t anchor", "1\tb\ta", "2\t\td"])
    write_lines(tmp_path / "other.tsv", ["score\tsentence2\tsentence1", "1\tb\ta", "0\td\tc"])
    with pytest.raises(UserError, match=r"mine\.CSV, line 3: the positive is empty"):
        load_pairs("mine", Sources(pairs=(tmp_path,)))
    pairs = load_pairs("other", Sources(pairs=(tmp_path,)))
    assert pairs.to_dict() == {"sentence1": ["a", "c"], "sentence2": ["b", "d"], "score": [1.0, 0.0]}


def test_the_classes_of_positive_pairs_become_numbers(tmp_path):
    write_lines(tmp_path / "mine.tsv", ["class\tanchor\tpositive", "lost\ta\tb", "card\tc\td", "lost\te\tf"])
    pairs = load_pairs("mine", Sources(pairs=(tmp_path,)))
    assert pairs.to_dict() == {"anchor": ["a", "c", "e"], "positive": ["b", "d", "f"], "class": [1, 0, 1]}


@pytest.mark.parametrize("judged", ["label", "score"])
def test_positives_with_a_label_beside_them_are_refused(judged, tmp_path):
    write_lines(tmp_path / "mine.tsv", [f"anchor\tpositive\t{judged}", "a\tb\t1", "c\td\t0"])
    with pytest.raises(UserError) as caught:
        load_pairs("mine", Sources(pairs=(tmp_path,)))
    assert str(caught.value) == (
        f"{tmp_path / 'mine.tsv'}, line 1: anchor and positive say that all pairs belong together, and {judged} says "
        f"how much each does: name the columns sentence1, sentence2 and {judged}, or keep the pairs that belong "
        "together and remove the column."
    )


def test_pairs_of_a_task_have_the_columns_and_the_range_that_mteb_gives_it(tmp_path):
    rows = [{"query": "a", "passage": "b", "score": 0}, {"query": "c", "passage": "d", "score": 5}]
    task = mteb.get_task("UkrSedUASmallSTSv1")
    assert task.column_names == ("query", "passage") and (task.min_score, task.max_score) == (0, 5)
    file = write_lines(tmp_path / task.metadata.dataset["path"] / "test.jsonl", [json.dumps(row) for row in rows])
    pairs = load_pairs("UkrSedUASmallSTSv1:test", Sources(mirror=tmp_path))
    assert pairs.to_dict() == {"sentence1": ["a", "c"], "sentence2": ["b", "d"], "score": [0.0, 1.0]}
    write_lines(file, [json.dumps({**row, "score": 2 * row["score"]}) for row in rows])
    with pytest.raises(
        UserError, match="the scores lie between 0 and 10, but mteb says between 0 and 5; write the pairs"
    ):
        load_pairs("UkrSedUASmallSTSv1:test", Sources(mirror=tmp_path))


def test_scores_that_are_shares_stay_as_they_are(tmp_path):
    write_lines(tmp_path / "mine.tsv", ["sentence1\tsentence2\tscore", "a\tb\t0.2", "c\td\t0.4"])
    assert list(load_pairs("mine", Sources(pairs=(tmp_path,)))["score"]) == [0.2, 0.4]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["first\tsecond", "a\tb"],
            r"mine\.tsv, line 1: the columns are first, second, but must be anchor, pos",
        ),
        (
            ["anchor\tpositive", "a\tb", "c"],
            r"mine\.tsv, line 3: 1 cell instead of 2; separate them by",
        ),
        (["anchor\tpositive", "a\tb"], r"mine\.tsv holds 1 pair, and training needs at least 2\."),
        (
            ["sentence1\tsentence2\tscore", "a\tb\t1", "c\td\thigh"],
            r"line 3: the score 'high' is not a finite",
        ),
        (
            ["anchor\tpositive", "a\tb", "c\t "],
            r"mine\.tsv, line 3: the positive is empty; fill it in",
        ),
        (
            ["sentence1\tsentence2\tscore", "a\tb\t1", "", "c\td\thigh"],
            r"line 4: the score 'high' is not a finite",
        ),
        (["sentence1\tsentence2\tscore", "a\tb\tnan", "c\td\t1"], r"line 2: the score 'nan' is not a finite number\."),
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
        ("mine.tsv", b"\xff\xfe", "mine.tsv, line 1: this is not UTF-8"),
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
    with pytest.raises(UserError, match=r"mine\.tsv, line 1: the columns are missing, but must be"):
        load_pairs("mine", Sources(pairs=(tmp_path,)))


def test_pairs_that_are_nowhere_are_told_with_where_they_were_looked_for(tmp_path):
    with pytest.raises(UserError, match=r"no training pairs 'mine'; a tab-separated file mine\.tsv was looked for in "):
        load_pairs("mine", Sources(pairs=(tmp_path,)))
    with pytest.raises(UserError, match=r"was looked for in no folder: name one with --pairs DIR\."):
        load_pairs("mine", Sources())


def test_pairs_of_a_task_are_a_split_of_an_sts_task(tmp_path):
    write_lines(
        tmp_path / "rated" / "train.tsv", ["sentence1\tsentence2\tscore", *(f"a {row}\tb\t{row}" for row in range(11))]
    )
    write_lines(tmp_path / "sorted" / "test.tsv", ["text\tlabel", "a\tx", "b\ty", "c\ty"])
    sources = Sources(folders=(tmp_path,))
    assert list(load_pairs("rated:train", sources)["score"]) == [row / 10 for row in range(11)]
    with pytest.raises(UserError, match=r"from STS tasks, but sorted-clustering:test is of type Clustering\."):
        load_pairs("sorted-clustering:test", sources)


def test_a_name_that_stands_for_several_tasks_is_refused():
    with pytest.raises(UserError, match="from one STS task, but docstrings:tune stands for 3 tasks"):
        load_pairs("docstrings:tune", Sources())


def test_a_blank_line_at_the_end_of_pairs_is_no_row(tmp_path):
    write_lines(tmp_path / "some.tsv", ["anchor\tpositive", "a\tb", "c\td", ""])
    assert len(load_pairs("some", Sources(pairs=(tmp_path,)))) == 2


def test_a_pair_without_a_score_is_told(tmp_path):
    folder = tmp_path / "mteb" / "sts13-sts"
    rows = [{"sentence1": "a", "sentence2": "b", "score": score} for score in (0, 2, None)]
    write_lines(folder / "test.jsonl", [json.dumps(row) for row in rows])
    with pytest.raises(UserError, match=r"^STS13:test: 1 of 3 scores are missing, first in row 3; train on a"):
        load_pairs("STS13:test", Sources(mirror=tmp_path))


def test_a_long_text_is_read_whole(tmp_path):
    write_lines(tmp_path / "mine.tsv", ["anchor\tpositive", f"a\t{'long ' * 40_000}", "c\td"])
    assert len(load_pairs("mine", Sources(pairs=(tmp_path,)))["positive"][0]) == 200_000


def test_pairs_with_labels_are_pairs_with_scores_and_truth_may_be_written_out(tmp_path):
    lines = ["sentence1\tlabel\tsentence2", "a\tTrue\tb", "c\tfalse\td", "e\t1.0\tf", "g\t0\th"]
    write_lines(tmp_path / "mine.tsv", lines)
    pairs = load_pairs("mine", Sources(pairs=(tmp_path,)))
    assert pairs.to_dict() == {
        "sentence1": ["a", "c", "e", "g"],
        "sentence2": ["b", "d", "f", "h"],
        "score": [1.0, 0.0, 1.0, 0.0],
    }
    write_lines(tmp_path / "mine.tsv", [*lines, "i\tmaybe\tj"])
    with pytest.raises(UserError) as caught:
        load_pairs("mine", Sources(pairs=(tmp_path,)))
    assert str(caught.value) == (
        f"{tmp_path / 'mine.tsv'}, line 6: the label 'maybe' is neither 1 or true (the pair means the same) nor 0 or "
        "false; call the column score if it is a degree of similarity."
    )


@pytest.mark.parametrize("stem", ["all", "data", "train"])
def test_pairs_have_the_name_of_their_folder_where_that_of_the_file_says_nothing(tmp_path, stem):
    write_lines(tmp_path / "quora" / f"{stem}.tsv", ["anchor\tpositive", "a\tb", "c\td"])
    sources = Sources(pairs=(tmp_path / "quora",))
    assert len(load_pairs("quora", sources)) == len(load_pairs(stem, sources)) == 2
