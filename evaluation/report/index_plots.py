"""The plots of FAISS indexes: quality against search effort and against size."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from evaluation.measured import CurvePoint, IndexQuality
from evaluation.report.plots import Look, Plot, label_text, looks
from evaluation.report.summary import Section
from st_isotropy.svg import MUTED

Point = CurvePoint | IndexQuality
SHARES = (("recall_at_10", "recall@10"), ("ndcg_at_10", "nDCG@10"))


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
        style = (0, (4, 3)) if look.dashed else "-"
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
    """Write the names above the columns of marks; indexes of nearly the same size share a column."""
    columns: list[tuple[float, list[str]]] = []
    for point in sorted(points, key=lambda point: getattr(point, x)):
        if columns and getattr(point, x) < 1.25 * columns[-1][0]:
            columns[-1][1].append(point.name)
        else:
            columns.append((getattr(point, x), [point.name]))
    for place, names in columns:
        text = ", ".join(names)
        axes.annotate(
            label_text(text),
            (place, 1.02),
            xycoords=("data", "axes fraction"),
            rotation=40,
            fontsize=8.5,
            color=MUTED,
            va="bottom",
        )
