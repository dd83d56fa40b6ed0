"""The authors' setting against a plain loop over labels."""

import math

import pytest
import torch
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import SoftmaxLoss
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

from st_isotropy.authors import authors_setting
from st_isotropy.barcodes.selection import selected_bars

ROWS = 24


@pytest.fixture
def cls_model(bert_folder):
    transformer = Transformer(bert_folder)
    pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode="cls")
    return SentenceTransformer(modules=[transformer, pooling], device="cpu")


@pytest.mark.parametrize(("in_cluster", "sign"), [("documented", 1), ("notebook", -1)])
def test_the_authors_setting_is_the_sum_over_labels_of_their_two_terms(in_cluster, sign, cls_model, sentences):
    texts, labels = sentences(ROWS, seed=1), torch.arange(ROWS) % 3
    features = [cls_model.preprocess(column) for column in (texts, sentences(ROWS, seed=2))]
    terms = authors_setting(cls_model, SoftmaxLoss(cls_model, 32, num_labels=3), in_cluster=in_cluster)(
        features, labels
    )
    entropy, in_cluster_length = 0.0, 0.0
    for column in features:
        raw = column["token_embeddings"][:, 0].detach().double()
        for label in range(3):
            tree = minimum_spanning_tree(squareform(pdist(raw[labels == label].numpy())))
            bars = torch.from_numpy(tree.data)
            prominent = selected_bars(bars, "prominent")
            shares = bars[prominent] / bars[prominent].sum()
            entropy -= sum(share * math.log(share) for share in shares.tolist())
            in_cluster_length += bars[~prominent].mean().item() if (~prominent).any() else 0.0
    assert terms["persistent_entropy_loss"].item() == pytest.approx(-entropy, rel=1e-4)
    assert terms["in_cluster_length_loss"].item() == pytest.approx(sign * 0.05 * in_cluster_length, rel=1e-4)
    assert in_cluster_length > 0


def test_an_unknown_sign_is_refused(model):
    with pytest.raises(ValueError, match='in_cluster must be "documented" or "notebook", got \'both\''):
        authors_setting(model, SoftmaxLoss(model, 32, num_labels=3), in_cluster="both")
