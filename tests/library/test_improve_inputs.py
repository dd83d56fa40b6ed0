import gzip
import json
import pathlib
from pathlib import Path

import pandas
import pytest

from st_isotropy.diagnosis.files import read_texts
from st_isotropy.improve import Judgment, read_beir, read_pairs, read_scored
from st_isotropy.improve.inputs import read_qrels


@pytest.fixture
def written(tmp_path):
    """A function that writes a file and returns its path."""

    def write(content, name="pairs.tsv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


PAIRS = "who sings\ta bird sings\nwhat floats\ta ship floats\nwho sings\ta choir sings\n"


@pytest.mark.parametrize(
    "content",
    [
        PAIRS,
        "query\ttext\n" + PAIRS,
        "anchor\tpositive\n" + PAIRS,
        "\ufeff" + PAIRS,
        PAIRS.replace("\n", "\r\n"),
        PAIRS.replace("\n", "\n\n \n"),
        PAIRS.removesuffix("\n"),
    ],
    ids=["plain", "header", "another header", "BOM", "CRLF", "blank lines", "no end"],
)
def test_pairs_are_read_whatever_the_editor_made_of_the_file(written, content):
    given = read_pairs(written(content), ["a tree stands", "a bird sings"])
    assert given.documents == ["a tree stands", "a bird sings", "a ship floats", "a choir sings"]
    assert given.queries == ["who sings", "what floats"]
    assert given.judgments == (Judgment({1: 1.0, 3: 1.0}), Judgment({2: 1.0}))
    assert given.notes == ()


def test_pairs_may_be_zipped_or_separated_by_commas_in_a_csv(written):
    zipped = read_pairs(written(PAIRS, "pairs.tsv.gz"), [])
    commas = written('query,text\nwho sings,"a bird, it sings"\nwhat floats,"a\nship"\n', "pairs.csv")
    assert zipped.queries == read_pairs(commas, []).queries
    assert read_pairs(commas, []).documents == ["a bird, it sings", "a\nship"]


def test_repeated_pairs_and_pairs_of_a_text_with_itself_are_left_out(written):
    given = read_pairs(written(PAIRS + "what floats\ta ship floats\nsame\tsame\n"), [])
    assert given.queries == ["who sings", "what floats"] and len(given.documents) == 3
    assert given.notes == ("1 repeated pairs left out.", "1 pairs of a text with itself left out.")


def test_queries_that_are_texts_of_the_corpus_do_not_find_themselves(written):
    given = read_pairs(written("who sings\ta bird sings\na bird sings\ta choir sings\n"), ["who sings"])
    assert given.documents == ["who sings", "a bird sings", "a choir sings"]
    assert given.judgments == (Judgment({1: 1.0}, own=0), Judgment({2: 1.0}, own=1))
    assert given.notes == ("2 queries are texts of the corpus, too, and do not find themselves.",)


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (
            "query\tgolden answer\n" + PAIRS,
            "pairs.tsv",
            "{path}, line 1 begins a header, but no column is called 'golden answer'; rename it to one of anchor, "
            "answer, context, document, passage, positive, query, question, relevant, relevant text, sentence1, "
            "sentence2, text, or remove the line.",
        ),
        (
            PAIRS + "only a query\n",
            "pairs.tsv",
            "{path}, line 4 has 1 column; write query, relevant text in each line, separated by tabs.",
        ),
        (
            "who sings, a bird\n",
            "pairs.tsv",
            "{path}, line 1 has 1 column; write query, relevant text in each line, separated by tabs.",
        ),
        (
            'a,b\n"c\nd",e,f\n',
            "pairs.csv",
            "{path}, line 2 has 3 columns; write query, relevant text in each line, separated by commas.",
        ),
        ('a,b\n"c"d,e\n', "pairs.csv", "{path}, line 2 is not valid CSV: ',' expected after '\"'; fix its quotes."),
        (
            PAIRS + "\n\twithout a query\n",
            "pairs.tsv",
            "{path}, line 5 has an empty query; fill it in or remove the line.",
        ),
        (b"a\tb\n\xff\tc\n", "pairs.tsv", "{path} is not UTF-8 text (byte 4); convert it first."),
        ("", "pairs.tsv", "{path} has no query with a relevant text in the corpus; check its ids or texts."),
        (
            "who\ta bird\nwhat\ta bird\n",
            "pairs.tsv",
            "{path} has one relevant text for all 2 queries, from which no search can be judged; give texts that "
            "answer different queries.",
        ),
    ],
)
def test_what_is_wrong_with_pairs_is_said_with_its_line(written, content, name, message):
    path = written(content, name)
    with pytest.raises(ValueError) as caught:
        read_pairs(path, [])
    assert str(caught.value) == message.format(path=path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError) as caught:
        read_pairs(tmp_path / "none.tsv", [])
    assert str(caught.value) == f"{tmp_path / 'none.tsv'} cannot be read: No such file or directory; check the path."


def beir_files(written, zipped=False):
    corpus = [{"_id": "a", "title": "Birds", "text": "sing"}, {"_id": "c", "text": "ship"}, {"_id": "b", "text": "sea"}]
    queries = [{"_id": "1", "text": "who"}, {"_id": "2", "text": "what"}, {"_id": "3", "text": "why"}]
    end = ".gz" * zipped
    written("\n".join(map(json.dumps, corpus)) + "\n", "corpus.jsonl" + end)
    written("\n".join(map(json.dumps, queries)) + "\n", "queries.jsonl" + end)
    lines = "query-id\tcorpus-id\tscore\n1\ta\t2\n1\tgone\t1\n1\tb\t0\n2\tc\t1\n"
    return written(lines, "qrels/test.tsv" + end).parent.parent


@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_of_beir_is_read_with_ids_falling_and_missing_documents_counted(written, zipped):
    given = read_beir(beir_files(written, zipped))
    assert given.documents == ["ship", "sea", "Birds sing"]
    assert given.queries == ["who", "what"]
    assert given.judgments == (Judgment({2: 2.0}, (1.0,)), Judgment({0: 1.0}))
    assert given.notes == (
        "1 queries without a relevant text in the corpus left out.",
        "1 relevant texts are not in the corpus and count as not found.",
    )


def test_a_document_with_the_id_and_the_text_of_a_query_is_left_out_of_its_ranking_as_in_beir(written):
    texts = {"1": ("About ships", "a ship floats"), "2": ("", "the sea"), "3": ("", "birds"), "d": ("", "")}
    asked = {"1": "a ship floats", "2": "what shines", "3": "birds", "4": ""}
    corpus = [{"_id": id_, "title": title, "text": text} for id_, (title, text) in texts.items()]
    queries = [{"_id": id_, "text": text} for id_, text in asked.items()]
    written("\n".join(map(json.dumps, corpus)), "corpus.jsonl")
    written("\n".join(map(json.dumps, queries)), "queries.jsonl")
    given = read_beir(written("1\td\t1\n2\td\t1\n3\t3\t1\n4\t1\t1\n", "qrels/test.tsv").parent.parent)
    rows = {text: row for row, text in enumerate(given.documents)}
    assert [judgment.own for judgment in given.judgments] == [rows["About ships a ship floats"], None, None, None]
    assert given.notes == ("1 queries are texts of the corpus, too, and do not find themselves.",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "corpus.jsonl",
            '{"_id": "a"}\n',
            '{folder}/corpus.jsonl, line 1 is no JSON object with "_id" and "text"; fix the line.',
        ),
        (
            "queries.jsonl",
            '{"_id": "1", "text": "a"}\n\n{"_id": 1, "text": "b"}\n',
            "{folder}/queries.jsonl, line 3 repeats the id 1; give every text its own.",
        ),
        (
            "qrels/test.tsv",
            "query-id\tcorpus-id\tscore\n9\ta\t1\n",
            "{folder}/qrels/test.tsv, line 2 names the query 9, which queries.jsonl lacks; add it or drop the line.",
        ),
        (
            "qrels/test.tsv",
            "1\ta\tyes\n",
            "{folder}/qrels/test.tsv, line 1 has the score 'yes'; write a number.",
        ),
    ],
)
def test_what_is_wrong_with_a_folder_of_beir_is_said_with_its_line(written, name, content, message):
    folder = beir_files(written)
    written(content, name)
    with pytest.raises(ValueError) as caught:
        read_beir(folder)
    assert str(caught.value) == message.format(folder=folder)


def test_a_folder_without_a_corpus_is_refused(tmp_path):
    with pytest.raises(ValueError) as caught:
        read_beir(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} has neither corpus.jsonl nor corpus.jsonl.gz; give a folder laid out as those of BEIR."
    )


def test_scored_pairs_are_read_and_their_sentences_leave_the_corpus(written):
    given = read_scored(written("sentence1\tsentence2\tscore\na\tb\t1\nc\td\t2.5\n"), ["a", "tree"])
    assert (given.pairs, given.scores, given.corpus) == ([("a", "b"), ("c", "d")], [1.0, 2.5], ["tree"])
    assert given.notes == ("1 texts that are in a pair left out.",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tb\t1\nc\td\tnan\n", "{path}, line 2 has the score 'nan'; write a number."),
        ("a\tb\t1\nc\td\t1\n", "{path} gives all 2 pairs the score 1; there is nothing to rank."),
        (
            "a\tb\n",
            "{path}, line 1 has 2 columns; write sentence1, sentence2, score in each line, separated by tabs.",
        ),
    ],
)
def test_what_is_wrong_with_scored_pairs_is_said_with_its_line(written, content, message):
    path = written(content)
    with pytest.raises(ValueError) as caught:
        read_scored(path, [])
    assert str(caught.value) == message.format(path=path)


@pytest.mark.parametrize("content", ["0 2 1\n2 0 3\n2 1 0\n", "query\tdocument\n0\t2\n2\t0\t3\n", "0 0 2 1\n2 0 0 3\n"])
def test_relevance_of_rows_is_read_with_or_without_grades(written, content):
    kept, judgments, notes = read_qrels(written(content, "qrels.txt"), documents=3, queries=4)
    assert kept == [0, 2] and judgments == (Judgment({2: 1.0}), Judgment({0: 3.0}))
    assert notes == ("2 queries without a relevant document left out.",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0 3 1\n", "{path}, line 1 names the document 3; write a row from 0 to 2."),
        ("0 1\n-1 2\n", "{path}, line 2 names the query -1; write a row from 0 to 3."),
        (
            "0\n",
            "{path}, line 1 has 1 column; write query row, document row and grade, separated by tabs or spaces.",
        ),
        ("0 1 x\n", "{path}, line 1 has the score 'x'; write a number."),
    ],
)
def test_what_is_wrong_with_relevance_of_rows_is_said_with_its_line(written, content, message):
    path = written(content, "qrels.txt")
    with pytest.raises(ValueError) as caught:
        read_qrels(path, documents=3, queries=4)
    assert str(caught.value) == message.format(path=path)


def test_qrels_of_a_beir_folder_in_the_format_of_trec_are_read(written):
    folder = beir_files(written)
    expected = read_beir(folder)
    rows = (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()
    trec = [f"{query} 0 {document} {grade}" for query, document, grade in (row.split("\t") for row in rows[1:])]
    for lines in (trec, [line.replace(" ", "\t") for line in trec]):
        written("\n".join(lines) + "\n", "qrels/test.tsv")
        assert read_beir(folder) == expected


@pytest.mark.parametrize("header", ["document\tquery", "positive\tanchor"])
def test_columns_in_another_order_are_read_by_their_header(header, written):
    given = read_pairs(written(f"{header}\ntext one\tq\ntext two\tr\n"), [])
    assert given.queries == ["q", "r"] and given.documents == ["text one", "text two"]
    scored = read_scored(written("score\tsentence1\tsentence2\n1\ta\tb\n2\tc\td\n"), [])
    assert (scored.pairs, scored.scores) == ([("a", "b"), ("c", "d")], [1.0, 2.0])


@pytest.mark.parametrize("read", [lambda path: read_pairs(path, []), lambda path: read_scored(path, [])])
@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("own.jsonl", "pandas.read_json('own.jsonl', lines=True)"),
        ("own.parquet", "pandas.read_parquet('own.parquet')"),
        ("own.json", "pandas.read_json('own.json')"),
    ],
)
def test_a_file_of_another_format_is_refused_with_how_to_convert_it(read, name, reader, written):
    path = written('{"query": "a", "text": "b"}\n', name)
    with pytest.raises(ValueError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path} is no tab-separated table: convert it, as by {reader}.replace(r'\\s+', ' ', regex=True)"
        ".to_csv('own.tsv', sep='\\t', index=False, quoting=3)."
    )


def test_the_conversions_that_are_named_keep_the_texts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = ['He said "yes", twice', "a, b and c", "it's\ttwo\nlines"]
    frame = pandas.DataFrame({"query": ["q", "r", "s"], "text": texts})
    frame.to_parquet("own.parquet")
    frame.to_json("own.jsonl", lines=True, orient="records")
    for name in ("own.parquet", "own.jsonl"):
        for read in (lambda path: read_pairs(path, []), lambda path: read_texts(str(path), fewest=1)):
            with pytest.raises(ValueError) as caught:
                read(Path(name))
            eval(str(caught.value).partition("as by ")[2].removesuffix("."), {"pandas": pandas, "pathlib": pathlib})
        expected = [" ".join(text.split()) for text in texts]
        assert read_pairs(Path("own.tsv"), []).documents == expected
        assert read_texts("own.txt", fewest=1) == expected
        Path("own.tsv").unlink()
        Path("own.txt").unlink()


def test_a_score_that_stands_for_unknown_is_no_score(written):
    path = written("a\tb\t4.5\nc\td\t-1\ne\tf\t0\n")
    with pytest.raises(ValueError) as caught:
        read_scored(path, [])
    assert str(caught.value) == (
        f"{path} gives 1 of 3 pairs the score -1, which stands for unknown beside scores from 0 to 4.5; remove those "
        "lines."
    )
    assert read_scored(written("a\tb\t0.5\nc\td\t-1\n"), []).scores == [0.5, -1.0]  # cosines
