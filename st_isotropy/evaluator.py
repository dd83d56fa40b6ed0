"""Isotropy during training: texts to model to embeddings to measures, as a sentence-transformers evaluator."""

import csv
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer
from sentence_transformers.base import BaseModel
from sentence_transformers.base.evaluation import BaseEvaluator

from st_isotropy.metrics import Measure, isotropy
from st_isotropy.metrics.catalogue import check_names

logger = logging.getLogger(__name__)

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
        inputs: At least 20 texts, none of them used for training.
        name: Prefix of the metric names and of the CSV file.
        measures: Names of the measures (see `st_isotropy.metrics.CATALOGUE`), or "all".
        primary_metric: The measure that selects the best checkpoint.
        greater_is_better: Which direction of the primary metric is better.
        batch_size: Texts per forward pass.
        sample_size: Most rows that measures over all pairs run on.
        show_progress_bar: Show a progress bar while encoding.
        write_csv: Append a line to `isotropy_evaluation_<name>_results.csv` in the output folder of the trainer.

    Raises:
        ValueError: If there are fewer than 20 texts, a measure is unknown, or the primary metric is not measured.

    Example:
        ```python
        evaluator = IsotropyEvaluator(texts, name="dev")
        args = SentenceTransformerTrainingArguments(..., metric_for_best_model="eval_dev_isoscore")
        trainer = SentenceTransformerTrainer(model, args, train_dataset, loss=loss, evaluator=evaluator)
        ```
    """

    def __init__(
        self,
        inputs: Sequence[str],
        name: str = "isotropy",
        *,
        measures: Sequence[str] | str = CORE_MEASURES,
        primary_metric: str = "isoscore",
        greater_is_better: bool = True,
        batch_size: int = 32,
        sample_size: int = 2000,
        show_progress_bar: bool = False,
        write_csv: bool = True,
    ):
        super().__init__()
        if len(inputs) < 20:
            raise ValueError(
                f"Isotropy needs at least 20 texts to be measured on, but {len(inputs)} were given; add more."
            )
        self.names = check_names(None if measures == "all" else measures)
        if primary_metric not in self.names:
            raise ValueError(
                f"Primary metric {primary_metric!r} is not among the measures {', '.join(self.names)}; add it to them."
            )
        self.inputs = list(inputs)
        self.name = name
        self.primary_metric = primary_metric
        self.greater_is_better = greater_is_better
        self.batch_size = batch_size
        self.sample_size = sample_size
        self.show_progress_bar = show_progress_bar
        self.write_csv = write_csv
        self.measures: dict[str, Measure] = {}
        self.csv_file = f"isotropy_evaluation_{name}_results.csv" if name else "isotropy_evaluation_results.csv"

    def __call__(
        self, model: BaseModel, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        """Encode the texts and measure their embeddings; return the metrics by prefixed name."""
        if not isinstance(model, SentenceTransformer):
            raise TypeError(
                f"Isotropy is measured on a SentenceTransformer, not on a {type(model).__name__}; pass one."
            )
        similarity = model.similarity_fn_name or "cosine"
        embeddings = self.embed_inputs(model, self.inputs)
        self.measures = isotropy(embeddings, names=self.names, similarity=similarity, sample_size=self.sample_size)
        metrics = {name: measure.value for name, measure in self.measures.items()}
        metrics |= {f"{name}_isotropic": measure.isotropic for name, measure in self.measures.items()}
        for name, measure in self.measures.items():
            logger.info(f"{name}: {measure.value:.4f} (isotropic {measure.isotropic:.4f}): {measure.reading}")
        if output_path is not None and self.write_csv:
            self._append_csv(Path(output_path) / self.csv_file, {"epoch": epoch, "steps": steps, **metrics})
        metrics = self.prefix_name_to_metrics(metrics, self.name)
        self.store_metrics_in_model_card_data(model, metrics, epoch, steps)
        return metrics

    def embed_inputs(self, model: SentenceTransformer, sentences: Sequence[str], **kwargs: Any) -> np.ndarray:
        """Encode texts as an array of shape `(n, d)`."""
        return model.encode(
            list(sentences),
            batch_size=self.batch_size,
            show_progress_bar=self.show_progress_bar,
            convert_to_numpy=True,
            **kwargs,
        )

    def _append_csv(self, path: Path, row: dict[str, float]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if is_new:
                writer.writeheader()
            writer.writerow(row)

    @property
    def description(self) -> str:
        """Section title in the model card."""
        return "Isotropy"

    def get_config_dict(self) -> dict[str, Any]:
        """Configuration shown in the model card."""
        return {"inputs": len(self.inputs), "measures": list(self.names), "sample_size": self.sample_size}
