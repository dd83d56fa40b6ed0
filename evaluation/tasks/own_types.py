"""MTEB's types of tasks for data sets on disk, which are read when the task is run."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from datasets import Dataset, DatasetDict, concatenate_datasets
from mteb.abstasks import (
    AbsTaskClassification,
    AbsTaskClustering,
    AbsTaskPairClassification,
    AbsTaskRetrieval,
    AbsTaskSTS,
)
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata, TaskType

from evaluation.data.folders import BeirData, DataSet, beir_file, read_beir, read_tables
from evaluation.data.labelled import number_labels
from evaluation.data.rows import HIDDEN, Rows
from evaluation.errors import UserError, counted
from evaluation.files import file_name
from evaluation.tasks.own_minimum import check_clusters, check_pairs, check_texts, remark_on_examples

BLOCK_ROWS = 100_000


def own_metadata(task_type: TaskType, main_score: str, category: str) -> TaskMetadata:
    """The metadata that all tasks of a type share."""
    return TaskMetadata(
        name=f"Own{task_type}",
        description="Read from a local folder.",
        type=task_type,
        category=cast(Any, category),
        main_score=main_score,
        dataset={"path": "local", "revision": "set from the content"},
        eval_langs=["eng-Latn"],  # mteb wants a language; nothing depends on it
        domains=["Written"],
        task_subtypes=[],
        license="not specified",
        annotations_creators="derived",
        dialect=[],
        sample_creation="found",
        bibtex_citation="",
    )


class OwnData(ABC):
    """What all these tasks have in common: they are named after the data set, and read it when they are run.

    Args:
        name: The task's name.
        data: The data set.
        split: The split that is evaluated.

    Attributes:
        remark: What a reader must know about the data that were read, in one sentence; mostly empty.
    """

    metadata: Any  # of the type of task; each task gets one of its own
    dataset: Any
    data_loaded: Any
    remark: str = ""

    def __init__(self, name: str, data: DataSet, split: str) -> None:
        name = file_name(name)  # mteb names files by it
        dataset = {"path": f"local/{name}", "revision": data.revision}  # a hash: no two results can be confused
        self.metadata = self.metadata.model_copy(update={"name": name, "dataset": dataset, "eval_splits": [split]})
        super().__init__()
        self.data = data

    def load_data(self, *args: Any, **kwargs: Any) -> None:
        """Read the data set, as mteb asks before it evaluates."""
        splits = self.read()
        for split in cast(Any, self).eval_splits:
            if split not in splits:
                raise UserError(
                    f"{self.data.files[split]}: every label or score is {HIDDEN}, which stands for unknown; "
                    "fill them in, or remove the file."
                )
        self.dataset = {"default": splits}
        self.data_loaded = True

    @abstractmethod
    def read(self) -> Any:
        """The splits, as mteb keeps those of the type."""


class OwnRetrieval(OwnData, AbsTaskRetrieval):
    """Retrieval from a BEIR folder."""

    metadata = own_metadata("Retrieval", "ndcg_at_10", "t2t")
    # mteb keeps as many documents per query as the largest; its own 1000 is a third of a small corpus.
    k_values = (1, 3, 5, 10, 20, 100)

    def read(self) -> dict[str, RetrievalSplitData]:
        """Corpus, queries and grades of each split."""
        data = read_beir(self.data, cast(Any, self).eval_splits)
        self.ignore_identical_ids = _queries_are_documents(data)
        remarks = (_blanks(self.data, data), _remark(self.data.name, data, self.ignore_identical_ids))
        self.remark = " ".join(filter(None, remarks))
        corpus, queries = _in_blocks(data.corpus), Dataset.from_dict(data.queries)
        return {
            split: {"corpus": corpus, "queries": queries, "relevant_docs": grades, "top_ranked": None}
            for split, grades in data.grades.items()
        }


def _blanks(data_set: DataSet, data: BeirData) -> str:
    """Refuse queries or documents that say nothing; gives a remark about those that are blank."""
    judged = {query for split in data.grades.values() for query in split}
    queries = [text for id_, text in zip(data.queries["id"], data.queries["text"], strict=True) if id_ in judged]
    documents = [f"{title} {text}" for title, text in zip(data.corpus["title"], data.corpus["text"], strict=True)]
    remarks = (
        check_texts(beir_file(data_set.folder, "queries"), data_set.name, queries, "query", "queries"),
        check_texts(beir_file(data_set.folder, "corpus"), data_set.name, documents, "document", "documents"),
    )
    return " ".join(filter(None, remarks))


def _in_blocks(rows: Rows) -> Dataset:
    """A data set of many rows; Arrow holds at most 2 GiB of text in one block."""
    count = len(next(iter(rows.values())))
    blocks = [
        Dataset.from_dict({name: values[start : start + BLOCK_ROWS] for name, values in rows.items()})
        for start in range(0, count, BLOCK_ROWS)
    ]
    return concatenate_datasets(blocks)


def _queries_are_documents(data: BeirData) -> bool:
    """Whether queries are documents under the same id, as in ArguAna, and so would find themselves first.

    A single query with the text of its document says nothing; and where a query is answered by the document of its id,
    equal ids mean something else.
    """
    documents, queries = (
        dict(zip(rows["id"], (text.split() for text in rows["text"]), strict=True))
        for rows in (data.corpus, data.queries)
    )
    same = {id_ for id_, words in queries.items() if documents.get(id_) == words}
    judged = [(query, grades) for split in data.grades.values() for query, grades in split.items()]
    equal = sum(query in same for query, _ in judged)
    return equal > len(judged) / 2 and not any(grades.get(query, 0) > 0 for query, grades in judged)


def _remark(name: str, data: BeirData, without_own: bool) -> str:
    known = set(data.corpus["id"])
    unknown = {doc for split in data.grades.values() for graded in split.values() for doc in graded} - known
    remarks = []
    if data.unknown:
        remarks.append(
            f"Qrels of {name} grade documents for {counted(len(data.unknown), 'query', 'queries')} that it lacks, "
            f"such as {min(data.unknown)!r}; {'it does' if len(data.unknown) == 1 else 'they do'} not count."
        )
    if unknown:
        remarks.append(
            f"Qrels of {name} grade {counted(len(unknown), 'document')} that its corpus lacks, such as "
            f"{min(unknown)!r}; no model can find {'it' if len(unknown) == 1 else 'them'}."
        )
    texts = dict(zip(data.queries["id"], data.queries["text"], strict=True))
    judged = {query for split in data.grades.values() for query in split}
    repeats = len(judged) - len({texts[query] for query in judged})
    if repeats:
        remarks.append(
            f"{repeats} of the {len(judged)} queries of {name} {'repeats' if repeats == 1 else 'repeat'} the text of "
            "another, and intervals over queries count each as one of its own."
        )
    if without_own:
        remarks.append(f"Queries of {name} are documents too, and none finds itself.")
    return " ".join(remarks)


class OwnSTS(OwnData, AbsTaskSTS):
    """Semantic similarity from pairs with scores; the range of scores is that of the data."""

    metadata = own_metadata("STS", "cosine_spearman", "t2t")

    def read(self) -> DatasetDict:
        """Pairs with scores that differ."""
        splits = read_tables(self.data)
        for split, rows in _of(splits, cast(Any, self).eval_splits):
            if len(set(rows["score"])) < 2:
                raise UserError(
                    f"{self.data.files[split]}: all {len(rows['score'])} scores are {rows['score'][0]}, so there "
                    "is nothing to rank; give pairs of different similarity."
                )
            self.remark = check_pairs(self.data.files[split], self.data.name, rows["sentence1"], rows["sentence2"])
        if scores := [score for rows in splits.values() for score in rows["score"]]:
            self.min_score, self.max_score = cast(Any, (min(scores), max(scores)))
        return as_dataset(splits)


class OwnPairClassification(OwnData, AbsTaskPairClassification):
    """Pair classification from pairs with labels 0 and 1."""

    metadata = own_metadata("PairClassification", "max_ap", "t2t")
    label_column_name = "label"

    def read(self) -> DatasetDict:
        """Pairs with labels."""
        splits = _labelled(self.data, needed := cast(Any, self).eval_splits)
        for split, rows in _of(splits, needed):
            self.remark = check_pairs(self.data.files[split], self.data.name, rows["sentence1"], rows["sentence2"])
        return as_dataset(splits)


class OwnClassification(OwnData, AbsTaskClassification):
    """Classification from texts with labels, trained on the train split."""

    metadata = own_metadata("Classification", "accuracy", "t2c")

    def read(self) -> DatasetDict:
        """Texts with the numbers of their labels."""
        splits = _labelled(self.data, ["train", *cast(Any, self).eval_splits])
        learned = set(splits["train"]["label"]) if "train" in splits else set()
        remarks = [remark_on_examples(self.data.name, splits["train"]["label"])] if learned else []
        for split, rows in _of(splits, ["train", *cast(Any, self).eval_splits]):
            remarks.append(check_texts(self.data.files[split], f"{self.data.name}:{split}", rows["text"]))
        for split in cast(Any, self).eval_splits:
            labels = splits[split]["label"] if split in splits else []
            unknown = sorted({label for label in labels if label not in learned})
            few = ", ".join(unknown[:3])
            if unknown and len(unknown) == len(set(labels)):
                raise UserError(
                    f"{self.data.files[split]}: train has none of its labels, such as {few}; write labels the same way "
                    "in both files."
                )
            if unknown:
                rows = sum(label not in learned for label in labels)
                remarks.append(
                    f"{rows} of {len(labels)} texts of {self.data.name} have labels that train lacks, such as {few}; "
                    "no model can be right about them."
                )
        self.remark = " ".join(filter(None, remarks))
        return as_dataset(number_labels(splits))

    def _calculate_scores(self, y_test: Any, y_pred: Any) -> Any:
        """Score as mteb does; its average precision accepts no two labels but 0 and 1, so two others are renumbered."""
        present = np.unique(y_test)
        if len(present) != 2:
            return super()._calculate_scores(y_test, y_pred)
        numbers = {label: number for number, label in enumerate(dict.fromkeys([*present, *np.unique(y_pred)]))}
        renumbered = ([numbers[label] for label in labels] for labels in (np.array(y_test), np.array(y_pred)))
        return super()._calculate_scores(*renumbered)


class OwnClustering(OwnData, AbsTaskClustering):
    """Clustering of texts with labels."""

    metadata = own_metadata("Clustering", "v_measure", "t2c")
    max_fraction_of_documents_to_embed = None
    max_documents_per_cluster = 2048  # mteb's 16384 would resample a small data set many times over, ten times
    input_column_name = "text"
    label_column_name = "label"

    def read(self) -> DatasetDict:
        """Texts with labels."""
        splits = _labelled(self.data, needed := cast(Any, self).eval_splits)
        for split, rows in _of(splits, needed):
            remarks = (
                check_clusters(self.data.files[split], self.data.name, rows["label"]),
                check_texts(self.data.files[split], self.data.name, rows["text"]),
            )
            self.remark = " ".join(filter(None, remarks))
        classes = max((len(set(rows["label"])) for rows in splits.values()), default=0)
        self.max_documents_per_cluster = max(self.max_documents_per_cluster, 2 * classes)
        return as_dataset(splits)


def as_dataset(splits: dict[str, Rows]) -> DatasetDict:
    """Rows by split, as mteb keeps them."""
    return DatasetDict({split: Dataset.from_dict(rows) for split, rows in splits.items()})


def _of(splits: dict[str, Rows], needed: Sequence[str]) -> Iterator[tuple[str, Rows]]:
    """The splits that are needed and not hidden; for those that are, loading the task raises an error."""
    return ((split, splits[split]) for split in needed if split in splits)


def _labelled(data: DataSet, needed: Sequence[str]) -> dict[str, Rows]:
    """Rows by split, with at least two labels in each that is needed."""
    splits = read_tables(data)
    for split, rows in splits.items():
        if split in needed and len(set(rows["label"])) < 2:
            raise UserError(
                f"{data.files[split]}: all {len(rows['label'])} labels are {rows['label'][0]!r}; "
                "give at least two different ones."
            )
    return splits
