"""The pictures of the gallery, from embeddings and scores: barcodes, cones, and search with one-bit codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from evaluation.report.plots import Plot
from st_isotropy.metrics import average_cosine, mean_mst_length, persistent_entropy
from st_isotropy.metrics.cloud import as_cloud
from st_isotropy.svg import INK, LINE, MUTED, OURS, REFERENCE

WIDTH = 4.8  # inches, so that text is as large on a phone as the text around it
BINS = np.linspace(-0.5, 1.0, 121)
HILL = 0.6  # height in rows, the rest of which has the text
BAR_HEIGHT = 0.04  # inches
HEADING = 10  # bars that the text above a barcode takes
LONGEST_BAR = 1.42  # between orthogonal directions


@dataclass(frozen=True)
class CodeScore:
    """How well one model searches, in points of nDCG@10.

    Attributes:
        name: What to call the model.
        exact: With its embeddings.
        one_bit: With the signs of their coordinates.
    """

    name: str
    exact: float
    one_bit: float


def barcodes(clouds: Mapping[str, Tensor]) -> Plot:
    """The barcodes of models on the same texts, one below the other."""
    bars = {name: np.sort(as_cloud(rows, "cosine").bars.numpy())[::-1] for name, rows in clouds.items()}
    said = {
        name: f"entropy {persistent_entropy(rows):.3f}, mean length {mean_mst_length(rows):.2f}"
        for name, rows in clouds.items()
    }
    count = sum(len(lengths) + HEADING for lengths in bars.values())
    return Plot(
        "H0 barcodes of the same texts under several models",
        "Each bar ends where a group of texts merges with another.",
        "; ".join(f"{name}: {len(bars[name])} bars, {text}" for name, text in said.items()),
        partial(_paint_barcodes, bars=bars, said=said),
        (WIDTH, count * BAR_HEIGHT + 0.5),
    )


def _paint_barcodes(axes: Axes, bars: Mapping[str, np.ndarray], said: Mapping[str, str]) -> None:
    top = 0
    for name, lengths in bars.items():
        axes.text(0, top + HEADING - 3, name, color=INK, weight="bold")
        axes.text(LONGEST_BAR, top + HEADING - 3, said[name], color=MUTED, ha="right")
        axes.hlines(top + HEADING + np.arange(len(lengths)), 0, lengths, color=OURS, linewidth=1.6)
        top += len(lengths) + HEADING
    axes.set(xlim=(0, LONGEST_BAR), ylim=(top + 1, 0), yticks=[], xlabel="scale at which groups of texts merge")
    axes.spines["left"].set_visible(False)


def cones(clouds: Mapping[str, Tensor]) -> Plot:
    """The cosines of all pairs of texts, after each of several treatments of one model."""
    means = {name: average_cosine(as_cloud(rows, "cosine")) for name, rows in clouds.items()}
    return Plot(
        "Cosines of any two texts, before and after",
        "A hill far to the right is a cone. Every hill is drawn equally high.",
        "; ".join(f"{name}: average cosine {mean:.2f}" for name, mean in means.items()).replace("-", "−"),
        partial(_paint_cones, clouds=clouds, means=means),
        (WIDTH, 0.85 * len(clouds) + 0.6),
    )


def _paint_cones(axes: Axes, clouds: Mapping[str, Tensor], means: Mapping[str, float]) -> None:
    for place, (name, rows) in enumerate(clouds.items()):
        heights, _ = np.histogram(_cosines(rows), BINS)
        base, color = -float(place), REFERENCE if place == 0 else OURS
        axes.stairs(base + HILL * heights / heights.max(), BINS, baseline=base, fill=True, color=color, alpha=0.85)
        axes.axhline(base, color=LINE, linewidth=1)
        axes.text(BINS[0], base + HILL + 0.08, name, color=INK, weight="bold")
        said = f"average cosine {means[name]:.2f}".replace("-", "−")
        axes.text(BINS[-1], base + HILL + 0.08, said, color=MUTED, ha="right")
    axes.set(xlim=(BINS[0], BINS[-1]), ylim=(1 - len(clouds), 0.95), yticks=[], xlabel="cosine of two texts")
    axes.spines["left"].set_visible(False)


def _cosines(rows: Tensor) -> np.ndarray:
    unit = as_cloud(rows, "cosine").unit.numpy()
    return (unit @ unit.T)[np.triu_indices(len(unit), 1)]


def one_bit_codes(scores: Sequence[CodeScore]) -> Plot:
    """What models lose where each coordinate is kept as its sign alone."""
    return Plot(
        "Search with whole embeddings and with one bit per dimension",
        "The dot is exact search, the square search with signs alone.",
        "; ".join(f"{score.name}: {score.exact:.1f}, one-bit {score.one_bit:.1f}" for score in scores),
        partial(_paint_codes, scores=scores),
        (WIDTH, 0.42 * len(scores) + 0.9),
    )


def _paint_codes(axes: Axes, scores: Sequence[CodeScore]) -> None:
    places = range(len(scores))
    exact, one_bit = [score.exact for score in scores], [score.one_bit for score in scores]
    axes.hlines(places, one_bit, exact, color=LINE, linewidth=3, zorder=1)
    axes.plot(exact, places, "o", color=OURS, markersize=7, label="exact search")
    axes.plot(one_bit, places, "s", color=REFERENCE, markersize=6, label="one-bit codes")
    for place, score in enumerate(scores):
        axes.annotate(
            f"{score.one_bit - score.exact:+.1f}".replace("-", "−"),
            (max(score.exact, score.one_bit), place),
            (9, 0),
            textcoords="offset points",
            va="center",
            color=MUTED,
        )
    axes.set(yticks=places, yticklabels=[score.name for score in scores], xlabel="nDCG@10 (points)")
    axes.margins(x=0.15)
    axes.invert_yaxis()
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
