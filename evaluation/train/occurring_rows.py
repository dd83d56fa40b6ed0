"""Train only the word vectors that occur in the training texts: the same result in less time."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from torch import Tensor, nn
from torch.nn import functional

TEXTS_AT_ONCE = 1_000  # an encoding takes kilobytes


class OccurringRows(nn.Module):
    """Stands in for an embedding bag, with the rows that occur as its only parameters.

    Args:
        whole: The embedding bag.
        rows: The rows that occur, ascending, shape `(v,)`.
    """

    def __init__(self, whole: nn.EmbeddingBag, rows: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(whole.weight.detach()[rows].clone())
        self.mode = whole.mode
        places = torch.zeros(whole.num_embeddings, dtype=torch.int64, device=rows.device)
        places[rows] = torch.arange(len(rows), device=rows.device)
        self.places = nn.Buffer(places)

    def forward(self, input_ids: Tensor, offsets: Tensor) -> Tensor:
        """Compute the mean vector of each bag of tokens."""
        return functional.embedding_bag(self.places[input_ids], self.weight, offsets, mode=self.mode)


@contextmanager
def occurring_rows(model: SentenceTransformer, texts: Iterable[str]) -> Iterator[None]:
    """Within the block, a static model trains the rows of these texts only; afterwards it is whole again.

    A row that no text uses has no gradient, and Adam without weight decay leaves it as it is. Other models are not
    touched.
    """
    module = model[0]
    if not isinstance(module, StaticEmbedding):
        yield
        return
    whole = module.embedding
    rows = _rows(module, list(texts)).to(whole.weight.device)
    some = OccurringRows(whole, rows)
    module.embedding = some  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        with torch.no_grad():
            whole.weight[rows] = some.weight
        module.embedding = whole


def _rows(module: StaticEmbedding, texts: list[str]) -> Tensor:
    """The rows that occur in texts, ascending."""
    blocks = (texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE))
    return torch.cat([module.preprocess(block)["input_ids"].unique() for block in blocks]).unique()
