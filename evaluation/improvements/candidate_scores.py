"""What each candidate of `st-isotropy improve` scores on each query of a corpus, as its calibration draws from."""

import numpy as np
from numpy.typing import NDArray

from evaluation.models.load import load_model
from st_isotropy.diagnosis.loading import AS_SAVED, Loading
from st_isotropy.improve import SearchTask, SearchTexts, encode_search
from st_isotropy.improve.adapter import ADAPTER
from st_isotropy.improve.candidates import fit_candidates
from st_isotropy.improve.folds import make_folds
from st_isotropy.improve.planning import make_plan
from st_isotropy.improve.selection import cross_fit


def score_queries(model: str, corpus: SearchTexts, loading: Loading = AS_SAVED) -> NDArray[np.float64]:
    """Encode a corpus and score every candidate on every query.

    Args:
        model: Name of a model, as for a study.
        corpus: Documents, queries, and what is relevant.
        loading: How the model is loaded.

    Returns:
        nDCG@10, shape `(queries, candidates)`; the embeddings as they are come first, the cross-fitted adapter last.
    """
    return held_out_scores(encode_search(load_model(model, loading), corpus, show_progress_bar=True))


def held_out_scores(task: SearchTask) -> NDArray[np.float64]:
    """Score every candidate on every query of a task; as above."""
    plan = make_plan(task, None, None, queries_only=False, seed=0)
    known = fit_candidates(task, plan.transforms, plan.as_it_is)
    fit = cross_fit(task, plan, known, make_folds(task.groups))
    return np.stack([fit.values[name][:, 0] for name in (*known.values, ADAPTER)], axis=1)
