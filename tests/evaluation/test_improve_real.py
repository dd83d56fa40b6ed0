"""`st-isotropy improve` on real data: it finds what helps, and leaves alone what it cannot help."""

import numpy as np
import pandas as pd
import pytest
from shared_data import MIRROR, SHARED, needs_mirror

from evaluation.models.load import load_model
from st_isotropy.improve import ScoredTexts, encode_scored, encode_search, improve, read_beir
from st_isotropy.improve.tasks import correlate

pytestmark = [pytest.mark.slow, needs_mirror]


def search_task(model: str, corpus: str):
    return encode_search(load_model(model), read_beir(SHARED / "data" / "beir" / corpus))


def test_a_static_encoder_gains_on_cisi() -> None:
    improvement = improve(search_task("static", "cisi"))
    assert improvement.items == 76
    assert 100 * improvement.candidates[0].scores[0] == pytest.approx(29.4, abs=0.3)
    assert improvement.is_proven and improvement.gain.estimate == pytest.approx(0.094, abs=0.04)


def test_a_static_encoder_gains_on_medquad() -> None:
    improvement = improve(search_task("static", "medquad"))
    assert improvement.items == 1000
    assert improvement.is_proven and improvement.gain.estimate > 0.1


def test_minilm_on_scored_pairs_is_left_alone_or_gains_on_other_pairs() -> None:
    folder = MIRROR / "mteb" / "stsbenchmark-sts" / "data"
    training, test = (
        pd.read_parquet(folder / f"{split}-00000-of-00001.parquet").head(1000) for split in ("validation", "test")
    )
    model = load_model("minilm")
    tasks = []
    for rows in (training, test):
        pairs = list(zip(rows["sentence1"], rows["sentence2"], strict=True))
        tasks.append(encode_scored(model, ScoredTexts(pairs, rows["score"].tolist())))
    improvement = improve(tasks[0])
    gold = np.array(test["score"])
    before, after = (correlate(tasks[1].evaluate(improvement.choice.maps[name])[:, 0], gold) for name in NAMES)
    assert not improvement.is_proven or after > before


NAMES = ("as it is", "chosen among all")
