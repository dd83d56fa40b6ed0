"""What the documentation shows of `st-isotropy improve`: each way on real data, and how often luck is offered."""

from collections.abc import Callable
from functools import lru_cache, partial

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


@lru_cache
def _evidence() -> Evidence:
    return read_record(EVIDENCE, Evidence)


def _answers() -> str:
    return "\n".join(f"- {sentence}" for sentence in answers(_evidence()))


def _gains() -> str:
    """The gains in two tables that are narrow enough for a page."""
    table = gains_table(_evidence())
    absolute = [column for column, name in enumerate(table.headers) if name.endswith("absolute entropy")]
    others = [column for column in range(len(table.headers)) if column not in absolute]
    return "\n".join(
        [
            *[*markdown_table(table.only(others)), READING, ""],
            *["With alignment and absolute entropy in place of in-batch negatives:", ""],
            *markdown_table(table.only([0, *absolute])),
        ]
    )


def _shown(table: Callable[[Evidence], Table]) -> str:
    return "\n".join(markdown_table(table(_evidence())))


def _calibration() -> str:
    return calibration_table(Calibration(**row) for row in read_json(CALIBRATION, list))


IMPROVEMENTS: dict[str, Callable[[], str]] = {
    "improve-answers": _answers,
    "improve-gains": _gains,
    "improve-questions": partial(_shown, questions_table),
    "improve-geometry": partial(_shown, geometry_table),
    "improve-calibration": _calibration,
}
