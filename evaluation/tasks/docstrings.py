"""Three MTEB tasks made from the held-out docstrings: retrieval, classification, clustering."""

from collections import Counter
from typing import Any

from datasets import Dataset, DatasetDict
from mteb.abstasks import AbsTaskClassification, AbsTaskClustering, AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata, TaskType

from evaluation.data.docstrings import Corpus, DocPair

LEAST_PER_LABEL = 20  # pairs; a smaller sub-package is too small for a class


def _metadata(name: str, task_type: TaskType, main_score: str, description: str) -> TaskMetadata:
    return TaskMetadata(
        name=name,
        description=description,
        type=task_type,
        category="t2t" if task_type == "Retrieval" else "t2c",
        main_score=main_score,
        dataset={"path": "docstrings", "revision": "set from the corpus"},
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        domains=["Programming", "Written"],
        sample_creation="found",
        annotations_creators="derived",
        dialect=[],
    )


def _of_corpus(metadata: TaskMetadata, corpus: Corpus) -> TaskMetadata:
    """The metadata with the corpus's hash for a revision, so that scores on two corpora cannot be confused."""
    return metadata.model_copy(update={"dataset": {**metadata.dataset, "revision": corpus.sha256[:16]}})


class DocstringRetrieval(AbsTaskRetrieval):
    """Find the rest of a docstring from its first paragraph, among all held-out docstrings."""

    metadata = _metadata(
        "DocstringRetrieval", "Retrieval", "ndcg_at_10", "The rest of a docstring from its first paragraph."
    )
    # mteb keeps as many documents per query as the largest; its own 1000 is a third of the corpus.
    k_values = (1, 3, 5, 10, 100)

    def __init__(self, corpus: Corpus) -> None:
        super().__init__()
        self.metadata = _of_corpus(self.metadata, corpus)
        self._corpus = corpus

    def load_data(self, *args: Any, **kwargs: Any) -> None:
        """Take the data from the corpus."""
        ids = [str(i) for i in range(len(self._corpus.test))]
        documents = {"id": ids, "title": [""] * len(ids), "text": [pair.rest for pair in self._corpus.test]}
        queries = {"id": ids, "text": [pair.first for pair in self._corpus.test]}
        self.dataset = {
            "default": {
                "test": {
                    "corpus": Dataset.from_dict(documents),
                    "queries": Dataset.from_dict(queries),
                    "relevant_docs": {i: {i: 1} for i in ids},
                    "top_ranked": None,
                }
            }
        }
        self.data_loaded = True


class DocstringClassification(AbsTaskClassification):
    """Tell a docstring's package from its first paragraph."""

    metadata = _metadata(
        "DocstringClassification", "Classification", "accuracy", "A docstring's package from its first paragraph."
    )

    def __init__(self, corpus: Corpus) -> None:
        super().__init__()
        self.metadata = _of_corpus(self.metadata, corpus)
        self._corpus = corpus

    def load_data(self, *args: Any, **kwargs: Any) -> None:
        """Take the data from the corpus: every other pair trains the classifier."""
        pairs = self._corpus.test
        labels = sorted({pair.package for pair in pairs})

        def rows(part: tuple[DocPair, ...]) -> Dataset:
            return Dataset.from_dict(
                {"text": [pair.first for pair in part], "label": [labels.index(pair.package) for pair in part]}
            )

        self.dataset = {"default": DatasetDict({"train": rows(pairs[::2]), "test": rows(pairs[1::2])})}
        self.data_loaded = True


class DocstringClustering(AbsTaskClustering):
    """Group docstrings, by all but their first paragraph, into sub-packages."""

    metadata = _metadata("DocstringClustering", "Clustering", "v_measure", "Docstrings into sub-packages.")
    max_fraction_of_documents_to_embed = None
    max_documents_per_cluster = 1024  # mteb's 16384 would resample this corpus eight times over, ten times

    def __init__(self, corpus: Corpus) -> None:
        super().__init__()
        self.metadata = _of_corpus(self.metadata, corpus)
        self._corpus = corpus

    def load_data(self, *args: Any, **kwargs: Any) -> None:
        """Take the data from the corpus, without sub-packages of fewer than 20 pairs."""
        sizes = Counter(pair.subpackage for pair in self._corpus.test)
        pairs = [pair for pair in self._corpus.test if sizes[pair.subpackage] >= LEAST_PER_LABEL]
        rows = {"sentences": [pair.rest for pair in pairs], "labels": [pair.subpackage for pair in pairs]}
        self.dataset = {"default": DatasetDict({"test": Dataset.from_dict(rows)})}
        self.data_loaded = True


DOCSTRING_TASKS = (DocstringRetrieval, DocstringClassification, DocstringClustering)
