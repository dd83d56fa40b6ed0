"""Models of texts and images are measured on whatever they encode."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import Transformer
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

from st_isotropy import IsotropyEvaluator, PersistentEntropyLoss
from st_isotropy.distinct import distinct_inputs
from st_isotropy.posthoc import Center

TOWER = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def clip(tmp_path_factory, tokenizer):
    """A random CLIP with small towers."""
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    ids = {"eos_token_id": tokenizer.sep_token_id, "bos_token_id": tokenizer.cls_token_id, "pad_token_id": 0}
    config = CLIPConfig(
        text_config={**TOWER, "vocab_size": len(tokenizer), "max_position_embeddings": 32, **ids},
        vision_config={**TOWER, "image_size": 16, "patch_size": 8},
        projection_dim=16,
    )
    CLIPModel(config).save_pretrained(folder)
    size = {"height": 16, "width": 16}
    images = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size=size)
    CLIPProcessor(images, copy.deepcopy(tokenizer)).save_pretrained(folder)
    return SentenceTransformer(modules=[Transformer(str(folder))], device="cpu")


def pictures(count):
    return [
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (16, 16, 3), dtype=np.uint8)) for i in range(count)
    ]


def test_images_are_measured_and_fitted_with_repeats_counted_once(clip):
    images = pictures(24)
    evaluator = IsotropyEvaluator([*images, images[0].copy()], name="dev")
    assert len(evaluator.inputs) == 24
    assert 0 < evaluator(clip)["dev_isoscore"] < 1
    center = Center().fit(clip, images)
    assert torch.equal(Center().fit(clip, [*images, *images]).linear.bias, center.linear.bias)


def test_the_token_level_of_two_towers_is_refused_in_one_sentence(clip):
    with pytest.raises(ValueError) as error:
        PersistentEntropyLoss(clip, MultipleNegativesRankingLoss(clip), level="token")
    assert str(error.value) == (
        'The option level="token" needs one stack of layers over text tokens, which CLIPModel does not have; use '
        'level="sentence".'
    )


def test_inputs_that_can_be_compared_count_once_and_others_each_time():
    image, array, anything = pictures(1)[0], np.arange(3.0), bytearray(b"a")
    pair = {"text": "a cat", "image": image}
    sound = {"array": array, "sampling_rate": 16000}
    given = ["a cat", image, pair, sound, (image, "a"), array]
    again = ["a cat", image.copy(), dict(pair), {"array": array.copy(), "sampling_rate": 16000}, (image.copy(), "a")]
    assert distinct_inputs([*given, *again, array.copy()]) == given
    assert len(distinct_inputs([anything, bytearray(b"a"), ["a", {"b": [1]}]])) == 3
