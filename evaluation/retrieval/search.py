"""One variant's embeddings, searched exactly and through an index.

Rows are unit vectors and the metric is the inner product. The index seed shuffles the order in which documents are
trained on and inserted, which is what k-means, graph construction and the order of ties depend on.
"""

from collections.abc import Mapping, Sequence

import faiss
import numpy as np
import pytrec_eval
from numpy.typing import NDArray
from scipy import stats

from evaluation.errors import UserError, counted
from evaluation.measured import Setting
from evaluation.models.embeddings import RetrievalEmbeddings
from evaluation.retrieval.indexes import SEARCH_PARAMETERS, IndexKind

Qrels = Mapping[str, Mapping[str, int]]

DEPTH = 10
DEEP = 100
NOWHERE = -2  # the place of a document that is not in the corpus; faiss gives -1 where it finds nothing


class VariantSearch:
    """One variant with its exact neighbors, on which indexes are measured."""

    def __init__(self, variant: RetrievalEmbeddings, qrels: Qrels, seeds: Sequence[int]) -> None:
        judged = [row for row, query in enumerate(variant.query_ids) if qrels.get(query)]
        documents = set(variant.corpus_ids)
        relevant = (doc for row in judged for doc, grade in qrels[variant.query_ids[row]].items() if grade > 0)
        if documents.isdisjoint(relevant):
            raise UserError(
                f"Of {counted(len(variant.query_ids), 'query', 'queries')} none has a relevant document in the corpus: "
                "check that the ids in the qrels are those of the queries and documents."
            )
        self.variant = variant
        self.seeds = seeds
        self.queries = np.ascontiguousarray(variant.queries[judged])
        self.query_ids = [variant.query_ids[row] for row in judged]
        self.qrels = {query: dict(qrels[query]) for query in self.query_ids}
        places = {id_: place for place, id_ in enumerate(variant.corpus_ids)} if variant.skips_own_id else {}
        self.own = np.array([places.get(query, NOWHERE) for query in self.query_ids])
        # A query without a direction is equally near to every document.
        self.directed = self.queries.any(axis=1, keepdims=True)
        exact = faiss.IndexFlatIP(variant.corpus.shape[1])
        exact.add(variant.corpus)
        # Two searches, because faiss orders equal documents by how many it was asked for.
        self.exact = {depth: self.find(exact, None, depth) for depth in (DEPTH, DEEP)}
        self.exact_ndcg = float(np.mean(self.ndcg(self.exact[DEPTH])))

    def ndcg(self, neighbors: NDArray[np.int64]) -> NDArray[np.float64]:
        """Compute nDCG@10 per query from rows of neighbors, best first."""
        ids = self.variant.corpus_ids
        # An index that finds too few fills up with -1. Ranks serve as scores, so that no tie is broken by document id.
        run = {
            query: {ids[place]: float(DEPTH - rank) for rank, place in enumerate(row[:DEPTH]) if place >= 0}
            for query, row in zip(self.query_ids, neighbors.tolist(), strict=True)
        }
        scores = pytrec_eval.RelevanceEvaluator(self.qrels, {"ndcg_cut.10"}).evaluate(run)
        return np.array([scores[query]["ndcg_cut_10"] if run[query] else 0.0 for query in self.query_ids])

    def retention(self, kind: IndexKind, setting: Setting, seeds: Sequence[int]) -> float:
        """Compute what an index keeps of the exact nDCG@10."""
        found = [self.find(self.build(kind, setting, seed), seed, DEPTH) for seed in seeds]
        return float(np.mean([self.ndcg(neighbors) for neighbors in found])) / self.exact_ndcg

    def build(self, kind: IndexKind, setting: Setting, seed: int | None) -> faiss.Index:
        """Train and fill an index."""
        corpus = self.variant.corpus[self.order(seed)]
        index = kind.create(corpus.shape[1], setting)
        index.train(corpus)
        index.add(corpus)
        for parameter in SEARCH_PARAMETERS:
            if parameter in setting:
                faiss.ParameterSpace().set_index_parameter(index, parameter, setting[parameter])
        return index

    def order(self, seed: int | None) -> NDArray[np.int64]:
        """Give the order of insertion that a seed stands for; None is the order of the corpus."""
        places = np.arange(len(self.variant.corpus))
        return places if seed is None else np.random.default_rng(seed).permutation(places)

    def find(self, index: faiss.Index, seed: int | None, depth: int) -> NDArray[np.int64]:
        """Search all queries; the result holds places in the corpus, -1 where nothing was found.

        A query whose embedding is zero, such as that of an empty text, finds nothing.

        Where a query does not count its own document, one more is searched for, and that document taken out.
        """
        more = int(self.variant.skips_own_id)
        found = index.search(self.queries, min(depth + more, index.ntotal))[1]
        places = np.where((found >= 0) & self.directed, self.order(seed)[found], -1)
        if not more:
            return places
        is_own = places == self.own[:, None]
        own_last = np.argsort(is_own, axis=1, kind="stable")
        return np.take_along_axis(np.where(is_own, -1, places), own_last, axis=1)[:, :depth]

    def recall(self, neighbors: NDArray[np.int64], depth: int) -> float:
        """Compute the share of the exact neighbors that was found, at the depth of the search; 0 if there are none."""
        # Places are unique within a row, so that equal neighbors in the sorted union are places that both rows hold.
        both = np.sort(np.concatenate([neighbors, self.exact[depth]], axis=1), axis=1)
        found = (both[:, 1:] == both[:, :-1]) & (both[:, 1:] >= 0)
        return float(found.sum() / max(1, (self.exact[depth] >= 0).sum()))

    def hubness(self, neighbors: NDArray[np.int64]) -> float:
        """Compute the skewness of how often each document was found; 0 where all are found equally often."""
        counts = np.bincount(neighbors[neighbors >= 0], minlength=len(self.variant.corpus))
        return float(stats.skew(counts)) if np.ptp(counts) else 0.0

    def quantization_error(self, index: faiss.Index, seed: int | None) -> float | None:
        """Compute the mean squared error of decoded vectors over the variance; None where there is no variance."""
        corpus = self.variant.corpus[self.order(seed)]
        variance = float(corpus.var(axis=0).sum())
        error = float(((index.reconstruct_n(0, len(corpus)) - corpus) ** 2).sum(axis=1).mean())
        return error / variance if variance > 1e-12 else None
