"""What `<!-- generated: NAME -->` stands for in a page: tables, sentences and figures from the committed results."""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean

from evaluation.documentation import drawings
from evaluation.documentation.chosen_settings import tried_weights, weight_choices, weight_gains
from evaluation.documentation.effects import (
    EFFECTS_READING,
    HEADS_READING,
    MEASURES_READING,
    choices_table,
    effects_table,
    heads_table,
    measures_table,
    split_effects,
)
from evaluation.documentation.figures import image
from evaluation.documentation.forest_figures import regimes_figure, variants_figure
from evaluation.documentation.improvements import IMPROVEMENTS
from evaluation.documentation.markdown import plain
from evaluation.documentation.measure_readings import readings_table
from evaluation.documentation.orders import ORDERS, constants_table, orders_table
from evaluation.documentation.results import (
    METHOD,
    RESULTS,
    SHOWN_FIRST,
    StudySection,
    committed,
    sections_of_studies,
    studies,
)
from evaluation.documentation.study_pages import answer_lines, command_lines
from evaluation.documentation.without_negatives import (
    DEFAULTS,
    POSITIVES_ONLY,
    batches_table,
    overview_table,
    rates_table,
)
from evaluation.files import read_json
from evaluation.report.headline import TRANSFER_TITLE, headlines
from evaluation.report.markdown import markdown_table
from evaluation.report.plots import Plot
from evaluation.report.tables import Table, mark
from evaluation.report.wording import difference, number, weight_text
from evaluation.statistics.coverage import Coverage, coverage_table
from evaluation.statistics.intervals import NEW_RUNS, NEW_TASKS
from st_isotropy.losses import DEFAULT_WEIGHT

NOTHING = "*No study with regularizers is committed yet; see [Results](results.md).*"
BENCH = RESULTS / "bench"

# What the studies without negatives call the paper's term beside in-batch negatives.
BESIDE_NEGATIVES = ("in-batch negatives + persistent entropy", "in-batch negatives + persistent entropy, scale 10")

COUNTED_ONCE = "A variant that two studies tried under one regime of one start model counts once."
TRIED_READING = (
    "Left out are regimes that tried a single weight of a variant, and distillation, whose objective has another "
    f"scale. {COUNTED_ONCE}"
)
GAINS_READING = (
    f"{TRIED_READING} Left out, too, is the term beside in-batch negatives on MedQuAD and SNLI on the static encoder: "
    "there the objective alone chose its temperature, so a difference would not be the weight's."
)


def _studies() -> str:
    lines = []
    for study in studies():
        lines += [f"### [{study.name}](results/{study.name}.md)", "", plain(study.title), ""]
        lines += ["*Not run yet.*", ""] if study.summary is None else answer_lines(study.summary)
        lines += command_lines(study)
    return "\n".join(lines)


def _hours() -> str:
    lines = ["| study | hours |", "|---|---:|"]
    for study in studies():
        taken = "not run yet" if study.summary is None else number(study.summary.timing.seconds / 3600, 1)
        lines.append(f"| [{study.name}](results/{study.name}.md) | {taken} |")
    return "\n".join(lines)


def _effects() -> str:
    return _of_regimes(split_effects(effects_table(sections_of_studies())), EFFECTS_READING)


def _without_negatives(studies: str) -> str:
    return _of_regimes(split_effects(effects_table(sections_of_studies(studies))), EFFECTS_READING)


def _table(make: Callable[[Sequence[StudySection]], Table], studies: str) -> str:
    table = make(sections_of_studies(studies))
    return "\n".join(markdown_table(table)) if table.groups else NOTHING


def _measures() -> str:
    return _of_regimes([measures_table(sections_of_studies(SHOWN_FIRST))], MEASURES_READING)


def _heads() -> str:
    nothing = "*No such study is committed yet.*"
    return _of_regimes([heads_table(sections_of_studies())], HEADS_READING, nothing)


def _of_regimes(tables: Sequence[Table], reading: str, nothing: str = NOTHING) -> str:
    """The tables of each regime, without columns that are empty there, and how to read them."""
    lines = []
    for title in tables[0].groups:
        lines += [f"**{plain(title)}**", ""]
        for table in tables:
            rows = table.groups[title]
            filled = [column for column in range(len(table.headers)) if any(cells[column] for cells in rows)]
            if len(filled) > 1:
                lines += markdown_table(Table(table.headers, {"": rows}, table.words).only(filled))
    return "\n".join([*lines, reading]) if lines else nothing


def _whitening() -> str:
    """The effect of whitening on label tasks, in every regime that has it."""
    lines = [
        f"- {plain(of_study.section.title)}: {mark(finding.outcome, finding.ends)} {difference(finding.comparison)} "
        f"({finding.measure.name})"
        for of_study in sections_of_studies()
        for finding in of_study.findings("labels")
        if finding.pair.new == "whitening"
    ]
    return "\n".join(lines) or NOTHING


def _choices() -> str:
    sections = sections_of_studies()
    return "\n".join(markdown_table(choices_table(sections))) if sections else NOTHING


def _weights() -> str:
    """The weights of persistent entropy that were chosen, and those that were tried."""
    sections = sections_of_studies()
    chosen = [
        (variant, choice)
        for variant in (METHOD, *BESIDE_NEGATIVES)
        for choice in weight_choices(sections, variant)
        if len(choice.tried) > 1
    ]
    if not chosen:
        return NOTHING
    tried = [choice for _, choice in chosen if DEFAULT_WEIGHT in choice.tried]
    of_default = [choice for choice in tried if choice.weight == DEFAULT_WEIGHT]
    lowest = sum(choice.weight == choice.tried[0] for choice in of_default)
    smallest = f", in {lowest} of them as the smallest that was tried" if lowest else ""
    lines = [
        f"The default weight, {DEFAULT_WEIGHT:g}, was the choice in {len(of_default)} of the {len(tried)} cases in "
        f"which it was tried{smallest}:",
        "",
        "| start model and regime | variant | weight chosen | tried | learning rate |",
        "|---|---|---:|---:|---:|",
    ]
    lines += [
        f"| {plain(choice.regime)} | {plain(variant)} | {weight_text(choice.weight)} | "
        f"{', '.join(map(weight_text, choice.tried))} | {choice.learning_rate:g} |"
        for variant, choice in chosen
    ]
    return "\n".join([*lines, "", COUNTED_ONCE])


def _tried() -> str:
    """The weights of every regularizer that were tried, and how often each was chosen."""
    tried = tried_weights(sections_of_studies())
    if not tried:
        return NOTHING
    lines = ["| in studies | weights that were tried (and in how many regimes chosen) |", "|---|---|"]
    lines += [
        f"| `{variant}` | {', '.join(f'{weight_text(weight)} ({times})' for weight, times in weights.items())} |"
        for variant, weights in tried.items()
    ]
    return "\n".join([*lines, "", TRIED_READING])


def _gains() -> str:
    """The gain or loss of each weight of persistent entropy on the validation tasks, over all regimes."""
    gains = weight_gains(sections_of_studies(), METHOD)
    if not gains:
        return NOTHING
    lines = ["| weight | regimes | mean gain | mean size of the change | smallest | largest |", f"|{'---:|' * 6}"]
    lines += [
        f"| {weight_text(weight)} | {len(found)} | {number(fmean(found), 2, sign=True)} | "
        f"{number(fmean(map(abs, found)), 2)} | {number(min(found), 2, sign=True)} | "
        f"{number(max(found), 2, sign=True)} |"
        for weight, found in gains.items()
    ]
    return "\n".join([*lines, "", GAINS_READING])


def _doses() -> str:
    """Whether scores rise with isotropy, by study."""
    said = [
        f"- [{study.name}](results/{study.name}.md): {plain(headline.sentence)}"
        for study in studies()
        if study.summary is not None
        for headline in headlines(study.summary)
        if headline.title == TRANSFER_TITLE
    ]
    if not said:
        return NOTHING
    answers = [curve.answer for of_study in sections_of_studies() for curve in of_study.section.transfer]
    decided = len(answers) - answers.count("undecided")
    curves = f"{len(answers):,} curves, one for each regularizer and measure of isotropy in each regime"
    if not decided:
        return f"Of {curves}, none has an interval, which takes two seeds of each setting. So none answers this."
    first = (
        f"Of {curves}, {decided:,} have an interval, not adjusted for their number: scores rise with isotropy in "
        f"{answers.count('yes')}, fall as it rises in {answers.count('the opposite')}, and show no evidence in "
        f"{answers.count('no evidence')}. By study:"
    )
    return "\n".join([first, "", *said])


def _answer(name: str) -> str:
    summary = committed(name)
    if summary is None:
        return f"*`evaluation/results/{name}.json` has not been run yet.*"
    return "\n".join(answer_lines(summary))


def _coverage() -> list[Coverage]:
    return [Coverage(**row) for row in read_json(RESULTS / "coverage.json", list)]


def _skewed() -> str:
    """The coverage of Student's t on skewed differences, for which it is not used."""
    said = []
    for estimand, what in ((NEW_RUNS, "seeds"), (NEW_TASKS, "tasks")):
        rows = [
            row
            for row in _coverage()
            if row.estimand == estimand and row.used and row.case == "skewed differences" and row.coverage is not None
        ]
        covered = sorted(100 * (row.coverage or 0) for row in rows)
        sizes = [int(row.size) for row in rows]
        said.append(f"{covered[0]:.0f} to {covered[-1]:.0f} % over {min(sizes)} to {max(sizes)} {what}")
    return (
        f"With skewed differences Student's t covers {' and '.join(said)}. It is used on the assumption that the "
        "difference of two paired runs is not skewed, as it is not when both scatter alike around their means. Those "
        "lines stay in the table as a warning."
    )


def _bench() -> str:
    """The targets of speed and memory that the committed bench misses."""
    suites = {
        suite: [one for one in figures if one["at_least"] is not None or one["at_most"] is not None]
        for path in sorted(BENCH.glob("*.json"))
        for suite, figures in read_json(path)["suites"].items()
    }
    lines = ["| suite | targets | missed | which |", "|---|---:|---:|---|"]
    for suite, targets in suites.items():
        missed = [f"{target['case']}, {target['quantity']}" for target in targets if target["missed"]]
        if targets:
            lines.append(f"| {suite} | {len(targets)} | {len(missed)} | {plain('; '.join(missed))} |")
    return "\n".join(lines)


def _step() -> str:
    """The cost of a training step with the term, in the committed bench."""
    lines = ["| batch | what | time ÷ time of the base loss |", "|---|---|---:|"]
    lines += [f"| {case} | {what} | {value:.4f} ± {spread:.4f} |" for case, what, value, spread in _step_costs()]
    return "\n".join(lines)


def _step_costs() -> list[tuple[str, str, float, float]]:
    """Case, what was timed, its time as a multiple of the base loss's, and the spread; smaller batches first."""
    return [
        (timed["case"], timed["contender"], timed["value"], timed["spread"])
        for timed in read_json(BENCH / "step.json")["suites"]["step"]
        if timed["peer"] == "base loss"
    ]


def _image(name: str) -> str:
    plot = FIGURES[name]()
    return NOTHING if plot is None else image(plot, f"assets/{name}.svg")


# Each is drawn into `docs/assets/NAME.svg`, and is a block of the same name.
FIGURES: dict[str, Callable[[], Plot | None]] = {
    "home-figure": partial(
        variants_figure, "static-cosine", "Every term and transform beside the tuned objective alone"
    ),
    "without-negatives-figure": partial(
        regimes_figure,
        {"All settings tuned": POSITIVES_ONLY, "Defaults, the learning rate tuned": DEFAULTS},
        "alignment + absolute_entropy",
        "Alignment and absolute entropy beside in-batch negatives",
    ),
    "drawing-filtration": drawings.filtration,
    "drawing-bars": drawings.bars,
    "drawing-gradient": drawings.gradient,
    "drawing-cone": drawings.cone,
}

# Each gives Markdown, with links from the folder `docs`.
GENERATED: dict[str, Callable[[], str]] = {
    "studies": _studies,
    "hours": _hours,
    "effects": _effects,
    "without-negatives": partial(_without_negatives, POSITIVES_ONLY),
    "without-negatives-defaults": partial(_without_negatives, DEFAULTS),
    "without-negatives-overview": partial(_table, overview_table, POSITIVES_ONLY),
    "without-negatives-overview-defaults": partial(_table, overview_table, DEFAULTS),
    "without-negatives-weights": partial(_table, batches_table, POSITIVES_ONLY),
    "without-negatives-rates": partial(_table, rates_table, DEFAULTS),
    "orders": partial(_table, orders_table, ORDERS),
    "orders-constants": partial(_table, constants_table, ORDERS),
    "measures": _measures,
    "measure-readings": readings_table,
    "heads": _heads,
    "whitening": _whitening,
    "choices": _choices,
    "weights": _weights,
    "gains": _gains,
    "tried": _tried,
    "doses": _doses,
    "quickstart": partial(_answer, "quickstart"),
    "coverage": lambda: coverage_table(_coverage()),
    "coverage-skewed": _skewed,
    "bench": _bench,
    "step": _step,
    **IMPROVEMENTS,
    **{name: partial(_image, name) for name in FIGURES},
}
