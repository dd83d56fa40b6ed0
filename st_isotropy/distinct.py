"""Different inputs of a model: a repeated one says nothing new about its geometry."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from torch import Tensor


def distinct_inputs(inputs: Iterable[Any]) -> list[Any]:
    """List the inputs without repeats, in order of first appearance.

    Args:
        inputs: What `encode` takes: texts, images, audio, or dictionaries or pairs of these. What cannot be compared is
            different from everything.

    Examples:
        >>> distinct_inputs(["a cat", {"text": "a cat"}, "a cat", {"text": "a cat"}])
        ['a cat', {'text': 'a cat'}]
    """
    first: dict[Hashable, Any] = {}
    for given in inputs:
        first.setdefault(_key(given), given)
    return list(first.values())


def _key(given: Any) -> Hashable:
    if isinstance(given, Mapping):
        return ("mapping", *((name, _key(part)) for name, part in given.items()))
    if isinstance(given, list | tuple):
        return ("list", *map(_key, given))
    if isinstance(given, Tensor):
        given = given.detach().cpu().numpy()
    if hasattr(given, "tobytes"):  # an image or an array
        return (type(given), getattr(given, "mode", None), getattr(given, "size", None), given.tobytes())
    return given if isinstance(given, Hashable) else id(given)
