"""A study's summary with everything in it, from seeded numbers: two sections, many variants, all kinds of points."""

from dataclasses import replace

import numpy as np

from evaluation.measured import CurvePoint, Distributions, Histogram, IndexQuality
from evaluation.report.grid_ends import Candidate
from evaluation.report.measures import Difference, Measure, Pair, Row
from evaluation.report.summary import Cost, Section, Summary, TransferAnswer
from evaluation.statistics.dose_response import dose_response
from evaluation.statistics.intervals import query_interval, student_interval

EFFECTS = {  # rise of IsoScore, and points on similarity, labels and retrieval
    "persistent entropy": (0.023, 0.1, -2.2, 0.1),
    "MST length": (0.060, -0.9, -2.6, 0.5),
    "KoLeo": (0.041, -0.4, -1.1, 0.0),
    "GOR": (0.004, 0.0, 0.1, 0.05),
    "spectral": (-0.010, 0.05, 0.2, -0.4),
    "uniformity": (0.035, 0.6, -0.3, 0.8),
    "VICReg": (0.018, -0.1, -0.6, 0.2),
    "centring": (0.012, 0.2, 0.0, 0.3),
}
CORPUS = "DocstringRetrieval"
ISOSCORE, COSINE = Measure("isotropy", "isoscore"), Measure("isotropy", "average_cosine")
MEAN = Measure("similarity")
ROWS = (
    (ISOSCORE, 0.927, 0.158, 0),
    (COSINE, 0.0, 0.35, 0),
    (Measure("isotropy", "effective_rank"), 253.4, 207.0, 0),
    (Measure("similarity", "cosine_spearman", "STSBenchmark"), None, 78.0, 1),
    (Measure("similarity", "ndcg_at_10", CORPUS), None, 49.0, 1),
    (MEAN, None, 63.5, 1),
    (Measure("labels", "accuracy", "Banking77Classification"), None, 43.9, 2),
    (Measure("labels"), None, 42.4, 2),
    (Measure("retrieval", "ndcg_at_10", CORPUS, "flat", "exact", only_corpus=True), None, 49.0, 3),
    (Measure("retrieval", "ndcg_at_10", CORPUS, "hnsw", "in range", only_corpus=True), None, 44.0, 3),
    (Measure("retrieval", "ndcg_at_10"), None, 42.6, 3),
)
INDEXES = {"flat": (1024, 49.0), "hnsw": (1290, 44.0), "ivf": (1060, 43.2), "pq": (130, 40.0), "one-bit": (32, 43.0)}
TOO_FAST = 8e-3
RATES, WEIGHTS = (5e-4, 2e-3), (1.0, 3.0, 10.0, 30.0, 100.0)


def example_summary(sections: int = 2, variants: int = len(EFFECTS)) -> Summary:
    """A study on so many start models with so many variants beside "start" and "none"."""
    titles = ["static, contrastive objective", "static, cosine objective", "minilm, contrastive objective"][:sections]
    rng = np.random.default_rng(0)
    return Summary(
        "static and minilm: 8 regularizers and transforms on equal budgets, 5 paired runs each",
        [_section(title, rng, variants) for title in titles],
        ["Scores are in points of 100, on 3269 held-out docstrings."],
        Cost(3723.0, 2.25),
        ["static, cosine objective: NFCorpus could not be loaded; its rows are left out."],
    )


def small_summary() -> Summary:
    """A summary like the quickstart's: three variants and one compared pair."""
    section = _section("static, cosine objective", np.random.default_rng(0), 1)
    return Summary(
        "static, cosine objective: 5 paired runs",
        [Section(section.title, section.variants, section.rows)],
        ["Scores are in points of 100."],
        Cost(61.0, 1.5),
    )


def _section(title: str, rng: np.random.Generator, count: int) -> Section:
    effects = dict(list(EFFECTS.items())[:count])
    variants = ["start", "none", *effects]
    model, _, regime = title.partition(", ")
    return Section(
        title,
        variants,
        [_row(rng, effects, *row) for row in ROWS],
        model=model,
        regime=regime,
        objective=regime.removesuffix(" objective"),
        tuning=_tuning(rng, effects),
        transfer=_transfer(rng, effects),
        curves={v: {"DocstringRetrieval": _curve(effects.get(v, (0.0,) * 4)[3])} for v in variants},
        indexes={v: {"DocstringRetrieval": _indexes(effects.get(v, (0.0,) * 4)[3])} for v in variants},
        distributions={v: _distribution(rng, effects.get(v, (0.0,) * 4)[0]) for v in variants},
        training={v: _training(rng, v != "none") for v in variants[1:]},
    )


def _row(
    rng: np.random.Generator,
    effects: dict[str, tuple[float, ...]],
    measure: Measure,
    isotropic: float | None,
    base: float,
    effect: int,
) -> Row:
    scale = 0.004 if effect == 0 else 0.3
    factor = {"average_cosine": -2.0, "effective_rank": 50.0}.get(measure.metric, 1.0)
    noise = rng.normal(size=5) * scale
    values = {"start": [0.97 * base], "none": (base + noise).tolist()}
    found = []
    for variant, sizes in effects.items():
        differences = factor * (sizes[effect] + rng.normal(size=5) * scale)
        values[variant] = (np.asarray(values["none"]) + differences).tolist()
        over_queries = query_interval(rng.normal(sizes[effect], 5, size=400))
        has_queries = measure.metric == "ndcg_at_10" and bool(measure.task)
        found.append(Difference(Pair(variant, "none"), [student_interval(differences), *[over_queries] * has_queries]))
    return Row(measure, values, found, isotropic)


def _tuning(rng: np.random.Generator, effects: dict[str, tuple[float, ...]]) -> list[Candidate]:
    base = {rate: 60 + 2 * (rate > 1e-3) + rng.normal(size=2) * 0.2 for rate in RATES}
    found = [
        Candidate("none", 0, rate, base[rate].tolist(), {"isoscore": [0.158, 0.157]}, rate == RATES[-1])
        for rate in RATES
    ]
    for variant, (rise, *points) in effects.items():
        for rate in RATES:
            for place, weight in enumerate(WEIGHTS):
                scores = base[rate] + (place + 1) * points[0] / 3 - 0.08 * place**2 + rng.normal(size=2) * 0.1
                isotropy = (0.158 + rise * (place + 1) / 3 + rng.normal(size=2) * 0.001).tolist()
                chosen = rate == RATES[-1] and weight == 10.0
                found.append(Candidate(variant, weight, rate, scores.tolist(), {"isoscore": isotropy}, chosen))
    too_fast = [
        replace(one, learning_rate=TOO_FAST, scores=[score - 1 for score in one.scores], chosen=False)
        for one in found
        if one.learning_rate == RATES[-1]
    ]
    return [*found, *too_fast]  # so that no choice lies at an end of its grid


def _transfer(rng: np.random.Generator, effects: dict[str, tuple[float, ...]]) -> list[TransferAnswer]:
    answers = []
    for variant, (rise, points, *_) in effects.items():
        for metric in ("isoscore", "average_cosine"):
            doses = np.arange(6) / 5
            comparison = dose_response(
                doses * rise + rng.normal(size=(5, 6)) * 0.004, doses * points + rng.normal(size=(5, 6)) * 0.1
            )
            answers.append(TransferAnswer(variant, metric, comparison))
    return answers


def _curve(rise: float) -> list[CurvePoint]:
    return [
        CurvePoint(
            name=name,
            setting={parameter: 2**step},
            ndcg_at_10=0.49 * (1 - 0.6 * 2.0**-step) + rise / 100,
            recall_at_10=min(1.0, 1 - 0.7 * 2.0**-step + rise / 100),
            distances_per_query=cost * 2.0**step,
        )
        for name, parameter, cost in (("hnsw", "efSearch", 60), ("ivf", "nprobe", 90))
        for step in range(1, 7)
    ]


def _indexes(rise: float) -> list[IndexQuality]:
    return [
        IndexQuality(
            name=name,
            setting={},
            ndcg_at_10=(score + rise) / 100,
            retention=(score + rise) / 49,
            recall_at_10=min(1.0, (score + rise) / 49),
            recall_at_100=min(1.0, (score + rise) / 49),
            hubness=3.1 - rise,
            list_imbalance=1.4 if name == "ivf" else None,
            quantization_error=0.4 if name == "pq" else None,
            seed_spread=0.001,
            distances_per_query=3000.0,
            bytes_per_vector=float(size),
        )
        for name, (size, score) in INDEXES.items()
    ]


def _distribution(rng: np.random.Generator, rise: float) -> Distributions:
    counts, edges = np.histogram(rng.normal(0.35 - 4 * rise, 0.12, 4000), 60, (-1, 1))
    lengths = np.quantile(rng.gamma(9 + 100 * rise, 0.08, 800), np.linspace(0, 1, 101))
    return Distributions(Histogram(edges.tolist(), counts.tolist()), lengths.tolist())


def _training(rng: np.random.Generator, regularized: bool) -> dict[str, list[tuple[float, float]]]:
    steps = np.arange(10, 160, 10)
    terms = {"base_loss": 0.4 * np.exp(-steps / 60) + 0.1 + rng.normal(size=len(steps)) * 0.004}
    if regularized:
        terms["regularizer"] = 0.05 * np.exp(-steps / 90) + rng.normal(size=len(steps)) * 0.001
    return {
        term: [(int(step), float(value)) for step, value in zip(steps, values, strict=True)]
        for term, values in terms.items()
    }


def renamed(section: Section, old: str, new: str) -> Section:
    """The section with another name for one of its variants."""

    def name(variant: str) -> str:
        return new if variant == old else variant

    def keys(mapping: dict) -> dict:
        return {name(variant): value for variant, value in mapping.items()}

    def renamed_row(row: Row) -> Row:
        found = [Difference(Pair(name(one.pair.new), name(one.pair.old)), one.comparisons) for one in row.differences]
        return replace(row, values=keys(row.values), differences=found)

    return replace(
        section,
        variants=[name(variant) for variant in section.variants],
        rows=[renamed_row(row) for row in section.rows],
        tuning=[replace(candidate, variant=name(candidate.variant)) for candidate in section.tuning],
        transfer=[replace(answer, variant=name(answer.variant)) for answer in section.transfer],
        curves=keys(section.curves),
        indexes=keys(section.indexes),
        distributions=keys(section.distributions),
        training=keys(section.training),
    )


def row(measure: Measure, differences: dict[str, list[float]]) -> Row:
    """A row of a section: 50 in three runs of the objective alone, and differences from it."""
    values = {"none": [50.0, 50.0, 50.0], **{variant: [50 + d for d in ds] for variant, ds in differences.items()}}
    found = [Difference(Pair(variant, "none"), [student_interval(ds)]) for variant, ds in differences.items()]
    return Row(measure, values, found)
