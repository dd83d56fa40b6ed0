"""What was found as tables: gains over the embeddings as they are, and arms beside each other."""

from collections.abc import Iterable

from evaluation.improvements.arms import ABSOLUTE, COSENT, IN_BATCH, from_isotropic, from_plain
from evaluation.improvements.records import ArmResult, Cell, Evidence
from evaluation.report.markdown import markdown_table
from evaluation.report.tables import Table
from evaluation.report.wording import number
from st_isotropy.improve import Gain
from st_isotropy.improve.adapter import AS_IT_IS
from st_isotropy.improve.selection import CHOSEN, CHOSEN_TRANSFORM

END_MARK = " ‡"
READING = (
    "Score × 100 of held-out queries or pairs with the embeddings as they are (nDCG@10; Spearman for scored pairs), "
    "and paired gains with 95 % intervals over new queries to this corpus or new pairs. Bold: the interval is above 0."
    f"{END_MARK}: most folds chose the lowest or the highest rate that was tried, so that more may be possible."
)
_GAINS = {
    "transform alone": (CHOSEN_TRANSFORM,),
    "adapter": (from_plain(IN_BATCH), from_plain(COSENT)),
    "adapter, absolute entropy": (from_plain(ABSOLUTE),),
    "transform, adapter": (from_isotropic(IN_BATCH), from_isotropic(COSENT)),
    "transform, adapter, absolute entropy": (from_isotropic(ABSOLUTE),),
    "chosen among all": (CHOSEN,),
}


def improvements_tables(evidence: Evidence) -> str:
    """Write all tables as Markdown."""
    tables = (gains_table(evidence), questions_table(evidence), geometry_table(evidence))
    return "\n".join(line for table in tables for line in markdown_table(table))


def gains_table(evidence: Evidence) -> Table:
    """What each way gains: models and data down, ways across."""
    groups: dict[str, list[list[str]]] = {}
    for cell in evidence.cells:
        row = [cell.model, number(100 * _arm(cell, (AS_IT_IS,))[0].score, 1)]
        row += ["".join(_gain_cell(arm) for arm in _arm(cell, names)) or "—" for names in _GAINS.values()]
        groups.setdefault(f"{cell.data}, {cell.items:,} {_items(cell)}", []).append(row)
    return Table(["", AS_IT_IS, *_GAINS], groups)


def questions_table(evidence: Evidence) -> Table:
    """Arms beside each other: one question a group."""
    groups: dict[str, list[list[str]]] = {}
    for cell in evidence.cells:
        for pair in cell.pairs:
            title = f"{pair.after}, beside {pair.before}"
            groups.setdefault(title, []).append([cell.model, cell.data, state_gain(pair.gain)])
    return Table(["", "data", "gain"], groups, words=(0, 1))


def geometry_table(evidence: Evidence) -> Table:
    """Mean cosine, IsoScore and the score of one-bit codes, before and after."""
    groups: dict[str, list[list[str]]] = {}
    shown = (AS_IT_IS, CHOSEN_TRANSFORM, from_plain(IN_BATCH), from_plain(COSENT), from_plain(ABSOLUTE), CHOSEN)
    for cell in evidence.cells:
        for arm in _arm(cell, shown):
            measures = [number(arm.isotropy[name], 2) for name in ("average_cosine", "isoscore")]
            scores = [number(100 * score, 1) for score in (arm.score, arm.one_bit)]
            groups.setdefault(f"{cell.model}, {cell.data}", []).append([arm.name, *measures, *scores])
    return Table(["", "mean cosine", "IsoScore", "score", "score of one-bit codes"], groups)


def state_gain(gain: Gain) -> str:
    """A gain × 100 with its interval."""
    estimate = number(100 * gain.estimate, 1, sign=True)
    if gain.low is None or gain.high is None:
        return estimate
    return f"{estimate} [{number(100 * gain.low, 1, sign=True)}, {number(100 * gain.high, 1, sign=True)}]"


def _gain_cell(arm: ArmResult) -> str:
    assert arm.gain is not None
    text = state_gain(arm.gain)
    text = f"**{text}**" if arm.gain.is_proven else text
    return text + END_MARK * (2 * arm.at_end > len(arm.chosen))


def _arm(cell: Cell, names: Iterable[str]) -> list[ArmResult]:
    by_name = {arm.name: arm for arm in cell.arms}
    return [by_name[name] for name in names if name in by_name]


def _items(cell: Cell) -> str:
    return "pairs" if cell.measure == "Spearman" else "queries"
