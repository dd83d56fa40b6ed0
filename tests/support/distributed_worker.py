"""One process of the distributed tests, under torchrun; the test computes its reference with the same functions."""

import json
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer import losses
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from torch.nn.parallel import DistributedDataParallel

from st_isotropy import (
    AlignmentLoss,
    BalancedWeight,
    CachedAlignmentLoss,
    PersistentEntropy,
    PersistentEntropyLoss,
)

ROWS = 16
COLUMNS = 3

# Those that gather the batch themselves, one that does not, and those that average over rows.
OBJECTIVES = {
    "in-batch negatives, gathered": lambda model: losses.MultipleNegativesRankingLoss(
        model, gather_across_devices=True
    ),
    "cached in-batch negatives, gathered": lambda model: losses.CachedMultipleNegativesRankingLoss(
        model, mini_batch_size=3, gather_across_devices=True
    ),
    "triplets": losses.TripletLoss,
    "teacher embeddings": losses.MSELoss,
    "in-batch negatives, not gathered": losses.MultipleNegativesRankingLoss,
    "positives alone": partial(AlignmentLoss, positives=2),
    "cached positives alone": partial(CachedAlignmentLoss, positives=2, mini_batch_size=3),
}


def build_model(folder):
    transformer = Transformer(folder)
    model = SentenceTransformer(modules=[transformer, Pooling(transformer.get_embedding_dimension())], device="cpu")
    return model.double()


def batch(model, texts, rows):
    """Tokenize some rows of every column, and give each row a teacher embedding."""
    teacher = torch.rand(ROWS, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return [model.preprocess(column[rows]) for column in texts], teacher[rows]


def distributed(model):
    # The trainer looks for unused parameters too: BERT's pooler is one.
    return DistributedDataParallel(model, find_unused_parameters=True)


def measure(name, folder, texts, rows, wrap, **options):
    """Compute both terms of one step, and the norm of the gradient that the optimizer would see."""
    model = build_model(folder)
    regularizer = PersistentEntropy(scale="absolute" if "positives alone" in name else "relative")
    loss = PersistentEntropyLoss(model, OBJECTIVES[name](model), regularizer=regularizer, **options)
    features, labels = batch(model, texts, rows)
    loss.loss.model = loss.model = wrap(model)  # as the trainer does
    loss.penalties.watch()
    terms = loss(features, labels)
    terms.backward()
    gradient = torch.cat([each.grad.flatten() for each in model.parameters() if each.grad is not None])
    return {
        "base": mean_over_processes(terms["base_loss"]),
        "penalty": mean_over_processes(terms[f"{regularizer.name}_loss"]),
        "gradient": gradient.norm().item(),
        "weight": loss.penalties.seen.weights[regularizer.name],
    }


def mean_over_processes(value):
    value = value.detach().clone()
    if dist.is_initialized():
        dist.all_reduce(value)
        value /= dist.get_world_size()
    return value.item()


def train(folder, texts, batch_size, **options):
    """Train two steps with the real trainer and return what it logs."""
    model = build_model(folder)
    base = losses.MultipleNegativesRankingLoss(model, gather_across_devices=dist.is_initialized())
    loss = PersistentEntropyLoss(model, base, **options)
    with TemporaryDirectory() as out:
        arguments = SentenceTransformerTrainingArguments(
            out,
            max_steps=2,
            logging_steps=1,
            per_device_train_batch_size=batch_size,
            learning_rate=1e-4,
            use_cpu=True,
            report_to=[],
            disable_tqdm=True,
            save_strategy="no",
            dataloader_pin_memory=False,
        )
        dataset = Dataset.from_dict({"anchor": texts[0], "positive": texts[1]})
        trainer = SentenceTransformerTrainer(model, arguments, train_dataset=dataset, loss=loss)
        trainer.train()
    keys = ("loss", "base_loss", "persistent_entropy_loss", "grad_norm")
    return [[entry[key] for key in keys] for entry in trainer.state.log_history if "loss" in entry]


def broken_row(folder, texts, rows):
    """The error that a process raises when the embeddings of one process are NaN."""
    model = build_model(folder)
    loss = PersistentEntropyLoss(model, losses.CosineSimilarityLoss(model), gather_across_devices=True)
    if dist.get_rank() == 1:
        with torch.no_grad():
            model[0].auto_model.embeddings.word_embeddings.weight.fill_(torch.nan)
    try:
        loss(batch(model, texts[:2], rows)[0], torch.rand(ROWS // 2, dtype=torch.float64))
    except ValueError as error:
        return str(error)
    return "no error"


def main(folder, texts_file, out):
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    half = ROWS // dist.get_world_size()
    rows = slice(dist.get_rank() * half, (dist.get_rank() + 1) * half)
    texts = json.loads(Path(texts_file).read_text())
    results = {}
    for name in OBJECTIVES:
        results[name] = measure(name, folder, texts, rows, distributed, gather_across_devices=True)
    name = "in-batch negatives, gathered"
    results["alone"] = measure(name, folder, texts, rows, distributed)
    balanced = measure(name, folder, texts, rows, distributed, weight=BalancedWeight(0.1), gather_across_devices=True)
    weights = [None] * dist.get_world_size()
    dist.all_gather_object(weights, balanced["weight"])
    results["balanced weights"] = weights
    # Only the first process has a cloud, and with it a gradient.
    norms = torch.ones(4) * (dist.get_rank() == 0)
    results["balance of one"] = BalancedWeight(0.1).balance(norms, norms, across_devices=True).item()
    results["balance of each"] = [None] * dist.get_world_size()
    own = BalancedWeight(0.1).balance(norms, norms).item()
    dist.all_gather_object(results["balance of each"], own)
    results["trainer"] = train(folder, texts, half, gather_across_devices=True)
    errors = [None] * dist.get_world_size()
    dist.all_gather_object(errors, broken_row(folder, texts, rows))
    results["errors"] = errors
    if dist.get_rank() == 0:
        Path(out).write_text(json.dumps(results))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
