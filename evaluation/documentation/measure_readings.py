"""How to read each measure of isotropy: its definition, its value on isotropic rows, and its thresholds."""

import inspect
from collections.abc import Callable
from functools import partial

import torch

from evaluation.report.wording import significant
from st_isotropy import isotropy
from st_isotropy.metrics import CATALOG
from st_isotropy.metrics.definitions import Definition, excess, growth, itself, shortfall, shrinkage

ROWS, COLUMNS = 2000, 64
# Where a reading begins, seen from the isotropic value.
BEGINS: dict[Callable[[float, float], float], str] = {
    itself: "from {}",
    excess: "{} above",
    shortfall: "{} below",
    shrinkage: "{} times below",
    growth: "{} times above",
}
OPTIONS = {
    ("center", True): "of the rows less their mean",
    ("center", False): "the mean left in",
    ("normalize", False): "in nats",
}


def readings_table() -> str:
    """One line for each measure of the catalog."""
    rows = torch.randn(ROWS, COLUMNS, generator=torch.Generator().manual_seed(0))
    measured = isotropy(rows, queries=rows, partners=rows)  # of which only the isotropic values are shown
    lines = [
        "| measure | what it computes | isotropic rows | worth a look | far from isotropic |",
        "|---|---|---:|---|---|",
    ]
    lines += [
        f"| {name} | {_computed(definition)} | {significant(measured[name].isotropic)} | {_begins(definition, 0)} | "
        f"{_begins(definition, 1)} |"
        for name, definition in CATALOG.items()
    ]
    return "\n".join(lines)


def _computed(definition: Definition) -> str:
    """The first line of the measure's docstring, with the effect of its options."""
    function, options = definition.compute, {}
    if isinstance(function, partial):
        function, options = function.func, function.keywords
    summary = (inspect.getdoc(function) or "").partition("\n")[0].removesuffix(".")
    said = [summary.partition(" ")[2], *(OPTIONS[option] for option in options.items())]
    if definition.second == "queries":
        said.append("in a search by the queries")
    return "; ".join(said)


def _begins(definition: Definition, level: int) -> str:
    where = BEGINS[definition.distance].format(f"{definition.limits[level]:g}")
    return f"{where}: {definition.readings[level + 1]}"
