"""A model in the wrappers that run or train it: compiled, distributed, with adapters."""

from typing import Any

from sentence_transformers.base import BaseModel
from torch import nn


def unwrap(model: Any) -> Any:
    """Take a sentence-transformers model out of its wrappers; anything else comes back as it is.

    Args:
        model: The model itself or in `torch.compile`, `DataParallel`, `DistributedDataParallel`, FSDP, DeepSpeed or
            PEFT, in any order.

    Returns:
        The model that was wrapped.

    Examples:
        >>> import torch
        >>> unwrap(nn.DataParallel(torch.compile(model))) is model
        True
    """
    while not isinstance(model, BaseModel):
        if hasattr(model, "get_base_model"):  # PEFT
            model = model.get_base_model()
        elif hasattr(model, "_orig_mod"):  # torch.compile
            model = model._orig_mod
        elif isinstance(getattr(model, "module", None), nn.Module):  # whatever is distributed
            model = model.module
        else:
            break
    return model
