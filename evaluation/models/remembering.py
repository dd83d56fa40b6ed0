"""An encoder that encodes each distinct text once, however many tasks ask for it."""

from typing import Any, cast

import numpy as np
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.types import Array, BatchedInput, PromptType
from numpy.typing import NDArray
from sentence_transformers.base.modules import Router
from torch.utils.data import DataLoader

from evaluation.models.wrapped_encoder import AnyEncoder, WrappedEncoder

MOST_TEXTS = 100_000  # remembered; a model of 1,024 dimensions keeps 400 MB of them

_Way = tuple[str, PromptType | None] | None


class RememberingEncoder(WrappedEncoder):
    """Gives a text the embedding that it got when it was asked for first.

    A model with prompts or routes may embed a text differently for each task and for queries and documents, so that
    its embeddings are remembered for each of them apart. What is not plain text is passed on as it is.

    Args:
        encoder: The encoder that does the work.
        most_texts: How many texts are remembered; further ones are encoded anew.
    """

    def __init__(self, encoder: AnyEncoder, most_texts: int = MOST_TEXTS) -> None:
        super().__init__(encoder)
        self._most_texts = most_texts
        self._known: dict[tuple[_Way, str], NDArray[np.float32]] = {}
        routed = any(isinstance(module, Router) for module in self.model)
        self._depends_on_task = routed or any(self.model.prompts.values())

    def encode(
        self,
        inputs: DataLoader[BatchedInput],
        *,
        task_metadata: TaskMetadata,
        prompt_type: PromptType | None = None,
        **kwargs: Any,
    ) -> Array:
        """Encode the texts that are not known yet, and give the embeddings of all: rows `(n, d)`."""
        dataset = cast(Any, inputs.dataset)
        as_asked = {"task_metadata": task_metadata, "prompt_type": prompt_type, **kwargs}
        if {"image", "audio", "video"} & set(dataset.column_names):
            return self._encoder.encode(inputs, **as_asked)
        texts = list(dataset["text"])
        way = (task_metadata.name, prompt_type) if self._depends_on_task else None
        places = {text: place for place, text in enumerate(texts)}
        new = {text: place for text, place in places.items() if (way, text) not in self._known}
        rows: dict[str, NDArray[np.float32]] = {}
        if new:
            part = DataLoader(dataset.select(new.values()), inputs.batch_size, collate_fn=inputs.collate_fn)
            encoded = np.asarray(self._encoder.encode(cast(Any, part), **as_asked), dtype=np.float32)
            rows = dict(zip(new, encoded, strict=True))
        given = np.array([rows[text] if text in rows else self._known[way, text] for text in texts])
        room = max(self._most_texts - len(self._known), 0)
        self._known |= {(way, text): rows[text] for text in list(rows)[:room]}
        return given
