"""How finely values were rounded, as far as they show it: a float32 array may hold bfloat16 numbers or int8 codes."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

# Float formats that a wider array may hold, coarsest first, each with the integers that have its bits.
_FORMATS = ((torch.bfloat16, torch.int16), (torch.float16, torch.int16), (torch.float32, torch.int32))
_LOOKED_AT = 4096
_LOOKED_AT_FOR_CODES = 256
# Codes of 8 bits have up to 255 steps. Far fewer are counts or bits, which are exact.
_FEWEST_STEPS, _MOST_STEPS = 64, 255
_LARGEST_CODE = 127


@dataclass(frozen=True)
class Resolution:
    """How far two values can be apart that were equal before they were rounded.

    Attributes:
        relative: Unit in the last place as a share of the value.
        step: Distance between neighboring codes where values are dequantized integers, `(d,)` or `(1,)`; else 0.
    """

    relative: float
    step: Tensor

    def squared_units(self, mean_squares: Tensor) -> Tensor:
        """The mean squared unit in the last place of each column, whose mean squares are `(d,)`."""
        return self.relative**2 * mean_squares + self.step.square()

    def of_unit_rows(self, rows: Tensor) -> "Resolution":
        """The resolution of rows `(n, d)` after each is divided by its norm; a relative one stays."""
        if not self.step.any():
            return self
        norms = rows.double().norm(dim=1)
        return replace(self, step=self.step * (1 / norms[norms > 0].square()).mean().sqrt())


def find_resolution(points: Tensor) -> Resolution:
    """Find how finely the values of an array were rounded.

    Args:
        points: Rows of shape `(n, d)` as they were given, of any real type.

    Returns:
        The coarsest float format that all values fit and whose last bit some of them use, and the step of 8-bit codes
        where all values of the array, of each column or of each row are multiples of one.

    Examples:
        >>> rows = torch.rand(100, 4, generator=torch.Generator().manual_seed(0))
        >>> find_resolution(rows.bfloat16().double()).relative == torch.finfo(torch.bfloat16).eps
        True
    """
    none = torch.zeros(1, dtype=torch.float64, device=points.device)
    if points.is_floating_point() and points.itemsize < 4:
        return Resolution(torch.finfo(points.dtype).eps, none)
    kind, values = torch.float32, points[:_LOOKED_AT]
    if points.is_floating_point():
        kinds = [kind for kind, bits in _FORMATS if kind.itemsize < points.itemsize and _fills(values, kind, bits)]
        kind = kinds[0] if kinds else points.dtype
    return Resolution(torch.finfo(kind).eps, _code_steps(points[:_LOOKED_AT_FOR_CODES].double(), none))


def _fills(values: Tensor, kind: torch.dtype, bits: torch.dtype) -> bool:
    narrowed = values.to(kind)
    return bool((narrowed.to(values.dtype) == values).all() and (narrowed.view(bits) & 1).any())


def _code_steps(values: Tensor, none: Tensor) -> Tensor:
    for lines, by_column in ((values.reshape(1, -1), False), (values.T, True), (values, False)):
        steps = _steps_of_lines(lines)
        if steps is not None:
            return steps if by_column else steps.square().mean().sqrt()[None]
    steps = _steps_of_scaled_rows(values)
    return none if steps is None else steps.square().mean().sqrt()[None]


def _steps_of_scaled_rows(rows: Tensor) -> Tensor | None:
    """The step of each row whose largest value has the code 127, as where every embedding is scaled by itself.

    A short row seldom has two neighboring codes, from which a step could be told otherwise.
    """
    step = rows.abs().amax(dim=1) / _LARGEST_CODE
    multiples = rows / step.where(step > 0, 1.0)[:, None]
    coded = (multiples - multiples.round()).abs().amax() < 0.01 if rows.numel() else False
    return step if coded and (multiples.round().abs() > 1).any() else None


def _steps_of_lines(lines: Tensor) -> Tensor | None:
    """The step of each line; None unless all values of every line are codes. Constant lines have step 0."""
    gaps = lines.sort(dim=1).values.diff(dim=1)
    step = gaps.where(gaps > 0, torch.inf).amin(dim=1)
    multiples = gaps / step[:, None]
    steps = multiples.sum(dim=1)
    coded = ((multiples - multiples.round()).abs().amax() < 0.01) & (steps <= _MOST_STEPS + 0.5).all()
    return step.where(step.isfinite(), 0.0) if coded and steps.median() >= _FEWEST_STEPS else None
