"""Every loss of sentence-transformers and ours: value, gradient and number of forward passes of the wrapped loss."""

import copy
import inspect
import sys

import pytest
import torch
from sentence_transformers.sentence_transformer import losses
from torch import nn

import st_isotropy
from st_isotropy import AlignmentLoss, CachedAlignmentLoss, MSTLength, PersistentEntropy, RegularizedLoss

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
    "AlignmentLoss": Recipe(lambda model, guide: AlignmentLoss(model, positives=2), 3),
    "CachedAlignmentLoss": Recipe(lambda model, guide: CachedAlignmentLoss(model, positives=2, mini_batch_size=5), 3),
}


@pytest.fixture(scope="module")
def measured():
    """Rows of the table that the module prints at its end."""
    rows = []
    yield rows
    lines = [f"{'loss':46} {'dtype':8} {'value':>8} {'gradient':>8}  forwards of base, wrapped"]
    lines += ["{:46} {:8} {:8.1e} {:8.1e}  {}, {}".format(*row) for row in sorted(rows)]
    sys.stdout.write("\n" + "\n".join(lines) + "\n")  # seen with `pytest -s`


def modules_of(package):
    exported = {name: getattr(package, name) for name in package.__all__}
    return {name for name, part in exported.items() if inspect.isclass(part) and issubclass(part, nn.Module)}


def test_every_loss_of_sentence_transformers_and_of_this_package_is_decided():
    wrappers = {"PersistentEntropyLoss", "RegularizedLoss"}
    decided = {name.split(",")[0] for name in RECIPES} | set(REFUSED)
    assert modules_of(losses) | modules_of(st_isotropy) - wrappers == decided


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


TEACHERS = {"MSELoss", "EmbedDistillLoss"}  # their forward makes a list of a teacher's embeddings of the labels


@pytest.mark.parametrize("name", [name for name in RECIPES if "," not in name])
def test_from_given_embeddings_value_and_gradient_are_those_of_forward_and_of_the_two_parts(name, model, sentences):
    recipe = RECIPES[name]
    torch.manual_seed(0)
    base = recipe.build(model, copy.deepcopy(model)).double()
    loss = RegularizedLoss(model, base, list(WEIGHTS.items()))
    labels = recipe.labels() if recipe.labels else None
    if labels is not None and labels.is_floating_point():
        labels = labels.double()
    features = [model.preprocess(sentences(ROWS, seed=10 + index)) for index in range(recipe.columns)]
    columns = [model(dict(column))["sentence_embedding"] for column in features]
    if not hasattr(base, "compute_loss_from_embeddings"):
        with pytest.raises(ValueError, match=f"^{type(base).__name__} has no compute_loss_from_embeddings"):
            loss.compute_loss_from_embeddings(columns, labels)
        return
    passed_on = [labels] * recipe.columns if name in TEACHERS else labels
    terms = loss.compute_loss_from_embeddings(columns, passed_on)

    forward = loss(features, labels)
    assert terms.keys() == forward.keys()
    for term, value in forward.items():
        torch.testing.assert_close(terms[term], value, rtol=1e-9, atol=1e-12)
    parameters = [parameter for parameter in loss.parameters() if parameter.requires_grad]
    found = torch.autograd.grad(terms.total, parameters, retain_graph=True, allow_unused=True)
    expected = torch.autograd.grad(forward.total, parameters, allow_unused=True)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-10)

    penalties = sum(
        weight * sum(regularizer(column) for column in columns) / len(columns)
        for regularizer, weight in WEIGHTS.items()
    )
    by_hand = total(base.compute_loss_from_embeddings(columns, passed_on)) + penalties
    torch.testing.assert_close(terms.total, by_hand, rtol=1e-9, atol=1e-12)
    found = torch.autograd.grad(terms.total, columns, retain_graph=True)
    torch.testing.assert_close(found, torch.autograd.grad(by_hand, columns), rtol=1e-7, atol=1e-10)


def test_a_regularized_loss_around_another_takes_given_embeddings_too(model):
    inner = RegularizedLoss(model, losses.MultipleNegativesRankingLoss(model), MSTLength(), 0.5)
    columns = [torch.randn(ROWS, 8) for _ in range(2)]
    terms = RegularizedLoss(model, inner, PersistentEntropy(), 3.0).compute_loss_from_embeddings(columns)
    assert list(terms) == ["base_loss", "mst_length_loss", "persistent_entropy_loss"]
    penalty = sum(PersistentEntropy()(column) for column in columns) / 2
    assert terms["persistent_entropy_loss"].item() == pytest.approx(3.0 * penalty.item())


def test_given_embeddings_are_split_by_given_labels(model):
    rows, labels = torch.randn(ROWS, 8), torch.arange(ROWS) % 3
    loss = RegularizedLoss(model, losses.BatchHardTripletLoss(model), MSTLength(), cloud="labels")
    terms = loss.compute_loss_from_embeddings([rows], labels)
    expected = sum(MSTLength()(rows[labels == label]) for label in range(3)) / 3
    assert terms["mst_length_loss"].item() == pytest.approx(expected.item())


def test_a_balanced_weight_is_found_at_the_given_embeddings(model):
    columns = [torch.randn(ROWS, 8, requires_grad=True) for _ in range(2)]
    loss = RegularizedLoss(model, losses.MultipleNegativesRankingLoss(model), MSTLength(), "auto")
    terms = loss.compute_loss_from_embeddings(columns)

    def typical_row(term):
        found = torch.autograd.grad(term, columns, retain_graph=True)
        return torch.cat(found).norm(dim=1).median().item()

    assert typical_row(terms["mst_length_loss"]) == pytest.approx(0.1 * typical_row(terms["base_loss"]), rel=1e-4)


def test_given_embeddings_have_no_tokens(model):
    loss = RegularizedLoss(model, losses.CosineSimilarityLoss(model), MSTLength(), level="token")
    with pytest.raises(ValueError, match='level="token" needs the tokens, which given sentence embeddings do not hold'):
        loss.compute_loss_from_embeddings([torch.eye(4), torch.eye(4)], torch.ones(4))
