"""What is trained on, chosen on and reported on does not overlap, whatever the tasks are called."""

import pickle
from functools import partial
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict
from mteb.abstasks import AbsTaskClustering, AbsTaskClusteringLegacy
from mteb.abstasks.aggregate_task_metadata import AggregateTaskMetadata
from mteb.abstasks.aggregated_task import AbsTaskAggregate
from own_data import sentences, write_beir, write_labels, write_lines, write_pairs
from shared_data import MIRROR, needs_mirror

from evaluation.errors import UserError
from evaluation.study.leakage import drop_evaluated_pairs, drop_shared_rows, evaluated_texts
from evaluation.tasks.docstrings import DocstringClustering
from evaluation.tasks.mteb import revision
from evaluation.tasks.resolve import TaskSource, resolve_tasks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_beir(tmp_path / "books")
    write_beir(tmp_path / "manuals", split="dev")
    write_pairs(tmp_path / "rated.tsv")
    write_pairs(tmp_path / "same.tsv", column="label", seed=5)
    for seed, split in enumerate(("train", "test")):
        write_pairs(tmp_path / "judged" / f"{split}.tsv", column="label", seed=10 + seed)
        write_labels(tmp_path / "tickets" / f"{split}.tsv", seed=seed)
    return tmp_path


@pytest.mark.parametrize(
    ("validation", "test"),
    [
        ("rated", "rated"),
        ("rated:tune", "rated"),
        ("manuals:tune", "manuals"),
        ("manuals", "books"),
        ("tickets-clustering", "tickets"),
        ("tickets", "tickets-head"),
        ("same:tune", "same"),
        ("judged-head:tune", "judged"),
        ("judged", "judged-head"),
    ],
)
def test_rows_that_are_all_reported_are_no_choice(validation: str, test: str, folder: Path) -> None:
    sources = resolve_tasks([validation], folders=[folder]), resolve_tasks([test], folders=[folder])
    with pytest.raises(
        UserError, match=rf"^(\d+) of the \1 rows of validation task {validation} also occur in {test}, "
    ):
        drop_shared_rows(*sources)


@pytest.mark.parametrize(
    ("validation", "test"),
    [
        ("rated:tune", "rated:report"),
        ("books:tune", "books:report"),
        ("tickets:tune", "tickets:report"),
        ("rated", "same"),
    ],
)
def test_tasks_that_share_nothing_stay_as_they_are(validation: str, test: str, folder: Path) -> None:
    chosen_on = resolve_tasks([validation], folders=[folder])
    assert drop_shared_rows(chosen_on, resolve_tasks([test], folders=[folder])) == chosen_on


def test_shared_rows_are_left_out_in_any_order_and_case(folder: Path) -> None:
    header, *lines = (folder / "rated.tsv").read_text(encoding="utf-8").splitlines()
    cells = [line.split("\t") for line in lines[:30]]
    write_lines(
        folder / "known.tsv", [header, *(f"{second}\t{first.upper()}\t{score}" for first, second, score in cells)]
    )
    [source] = drop_shared_rows(
        resolve_tasks(["rated"], folders=[folder]), resolve_tasks(["same", "known"], folders=[folder])
    )
    assert source.note == (
        "30 of the 60 rows of rated, on which settings are chosen, are left out because known asks about them."
    )
    task = pickle.loads(pickle.dumps(source)).make()
    task.load_data()
    task.load_data()
    assert [row["sentence1"] for row in task.dataset["default"]["test"]] == [line.split("\t")[0] for line in lines[30:]]


class Texts(AbsTaskClustering):
    metadata = DocstringClustering.metadata.model_copy(update={"name": "Texts"})

    def load_data(self, **options) -> None:
        texts = sentences(60)
        self.dataset = {"default": DatasetDict(test=Dataset.from_dict({"sentences": texts, "labels": ["a", "b"] * 30}))}
        self.data_loaded = True


class SetsOfTexts(AbsTaskClusteringLegacy):
    metadata = DocstringClustering.metadata.model_copy(update={"name": "SetsOfTexts"})

    def load_data(self, **options) -> None:
        sets = [sentences(60)[:20], sentences(40, seed=1)]
        rows = {"sentences": sets, "labels": [["a", "b"] * 10, ["a", "b"] * 20]}
        self.dataset, self.data_loaded = DatasetDict(test=Dataset.from_dict(rows)), True


def test_texts_are_left_out_of_the_sets_of_an_older_clustering() -> None:
    sets, flat = (TaskSource(kind.__name__, "Clustering", kind) for kind in (SetsOfTexts, Texts))
    [rest] = drop_shared_rows([sets], [flat])
    assert rest.note.startswith("20 of the 60 rows of SetsOfTexts")
    task = rest.make()
    task.load_data()
    assert list(task.dataset["test"]["sentences"]) == [sentences(40, seed=1)]
    assert list(task.dataset["test"]["labels"]) == [["a", "b"] * 20]


class Shelves(AbsTaskAggregate):
    metadata = AggregateTaskMetadata(
        name="Shelves",
        description="Two tasks as one.",
        tasks=[],
        type="Retrieval",
        main_score="ndcg_at_10",
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
    )

    def __init__(self, folder: Path) -> None:
        super().__init__()
        parts = [source.make() for source in resolve_tasks(["books:report", "manuals"], folders=[folder])]
        self.metadata = self.metadata.model_copy(update={"tasks": parts})


def test_what_an_aggregate_asks_about_is_reported_on_too(folder: Path) -> None:
    source = TaskSource("Shelves", "Retrieval", partial(Shelves, folder))
    [validation] = resolve_tasks(["books:report"], folders=[folder])
    with pytest.raises(
        UserError, match=r"(\d+) of the \1 rows of validation task books:report also occur in Shelves, "
    ):
        drop_shared_rows([validation], [source])
    with pytest.raises(UserError, match=r"(\d+) of the \1 rows of validation task Shelves also occur in books, "):
        drop_shared_rows([source], resolve_tasks(["books", "manuals"], folders=[folder]))
    assert (
        evaluated_texts([source])
        == evaluated_texts(resolve_tasks(["books:report", "manuals"], folders=[folder]))
        != set()
    )
    assert revision(source.make()).count(", ") == 1


def test_rows_left_out_tell_a_task_from_another_with_as_many(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "rated.tsv").read_text(encoding="utf-8").splitlines()
    [rated] = resolve_tasks(["rated"], folders=[tmp_path])
    hashes = set()
    for shared in (pairs[1:11], pairs[11:21], pairs[11:21]):
        write_lines(tmp_path / "mine.tsv", [pairs[0], *shared, "one text\tanother text\t3.0"])
        hashes |= {drop_shared_rows([rated], resolve_tasks(["mine"], folders=[tmp_path]))[0].left_out}
    assert len(hashes) == 2


def test_queries_are_left_out_and_documents_stay(folder: Path) -> None:
    texts = (folder / "books" / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    write_beir(folder / "few")
    write_lines(folder / "few" / "queries.jsonl", texts[:10])
    write_lines(
        folder / "few" / "qrels" / "test.tsv", ["query-id\tcorpus-id\tscore", *(f"q{i}\td{i}\t1" for i in range(10))]
    )
    [source] = drop_shared_rows(resolve_tasks(["books"], folders=[folder]), resolve_tasks(["few"], folders=[folder]))
    task = source.make()
    task.load_data()
    data = task.dataset["default"]["test"]
    assert list(data["queries"]["id"]) == list(data["relevant_docs"]) == [f"q{i}" for i in range(10, 30)]
    assert len(data["corpus"]) == 60


@needs_mirror
def test_the_validation_split_of_stsbenchmark_shares_pairs_with_sts12() -> None:
    [source] = drop_shared_rows(
        resolve_tasks(["STSBenchmark:validation"], MIRROR), resolve_tasks(["STSBenchmark", "STS12"], MIRROR)
    )
    assert source.note == (
        "256 of the 1,500 rows of STSBenchmark:validation, on which settings are chosen, are left out because "
        "STSBenchmark, STS12 ask about them."
    )


def test_pairs_that_an_sts_task_asks_about_are_dropped_in_any_order_case_and_white_space(tmp_path):
    write_lines(
        tmp_path / "rated" / "test.tsv",
        ["sentence1\tsentence2\tscore", "The cat\ta dog\t1", "one\ttwo\t2", *(f"red\t{n} blue\t3" for n in range(8))],
    )
    write_lines(tmp_path / "sorted" / "test.tsv", ["text\tlabel", "left\tx", "right\ty", "up\tx", "down\ty"])
    pairs = Dataset.from_dict(
        {"anchor": ["the  CAT", "two", "one", "left"], "positive": ["A dog ", "one", "blue", "right"]}
    )
    kept, dropped = drop_evaluated_pairs(pairs, evaluated_texts(resolve_tasks([], None, [tmp_path])))
    assert (kept.to_dict(), dropped) == ({"anchor": ["one", "left"], "positive": ["blue", "right"]}, 2)


def test_pairs_of_pair_classification_and_answered_queries_are_dropped_too(tmp_path):
    write_pairs(tmp_path / "same.tsv", column="label", count=20)
    write_beir(tmp_path / "books", documents=60)
    tasks = resolve_tasks([], None, [tmp_path])
    evaluated = evaluated_texts(tasks)
    same, books = [next(task for task in tasks if task.name == name).make() for name in ("same", "books")]
    same.load_data()
    books.load_data()
    rows = same.dataset["default"]["test"]
    pairs = Dataset.from_dict({"anchor": [*rows["sentence2"], "new"], "positive": [*rows["sentence1"], "pair"]})
    assert drop_evaluated_pairs(pairs, evaluated)[1] == 20
    data = books.dataset["default"]["test"]
    texts = {row["id"]: row["text"] for row in data["corpus"]}
    queries = dict(zip(data["queries"]["id"], data["queries"]["text"], strict=True))
    answered = [(queries[query], texts[doc]) for query, docs in data["relevant_docs"].items() for doc in docs]
    unanswered = (answered[0][0], answered[-1][1])
    anchors, positives = zip(*answered, unanswered, strict=True)
    kept, dropped = drop_evaluated_pairs(Dataset.from_dict({"anchor": anchors, "positive": positives}), evaluated)
    assert dropped == len(answered) == 60 and kept.to_dict() == {"anchor": [unanswered[0]], "positive": [unanswered[1]]}
