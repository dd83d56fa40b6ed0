"""Every loss of sentence-transformers: value, gradient and number of forward passes of the wrapped loss."""

import copy
import inspect
import sys

import pytest
import torch
from sentence_transformers.sentence_transformer import losses
from torch import nn

from st_isotropy import MSTLength, PersistentEntropy, RegularizedLoss

ROWS = 12
WEIGHTS = {PersistentEntropy(): 30.0, MSTLength(): 0.5}
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}

# The losses that cannot be wrapped, with the reason. There are none: a new loss has to be decided here or in RECIPES.
REFUSED: dict[str, str] = {}


class Recipe:
    """How to build a loss, and on what it is computed.

    `columns` input columns; `labels` draws labels; `encoded` lists the columns that the trained encoder encodes.
    """

    def __init__(self, build, columns, labels=None, encoded=None):
        self.build, self.columns, self.labels = build, columns, labels
        self.encoded = range(columns) if encoded is None else encoded


def scores(*shape):
    return lambda: torch.rand(ROWS, *shape)


def classes(count):
    return lambda: torch.arange(ROWS) % count


def plain(name, columns, labels=None, **options):
    return Recipe(lambda model, guide: getattr(losses, name)(model, **options), columns, labels)


def modified(name, **options):
    def build(model, guide):
        return getattr(losses, name)(model, losses.MultipleNegativesRankingLoss(model), **options)

    return Recipe(build, 3)


RECIPES = {
    "CosineSimilarityLoss": plain("CosineSimilarityLoss", 2, scores()),
    "SoftmaxLoss": Recipe(lambda model, guide: losses.SoftmaxLoss(model, 32, num_labels=3), 2, classes(3)),
    "MultipleNegativesRankingLoss": plain("MultipleNegativesRankingLoss", 3),
    "MultipleNegativesSymmetricRankingLoss": plain("MultipleNegativesSymmetricRankingLoss", 3),
    "TripletLoss": plain("TripletLoss", 3),
    "MarginMSELoss": plain("MarginMSELoss", 3, scores()),
    "MSELoss": plain("MSELoss", 2, scores(32)),
    "ContrastiveLoss": plain("ContrastiveLoss", 2, classes(2)),
    "OnlineContrastiveLoss": plain("OnlineContrastiveLoss", 2, classes(2)),
    "CoSENTLoss": plain("CoSENTLoss", 2, scores()),
    "AnglELoss": plain("AnglELoss", 2, scores()),
    "BatchHardTripletLoss": plain("BatchHardTripletLoss", 1, classes(3)),
    "BatchHardSoftMarginTripletLoss": plain("BatchHardSoftMarginTripletLoss", 1, classes(3)),
    "BatchSemiHardTripletLoss": plain("BatchSemiHardTripletLoss", 1, classes(3)),
    "BatchAllTripletLoss": plain("BatchAllTripletLoss", 1, classes(3)),
    "DistillKLDivLoss": plain("DistillKLDivLoss", 3, scores(2)),
    "EmbedDistillLoss": plain("EmbedDistillLoss", 2, scores(8), projection_dim=8),
    "GlobalOrthogonalRegularizationLoss": plain("GlobalOrthogonalRegularizationLoss", 3),
    "GISTEmbedLoss": Recipe(lambda model, guide: losses.GISTEmbedLoss(model, guide), 3),
    "CachedGISTEmbedLoss": Recipe(lambda model, guide: losses.CachedGISTEmbedLoss(model, guide, mini_batch_size=5), 3),
    "CachedMultipleNegativesRankingLoss": plain("CachedMultipleNegativesRankingLoss", 3, mini_batch_size=5),
    "CachedMultipleNegativesSymmetricRankingLoss": plain(
        "CachedMultipleNegativesSymmetricRankingLoss", 3, mini_batch_size=5
    ),
    "MegaBatchMarginLoss": plain("MegaBatchMarginLoss", 2, mini_batch_size=5),
    "MegaBatchMarginLoss, uncached": plain("MegaBatchMarginLoss", 2, use_mini_batched_version=False),
    "ContrastiveTensionLoss": Recipe(lambda model, guide: losses.ContrastiveTensionLoss(model), 2, encoded=[1]),
    "ContrastiveTensionLossInBatchNegatives": Recipe(
        lambda model, guide: losses.ContrastiveTensionLossInBatchNegatives(model), 1
    ),
    "DenoisingAutoEncoderLoss": Recipe(lambda model, guide: losses.DenoisingAutoEncoderLoss(model), 2, encoded=[0]),
    "MatryoshkaLoss": modified("MatryoshkaLoss", matryoshka_dims=[32, 16], matryoshka_weights=[1.0, 0.5]),
    "MatryoshkaLoss, small dimensions": modified("MatryoshkaLoss", matryoshka_dims=[16, 8]),
    "MatryoshkaLoss, cached": Recipe(
        lambda model, guide: losses.MatryoshkaLoss(
            model, losses.CachedMultipleNegativesRankingLoss(model, mini_batch_size=5), [32, 16]
        ),
        3,
    ),
    "AdaptiveLayerLoss": modified("AdaptiveLayerLoss", n_layers_per_step=-1),
    "Matryoshka2dLoss": modified(
        "Matryoshka2dLoss", matryoshka_dims=[32, 16], n_layers_per_step=-1, n_dims_per_step=-1
    ),
}


@pytest.fixture(scope="module")
def measured():
    """Rows of the table that the module prints at its end."""
    rows = []
    yield rows
    lines = [f"{'loss':46} {'dtype':8} {'value':>8} {'gradient':>8}  forwards of base, wrapped"]
    lines += ["{:46} {:8} {:8.1e} {:8.1e}  {}, {}".format(*row) for row in sorted(rows)]
    sys.stdout.write("\n" + "\n".join(lines) + "\n")  # seen with `pytest -s`


def test_every_loss_of_sentence_transformers_is_decided():
    exported = {name for name in losses.__all__ if inspect.isclass(getattr(losses, name))}
    modules = {name for name in exported if issubclass(getattr(losses, name), nn.Module)}
    assert modules == {name.split(",")[0] for name in RECIPES} | set(REFUSED)


def run(loss, model, texts, labels):
    """Compute a loss, the gradients of all its parameters, and how often the encoder ran."""
    forwards = []
    handle = model[0].register_forward_hook(lambda *_: forwards.append(1))
    value = total(loss([model.preprocess(column) for column in texts], labels))
    value.backward()
    handle.remove()
    gradients = {p: p.grad.clone() for p in loss.parameters() if p.grad is not None}
    loss.zero_grad(set_to_none=True)
    return value.item(), gradients, len(forwards)


def total(terms):
    return torch.stack(list(terms.values())).sum() if isinstance(terms, dict) else terms


def norm(gradients):
    return torch.cat([each.flatten() for each in gradients.values()]).norm().item()


def distance(gradients, expected):
    return norm({each: gradients[each] - expected[each] for each in expected}) / norm(expected)


class PenaltiesByHand(nn.Module):
    """The weighted penalties alone, from embeddings that are computed column by column."""

    def __init__(self, model, encoded):
        super().__init__()
        self.model, self.encoded = model, encoded

    def forward(self, features, labels):
        columns = [self.model(features[index])["sentence_embedding"] for index in self.encoded]
        return sum(
            weight * sum(regularizer(column) for column in columns) / len(columns)
            for regularizer, weight in WEIGHTS.items()
        )


@pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda dtype: str(dtype).removeprefix("torch."))
@pytest.mark.parametrize("name", RECIPES)
def test_value_and_gradient_are_those_of_the_two_parts_in_as_many_forward_passes(
    name, dtype, model, sentences, measured
):
    recipe = RECIPES[name]
    torch.manual_seed(0)
    guide = copy.deepcopy(model)
    torch.manual_seed(1)
    base = recipe.build(model, guide).to(dtype)
    torch.manual_seed(2)
    labels = recipe.labels() if recipe.labels else None
    if labels is not None and labels.is_floating_point():
        labels = labels.to(dtype)
    texts = [sentences(ROWS, seed=10 + index) for index in range(recipe.columns)]

    base_value, base_gradients, base_forwards = run(base, model, texts, labels)
    penalty_value, penalty_gradients, _ = run(PenaltiesByHand(model, recipe.encoded), model, texts, labels)
    wrapped = RegularizedLoss(model, base, list(WEIGHTS.items()))
    value, gradients, forwards = run(wrapped, model, texts, labels)
    expected = {key: base_gradients.get(key, 0) + penalty_gradients.get(key, 0) for key in gradients}

    value_error = abs(value - base_value - penalty_value) / abs(base_value + penalty_value)
    gradient_error = distance(gradients, expected)
    measured.append((name, str(dtype).removeprefix("torch."), value_error, gradient_error, base_forwards, forwards))
    assert norm(penalty_gradients) > 0.01 * norm(expected)  # or an error in them could not be seen
    assert gradients.keys() == base_gradients.keys() | penalty_gradients.keys()
    assert value_error < TOLERANCE[dtype]
    assert gradient_error < TOLERANCE[dtype]
    assert forwards == base_forwards
