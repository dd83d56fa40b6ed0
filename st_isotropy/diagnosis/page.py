"""A diagnosis as one self-contained HTML page: no script, no foreign request, plots as inline SVG."""

from collections.abc import Callable
from functools import partial

import jinja2
import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from st_isotropy import __version__
from st_isotropy.diagnosis.diagnosis import REMEDY_MEASURES, Diagnosis, format_value
from st_isotropy.metrics.cloud import Cloud, Points, as_cloud
from st_isotropy.metrics.isotropic import norm_quantiles, searched_part, simulate_isotropic
from st_isotropy.svg import OURS, REFERENCE, draw

_MOST_DRAWN = 1500

Labels = tuple[str, str]  # of what is compared with, and of what is shown
LABELS: Labels = ("isotropic", "this model")


def write_page(diagnosis: Diagnosis, embeddings: Points) -> str:
    """Render a diagnosis and its plots as HTML.

    Args:
        diagnosis: What was found.
        embeddings: The rows it was found on, shape `(n, d)`.

    Returns:
        The page.
    """
    cloud = as_cloud(embeddings, diagnosis.similarity, sample_size=diagnosis.sample_size, seed=diagnosis.seed)
    count, width = cloud.points.shape
    simulated = simulate_isotropic(count, width, norm_quantiles(cloud), diagnosis.seed)
    isotropic = Cloud(simulated, cloud.similarity, diagnosis.sample_size)
    figures = [
        (title, caption, draw(partial(plot, cloud=cloud, isotropic=isotropic), plot.__name__))
        for title, caption, plot in PLOTS
    ]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("st_isotropy.diagnosis"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["value"] = format_value
    environment.filters["bound"] = lambda bound: f"{bound:.4g}".replace("-", "−").replace("inf", "∞")
    return environment.get_template("diagnosis.html").render(
        diagnosis=diagnosis, figures=figures, version=__version__, remedy_measures=REMEDY_MEASURES
    )


def plot_spectrum(axes: Axes, cloud: Cloud, isotropic: Cloud, labels: Labels = LABELS) -> None:
    """Covariance eigenvalues times d over their sum: isotropic ones are near 1."""
    for drawn, color, label in ((isotropic, REFERENCE, labels[0]), (cloud, OURS, labels[1])):
        shares = (drawn.spectrum / drawn.spectrum.sum() * len(drawn.spectrum)).cpu().numpy()
        positive = shares > 1e-6
        axes.plot(np.arange(1, len(shares) + 1)[positive], shares[positive], color=color, label=label, linewidth=1.8)
    axes.set(xscale="log", yscale="log", xlabel="principal component", ylabel="variance ÷ mean variance")
    _legend(axes)


def plot_cosines(axes: Axes, cloud: Cloud, isotropic: Cloud, labels: Labels = LABELS) -> None:
    """Histogram of the cosines of all pairs of sampled rows."""
    ours, reference = _cosines(cloud), _cosines(isotropic)
    bins = np.linspace(min(ours.min(), reference.min(), -0.2), 1, 90).tolist()
    axes.hist(reference, bins, density=True, histtype="step", color=REFERENCE, label=labels[0], linewidth=1.5)
    axes.hist(ours, bins, density=True, color=OURS, alpha=0.75, label=labels[1])
    axes.set(xlabel="cosine of two embeddings", yticks=[])
    axes.spines["left"].set_visible(False)
    _legend(axes)


def plot_occurrences(axes: Axes, cloud: Cloud, isotropic: Cloud) -> None:
    """Histogram of how often a row is among the ten nearest of another, on a logarithmic scale of rows."""
    ours = cloud.occurrences()
    reference = searched_part(isotropic).occurrences()
    top = int(max(ours.max(), reference.max()))
    bins = count_bins(top)
    for counts, color, label in ((reference, REFERENCE, "isotropic"), (ours, OURS, "this model")):
        shares = np.full(len(counts), 100 / len(counts))
        filled = color == OURS
        axes.hist(
            counts,
            bins,
            weights=shares,
            color=color,
            label=label,
            histtype="stepfilled" if filled else "step",
            alpha=0.75 if filled else 1,
            linewidth=0 if filled else 1.5,
        )
    axes.set(yscale="log", xlabel="lists of ten nearest that a row is in", ylabel="% of rows")
    _legend(axes)


def count_bins(largest: int) -> list[float]:
    """Edges of at most 121 equally wide bins for the counts from 0 to the largest, which lies in the last."""
    step = max(1, largest // 60)
    return (np.arange(0, largest + 1 + step, step) - 0.5).tolist()


def plot_barcode(axes: Axes, cloud: Cloud, isotropic: Cloud, labels: Labels = LABELS) -> None:
    """Bars of the H0 barcode by length, beside the outline of the isotropic one."""
    ours, reference = (np.sort(drawn.bars.cpu().numpy())[::-1] for drawn in (cloud, isotropic))
    percent = np.linspace(0, 100, len(ours))
    axes.plot(reference, percent, color=REFERENCE, linewidth=1.8, label=labels[0])
    axes.fill_betweenx(percent, 0, ours, color=OURS, alpha=0.75, linewidth=0, label=labels[1])
    axes.set(xlabel="scale at which a component merges", ylabel="bars, longest first (%)", xlim=(0, None))
    axes.invert_yaxis()
    _legend(axes)


def plot_coordinates(axes: Axes, cloud: Cloud, isotropic: Cloud) -> None:
    """Each coordinate's share of the squared norms times d, largest first: isotropic ones are near 1."""
    for drawn, color, label in ((isotropic, REFERENCE, "isotropic"), (cloud, OURS, "this model")):
        moments = drawn.second_moments.diagonal().sort(descending=True).values
        shares = (moments / moments.mean()).cpu().numpy()
        alive = shares > 1e-3
        axes.plot(np.arange(1, len(shares) + 1)[alive], shares[alive], color=color, label=label, linewidth=1.8)
    axes.set(xscale="log", yscale="log", xlabel="coordinate, largest first", ylabel="share of the norm ÷ mean")
    _legend(axes)


def plot_projection(axes: Axes, cloud: Cloud, isotropic: Cloud) -> None:
    """First two principal components of sampled rows; the rows that are in most lists of neighbors stand out."""
    rows = cloud.sample[:_MOST_DRAWN]
    centered = cloud.points[rows].double() - cloud.mean
    directions = torch.linalg.eigh(cloud.covariance).eigenvectors[:, -2:].flip(1)
    flat = (centered @ directions).cpu().numpy()
    counts = cloud.occurrences()[rows.cpu().numpy()]
    hubs = counts >= np.sort(counts)[-max(1, len(counts) // 100)]
    axes.scatter(*flat[~hubs].T, s=5, color=OURS, alpha=0.55, linewidths=0)
    axes.scatter(*flat[hubs].T, s=24, color=REFERENCE, linewidths=0)
    axes.set(xlabel="first component", ylabel="second component")
    axes.set_aspect("equal", adjustable="datalim")


def _legend(axes: Axes) -> None:
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)


def _cosines(cloud: Cloud) -> np.ndarray:
    rows: Tensor = cloud.unit[cloud.sample[:_MOST_DRAWN]].float()
    upper = torch.triu_indices(len(rows), len(rows), offset=1)
    return (rows @ rows.T)[upper[0], upper[1]].cpu().numpy()


PLOTS: tuple[tuple[str, str, Callable[..., None]], ...] = (
    (
        "Cosines",
        "Two embeddings of an isotropic cloud are nearly orthogonal. A hill far to the right is a cone: every text "
        "looks like every other.",
        plot_cosines,
    ),
    (
        "Spectrum",
        "An isotropic cloud has the same variance in all directions. A steep start means that few directions dominate, "
        "a steep end that some are unused.",
        plot_spectrum,
    ),
    (
        "Hubs",
        "How many lists of ten nearest neighbors a text is in. A long tail is hubs, which crowd searches; a tall "
        "column at 0 is texts that no search finds.",
        plot_occurrences,
    ),
    (
        "Barcode",
        "Each bar ends where a group of texts merges with another. Even bars are high persistent entropy; a few long "
        "ones separate clusters, and bars near zero are near-duplicates.",
        plot_barcode,
    ),
    (
        "Coordinates",
        "A coordinate far above the others is a rogue dimension: cosines mostly measure it.",
        plot_coordinates,
    ),
    (
        "Projection",
        "The two directions of largest variance. Separate islands are clusters, often topics. The texts in most lists "
        "of ten nearest are orange: hubs.",
        plot_projection,
    ),
)
