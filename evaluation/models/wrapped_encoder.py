"""An encoder that stands before another one, for mteb."""

from abc import ABC, abstractmethod
from typing import Any, cast

from mteb.models import ModelMeta
from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
from mteb.types import Array, BatchedInput
from sentence_transformers import SentenceTransformer
from torch.utils.data import DataLoader


class WrappedEncoder(ABC):
    """An encoder that stands before another one for mteb: its model, name and similarity are those of the other.

    Args:
        encoder: The other encoder.
    """

    def __init__(self, encoder: "AnyEncoder") -> None:
        self._encoder = encoder

    @property
    def model(self) -> SentenceTransformer:
        """The model that encodes."""
        return cast(SentenceTransformer, self._encoder.model)

    @property
    def mteb_model_meta(self) -> ModelMeta:
        """Name and revision under which mteb files the results."""
        return self._encoder.mteb_model_meta

    def similarity(self, embeddings1: Array, embeddings2: Array) -> Array:
        """Compute the encoder's similarity of all pairs."""
        return self._encoder.similarity(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Array, embeddings2: Array) -> Array:
        """Compute the model's similarity of corresponding rows; mteb's own knows neither euclidean nor manhattan."""
        return self.model.similarity_pairwise(cast(Any, embeddings1), cast(Any, embeddings2))

    @abstractmethod
    def encode(self, inputs: DataLoader[BatchedInput], **kwargs: Any) -> Array:
        """Give the embeddings of texts."""


AnyEncoder = SentenceTransformerEncoderWrapper | WrappedEncoder
