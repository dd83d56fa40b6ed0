"""What the documentation shows of `st-isotropy improve`: each way on real data, and how often luck is offered."""

from collections.abc import Callable
from functools import partial

from evaluation.documentation.results import RESULTS
from evaluation.files import read_json, read_record
from evaluation.improvements.answers import answers
from evaluation.improvements.choice_calibration import Calibration, calibration_table
from evaluation.improvements.records import Evidence
from evaluation.improvements.table import READING, gains_table, geometry_table, questions_table
from evaluation.report.markdown import markdown_table
from evaluation.report.tables import Table

FOLDER = RESULTS / "improve"
EVIDENCE = FOLDER / "improvements.json"
CALIBRATION = FOLDER / "calibration.json"
NOTHING = "*Not measured yet.*"


def _gains() -> str:
    lines = _table(gains_table)
    return NOTHING if lines is None else "\n".join([*lines, READING])


def _answers() -> str:
    if not EVIDENCE.exists():
        return NOTHING
    return "\n".join(f"- {sentence}" for sentence in answers(read_record(EVIDENCE, Evidence)))


def _shown(table: Callable[[Evidence], Table]) -> str:
    lines = _table(table)
    return NOTHING if lines is None else "\n".join(lines)


def _table(table: Callable[[Evidence], Table]) -> list[str] | None:
    return markdown_table(table(read_record(EVIDENCE, Evidence))) if EVIDENCE.exists() else None


def _calibration() -> str:
    if not CALIBRATION.exists():
        return NOTHING
    return calibration_table(Calibration(**row) for row in read_json(CALIBRATION, list))


IMPROVEMENTS: dict[str, Callable[[], str]] = {
    "improve-answers": _answers,
    "improve-gains": _gains,
    "improve-questions": partial(_shown, questions_table),
    "improve-geometry": partial(_shown, geometry_table),
    "improve-calibration": _calibration,
}
