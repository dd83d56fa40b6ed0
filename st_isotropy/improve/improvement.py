"""The whole of `st-isotropy improve`: candidates, the honest choice among them, and what it gains."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from st_isotropy.diagnosis.diagnosis import REMEDY_MEASURES, write_json
from st_isotropy.improve.candidates import (
    ADAPTER,
    AS_IT_IS,
    fit_candidates,
)
from st_isotropy.improve.folds import FOLDS, make_folds
from st_isotropy.improve.intervals import Gain
from st_isotropy.improve.maps import AffineMap
from st_isotropy.improve.planning import make_plan
from st_isotropy.improve.quantization import CODES, Precision
from st_isotropy.improve.selection import CHOSEN, CHOSEN_TRANSFORM, Choice, CrossFit, choose, cross_fit
from st_isotropy.improve.tasks import SearchTask, Task
from st_isotropy.metrics import Measure, isotropy
from st_isotropy.metrics.cloud import Similarity
from st_isotropy.posthoc import PostHoc

FEWEST_ITEMS = 30
MEASURED_ROWS = 2000  # of which isotropy is measured


@dataclass(frozen=True)
class CandidateResult:
    """What a candidate scores on held-out items.

    Attributes:
        name: The candidate.
        scores: Each measure, in the order of `Improvement.measures`.
        gains: Gain in each over doing nothing; empty for that itself.
        codes: The main measure with int8 and one-bit codes, where asked for.

    Examples:
        >>> CandidateResult("Center", scores=(0.5,)).codes
        {}
    """

    name: str
    scores: tuple[float, ...]
    gains: tuple[Gain, ...] = ()
    codes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SeenDocuments:
    """Whether the gain is more than knowing the documents of the training queries.

    Attributes:
        share: Share of held-out queries of which a training query already had a relevant document.
        others: Gain for the other queries.

    Examples:
        >>> method = "Student t over 30 queries"
        >>> others = Gain(0.1, 0.05, 0.15, method, "new queries", n=30)
        >>> SeenDocuments(share=0.25, others=others).others.is_proven
        True
    """

    share: float
    others: Gain


@dataclass(frozen=True, eq=False)
class Improvement:
    """What helps a model, by how much, and the map that does it.

    Attributes:
        items: Number of queries or scored pairs.
        similarity: The similarity function.
        measures: Names of the measures, the main one first.
        candidates: Every candidate on held-out items, and last the honest choice among all of them.
        dimensions: Number of dimensions that every candidate keeps; None where they keep all. They are then compared
            with keeping the first ones, and the embeddings as they are are shown beside them.
        choice: What was chosen on all items, which is what is saved.
        fold_choices: What was chosen without each fold.
        isotropy_before: Isotropy of the documents or sentences as they are; a sample where they are many.
        isotropy_after: The same after the chosen map.
        seen: For queries, which of them have a document that a training query had; None without an adapter.
        item_gains: Gain in the main measure of each query by the honest choice, best first, with the query; empty for
            pairs.
        sample: The rows that isotropy was measured on, before and after.

    Examples:
        >>> from st_isotropy.improve.judgments import Judgment
        >>> rows = torch.eye(30)
        >>> answers = tuple(Judgment({row: 1.0}) for row in range(30))
        >>> names = [f"query {row}" for row in range(30)]
        >>> task = SearchTask(rows, rows, answers, "cosine", np.arange(30), names)
        >>> improvement = improve(task, candidates=["Center"])
        >>> improvement.choice.name, improvement.gain.estimate, improvement.is_proven
        ('as it is', 0.0, False)
    """

    items: int
    similarity: Similarity
    measures: tuple[str, ...]
    candidates: tuple[CandidateResult, ...]
    dimensions: int | None
    choice: Choice
    fold_choices: tuple[str, ...]
    isotropy_before: Mapping[str, Measure]
    isotropy_after: Mapping[str, Measure]
    seen: SeenDocuments | None
    item_gains: tuple[tuple[float, str], ...]
    sample: tuple[Tensor, Tensor]

    @property
    def map(self) -> AffineMap:
        """The chosen map; the identity where nothing is better."""
        return self.choice.maps[CHOSEN]

    @property
    def gain(self) -> Gain:
        """Gain of choosing like this in the main measure, on held-out items."""
        return self.candidates[-1].gains[0]

    @property
    def best(self) -> CandidateResult | None:
        """The single candidate with the largest gain, whose choice by that flatters it; None where there is none."""
        tried = [row for row in self.candidates if row.gains and row.name not in (CHOSEN, CHOSEN_TRANSFORM)]
        return max(tried, key=lambda row: row.gains[0].estimate, default=None)

    @property
    def is_proven(self) -> bool:
        """Whether the interval of the gain is above 0, and there is something to save."""
        return self.gain.is_proven and self.choice.name != AS_IT_IS

    def to_json(self) -> str:
        """Write the numbers and what was chosen as JSON, without maps and embeddings."""
        adapter = self.choice.adapter
        content = {
            "items": self.items,
            "similarity": self.similarity,
            "measures": self.measures,
            "candidates": [asdict(row) for row in self.candidates],
            "choice": self.choice.name,
            "transform": self.choice.transform,
            "adapter": None if adapter is None else asdict(adapter),
            "is_proven": self.is_proven,
            "fold_choices": self.fold_choices,
            "seen": None if self.seen is None else asdict(self.seen),
            "isotropy_before": {name: asdict(measure) for name, measure in self.isotropy_before.items()},
            "isotropy_after": {name: asdict(measure) for name, measure in self.isotropy_after.items()},
            "item_gains": self.item_gains,
        }
        return write_json(content)


def improve(
    task: Task,
    *,
    candidates: str | Sequence[str] | Mapping[str, PostHoc] | None = None,
    dimensions: int | None = None,
    queries_only: bool = False,
    quantized: bool = False,
    seed: int = 0,
    show_progress_bar: bool = False,
) -> Improvement:
    """Find what makes frozen embeddings better at a task, and by how much on queries that were not used to find it.

    The gain is that of the whole procedure, choice included: in each of five folds everything is chosen and trained
    without the fold's queries and what answers them, and scored on them.

    Args:
        task: A `SearchTask` or a `ScoredTask`, with at least 30 queries or pairs.
        candidates: Names of candidates, or transforms of your own by name; None tries all of the table. The adapter is
            trained from 50 queries up, of which those that share a text count once.
        dimensions: Number of dimensions to keep; every candidate is cut to it and compared with keeping the first.
        queries_only: Try only what leaves the documents as they are, so that their index stays valid.
        quantized: Score int8 and one-bit codes, too.
        seed: Seed of folds, splits and batches.
        show_progress_bar: Show a progress bar over the folds.

    Returns:
        The improvement.

    Raises:
        ValueError: If there are fewer than 30 items, they cannot be split into five folds, a candidate is unknown or
            keeps another number of dimensions than asked for, the adapter is asked for and has fewer than 50 queries,
            or an option is out of range.

    Examples:
        >>> from st_isotropy.improve.judgments import Judgment
        >>> generator = torch.Generator().manual_seed(0)
        >>> documents = torch.randn(200, 8, generator=generator) + 4 * torch.eye(8)[0]
        >>> queries = documents[:60] + 1.5 * torch.randn(60, 8, generator=generator)
        >>> answers = tuple(Judgment({row: 1.0}) for row in range(60))
        >>> names = [f"query {row}" for row in range(60)]
        >>> task = SearchTask(
        ...     documents, queries, answers, "cosine", groups=np.arange(60), texts=names
        ... )
        >>> improvement = improve(task, candidates=["Center"])
        >>> improvement.choice.name, improvement.fold_choices
        ('Center', ('Center', 'Center', 'Center', 'Center', 'Center'))
    """
    plan = make_plan(task, candidates, dimensions, queries_only, seed)
    folds = make_folds(task.groups, FOLDS, seed)
    check_folds(folds, task)
    steps = _progress(show_progress_bar)
    known = None if task.fits_on_items else fit_candidates(task, plan.transforms, plan.as_it_is)
    fit = cross_fit(task, plan, known, folds, steps)
    everything = fit_candidates(task, plan.transforms, plan.as_it_is) if known is None else known
    choice = choose(task, everything, plan)
    before, after = (sample_rows(task, choice.maps[name], seed) for name in (AS_IT_IS, CHOSEN))
    options = {"names": REMEDY_MEASURES, "similarity": task.similarity, "seed": seed}
    return Improvement(
        items=len(folds),
        similarity=task.similarity,
        measures=task.measures,
        candidates=(*_full_size(task, dimensions, fit.folds, quantized), *_results(task, fit, quantized)),
        dimensions=dimensions,
        choice=choice,
        fold_choices=tuple(choice.name for choice in fit.choices),
        isotropy_before=isotropy(before, **options),
        isotropy_after=isotropy(after, **options),
        seen=_seen_documents(task, fit),
        item_gains=_item_gains(task, fit),
        sample=(before, after),
    )


def check_folds(folds: NDArray[np.int64], task: Task) -> None:
    """Raise a `ValueError` where there are too few items, or too many of them share a text."""
    if len(folds) < FEWEST_ITEMS:
        raise ValueError(
            f"There are {len(folds)} queries or pairs, and a gain is shown on at least {FEWEST_ITEMS}; add some."
        )
    sizes = np.bincount(folds, minlength=FOLDS)
    if sizes.min() < len(folds) / FOLDS / 2:
        largest = int(np.bincount(np.unique(task.groups, return_inverse=True)[1]).max())
        raise ValueError(
            f"{largest} of {len(folds)} queries or pairs are linked by texts that they share, which leaves no {FOLDS} "
            "folds of independent ones; give pairs of other texts."
        )


def _progress(shown: bool) -> Callable[[range], Iterable[int]]:
    return lambda folds: tqdm(folds, desc="Folds", disable=not shown, leave=False)


def _full_size(
    task: Task, dimensions: int | None, folds: NDArray[np.int64], quantized: bool
) -> Iterable[CandidateResult]:
    """What the embeddings score with all of their dimensions, where candidates keep fewer."""
    if dimensions is not None:
        map_ = AffineMap.keeping(task.width, task.width)
        codes = {precision: task.score(task.evaluate(map_, precision), folds)[0] for precision in CODES if quantized}
        yield CandidateResult(f"all {task.width} dimensions", task.score(task.evaluate(map_), folds), codes=codes)


def _results(task: Task, fit: CrossFit, quantized: bool) -> Iterable[CandidateResult]:
    before = fit.values[AS_IT_IS]
    order = [name for name in fit.values if name not in (CHOSEN_TRANSFORM, ADAPTER, CHOSEN)]
    order += [name for name in (CHOSEN_TRANSFORM, ADAPTER, CHOSEN) if name in fit.values]
    for name in order:
        values = fit.values[name]
        yield CandidateResult(
            name=name,
            scores=task.score(values, fit.folds),
            gains=() if name == AS_IT_IS else task.compare(before, values, fit.folds),
            codes={precision: score_codes(task, fit, name, precision) for precision in CODES if quantized},
        )


def score_codes(task: Task, fit: CrossFit, name: str, precision: Precision) -> float:
    """Give the main measure of a candidate with quantized embeddings, on held-out items."""
    values = np.zeros((len(fit.folds), len(task.measures)))
    for fold, choice in enumerate(fit.choices):
        inside = np.flatnonzero(fit.folds == fold)
        values[inside] = task.part(inside).evaluate(choice.maps[name], precision)
    return task.score(values, fit.folds)[0]


def sample_rows(task: Task, map_: AffineMap, seed: int = 0) -> Tensor:
    """Map the documents or sentences that isotropy is measured on: at most 2,000, drawn by the seed."""
    rows = task.fitting_rows
    drawn = np.random.default_rng(seed).permutation(len(rows))[:MEASURED_ROWS]
    return map_.of_documents(rows[torch.from_numpy(np.sort(drawn))])


def _seen_documents(task: Task, fit: CrossFit) -> SeenDocuments | None:
    if not isinstance(task, SearchTask) or ADAPTER not in fit.values:
        return None
    seen = np.zeros(len(fit.folds), dtype=bool)
    for fold in range(len(fit.choices)):
        training, scoring = np.flatnonzero(fit.folds != fold), np.flatnonzero(fit.folds == fold)
        known = {row for number in training for row in task.judgments[number].grades}
        seen[scoring] = [not known.isdisjoint(task.judgments[number].grades) for number in scoring]
    others = np.flatnonzero(~seen)
    before, after = fit.values[AS_IT_IS][others], fit.values[CHOSEN][others]
    return SeenDocuments(float(seen.mean()), task.part(others).compare(before, after, fit.folds[others])[0])


def _item_gains(task: Task, fit: CrossFit) -> tuple[tuple[float, str], ...]:
    if not isinstance(task, SearchTask):
        return ()
    gains = (fit.values[CHOSEN] - fit.values[AS_IT_IS])[:, 0].tolist()
    return tuple(sorted(zip(gains, task.texts, strict=True), key=lambda pair: -pair[0]))
