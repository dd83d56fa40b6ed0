"""What a map of embeddings is measured on: queries that search documents, or sentence pairs with gold scores."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor
from torch.nn.functional import cosine_similarity

from st_isotropy.improve.intervals import Gain, search_gain, spearman_gain
from st_isotropy.improve.judgments import DEPTH, SEARCH_MEASURES, Judgment, score_rankings
from st_isotropy.improve.maps import AffineMap
from st_isotropy.improve.quantization import Precision, find_best_codes, similarity_of_codes
from st_isotropy.improve.ranking import find_best
from st_isotropy.metrics.cloud import Similarity


class Task(ABC):
    """Items, queries or pairs, that a map is scored on.

    Attributes:
        similarity: The model's similarity function.
        unit_rows: Whether the model ends in a `Normalize`, as what is saved then does.
        groups: For each item the number of its group; items of a group are never on both sides of a split.
        texts: For each item what to call it.
        measures: Names of the measures, the main one first.
    """

    similarity: Similarity
    unit_rows: bool
    groups: NDArray[np.int64]
    texts: Sequence[str]
    measures: tuple[str, ...]

    @property
    @abstractmethod
    def width(self) -> int:
        """Dimensions of the embeddings."""

    @property
    @abstractmethod
    def fitting_rows(self) -> Tensor:
        """Embeddings that a label-free transform is fitted to, shape `(n, d)`."""

    @property
    @abstractmethod
    def fits_on_items(self) -> bool:
        """Whether those are the items' own, so that each part of the items needs a fit of its own."""

    @abstractmethod
    def part(self, items: NDArray[np.int64]) -> "Task":
        """Restrict the task to some items."""

    @abstractmethod
    def evaluate(self, map_: AffineMap, precision: Precision = "float32") -> NDArray[np.float64]:
        """Score every item after a map, shape `(items, columns)`."""

    @abstractmethod
    def summarize(self, values: NDArray[np.float64]) -> tuple[float, ...]:
        """Give each measure over all items of this task from what `evaluate` returned."""

    @abstractmethod
    def score(self, values: NDArray[np.float64], folds: NDArray[np.int64]) -> tuple[float, ...]:
        """Give each measure over held-out items, whose maps may differ from fold to fold."""

    @abstractmethod
    def compare(
        self, before: NDArray[np.float64], after: NDArray[np.float64], folds: NDArray[np.int64]
    ) -> tuple[Gain, ...]:
        """Give the paired gain in each measure, from what `evaluate` returned for the items of all folds."""


@dataclass(frozen=True, eq=False)
class SearchTask(Task):
    """Queries that search documents.

    Attributes:
        documents: Embeddings of the corpus, shape `(n, d)`; may lie in a memory-mapped file. Of documents that are
            equally similar to a query the first counts as the better one.
        queries: Embeddings of the queries, shape `(q, d)`.
        judgments: What answers each query.
        similarity: The model's similarity function.
        groups: Queries with one text share a number.
        texts: The queries.
        unit_rows: Whether the model ends in a `Normalize`, as what is saved then does.

    Examples:
        >>> rows = torch.eye(3)
        >>> answers = tuple(Judgment({row: 1.0}) for row in (0, 1, 0))
        >>> names = ["a", "b", "c"]
        >>> task = SearchTask(rows, rows, answers, "cosine", np.arange(3), names)
        >>> task.evaluate(AffineMap.keeping(3, width=3))[:, 0].tolist()  # nDCG@10
        [1.0, 1.0, 0.6309297535714575]
    """

    documents: Tensor
    queries: Tensor
    judgments: tuple[Judgment, ...]
    similarity: Similarity
    groups: NDArray[np.int64]
    texts: Sequence[str]
    unit_rows: bool = False

    measures = SEARCH_MEASURES

    @property
    def width(self) -> int:
        """Dimensions of the embeddings."""
        return self.documents.shape[1]

    @property
    def fitting_rows(self) -> Tensor:
        """The documents."""
        return self.documents

    @property
    def fits_on_items(self) -> bool:
        """No: documents are there whatever is asked."""
        return False

    def part(self, items: NDArray[np.int64]) -> "SearchTask":
        """Keep some queries, and all documents."""
        return replace(
            self,
            queries=self.queries[torch.from_numpy(items)],
            judgments=tuple(self.judgments[item] for item in items),
            groups=self.groups[items],
            texts=[self.texts[item] for item in items],
        )

    def evaluate(self, map_: AffineMap, precision: Precision = "float32") -> NDArray[np.float64]:
        """Score every query by exact search, shape `(q, 3)`; nothing where a map leaves a query no direction."""
        queries = map_.of_queries(self.queries)
        depth = DEPTH + any(judgment.own is not None for judgment in self.judgments)
        if precision == "float32":
            rankings = find_best(queries, self.documents, self.similarity, depth, map_.of_documents)
        else:
            rankings = find_best_codes(queries, self.documents, self.similarity, depth, precision, map_.of_documents)
        return score_rankings(rankings.numpy(), self.judgments)

    def summarize(self, values: NDArray[np.float64]) -> tuple[float, ...]:
        """Give the mean over queries of each measure."""
        return tuple(values.mean(axis=0).tolist())

    def score(self, values: NDArray[np.float64], folds: NDArray[np.int64]) -> tuple[float, ...]:
        """Give the mean over queries of each measure."""
        return self.summarize(values)

    def compare(
        self, before: NDArray[np.float64], after: NDArray[np.float64], folds: NDArray[np.int64]
    ) -> tuple[Gain, ...]:
        """Give the mean gain over queries in each measure."""
        return tuple(search_gain(difference, self.groups) for difference in (after - before).T)


@dataclass(frozen=True, eq=False)
class ScoredTask(Task):
    """Sentence pairs with gold scores.

    Attributes:
        sentences: Embeddings of the distinct sentences, shape `(m, d)`.
        pairs: Rows of the two sentences of each pair, shape `(n, 2)`.
        gold: Gold scores, shape `(n,)`.
        similarity: The model's similarity function.
        groups: Pairs that share a sentence, or are linked through such pairs, share a number.
        texts: The pairs.
        corpus: Embeddings of other texts, to which transforms are fitted; None fits them to the training pairs.
        unit_rows: Whether the model ends in a `Normalize`, as what is saved then does.

    Examples:
        >>> sentences = torch.tensor([[1.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
        >>> pairs, gold = np.array([[0, 1], [0, 2]]), np.array([1.0, 0.0])
        >>> linked = np.zeros(2, int)  # the pairs share a sentence
        >>> task = ScoredTask(sentences, pairs, gold, "cosine", linked, ["a", "b"])
        >>> task.evaluate(AffineMap.keeping(2, width=2)).round(3).tolist()
        [[0.6], [0.0]]
    """

    sentences: Tensor
    pairs: NDArray[np.int64]
    gold: NDArray[np.float64]
    similarity: Similarity
    groups: NDArray[np.int64]
    texts: Sequence[str]
    corpus: Tensor | None = None
    unit_rows: bool = False

    measures = ("Spearman",)

    @property
    def width(self) -> int:
        """Dimensions of the embeddings."""
        return self.sentences.shape[1]

    @property
    def fitting_rows(self) -> Tensor:
        """The corpus, or the distinct sentences of the pairs."""
        return self.sentences[torch.from_numpy(np.unique(self.pairs))] if self.corpus is None else self.corpus

    @property
    def fits_on_items(self) -> bool:
        """Whether there is no corpus."""
        return self.corpus is None

    def part(self, items: NDArray[np.int64]) -> "ScoredTask":
        """Keep some pairs."""
        return replace(
            self,
            pairs=self.pairs[items],
            gold=self.gold[items],
            groups=self.groups[items],
            texts=[self.texts[item] for item in items],
        )

    def evaluate(self, map_: AffineMap, precision: Precision = "float32") -> NDArray[np.float64]:
        """Compute the similarity of each pair, shape `(n, 1)`."""
        first, second = (map_.of_queries(self.sentences[torch.from_numpy(side)]) for side in self.pairs.T)
        if precision == "float32":
            return similarity_of_pairs(first, second, self.similarity).double().numpy()[:, None]
        return similarity_of_codes(first, second, self.similarity, precision).numpy()[:, None]

    def summarize(self, values: NDArray[np.float64]) -> tuple[float, ...]:
        """Give Spearman's correlation with the gold scores."""
        return (correlate(values[:, 0], self.gold),)

    def score(self, values: NDArray[np.float64], folds: NDArray[np.int64]) -> tuple[float, ...]:
        """Give the mean over folds of Spearman's correlation in each."""
        parts = [folds == fold for fold in np.unique(folds)]
        return (float(np.mean([correlate(values[part, 0], self.gold[part]) for part in parts])),)

    def compare(
        self, before: NDArray[np.float64], after: NDArray[np.float64], folds: NDArray[np.int64]
    ) -> tuple[Gain, ...]:
        """Give the gain in Spearman's correlation, computed in each fold and averaged."""
        return (spearman_gain(before[:, 0], after[:, 0], self.gold, folds, self.groups),)


def correlate(values: NDArray[np.float64], gold: NDArray[np.float64]) -> float:
    """Compute Spearman's correlation; 0 where all values are equal."""
    if np.ptp(values) == 0 or np.ptp(gold) == 0:
        return 0.0
    return float(np.corrcoef(stats.rankdata(values), stats.rankdata(gold))[0, 1])


def similarity_of_pairs(first: Tensor, second: Tensor, similarity: Similarity) -> Tensor:
    """Compute the similarity of row to row, shape `(n,)`."""
    if similarity == "cosine":
        return cosine_similarity(first, second, dim=1)
    if similarity == "dot":
        return (first * second).sum(dim=1)
    return -torch.linalg.vector_norm(first - second, ord=1 if similarity == "manhattan" else 2, dim=1)
