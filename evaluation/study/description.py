"""What a study compares: start models, training regimes, regularizers with their weights, seeds, tasks and indexes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from evaluation.errors import UserError, check_name
from evaluation.measured import EXACT
from evaluation.report.summary import NONE, START, Transformed
from evaluation.retrieval.indexes import ALL_INDEXES
from evaluation.tasks.heads import ENDING as HEAD
from evaluation.train.catalog import OBJECTIVES, POSTHOC, REGULARIZERS
from evaluation.train.training import Weight, check_weight

FARTHEST_RATES = 3.5  # times; the best of two rates that are farther apart can be far from the best there is


@dataclass(frozen=True)
class Regime:
    """How start models are trained, regularizer and seed aside.

    Attributes:
        name: What the report calls it; the objective and the pairs by default.
        objective: One of `evaluation.train.catalog.OBJECTIVES`.
        pairs: Training pairs: "docstrings", `TASK:SPLIT` of an STS task, `NAME:SPLIT` of own data with labels, or the
            name of a file without its ending.
        learning_rates: Peak learning rates that are tried with every variant.
        steps: Optimizer steps.
        batch_size: Rows per step.
        warmup: Share of the steps over which the learning rate rises to its peak.
        teacher: Name of the model whose embeddings are learned; for objectives that learn some, such as "distillation".
        temperature_scales: With in-batch negatives, what cosines are multiplied by, tried with the objective alone; the
            default of sentence-transformers, 20, where none are given.
        distinct_classes: Whether no batch has two pairs of one class, for pairs with a column `class`.
    """

    objective: str
    pairs: str
    learning_rates: tuple[float, ...]
    steps: int = 150
    batch_size: int = 64
    warmup: float = 0.0
    teacher: str = ""
    name: str = ""
    temperature_scales: tuple[float, ...] = ()
    distinct_classes: bool = False

    def __post_init__(self) -> None:
        check_name("objective", self.objective, OBJECTIVES)
        object.__setattr__(self, "learning_rates", tuple(self.learning_rates))
        object.__setattr__(self, "temperature_scales", tuple(self.temperature_scales))
        object.__setattr__(self, "name", self.name or f"{self.objective} on {self.pairs}")
        where = f"The regime {self.name!r}"
        for field_name in ("steps", "batch_size"):
            value = getattr(self, field_name)
            if not isinstance(value, int) or value < 1:
                raise UserError(
                    f"The regime {self.name!r} has {field_name} = {value!r} and needs a whole number from 1."
                )
        if not (isinstance(self.warmup, int | float) and 0 <= self.warmup < 1):
            raise UserError(f"{where} has warmup = {self.warmup!r} and needs a share of the steps, from 0 to below 1.")
        if not self.learning_rates or not all(_positive(rate) for rate in self.learning_rates):
            raise UserError(f"{where} has learning_rates = {list(self.learning_rates)!r} and needs positive numbers.")
        if len(set(self.learning_rates)) < len(self.learning_rates):
            raise UserError(f"{where} names a learning rate twice.")
        if self.distinct_classes and OBJECTIVES[self.objective].columns != "positive":
            raise UserError(f"{where} has distinct_classes, but {self.objective} does not train on positive pairs.")
        _check_scales(where, self.temperature_scales, self.objective)
        taught = [name for name, objective in OBJECTIVES.items() if objective.columns == "teacher"]
        if (self.objective in taught) != bool(self.teacher):
            raise UserError(f"{where}: a teacher goes with the objective {' or '.join(taught)} and no other.")


@dataclass(frozen=True)
class Grid:
    """A variant: a regularizer with the weights that are tried, and with an objective of its own if it names one.

    Attributes:
        regularizer: One of `evaluation.train.catalog.REGULARIZERS`, or "none" for an objective of its own, alone.
        weights: Numbers, `"auto"`, `"auto:FRACTION"`, or `"decay:NUMBER"`, a weight that falls to 0 over the training.
        name: What the report calls it; by default the regularizer, after the objective if it has its own.
        objective: Its own objective, for the same columns as the regime's; empty for the regime's.
        temperature_scales: As of a regime, for this variant.
    """

    regularizer: str
    weights: tuple[Weight, ...] = ()
    name: str = ""
    objective: str = ""
    temperature_scales: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_name("regularizer", self.regularizer, [NONE, *REGULARIZERS])
        if self.objective:
            check_name("objective", self.objective, OBJECTIVES)
        object.__setattr__(self, "weights", tuple(self.weights))
        object.__setattr__(self, "temperature_scales", tuple(self.temperature_scales))
        object.__setattr__(self, "name", self.name or self._usual_name())
        if self.regularizer == NONE:
            if self.weights or not self.objective:
                raise UserError(f"The variant {self.name!r} has no regularizer: give it an objective, and no weights.")
            return
        if not self.weights:
            raise UserError(f"The regularizer {self.name!r} has no weights; give one at least.")
        for weight in self.weights:
            if not isinstance(weight, str | int | float):
                raise UserError(
                    f"The regularizer {self.name!r} has {weight!r} among its weights; give numbers or texts."
                )
            check_weight(self.name, weight)
        if len(set(self.weights)) < len(self.weights):
            raise UserError(f"The regularizer {self.name!r} names a weight twice.")

    def _usual_name(self) -> str:
        parts = [self.objective, "" if self.regularizer == NONE else self.regularizer]
        return " + ".join(part for part in parts if part)

    @property
    def size(self) -> int:
        """How many settings there are at each learning rate."""
        return max(len(self.weights), 1) * max(len(self.temperature_scales), 1)


@dataclass(frozen=True)
class Study:
    """What is compared. A TOML file has the same names, with `[[regimes]]` and `[[regularizers]]` as tables.

    Every regularizer, and the objective alone, is tried at the same learning rates on the validation tasks, and the
    test tasks are run once, with the setting that did best. What the objective alone, which has no weight, has left of
    an equal budget goes into further tuning seeds. With one setting each there is nothing to choose, and no validation
    tasks are needed.

    Attributes:
        title: What the study asks, in a sentence.
        models: Start models, as `evaluation.models.load.load_model` takes them.
        regimes: How they are trained.
        regularizers: What is added to the objectives, or trained in their place, beside nothing ("none").
        test: Tasks that are reported, as `evaluation.tasks.resolve.resolve_tasks` takes them.
        validation: Tasks on which settings are chosen.
        posthoc: Transforms that are appended to the start model and to trained models, fitted on training texts.
        posthoc_of: Which trained variants they are appended to; the objective alone by default.
        seeds: Paired training runs of the chosen settings.
        tuning_seeds: Training runs of each setting that is tried; other seeds than those of the test. An objective
            alone, which has no weights to try, gets as many times more of them as the others have more settings.
        extend: How many values are added, at most, at either end of the rates and of the weights while the choice of
            a variant lies there; for all variants alike, by the ratio of the last two.
        isotropy_of: The test task whose texts the isotropy is measured on; if empty, the first retrieval task, else the
            first task.
        indexes: Indexes of the FAISS check, beside exact search; none for no check.
        index_seeds: Index seeds to average over.

    Raises:
        UserError: Something is unknown, impossible or missing.
    """

    title: str
    models: tuple[str, ...]
    regimes: tuple[Regime, ...]
    regularizers: tuple[Grid, ...]
    test: tuple[str, ...]
    validation: tuple[str, ...] = ()
    posthoc: tuple[str, ...] = ()
    posthoc_of: tuple[str, ...] = (NONE,)
    seeds: int = 5
    tuning_seeds: int = 2
    extend: int = 0
    isotropy_of: str = ""
    indexes: tuple[str, ...] = ()
    index_seeds: int = 5

    def __post_init__(self) -> None:
        for name in ("models", "regimes", "regularizers", "test", "validation", "posthoc", "posthoc_of", "indexes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("models", "regimes", "test"):
            if not getattr(self, name):
                raise UserError(f"The study has no {name}; give one at least.")
        for name in ("seeds", "tuning_seeds", "index_seeds"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise UserError(f"The study has {name} = {value!r} and needs a whole number from 1.")
        if not isinstance(self.extend, int) or self.extend < 0:
            raise UserError(f"The study has extend = {self.extend!r} and needs a whole number from 0.")
        _check_distinct("model", self.models)
        _check_distinct("regime", [regime.name for regime in self.regimes])
        for name in self.posthoc:
            check_name("post-hoc transform", name, POSTHOC)
        for name in self.posthoc_of:
            check_name("variant", name, self.variants)
        if self.posthoc_of != (NONE,) and not self.posthoc:
            raise UserError("The study has posthoc_of but no posthoc; name a transform at least.")
        _check_heads(self)
        _check_distinct("variant", [START, *self.variants, *(one.name for one in self.transformed)])
        for name in self.indexes:
            check_name("index", name, ALL_INDEXES)
        if self.indexes:
            object.__setattr__(self, "indexes", tuple(dict.fromkeys((EXACT, *self.indexes))))
        _check_objectives(self)
        _check_budgets(self)
        if self.is_tuned and not self.validation:
            raise UserError("There is more than one setting to choose from, so the study needs validation tasks.")
        if self.extend and not self.is_tuned:
            raise UserError(
                f"The study has extend = {self.extend}, but tries one setting of each variant: leave it out, or give "
                "two learning rates or weights at least."
            )

    @property
    def settings_each(self) -> int:
        """The number of settings that every regularizer is tried with at each learning rate."""
        return max(
            [*(grid.size for grid in self.regularizers), *(len(one.temperature_scales) for one in self.regimes), 1]
        )

    @property
    def is_tuned(self) -> bool:
        """Whether there is a setting to be chosen."""
        return self.settings_each > 1 or any(len(regime.learning_rates) > 1 for regime in self.regimes)

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the trained variants: the objective alone, then each regularizer."""
        return (NONE, *(grid.name for grid in self.regularizers))

    @property
    def transformed(self) -> tuple[Transformed, ...]:
        """The start model and every trained variant that a transform is appended to."""
        return tuple(
            Transformed(variant, transform) for variant in (START, *self.posthoc_of) for transform in self.posthoc
        )


def coarse_grids(study: Study) -> list[str]:
    """A sentence for each regime whose neighboring learning rates are too far apart to hold the best one between them.

    Example:
        >>> regime = Regime("cosine", "docstrings", (1e-3, 4e-3), name="pairs")
        >>> [warning] = coarse_grids(Study("Does it?", ("static",), (regime,), (), ("STS12",), ("STS13",)))
        >>> warning.partition(":")[0]
        "The learning rates 0.001 and 0.004 of 'pairs' are 4 times apart"
    """
    found = []
    for regime in study.regimes:
        for low, high in pairwise(sorted(regime.learning_rates)):
            if high > FARTHEST_RATES * low:
                found.append(
                    f"The learning rates {low:g} and {high:g} of {regime.name!r} are {high / low:.2g} times apart: put "
                    f"others between, at most {FARTHEST_RATES:g} times apart."
                )
    return found


def _check_scales(where: str, scales: Sequence[float], objective: str) -> None:
    """Refuse temperature scales that are no positive numbers, or of an objective without a temperature."""
    if scales and OBJECTIVES[objective].at_scale is None:
        having = ", ".join(name for name, one in OBJECTIVES.items() if one.at_scale is not None)
        raise UserError(f"{where} has temperature_scales, but {objective} has no temperature; {having} have one.")
    if len(set(scales)) < len(scales) or not all(_positive(scale) for scale in scales):
        raise UserError(f"{where} has temperature_scales = {list(scales)!r} and needs different positive numbers.")


def _check_objectives(study: Study) -> None:
    """An objective of a variant's own trains on the same rows as the regime's, or its batches would be others."""
    for regime in study.regimes:
        for grid in study.regularizers:
            objective = grid.objective or regime.objective
            _check_scales(f"The variant {grid.name!r}", grid.temperature_scales, objective)
            wanted, given = OBJECTIVES[regime.objective].columns, OBJECTIVES[objective].columns
            if given != wanted:
                raise UserError(
                    f"The variant {grid.name!r} trains with {objective} on {given} rows, and the regime "
                    f"{regime.name!r} with {regime.objective} on {wanted} ones: take objectives for the same rows."
                )


def _check_budgets(study: Study) -> None:
    """Every regularizer has as many settings; an objective alone can have fewer, and more seeds for each of them."""
    most = study.settings_each
    alone = [max(len(regime.temperature_scales), 1) for regime in study.regimes]
    alone += [grid.size for grid in study.regularizers if grid.regularizer == NONE]
    sizes = {grid.name: grid.size for grid in study.regularizers if grid.regularizer != NONE}
    if any(size != most for size in sizes.values()) or any(most % size for size in alone):
        listed = ", ".join(f"{name} {size}" for name, size in {NONE: max(alone), **sizes}.items())
        raise UserError(
            f"Budgets must be equal, but the numbers of settings at a learning rate differ ({listed}); only an "
            "objective alone may have fewer, a whole part of the others'."
        )


def _check_heads(study: Study) -> None:
    """A head is tested on its own data set only, and a transform behind it would change nothing that it sees."""
    heads = [regime for regime in study.regimes if OBJECTIVES[regime.objective].columns == "labelled"]
    if heads and study.posthoc:
        raise UserError(
            f"The regime {heads[0].name!r} trains a head, which no transform can follow: leave out posthoc."
        )
    tested = {spec.partition(":")[0] for spec in (*study.test, *study.validation)}
    for regime in heads:
        own = f"{regime.pairs.partition(':')[0]}{HEAD}"
        for name in sorted(tested - {own}):
            if name.endswith(HEAD):
                raise UserError(
                    f"The regime {regime.name!r} trains a head for {own}, and {name} would be scored by it: make a "
                    "study for each data set."
                )


def _check_distinct(kind: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise UserError(f"The study has more than one {kind} named {', '.join(twice)}; give each a name of its own.")


def _positive(number: Any) -> bool:
    return isinstance(number, int | float) and math.isfinite(number) and number > 0
