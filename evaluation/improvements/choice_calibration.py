"""Calibration of `st-isotropy improve`: coverage of its interval, and how often luck is offered.

Queries are drawn from real ones with the score that each candidate gave each of them, and the choice is made anew in
each sample. Under the null every candidate's scores are shifted to the mean of the embeddings as they are, so that
none is better. Adapters are simulated: their scores are those of a cross-fit over all queries. A query that is drawn
twice is one text: its draws share a fold.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from st_isotropy.improve.folds import make_folds
from st_isotropy.improve.intervals import search_gain

SIZES = (30, 100, 300, 1000)
TRIALS = 2000
FEWEST_FOR_ADAPTER = 50


@dataclass(frozen=True)
class Calibration:
    """One line of the table.

    Attributes:
        data: Where the scores come from.
        queries: How many queries a sample has.
        null: Whether no candidate is better.
        given: Share of samples with an interval.
        coverage: Share of those that hold the true gain of what was chosen; None where none is given.
        offered: Share of samples with an interval above 0.
        trials: Number of samples.
    """

    data: str
    queries: int
    null: bool
    given: float
    coverage: float | None
    offered: float
    trials: int


def calibrate(
    data: str, scores: NDArray[np.float64], sizes: Sequence[int] = SIZES, trials: int = TRIALS
) -> Iterable[Calibration]:
    """Simulate the choice among candidates and its interval.

    Args:
        data: What to call the data.
        scores: Score of each query by each candidate, shape `(queries, candidates)`; the first column is the embeddings
            as they are, and the last the adapter.
        sizes: Numbers of queries.
        trials: Samples for each line.

    Returns:
        A line for each size, with candidates as they are and under the null.
    """
    for null in (True, False):
        known = scores - (scores.mean(axis=0) - scores[:, 0].mean()) if null else scores
        for size in sizes:
            rng = np.random.default_rng(zlib.crc32(f"{data}|{size}|{null}".encode()))
            samples = [_sample(known, rng.integers(len(known), size=size)) for _ in range(trials)]
            given = [sample for sample in samples if sample[0] is not None]
            held = sum(low <= truth <= high for low, high, truth in given)
            yield Calibration(
                data=data,
                queries=size,
                null=null,
                given=len(given) / trials,
                coverage=held / len(given) if given else None,
                offered=sum(low > 0 for low, _, _ in given) / trials,
                trials=trials,
            )


def _sample(scores: NDArray[np.float64], drawn: NDArray[np.int64]) -> tuple:
    """Ends of the interval for the honest choice, and the true gain of what the folds chose."""
    tried = scores if len(np.unique(drawn)) >= FEWEST_FOR_ADAPTER else scores[:, :-1]
    values, truths = tried[drawn], tried.mean(axis=0) - tried[:, 0].mean()
    folds = make_folds(drawn)
    differences, truth = np.zeros(len(drawn)), 0.0
    for fold in range(folds.max() + 1):
        training, scoring = folds != fold, folds == fold
        chosen = _choose(values[training], drawn[training], tried is scores)
        differences[scoring] = values[scoring, chosen] - values[scoring, 0]
        truth += truths[chosen] * scoring.mean()
    gain = search_gain(differences, drawn)
    return gain.low, gain.high, truth


def _choose(values: NDArray[np.float64], drawn: NDArray[np.int64], with_adapter: bool) -> int:
    """Choose as `st_isotropy.improve.selection.choose` does: the adapter against the best transform on a third."""
    if not with_adapter:
        return int(values.mean(axis=0).argmax())
    transform = int(values[:, :-1].mean(axis=0).argmax())
    validating = make_folds(drawn, 3) == 0
    adapter = values.shape[1] - 1
    return adapter if values[validating, adapter].mean() > values[validating, transform].mean() else transform


def calibration_table(rows: Iterable[Calibration]) -> str:
    """Write the rows as a Markdown table."""
    lines = [
        "| scores | queries | candidates | interval given | coverage | offered |",
        "|---|---:|---|---:|---:|---:|",
    ]
    for row in rows:
        covered = "—" if row.coverage is None else f"{100 * row.coverage:.1f} %"
        case = "none is better" if row.null else "as measured"
        shares = f"{100 * row.given:.0f} % | {covered} | {100 * row.offered:.1f} %"
        lines.append(f"| {row.data} | {row.queries:,} | {case} | {shares} |")
    return "\n".join(lines) + "\n"
