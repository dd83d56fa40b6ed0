"""Seeing the embeddings that a base loss computes."""

import pytest
import torch
from sentence_transformers.base.losses.merged_forward import embed_columns
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss, MultipleNegativesRankingLoss
from torch import nn

from st_isotropy import MSTLength, RegularizedLoss
from st_isotropy.losses.capture import EncoderPlace, count_rows, recorded_forward


class Custom(nn.Module):
    """A loss of a user's own, which encodes in the way it is told to."""

    def __init__(self, model, encode):
        super().__init__()
        self.backbone, self.encode = model, encode

    def forward(self, features, labels):
        return sum(each.square().mean() for each in self.encode(self.backbone, features))


ENCODE = {
    "in reverse": lambda model, features: [model(each)["sentence_embedding"] for each in reversed(features)][::-1],
    "after other texts": lambda model, features: [
        *(torch.no_grad()(model)(model.preprocess(["a fish", "the sea", "one star"] * 3)).values() and []),
        *(model(each)["sentence_embedding"] for each in features),
    ],
    "one by one": lambda model, features: [model(each)["sentence_embedding"] for each in features],
    "the first alone, the rest merged": embed_columns,
    "all merged": lambda model, features: embed_columns(model, features, separate_first=False),
    "and again without gradients": lambda model, features: [
        *(model(each)["sentence_embedding"] for each in features),
        *(torch.no_grad()(model)(dict(each))["sentence_embedding"] + 1 for each in features),
    ],
    "each twice in a row": lambda model, features: [
        model(each)["sentence_embedding"] for each in features for _ in range(2)
    ],
    "each twice": lambda model, features: [model(each)["sentence_embedding"] for each in features * 2],
    "merged twice": lambda model, features: [*embed_columns(model, features), *embed_columns(model, features)],
}


@pytest.mark.parametrize("way", ENCODE)
def test_columns_are_told_apart_however_a_loss_encodes_them(way, model, sentences):
    texts = [sentences(10, seed=seed) for seed in (1, 2, 3)]
    loss = RegularizedLoss(model, Custom(model, ENCODE[way]), MSTLength(), cloud="queries-documents")
    terms = loss([model.preprocess(column) for column in texts])
    columns = [model(model.preprocess(column))["sentence_embedding"] for column in texts]
    expected = (MSTLength()(columns[0]) + MSTLength()(torch.cat(columns[1:]))) / 2
    torch.testing.assert_close(terms["mst_length_loss"], expected, rtol=1e-4, atol=1e-6)


def test_the_recorder_returns_the_forward_it_found(model, sentences):
    features = model.preprocess(sentences(4))
    with pytest.raises(ValueError, match="exactly one of"), recorded_forward(model) as passes:
        model(features)
        model({"nothing": torch.zeros(4)})
    assert [len(each.rows.embeddings) for each in passes] == [4]
    assert "forward" not in vars(model)
    replaced = model.forward = lambda features: {"sentence_embedding": torch.zeros(2, 3)}
    with recorded_forward(model):
        assert model.forward is not replaced
    assert model.forward is replaced


@pytest.mark.parametrize(
    "features",
    [
        {"input_ids": torch.ones(3, 7), "attention_mask": torch.ones(3, 7)},
        {"input_ids": torch.ones(1, 9), "cu_seq_lens_q": torch.tensor([0, 2, 5, 9]), "max_length_q": 4},
        {"input_ids": torch.ones(9), "offsets": torch.tensor([0, 2, 5])},
        {"pixel_values": torch.ones(3, 3, 8, 8)},
        {"input_ids": torch.ones(3, 7), "pixel_values": torch.ones(50, 12)},
    ],
    ids=["padded", "flattened", "bag", "images", "texts with images"],
)
def test_rows_are_counted_in_every_layout(features):
    assert count_rows(features) == 3


def test_the_encoder_is_that_of_the_loss_that_modifiers_act_on(model):
    base = MultipleNegativesRankingLoss(model)
    modified = RegularizedLoss(model, MatryoshkaLoss(model, base, [32, 8]), MSTLength())
    assert EncoderPlace.find(base, model) == EncoderPlace(0, "model")
    assert EncoderPlace.find(modified, model) == EncoderPlace(2, "model")
    assert EncoderPlace.find(base, nn.Identity()) is None
    base.model = wrapped = nn.Identity()
    assert EncoderPlace(2, "model").encoder(modified) is wrapped


def test_a_loss_of_ones_own_may_call_something_else_its_loss(model):
    custom = Custom(model, ENCODE["one by one"])
    custom.loss = nn.MSELoss()
    assert EncoderPlace.find(custom, model) == EncoderPlace(0, "backbone")


def test_columns_that_are_encoded_in_parts_are_refused(model, sentences):
    def in_parts(model, features):
        parts = [
            {name: value[at : at + 4] for name, value in each.items() if isinstance(value, torch.Tensor)}
            for each in features
            for at in (0, 4, 8)
        ]
        return [model(each)["sentence_embedding"] for each in parts]

    loss = RegularizedLoss(model, Custom(model, in_parts), MSTLength())
    with pytest.raises(ValueError, match=r"^Custom called its model on 4 inputs, while the columns of the batch have"):
        loss([model.preprocess(sentences(12, seed=seed)) for seed in (1, 2)], torch.zeros(12))
