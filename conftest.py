"""Fixtures shared by the tests and the doctests: tiny real models, built offline from a random initialization."""

import os
from pathlib import Path

# Before any Hugging Face library is imported; what is in the cache of whoever runs the tests must not matter.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = str(Path(__file__).parent / ".pytest_cache" / "huggingface")
# One thread for each of the workers, which have a core each: with more, they wait for one another.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding, Transformer
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = (
    "a an the one two three four five small big red green blue cat cats dog dogs bird fish tree sun moon star sea "
    "river house car ship runs sleeps eats sings flies shines sinks stands is are was in on under over with and of "
    "query document"
).split()


@pytest.fixture(scope="session")
def tokenizer():
    """A word-level WordPiece tokenizer over a tiny vocabulary."""
    vocabulary = {token: index for index, token in enumerate(SPECIAL + WORDS)}
    core = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    core.normalizer = Lowercase()
    core.pre_tokenizer = Whitespace()
    core.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=32,
    )


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory, tokenizer):
    """A random two-layer BERT of width 32 with a word-level WordPiece tokenizer; dropout off."""
    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.2,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def model(bert_folder):
    """A tiny sentence transformer with mean pooling, float32, on the CPU."""
    transformer = Transformer(bert_folder)
    return SentenceTransformer(modules=[transformer, Pooling(transformer.get_embedding_dimension())], device="cpu")


@pytest.fixture
def static_model(tokenizer):
    """A tiny static-embedding model, whose features are an embedding bag without a batch axis."""
    torch.manual_seed(0)
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=16)], device="cpu")


@pytest.fixture
def model_folder(static_model, tmp_path):
    """That model, saved."""
    static_model.save_pretrained(str(tmp_path / "model"))
    return str(tmp_path / "model")


@pytest.fixture(scope="session")
def sentences():
    """A function that draws distinct word sequences from the tiny vocabulary."""

    def draw(count, seed=0, length=6):
        generator = torch.Generator().manual_seed(seed)
        drawn: dict[str, None] = {}
        while len(drawn) < count:
            words = [WORDS[i] for i in torch.randint(len(WORDS), (length,), generator=generator).tolist()]
            drawn[" ".join(words[: 2 + len(drawn) % (length - 1)])] = None
        return list(drawn)

    return draw


@pytest.fixture(autouse=True)
def _names_in_doctests(request, doctest_namespace):
    """Doctests of classes that need a model find one under the name `model`."""
    if isinstance(request.node, pytest.DoctestItem):
        doctest_namespace["model"] = request.getfixturevalue("model")


@pytest.fixture
def text_file(sentences, tmp_path):
    """A file of 60 texts, one a line."""
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(sentences(60)) + "\n", encoding="utf-8")
    return str(path)
