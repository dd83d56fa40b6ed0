"""A training that keeps the checkpoint that is best by a metric."""

from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformerTrainingArguments


def choosing_arguments(folder: Path, metric: str, **settings: Any) -> SentenceTransformerTrainingArguments:
    """Four steps with an evaluation and a checkpoint after each second."""
    return SentenceTransformerTrainingArguments(
        str(folder),
        max_steps=4,
        per_device_train_batch_size=8,
        eval_strategy="steps",
        eval_steps=2,
        save_steps=2,
        load_best_model_at_end=True,
        metric_for_best_model=metric,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        **settings,
    )
