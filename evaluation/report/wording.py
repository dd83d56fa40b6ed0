"""Numbers and names as a reader sees them: no more decimals than the interval supports, and no name without end."""

import math

from evaluation.statistics.intervals import Comparison


def number(value: float, digits: int, sign: bool = False) -> str:
    """Write a number with fixed decimals."""
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def significant(value: float, digits: int = 3, sign: bool = False) -> str:
    """Write a number with so many significant digits.

    Example:
        >>> significant(-0.0012345), significant(1234.5), significant(0.5, sign=True)
        ('−0.00123', '1234', '+0.5')
    """
    if abs(value) >= 10 ** (digits - 1):
        return number(value, 0, sign)
    return f"{value:{'+' if sign else ''}.{digits}g}".replace("-", "−")


def difference(comparison: Comparison) -> str:
    """Write a difference and its interval, to two significant digits of the interval's half width.

    Example:
        >>> difference(Comparison(0.0228184, 0.0197917, 0.0258450, "", "", 3, None))
        '+0.0228 [+0.0198, +0.0258]'
        >>> difference(Comparison(1.5, None, None, "", "", 1, None))
        '+1.5'
    """
    low, high = comparison.low, comparison.high
    if low is None or high is None:
        return significant(comparison.estimate, sign=True)
    digits = decimals((high - low) / 2)
    return f"{number(comparison.estimate, digits, True)} [{number(low, digits, True)}, {number(high, digits, True)}]"


def estimated(comparison: Comparison) -> str:
    """Write a difference as `difference` does, without its interval."""
    return difference(comparison).partition(" [")[0]


def decimals(half_width: float) -> int:
    """How many decimals show two significant digits of a half width; 2 where it is zero."""
    return min(6, max(0, 1 - math.floor(math.log10(half_width)))) if half_width else 2


def shortened(name: str, longest: int) -> str:
    """Cut a name that leaves no room for anything else; tables have it in full.

    Example:
        >>> shortened("persistent entropy", 11)
        'persistent…'
    """
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
