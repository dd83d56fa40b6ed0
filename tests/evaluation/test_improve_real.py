"""`st-isotropy improve` on real data: what is committed comes out again, and what it cannot help is left alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from shared_data import MIRROR, SHARED, needs_mirror

from evaluation.documentation.improvements import EVIDENCE
from evaluation.files import read_record
from evaluation.improvements.records import Evidence
from evaluation.models.load import load_model
from st_isotropy.improve import ScoredTexts, encode_scored, encode_search, improve, read_beir
from st_isotropy.improve.adapter import AS_IT_IS
from st_isotropy.improve.selection import CHOSEN
from st_isotropy.improve.tasks import Task, correlate
from st_isotropy.metrics.cloud import Cloud
from st_isotropy.posthoc import PostHoc

pytestmark = [pytest.mark.slow, needs_mirror]


class Rotation(PostHoc):
    """A random rotation about the mean of nothing, which changes no cosine."""

    def affine(self, cloud: Cloud) -> tuple[torch.Tensor, torch.Tensor]:
        width = cloud.points.shape[1]
        normal = torch.randn(width, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        return torch.linalg.qr(normal).Q, torch.zeros(width, dtype=torch.float64)


def encoded(model: str, corpus: str) -> Task:
    folder: Path = SHARED / "data" / "beir" / corpus
    return encode_search(load_model(model), read_beir(folder))


@pytest.mark.parametrize("corpus", ["cisi", "medquad"])
def test_a_static_encoder_gains_what_the_committed_table_says(corpus: str) -> None:
    cells = {(cell.model, cell.data): cell for cell in read_record(EVIDENCE, Evidence).cells}
    committed = {arm.name: arm for arm in cells["static", corpus].arms}
    found = {row.name: row for row in improve(encoded("static", corpus)).candidates}
    assert found[AS_IT_IS].scores[0] == pytest.approx(committed[AS_IT_IS].score, abs=0.002)
    assert found[CHOSEN].scores[0] == pytest.approx(committed[CHOSEN].score, abs=0.02)
    assert found[CHOSEN].gains[0].is_proven


def test_a_rotation_as_the_only_candidate_is_never_offered() -> None:
    improvement = improve(encoded("static", "cisi"), candidates={"Rotation": Rotation()})
    assert not improvement.is_proven and improvement.gain.estimate == pytest.approx(0, abs=1e-3)


def test_minilm_on_scored_pairs_is_left_alone_or_gains_on_other_pairs() -> None:
    training, test = (scored_rows(split) for split in ("validation", "test"))
    model = load_model("minilm")
    learned, asked = (encode_scored(model, scored_texts(rows)) for rows in (training, test))
    improvement = improve(learned)
    gold = np.array(test["score"])
    before, after = (
        correlate(asked.evaluate(improvement.choice.maps[name])[:, 0], gold) for name in (AS_IT_IS, CHOSEN)
    )
    assert not improvement.is_proven or after > before


def scored_rows(split: str) -> pd.DataFrame:
    return pd.read_parquet(MIRROR / "mteb" / "stsbenchmark-sts" / "data" / f"{split}-00000-of-00001.parquet")


def scored_texts(rows: pd.DataFrame) -> ScoredTexts:
    pairs: Sequence[tuple[str, str]] = list(zip(rows["sentence1"], rows["sentence2"], strict=True))
    return ScoredTexts(pairs, rows["score"].tolist())
