"""What was found, in one line, and in a paragraph for a model card."""

from collections.abc import Sequence

from st_isotropy.improve.candidates import AS_IT_IS
from st_isotropy.improve.improvement import Improvement, SeenDocuments
from st_isotropy.improve.intervals import Gain


def state_verdict(improvement: Improvement, source: str, saved: str | None) -> str:
    """Say in one line what helps and by how much, or that nothing does.

    Args:
        improvement: What was found.
        source: The model, as the user named it.
        saved: Where it was saved; None where it was not.

    Examples:
        >>> import numpy as np, torch
        >>> from st_isotropy.improve import Judgment, SearchTask, improve
        >>> rows = torch.eye(30)
        >>> answers = tuple(Judgment({row: 1.0}) for row in range(30))
        >>> names = [f"query {row}" for row in range(30)]
        >>> task = SearchTask(rows, rows, answers, "cosine", np.arange(30), names)
        >>> improvement = improve(task, candidates=["Center"])
        >>> line = state_verdict(improvement, "my-model", None)
        >>> line.partition(".")[0]
        'Nothing is proven better: keep my-model'
    """
    measure = improvement.measures[0]
    place = f"; saved in {saved}" if saved else ""
    if improvement.is_proven:
        gain = format_gain(improvement.gain)
        return (
            f"{improvement.choice.name}{_kept(improvement)}: {measure} {gain} on held-out {_items(improvement)}{place}"
        )
    kept = source if improvement.dimensions is None else f"the first {improvement.dimensions} dimensions of {source}"
    best = improvement.best
    if best is None:
        return f"Nothing is better: keep {kept}. Nothing else was tried{place}"
    if improvement.choice.name == AS_IT_IS or improvement.gain.estimate <= 0:
        shown = f"The best candidate, {best.name}, gave {format_gain(best.gains[0])}"
    else:
        shown = f"The honest choice gave {format_gain(improvement.gain)}"
    return f"Nothing is proven better: keep {kept}. {shown} {measure}{place}"


def state_seen(seen: SeenDocuments) -> str:
    """Say whether the gain may be that of knowing the documents of the training queries."""
    if seen.share == 1:
        return "Every held-out query asks for a document that a training query had."
    return (
        f"{seen.share:.0%} of held-out queries ask for a document that a training query had; gain for the others: "
        f"{format_gain(seen.others)}."
    )


def format_gain(gain: Gain) -> str:
    """Write a gain in points with its interval, as `+12.1 [+7.6, +16.5]`."""
    if gain.low is None or gain.high is None:
        return f"{_points(gain.estimate)} ({gain.method})"
    return f"{_points(gain.estimate)} [{_points(gain.low)}, {_points(gain.high)}]"


def describe(improvement: Improvement, source: str, data: Sequence[str]) -> str:
    """Say in Markdown what was done, on which data, with which result, for the card of what is saved."""
    measures = ", ".join(improvement.measures)
    as_it_is = next(row for row in improvement.candidates if row.name == AS_IT_IS)
    scores = as_it_is.scores, improvement.candidates[-1].scores
    trained = improvement.choice.adapter
    settings = f" ({trained})" if trained is not None and trained.title == improvement.choice.name else ""
    before, after = (", ".join(f"{100 * score:.1f}" for score in row) for row in scores)
    return "\n".join(
        [
            "## Improved with st-isotropy",
            "",
            f"To the embeddings of {source} this was added: {improvement.choice.name}{settings}. It was fitted to "
            f"{', '.join(data)}.",
            "",
            f"In {measures}, the model as it is scored {before}, and the choice that led here {after}, on "
            f"{improvement.items:,} {_items(improvement)} in five folds, each held out from the choice and from the "
            f"training. {_gain_sentence(improvement)} What is saved here was then fitted to all of the data.",
        ]
    )


def _gain_sentence(improvement: Improvement) -> str:
    gain = improvement.gain
    shown = f"The gain in {improvement.measures[0]} is {format_gain(gain)}"
    interval = "" if gain.low is None else f", a 95 % interval for {gain.estimand} ({gain.method})"
    unproven = "" if improvement.is_proven else " It is not proven to be above 0; saving was asked for."
    return f"{shown}{interval}.{unproven}"


def _kept(improvement: Improvement) -> str:
    return "" if improvement.dimensions is None else f" to {improvement.dimensions} dimensions"


def _items(improvement: Improvement) -> str:
    return "pairs" if improvement.measures == ("Spearman",) else "queries"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")
