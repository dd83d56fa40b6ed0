"""An improvement as plain text, for a terminal."""

from collections import Counter

from st_isotropy.diagnosis.diagnosis import format_value
from st_isotropy.diagnosis.table import align_columns
from st_isotropy.improve.candidates import AS_IT_IS
from st_isotropy.improve.improvement import CandidateResult, Improvement
from st_isotropy.improve.verdict import format_gain, state_seen


def format_improvement(improvement: Improvement) -> str:
    """Lay out every candidate, what each fold chose, and isotropy before and after."""
    codes = list(improvement.candidates[0].codes)
    header = ("candidate", *improvement.measures, *codes, f"gain in {improvement.measures[0]}, 95 %")
    first = AS_IT_IS if improvement.dimensions is None else f"first {improvement.dimensions} dimensions"
    rows = [header, *(_cells(row, first if row.name == AS_IT_IS else row.name) for row in improvement.candidates)]
    lines = align_columns(rows, "<" + ">" * (len(header) - 2) + "<")
    gain = improvement.gain
    lines += [
        f"Gains are paired, on {gain.n:,} held-out items in five folds; the interval speaks about {gain.estimand}.",
        "Only the last line is an honest choice among all candidates.",
        "",
        "What each fold chose",
    ]
    lines += [f"  {count} × {name}" for name, count in Counter(improvement.fold_choices).most_common()]
    if improvement.choice.adapter is not None:
        lines.append(f"The adapter for all of the data: {improvement.choice.adapter}.")
    if improvement.seen is not None:
        lines.append(state_seen(improvement.seen))
    lines += ["", "Isotropy"]
    measured = [
        (name, format_value(before.value), format_value(improvement.isotropy_after[name].value))
        for name, before in improvement.isotropy_before.items()
    ]
    lines += align_columns([("", "before", "after"), *measured], "<>>")
    return "\n".join(line.rstrip() for line in lines)


def _cells(row: CandidateResult, name: str) -> tuple[str, ...]:
    scores = (*row.scores, *row.codes.values())
    return (name, *(f"{100 * score:.1f}" for score in scores), format_gain(row.gains[0]) if row.gains else "")
