"""Training on positives alone: the loss by hand, its gradient cache, and the warning where nothing holds it open."""

import warnings

import pytest
import torch
from datasets import Dataset
from sentence_transformers import (
    InputExample,
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss, MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import Pooling, Router, Transformer
from torch.nn.functional import normalize
from torch.utils.data import DataLoader

from st_isotropy import (
    AlignmentLoss,
    CachedAlignmentLoss,
    MSTLength,
    PersistentEntropy,
    PersistentEntropyLoss,
    RegularizedLoss,
)
from st_isotropy.regularizers import KoLeo, MeanCosine

ROWS = 12
ABSOLUTE = PersistentEntropy(scale="absolute")
COLLAPSE = (
    "AlignmentLoss pulls all embeddings into one point, and entropy on the relative scale, which is the same for a "
    'cloud of any size, does not hold them apart; use PersistentEntropy(scale="absolute").'
)


@pytest.fixture
def batch(model, sentences):
    """A function that tokenizes some columns, each time anew."""

    def make(columns=2):
        return [model.preprocess(sentences(ROWS, seed=10 + index)) for index in range(columns)]

    return make


def columns_of(model, features):
    return [model(each)["sentence_embedding"] for each in features]


def gradients(loss, value):
    value = value if isinstance(value, torch.Tensor) else value.total
    value.backward()
    found = {each: each.grad.clone() for each in loss.parameters() if each.grad is not None}
    loss.zero_grad(set_to_none=True)
    return found


def assert_same_gradients(found, expected):
    assert found.keys() == expected.keys()
    for parameter, gradient in expected.items():
        torch.testing.assert_close(found[parameter], gradient, rtol=1e-9, atol=1e-12)


def test_it_is_the_mean_of_one_minus_cosine_over_rows_and_positives(model):
    columns = torch.randn(3, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pairs = [(columns[0, row], columns[positive, row]) for positive in (1, 2) for row in range(5)]
    expected = sum(1 - (u @ v) / (u.norm() * v.norm()) for u, v in pairs) / 10
    found = AlignmentLoss(model, positives=2).compute_loss_from_embeddings(list(columns))
    torch.testing.assert_close(found, expected)


def test_its_gradient_turns_a_row_toward_its_positive(model):
    anchor = torch.tensor([[2.0, 0.0]], requires_grad=True)
    positive = torch.tensor([[0.0, 5.0]], requires_grad=True)
    AlignmentLoss(model).compute_loss_from_embeddings([anchor, positive]).backward()
    torch.testing.assert_close(anchor.grad, torch.tensor([[0.0, -1 / 2]]))
    torch.testing.assert_close(positive.grad, torch.tensor([[-1 / 5, 0.0]]))


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_its_gradient_is_that_of_finite_differences(rows, model):
    generator = torch.Generator().manual_seed(rows)
    columns = [torch.randn(rows, 3, dtype=torch.float64, generator=generator, requires_grad=True) for _ in range(3)]
    loss = AlignmentLoss(model, positives=2)
    assert torch.autograd.gradcheck(lambda *given: loss.compute_loss_from_embeddings(given), columns)


def test_no_rows_give_a_zero_that_is_connected_to_the_graph(model):
    columns = [torch.zeros(0, 4, requires_grad=True) for _ in range(2)]
    value = AlignmentLoss(model).compute_loss_from_embeddings(columns)
    assert value.item() == 0
    value.backward()
    assert columns[0].grad.shape == (0, 4)


def test_half_precision_and_rows_of_zeros_have_finite_gradients(model):
    for dtype in (torch.float16, torch.bfloat16):
        anchor = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=dtype, requires_grad=True)
        value = AlignmentLoss(model).compute_loss_from_embeddings([anchor, torch.eye(2, dtype=dtype)])
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx((1 + 0.2) / 2)
        value.backward()
        assert anchor.grad.isfinite().all()
        assert (anchor.grad[0] == 0).all()


def test_columns_of_different_numbers_of_rows_are_refused_and_not_repeated(model):
    with pytest.raises(ValueError) as error:
        AlignmentLoss(model).compute_loss_from_embeddings([torch.eye(4), torch.ones(1, 4)])
    assert str(error.value) == (
        "AlignmentLoss compares row by row, but its columns have 4, 1 rows; pass the same number in every column."
    )


@pytest.mark.parametrize("make", [AlignmentLoss, CachedAlignmentLoss])
def test_a_column_that_was_not_counted_on_is_refused_and_not_pulled_in(make, model, batch):
    with pytest.raises(ValueError) as error:
        make(model)(batch(3))
    assert str(error.value) == (
        "AlignmentLoss takes an anchor and 1 of its positives, but the batch has 3 columns, and negatives must not be "
        "pulled in: leave the others out of the data set, or build the loss with positives=2 if all that follow the "
        "anchor are positives."
    )
    with pytest.raises(ValueError) as error:
        make(model)(batch(1))
    assert str(error.value) == "AlignmentLoss needs an anchor and a positive, but the batch has 1 column."
    assert make(model, positives=2)(batch(3)).item() > 0


@pytest.mark.parametrize("positives", [0, True])
def test_a_number_of_positives_below_one_is_refused(positives, model):
    with pytest.raises(ValueError) as error:
        AlignmentLoss(model, positives=positives)
    assert str(error.value) == (
        f"The option positives is {positives}; it says how many columns of positives follow the anchor, 1 or more."
    )


def test_a_mini_batch_without_rows_is_refused(model):
    with pytest.raises(ValueError) as error:
        CachedAlignmentLoss(model, mini_batch_size=0)
    assert str(error.value) == "The option mini_batch_size is 0; encode at least 1 row at a time."


@pytest.mark.parametrize("make", [AlignmentLoss, CachedAlignmentLoss])
def test_pairs_labelled_as_negatives_are_warned_of_once(make, model, batch):
    loss = make(model)
    labels = torch.tensor([0, 1] * (ROWS // 2))
    with pytest.warns(UserWarning) as warned:
        labelled = loss(batch(), labels)
    assert str(warned[0].message) == (
        "AlignmentLoss does not read labels, and 6 of the first 12 pairs have one of 0 or below: they are pulled "
        "together like the others. If such a label says that the texts do not belong together, remove these pairs."
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert loss(batch(), labels).item() == labelled.item() == loss(batch()).item()
        for harmless in (torch.zeros(ROWS), torch.ones(ROWS), torch.arange(ROWS)):  # of `fit`; scores; classes
            make(model)(batch(), harmless)


@pytest.mark.parametrize("mini_batch_size", [5, ROWS, 64])
def test_the_gradient_cache_changes_neither_value_nor_gradient(mini_batch_size, model, batch):
    model.double()
    terms = [(ABSOLUTE, 1.0), (KoLeo(), 0.1)]
    plain = RegularizedLoss(model, AlignmentLoss(model, positives=2), terms)
    base = CachedAlignmentLoss(model, positives=2, mini_batch_size=mini_batch_size)
    cached = RegularizedLoss(model, base, terms)
    expected, found = plain(batch(3)), cached(batch(3))
    assert list(found) == ["base_loss", "absolute_entropy_loss", "koleo_loss"]
    for name, value in expected.items():
        torch.testing.assert_close(found[name].detach(), value.detach(), rtol=1e-12, atol=1e-12)
    assert_same_gradients(gradients(cached, found), gradients(plain, expected))


def test_the_gradient_cache_encodes_no_more_rows_at_once_than_it_may(model, batch):
    sizes = []
    model[0].register_forward_hook(lambda module, inputs, output: sizes.append(len(output["token_embeddings"])))
    loss = RegularizedLoss(model, CachedAlignmentLoss(model, mini_batch_size=5), ABSOLUTE)
    loss(batch()).backward()
    assert sizes == 4 * [5, 5, 2]


def test_in_evaluation_the_gradient_cache_gives_the_same_value(model, batch):
    with torch.no_grad():
        values = [make(model)(batch()).item() for make in (AlignmentLoss, CachedAlignmentLoss)]
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_static_embeddings_cannot_be_split_and_need_no_cache(static_model):
    with pytest.raises(ValueError) as error:
        CachedAlignmentLoss(static_model)
    assert str(error.value) == (
        "CachedAlignmentLoss cannot split the inputs of a model of static embeddings; use AlignmentLoss, since such a "
        "model's forward pass needs little memory."
    )


@pytest.mark.parametrize("make", [AlignmentLoss, CachedAlignmentLoss])
def test_matryoshka_aligns_and_holds_open_every_truncated_dimension(make, model, batch):
    model.double()
    loss = MatryoshkaLoss(model, RegularizedLoss(model, make(model), ABSOLUTE), [32, 16], [1, 0.5])
    columns = columns_of(model, batch())
    expected = 0
    for dimension, weight in ((32, 1), (16, 0.5)):
        u, v = (normalize(column[:, :dimension], dim=-1) for column in columns)
        expected = expected + weight * (1 - (u * v).sum(dim=1).mean() + (ABSOLUTE(u) + ABSOLUTE(v)) / 2)
    found = loss(batch(), None)
    torch.testing.assert_close(found.total.detach(), expected.detach())
    assert_same_gradients(gradients(loss, found), gradients(loss, expected))


def test_entropy_on_the_relative_scale_alone_does_not_hold_alignment_open_and_is_warned_of(model):
    for build in (
        lambda: PersistentEntropyLoss(model, AlignmentLoss(model)),
        lambda: RegularizedLoss(model, MatryoshkaLoss(model, CachedAlignmentLoss(model), [16]), PersistentEntropy()),
    ):
        with pytest.warns(UserWarning) as caught:
            build()
        assert [str(each.message) for each in caught] == [COLLAPSE]


def test_a_term_that_sees_the_size_of_the_cloud_is_not_warned_of(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PersistentEntropyLoss(model, AlignmentLoss(model), regularizer=ABSOLUTE)
        PersistentEntropyLoss(model, AlignmentLoss(model), spread_weight=0.3)
        RegularizedLoss(model, AlignmentLoss(model), [(PersistentEntropy(), 1.0), (MSTLength(), 1.0)])
        PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))


def test_alone_it_collapses_with_relative_entropy_as_well_and_with_absolute_entropy_it_does_not(
    static_model, sentences, tmp_path
):
    start = {name: value.clone() for name, value in static_model.state_dict().items()}
    pairs = Dataset.from_dict({"anchor": sentences(64, seed=1), "positive": sentences(64, seed=2)})
    arguments = SentenceTransformerTrainingArguments(
        str(tmp_path),
        max_steps=60,
        per_device_train_batch_size=32,
        learning_rate=0.1,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        save_strategy="no",
    )

    def cosine_after(make):
        static_model.load_state_dict(start)
        SentenceTransformerTrainer(static_model, arguments, train_dataset=pairs, loss=make(static_model)).train()
        return MeanCosine()(static_model.encode(pairs["anchor"], convert_to_tensor=True)).item()

    with pytest.warns(UserWarning, match="does not hold them apart"):
        relative = cosine_after(lambda model: PersistentEntropyLoss(model, AlignmentLoss(model)))
    alone = cosine_after(AlignmentLoss)
    held_open = cosine_after(lambda model: RegularizedLoss(model, AlignmentLoss(model), ABSOLUTE, 3.0))
    assert min(alone, relative) > 0.8
    assert held_open < 0.3


def test_an_asymmetric_model_and_a_third_column_are_trained(bert_folder, sentences, tmp_path):
    def tower():
        transformer = Transformer(bert_folder)
        return [transformer, Pooling(transformer.get_embedding_dimension())]

    model = SentenceTransformer(modules=[Router.for_query_document(tower(), tower())], device="cpu")
    columns = ("anchor", "positive", "paraphrase")
    triples = Dataset.from_dict({name: sentences(16, seed=seed) for seed, name in enumerate(columns)})
    arguments = SentenceTransformerTrainingArguments(
        str(tmp_path),
        max_steps=2,
        logging_steps=1,
        per_device_train_batch_size=8,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        save_strategy="no",
        router_mapping=dict(zip(columns, ("query", "document", "document"), strict=True)),
    )
    loss = RegularizedLoss(model, CachedAlignmentLoss(model, positives=2, mini_batch_size=3), ABSOLUTE)
    trainer = SentenceTransformerTrainer(model, arguments, train_dataset=triples, loss=loss)
    trainer.train()
    entries = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert len(entries) == 2
    assert all(entry["base_loss"] > 0 and entry["absolute_entropy_loss"] > 0 for entry in entries)
    model.save(str(tmp_path / "saved"))
    card = (tmp_path / "saved" / "README.md").read_text()
    assert all(f"loss:{name}" in card for name in ("RegularizedLoss", "CachedAlignmentLoss", "AlignmentLoss"))
    assert "CachedAlignmentLoss(positives=2, mini_batch_size=3)" in card
    assert all(key in card for key in ("wang2020understanding", "gao2021scaling", "kudriashov2025shrink"))


@pytest.mark.filterwarnings("ignore:'pin_memory' argument")
def test_fit_trains_on_positives_alone(model, sentences, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # fit writes checkpoints below the working directory
    pairs = zip(sentences(16, seed=1), sentences(16, seed=2), strict=True)
    loss = RegularizedLoss(model, AlignmentLoss(model), ABSOLUTE)
    values = []
    loss.register_forward_hook(lambda module, inputs, terms: values.append(terms["base_loss"].item()))
    batches = DataLoader([InputExample(texts=list(pair)) for pair in pairs], batch_size=8)
    model.fit([(batches, loss)], epochs=2, warmup_steps=0, show_progress_bar=False)
    assert len(values) == 4
    assert all(0 < value < 2 for value in values)
