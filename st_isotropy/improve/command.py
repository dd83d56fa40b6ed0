"""The command `st-isotropy improve`: options to a task, the improvement to a verdict and a saved model."""

import argparse
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import cast, get_args

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from st_isotropy.diagnosis.files import check_targets, read_embeddings, read_texts, write_text
from st_isotropy.diagnosis.loading import BATCH_SIZE, load_named
from st_isotropy.diagnosis.model_options import add_model_options, check_no_model_options, model_options
from st_isotropy.diagnosis.page_extra import importing_page_writer
from st_isotropy.improve.adapter import ADAPTER, FEWEST_QUERIES
from st_isotropy.improve.encoding import encode_scored, encode_search
from st_isotropy.improve.folds import group_pairs
from st_isotropy.improve.improvement import FEWEST_ITEMS, Improvement, improve
from st_isotropy.improve.inputs import (
    ScoredTexts,
    SearchTexts,
    group_texts,
    read_beir,
    read_pairs,
    read_qrels,
    read_scored,
)
from st_isotropy.improve.planning import trains_adapter
from st_isotropy.improve.saving import check_folder, numpy_lines, save_improved, save_map
from st_isotropy.improve.table import format_improvement
from st_isotropy.improve.tasks import SearchTask, Task
from st_isotropy.improve.verdict import describe, state_verdict
from st_isotropy.metrics.cloud import Similarity, check_points


def add_options(command: argparse.ArgumentParser) -> None:
    """Add what `improve` takes."""
    command.add_argument("model", metavar="MODEL", nargs="?", help="model folder or hub name; none with --embeddings")
    command.add_argument("--texts", metavar="FILE|-", help="the corpus, one text per line; - reads standard input")
    right = command.add_argument_group("what counts as right, one of").add_mutually_exclusive_group(required=True)
    right.add_argument("--pairs", type=Path, metavar="FILE", help="query, tab, relevant text in each line")
    right.add_argument("--beir", type=Path, metavar="DIR", help="corpus.jsonl, queries.jsonl, qrels/test.tsv")
    right.add_argument("--scored", type=Path, metavar="FILE", help="sentence1, tab, sentence2, tab, score in each line")
    right.add_argument("--qrels", type=Path, metavar="FILE", help="query row, document row, grade: for --embeddings")
    command.add_argument("--embeddings", type=Path, metavar="FILE", help="corpus (n, d) as .npy, from any model")
    command.add_argument("--queries", type=Path, metavar="FILE", help="queries (q, d) as .npy, for --embeddings")
    command.add_argument("--similarity", choices=get_args(Similarity), help="for --embeddings (default cosine)")
    command.add_argument(
        "--unpack-bits",
        action=argparse.BooleanOptionalAction,
        help="whether 8-bit integers in .npy are packed bits (binary, ubinary) or numbers (int8, uint8)",
    )
    command.add_argument("--candidates", nargs="+", metavar="NAME", help="try these only, such as Center or adapter")
    command.add_argument("--dimensions", type=int, metavar="K", help="keep K dimensions")
    command.add_argument("--queries-only", action="store_true", help="leave the documents and their index alone")
    command.add_argument("--quantized", action="store_true", help="score int8 and one-bit codes, too")
    command.add_argument("--out", type=Path, metavar="DIR", help="save what is better; must not exist")
    command.add_argument("--save-best", action="store_true", help="save the choice though its gain is not proven")
    command.add_argument("--html", type=Path, metavar="OUT", help="write one self-contained page with plots")
    command.add_argument("--json", type=Path, metavar="OUT", help="write the numbers as JSON")
    add_model_options(command)


def run_improve(options: argparse.Namespace) -> None:
    """Run the command; a `ValueError` says what is wrong with the input."""
    check_options(options)
    model, task, notes = _load_embeddings(options) if options.embeddings else _encode_texts(options)
    sys.stderr.writelines(f"{note}\n" for note in notes)
    improvement = improve(
        task,
        candidates=options.candidates,
        dimensions=options.dimensions,
        queries_only=options.queries_only,
        quantized=options.quantized,
        show_progress_bar=True,
    )
    source = options.model or str(options.embeddings)
    cast(TextIOWrapper, sys.stdout).reconfigure(errors="replace")  # a pipe on Windows has no minus sign
    sys.stdout.write(f"{format_improvement(improvement)}\n\n")
    saved = _save(options, model, improvement, source)
    sys.stdout.write(f"{state_verdict(improvement, source, saved)}\n")
    if saved and model is None:
        sys.stdout.write(numpy_lines(options.out, options.queries_only) + "\n")
    if options.json is not None:
        write_text(options.json, improvement.to_json())
    if options.html is not None:
        write_text(options.html, load_page_writer()(improvement, source, saved))


def check_options(options: argparse.Namespace) -> None:
    """Raise a `ValueError` for options that do not go together or files that cannot be written, before any encoding."""
    if options.embeddings is None:
        needed = {"MODEL": (options.model, "name a model, or embeddings with --embeddings")}
        if options.pairs:
            needed["--texts"] = (options.texts, "name the corpus, one text per line")
        surplus = {"--queries": options.queries, "--qrels": options.qrels, "--similarity": options.similarity}
        surplus |= {"--texts": options.texts} if options.beir else {}
    else:
        needed = {"--queries": (options.queries, "name the .npy file of the queries")}
        needed["--qrels"] = (options.qrels, "name the file that says which rows belong together")
        surplus = {"MODEL": options.model, "--texts": options.texts}
    for name, (value, hint) in needed.items():
        if value is None:
            raise ValueError(f"{name} is missing; {hint}.")
    for name, value in surplus.items():
        if value is not None:
            other = "--beir" if options.beir else "--embeddings" if options.embeddings else "a model"
            raise ValueError(f"{name} does not go with {other}; leave it out.")
    if options.embeddings is not None:
        check_no_model_options(options)
    if options.save_best and options.out is None:
        raise ValueError("The option --save-best needs a place; add --out.")
    if options.out is not None:
        check_folder(options.out)
    sources = [options.texts, options.pairs, options.scored, options.qrels, options.embeddings, options.queries]
    targets = [path for path in (options.out, options.html, options.json) if path is not None]
    if options.html is not None:
        load_page_writer()
    check_targets(targets, [str(source) for source in sources if source is not None])


def _encode_texts(options: argparse.Namespace) -> tuple[SentenceTransformer, Task, tuple[str, ...]]:
    corpus = [] if options.texts is None else read_texts(options.texts, fewest=1)
    if options.scored:
        given: ScoredTexts | SearchTexts = read_scored(options.scored, corpus)
        groups = group_pairs(given.pairs)
    else:
        given = read_pairs(options.pairs, corpus) if options.pairs else read_beir(options.beir)
        groups = group_texts(given.queries)
    source = options.pairs or options.beir or options.scored
    check_count(len(groups), str(source), "pairs" if options.scored else "queries with a relevant text")
    notes = (*given.notes, *_adapter_note(options, groups))
    model = load_named(options.model, model_options(options))
    size = options.batch_size or BATCH_SIZE
    if isinstance(given, ScoredTexts):
        return model, encode_scored(model, given, size, show_progress_bar=True), notes
    return model, encode_search(model, given, size, show_progress_bar=True), notes


def _load_embeddings(options: argparse.Namespace) -> tuple[None, Task, tuple[str, ...]]:
    documents = _single_or_double(read_embeddings(options.embeddings, options.unpack_bits, mapped=True))
    queries = _single_or_double(read_embeddings(options.queries, options.unpack_bits))
    if documents.shape[1] != queries.shape[1]:
        raise ValueError(
            f"{options.embeddings} has {documents.shape[1]} dimensions but {options.queries} {queries.shape[1]}; "
            "encode both with one model."
        )
    check_points(queries)
    check_points(documents)
    kept, judgments, notes = read_qrels(options.qrels, len(documents), len(queries))
    check_count(len(kept), str(options.qrels), "queries with a relevant document")
    names = [f"query {row}" for row in kept]
    task = SearchTask(
        documents, queries[kept].float(), judgments, options.similarity or "cosine", np.arange(len(kept)), names
    )
    return None, task, (*notes, *_adapter_note(options, task.groups))


def load_page_writer() -> Callable[[Improvement, str, str | None], str]:
    """Import what writes the page; a `ValueError` names the extra when its libraries are missing."""
    with importing_page_writer():
        from st_isotropy.improve.page import write_page
    return write_page


def check_count(count: int, source: str, what: str) -> None:
    """Raise a `ValueError` where there are too few queries or pairs, before any encoding."""
    if count < FEWEST_ITEMS:
        raise ValueError(f"{source} has {count} {what}, and a gain is shown on at least {FEWEST_ITEMS}; add some.")


def _adapter_note(options: argparse.Namespace, groups: np.ndarray) -> tuple[str, ...]:
    """Say that no adapter is trained where there are too few items; a `ValueError` where it was asked for."""
    if options.candidates is not None and ADAPTER not in options.candidates:
        return ()
    if trains_adapter(groups, is_asked_for=options.candidates is not None or options.queries_only):
        return ()
    return (f"No adapter is trained, as it takes {FEWEST_QUERIES} queries or pairs that share no text.",)


def _save(
    options: argparse.Namespace, model: SentenceTransformer | None, improvement: Improvement, source: str
) -> str | None:
    """Save the choice where it is proven or asked for; return where."""
    if options.out is None or not (improvement.is_proven or options.save_best):
        return None
    data = [
        str(path.name)
        for path in (options.pairs, options.beir, options.scored, options.qrels, options.texts and Path(options.texts))
        if path
    ]
    account = describe(improvement, source, data)
    if model is None:
        save_map(improvement.map, options.out, account)
    else:
        save_improved(model, improvement.map, options.out, account)
    return f"{options.out}"


def _single_or_double(embeddings: np.ndarray) -> Tensor:
    """Embeddings in float32 or float64, in which maps are trained; what is mapped from a file stays there."""
    if embeddings.dtype.itemsize not in (4, 8):  # half precision, or long doubles, which torch lacks
        embeddings = embeddings.astype(np.float32 if embeddings.dtype.itemsize < 4 else np.float64)
    return torch.from_numpy(embeddings)
