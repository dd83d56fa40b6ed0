"""What the user gives: texts and what counts as right, from files, as typed records."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from st_isotropy.improve.judgments import Judgment
from st_isotropy.improve.rows import Row, read_lines, read_rows, without_header

PAIR_COLUMNS = ("query", "relevant text")
SCORED_COLUMNS = ("sentence1", "sentence2", "score")
GRADE_COLUMNS = ("query-id", "corpus-id", "score")
_QUERY = {"query", "question", "anchor", "sentence1"}
_TEXT = {"text", "context", "passage", "positive", "document", "answer", "relevant", "relevant text", "sentence2"}
_PAIR_NAMES = (_QUERY, _TEXT)
_SCORED_NAMES = ({"sentence1", "anchor", "text1"}, {"sentence2", "positive", "text2"}, {"score", "label"})
_GRADE_NAMES = ({"query-id"}, {"corpus-id"}, {"score"})


@dataclass(frozen=True)
class SearchTexts:
    """A corpus, queries and what answers them.

    Attributes:
        documents: The corpus. Of documents that are equally similar to a query the first counts as the better one.
        queries: The queries, each with at least one relevant document.
        judgments: What answers each query.
        notes: What was left out, in sentences.

    Examples:
        >>> SearchTexts(["a cat", "the sun"], ["sunlight"], (Judgment({1: 1.0}),)).notes
        ()
    """

    documents: Sequence[str]
    queries: Sequence[str]
    judgments: tuple[Judgment, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScoredTexts:
    """Sentence pairs with gold scores.

    Attributes:
        pairs: The two sentences of each pair.
        scores: Their gold scores.
        corpus: Other texts to fit transforms to; empty for none.
        notes: What was left out, in sentences.

    Examples:
        >>> ScoredTexts([("a cat", "cats"), ("a cat", "the sun")], [0.9, 0.1]).corpus
        ()
    """

    pairs: Sequence[tuple[str, str]]
    scores: Sequence[float]
    corpus: Sequence[str] = ()
    notes: tuple[str, ...] = ()


def read_pairs(path: Path, texts: Sequence[str]) -> SearchTexts:
    r"""Read queries with a relevant text each, one pair a line; several lines of one query are several relevant texts.

    Args:
        path: The file: query, tab, relevant text; a header is optional.
        texts: The corpus, which the relevant texts join.

    Returns:
        The texts. A pair of a text with itself is left out, and a query that is a text of the corpus does not find
        itself.

    Raises:
        ValueError: If a line is wrong, or one text answers all queries.

    Examples:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp()) / "pairs.tsv"
        >>> path.write_text("sunlight\tthe sun\ncats\ta cat\n")
        28
        >>> read_pairs(path, texts=["a tree"]).documents
        ['a tree', 'the sun', 'a cat']
    """
    rows = without_header(read_rows(path, PAIR_COLUMNS), _PAIR_NAMES)
    pairs = list(dict.fromkeys((row.cells[0], row.cells[1]) for row in rows))
    proper = [pair for pair in pairs if pair[0] != pair[1]]
    documents = list(dict.fromkeys([*texts, *(text for _, text in proper)]))
    place = {text: number for number, text in enumerate(documents)}
    answers: dict[str, dict[int, float]] = {}
    for query, text in proper:
        answers.setdefault(query, {})[place[text]] = 1.0
    notes = _notes(
        (len(rows) - len(pairs), "repeated pairs"), (len(pairs) - len(proper), "pairs of a text with itself")
    )
    judgments = tuple(Judgment(grades, own=place.get(query)) for query, grades in answers.items())
    notes += _own_note(judgments)
    check_judgments(str(path), judgments)
    return SearchTexts(documents, list(answers), judgments, notes)


def read_beir(folder: Path) -> SearchTexts:
    r"""Read a folder laid out as those of BEIR: corpus.jsonl, queries.jsonl and qrels/test.tsv, each .gz or not.

    Titles are put before their texts. Documents are ordered by their id, falling, as trec_eval breaks ties. A document
    with the id and the text of a query is left out of its ranking, as BEIR does, unless it is judged relevant.

    Raises:
        ValueError: If a file is missing or a line is wrong, naming it.

    Examples:
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp())
        >>> (folder / "qrels").mkdir()
        >>> for name, content in {
        ...     "corpus.jsonl": '{"_id": "d1", "title": "", "text": "the sun"}',
        ...     "queries.jsonl": '{"_id": "q1", "text": "sunlight"}',
        ...     "qrels/test.tsv": "q1\td1\t1",
        ... }.items():
        ...     size = (folder / name).write_text(content)
        >>> read_beir(folder).queries
        ['sunlight']
    """
    corpus = _read_records(_find(folder, "corpus.jsonl"))
    queries = _read_records(_find(folder, "queries.jsonl"))
    qrels = _find(folder, "qrels/test.tsv")
    ids = sorted(corpus, reverse=True)
    place = {id_: number for number, id_ in enumerate(ids)}
    judged: dict[str, dict[str, float]] = {}
    for row in without_header(read_rows(qrels, GRADE_COLUMNS, is_qrels=True), _GRADE_NAMES):
        query, document, _ = row.cells
        if query not in queries:
            raise ValueError(
                f"{row.place} names the query {query}, which queries.jsonl lacks; add it or drop the line."
            )
        judged.setdefault(query, {})[document] = _number(row, 2)
    kept, judgments = [], []
    for query in queries:
        grades = {document: grade for document, grade in judged.get(query, {}).items() if grade > 0}
        found = {place[document]: grade for document, grade in grades.items() if document in place}
        if found:
            kept.append(queries[query])
            missed = tuple(grade for document, grade in grades.items() if document not in place)
            is_own = query in place and query not in grades and corpus[query].endswith(queries[query])
            judgments.append(Judgment(found, missed, place[query] if is_own else None))
    missing = sum(len(judgment.missing) for judgment in judgments)
    notes = _notes((len(queries) - len(kept), "queries without a relevant text in the corpus"))
    notes += (f"{missing:,} relevant texts are not in the corpus and count as not found.",) * bool(missing)
    notes += _own_note(judgments)
    check_judgments(str(qrels), judgments)
    return SearchTexts([corpus[id_] for id_ in ids], kept, tuple(judgments), notes)


def read_scored(path: Path, texts: Sequence[str]) -> ScoredTexts:
    r"""Read scored sentence pairs: sentence1, tab, sentence2, tab, score; a header is optional.

    Args:
        path: The file.
        texts: Texts to fit transforms to. Those that are in a pair are left out, as no transform is fitted to a pair
            that it is scored on.

    Raises:
        ValueError: If a line is wrong, all scores are equal, or some are -1 for unknown.

    Examples:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp()) / "scored.tsv"
        >>> path.write_text("a cat\tcats\t0.9\na cat\tthe sun\t0.1\n")
        33
        >>> read_scored(path, texts=["a tree"]).scores
        [0.9, 0.1]
    """
    rows = without_header(read_rows(path, SCORED_COLUMNS), _SCORED_NAMES)
    pairs = [(row.cells[0], row.cells[1]) for row in rows]
    scores = [_number(row, 2) for row in rows]
    if unknown := count_hidden(scores):
        raise ValueError(
            f"{path} gives {unknown} of {len(scores)} pairs the score -1, which stands for unknown beside scores from "
            f"0 to {max(scores):g}; remove those lines."
        )
    if scores and min(scores) == max(scores):
        raise ValueError(f"{path} gives all {len(scores)} pairs the score {scores[0]:g}; there is nothing to rank.")
    within = {text for pair in pairs for text in pair}
    corpus = [text for text in texts if text not in within]
    return ScoredTexts(pairs, scores, corpus, _notes((len(texts) - len(corpus), "texts that are in a pair")))


def count_hidden(scores: Sequence[float]) -> int:
    """Count scores of -1 that stand for unknown: no other is negative, and some are above 1, so they are no cosines.

    Examples:
        >>> count_hidden([0.0, 4.5, -1.0]), count_hidden([0.0, 0.5, -1.0])
        (1, 0)
    """
    others = [score for score in scores if score != -1]
    return len(scores) - len(others) if others and min(others) >= 0 and max(others) > 1 else 0


def read_qrels(path: Path, documents: int, queries: int) -> tuple[list[int], tuple[Judgment, ...], tuple[str, ...]]:
    """Read relevance of rows of embeddings to each other: query row, document row and optionally a grade, from row 0.

    Args:
        path: The file, separated by tabs or spaces; a header is optional, as is the second column of trec_eval.
        documents: Number of documents.
        queries: Number of queries.

    Returns:
        Rows of the queries that have a relevant document, their judgments, and what was left out.

    Raises:
        ValueError: If a line is wrong or names a row that is not there.
    """
    judged: dict[int, dict[int, float]] = {}
    for number, line in read_lines(path):
        cells = tuple(line.split())
        if not cells or (number == 1 and not cells[0].lstrip("-").isdigit()):
            continue
        row = Row(f"{path}, line {number}", cells)
        if len(cells) not in (2, 3, 4):
            raise ValueError(
                f"{row.place} has {len(cells)} column{'s' * (len(cells) != 1)}; write query row, document row and "
                "grade, separated by tabs or spaces."
            )
        document = _row_number(row, 2 if len(cells) == 4 else 1, documents, "document")
        grade = _number(row, len(cells) - 1) if len(cells) > 2 else 1.0
        judged.setdefault(_row_number(row, 0, queries, "query"), {})[document] = grade
    answers = {query: {row: grade for row, grade in judged[query].items() if grade > 0} for query in sorted(judged)}
    kept = [query for query, grades in answers.items() if grades]
    judgments = tuple(Judgment(answers[query]) for query in kept)
    check_judgments(str(path), judgments)
    return kept, judgments, _notes((queries - len(kept), "queries without a relevant document"))


def check_judgments(source: str, judgments: Sequence[Judgment]) -> None:
    """Raise a `ValueError` unless there are queries, and documents that tell them apart."""
    if not judgments:
        raise ValueError(f"{source} has no query with a relevant text in the corpus; check its ids or texts.")
    if len(judgments) > 1 and len({row for judgment in judgments for row in judgment.grades}) == 1:
        raise ValueError(
            f"{source} has one relevant text for all {len(judgments)} queries, from which no search can be judged; "
            "give texts that answer different queries."
        )


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise ValueError(f"{folder} has neither {name} nor {name}.gz; give a folder laid out as those of BEIR.")


def _read_records(path: Path) -> dict[str, str]:
    """Texts by id; a title comes first."""
    texts: dict[str, str] = {}
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            id_, text = str(record["_id"]), f"{record.get('title') or ''} {record['text']}".strip()
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f'{path}, line {number} is no JSON object with "_id" and "text"; fix the line.') from None
        if id_ in texts:
            raise ValueError(f"{path}, line {number} repeats the id {id_}; give every text its own.")
        texts[id_] = text
    return texts


def _number(row: Row, column: int) -> float:
    try:
        value = float(row.cells[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{row.place} has the score {row.cells[column]!r}; write a number.")
    return value


def _row_number(row: Row, column: int, count: int, what: str) -> int:
    cell = row.cells[column]
    if not cell.isdigit() or int(cell) >= count:
        raise ValueError(f"{row.place} names the {what} {cell}; write a row from 0 to {count - 1}.")
    return int(cell)


def _notes(*left_out: tuple[int, str]) -> tuple[str, ...]:
    return tuple(f"{count:,} {what} left out." for count, what in left_out if count)


def _own_note(judgments: Sequence[Judgment]) -> tuple[str, ...]:
    count = sum(judgment.own is not None for judgment in judgments)
    return (f"{count:,} queries are texts of the corpus, too, and do not find themselves.",) * bool(count)


def group_texts(texts: Sequence[str]) -> np.ndarray:
    """Number texts so that equal ones share a number."""
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return np.array([numbers[text] for text in texts])
