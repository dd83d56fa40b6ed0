"""A corpus of a few hundred pairs and models that train on it in a second, for tests of the evaluation."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding, Transformer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import BertPreTokenizer
from torch import nn
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from evaluation.data.docstrings import Corpus, DocPair, split

WORDS = [f"word{i}" for i in range(300)]


def small_corpus(pairs: int = 300, seed: int = 0) -> Corpus:
    """Topics with words of their own, so that there is something to learn."""
    generator = np.random.default_rng(seed)

    def text(topic: int, words: int) -> str:
        return " ".join(WORDS[30 * topic + i] for i in generator.integers(0, 30, size=words))

    return split(
        [
            DocPair(
                f"pkg{i % 3}.sub{i % 6}.f{i}",
                f"pkg{i % 3}",
                f"pkg{i % 3}.sub{i % 6}",
                text(i % 10, 8),
                text(i % 10, 25),
            )
            for i in range(pairs)
        ],
        {"pkg0": "1"},
    )


def static_model(dimensions: int = 16, seed: int = 0, words: Iterable[str] = WORDS) -> SentenceTransformer:
    tokenizer = _tokenizer(words)
    weights = np.random.default_rng(seed).normal(size=(tokenizer.get_vocab_size(), dimensions)).astype(np.float32)
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu")


def transformer_model(folder: Path) -> SentenceTransformer:
    """A two-layer BERT with random weights and dropout."""
    fast = PreTrainedTokenizerFast(tokenizer_object=_tokenizer(), unk_token="[UNK]", pad_token="[PAD]")
    config = BertConfig(
        vocab_size=len(fast), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    BertModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    transformer = Transformer(str(folder), max_seq_length=32)
    return SentenceTransformer(modules=[transformer, Pooling(transformer.get_embedding_dimension())], device="cpu")


def _tokenizer(words: Iterable[str] = WORDS) -> Tokenizer:
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(["[PAD]", "[UNK]", *words])}, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


class SmallDevice(nn.Module):
    """Has memory for a few texts only."""

    def __init__(self, texts: int) -> None:
        super().__init__()
        self.texts = texts

    def forward(self, features):
        if len(features["sentence_embedding"]) > self.texts:
            raise torch.OutOfMemoryError("out of memory")
        return features
