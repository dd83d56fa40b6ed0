"""Layouts in which data sets are published: read, or refused in one sentence that says how to convert."""

import pandas
import pytest
from own_data import write_lines

from evaluation.data.folders import data_sets, read_beir, read_tables
from evaluation.data.places import Sources
from evaluation.errors import UserError
from evaluation.train.pairs import load_pairs


def conversion(name: str) -> str:
    return rf".replace(r'\s+', ' ', regex=True).to_csv({name!r}, sep='\t', index=False, quoting=3)"


STS = "split\tgenre\tscore\tsentence1\tsentence2\n"


def test_a_table_with_a_column_of_folds_is_not_scored_as_one(tmp_path):
    path = tmp_path / "stsbenchmark.tsv"
    path.write_text(STS + "train\tnews\t5\ta\tb\ndev\tnews\t1\tc\td\ntest\tnews\t3\te\tf\n")
    with pytest.raises(UserError) as error:
        _ = data_sets(tmp_path)[0].kind
    assert str(error.value) == (
        f"{path}, line 1: the column split divides the rows into dev, test, train, and all of them would be scored; "
        "write the rows of each to a file of its own, such as train.tsv and test.tsv, or remove the column."
    )
    path.write_text(STS + "test\tnews\t5\ta\tb\ntest\tnews\t1\tc\td\n")
    assert read_tables(data_sets(tmp_path)[0])["test"]["score"] == [5, 1]


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("test.jsonl", "read_json('test.jsonl', lines=True)"),
        ("test-00000-of-00001.parquet", "read_parquet('test-00000-of-00001.parquet')"),
    ],
)
def test_a_split_in_another_format_is_not_passed_over(name, reader, tmp_path):
    (tmp_path / "train.tsv").write_text("text\tlabel\na\t1\nb\t0\n")
    (tmp_path / name).write_text("{}")
    with pytest.raises(UserError) as error:
        data_sets(tmp_path)
    assert str(error.value) == (
        f"{tmp_path / name} is no tab-separated table: convert it, as by pandas.{reader}{conversion('test.tsv')}, "
        "and remove it."
    )


@pytest.mark.parametrize("between", [" ", "\t"])
def test_qrels_in_the_format_of_trec_are_read(between, tmp_path):
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "text": "a"}\n{"_id": "d2", "text": "b"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "a"}\n')
    (tmp_path / "qrels").mkdir()
    lines = [between.join(["q1", "0", "d1", "2"]), between.join(["q1", "0", "d2", "0"])]
    (tmp_path / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")
    assert read_beir(data_sets(tmp_path)[0], ["test"]).grades == {"test": {"q1": {"d1": 2, "d2": 0}}}


def test_a_column_of_names_of_folds_is_one_whatever_it_is_called(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("sentence1\tsentence2\tscore\tused for\na\tb\t1\tTrain\nc\td\t2\ttest\n")
    with pytest.raises(UserError, match="the column used for divides the rows into Train, test, and all of them"):
        _ = data_sets(tmp_path)[0].kind
    path.write_text("sentence1\tsentence2\tscore\tgenre\na\tb\t1\ttest\nc\td\t2\tnews\n")
    assert data_sets(tmp_path)[0].kind == "pairs with scores"


def test_training_pairs_are_not_taken_from_all_folds_of_a_file(tmp_path):
    path = tmp_path / "own.tsv"
    path.write_text("anchor\tpositive\tsplit\na\tb\ttrain\nc\td\ttest\n")
    with pytest.raises(UserError, match="the column split divides the rows into test, train"):
        load_pairs("own", Sources(pairs=(tmp_path,)))


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("name", ["test.tsv", "test.csv"])
def test_a_table_with_another_separator_is_refused_with_how_to_convert_it(name, separator, tmp_path):
    path = tmp_path / name
    path.write_text(separator.join(["sentence1", "sentence2", "score"]) + "\n" + separator.join("ab1") + "\n")
    converted = (
        f"{path} is separated by {separator!r} and not by tabs: convert it, as by pandas.read_csv({name!r}, "
        f"sep={separator!r}){conversion('test.tsv')}{', and remove it' * name.endswith('.csv')}."
    )
    with pytest.raises(UserError) as error:
        _ = data_sets(tmp_path)[0].kind
    assert str(error.value) == converted
    with pytest.raises(UserError) as error:
        load_pairs("test", Sources(pairs=(tmp_path,)))
    assert str(error.value) == converted


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("name", ["scored.tsv", "scored.csv"])
def test_the_line_that_converts_a_table_gives_one_that_is_read(name, separator, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    rows = [
        ["sentence1", "sentence2", "score"],
        ['"a, ""b""; c"', '"in two\r\nlines, with\ta tab"', "1"],
        ["d", "e", "0.5"],
    ]
    path.write_bytes("\n".join(map(separator.join, rows)).encode())
    with pytest.raises(UserError) as error:
        _ = data_sets(tmp_path)[0].kind
    advice = str(error.value)
    exec(advice.partition("as by ")[2].removesuffix(".").removesuffix(", and remove it"), {"pandas": pandas})
    if advice.endswith(", and remove it."):
        path.unlink()
    assert read_tables(data_sets(tmp_path)[0])["test"] == {
        "sentence1": ['a, "b"; c', "d"],
        "sentence2": ["in two lines, with a tab", "e"],
        "score": [1, 0.5],
    }


@pytest.mark.parametrize("name", ["test.json", "test.jsonl.gz", "test.arrow", "test.xls", "dev-00000-of-00002.feather"])
def test_no_format_is_passed_over(name, tmp_path):
    (tmp_path / "train.tsv").write_text("text\tlabel\na\t1\nb\t0\n")
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match="is no tab-separated table: convert it, as by"):
        data_sets(tmp_path)


def test_training_pairs_of_another_format_are_refused_with_how_to_convert_them(tmp_path):
    (tmp_path / "own.parquet").write_bytes(b"")
    with pytest.raises(UserError) as error:
        load_pairs("own", Sources(pairs=(tmp_path,)))
    assert str(error.value) == (
        f"{tmp_path / 'own.parquet'} is no tab-separated table: convert it, as by "
        f"pandas.read_parquet('own.parquet'){conversion('own.tsv')}."
    )


def test_a_score_that_stands_for_unknown_is_no_score(tmp_path):
    path = tmp_path / "test.tsv"
    path.write_text("sentence1\tsentence2\tscore\na\tb\t4.5\nc\td\t-1\ne\tf\t0\n")
    expected = f"{path}: 1 of 3 scores are -1, which stands for unknown beside scores from 0 to 4.5; remove those rows."
    with pytest.raises(UserError) as error:
        read_tables(data_sets(tmp_path)[0])
    assert str(error.value) == expected
    with pytest.raises(UserError) as error:
        load_pairs("test", Sources(pairs=(tmp_path,)))
    assert str(error.value) == expected
    path.write_text("sentence1\tsentence2\tscore\na\tb\t0.5\nc\td\t-1\ne\tf\t0\n")
    assert read_tables(data_sets(tmp_path)[0])["test"]["score"] == [0.5, -1, 0]  # cosines


def test_a_folder_of_a_model_or_a_run_is_no_data(tmp_path):
    write_lines(tmp_path / "data" / "test.tsv", ["text\tlabel", *(f"text {i}\t{'ab'[i % 2]}" for i in range(20))])
    write_lines(tmp_path / "model" / "config.json", ["{}"])
    assert [data.name for data in data_sets(tmp_path)] == ["data"]
