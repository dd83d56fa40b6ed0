"""The bench: speed and memory of this package beside its peers, against stated targets."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evaluation.bench.stopwatch import Figure
from evaluation.bench.suites import SUITES
from evaluation.errors import UserError, counted
from evaluation.files import write_json
from evaluation.processes import one_thread
from evaluation.run_directory import environment

PACKAGES = ("torch", "numpy", "numba", "torch-topological", "giotto-ph", "redzed-tda", "faiss-cpu")


def run(suites: Sequence[str], out: Path, mirror: Path | None = None) -> bool:
    """Measure, print every figure beside its target, and write `bench.json`.

    Everything runs on one thread. A target counts as missed when the median over the rounds misses it by more than
    half the interquartile range.

    Args:
        suites: Names out of `SUITES`; none means all.
        out: Folder for `bench.json`.
        mirror: Folder with MTEB data sets laid out as on the hub, for the suite `cell`.

    Returns:
        Whether no target was missed.

    Raises:
        UserError: If a suite is unknown.
    """
    unknown = [name for name in suites if name not in SUITES]
    if unknown:
        raise UserError(f"There is no bench {', '.join(unknown)}; there are {', '.join(SUITES)}.")
    console = Console()
    results: dict[str, list[Figure]] = {}
    with one_thread():
        for name in suites or SUITES:
            if name == "cell" and mirror is None:
                console.print("cell: Banking77 is left out; name a mirror that has it with --mirror.")
            results[name] = list(SUITES[name](mirror) if name == "cell" else SUITES[name]())
            console.print(table(name, results[name]))
    missed = [figure for figures in results.values() for figure in figures if figure.missed]
    write_json(
        out / "bench.json", {"environment": environment(PACKAGES), "suites": {k: rows(v) for k, v in results.items()}}
    )
    console.print(f"{counted(len(missed), 'target')} missed; figures in {out / 'bench.json'}")
    return not missed


def table(name: str, figures: Sequence[Figure]) -> Table:
    """Lay out the figures of one suite."""
    drawn = Table("case", "quantity", "median", "spread", "target", "", title=f"{name}: {SUITES[name].__doc__}")
    for figure in figures:
        verdict = "missed" if figure.missed else "met" if target(figure) else ""
        drawn.add_row(
            figure.case, figure.quantity, f"{figure.value:.3g}", f"{figure.spread:.2g}", target(figure), verdict
        )
    return drawn


def target(figure: Figure) -> str:
    """Write out the target of a figure; empty where there is none."""
    if figure.at_least is not None:
        return f"≥ {figure.at_least:g}"
    return "" if figure.at_most is None else f"≤ {figure.at_most:g}"


def rows(figures: Sequence[Figure]) -> list[dict[str, object]]:
    """Turn figures into JSON, with what a reader sees."""
    return [{**asdict(figure), "quantity": figure.quantity, "missed": figure.missed} for figure in figures]
