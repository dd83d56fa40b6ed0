"""Schedules, and the weight that balances gradients."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    CosineSimilarityLoss,
    MultipleNegativesRankingLoss,
)
from torch.nn.functional import normalize

from st_isotropy import BalancedWeight, MSTLength, PersistentEntropy, PersistentEntropyLoss, WeightSchedule
from st_isotropy.losses.penalties import gradients


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (WeightSchedule(8.0), [8, 8, 8, 8, 8]),
        (WeightSchedule(8.0, warmup=50), [0, 4, 8, 8, 8]),
        (WeightSchedule(8.0, warmup=0.5), [0, 4, 8, 8, 8]),
        (WeightSchedule(8.0, decay=0.5), [8, 8, 8, 4, 0]),
        (WeightSchedule(8.0, warmup=100, shape="cosine"), [0, 4 - 4 * math.cos(math.pi / 4), 4, 4 + 4 * 0.5**0.5, 8]),
        (WeightSchedule(-8.0, warmup=50, decay=50), [0, -4, -8, -4, 0]),
    ],
)
def test_a_schedule_has_its_shape(schedule, expected):
    assert [schedule.at(step, 100) for step in (0, 25, 50, 75, 100)] == pytest.approx(expected)


@given(
    warmup=st.floats(0, 200),
    decay=st.floats(0, 200),
    shape=st.sampled_from(["linear", "cosine"]),
    step=st.integers(0, 100),
)
def test_a_schedule_stays_between_nothing_and_its_value(warmup, decay, shape, step):
    assert 0 <= WeightSchedule(3.0, warmup, decay, shape).at(step, 100) <= 3.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"value": math.nan}, "WeightSchedule.value must be a finite number, got nan"),
        ({"value": 1.0, "warmup": -1}, "warmup must be a number of steps or a share below 1, got -1"),
        ({"value": 1.0, "decay": math.inf}, "decay must be a number of steps or a share below 1, got inf"),
        ({"value": 1.0, "shape": "square"}, 'WeightSchedule.shape must be "linear" or "cosine", got \'square\''),
    ],
)
def test_an_undefined_schedule_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        WeightSchedule(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fraction": math.inf}, "BalancedWeight.fraction must be a finite number, got inf"),
        ({"cap": 0.0}, "cap must be a positive finite number, got 0.0"),
    ],
)
def test_an_undefined_balance_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        BalancedWeight(**options)


def test_numbers_of_other_libraries_are_numbers(model):
    weights = [np.float32(2.0), np.int64(2), 2]
    losses = [PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), weight) for weight in weights]
    assert [loss.penalties.regularizers for loss in losses] == [((PersistentEntropy(), 2.0),)] * 3


def test_a_balance_compares_the_medians_of_rows_that_have_a_gradient():
    objective, term = torch.tensor([0.0, 2.0, 4.0, 6.0]), torch.tensor([0.0, 0.0, 0.0, 5.0])
    assert BalancedWeight(0.5).balance(objective, term).item() == pytest.approx(0.5 * 4 / 5)
    assert BalancedWeight(-0.5).balance(objective, term).item() == pytest.approx(-0.5 * 4 / 5)
    assert BalancedWeight(0.5, cap=0.1).balance(objective, term).item() == pytest.approx(0.1)
    assert BalancedWeight().balance(objective, torch.zeros(4)) == 0
    assert BalancedWeight().balance(torch.zeros(4), term) == 0


@pytest.mark.parametrize("objective", [MultipleNegativesRankingLoss, CachedMultipleNegativesRankingLoss])
def test_a_balanced_weight_is_the_share_of_the_gradients_at_the_embeddings(objective, model, sentences):
    model.double()
    texts = [sentences(12, seed=seed) for seed in (1, 2)]
    loss = PersistentEntropyLoss(model, objective(model), BalancedWeight(0.3), spread_weight=BalancedWeight(0.2))
    loss.penalties.watch()
    terms = loss([model.preprocess(column) for column in texts])
    columns = [model(model.preprocess(column))["sentence_embedding"] for column in texts]

    def median_row(value):
        return torch.cat(torch.autograd.grad(value, columns, retain_graph=True)).norm(dim=1).median().item()

    base = MultipleNegativesRankingLoss(model).compute_loss_from_embeddings(columns, None)
    for fraction, regularizer in ((0.3, PersistentEntropy()), (0.2, MSTLength())):
        penalty = sum(regularizer(column) for column in columns) / 2
        weight = fraction * median_row(base) / median_row(penalty)
        assert loss.penalties.seen.weights[regularizer.name] == pytest.approx(weight, rel=1e-6)
        assert terms[f"{regularizer.name}_loss"].item() == pytest.approx(weight * penalty.item(), rel=1e-6)


def test_a_gradient_too_small_for_half_precision_is_kept():
    embeddings = torch.ones(3, 4, dtype=torch.float16, requires_grad=True)

    (gradient,) = gradients((embeddings.float() * 1e-8).sum(), [embeddings])

    assert gradient is not None
    torch.testing.assert_close(gradient, torch.full((3, 4), 1e-8), rtol=1e-3, atol=0)


def test_a_balanced_weight_carries_no_gradient(model, sentences):
    balanced = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), "auto")
    balanced.penalties.watch()
    features = [model.preprocess(sentences(12, seed=seed)) for seed in (1, 2)]
    gradients = []
    for loss in (balanced, None):
        weight = balanced.penalties.seen and balanced.penalties.seen.weights["persistent_entropy"]
        loss = loss or PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), weight)
        loss([dict(each) for each in features]).backward()
        gradients.append(torch.cat([each.grad.flatten() for each in model.parameters() if each.grad is not None]))
        model.zero_grad()
    torch.testing.assert_close(*gradients)


def test_a_near_duplicate_pair_hardly_moves_a_balanced_weight(model, sentences):
    """Around one pair at cosine 0.99 the term's gradient grows tenfold, the median row does not."""

    class Given(torch.nn.Module):
        """An objective on embeddings that are handed over as features."""

        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, features, labels):
            (points,) = (self.model(each)["sentence_embedding"] for each in features)
            return (normalize(points, dim=1) @ torch.ones(points.shape[1])).square().mean()

    class Passthrough(torch.nn.Module):
        def forward(self, features):
            return {"sentence_embedding": features["points"]}

    points = torch.randn(64, 384, generator=torch.Generator().manual_seed(0))
    near = points.clone()
    near[1] = 0.99 * normalize(near[0], dim=0) * 20 + math.sqrt(1 - 0.99**2) * near[1]

    def weight_and_norm(cloud):
        model.forward = Passthrough().forward
        loss = PersistentEntropyLoss(model, Given(), "auto")
        loss.penalties.watch()
        leaf = cloud.clone().requires_grad_()
        terms = loss([{"points": leaf, "attention_mask": torch.ones(64, 1)}])
        weight = loss.penalties.seen.weights["persistent_entropy"]
        (gradient,) = torch.autograd.grad(terms["persistent_entropy_loss"] / weight, leaf)
        return weight, gradient.norm().item()

    (plain, plain_norm), (moved, moved_norm) = weight_and_norm(points), weight_and_norm(near)
    assert moved_norm > 5 * plain_norm
    assert 0.5 < moved / plain < 2


@pytest.mark.parametrize("seed", range(3))
def test_the_balance_holds_for_any_objective_and_batch_size(seed, model, sentences):
    torch.manual_seed(seed)
    for objective in (CosineSimilarityLoss, MultipleNegativesRankingLoss):
        for rows in (16, 48):
            loss = PersistentEntropyLoss(model, objective(model), "auto")
            loss.penalties.watch()
            loss([model.preprocess(sentences(rows, seed=seed + column)) for column in (1, 7)], torch.rand(rows))
            assert 0.03 < loss.penalties.seen.gradient_ratios["persistent_entropy"] < 0.5
