"""The loss inside the real trainers."""

import math

import pytest
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss, MultipleNegativesRankingLoss

from st_isotropy import PersistentEntropyLoss
from st_isotropy.regularizers import PersistentEntropy


@pytest.fixture
def pairs(sentences):
    return Dataset.from_dict({"anchor": sentences(32, seed=1), "positive": sentences(32, seed=2)})


def arguments(folder, **changes):
    settings = {
        "output_dir": str(folder),
        "max_steps": 4,
        "per_device_train_batch_size": 8,
        "logging_steps": 2,
        "learning_rate": 1e-2,
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": True,
        "save_strategy": "no",
        "dataloader_pin_memory": False,
    }
    return SentenceTransformerTrainingArguments(**(settings | changes))


def logged(trainer, key):
    return [entry[key] for entry in trainer.state.log_history if key in entry]


def test_the_trainer_logs_base_and_penalty_and_their_sum(model, pairs, tmp_path):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), weight=30.0)
    trainer = SentenceTransformerTrainer(model, arguments(tmp_path), train_dataset=pairs, loss=loss)
    trainer.train()
    totals, bases, penalties = (logged(trainer, key) for key in ("loss", "base_loss", "persistent_entropy_loss"))
    assert len(totals) == len(bases) == len(penalties) == 2
    for total, base, penalty in zip(totals, bases, penalties, strict=True):
        assert penalty > 0
        assert math.isclose(total, base + penalty, abs_tol=2e-4)


def test_training_against_the_penalty_alone_lowers_it(model, pairs, sentences, tmp_path):
    def deficit():
        return PersistentEntropy()(model.encode(sentences(32, seed=1), convert_to_tensor=True)).item()

    class Nothing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, features, labels=None):
            return sum(self.model(each)["sentence_embedding"].sum() * 0 for each in features)

    before = deficit()
    loss = PersistentEntropyLoss(model, Nothing(), weight=30.0)
    settings = arguments(tmp_path, max_steps=30, per_device_train_batch_size=32, learning_rate=1e-3)
    SentenceTransformerTrainer(model, settings, train_dataset=pairs, loss=loss).train()
    assert deficit() < before / 2


def test_fit_trains_with_the_wrapped_loss(model, sentences, tmp_path, monkeypatch):
    from sentence_transformers import InputExample
    from torch.utils.data import DataLoader

    monkeypatch.chdir(tmp_path)  # fit writes checkpoints below the working directory
    texts = zip(sentences(16, seed=1), sentences(16, seed=2), strict=True)
    examples = [InputExample(texts=list(pair), label=0.5) for pair in texts]
    before = model[0].auto_model.embeddings.word_embeddings.weight.detach().clone()
    loss = PersistentEntropyLoss(model, CosineSimilarityLoss(model))
    model.fit([(DataLoader(examples, batch_size=8), loss)], epochs=1, warmup_steps=0, show_progress_bar=False)
    assert not torch.equal(before, model[0].auto_model.embeddings.word_embeddings.weight)
