"""The plots of a section, drawn and described in words: verdicts, clouds before and after, training."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes

from evaluation.measured import Histogram
from evaluation.report.grid_ends import AT_AN_END
from evaluation.report.headline import GROUP_TITLES
from evaluation.report.measures import GROUPS
from evaluation.report.summary import Finding, Section
from evaluation.report.wording import difference, significant
from st_isotropy.svg import FINE, INK, LINE, MUTED, OURS, REFERENCE, SERIES, STRONG

MARKERS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼"}  # as drawn, and as written in the legend
OUTCOME_COLORS = {"better": FINE, "worse": STRONG, "no difference found": MUTED, "undecided": MUTED, AT_AN_END: MUTED}
LONGEST, MOST_LINES = 26, 4  # characters and lines of a name beside an axis
SMALL = (3.6, 2.5)


@dataclass(frozen=True)
class Plot:
    """One plot.

    Attributes:
        title: A few words.
        caption: How to read it.
        alternative: What it shows, in words and numbers.
        paint: Draws it.
        size: Width and height in inches.
        panels: How many axes it draws on, one below the other.
    """

    title: str
    caption: str
    alternative: str
    paint: Callable[..., None]
    size: tuple[float, float] = (4.8, 3.2)
    panels: int = 1


@dataclass(frozen=True)
class Look:
    """How a variant is drawn in every plot of its section."""

    color: str
    marker: str
    dashed: bool = False


def looks(section: Section) -> dict[str, Look]:
    """Colors and markers of the variants: the reference in ink, variants that are not compared in gray."""
    compared, found = {pair.new for pair in section.pairs}, {}
    olds = {pair.old for pair in section.pairs}
    markers = list(MARKERS)
    for variant in section.variants:
        if variant in compared:
            place = sum(look.color in SERIES for look in found.values())
            # Colors and markers have cycles of 8 and 5, so that the first 40 variants differ in one of them.
            found[variant] = Look(SERIES[place % len(SERIES)], markers[place % len(markers)])
        else:
            found[variant] = Look(INK if variant in olds else MUTED, "o", dashed=variant not in olds)
    return found


def forest_plots(section: Section) -> Iterator[Plot]:
    """Differences with their intervals, a plot for each group of measures."""
    findings, old = section.findings(), section.reference
    for group in GROUPS:
        found = [finding for finding in findings if finding.measure.group == group]
        if not found:
            continue
        measures = list(dict.fromkeys(finding.measure.name for finding in found))
        labels = [_forest_label(section, finding, len(measures) > 1) for finding in found]
        scopes = list(dict.fromkeys(f.scope for f in found if f.comparison.low is not None))
        yield Plot(
            GROUP_TITLES[group],
            f"{measures[0] if len(measures) == 1 else 'Each measure'}: difference{f' from {old}' if old else ''}"
            f"{f', with 95 % intervals for {scopes[0]}' if scopes else ''}. Hollow: none found, undecided, or "
            "at an end of a grid.",
            "; ".join(
                f"{label}: {f.outcome}, {difference(f.comparison)}" for label, f in zip(labels, found, strict=True)
            ),
            partial(_paint_forest, found=found, labels=labels),
            (4.8, 0.75 + (0.1 + 0.17 * max(label_text(label).count("\n") + 1 for label in labels)) * len(found)),
        )


def _forest_label(section: Section, finding: Finding, several_measures: bool) -> str:
    pair = finding.pair.name if section.reference is None else finding.pair.new
    if not several_measures:
        return pair
    return finding.measure.name if len(section.pairs) == 1 else f"{pair}: {finding.measure.name}"


def _paint_forest(axes: Axes, found: list[Finding], labels: list[str]) -> None:
    axes.axvline(0, color=LINE, linewidth=1.4)
    for place, finding in enumerate(found):
        comparison, color = finding.comparison, OUTCOME_COLORS[finding.outcome]
        if comparison.low is not None and comparison.high is not None:
            axes.plot([comparison.low, comparison.high], [place, place], color=color, linewidth=2.2)
        decided = finding.outcome in ("better", "worse")
        axes.plot(comparison.estimate, place, "o", color=color, markersize=6, fillstyle="full" if decided else "none")
    axes.set_yticks(range(len(found)), [label_text(label) for label in labels])
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    unit = "difference" if found[0].measure.group == "isotropy" else "difference in points"
    directions = {finding.measure.greater_is_better for finding in found}
    if len(directions) == 1:
        unit += " (better →)" if directions.pop() else " (← better)"
    axes.set_xlabel(unit)


def cosine_plots(section: Section) -> Iterator[Plot]:
    """Histograms of the cosines of pairs of embeddings, before and after."""
    for new, old in _before_and_after(section):
        both = {name: section.distributions[name].cosines for name in (old, new)}
        means = {name: _mean_cosine(cosines) for name, cosines in both.items()}
        yield Plot(
            new,
            f"Cosines of two embeddings: {new} filled, {old} as a line.",
            "; ".join(f"{name}: mean cosine {mean:.2f}" for name, mean in means.items()),
            partial(_paint_cosines, new=both[new], old=both[old]),
            SMALL,
        )


def _mean_cosine(cosines: Histogram) -> float:
    edges = np.asarray(cosines.edges)
    return float(np.average((edges[1:] + edges[:-1]) / 2, weights=cosines.counts))


def _paint_cosines(axes: Axes, new: Histogram, old: Histogram) -> None:
    for cosines, filled in ((new, True), (old, False)):
        share = np.asarray(cosines.counts) / np.sum(cosines.counts) / np.diff(cosines.edges)
        color = OURS if filled else REFERENCE
        axes.stairs(share, cosines.edges, fill=filled, color=color, alpha=0.75 if filled else 1, linewidth=1.6)
    axes.set(xlabel="cosine", yticks=[])
    axes.spines["left"].set_visible(False)


def barcode_plots(section: Section) -> Iterator[Plot]:
    """H0 barcodes by length, before and after."""
    for new, old in _before_and_after(section):
        both = {name: np.sort(section.distributions[name].bars)[::-1] for name in (old, new)}
        yield Plot(
            new,
            f"H0 barcode, longest bars first: {new} filled, {old} as a line.",
            "; ".join(f"{name}: median bar {significant(float(np.median(bars)))}" for name, bars in both.items()),
            partial(_paint_barcodes, new=both[new], old=both[old]),
            SMALL,
        )


def _paint_barcodes(axes: Axes, new: np.ndarray, old: np.ndarray) -> None:
    axes.fill_betweenx(np.linspace(0, 100, len(new)), 0, new, color=OURS, alpha=0.75, linewidth=0)
    axes.plot(old, np.linspace(0, 100, len(old)), color=REFERENCE, linewidth=1.6)
    axes.set(xlabel="scale at which a component merges", ylabel="bars (%)", xlim=(0, None))
    axes.invert_yaxis()


def _before_and_after(section: Section) -> Iterator[tuple[str, str]]:
    """Each pair in which both variants have distributions; plain training beside the start model comes first."""
    have = [variant for variant in section.variants if variant in section.distributions]
    olds = {pair.old for pair in section.pairs}
    from_start = [(old, section.variants[0]) for old in section.variants[1:] if old in olds]
    for new, old in [*from_start, *((pair.new, pair.old) for pair in section.pairs)]:
        if new in have and old in have:
            yield new, old


def training_plots(section: Section) -> Iterator[Plot]:
    """The logged terms of the loss over the steps, of the first run of each variant."""
    for term in dict.fromkeys(term for terms in section.training.values() for term in terms):
        lines = {variant: terms[term] for variant, terms in section.training.items() if terms.get(term)}
        yield Plot(
            term.replace("_", " "),
            "Logged during training, first run of each variant.",
            "; ".join(
                f"{v}: from {significant(line[0][1])} to {significant(line[-1][1])}" for v, line in lines.items()
            ),
            partial(_paint_training, lines=lines, looks=looks(section), term=term),
        )


def _paint_training(axes: Axes, lines: dict[str, list[tuple[float, float]]], looks: dict[str, Look], term: str) -> None:
    for variant, line in lines.items():
        look = looks.get(variant, Look(MUTED, "o"))
        axes.plot(
            *np.transpose(line), color=look.color, linewidth=1.5, marker=look.marker, markevery=0.25, markersize=4
        )
    axes.set(xlabel="step", ylabel=label_text(term.replace("_", " ")))


def label_text(name: str) -> str:
    """A name beside an axis in lines that leave room for the plot, escaped so that matplotlib reads no formula."""
    return fill(name, LONGEST, max_lines=MOST_LINES, placeholder="…").replace("$", r"\$")
