"""The drawings that explain the method, computed with the library itself on a few points of the plane."""

import math
from functools import partial

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from torch import Tensor

from evaluation.report.plots import Plot
from st_isotropy.barcodes import Barcode, barcode
from st_isotropy.entropy import persistent_entropy
from st_isotropy.metrics import average_cosine, mean_mst_length
from st_isotropy.regularizers import PersistentEntropy
from st_isotropy.svg import INK, LINE, MUTED, OURS, REFERENCE

# Two clumps, a pair of near repeats among them, and one point far off.
POINTS = torch.tensor(
    [[0.0, 0.0], [0.55, 0.35], [0.62, 0.42], [0.25, 0.85], [2.0, 0.35], [2.45, 0.8], [2.55, 0.1], [4.0, 1.0]],
    dtype=torch.float64,
)
SCALES = (0.35, 0.65, 1.5)
ARC = 0.35  # radians to either side of the cone


def filtration() -> Plot:
    """Balls that grow around points, and the components that merge."""
    bars = barcode(POINTS)
    counts = [len(POINTS) - int((bars.lengths <= scale).sum()) for scale in SCALES]
    return Plot(
        "Components merge as the scale grows",
        "The same eight points at three scales. A ball has half the scale as its radius; where two balls touch, two "
        f"components merge. There are {counts[0]}, {counts[1]} and {counts[2]} components left.",
        "; ".join(f"scale {scale}: {count} components" for scale, count in zip(SCALES, counts, strict=True)),
        partial(_paint_filtration, bars=bars),
        (5.6, 1.5),
    )


def _paint_filtration(axes: Axes, bars: Barcode) -> None:
    for place, scale in enumerate(SCALES):
        points = POINTS.numpy() + np.array([6.1 * place, 0])
        for x, y in points:
            axes.add_patch(Circle((x, y), scale / 2, facecolor=OURS, alpha=0.18, linewidth=0))
        for edge in bars.edges[bars.lengths <= scale]:
            axes.plot(*points[edge].T, color=OURS, linewidth=1.6)
        axes.plot(*points.T, "o", color=INK, markersize=3.5)
        axes.text(points[:, 0].mean(), -1.5, f"scale {scale}", ha="center", color=MUTED)
    axes.set(xlim=(-1, 17.2), ylim=(-1.7, 2.1), aspect="equal")
    axes.axis("off")


def bars() -> Plot:
    """The barcode of the same points, and the direction of each bar's gradient."""
    lengths = barcode(POINTS).lengths.sort(descending=True).values
    entropy = float(persistent_entropy(lengths))
    turning = float(lengths.sum()) * math.exp(-entropy)
    shares = lengths / lengths.sum()
    return Plot(
        "The barcode, and which bars entropy shortens",
        f"The H0 barcode of these points: {len(lengths)} bars, H = {entropy:.2f} of at most ln {len(lengths)} = "
        f"{math.log(len(lengths)):.2f}, so the penalty is {1 - entropy / math.log(len(lengths)):.2f}. Bars beyond the "
        "dashed line (orange) are shortened, bars before it are lengthened. Numbers are shares of the total length.",
        "; ".join(
            f"bar of length {length:.2f}, share {share:.2f}" for length, share in zip(lengths, shares, strict=True)
        ),
        partial(_paint_bars, lengths=lengths, turning=turning),
        (5.0, 2.3),
    )


def _paint_bars(axes: Axes, lengths: Tensor, turning: float) -> None:
    for place, length in enumerate(lengths.tolist()):
        color = REFERENCE if length > turning else OURS
        axes.plot([0, length], [place, place], color=color, linewidth=6, solid_capstyle="butt")
        axes.text(length + 0.03, place, f"{length / float(lengths.sum()):.2f}", va="center", color=MUTED, fontsize=9)
    axes.axvline(turning, color=MUTED, linestyle=(0, (4, 3)), linewidth=1.2)
    axes.set(xlabel="scale at which the component merges", yticks=[], xlim=(0, float(lengths.max()) + 0.25))
    axes.spines["left"].set_visible(False)
    axes.invert_yaxis()


def gradient() -> Plot:
    """The direction in which a step on the penalty alone moves each point."""
    points = POINTS.clone().requires_grad_()
    PersistentEntropy(normalize=False)(points).backward()
    assert points.grad is not None
    steps = -points.grad.numpy()
    squared = (steps**2).sum(axis=1)
    share = float(np.sort(squared)[-2:].sum() / squared.sum())
    return Plot(
        "What a step on the penalty does",
        "Arrows: the direction of a step that lowers the penalty, longer for larger steps. The far point comes nearer, "
        f"and the two near repeats are driven apart: they hold {100 * share:.0f} % of the squared gradient.",
        f"arrows at eight points; the near repeats hold {100 * share:.0f} % of the squared gradient",
        partial(_paint_gradient, steps=steps),
        (5.0, 2.0),
    )


def _paint_gradient(axes: Axes, steps: np.ndarray) -> None:
    points, tree = POINTS.numpy(), barcode(POINTS)
    for edge in tree.edges:
        axes.plot(*points[edge].T, color=LINE, linewidth=1.6, zorder=1)
    axes.plot(*points.T, "o", color=INK, markersize=5)
    scaled = steps / np.abs(steps).max()
    # Small steps would not be seen beside large ones: the square root of a size is drawn.
    sizes = np.linalg.norm(scaled, axis=1, keepdims=True)
    arrows = scaled / np.sqrt(np.maximum(sizes, 1e-9)) * 0.55
    for point, arrow in zip(points, arrows, strict=True):
        end = {"arrowstyle": "-|>", "color": OURS, "linewidth": 1.8, "shrinkA": 3, "shrinkB": 0}
        axes.annotate("", xy=(point + arrow).tolist(), xytext=point.tolist(), arrowprops=end)
    axes.set(xlim=(-0.6, 4.5), ylim=(-0.45, 1.5), aspect="equal")
    axes.axis("off")


def cone() -> Plot:
    """Two clouds on the circle with the same entropy, one of them in a narrow cone."""
    clouds = {"all around": _arc(math.pi * 11 / 12), "in a cone": _arc(ARC)}
    said = {
        name: f"normalized entropy {_normalized(cloud):.3f}, average cosine {average_cosine(cloud):.2f}, "
        f"mean MST length {mean_mst_length(cloud):.2f}".replace("-", "−")
        for name, cloud in clouds.items()
    }
    return Plot(
        "Entropy does not see the cone",
        "Twelve evenly spaced unit vectors, "
        + "; ".join(f"{name}: {text}" for name, text in said.items())
        + ". Entropy is the same; average cosine and MST length are not.",
        "; ".join(f"{name}: {text}" for name, text in said.items()),
        partial(_paint_cone, clouds=clouds),
        (5.0, 2.3),
    )


def _normalized(cloud: Tensor) -> float:
    return 1 - float(PersistentEntropy()(cloud))


def _arc(half: float) -> Tensor:
    angles = torch.linspace(-half, half, 12, dtype=torch.float64)
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def _paint_cone(axes: Axes, clouds: dict[str, Tensor]) -> None:
    for place, (name, cloud) in enumerate(clouds.items()):
        center = np.array([3.1 * place, 0])
        axes.add_patch(Circle((center[0], center[1]), 1, facecolor="none", edgecolor=LINE, linewidth=1.4))
        for point in cloud.numpy():
            axes.plot(*np.transpose([center, center + point]), color=MUTED, linewidth=0.8)
        axes.plot(*(cloud.numpy() + center).T, "o", color=OURS, markersize=5)
        axes.text(center[0], -1.45, name, ha="center", color=MUTED)
    axes.set(xlim=(-1.3, 4.4), ylim=(-1.6, 1.2), aspect="equal")
    axes.axis("off")
