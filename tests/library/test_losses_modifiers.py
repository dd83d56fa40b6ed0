"""Loss modifiers around the regularized loss, gradient caches, and what is refused."""

import copy
import gc
import sys
import weakref

import pytest
import torch
from sentence_transformers import CrossEncoder, SparseEncoder
from sentence_transformers.sentence_transformer.losses import (
    AdaptiveLayerLoss,
    CachedGISTEmbedLoss,
    CachedMultipleNegativesRankingLoss,
    CosineSimilarityLoss,
    GISTEmbedLoss,
    Matryoshka2dLoss,
    MatryoshkaLoss,
    MegaBatchMarginLoss,
    MultipleNegativesRankingLoss,
)
from sentence_transformers.sparse_encoder.modules import SpladePooling
from sentence_transformers.sparse_encoder.modules import Transformer as SparseTransformer
from torch import nn
from torch.nn.functional import normalize
from torch.utils._python_dispatch import TorchDispatchMode

from st_isotropy import MSTLength, PersistentEntropy, PersistentEntropyLoss, RegularizedLoss
from st_isotropy.regularizers import KoLeo, Regularizer

ROWS = 12
WEIGHT = 30.0


@pytest.fixture
def double_model(model):
    return model.double()


@pytest.fixture
def features(double_model, sentences):
    def make(columns=3):
        return [double_model.preprocess(sentences(ROWS, seed=10 + index)) for index in range(columns)]

    return make


def gradients(loss, value):
    value.backward()
    found = {p: p.grad.clone() for p in loss.parameters() if p.grad is not None}
    loss.zero_grad(set_to_none=True)
    return found


def assert_same(loss, reference, features, terms=("base_loss", "persistent_entropy_loss")):
    """Compare a modified regularized loss, which must keep its terms, with a reference value and its gradients."""
    result = loss(features(), None)
    assert set(terms) <= result.keys()
    value = torch.stack(list(result.values())).sum()
    expected = reference(features())
    assert value.item() == pytest.approx(expected.item(), rel=1e-9)
    found, wanted = gradients(loss, value), gradients(loss, expected)
    assert found.keys() == wanted.keys()
    for parameter, gradient in wanted.items():
        torch.testing.assert_close(found[parameter], gradient, rtol=1e-9, atol=1e-12)


def by_hand(base, columns):
    penalty = sum(PersistentEntropy()(column) for column in columns) / len(columns)
    return base.compute_loss_from_embeddings(columns, None) + WEIGHT * penalty


@pytest.mark.parametrize("cached", [False, True])
def test_matryoshka_around_it_regularizes_every_truncated_dimension(cached, double_model, features):
    base = MultipleNegativesRankingLoss(double_model)
    inner = CachedMultipleNegativesRankingLoss(double_model, mini_batch_size=5) if cached else base
    loss = MatryoshkaLoss(
        double_model,
        PersistentEntropyLoss(double_model, inner, WEIGHT),
        matryoshka_dims=[32, 16],
        matryoshka_weights=[1, 0.5],
    )

    def reference(features):
        columns = [double_model(each)["sentence_embedding"] for each in features]
        return sum(
            weight * by_hand(base, [normalize(column[:, :dim], dim=-1) for column in columns])
            for dim, weight in ((32, 1), (16, 0.5))
        )

    assert_same(loss, reference, features)


def test_adaptive_layers_around_it_regularize_every_layer(double_model, features):
    base = MultipleNegativesRankingLoss(double_model)
    loss = AdaptiveLayerLoss(
        double_model, PersistentEntropyLoss(double_model, base, WEIGHT), n_layers_per_step=-1, kl_temperature=0
    )

    def reference(features):
        config = double_model[0].auto_model.config
        config.output_hidden_states = True
        outputs = [double_model(each) for each in features]
        config.output_hidden_states = False
        layers = range(len(outputs[0]["all_layer_embeddings"]) - 1)

        def columns(layer):
            return [
                double_model[1]({**each, "token_embeddings": each["all_layer_embeddings"][layer]})["sentence_embedding"]
                for each in outputs
            ]

        return by_hand(base, columns(-1)) + sum(by_hand(base, columns(layer)) for layer in layers) / len(layers)

    assert_same(loss, reference, features)


def test_adaptive_layers_keep_a_term_for_what_they_add(double_model, features):
    loss = AdaptiveLayerLoss(
        double_model, PersistentEntropyLoss(double_model, MultipleNegativesRankingLoss(double_model)), -1
    )
    terms = loss(features(), None)
    assert list(terms) == ["base_loss", "persistent_entropy_loss", "modifier_loss"]
    assert terms["modifier_loss"] > 0


def test_both_modifiers_around_it_are_those_modifiers_of_the_sum(double_model, features):
    base = MultipleNegativesRankingLoss(double_model)
    options = {"matryoshka_dims": [32, 16], "n_layers_per_step": -1, "n_dims_per_step": -1}

    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = double_model

        def forward(self, features, labels):
            return by_hand(base, [self.model(each)["sentence_embedding"] for each in features])

    loss = Matryoshka2dLoss(double_model, PersistentEntropyLoss(double_model, base, WEIGHT), **options)
    reference = Matryoshka2dLoss(double_model, Sum(), **options)
    assert_same(loss, lambda each: reference(each, None), features)


def test_regularized_losses_nest(double_model, features):
    base = MultipleNegativesRankingLoss(double_model)
    for inner in (base, CachedMultipleNegativesRankingLoss(double_model, mini_batch_size=5)):
        nested = RegularizedLoss(double_model, PersistentEntropyLoss(double_model, inner, WEIGHT), MSTLength(), 0.5)
        flat = RegularizedLoss(double_model, base, [(PersistentEntropy(), WEIGHT), (MSTLength(), 0.5)])
        terms = ("base_loss", "persistent_entropy_loss", "mst_length_loss")
        assert_same(nested, lambda each: flat(each, None).total, features, terms)  # noqa: B023


def test_wrapping_leaves_model_and_base_loss_as_they_were(double_model, features):
    for base in (
        MultipleNegativesRankingLoss(double_model),
        CachedMultipleNegativesRankingLoss(double_model, mini_batch_size=5),
    ):
        before = {**vars(double_model)}, {**vars(base)}
        PersistentEntropyLoss(double_model, base)(features(), None).backward()
        assert before == ({**vars(double_model)}, {**vars(base)})


def test_model_and_base_loss_are_restored_after_an_error(double_model, features):
    for base in (
        MultipleNegativesRankingLoss(double_model),
        CachedMultipleNegativesRankingLoss(double_model, mini_batch_size=5),
    ):
        with torch.no_grad():
            double_model[0].auto_model.embeddings.word_embeddings.weight.fill_(torch.nan)
        before = vars(double_model).keys(), vars(base).keys()
        with pytest.raises(ValueError, match="contain NaN or infinity"):
            PersistentEntropyLoss(double_model, base)(features(), None)
        assert before == (vars(double_model).keys(), vars(base).keys())


def test_every_homology_dimension_has_a_term_of_its_own(double_model, features):
    pytest.importorskip("redzed_tda")
    base = MultipleNegativesRankingLoss(double_model)
    dimensions = [(PersistentEntropy(homology_dimension=dimension), 2.0) for dimension in (0, 1)]
    loss = RegularizedLoss(double_model, base, [*dimensions, (MSTLength(), 0.3)], cloud="joint")
    terms = loss(features())
    points = torch.cat([double_model(each)["sentence_embedding"] for each in features()])
    assert list(terms) == ["base_loss", "persistent_entropy_loss", "persistent_entropy_h1_loss", "mst_length_loss"]
    for dimension, name in enumerate(list(terms)[1:3]):
        expected = 2.0 * PersistentEntropy(homology_dimension=dimension)(points)
        assert terms[name].item() == pytest.approx(expected.item(), rel=1e-9)


class PeakMemory(TorchDispatchMode):
    """The largest number of bytes alive in tensors that were made under it."""

    def __init__(self):
        super().__init__()
        self.alive, self.peak, self.known = 0, 0, set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else [result]:
            if isinstance(each, torch.Tensor):
                self.count(each.untyped_storage())
        return result

    def count(self, storage):
        if storage._cdata not in self.known:
            self.known.add(storage._cdata)
            self.alive += storage.nbytes()
            self.peak = max(self.peak, self.alive)
            weakref.finalize(storage, self.forget, storage._cdata, storage.nbytes())

    def forget(self, key, size):
        self.known.discard(key)
        self.alive -= size


@pytest.mark.slow
def test_a_cached_loss_keeps_its_peak_memory(model, sentences):
    def peak(loss):
        gc.collect()
        batch = [model.preprocess(sentences(96, seed=seed)) for seed in (1, 2)]
        with PeakMemory() as memory:
            value = loss(batch, None)
            (value if isinstance(value, torch.Tensor) else value.total).backward()
        loss.zero_grad(set_to_none=True)
        return memory.peak

    cached = CachedMultipleNegativesRankingLoss(model, mini_batch_size=8)
    plain = peak(MultipleNegativesRankingLoss(model))
    base, wrapped = peak(cached), peak(PersistentEntropyLoss(model, cached))
    sys.stdout.write(f"\npeak bytes: plain {plain}, cached {base}, cached and regularized {wrapped}\n")
    assert base < plain  # or the cache saved nothing that could be lost
    assert wrapped <= 1.1 * base


def test_a_model_of_another_kind_is_refused(bert_folder, model):
    transformer = SparseTransformer(bert_folder, transformer_task="fill-mask")
    sparse = SparseEncoder(modules=[transformer, SpladePooling()], device="cpu")
    with pytest.raises(ValueError, match="must be a SentenceTransformer, not SparseEncoder"):
        PersistentEntropyLoss(sparse, CosineSimilarityLoss(model))
    with pytest.raises(ValueError, match="must be a SentenceTransformer, not CrossEncoder"):
        PersistentEntropyLoss(CrossEncoder(bert_folder, device="cpu"), CosineSimilarityLoss(model))


def test_a_base_loss_of_another_model_is_refused(model):
    with pytest.raises(ValueError, match="CosineSimilarityLoss does not hold the model that was given"):
        PersistentEntropyLoss(model, CosineSimilarityLoss(copy.deepcopy(model)))


def test_a_hidden_gradient_cache_is_refused(model):
    class Scaled(nn.Module):
        def __init__(self, loss):
            super().__init__()
            self.loss = loss

        def forward(self, features, labels=None):
            return 2 * self.loss(features, labels)

    hidden = (
        "Scaled hides the gradient cache of CachedMultipleNegativesRankingLoss, whose embeddings cannot be observed"
    )
    with pytest.raises(ValueError, match=hidden):
        PersistentEntropyLoss(model, Scaled(CachedMultipleNegativesRankingLoss(model)))


def test_a_base_loss_that_is_not_built_is_refused(model):
    with pytest.raises(
        ValueError, match=r"The base loss must be a loss object, such as CosineSimilarityLoss\(model\), not <class"
    ):
        PersistentEntropyLoss(model, CosineSimilarityLoss)


def test_a_model_that_guides_itself_counts_once(double_model, features):
    def gradient(loss):
        double_model.zero_grad()
        loss(features(2))["mst_length_loss"].backward()
        return [parameter.grad.clone() for parameter in double_model.parameters() if parameter.grad is not None]

    guided, plain = (
        RegularizedLoss(double_model, base, MSTLength())
        for base in (GISTEmbedLoss(double_model, double_model), MultipleNegativesRankingLoss(double_model))
    )
    torch.testing.assert_close(gradient(guided), gradient(plain))


def test_terms_of_a_hand_written_loop_are_a_number_and_a_graph(double_model, features):
    terms = PersistentEntropyLoss(double_model, MultipleNegativesRankingLoss(double_model))(features(2))
    assert terms.item() == float(terms) == pytest.approx(sum(each.item() for each in terms.values()))
    assert (terms - 1.0).total.item() == pytest.approx(terms.item() - 1)
    assert (torch.ones(()) - terms).total.item() == pytest.approx(1 - terms.item())
    assert (terms - terms).total.item() == 0.0
    terms.backward(retain_graph=True)
    once = next(p.grad.clone() for p in double_model.parameters() if p.grad is not None)
    terms.backward()
    torch.testing.assert_close(next(p.grad for p in double_model.parameters() if p.grad is not None), 2 * once)


def test_nested_losses_cite_the_regularizers_of_both(double_model):
    inner = RegularizedLoss(double_model, CosineSimilarityLoss(double_model), KoLeo(), 0.1)
    outer = PersistentEntropyLoss(double_model, inner)
    assert inner.citation in outer.citation
    assert "kudriashov2025shrink" in outer.citation


def test_adaptive_layers_around_a_gradient_cache_are_refused(model):
    with pytest.warns(UserWarning, match="not compatible"):
        base = AdaptiveLayerLoss(model, CachedMultipleNegativesRankingLoss(model))
    with pytest.raises(
        ValueError, match="AdaptiveLayerLoss around CachedMultipleNegativesRankingLoss is not supported"
    ):
        PersistentEntropyLoss(model, base)


@pytest.mark.parametrize("make", [CachedMultipleNegativesRankingLoss, MegaBatchMarginLoss, CachedGISTEmbedLoss])
def test_token_level_with_a_gradient_cache_is_refused(make, model):
    base = make(model, copy.deepcopy(model)) if make is CachedGISTEmbedLoss else make(model)
    with pytest.raises(ValueError, match=f"cannot be used with {make.__name__}, whose gradient cache carries sentence"):
        PersistentEntropyLoss(model, base, level="token")


def test_token_level_of_a_static_model_is_refused(static_model):
    with pytest.raises(ValueError, match='which StaticEmbedding does not compute; use level="sentence"'):
        PersistentEntropyLoss(static_model, CosineSimilarityLoss(static_model), level="token")


def test_a_loss_that_never_calls_its_model_is_refused(model, sentences):
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, features, labels):
            return torch.zeros(())

    with pytest.raises(ValueError, match="Idle did not call its model, so there is nothing to regularize"):
        PersistentEntropyLoss(model, Idle())([model.preprocess(sentences(4))], None)


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), "30", None, True, [1.0]])
def test_a_weight_that_is_not_a_finite_number_is_refused(weight, model):
    with pytest.raises(ValueError, match=r"The weight of persistent_entropy must be a finite number, .* got"):
        PersistentEntropyLoss(model, CosineSimilarityLoss(model), weight)


def test_a_negative_weight_is_a_control_that_lowers_the_loss(model, sentences):
    batch = [model.preprocess(sentences(ROWS, seed=seed)) for seed in (1, 2)]
    positive, negative = (
        PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), weight)(batch) for weight in (2.0, -2.0)
    )
    assert positive["persistent_entropy_loss"] == -negative["persistent_entropy_loss"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cloud": "column"}, 'cloud must be one of "columns", "anchors", "queries-documents", "joint", "labels"'),
        ({"level": "word"}, 'level must be one of "sentence", "token", got \'word\''),
        ({"reduction": "max"}, 'reduction must be one of "mean", "sum", got \'max\''),
        ({"level": "token", "layers": [4]}, r"layers must name hidden layers from -3 to 2, got \[4\]"),
        ({"level": "token", "layers": []}, r"layers must name hidden layers from -3 to 2, got \[\]"),
        ({"level": "token", "max_points": 2}, "max_points must be at least 3, got 2"),
        ({"level": "token", "gather_across_devices": True}, "cannot be used with gather_across_devices=True"),
    ],
)
def test_an_undefined_option_is_refused(options, message, model):
    with pytest.raises(ValueError, match=message):
        PersistentEntropyLoss(model, CosineSimilarityLoss(model), **options)


class NamedBase(Regularizer):
    name = "base"

    def __call__(self, embeddings):
        return embeddings.square().mean()


def test_a_class_of_regularizers_is_refused_with_how_to_build_one(model):
    with pytest.raises(ValueError, match=r"A regularizer must be an instance, such as PersistentEntropy\(\), not"):
        RegularizedLoss(model, MultipleNegativesRankingLoss(model), PersistentEntropy, 1.0)


def test_a_regularizer_without_a_name_is_refused(model):
    class Unnamed(Regularizer):
        def __call__(self, embeddings):
            return embeddings.square().mean()

    with pytest.raises(ValueError, match=r'The regularizer Unnamed has no name, under which .* name = "my_penalty"'):
        RegularizedLoss(model, CosineSimilarityLoss(model), Unnamed())


@pytest.mark.parametrize("given", [(lambda cloud: cloud.mean()), [(lambda cloud: cloud.mean(), 1.0)]])
def test_a_function_is_no_regularizer(given, model):
    with pytest.raises(ValueError, match=r"must be a Regularizer, such as PersistentEntropy\(\), not <function"):
        RegularizedLoss(model, MultipleNegativesRankingLoss(model), given)


def test_a_list_of_regularizers_without_weights_is_refused(model):
    with pytest.raises(
        ValueError, match=r"holds pairs, such as \(KoLeo\(\), 0.1\), but .*PersistentEntropy.* has no weight"
    ):
        RegularizedLoss(model, MultipleNegativesRankingLoss(model), [PersistentEntropy()])


class Odd(Regularizer):
    """Gives what a subclass of somebody's own might."""

    name = "odd"

    def __init__(self, penalty):
        self.penalty = penalty

    def __call__(self, embeddings):
        return self.penalty(embeddings)


@pytest.mark.parametrize(
    ("penalty", "given"),
    [
        (
            lambda cloud: cloud.std(dim=0),
            r"a tensor of shape \(32,\) for a cloud of shape \(6, 32\), but a penalty is a",
        ),
        (lambda cloud: cloud.mean() * float("nan"), r"nan for finite embeddings; a penalty must be a finite number"),
        (lambda cloud: 0.5, r"0\.5 for a cloud of shape \(6, 32\), but a penalty is a tensor without"),
    ],
)
def test_a_penalty_that_is_no_finite_number_is_told_with_its_regularizer(penalty, given, model, sentences):
    loss = RegularizedLoss(model, MultipleNegativesRankingLoss(model), Odd(penalty), 1.0)
    with pytest.raises(ValueError, match=f"The regularizer odd gives {given}"):
        loss([model.preprocess(sentences(6, seed=seed)) for seed in (1, 2)])


def test_a_weight_is_not_balanced_against_a_loss_that_does_not_see_the_embeddings(model, sentences):
    """As at token level under `torch.compile`, where it was 0 without a word."""

    class Elsewhere(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model, self.scale = model, torch.nn.Parameter(torch.ones(()))

        def forward(self, features, labels):
            self.model(features[0])
            return self.scale.square()

    loss = PersistentEntropyLoss(model, Elsewhere(model), "auto")
    with pytest.raises(ValueError, match="cannot be balanced, because the base loss does not depend on the embeddings"):
        loss([model.preprocess(sentences(6))])


def test_a_regularizer_that_cannot_be_hashed_is_one_all_the_same(model, sentences):
    loss = RegularizedLoss(model, MultipleNegativesRankingLoss(model), PersistentEntropy(selection=["top", 3]), 1.0)
    terms = loss([model.preprocess(sentences(6, seed=seed)) for seed in (1, 2)])
    assert "persistent_entropy_loss" in terms


def test_regularizers_need_names_of_their_own(model):
    base = CosineSimilarityLoss(model)
    message = "At least one regularizer is needed, each with its own name"
    with pytest.raises(ValueError, match=message):
        RegularizedLoss(model, base, [(PersistentEntropy(), 1.0), (PersistentEntropy(), 2.0)])
    with pytest.raises(ValueError, match=message):
        PersistentEntropyLoss(model, PersistentEntropyLoss(model, base))
    with pytest.raises(ValueError, match=message):
        RegularizedLoss(model, base, [])
    with pytest.raises(ValueError, match='other than "base", got'):
        RegularizedLoss(model, base, NamedBase())
    with pytest.raises(
        ValueError, match=r"A list of regularizers holds pairs, .*, but PersistentEntropy\(.* has no weight"
    ):
        RegularizedLoss(model, base, [PersistentEntropy()])
    for not_built in (PersistentEntropy, [(PersistentEntropy, 1.0)]):
        with pytest.raises(ValueError, match=r"such as PersistentEntropy\(\), not the class itself"):
            RegularizedLoss(model, base, not_built)
    with pytest.raises(ValueError, match="in a list, every regularizer has its own"):
        RegularizedLoss(model, base, [(PersistentEntropy(), 1.0)], 2.0)


def test_persistent_entropy_loss_is_short_for_its_terms(double_model, features):
    base = MultipleNegativesRankingLoss(double_model)
    regularizer = PersistentEntropy(selection=("top", 5), floor=0.5)
    short = PersistentEntropyLoss(
        double_model, base, 2.0, spread_weight=0.3, regularizer=regularizer, cloud="joint", reduction="sum"
    )
    terms = [(regularizer, 2.0), (MSTLength(), 0.3)]
    long = RegularizedLoss(double_model, base, terms, cloud="joint", reduction="sum")
    assert short.get_config_dict() == long.get_config_dict()
    assert short(features()) == long(features())
    plain = PersistentEntropyLoss(double_model, base)
    assert plain.penalties.regularizers == ((PersistentEntropy(), 3.0),)


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("selection", "prominent", "selection"),
        ("engine", "redzed", "engine"),
        ("floor", 0.5, "floor"),
        ("homology_dimensions", (0, 1), "homology_dimension"),
    ],
)
def test_an_option_of_the_regularizer_is_refused_with_where_it_belongs(option, value, named, model):
    sentence = (
        rf"^The option {option} is one of the regularizer; write PersistentEntropyLoss\(\.\.\., "
        rf"regularizer=PersistentEntropy\({named}=\.\.\.\)\)\.$"
    )
    with pytest.raises(TypeError, match=sentence):
        PersistentEntropyLoss(model, CosineSimilarityLoss(model), **{option: value})
    with pytest.raises(TypeError, match="unexpected keyword argument 'clouds'"):
        PersistentEntropyLoss(model, CosineSimilarityLoss(model), clouds="joint")


def test_options_of_another_type_are_refused_when_the_loss_is_made(model):
    base = CosineSimilarityLoss(model)
    with pytest.raises(TypeError) as error:
        PersistentEntropyLoss(model, base, regularizer=MSTLength())
    assert str(error.value) == (
        "PersistentEntropyLoss takes a PersistentEntropy, not MSTLength(); for other terms write "
        "RegularizedLoss(model, loss, regularizer, weight)."
    )
    with pytest.raises(TypeError) as error:
        PersistentEntropyLoss(model, base, level="token", layers=-1)
    assert str(error.value) == "The option layers is -1; it lists hidden layers, so write layers=[-1]."


def test_the_entropy_loss_takes_the_absolute_scale_and_refuses_a_spread_beside_it(model):
    base = MultipleNegativesRankingLoss(model)
    absolute = PersistentEntropy(scale="absolute")
    loss = PersistentEntropyLoss(model, base, weight=1.0, regularizer=absolute)
    assert loss.penalties.regularizers == ((absolute, 1.0),)
    with pytest.raises(ValueError) as error:
        PersistentEntropyLoss(model, base, spread_weight=0.3, regularizer=absolute)
    assert str(error.value) == (
        "The spread_weight is 0.3, but entropy on the absolute scale measures the spread itself; leave it out or use "
        'scale="relative".'
    )
