"""What the cells say together, in sentences: counts of intervals above and below 0."""

from collections.abc import Iterable, Iterator

from evaluation.errors import counted
from evaluation.improvements.arms import COSENT, IN_BATCH, QUESTIONS, from_plain
from evaluation.improvements.records import Evidence
from st_isotropy.improve import Gain
from st_isotropy.improve.selection import CHOSEN, CHOSEN_TRANSFORM

_ALONE = {
    "Geometry alone, the chosen transform without labels,": (CHOSEN_TRANSFORM,),
    "The adapter from the embeddings as they are, with in-batch negatives or CoSENT,": (
        from_plain(IN_BATCH),
        from_plain(COSENT),
    ),
    "The honest choice among all": (CHOSEN,),
}


def answers(evidence: Evidence) -> Iterator[str]:
    """Say how often each way helps, and how often one is better than another."""
    for what, names in _ALONE.items():
        yield _tally(what, [arm.gain for cell in evidence.cells for arm in cell.arms if arm.name in names and arm.gain])
    for what, asked in QUESTIONS.items():
        pairs = (pair for cell in evidence.cells for pair in cell.pairs)
        yield _tally(what, [pair.gain for pair in pairs if (pair.after, pair.before) in asked])


def _tally(what: str, gains: Iterable[Gain]) -> str:
    found = list(gains)
    above = sum(gain.is_proven for gain in found)
    below = sum(gain.high is not None and gain.high < 0 for gain in found)
    return (
        f"{what} is better in {above} of {counted(len(found), 'comparison')}, worse in {below}, and no difference is "
        f"found in {len(found) - above - below}."
    )
