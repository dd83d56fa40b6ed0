"""The measures of `st-isotropy improve` against trec_eval's own."""

import numpy as np
import pytest
import pytrec_eval
import torch

from st_isotropy.improve.judgments import Judgment, score_rankings
from st_isotropy.improve.ranking import find_best

MEASURES = {"ndcg_cut_10": 0, "recip_rank": 1, "recall_10": 2}


@pytest.mark.parametrize("seed", range(5))
def test_ndcg_mrr_and_recall_are_those_of_trec_eval_on_ties_grades_and_missing_documents(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = sorted((f"d{number}" for number in range(120)), reverse=True)  # as `read_beir` orders a corpus
    documents = torch.from_numpy(rng.integers(0, 3, size=(120, 3))).float()  # whole numbers: most scores are tied
    queries = torch.from_numpy(rng.integers(-1, 2, size=(30, 3))).float()  # some of them zero: all documents are tied
    qrels, judgments = {}, []
    for query in range(30):
        judged = {ids[row]: int(rng.integers(0, 4)) for row in rng.choice(120, size=25, replace=False)}
        judged |= {f"missing{number}": int(rng.integers(1, 4)) for number in range(query % 3)}
        qrels[f"q{query}"] = judged
        grades = {id_: float(grade) for id_, grade in judged.items() if grade > 0}
        found = {ids.index(id_): grade for id_, grade in grades.items() if id_ in ids}
        judgments.append(Judgment(found, tuple(grade for id_, grade in grades.items() if id_ not in ids)))
    scores = queries @ documents.T
    runs = {f"q{query}": dict(zip(ids, scores[query].tolist(), strict=True)) for query in range(30)}
    evaluated = pytrec_eval.RelevanceEvaluator(qrels, set(MEASURES)).evaluate(runs)
    ours = score_rankings(find_best(queries, documents, "dot", 10).numpy(), judgments)
    for query in range(30):
        expected = evaluated[f"q{query}"]
        first_ten = expected["recip_rank"] if expected["recip_rank"] >= 1 / 10 else 0.0  # its rank is not cut off
        assert ours[query, 1] == pytest.approx(first_ten, abs=1e-6)
        for measure in ("ndcg_cut_10", "recall_10"):
            assert ours[query, MEASURES[measure]] == pytest.approx(expected[measure], abs=1e-6)
