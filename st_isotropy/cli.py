"""Console script `st-isotropy diagnose | improve`: what is wrong with a model's geometry, and what helps it."""

import argparse
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, cast, get_args

import numpy as np

from st_isotropy.diagnosis.diagnosis import FEWEST_ROWS, Diagnosis, diagnose
from st_isotropy.diagnosis.files import check_targets, read_embeddings, read_texts, write_text
from st_isotropy.diagnosis.loading import BATCH_SIZE, load_named
from st_isotropy.diagnosis.model_options import add_model_options, check_no_model_options, model_options
from st_isotropy.diagnosis.page_extra import importing_page_writer
from st_isotropy.diagnosis.table import format_table
from st_isotropy.improve.command import add_options, run_improve
from st_isotropy.metrics.cloud import Similarity


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see `{self.prog} --help`.")


class _CommandParser(_Parser):
    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]  # which has overloads
        self, args: Any = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Refuse what is unknown here: the parser above would name its own help, which lists no option."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 after one sentence on standard error when the input is bad."""
    try:
        options = _parser().parse_args(arguments)
        options.run(options)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"st-isotropy: {error}\n")
        return 2
    return 0


def run() -> NoReturn:
    """Run the console script."""
    sys.exit(main())


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="st-isotropy", description="Measure and improve the geometry of embeddings.")
    commands = parser.add_subparsers(required=True, metavar="command", parser_class=_CommandParser)
    _add_diagnose(commands)
    improving = commands.add_parser(
        "improve",
        help="find what helps a model on your data, by how much, and save it",
        description="Encode texts and queries once, try post-hoc transforms and a linear adapter on the embeddings, "
        "and say what the best of them gains on held-out queries. No training of the model itself, no GPU.",
    )
    add_options(improving)
    improving.set_defaults(run=run_improve)
    return parser


def _add_diagnose(commands: "argparse._SubParsersAction[_CommandParser]") -> None:
    command = commands.add_parser(
        "diagnose",
        help="how anisotropic is a model, in what way, and what is likely to help",
        description="Encode texts, measure the embeddings beside what an isotropic cloud of the same size would give, "
        "name the defects, and try post-hoc transforms on a held-out half.",
    )
    command.add_argument("model", metavar="MODEL", help="model folder, hub name, or a .npy file of embeddings (n, d)")
    command.add_argument("--texts", metavar="FILE|-", help="one text per line; - reads standard input")
    command.add_argument("--queries", metavar="FILE", help="queries, one per line (.npy if MODEL is one)")
    command.add_argument(
        "--similarity", choices=get_args(Similarity), help="for .npy; a model has its own (default cosine)"
    )
    command.add_argument(
        "--unpack-bits",
        action=argparse.BooleanOptionalAction,
        help="whether 8-bit integers in .npy are packed bits (binary, ubinary) or numbers (int8, uint8)",
    )
    command.add_argument("--html", type=Path, metavar="OUT", help="write one self-contained page with plots")
    command.add_argument("--json", type=Path, metavar="OUT", help="write the numbers as JSON")
    add_model_options(command)
    command.set_defaults(run=_diagnose)


def _diagnose(options: argparse.Namespace) -> None:
    # Both fail before the encoding, which may take long.
    sources = [source for source in (options.model, options.texts, options.queries) if source is not None]
    check_targets([path for path in (options.html, options.json) if path is not None], sources)
    if options.html is not None:
        load_page_writer()
    if options.model.endswith(".npy"):
        if options.texts is not None:
            raise ValueError(f"{options.model} already holds embeddings; leave --texts out, or name a model.")
        check_no_model_options(options)
        embeddings = read_embeddings(Path(options.model), options.unpack_bits)
        queries = None if options.queries is None else read_embeddings(Path(options.queries), options.unpack_bits)
        similarity = options.similarity or "cosine"
    else:
        if options.texts is None:
            raise ValueError(
                f"The option --texts is missing; name a file with the texts that {options.model} should encode, one "
                "per line."
            )
        texts = read_texts(options.texts, fewest=FEWEST_ROWS)
        asking = None if options.queries is None else read_texts(options.queries, fewest=2)
        model = load_named(options.model, model_options(options))
        encoding = {"batch_size": options.batch_size or BATCH_SIZE, "show_progress_bar": True}
        embeddings = model.encode_document(texts, **encoding)
        queries = None if asking is None else model.encode_query(asking, **encoding)
        similarity = options.similarity or model.similarity_fn_name
    diagnosis = diagnose(embeddings, source=options.model, queries=queries, similarity=similarity)
    cast(TextIOWrapper, sys.stdout).reconfigure(errors="replace")  # a pipe on Windows has no minus sign and no ∞
    sys.stdout.write(format_table(diagnosis) + "\n")
    if options.json is not None:
        write_text(options.json, diagnosis.to_json())
    if options.html is not None:
        write_text(options.html, load_page_writer()(diagnosis, embeddings))


def load_page_writer() -> Callable[[Diagnosis, np.ndarray], str]:
    """Import what writes the page; a `ValueError` names the extra when its libraries are missing."""
    with importing_page_writer():
        from st_isotropy.diagnosis.page import write_page
    return write_page
