"""What is wrong with a cloud of embeddings, how one can tell, and what is likely to help."""

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from st_isotropy.metrics import Measure, isotropy
from st_isotropy.metrics.cloud import Cloud, Points, Similarity, as_cloud
from st_isotropy.metrics.rows import as_rows
from st_isotropy.posthoc import AllButTheTop, Center, PostHoc, SpectralPower, Whitening, apply_posthoc
from st_isotropy.precision import at_least_float32

FEWEST_ROWS = 20
REMEDY_MEASURES = (
    "average_cosine",
    "isoscore",
    "effective_rank",
    "mean_mst_length",
    "persistent_entropy",
    "hubness_skewness",
    "anti_hub_share",
)


@dataclass(frozen=True)
class Defect:
    """A way in which a cloud is not isotropic.

    Attributes:
        name: The defect: cone, rogue dimensions, dominant direction, low rank, hubs, hubs of these queries or uneven
            bars.
        level: 1 when it is worth a look, 2 when it is strong.
        evidence: The measures that show it.
        advice: What is likely to help.
    """

    name: str
    level: int
    evidence: tuple[str, ...]
    advice: str


@dataclass(frozen=True)
class Diagnosis:
    """Measures of a cloud, the defects they show, and what post-hoc transforms would change.

    Attributes:
        source: What was measured, as the user named it.
        rows: Number of embeddings.
        dimensions: Their width.
        queries: Number of query embeddings.
        similarity: The similarity function.
        sample_size: Most rows that measures over all pairs ran on.
        seed: Seed of the sample and of the simulated isotropic cloud.
        measures: Every measure by name.
        defects: The defects found, strongest first.
        transforms: The main measures after each post-hoc transform, which was fitted on one half of the sample and
            measured on the other; "none" is that other half as it is.
    """

    source: str
    rows: int
    dimensions: int
    queries: int
    similarity: Similarity
    sample_size: int
    seed: int
    measures: dict[str, Measure]
    defects: tuple[Defect, ...]
    transforms: dict[str, dict[str, Measure]]

    def to_json(self) -> str:
        """Write the diagnosis as JSON; an infinite bound becomes null."""
        return write_json(asdict(self))


@dataclass(frozen=True)
class _Rule:
    name: str
    signs: tuple[str, ...]
    advice: str


RULES = (
    _Rule(
        "cone",
        ("average_cosine",),
        "Center the embeddings (posthoc.Center), or train with the spread term MSTLength; persistent entropy by itself "
        "is blind to a cone.",
    ),
    _Rule(
        "rogue dimensions",
        ("largest_coordinate_share", "largest_coordinate_share_centered"),
        "If only the uncentered share is large, center the embeddings; otherwise remove the leading components "
        "(posthoc.AllButTheTop) or flatten the spectrum (posthoc.SpectralPower).",
    ),
    _Rule(
        "dominant direction",
        ("first_component_share",),
        "Look at the projection: two groups of texts lie along one direction, and are no defect. Otherwise remove the "
        "leading components (posthoc.AllButTheTop) or flatten the spectrum (posthoc.SpectralPower).",
    ),
    _Rule(
        "low rank",
        ("effective_rank", "isoscore"),
        "Flatten the spectrum (posthoc.SpectralPower, Whitening with shrinkage), or train with Covariance, "
        "GlobalOrthogonal or Uniformity; check classification tasks, which whitening can help or hurt.",
    ),
    _Rule(
        "hubs",
        ("hubness_skewness", "anti_hub_share"),
        "Center first: hubs often come from the cone. Then try Whitening, or train with MSTLength or KoLeo.",
    ),
    _Rule(
        "hubs of these queries",
        ("hubness_skewness_queries", "anti_hub_share_queries"),
        "Queries that ask about the same things find the same rows, and that is no defect of the embeddings. Where the "
        "queries are many and ask about everything, treat it as hubs.",
    ),
    _Rule(
        "uneven bars",
        ("persistent_entropy",),
        "Look for near-duplicates and tight clusters first: these are often repeats and topics, and no defect. A few "
        "clusters far apart hardly show here. PersistentEntropy in training evens the bars.",
    ),
)


def diagnose(
    embeddings: Points,
    *,
    source: str = "embeddings",
    queries: Points | None = None,
    similarity: Similarity = "cosine",
    sample_size: int = 2000,
    seed: int = 0,
) -> Diagnosis:
    """Measure embeddings, name their defects, and try what post-hoc transforms would change.

    Args:
        embeddings: Rows of shape `(n, d)`, at least 20.
        source: What they are, for the report.
        queries: Rows of shape `(m, d)` that search them.
        similarity: The model's similarity function.
        sample_size: Most rows that measures over all pairs run on.
        seed: Seed of that sample and of the simulated isotropic cloud.

    Returns:
        The diagnosis.

    Raises:
        ValueError: If there are fewer than 20 rows or 2 columns, all rows coincide, or a row is not finite; if queries
            are fewer than 2, not finite or of another width; for an unknown similarity.

    Examples:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).standard_normal((200, 8)) + 3
        >>> diagnose(rows).defects[0].name
        'cone'
    """
    cloud = as_cloud(embeddings, similarity, sample_size=sample_size, seed=seed)
    count, width = cloud.points.shape
    if count < FEWEST_ROWS:
        raise ValueError(f"A diagnosis needs at least {FEWEST_ROWS} embeddings, but there are {count}; add texts.")
    if cloud.is_one_point:
        raise ValueError(f"All {count} embeddings coincide; give texts that differ, or fix the model.")
    asking = None if queries is None else as_cloud(queries, similarity)
    measures = isotropy(cloud, queries=asking)
    return Diagnosis(
        source=source,
        rows=count,
        dimensions=width,
        queries=0 if asking is None else len(asking.points),
        similarity=similarity,
        sample_size=sample_size,
        seed=seed,
        measures=measures,
        defects=find_defects(measures),
        transforms=try_transforms(embeddings, cloud),
    )


def find_defects(measures: dict[str, Measure]) -> tuple[Defect, ...]:
    """Name the defects that the measures show, strongest first; `measures` may lack some."""
    defects = []
    for rule in RULES:
        signs = [name for name in rule.signs if name in measures and measures[name].level > 0]
        if signs:
            level = max(measures[name].level for name in signs)
            evidence = tuple(
                f"{name} {format_value(measures[name].value)} (isotropic {format_value(measures[name].isotropic)})"
                for name in signs
            )
            defects.append(Defect(rule.name, level, evidence, rule.advice))
    return tuple(sorted(defects, key=lambda defect: -defect.level))


def try_transforms(embeddings: Points, cloud: Cloud) -> dict[str, dict[str, Measure]]:
    """Fit each post-hoc transform on one half of the cloud's sample and measure the other half.

    Args:
        embeddings: The rows as the model gives them, on which a transform acts, not normalized.
        cloud: Made of them.
    """
    rows = at_least_float32(as_rows(embeddings)[cloud.sample])
    fitting, measuring = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    leading = max(1, round(cloud.points.shape[1] / 100))
    candidates: dict[str, PostHoc] = {
        "center": Center(),
        f"all but the top {leading}": AllButTheTop(leading),
        "spectral power 0.5": SpectralPower(0.5, shrinkage=0.1),
        "whitening": Whitening(shrinkage=0.1),
    }
    outcomes = {"none": measuring}
    outcomes |= {
        name: apply_posthoc(transform.fit_embeddings(fitting), measuring) for name, transform in candidates.items()
    }
    return {
        name: isotropy(
            outcome,
            names=REMEDY_MEASURES,
            similarity=cloud.similarity,
            sample_size=cloud.sample_size,
            seed=cloud.seed,
        )
        for name, outcome in outcomes.items()
    }


def format_value(value: float) -> str:
    """Write a value with about four digits."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞"
    digits = 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 4 if abs(value) < 1 else 3
    return f"{value:,.{digits}f}".replace("-", "−")


def write_json(content: Any) -> str:
    """Write numbers and texts as JSON; infinite ones become null."""
    return json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
