"""The committed results, for the documentation."""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from evaluation.errors import UserError
from evaluation.report.compact_reading import read_compact
from evaluation.report.compact_writing import write_compact
from evaluation.report.files import read_summary
from evaluation.report.measures import Group, Measure, Pair, Row
from evaluation.report.summary import NONE, Finding, Section, Summary

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "evaluation" / "results"
STUDIES = ROOT / "evaluation" / "studies"
METHOD = "persistent_entropy"
SHOWN_FIRST = "static-"  # the studies whose measures are shown beside the scores


@dataclass(frozen=True)
class StudyResult:
    """A study and its result, if it was run.

    Attributes:
        name: Name of its TOML file without the ending, and of the file of its results.
        title: Its question.
        summary: Its result; None if none is committed.
    """

    name: str
    title: str
    summary: Summary | None

    @property
    def command(self) -> str:
        """The command that runs it."""
        return (
            f"python -m evaluation study evaluation/studies/{self.name}.toml \\\n"
            f"    --mirror DIR --folder DIR --pairs DIR --out runs/{self.name}"
        )


def studies() -> list[StudyResult]:
    """All studies, those that were run first."""
    found = []
    for path in sorted(STUDIES.glob("*.toml"), key=lambda path: path.stem):
        found.append(StudyResult(path.stem, _title(path), committed(path.stem)))
    return sorted(found, key=lambda study: study.summary is None)


def committed(name: str) -> Summary | None:
    """The summary in a result file; None if there is no file.

    Raises:
        UserError: This version cannot read the file.
    """
    return _read(RESULTS / f"{name}.json")


def add_result(run: Path, name: str) -> Path:
    """Write the compact file of a finished run to the committed results.

    Args:
        run: The run directory.
        name: Name of the study's TOML file without the ending, or "quickstart".

    Returns:
        The file.

    Raises:
        UserError: The run has no readable summary, or there is no such study.
    """
    known = sorted(path.stem for path in STUDIES.glob("*.toml"))
    if name not in (*known, "quickstart"):
        raise UserError(f"There is no {STUDIES / name}.toml: name one of {', '.join(known)}, quickstart.")
    path = RESULTS / f"{name}.json"
    write_compact(read_summary(run), path)
    _read.cache_clear()
    return path


@dataclass(frozen=True)
class StudySection:
    """One start model and regime of a study that was run.

    Attributes:
        study: Name of the study.
        section: Its result.
    """

    study: str
    section: Section

    @property
    def name(self) -> str:
        """Start model, regime and study."""
        return f"{self.section.title} ({self.study})"

    @property
    def pairs(self) -> list[Pair]:
        """The pairs with the objective alone; those with the start model are in the report of the study."""
        return [pair for pair in self.section.pairs if pair.old == NONE]

    def findings(self, group: Group) -> list[Finding]:
        """The verdicts of a group of measures beside the objective alone."""
        found = self.section.findings()
        return [finding for finding in found if finding.measure.group == group and finding.pair.old == NONE]

    def row(self, measure: Measure | None) -> Row | None:
        """The row of a measure; None where the section has none."""
        return next((row for row in self.section.rows if row.measure == measure), None)


def sections_of_studies(prefix: str = "") -> list[StudySection]:
    """Every start model and regime of the studies that were run and whose names begin with a prefix."""
    run = [(study.name, study.summary) for study in studies() if study.name.startswith(prefix)]
    return [StudySection(name, section) for name, summary in run if summary for section in summary.sections]


@lru_cache
def _title(study: Path) -> str:
    return tomllib.loads(study.read_text(encoding="utf-8"))["title"]


@lru_cache
def _read(file: Path) -> Summary | None:
    return read_compact(file) if file.is_file() else None
