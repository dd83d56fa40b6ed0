"""Which embeddings form a point cloud: columns, texts that count once, labels, tokens."""

import copy
import warnings

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    BatchHardTripletLoss,
    CachedMultipleNegativesRankingLoss,
    CosineSimilarityLoss,
    MultipleNegativesRankingLoss,
)
from sentence_transformers.sentence_transformer.modules import Pooling, Router, Transformer

from st_isotropy import MSTLength, PersistentEntropy, PersistentEntropyLoss, RegularizedLoss
from st_isotropy.losses.clouds import Column, point_clouds
from st_isotropy.losses.text_keys import text_keys
from st_isotropy.losses.tokens import TokenLayers

ROWS = 10


@pytest.fixture
def texts(sentences):
    return [sentences(ROWS, seed=10 + index) for index in range(4)]


def penalty_of(loss, model, texts, labels=None):
    terms = loss([model.preprocess(column) for column in texts], labels)
    (name,) = (name for name in terms if name.endswith("_loss") and name != "base_loss")
    return terms[name]


def embed(model, texts):
    return model(model.preprocess(texts))["sentence_embedding"]


def mean(values):
    return sum(values) / len(values)


GROUPS = {
    "columns": [[0], [1], [2], [3]],
    "anchors": [[0]],
    "queries-documents": [[0], [1, 2, 3]],
    "joint": [[0, 1, 2, 3]],
}


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("cloud", GROUPS)
def test_a_cloud_takes_the_columns_that_its_name_says(cloud, cached, model, texts):
    base = (
        CachedMultipleNegativesRankingLoss(model, mini_batch_size=4) if cached else MultipleNegativesRankingLoss(model)
    )
    loss = PersistentEntropyLoss(model, base, 1.0, cloud=cloud)
    columns = [embed(model, column) for column in texts]
    expected = mean([PersistentEntropy()(torch.cat([columns[i] for i in group])) for group in GROUPS[cloud]])
    torch.testing.assert_close(penalty_of(loss, model, texts), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cached", [False, True])
def test_identical_texts_count_once_in_a_cloud(cached, model, texts):
    base = (
        CachedMultipleNegativesRankingLoss(model, mini_batch_size=4) if cached else MultipleNegativesRankingLoss(model)
    )
    loss = RegularizedLoss(model, base, MSTLength())
    anchors = [*texts[0][:6], texts[0][1], texts[0][0], texts[0][1], texts[0][5]]
    expected = mean([MSTLength()(embed(model, texts[0][:6])), MSTLength()(embed(model, texts[1]))])
    torch.testing.assert_close(penalty_of(loss, model, [anchors, texts[1]]), expected, rtol=1e-4, atol=1e-6)


def test_identical_texts_of_two_columns_count_once_in_a_joint_cloud(model, texts):
    loss = RegularizedLoss(model, CosineSimilarityLoss(model), MSTLength(), cloud="joint")
    penalty = penalty_of(loss, model, [texts[0], texts[0]], torch.rand(ROWS))
    torch.testing.assert_close(penalty, MSTLength()(embed(model, texts[0])), rtol=1e-4, atol=1e-6)


def test_identical_texts_count_once_in_a_static_model(static_model, texts):
    loss = RegularizedLoss(static_model, MultipleNegativesRankingLoss(static_model), MSTLength())
    doubled = [*texts[0][:5], *texts[0][:5]]
    expected = mean([MSTLength()(embed(static_model, column)) for column in (texts[0][:5], texts[1])])
    torch.testing.assert_close(penalty_of(loss, static_model, [doubled, texts[1]]), expected)


def test_a_key_is_the_same_in_every_layout_and_differs_between_texts(model, static_model, sentences):
    texts = [*sentences(64, seed=3), "", "cat dog", "dog cat", "cat", "cat cat"]
    features = model.preprocess(texts)
    keys = text_keys(features)
    assert len(set(keys.tolist())) == len(texts)
    alone = torch.cat([text_keys(model.preprocess([text])) for text in texts])
    assert torch.equal(keys, alone)  # padding leaves no trace
    left = {name: each.flip(1) for name, each in features.items() if name in ("input_ids", "attention_mask")}
    right = {name: each.flip(1) for name, each in left.items()}
    assert torch.equal(keys, text_keys(right))
    lengths = features["attention_mask"].sum(dim=1)
    flat = {
        "input_ids": features["input_ids"][features["attention_mask"].bool()][None],
        "cu_seq_lens_q": torch.cat([torch.zeros(1, dtype=torch.int32), lengths.cumsum(0).to(torch.int32)]),
    }
    assert torch.equal(keys, text_keys(flat))
    static = text_keys(static_model.preprocess(texts))
    assert len(set(static.tolist())) == len(texts)


def test_left_padding_leaves_no_trace_in_a_key():
    ids, mask = torch.tensor([[0, 0, 5, 6]]), torch.tensor([[0, 0, 1, 1]])
    padded_right = {"input_ids": torch.tensor([[5, 6]]), "attention_mask": torch.tensor([[1, 1]])}
    assert torch.equal(text_keys({"input_ids": ids, "attention_mask": mask}), text_keys(padded_right))


def test_a_prompt_belongs_to_the_key(model):
    keys = [text_keys(model.preprocess(["a cat"], prompt=prompt)) for prompt in (None, "query ", "document ")]
    assert len({key.item() for key in keys}) == 3


def test_prompts_that_pooling_leaves_out_still_tell_texts_apart(bert_folder, texts):
    transformer = Transformer(bert_folder)
    pooling = Pooling(transformer.get_embedding_dimension(), include_prompt=False)
    model = SentenceTransformer(modules=[transformer, pooling], device="cpu")
    loss = RegularizedLoss(model, MultipleNegativesRankingLoss(model), MSTLength(), cloud="joint")
    # The same texts under two prompts attend to different tokens, so they are different inputs.
    features = [model.preprocess(texts[0], prompt=prompt) | {"prompt_length": 2} for prompt in ("query ", "document ")]
    terms = loss(features)
    points = torch.cat([each["sentence_embedding"] for each in features])
    torch.testing.assert_close(terms["mst_length_loss"], MSTLength()(points))


def test_inputs_without_token_ids_are_never_dropped():
    pixels = torch.zeros(2, 3, 4, 4)
    assert text_keys({"pixel_values": pixels}) is None
    assert text_keys({"input_ids": torch.ones(2, 3, dtype=torch.long), "pixel_values": pixels}) is None


def test_columns_of_two_towers_are_told_apart(bert_folder, texts):
    def tower():
        transformer = Transformer(bert_folder)
        return [transformer, Pooling(transformer.get_embedding_dimension())]

    query, document = tower(), tower()
    with torch.no_grad():
        document[0].auto_model.embeddings.word_embeddings.weight.mul_(-1)
    model = SentenceTransformer(modules=[Router.for_query_document(query, document)], device="cpu")
    loss = RegularizedLoss(model, MultipleNegativesRankingLoss(model), MSTLength(), cloud="joint")
    features = [model.preprocess(texts[0], task=task) | {"task": task} for task in ("query", "document")]
    terms = loss(features)
    points = torch.cat([each["sentence_embedding"] for each in features])
    torch.testing.assert_close(terms["mst_length_loss"], MSTLength()(points))


def test_labels_form_a_cloud_each(model, texts):
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
    rows = embed(model, texts[0])
    parts = [PersistentEntropy()(rows[:4]), PersistentEntropy()(rows[4:8])]  # two points of label 2 have one bar
    base = BatchHardTripletLoss(model)
    loss = PersistentEntropyLoss(model, base, 1.0, cloud="labels")
    torch.testing.assert_close(penalty_of(loss, model, texts[:1], labels), mean(parts), rtol=1e-4, atol=1e-6)
    loss = PersistentEntropyLoss(model, base, 1.0, cloud="labels", reduction="sum")
    torch.testing.assert_close(penalty_of(loss, model, texts[:1], labels), sum(parts), rtol=1e-4, atol=1e-6)


def test_a_cloud_of_two_points_counts_on_the_absolute_scale_alone(model, texts):
    rows = embed(model, texts[0][:2])
    absolute = PersistentEntropy(scale="absolute")
    terms = [(absolute, 1.0), (MSTLength(), 1.0)]
    loss = RegularizedLoss(model, BatchHardTripletLoss(model), terms)
    found = loss([model.preprocess(texts[0][:2])], torch.tensor([0, 1]))
    torch.testing.assert_close(found["absolute_entropy_loss"], absolute(rows))
    assert found["absolute_entropy_loss"].item() > 0
    assert found["mst_length_loss"].item() == 0


def test_a_text_with_two_labels_belongs_to_the_clouds_of_both(model, texts):
    first, second = [*texts[0][:4], texts[0][0]], [texts[0][0], *texts[0][4:8]]
    labels = torch.tensor([0] * 5 + [1] * 5)
    parts = [PersistentEntropy()(embed(model, column)) for column in (first[:4], second)]
    loss = PersistentEntropyLoss(model, BatchHardTripletLoss(model), 1.0, cloud="labels")
    torch.testing.assert_close(penalty_of(loss, model, [first + second], labels), mean(parts), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.rand(ROWS), r"got float32 labels of shape \(10,\) for 10 rows"),
        (torch.zeros(ROWS, 2, dtype=torch.long), r"got int64 labels of shape \(10, 2\) for 10 rows"),
        (None, "but the batch has no labels"),
    ],
)
def test_label_clouds_without_integer_labels_are_refused(labels, message, model, texts):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), cloud="labels")
    with pytest.raises(ValueError, match=f'cloud="labels" needs one integer label per row, {message}'):
        penalty_of(loss, model, texts[:2], labels)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_cloud_with_fewer_than_two_bars_gives_a_connected_zero_and_is_counted(rows, model, texts):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), cloud="columns")
    loss.penalties.watch()
    penalty = penalty_of(loss, model, [column[:rows] for column in texts])
    assert penalty == 0
    penalty.backward()
    assert model[0].auto_model.embeddings.word_embeddings.weight.grad.abs().sum() == 0
    assert loss.penalties.seen.skipped == 4
    assert loss.penalties.seen.clouds == []


def test_a_term_that_is_left_out_of_the_first_ten_batches_is_warned_of_once(model, texts):
    pairs = [column[:2] for column in texts[:2]]
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), cloud="columns")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(9):
            penalty_of(loss, model, pairs)
        with torch.no_grad():  # an evaluation does not count
            penalty_of(loss, model, pairs)
        with pytest.raises(UserWarning) as warned:
            penalty_of(loss, model, pairs)
        assert str(warned.value) == (
            "The term persistent_entropy was left out of the first 10 batches: their clouds have at most 2 points, and "
            'it takes 3. Train with larger batches, or with cloud="joint" put all columns into one cloud.'
        )
        penalty_of(loss, model, pairs)
        used = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), cloud="columns")
        for rows in (3, *[2] * 12):
            penalty_of(used, model, [column[:rows] for column in texts[:2]])


def tokens_by_hand(model, texts, layer):
    """Token embeddings of one hidden layer without padding and special tokens, text by text."""
    config = model[0].auto_model.config
    config.output_hidden_states = True
    rows = [model(model.preprocess([text]))["all_layer_embeddings"][layer][0, 1:-1] for text in texts]
    config.output_hidden_states = False
    return torch.cat(rows)


@pytest.mark.parametrize("layers", [(-1,), (0, 1, -1)])
def test_token_clouds_leave_out_padding_and_special_tokens(layers, model, texts):
    loss = RegularizedLoss(model, MultipleNegativesRankingLoss(model), MSTLength(), level="token", layers=layers)
    expected = mean([MSTLength()(tokens_by_hand(model, column, layer)) for column in texts[:3] for layer in layers])
    torch.testing.assert_close(penalty_of(loss, model, texts[:3]), expected, rtol=1e-4, atol=1e-6)
    assert model[0].auto_model.config.output_hidden_states is False


def test_what_a_model_computes_for_padding_belongs_to_no_cloud():
    mask = torch.tensor([[True, True], [True, False]])
    layer = torch.arange(8.0).reshape(2, 2, 2)
    layer[1, 1] = torch.nan
    column = Column(torch.zeros(2, 2), layers=(layer,), mask=mask)
    [points] = point_clouds([column], "columns", tokens=TokenLayers((-1,), 512, ()))
    assert points.tolist() == [[0, 1], [2, 3], [4, 5]]
    layer[0, 0] = torch.nan
    with pytest.raises(ValueError, match="input column 1 of 1 contain NaN or infinity"):
        point_clouds([column], "columns", tokens=TokenLayers((-1,), 512, ()))


def test_token_clouds_take_identical_texts_once_and_join_columns(model, texts):
    loss = RegularizedLoss(model, MultipleNegativesRankingLoss(model), MSTLength(), level="token", cloud="joint")
    batch = [texts[0], [*texts[1][:5], *texts[0][:5]]]
    expected = MSTLength()(tokens_by_hand(model, [*texts[0], *texts[1][:5]], -1))
    torch.testing.assert_close(penalty_of(loss, model, batch), expected, rtol=1e-4, atol=1e-6)


def test_the_tokens_drawn_depend_on_the_step_alone(model, texts):
    loss = RegularizedLoss(model, MultipleNegativesRankingLoss(model), MSTLength(), level="token", max_points=8)

    def penalty(step):
        torch.manual_seed(torch.seed())
        loss.penalties.begin_step(step, 100)
        return penalty_of(loss, model, texts[:2]).item()

    assert penalty(1) == penalty(1) != penalty(2)
    loss.penalties.watch()
    penalty_of(loss, model, texts[:2])
    assert [len(cloud) for cloud in loss.penalties.seen.clouds] == [8, 8]


def test_frozen_columns_leave_the_gradient_to_the_others(model, texts):
    frozen = copy.deepcopy(model).requires_grad_(False)

    class HalfFrozen(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, features, labels):
            first = self.model(features[0])["sentence_embedding"]
            with torch.no_grad():
                second = self.model(features[1])["sentence_embedding"]
            return (first - second).square().mean()

    terms = PersistentEntropyLoss(model, HalfFrozen(), 30.0)([model.preprocess(column) for column in texts[:2]])
    terms["persistent_entropy_loss"].backward()
    trained = model[0].auto_model.embeddings.word_embeddings.weight.grad.clone()
    model.zero_grad()
    halves = [PersistentEntropy()(embed(which, column)) for which, column in ((model, texts[0]), (frozen, texts[1]))]
    (30.0 * mean(halves)).backward()
    torch.testing.assert_close(trained, model[0].auto_model.embeddings.word_embeddings.weight.grad)


@pytest.mark.parametrize("padded_left", [False, True])
def test_a_prompt_that_pooling_leaves_out_gives_no_tokens(bert_folder, padded_left):
    transformer = Transformer(bert_folder)
    pooling = Pooling(transformer.get_embedding_dimension(), include_prompt=False)
    model = SentenceTransformer(modules=[transformer, pooling], device="cpu")
    if padded_left:
        model.tokenizer.padding_side = "left"
    layers = TokenLayers.of(model, (-1,), 512)
    texts = ["a cat", "two big dogs"]
    plain, prompted = (layers.mask(model.preprocess(texts, prompt=prompt)) for prompt in (None, "query one "))
    assert plain.sum(dim=1).tolist() == prompted.sum(dim=1).tolist() == [2, 3]
    pooling.include_prompt = True
    counted = TokenLayers.of(model, (-1,), 512).mask(model.preprocess(texts, prompt="query one "))
    assert counted.sum(dim=1).tolist() == [4, 5]


def test_tokens_without_padding_are_refused_with_the_setting_that_pads():
    layers = TokenLayers((-1,), 512, (0,))
    flattened = {"input_ids": torch.ones(1, 9), "cu_seq_lens_q": torch.tensor([0, 2, 5, 9])}
    with pytest.raises(ValueError, match=r"needs padded batches, .* set model\[0\]\.unpad_inputs = False"):
        layers.mask(flattened)
