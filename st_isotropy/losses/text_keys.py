"""Keys that tell whether two inputs of a batch are the same text."""

import zlib
from typing import Any

import torch
from torch import Tensor

# Written into a feature dict by the model itself; a second call with the same dict must give the same keys.
_OUTPUTS = ("embedding", "embeddings")


def text_keys(features: dict[str, Any]) -> Tensor | None:
    """Hash every text of a feature dict to 64 bits, on its device and without waiting for the device.

    The key depends on the token ids (the prompt's included), their order, and the Router task; padding leaves no
    trace, so that a text has the same key in every column and on every process.

    Args:
        features: Features of one input column or of several merged ones: padded (`attention_mask`), flattened
            (`cu_seq_lens_q`) or an embedding bag (`offsets`).

    Returns:
        Keys as an int64 tensor of shape `(rows,)`, or None when the inputs are not told apart by token ids alone
        (images, audio, text with images).

    Examples:
        >>> mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
        >>> padded = {"input_ids": torch.tensor([[5, 6, 0], [5, 6, 7]]), "attention_mask": mask}
        >>> bag = {"input_ids": torch.tensor([5, 6, 5, 6, 7]), "offsets": torch.tensor([0, 2])}
        >>> torch.equal(text_keys(padded), text_keys(bag))
        True
    """
    ids = features.get("input_ids")
    if not isinstance(ids, Tensor) or any(_is_other_modality(name, value) for name, value in features.items()):
        return None
    if "offsets" in features or "cu_seq_lens_q" in features:
        ids = ids.flatten()
        starts = features["offsets"] if "offsets" in features else features["cu_seq_lens_q"][:-1]
        places = torch.arange(len(ids), device=ids.device)
        row = torch.searchsorted(starts.to(places.dtype), places, right=True) - 1
        hashes = _mix(ids.long() + _mix(places - starts[row] + 1))
        keys = torch.zeros(len(starts), dtype=torch.int64, device=ids.device).index_add(0, row, hashes)
    else:
        mask = features.get("attention_mask", torch.ones_like(ids)).long()
        keys = (_mix(ids.long() + _mix(mask.cumsum(dim=1))) * mask).sum(dim=1)
    return _mix(keys + zlib.crc32(str(features.get("task")).encode()))


def _is_other_modality(name: str, value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and not name.endswith(_OUTPUTS)


def _mix(values: Tensor) -> Tensor:
    """Scramble 64-bit integers; the finalizer of splitmix64 (Steele, Lea and Flood 2014), in wrapping arithmetic."""
    values = values * -7046029254386353131  # 0x9E3779B97F4A7C15, the golden ratio in 64 bits
    values = (values ^ (values >> 30 & 0x3FFFFFFFF)) * -4658895280553007687
    values = (values ^ (values >> 27 & 0x1FFFFFFFFF)) * -7723592293110705685
    return values ^ (values >> 31 & 0x1FFFFFFFF)
