"""What is wrong with own data is said in one sentence, with the file and the line."""

import gzip
import json
from pathlib import Path

import pytest
from own_data import damaged_gzip, write_beir, write_labels, write_lines, write_pairs

from evaluation.data.folders import data_sets, read_tables
from evaluation.errors import UserError
from evaluation.tasks.resolve import resolve_tasks

HEADER = "query-id\tcorpus-id\tscore"


def row(**columns: object) -> str:
    return json.dumps(columns)


@pytest.mark.parametrize(
    ("file", "lines", "reason"),
    [
        ("corpus.jsonl", [], "corpus.jsonl is empty: it needs one JSON object per line."),
        (
            "corpus.jsonl",
            ['{"_id": "d0"'],
            "corpus.jsonl, line 1: this is not JSON (Expecting ',' delimiter); write",
        ),
        ("corpus.jsonl", ["[1]"], "corpus.jsonl, line 1: this is not a JSON object; write one object per line."),
        ("corpus.jsonl", [row(_id="d0")], 'corpus.jsonl, line 1: there is no text under "text"; add it.'),
        (
            "corpus.jsonl",
            [row(_id="a", title=1987, text="a")],
            'under "title"; write 1987 as a string, in quotation marks.',
        ),
        (
            "corpus.jsonl",
            [row(_id="a", text="\ud83d")],
            '"text" contains an unpaired surrogate; re-export the file as UTF-8.',
        ),
        (
            "queries.jsonl",
            [row(_id=1.5, text="a")],
            'queries.jsonl, line 1: there is no text under "_id"; write 1.5 as a string',
        ),
        (
            "corpus.jsonl",
            [row(_id="d0", text="a"), "", row(_id="d0", text="b")],
            "corpus.jsonl, line 3: the id 'd0' is already used on line 1; give every line its own.",
        ),
        ("qrels/test.tsv", ["q0\td0\t1"], "test.tsv, line 1: the header must be query-id, corpus-id, score, separated"),
        (
            "qrels/test.tsv",
            [HEADER, "q0 d0 1"],
            "test.tsv, line 2: 1 cell instead of 3; separate them by",
        ),
        (
            "qrels/test.tsv",
            [HEADER, "q99\td0\t1"],
            "test.tsv grades documents for 1 query, such as 'q99', and none is among the 30 of the data set; use the "
            "same ids in both files.",
        ),
        (
            "qrels/test.tsv",
            [HEADER, "q0\td99\t1"],
            "test.tsv has 1 relevant document, such as 'd99', and none is among the 60 of the corpus; use",
        ),
        (
            "qrels/test.tsv",
            [HEADER, "q0\td0\thigh"],
            "test.tsv, line 2: the score 'high' is not a whole number; give 0, 1",
        ),
        ("qrels/test.tsv", [HEADER, "q0\td0\t0"], "test.tsv has no score above 0, so no document is relevant: add"),
        ("qrels/test.tsv", [HEADER, "q0\td0\t0", "gone\td1\t1"], "test.tsv has no score above 0, so no document"),
        (
            "qrels/test.tsv",
            [HEADER, "q0\td0\t1", "q0\td0\t2"],
            "test.tsv, line 3: 'q0' and 'd0' already have another score; keep one.",
        ),
    ],
)
def test_a_broken_beir_folder(file: str, lines: list[str], reason: str, tmp_path: Path) -> None:
    write_beir(tmp_path / "books")
    write_lines(tmp_path / "books" / file, lines)
    if not lines:
        (tmp_path / "books" / file).write_text("")
    with pytest.raises(UserError) as caught:
        resolve_tasks([], folders=[tmp_path])
    assert reason in str(caught.value) and str(tmp_path) in str(caught.value)


def test_the_half_of_a_pair_is_no_text_of_its_own(tmp_path: Path) -> None:
    write_lines(tmp_path / "qnli.tsv", ["question\tsentence\tlabel\tidx", "Who?\tShe did.\t0\t1", "Why?\tSo.\t1\t2"])
    with pytest.raises(UserError, match=r"qnli\.tsv, line 1: beside text there is question, so these are pairs: call"):
        resolve_tasks([], folders=[tmp_path])


def test_two_files_are_never_taken_for_one(tmp_path: Path) -> None:
    for name in ("dev", "validation"):
        write_labels(tmp_path / "topics" / f"{name}.tsv")
    with pytest.raises(UserError, match=r"dev\.tsv and .*validation\.tsv are both the validation split: remove one\.$"):
        resolve_tasks([], folders=[tmp_path])
    for name in ("train", "test", "cola"):
        write_labels(tmp_path / "other" / "cola" / f"{name}.tsv")
    with pytest.raises(UserError, match=r"cola\.tsv and the splits beside it would both be the data set cola: rename"):
        resolve_tasks([], folders=[tmp_path / "other"])


def test_two_tables_of_one_name_are_refused_and_endings_may_be_in_capitals(tmp_path: Path) -> None:
    write_pairs(tmp_path / "likeness.TSV")
    assert [source.name for source in resolve_tasks([], folders=[tmp_path])] == ["likeness"]
    write_pairs(tmp_path / "likeness.csv")
    with pytest.raises(
        UserError, match=r"likeness\.TSV and .*likeness\.csv would both be the data set likeness: remove"
    ):
        resolve_tasks([], folders=[tmp_path])


def test_hidden_labels_of_a_test_split_leave_the_other_splits_usable(tmp_path: Path) -> None:
    for name, seed in (("train", 1), ("validation", 2)):
        write_pairs(tmp_path / "alike" / f"{name}.tsv", "label", seed=seed)
    write_lines(tmp_path / "alike" / "test.tsv", [LABELED, "a\tb\t-1", "c\td\t-1"])
    [source] = resolve_tasks(["alike"], folders=[tmp_path])
    task = source.make()
    task.load_data()
    assert list(task.eval_splits) == ["validation"]
    assert set(task.dataset["default"]) == {"train", "validation"}


def test_hidden_scores_are_hidden_and_a_split_that_is_not_evaluated_may_be_constant(tmp_path: Path) -> None:
    write_pairs(tmp_path / "rated" / "validation.tsv")
    write_lines(tmp_path / "rated" / "test.tsv", [PAIRS, "a\tb\t-1.0", "c\td\t-1.0"])
    write_lines(tmp_path / "rated" / "train.tsv", [PAIRS, "a\tb\t5", "c\td\t5"])
    [source] = resolve_tasks(["rated"], folders=[tmp_path])
    task = source.make()
    task.load_data()
    assert list(task.eval_splits) == ["validation"] and set(task.dataset["default"]) == {"train", "validation"}


def test_texts_whose_labels_are_all_hidden_are_told(tmp_path: Path) -> None:
    write_lines(tmp_path / "sst2" / "test.tsv", [LABELS, "a\t-1", "b\t-1"])
    with pytest.raises(UserError, match=r"test\.tsv: every label or score is -1, which stands for unknown; fill"):
        resolve_tasks([], folders=[tmp_path])


def test_a_linked_folder_has_the_name_of_the_link(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("first", "second"):
        write_beir(tmp_path / "store" / name / "data")
        (tmp_path / "mine" / name).symlink_to(tmp_path / "store" / name / "data")
    assert [source.name for source in resolve_tasks([], folders=[tmp_path / "mine"])] == ["first", "second"]


def test_a_data_set_that_lies_one_folder_too_deep_is_found(tmp_path: Path) -> None:
    write_beir(tmp_path / "books" / "books")
    write_beir(tmp_path / "books" / ".hidden")
    write_pairs(tmp_path / "likeness.tsv")
    assert [source.name for source in resolve_tasks([], folders=[tmp_path])] == ["likeness", "books"]


def test_a_train_split_is_the_last_to_be_evaluated_and_that_is_said(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        write_beir(tmp_path / "books", split=split)
    [source] = resolve_tasks([], folders=[tmp_path])
    assert list(source.make().eval_splits) == ["valid"]
    assert source.note == "books is evaluated on its split valid."


PAIRS, LABELED, LABELS = "sentence1\tsentence2\tscore", "sentence1\tsentence2\tlabel", "text\tlabel"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([PAIRS], "has a header and no rows: add some, or remove the file."),
        ([PAIRS, "a\tb"], ", line 2: 2 cells instead of 3; separate them by one tab each, and remove"),
        (
            [PAIRS, "a\tb\t1", "", "a\tb\tmuch"],
            ", line 4: the score 'much' is not a finite number; correct it.",
        ),
        ([PAIRS, "a\tb\tnan"], ", line 2: the score 'nan' is not a finite number"),
        ([PAIRS, "a\tb\t1", "c\td\t1"], ": all 2 scores are 1.0, so there is nothing to rank; give pairs of different"),
        (
            [LABELED, "a\tb\t2"],
            ", line 2: the label '2' is neither 1 or true (the pair means the same) nor 0 or false; call",
        ),
        ([LABELED, "a\tb\t1", "c\td\t-1"], ": 1 of 2 labels are -1, which stands for unknown; remove those rows."),
        ([LABELED, "a\tb\t-1"], ": every label or score is -1, which stands for unknown; fill them in, or remove"),
        ([LABELED, "a\tb\t1"], ": all 1 labels are 1; give at least two different ones."),
        ([LABELS, "a\t "], ", line 2: the label is empty; label every text."),
        ([LABELS, "a\tx", "b\tx"], ": all 2 labels are 'x'; give at least two different ones."),
    ],
)
def test_a_broken_table(lines: list[str], reason: str, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "words.tsv", lines)
    with pytest.raises(UserError) as caught:
        resolve_tasks([], folders=[tmp_path])
    assert f"{path}{' ' if reason[0] not in ',:' else ''}{reason}" in str(caught.value)


def test_a_split_that_is_not_asked_for_may_have_one_label(tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "test")):
        write_labels(tmp_path / f"{split}.tsv", seed=seed)
    write_lines(tmp_path / "dev.tsv", [LABELS, "a\tx", "b\tx"])
    assert {task.type for task in resolve_tasks([], folders=[tmp_path])} == {"Classification", "Clustering"}
    with pytest.raises(UserError, match=r"dev\.tsv: all 2 labels are 'x'"):
        resolve_tasks([f"{tmp_path.name}:validation"], folders=[tmp_path])


def test_files_that_are_no_text_or_no_gzip(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    path.write_bytes(b"text\tlabel\n\xff\xfe\tx\n")
    with pytest.raises(UserError, match=r"words\.tsv, line 2: this is not UTF-8 \(invalid start byte\); convert"):
        resolve_tasks([], folders=[tmp_path])
    path.rename(tmp_path / "words.tsv.gz")
    for content in ((tmp_path / "words.tsv.gz").read_bytes(), damaged_gzip("text\tlabel\n" * 100)):
        (tmp_path / "words.tsv.gz").write_bytes(content)
        with pytest.raises(UserError, match=r"words\.tsv\.gz, after line 0: the gzip file is broken"):
            resolve_tasks([], folders=[tmp_path])


@pytest.mark.parametrize("zipped", [False, True])
def test_the_line_that_is_not_utf8_is_named_however_far_ahead_the_file_is_read(tmp_path: Path, zipped: bool) -> None:
    lines = [b"text\tlabel", *[b"some words\tx"] * 500, b"caf\xe9\tx", *[b"more words\ty"] * 500]
    content = b"\n".join(lines)
    path = tmp_path / ("words.tsv.gz" if zipped else "words.tsv")
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(UserError, match=r"words\.tsv(\.gz)?, line 502: this is not UTF-8"):
        resolve_tasks([], folders=[tmp_path])


@pytest.mark.parametrize("name", ["corpus", "queries"])
def test_a_beir_file_beside_a_gzipped_one_is_refused(tmp_path: Path, name: str) -> None:
    write_beir(tmp_path / "books")
    (tmp_path / "books" / f"{name}.jsonl.gz").write_bytes(
        gzip.compress((tmp_path / "books" / f"{name}.jsonl").read_bytes())
    )
    message = rf"{name}\.jsonl and .*{name}\.jsonl\.gz would both be the {name} of books: remove one"
    with pytest.raises(UserError, match=message):
        resolve_tasks([], folders=[tmp_path / "books"])


def test_a_table_beside_a_gzipped_one_is_refused(tmp_path: Path) -> None:
    write_labels(tmp_path / "words.tsv")
    write_labels(tmp_path / "words.tsv.gz")
    with pytest.raises(UserError, match=r"words\.tsv and .*words\.tsv\.gz would both be the data set words: remove"):
        resolve_tasks([], folders=[tmp_path])


def test_training_pairs_among_the_tasks_are_pointed_to_pairs(tmp_path: Path) -> None:
    write_lines(tmp_path / "mine.tsv", ["anchor\tpositive", "a\tb"])
    with pytest.raises(UserError, match=r"these are training pairs, not a task: name their folder with --pairs"):
        resolve_tasks([], folders=[tmp_path])


def test_only_what_is_asked_for_must_be_whole(tmp_path: Path) -> None:
    write_labels(tmp_path / "good.tsv")
    write_lines(tmp_path / "bad.tsv", [PAIRS, "a\tb\tmuch"])
    assert [source.name for source in resolve_tasks(["good-clustering"], folders=[tmp_path])] == ["good-clustering"]


def test_hidden_files_are_no_data_and_an_ending_in_capitals_is_unzipped(tmp_path: Path) -> None:
    write_pairs(tmp_path / "rated" / "test.tsv.gz")
    (tmp_path / "rated" / "test.tsv.gz").rename(tmp_path / "rated" / "test.tsv.GZ")
    (tmp_path / "rated" / "._test.tsv").write_bytes(b"\x00\x05\x16\x07\xff")
    [data] = data_sets(tmp_path)
    assert list(data.files) == ["test"] and len(read_tables(data)["test"]["score"]) == 60


def test_wrong_columns_are_named_as_they_stand_in_the_file(tmp_path: Path) -> None:
    write_lines(tmp_path / "glue.tsv", ["index\tsentence", "0\ta b"])
    with pytest.raises(UserError, match=r"glue\.tsv, line 1: the columns are index, sentence; give a header with"):
        resolve_tasks([], folders=[tmp_path])


def test_what_pandas_writes_for_a_missing_title_is_no_title(tmp_path: Path) -> None:
    write_beir(tmp_path / "books")
    lines = (tmp_path / "books" / "corpus.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    write_lines(tmp_path / "books" / "corpus.jsonl", [json.dumps({**first, "title": float("nan")}), *lines[1:]])
    [source] = resolve_tasks([], folders=[tmp_path])
    task = source.make()
    task.load_data()
    assert task.dataset["default"]["test"]["corpus"]["title"][0] == ""


def test_ids_that_are_whole_numbers_are_texts_as_those_of_the_qrels(tmp_path: Path) -> None:
    write_beir(tmp_path / "books")
    for name in ("corpus", "queries"):
        rows = [json.loads(line) for line in (tmp_path / "books" / f"{name}.jsonl").read_text().splitlines()]
        write_lines(
            tmp_path / "books" / f"{name}.jsonl", [json.dumps({**each, "_id": at}) for at, each in enumerate(rows)]
        )
    write_lines(tmp_path / "books" / "qrels" / "test.tsv", [HEADER, "3\t5\t1"])
    [source] = resolve_tasks([], folders=[tmp_path])
    task = source.make()
    task.load_data()
    assert task.dataset["default"]["test"]["relevant_docs"] == {"3": {"5": 1}}
    assert "5" in task.dataset["default"]["test"]["corpus"]["id"]


def test_queries_that_only_the_qrels_have_are_told_and_do_not_count(tmp_path: Path) -> None:
    write_beir(tmp_path / "books")
    qrels = tmp_path / "books" / "qrels" / "test.tsv"
    lines = qrels.read_text().splitlines()
    write_lines(qrels, [*lines, lines[1], "gone\td1\t1"])  # and the same grade twice is one
    [source] = resolve_tasks([], folders=[tmp_path])
    assert source.note == (
        "Qrels of books grade documents for 1 query that it lacks, such as 'gone'; it does not count."
    )
    task = source.make()
    task.load_data()
    assert len(task.dataset["default"]["test"]["relevant_docs"]) == 30


def test_an_incomplete_data_set_that_nobody_asks_for_is_left_alone(tmp_path: Path) -> None:
    write_beir(tmp_path / "books")
    write_beir(tmp_path / "broken")
    (tmp_path / "broken" / "qrels" / "test.tsv").unlink()
    [source] = resolve_tasks(["books"], folders=[tmp_path])
    assert source.name == "books"
    with pytest.raises(UserError, match=r"broken has no qrels/<split>\.tsv"):
        resolve_tasks(["broken"], folders=[tmp_path])


@pytest.mark.parametrize("stem", ["validation", "valid", "val", "dev"])
def test_the_validation_split_has_several_names(stem: str, tmp_path: Path) -> None:
    for name in ("train", stem):
        write_labels(tmp_path / "tickets" / f"{name}.tsv")
    names = [source.name for source in resolve_tasks([], folders=[tmp_path])]
    assert names == ["tickets", "tickets-clustering"]


def test_labels_of_pairs_may_be_written_as_pandas_does(tmp_path: Path) -> None:
    write_lines(tmp_path / "same.tsv", ["sentence1\tsentence2\tlabel", "a\tb\t1.0", "c\td\t0.0"])
    [data] = data_sets(tmp_path)
    assert read_tables(data)["test"]["label"] == [1, 0]


def test_queries_that_repeat_a_text_are_told(tmp_path: Path) -> None:
    """Intervals over queries take them for independent."""
    write_beir(tmp_path / "books")
    queries = tmp_path / "books" / "queries.jsonl"
    rows = [json.loads(line) for line in queries.read_text().splitlines()]
    write_lines(queries, [json.dumps({**row, "text": rows[min(at, 27)]["text"]}) for at, row in enumerate(rows)])
    [source] = resolve_tasks([], folders=[tmp_path])
    assert source.note == (
        "2 of the 30 queries of books repeat the text of another, and intervals over queries count each as one of its "
        "own."
    )


def test_a_document_that_only_the_qrels_have_is_told_and_cannot_be_found(tmp_path: Path) -> None:
    """As in ArguAna, where mteb keeps the query and scores it 0."""
    write_beir(tmp_path / "books")
    qrels = tmp_path / "books" / "qrels" / "test.tsv"
    write_lines(qrels, [*qrels.read_text().splitlines()[:3], "q1\tgone\t1"])
    [source] = resolve_tasks([], folders=[tmp_path])
    assert source.note == "Qrels of books grade 1 document that its corpus lacks, such as 'gone'; no model can find it."
    task = source.make()
    task.load_data()
    assert task.dataset["default"]["test"]["relevant_docs"]["q1"] == {"gone": 1}


def test_a_split_that_is_not_evaluated_may_have_broken_qrels(tmp_path: Path) -> None:
    write_beir(tmp_path / "books")
    write_lines(tmp_path / "books" / "qrels" / "train.tsv", [HEADER, "q99\td0\t1"])
    assert [source.name for source in resolve_tasks(["books"], folders=[tmp_path])] == ["books"]
    with pytest.raises(
        UserError, match=r"train\.tsv grades documents for 1 query, such as 'q99', and none is among the 30"
    ):
        resolve_tasks(["books:train"], folders=[tmp_path])


def test_a_test_split_without_the_column_of_labels_is_left_out(tmp_path: Path) -> None:
    """As SST-2's and STS-B's from GLUE's archive."""
    write_labels(tmp_path / "sst2" / "train.tsv", header="sentence\tlabel")
    write_labels(tmp_path / "sst2" / "dev.tsv", header="sentence\tlabel")
    write_lines(tmp_path / "sst2" / "test.tsv", ["index\tsentence", "0\ta b"])
    write_pairs(tmp_path / "stsb" / "dev.tsv")
    write_lines(tmp_path / "stsb" / "test.tsv", ["index\tsentence1\tsentence2", "0\ta b\tc"])
    for source in resolve_tasks([], folders=[tmp_path]):
        task = source.make()
        task.load_data()
        assert list(task.eval_splits) == ["validation"] and "test" not in task.dataset["default"]


def test_scores_that_are_all_hidden_are_told_and_labels_beside_them_do_not_count(tmp_path: Path) -> None:
    write_lines(tmp_path / "rated.tsv", [f"{PAIRS}\tlabel", *(f"a {row}\tb\t{row}\t-1" for row in range(10))])
    [source] = resolve_tasks([], folders=[tmp_path])
    assert source.type == "STS"
    write_lines(tmp_path / "rated.tsv", [PAIRS, "a\tb\t-1", "c\td\t-1"])
    with pytest.raises(UserError, match=r"rated\.tsv: every label or score is -1, which stands for unknown; fill"):
        resolve_tasks([], folders=[tmp_path])


def test_columns_that_nobody_asks_for_stand_in_nobodys_way(tmp_path: Path) -> None:
    write_beir(tmp_path / "books")
    write_lines(tmp_path / "CoLA" / "train.tsv", ["gj04\t1\t\tOur friends won't buy this."])
    assert [source.name for source in resolve_tasks(["books"], folders=[tmp_path])] == ["books"]
    for specs in ([], ["CoLA"], ["CoLA-head"]):
        with pytest.raises(UserError, match=r"train\.tsv, line 1: the columns are gj04, 1, , Our friends won't buy"):
            resolve_tasks(specs, folders=[tmp_path])


def test_a_column_that_is_there_twice_or_half_of_a_pair_is_told(tmp_path: Path) -> None:
    write_lines(tmp_path / "words.tsv", ["text\tsentence\tlabel", "a\tb\tx"])
    with pytest.raises(UserError, match=r"line 1: text, sentence, label give the text twice; remove one column"):
        resolve_tasks([], folders=[tmp_path])
    write_lines(tmp_path / "words.tsv", ["text\ttext_pair\tlabel", "a\tb\t0"])
    with pytest.raises(
        UserError, match=r"line 1: beside text there is text_pair, so these are pairs: .* with the label 1"
    ):
        resolve_tasks([], folders=[tmp_path])


def test_a_data_set_has_the_name_of_its_folder_where_that_of_the_file_says_nothing(tmp_path: Path) -> None:
    for name in ("all", "data", "test"):
        write_pairs(tmp_path / f"of-{name}" / f"{name}.tsv")
    write_labels(tmp_path / "data" / "data.tsv.gz")  # the folder may have that name, too
    write_pairs(tmp_path / "split" / "test.tsv")
    write_pairs(tmp_path / "split" / "all.tsv")  # beside a split the name says something
    names = [source.name for source in resolve_tasks([], folders=[tmp_path])]
    assert names == ["data-clustering", "of-all", "of-data", "of-test", "split", "all"]
    write_pairs(tmp_path / "of-all" / "data.tsv")
    with pytest.raises(
        UserError, match=r"all\.tsv and .*data\.tsv would both be the data set of-all: remove or rename"
    ):
        resolve_tasks([], folders=[tmp_path])


def test_labels_of_pairs_may_be_written_out(tmp_path: Path) -> None:
    write_lines(tmp_path / "same.tsv", ["sentence1\tsentence2\tlabel", "a\tb\tTrue", "c\td\tfalse"])
    [data] = data_sets(tmp_path)
    assert read_tables(data)["test"]["label"] == [1, 0]


def test_queries_or_documents_that_are_all_blank_are_refused_and_some_are_told(tmp_path: Path) -> None:
    for name, noun, count in (("queries", "queries", 30), ("corpus", "documents", 60)):
        write_beir(tmp_path / "books")
        path = tmp_path / "books" / f"{name}.jsonl"
        rows = [{**json.loads(line), "title": ""} for line in path.read_text().splitlines()]
        write_lines(path, [json.dumps({**row, "text": " "}) for row in rows])
        with pytest.raises(UserError, match=rf"{name}\.jsonl: all {count} {noun} are blank; fill them in\.$"):
            resolve_tasks([], folders=[tmp_path])
        write_lines(path, [json.dumps({**row, "text": "one"}) for row in rows])
        with pytest.raises(
            UserError, match=rf"{name}\.jsonl: all {count} {noun} are the same, 'one.*'; give {noun} that"
        ):
            resolve_tasks([], folders=[tmp_path])
        write_lines(path, [json.dumps({**row, "text": row["text"] * (place > 0)}) for place, row in enumerate(rows)])
        [source] = resolve_tasks([], folders=[tmp_path])
        assert source.note == f"1 of the {count} {noun} of books is blank."


def test_labels_with_one_example_are_told(tmp_path: Path) -> None:
    lines = write_labels(tmp_path / "topics" / "train.tsv").read_text().splitlines()
    write_lines(tmp_path / "topics" / "train.tsv", [*lines, "alone\tz"])
    write_labels(tmp_path / "topics" / "test.tsv", seed=1)
    classified, _ = resolve_tasks([], folders=[tmp_path])
    assert classified.note == (
        "1 of the 4 labels of topics, such as z, has one training text, from which a classifier learns little."
    )


def test_clusters_of_one_text_each_are_refused_and_some_are_told(tmp_path: Path) -> None:
    write_lines(tmp_path / "poems.tsv", ["text\tlabel", *(f"text {row}\tlabel {row}" for row in range(20))])
    with pytest.raises(UserError, match=r"poems\.tsv: each of the 20 texts has a label of its own, so there are no cl"):
        resolve_tasks([], folders=[tmp_path])
    write_lines(tmp_path / "poems.tsv", ["text\tlabel", *(f"text {row}\tlabel {min(row, 9)}" for row in range(20))])
    [source] = resolve_tasks([], folders=[tmp_path])
    assert (
        "9 of the 10 labels of poems, such as label 0, have one text, which makes the V-measure larger." in source.note
    )


@pytest.mark.parametrize("column", ["score", "label"])
def test_a_score_of_very_few_pairs_is_refused(column: str, tmp_path: Path) -> None:
    write_pairs(tmp_path / "rated.tsv", column, count=9)
    with pytest.raises(UserError) as caught:
        resolve_tasks([], folders=[tmp_path])
    path = tmp_path / "rated.tsv"
    assert str(caught.value) == f"{path} has 9 pairs, of which a score says nothing: give at least 10."


def test_a_mirror_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        resolve_tasks(["STS12"], tmp_path / "miror")
    assert str(caught.value) == (
        f"There is no folder {tmp_path / 'miror'}: name the folder of the mirror with --mirror, or leave it out to use "
        "the hub."
    )
