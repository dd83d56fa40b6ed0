"""What a study compares: start models, training regimes, regularizers with their weights, seeds, tasks and indexes."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, get_origin

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
        learning_rates: Peak learning rates that are tried with every regularizer.
        steps: Optimizer steps.
        batch_size: Rows per step.
        warmup: Share of the steps over which the learning rate rises to its peak.
        teacher: Name of the model whose embeddings are learned; for objectives that learn some, such as "distillation".
    """

    objective: str
    pairs: str
    learning_rates: tuple[float, ...]
    steps: int = 150
    batch_size: int = 64
    warmup: float = 0.0
    teacher: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        check_name("objective", self.objective, OBJECTIVES)
        object.__setattr__(self, "learning_rates", tuple(self.learning_rates))
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
        taught = [name for name, objective in OBJECTIVES.items() if objective.columns == "teacher"]
        if (self.objective in taught) != bool(self.teacher):
            raise UserError(f"{where}: a teacher goes with the objective {' or '.join(taught)} and no other.")


@dataclass(frozen=True)
class Grid:
    """A regularizer with the weights that are tried.

    Attributes:
        regularizer: One of `evaluation.train.catalog.REGULARIZERS`.
        weights: Numbers, `"auto"`, `"auto:FRACTION"`, or `"decay:NUMBER"`, a weight that falls to 0 over the training.
        name: What the report calls it; the regularizer's name by default.
    """

    regularizer: str
    weights: tuple[Weight, ...]
    name: str = ""

    def __post_init__(self) -> None:
        check_name("regularizer", self.regularizer, REGULARIZERS)
        object.__setattr__(self, "weights", tuple(self.weights))
        object.__setattr__(self, "name", self.name or self.regularizer)
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
        regularizers: What is added to the objectives, beside nothing ("none").
        test: Tasks that are reported, as `evaluation.tasks.resolve.resolve_tasks` takes them.
        validation: Tasks on which settings are chosen.
        posthoc: Transforms that are appended to the start model and to trained models, fitted on training texts.
        posthoc_of: Which trained variants they are appended to; the objective alone by default.
        seeds: Paired training runs of the chosen settings.
        tuning_seeds: Training runs of each setting that is tried; other seeds than those of the test. The objective
            alone, which has no weights to try, gets as many more of them as the others have weights.
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
        sizes = {grid.name: len(grid.weights) for grid in self.regularizers}
        if len(set(sizes.values())) > 1:
            listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise UserError(f"Budgets must be equal, but the numbers of weights differ ({listed}).")
        if self.is_tuned and not self.validation:
            raise UserError("There is more than one setting to choose from, so the study needs validation tasks.")
        if self.extend and not self.is_tuned:
            raise UserError(
                f"The study has extend = {self.extend}, but tries one setting of each variant: leave it out, or give "
                "two learning rates or weights at least."
            )

    @property
    def weights_each(self) -> int:
        """The number of weights that every regularizer is tried with."""
        return len(self.regularizers[0].weights) if self.regularizers else 1

    @property
    def is_tuned(self) -> bool:
        """Whether there is a setting to be chosen."""
        return self.weights_each > 1 or any(len(regime.learning_rates) > 1 for regime in self.regimes)

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


@dataclass(frozen=True)
class Setting:
    """One setting of a variant: what is tuned.

    Attributes:
        variant: `NONE` or the name of a grid.
        regularizer: Name of the regularizer; empty for `NONE`.
        weight: Its weight; 0 for `NONE`.
        learning_rate: Peak learning rate.
    """

    variant: str
    regularizer: str
    weight: Weight
    learning_rate: float


def settings(study: Study, regime: Regime) -> list[Setting]:
    """All settings of a regime, those of `NONE` first; every variant is tried at the same learning rates.

    Example:
        >>> regime = Regime("cosine", "docstrings", (1e-3, 3e-3))
        >>> study = Study("Does it?", ("static",), (regime,), (Grid("koleo", (1.0, 2.0)),), ("STS12",), ("STS13",))
        >>> [(one.variant, one.weight, one.learning_rate) for one in settings(study, regime)][:3]
        [('none', 0.0, 0.001), ('none', 0.0, 0.003), ('koleo', 1.0, 0.001)]
    """
    return [Setting(NONE, "", 0.0, rate) for rate in regime.learning_rates] + [
        Setting(grid.name, grid.regularizer, weight, rate)
        for grid in study.regularizers
        for rate in regime.learning_rates
        for weight in grid.weights
    ]


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


def read_study(path: Path) -> Study:
    """Read a study from a TOML file.

    Raises:
        UserError: The file cannot be read, is no TOML, or does not describe a study; the text says what and where.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"The study {path} cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"The study {path} is no TOML file: {error}.") from error
    tables: dict[str, Any] = {}
    for name, kind in (("regimes", Regime), ("regularizers", Grid)):
        rows = content.get(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise UserError(f"The study {path}: write {name} as tables, each under [[{name}]].")
        tables[name] = [_build(kind, row, f"the study {path}, [[{name}]] number {i}") for i, row in enumerate(rows, 1)]
    return _build(Study, {**content, **tables}, f"the study {path}")


def _build(kind: type[Any], row: Mapping[str, Any], where: str) -> Any:
    known = [field.name for field in fields(kind)]
    for key in row:
        if key not in known:
            check_name(f"key in {where},", key, known)
    missing = [field.name for field in fields(kind) if field.default is MISSING and field.name not in row]
    if missing:
        raise UserError(f"There is no {', '.join(missing)} in {where}.")
    for field in fields(kind):
        wanted = get_origin(field.type) or field.type
        value = row.get(field.name)
        if field.name in row and (not isinstance(value, _TOML_TYPES[wanted]) or isinstance(value, bool)):
            raise UserError(f"In {where}, {field.name} is {value!r} and must be a {_TOML_NAMES[wanted]}.")
        if field.type == tuple[str, ...] and (
            odd := [value for value in row.get(field.name, ()) if type(value) is not str]
        ):
            raise UserError(f"In {where}, {field.name} holds {odd[0]!r} and must be a list of texts.")
    return kind(**row)


_TOML_TYPES: dict[Any, Any] = {str: str, int: int, float: int | float, tuple: list}
_TOML_NAMES: dict[Any, str] = {str: "text", int: "whole number", float: "number", tuple: "list"}


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
