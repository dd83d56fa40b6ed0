"""Isotropy during training: texts to model to embeddings to measures, as a sentence-transformers evaluator."""

import csv
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.base import BaseModel
from sentence_transformers.base.evaluation import BaseEvaluator

from st_isotropy.distinct import distinct_inputs
from st_isotropy.kinds import with_reason
from st_isotropy.metrics import Measure, isotropy
from st_isotropy.metrics.measures import check_names
from st_isotropy.unwrap import unwrap

__all__ = ["IsotropyEvaluator"]

logger = logging.getLogger(__name__)

FEWEST_TEXTS = 20
CORE_MEASURES = (
    "average_cosine",
    "isoscore",
    "effective_rank",
    "persistent_entropy",
    "mean_mst_length",
    "hubness_skewness",
)


class IsotropyEvaluator(BaseEvaluator):
    """Measure the isotropy of a model's embeddings of fixed texts.

    Every measure is returned as `<name>_<measure>`, and what an isotropic cloud of the same size would give as
    `<name>_<measure>_isotropic`. Rows are taken as the model's similarity function sees them: under cosine they are
    L2-normalized first. The full records of the last call are in `measures`.

    Args:
        inputs: At least 20 different texts, none of them used for training; encoded as documents. A text that is there
            several times counts once, as it does in the loss. What else the model encodes, such as images, is taken
            like texts.
        name: Prefix of the metric names and of the CSV file; give each evaluator its own.
        queries: Different texts that search the inputs, encoded as queries; they add the measures of query-to-corpus
            hubness.
        measures: A name or names from `st_isotropy.metrics.CATALOG`, or "all".
        primary_metric: The measure that selects the best checkpoint.
        greater_is_better: Which direction of the primary metric is better.
        batch_size: Texts per forward pass.
        truncate_dim: Measure the first coordinates alone, this many; one evaluator for each Matryoshka dimension.
        sample_size: Most rows that measures over all pairs run on; at least 20.
        show_progress_bar: Show a progress bar while encoding.
        write_csv: Append a line to `isotropy_evaluation_<name>_results.csv` in the output folder of the trainer.

    Raises:
        ValueError: If texts are no list, there are fewer than 20 different texts or rows to measure, fewer than 2
            queries, a measure is unknown, or the primary metric is not measured.

    Examples:
        >>> texts = [f"{size} {animal}" for size in ("a", "big", "small", "red")
        ...          for animal in ("cat", "dog", "bird", "fish", "tree")]
        >>> evaluator = IsotropyEvaluator(texts, name="dev", measures="isoscore")
        >>> sorted(evaluator(model))  # or give it to the trainer
        ['dev_isoscore', 'dev_isoscore_isotropic']
    """

    def __init__(
        self,
        inputs: Sequence[Any],
        name: str = "isotropy",
        *,
        queries: Sequence[Any] | None = None,
        measures: Sequence[str] | str = CORE_MEASURES,
        primary_metric: str = "isoscore",
        greater_is_better: bool = True,
        batch_size: int = 32,
        truncate_dim: int | None = None,
        sample_size: int = 2000,
        show_progress_bar: bool = False,
        write_csv: bool = True,
    ):
        super().__init__()
        if isinstance(inputs, str) or isinstance(queries, str):
            raise ValueError("Inputs and queries must be lists of texts, but one of them is a single string.")
        self.inputs = distinct_inputs(inputs)
        self.queries = None if queries is None else distinct_inputs(queries)
        if len(self.inputs) < FEWEST_TEXTS:
            raise ValueError(
                f"Isotropy is measured on at least {FEWEST_TEXTS} different texts, not on {len(self.inputs)}; add more."
            )
        if self.queries is not None and len(self.queries) < 2:
            raise ValueError(
                f"Measures of queries take at least 2 different ones, not {len(self.queries)}; add some or leave them "
                "out."
            )
        if sample_size < FEWEST_TEXTS:
            raise ValueError(f"The option sample_size must be at least {FEWEST_TEXTS}, got {sample_size}.")
        given = frozenset() if queries is None else frozenset({"queries"})
        named = [measures] if isinstance(measures, str) else measures
        self.names = check_names(None if named == ["all"] else named, given)
        if primary_metric not in self.names:
            raise ValueError(
                f"The primary metric {primary_metric!r} is not among the measures {', '.join(self.names)}; add it to "
                "them."
            )
        self.name = name
        self.primary_metric = f"{name}_{primary_metric}" if name else primary_metric
        self.greater_is_better = greater_is_better
        self.batch_size = batch_size
        self.truncate_dim = truncate_dim
        self.sample_size = sample_size
        self.show_progress_bar = show_progress_bar
        self.write_csv = write_csv
        self.measures: dict[str, Measure] = {}
        self.csv_file = f"isotropy_evaluation_{name}_results.csv" if name else "isotropy_evaluation_results.csv"

    def __call__(
        self, model: BaseModel, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        """Encode the texts and measure their embeddings; return the metrics by prefixed name."""
        model = unwrap(model)
        if not isinstance(model, SentenceTransformer):
            raise TypeError(
                f"Isotropy is measured on a SentenceTransformer, not on a {with_reason(type(model).__name__)}; pass a "
                "SentenceTransformer."
            )
        encoding: dict[str, Any] = {"batch_size": self.batch_size, "show_progress_bar": self.show_progress_bar}
        if self.truncate_dim is not None:  # else the model's own
            encoding["truncate_dim"] = self.truncate_dim
        # Both fall back to plain encoding for models that do not tell queries and documents apart.
        queries = None if self.queries is None else model.encode_query(self.queries, **encoding)
        self.measures = isotropy(
            model.encode_document(self.inputs, **encoding),
            queries=queries,
            names=self.names,
            similarity=model.similarity_fn_name,
            sample_size=self.sample_size,
        )
        metrics = {name: measure.value for name, measure in self.measures.items()}
        metrics |= {f"{name}_isotropic": measure.isotropic for name, measure in self.measures.items()}
        for name, measure in self.measures.items():
            logger.info("%s: %.4f (isotropic %.4f): %s", name, measure.value, measure.isotropic, measure.reading)
        if output_path is not None and self.write_csv:
            _append_csv(Path(output_path) / self.csv_file, {"epoch": epoch, "steps": steps, **metrics})
        metrics = self.prefix_name_to_metrics(metrics, self.name)
        self.store_metrics_in_model_card_data(model, metrics, epoch, steps)
        return metrics

    @property
    def description(self) -> str:
        """Section title in the model card."""
        return "Isotropy"

    def get_config_dict(self) -> dict[str, Any]:
        """Configuration shown in the model card."""
        return {
            "inputs": len(self.inputs),
            "queries": len(self.queries or ()),
            "sample_size": self.sample_size,
            "truncate_dim": self.truncate_dim,
        }


def _append_csv(path: Path, row: dict[str, float]) -> None:
    """Add a row, and columns where it has others than the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = [row]
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            rows = [*csv.DictReader(file), row]
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=dict.fromkeys(name for written in rows for name in written))
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(path)
