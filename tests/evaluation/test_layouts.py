"""Layouts in which data sets are published: read, or refused in one sentence that says how to convert."""

import pytest

from evaluation.data.folders import data_sets, read_beir, read_tables
from evaluation.errors import UserError

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
    ("name", "conversion"),
    [
        ("test.jsonl", "read_json('test.jsonl', lines=True).to_csv('test.tsv'"),
        ("test-00000-of-00001.parquet", "read_parquet('test-00000-of-00001.parquet').to_csv('test.tsv'"),
    ],
)
def test_a_split_in_another_format_is_not_passed_over(name, conversion, tmp_path):
    (tmp_path / "train.tsv").write_text("text\tlabel\na\t1\nb\t0\n")
    (tmp_path / name).write_text("{}")
    with pytest.raises(UserError) as error:
        data_sets(tmp_path)
    assert str(error.value) == (
        f"{tmp_path / name} is no tab-separated table: convert it, as by pandas.{conversion}, sep='\\t', index=False), "
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
