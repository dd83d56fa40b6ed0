"""Which documents answer a query, and how a ranking of them scores: nDCG@10, MRR@10 and recall@10."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DEPTH = 10
SEARCH_MEASURES = ("nDCG@10", "MRR@10", "recall@10")


@dataclass(frozen=True)
class Judgment:
    """The documents that answer one query.

    Attributes:
        grades: Row of each relevant document to its grade, above 0.
        missing: Grades of relevant documents that are not in the corpus; no search can find them, and it counts.
        own: Row of the query's own text, which every search finds first and nobody looks for; it is left out of the
            ranking. None where the corpus lacks it.

    Examples:
        >>> Judgment({7: 1.0, 2: 3.0}).grades[2]  # row 2 of the corpus has grade 3
        3.0
    """

    grades: Mapping[int, float]
    missing: tuple[float, ...] = ()
    own: int | None = None


def score_rankings(rankings: NDArray[np.int64], judgments: Sequence[Judgment]) -> NDArray[np.float64]:
    """Score the ten best documents of each query, as trec_eval does.

    Args:
        rankings: Rows of documents, best first, shape `(q, at least 10)`, or fewer where the corpus has fewer; 11 where
            a query's own text is among them.
        judgments: What answers each query.

    Returns:
        One column for each of `SEARCH_MEASURES`, shape `(q, 3)`, between 0 and 1. The gain of a document is its grade.

    Examples:
        >>> answer = Judgment({2: 1.0, 3: 1.0})
        >>> score_rankings(np.array([[4, 2]]), [answer]).round(3).tolist()
        [[0.387, 0.5, 0.5]]

    References:
        Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques".
    """
    discounts = 1 / np.log2(np.arange(2, DEPTH + 2))
    scores = np.zeros((len(judgments), len(SEARCH_MEASURES)))
    for number, (ranking, judgment) in enumerate(zip(rankings.tolist(), judgments, strict=True)):
        others = [row for row in ranking if row != judgment.own][:DEPTH]
        gains = np.array([judgment.grades.get(row, 0.0) for row in others])
        ideal = np.array(sorted([*judgment.grades.values(), *judgment.missing], reverse=True))
        found = np.flatnonzero(gains)
        if len(found):
            best = ideal[:DEPTH] @ discounts[: len(ideal)]
            scores[number] = (gains @ discounts[: len(gains)] / best, 1 / (found[0] + 1), len(found) / len(ideal))
    return scores
