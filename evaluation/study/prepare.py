"""Start models and the pairs of every regime, checked before anything is trained."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from datasets import Dataset
from sentence_transformers import SentenceTransformer

from evaluation.data.places import Sources
from evaluation.errors import UserError, counted
from evaluation.files import file_name, new_folder
from evaluation.models.load import check_loading, fingerprint, is_scored_by_cosine, load_model, load_start_model
from evaluation.processes import no_dataset_bars
from evaluation.report.summary import NONE
from evaluation.study.description import Regime, Study
from evaluation.study.leakage import drop_evaluated_pairs, evaluated_texts
from evaluation.tasks.source import TaskSource
from evaluation.train.catalog import OBJECTIVES, REGULARIZERS
from evaluation.train.columns import content_hash, count_repeats, for_objective
from evaluation.train.distinct_batches import check_classes
from evaluation.train.pairs import load_pairs
from evaluation.train.training import Term
from st_isotropy.diagnosis.loading import AS_SAVED, Loading


@dataclass(frozen=True)
class Prepared:
    """A start model and a regime with the pairs they train on.

    Attributes:
        model: Name of the start model.
        fingerprint: Its hash.
        regime: The regime.
        pairs: Folder of the training pairs.
        pairs_hash: Hash of their content.
        note: What a reader must know about the pairs.
        by_cosine: Whether the own similarity of what is measured ranks as cosine does.
    """

    model: str
    fingerprint: str
    regime: Regime
    pairs: Path
    pairs_hash: str
    note: str
    by_cosine: bool

    @property
    def title(self) -> str:
        """The start model and the regime."""
        return f"{self.model}, {self.regime.name}"


def prepare(
    study: Study, sources: Sources, tasks: Sequence[TaskSource], folder: Path, loading: Loading = AS_SAVED
) -> tuple[list[Prepared], dict[Path, Dataset]]:
    """Load every model and the pairs of every regime, without those that the tasks ask about; nothing is written.

    Returns:
        What is prepared, and the rows to save in each folder of pairs.

    Raises:
        UserError: A model or file is unknown, or pairs or a regularizer do not fit a model or an objective.
    """
    check_loading(study.models, loading)
    asked = evaluated_texts(tasks)
    pairs_of = {regime.name: drop_evaluated_pairs(load_pairs(regime.pairs, sources), asked) for regime in study.regimes}
    prepared, rows = [], {}
    for model_name in study.models:
        model = load_start_model(model_name, loading)
        # A transform does not keep unit vectors.
        by_cosine = model.similarity_fn_name == "cosine" or (is_scored_by_cosine(model) and not study.posthoc)
        for regime in study.regimes:
            pairs, dropped = pairs_of[regime.name]
            if regime.distinct_classes:
                check_classes(f"The regime {regime.name!r}", pairs, regime.batch_size)
            elif "class" in pairs.column_names:
                pairs = pairs.remove_columns("class")
            _check_number(regime, pairs, dropped)
            teacher = load_model(regime.teacher, replace(loading, revision=None)) if regime.teacher else None
            with model.truncate_embeddings(None):  # a loss sees the whole embedding
                dimensions = model.get_embedding_dimension() or 0
            ready = for_objective(pairs, regime.objective, teacher, dimensions)
            _check_terms(study, regime, model, ready)
            if len(ready) < regime.batch_size:
                raise UserError(
                    f"The regime {regime.name!r} has {counted(len(ready), 'training row')}, fewer than its batch size "
                    f"of {regime.batch_size}, after removing {counted(dropped, 'pair')} that also occur in evaluation "
                    "tasks."
                )
            _check_targets(regime, ready)
            identity = content_hash(ready)
            where = folder / "pairs" / f"{file_name(regime.name)}-{identity}"
            rows[where] = ready
            note = _note(regime, pairs, ready, dropped)
            prepared.append(Prepared(model_name, fingerprint(model), regime, where, identity, note, by_cosine))
    return prepared, rows


def _check_number(regime: Regime, pairs: Dataset, dropped: int) -> None:
    """Refuse fewer than two different pairs."""
    if len(pairs) < 2:
        raise UserError(
            f"Regime {regime.name!r} has {counted(len(pairs), 'training pair')} left after removing {dropped} that "
            "also occur in evaluation tasks; choose other pairs or tasks."
        )
    if count_repeats(pairs) == len(pairs) - 1:
        raise UserError(
            f"All {len(pairs)} training pairs of the regime {regime.name!r} have the same texts, so there is nothing "
            "to learn; give pairs that differ."
        )


def _check_targets(regime: Regime, rows: Dataset) -> None:
    """Refuse scores or labels that are all the same; a teacher's embeddings are not."""
    target = "score" if "score" in rows.column_names else "label"
    if target not in rows.column_names or OBJECTIVES[regime.objective].columns == "teacher":
        return
    if len(found := set(rows[target])) == 1:
        raise UserError(
            f"All {len(rows)} training rows of the regime {regime.name!r} have the {target} {found.pop():g}, so there "
            "is nothing to learn; give rows that differ in it."
        )


def _note(regime: Regime, pairs: Dataset, rows: Dataset, dropped: int) -> str:
    note = f"{regime.name} trains on {counted(len(rows), 'row')}"
    if repeats := count_repeats(pairs):
        note += f"; {repeats:,} of its {counted(len(pairs), 'pair')} {'repeats' if repeats == 1 else 'repeat'} another"
    if dropped:
        note += f"; {counted(dropped, 'pair')} that a task asks about {'was' if dropped == 1 else 'were'} left out"
    return f"{note}."


def _check_terms(study: Study, regime: Regime, model: SentenceTransformer, rows: Dataset) -> None:
    """Refuse a regularizer that does not go with the model or the objective, or whose package is missing."""
    objective = OBJECTIVES[regime.objective]
    copied = copy.deepcopy(model)  # the loss of a head appends it
    losses = {"": objective.loss(copied, rows)}
    for grid in study.regularizers:
        if grid.objective not in losses:
            losses[grid.objective] = OBJECTIVES[grid.objective].loss(copied, rows)
        if grid.regularizer == NONE:
            continue
        Term(grid.regularizer, grid.weights[0]).around(copied, losses[grid.objective])
        of_labels = REGULARIZERS[grid.regularizer]().options.get("cloud") == "labels"
        if of_labels and objective.columns != "labelled":
            raise UserError(
                f"The regularizer {grid.name!r} has a cloud for each label, which rows of the regime {regime.name!r} "
                "do not have: take the objective linear_head, or leave it out."
            )


def save_pairs(rows: Mapping[Path, Dataset]) -> None:
    """Save training pairs in their folders, where they are not there already."""
    for folder, pairs in rows.items():
        if not folder.exists():
            with new_folder(folder) as temporary, no_dataset_bars():
                pairs.save_to_disk(str(temporary))
