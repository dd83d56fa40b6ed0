"""The plots of a section: what each shows, in a drawing and in words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from evaluation.measured import CurvePoint, Histogram, IndexQuality
from evaluation.report.compared_pairs import common_old, compared_pairs
from evaluation.report.headline import GROUP_TITLES
from evaluation.report.measure_names import LOWER_IS_MORE_ISOTROPIC, measure_name
from evaluation.report.summary import GROUPS, Candidate, Finding, Section
from evaluation.report.tables import weight_text
from evaluation.report.wording import difference, shortened, significant
from st_isotropy.svg import FINE, INK, LINE, MUTED, OURS, REFERENCE, SERIES, STRONG

MARKERS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼"}  # as drawn, and as written in the legend
OUTCOME_COLORS = {"better": FINE, "worse": STRONG, "no difference found": MUTED, "undecided": MUTED}
LONGEST = 26  # characters of a name in a plot; tables have it in full
SMALL = (3.6, 2.5)
Point = CurvePoint | IndexQuality
SHARES = (("recall_at_10", "recall@10"), ("ndcg_at_10", "nDCG@10"))


@dataclass(frozen=True)
class Plot:
    """One plot.

    Attributes:
        title: A few words.
        caption: How to read it.
        alternative: What it shows, in words and numbers.
        paint: Draws it.
        size: Width and height in inches.
    """

    title: str
    caption: str
    alternative: str
    paint: Callable[[Axes], None]
    size: tuple[float, float] = (4.8, 3.2)


@dataclass(frozen=True)
class Look:
    """How a variant is drawn in every plot of its section."""

    color: str
    marker: str
    dashed: bool = False


def looks(section: Section) -> dict[str, Look]:
    """Colors and markers of the variants: what all are compared with in ink, what is compared with nothing in gray."""
    compared, found = {new for new, _ in compared_pairs(section).values()}, {}
    markers = list(MARKERS)
    for variant in section.variants:
        if variant in compared:
            place = sum(each.color in SERIES for each in found.values())
            # Colors and markers have cycles of 8 and 5, so that the first 40 variants differ in one of them.
            found[variant] = Look(SERIES[place % len(SERIES)], markers[place % len(markers)])
        else:
            is_old = any(old == variant for _, old in compared_pairs(section).values())
            found[variant] = Look(INK if is_old else MUTED, "o", dashed=not is_old)
    return found


def forest_plots(section: Section) -> Iterator[Plot]:
    """Differences with their intervals, a plot for each group of measures."""
    findings, old = section.findings(), common_old(section)
    for group in GROUPS:
        found = [finding for finding in findings if finding.group == group]
        if not found:
            continue
        measures = list(dict.fromkeys(finding.measure for finding in found))
        labels = [_forest_label(section, finding, len(measures) > 1) for finding in found]
        estimands = list(dict.fromkeys(f.comparison.estimand for f in found if f.comparison.low is not None))
        yield Plot(
            GROUP_TITLES[group],
            f"{measures[0] if len(measures) == 1 else 'Each measure'}: difference {f'from {old}' if old else ''}"
            f"{f', with 95 % intervals for {estimands[0]}' if estimands else ''}. Hollow: none found or undecided.",
            "; ".join(
                f"{label}: {f.outcome}, {difference(f.comparison)}" for label, f in zip(labels, found, strict=True)
            ),
            partial(_paint_forest, found=found, labels=labels),
            (4.8, 0.75 + 0.27 * len(found)),
        )


def _forest_label(section: Section, finding: Finding, several_measures: bool) -> str:
    pairs = compared_pairs(section)
    pair = finding.pair if common_old(section) is None else pairs[finding.pair][0]
    if not several_measures:
        return pair
    return finding.measure if len(pairs) == 1 else f"{pair}: {finding.measure}"


def _paint_forest(axes: Axes, found: list[Finding], labels: list[str]) -> None:
    axes.axvline(0, color=LINE, linewidth=1.4)
    for place, finding in enumerate(found):
        comparison, color = finding.comparison, OUTCOME_COLORS[finding.outcome]
        if comparison.low is not None and comparison.high is not None:
            axes.plot([comparison.low, comparison.high], [place, place], color=color, linewidth=2.2)
        decided = finding.outcome in ("better", "worse")
        axes.plot(comparison.estimate, place, "o", color=color, markersize=6, fillstyle="full" if decided else "none")
    axes.set_yticks(range(len(found)), [_label(label) for label in labels])
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    unit = "difference" if found[0].group == "isotropy" else "difference in points"
    directions = {finding.greater_is_better for finding in found}
    if len(directions) == 1:
        unit += " (better →)" if directions.pop() else " (← better)"
    axes.set_xlabel(unit)


def dose_plots(section: Section) -> Iterator[Plot]:
    """Change of the validation score against change of isotropy, over everything that was tried."""
    base = {each.learning_rate: each for each in section.tuning if each.variant == "none"}
    tried = [each for each in section.tuning if each.variant != "none" and each.learning_rate in base]
    for measure in dict.fromkeys(measure for each in tried for measure in each.isotropy):
        points = [
            (
                each,
                fmean(each.isotropy[measure]) - fmean(base[each.learning_rate].isotropy[measure]),
                fmean(each.scores) - fmean(base[each.learning_rate].scores),
            )
            for each in tried
            if measure in each.isotropy and measure in base[each.learning_rate].isotropy
        ]
        shown = measure_name(measure)
        towards = "← more isotropic" if measure in LOWER_IS_MORE_ISOTROPIC else "more isotropic →"
        yield Plot(
            f"{shown} and the validation score",
            "One mark for each weight and learning rate that was tried: the change from no regularizer at the same "
            "learning rate. Rings are the chosen settings.",
            "; ".join(
                f"{e.variant} {weight_text(e.weight)} at {e.learning_rate:g}: {significant(x, sign=True)} in {shown}, "
                f"{significant(y, sign=True)} points"
                for e, x, y in points
            ),
            partial(_paint_dose, points=points, looks=looks(section), label=f"change of {_label(shown)} ({towards})"),
            (4.8, 3.6),
        )


def _paint_dose(axes: Axes, points: list[tuple[Candidate, float, float]], looks: dict[str, Look], label: str) -> None:
    axes.axhline(0, color=LINE, linewidth=1.2)
    axes.axvline(0, color=LINE, linewidth=1.2)
    for candidate, x, y in points:
        look = looks.get(candidate.variant, Look(MUTED, "o"))
        axes.plot(x, y, look.marker, color=look.color, markersize=5, alpha=0.85, linewidth=0)
        if candidate.chosen:
            axes.plot(x, y, "o", color=INK, markersize=11, fillstyle="none")
    axes.set(xlabel=label, ylabel="change of the score (points)")


def tuning_plots(section: Section) -> Iterator[Plot]:
    """The validation score over the weights, a line for each learning rate, a plot for each regularizer."""
    scores = [score for each in section.tuning for score in each.scores]
    limits = (min(scores), max(scores)) if scores else (0.0, 1.0)
    base = next((fmean(each.scores) for each in section.tuning if each.variant == "none" and each.chosen), None)
    for variant in dict.fromkeys(each.variant for each in section.tuning):
        tried = [each for each in section.tuning if each.variant == variant]
        if len({each.weight for each in tried}) < 2:
            continue
        chosen = [each for each in tried if each.chosen]
        yield Plot(
            variant,
            "Validation score over the weight. "
            + "".join(f"Chosen: weight {weight_text(e.weight)} at {e.learning_rate:g}." for e in chosen),
            "; ".join(
                f"weight {weight_text(e.weight)} at {e.learning_rate:g}: {significant(fmean(e.scores), 4)}"
                for e in tried
            ),
            partial(_paint_tuning, tried=tried, base=base, limits=limits),
            SMALL,
        )


def _paint_tuning(axes: Axes, tried: list[Candidate], base: float | None, limits: tuple[float, float]) -> None:
    weights = list(dict.fromkeys(each.weight for each in tried))
    if base is not None:
        axes.axhline(base, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), label="none")
    for place, rate in enumerate(dict.fromkeys(each.learning_rate for each in tried)):
        color = SERIES[place % len(SERIES)]
        line = [each for each in tried if each.learning_rate == rate]
        x = [weights.index(each.weight) for each in line]
        axes.plot(x, [fmean(each.scores) for each in line], "o-", color=color, markersize=4, label=f"{rate:g}")
        for each in line:
            axes.plot([weights.index(each.weight)] * len(each.scores), each.scores, "_", color=color, alpha=0.6)
            if each.chosen:
                axes.plot(
                    weights.index(each.weight), fmean(each.scores), "o", color=INK, markersize=11, fillstyle="none"
                )
    margin = 0.06 * (limits[1] - limits[0])
    axes.set_ylim(limits[0] - margin, limits[1] + margin)  # the same for all regularizers
    axes.set_xticks(range(len(weights)), [_label(weight_text(weight)) for weight in weights])
    axes.set(xlabel="weight", ylabel="score")
    _legend(axes)


def effort_plots(section: Section, task: str) -> Iterator[Plot]:
    """Recall and nDCG@10 against the distances computed for a query, a pair of plots for each kind of index."""
    curves = {variant: tasks.get(task, []) for variant, tasks in section.curves.items()}
    for index in dict.fromkeys(point.name for points in curves.values() for point in points):
        own = {v: [point for point in points if point.name == index] for v, points in curves.items()}
        for key, share in SHARES:
            yield Plot(
                f"{index}: {share}",
                f"{share} against the documents compared with a query. Higher and further left is better.",
                _ends(own, key, share, "distances_per_query", "distances"),
                partial(_paint_shares, own=own, x="distances_per_query", y=key, joined=True, looks=looks(section)),
            )


def size_plots(section: Section, task: str) -> Iterator[Plot]:
    """Recall and nDCG@10 against the bytes that an index takes for a vector."""
    points = {variant: tasks.get(task, []) for variant, tasks in section.indexes.items()}
    for key, share in SHARES:
        yield Plot(
            f"{share} and size",
            f"{share} of each index against its size. Higher and further left is better.",
            _ends(points, key, share, "bytes_per_vector", "bytes"),
            partial(_paint_shares, own=points, x="bytes_per_vector", y=key, joined=False, looks=looks(section)),
            (4.8, 3.8),
        )


def _ends(own: Mapping[str, Sequence[Point]], y: str, share: str, x: str, unit: str) -> str:
    """For each variant, the first and the last point on the way to more of x."""
    said = []
    for variant, points in own.items():
        ordered = sorted(points, key=lambda point: getattr(point, x))
        if ordered:
            ends = [(getattr(point, x), getattr(point, y)) for point in (ordered[0], ordered[-1])]
            first, last = (f"{100 * gained:.1f} % at {spent:.0f} {unit}" for spent, gained in ends)
            said.append(f"{variant}: {share} {first} to {last}")
    return "; ".join(said)


def _paint_shares(
    axes: Axes, own: Mapping[str, Sequence[Point]], x: str, y: str, joined: bool, looks: dict[str, Look]
) -> None:
    for variant, points in own.items():
        look = looks.get(variant, Look(MUTED, "o"))
        ordered = sorted(points, key=lambda point: getattr(point, x))
        style: Any = (0, (4, 3)) if look.dashed else "-"
        axes.plot(
            [getattr(point, x) for point in ordered],
            [100 * getattr(point, y) for point in ordered],
            color=look.color,
            marker=look.marker,
            markersize=4 if joined else 6,
            fillstyle="none" if look.dashed else "full",
            linestyle=style if joined else "",
            linewidth=1.4,
        )
    places = [getattr(point, x) for points in own.values() for point in points]
    if max(places) > 5 * min(places) > 0:  # a narrower range would have no tick
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    unit = "distances per query" if joined else "bytes per vector"
    axes.set(xlabel=unit, ylabel="nDCG@10 (points)" if y == "ndcg_at_10" else "recall@10 (%)")
    if not joined:
        _name_indexes(axes, next(iter(own.values())), x)


def _name_indexes(axes: Axes, points: Sequence[Point], x: str) -> None:
    """Write the names above the columns of marks; names of nearly the same size share a column."""
    columns: list[tuple[float, list[str]]] = []
    for point in sorted(points, key=lambda point: getattr(point, x)):
        if columns and getattr(point, x) < 1.25 * columns[-1][0]:
            columns[-1][1].append(point.name)
        else:
            columns.append((getattr(point, x), [point.name]))
    for place, names in columns:
        text = ", ".join(names)
        axes.annotate(
            _label(text),
            (place, 1.02),
            xycoords=("data", "axes fraction"),
            rotation=40,
            fontsize=8.5,
            color=MUTED,
            va="bottom",
        )


def cosine_plots(section: Section) -> Iterator[Plot]:
    """Histograms of the cosines of pairs of embeddings, before and after."""
    for new, old in _before_and_after(section):
        both = {name: section.distributions[name].cosines for name in (old, new)}
        means = {name: _mean_cosine(each) for name, each in both.items()}
        yield Plot(
            new,
            f"Cosines of two embeddings: {_short(new)} filled, {_short(old)} as a line.",
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
            f"H0 barcode, longest bars first: {_short(new)} filled, {_short(old)} as a line.",
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
    """Each pair of which both have distributions, and before them plain training compared with the start model."""
    have = [variant for variant in section.variants if variant in section.distributions]
    olds = {old for _, old in compared_pairs(section).values()}
    from_start = [(old, section.variants[0]) for old in section.variants[1:] if old in olds]
    for new, old in [*from_start, *compared_pairs(section).values()]:
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
    axes.set(xlabel="step", ylabel=_label(term.replace("_", " ")))


def _short(name: str) -> str:
    return shortened(name, LONGEST)


def _label(name: str) -> str:
    """A name that leaves room for the plot and is not taken for a formula."""
    return _short(name).replace("$", r"\$")


def _legend(axes: Axes) -> None:
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, fontsize=8.5, handlelength=1.3, columnspacing=1)
