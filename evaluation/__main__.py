"""The command line: `python -m evaluation COMMAND`, from `quickstart` and `study` to `documentation`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from evaluation.errors import UserError
from evaluation.files import NO_MORE_FILES
from evaluation.processes import remember_interrupts

Commands = argparse._SubParsersAction  # argparse has no public name for what `add_subparsers` gives
RESUMES = "rerun the command to resume"
STARTS_AGAIN = "nothing was written; rerun the command to start again"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0 done, 1 missed a target, 2 bad input, 130 interrupted."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["run"]:  # its name until there were two commands
        return _refuse("The command run is two commands now: study FILE, and compare MODEL [MODEL ...] --tasks TASK.")
    options = _parser().parse_args(given)
    try:
        return options.command(options)
    except UserError as error:
        return _refuse(str(error))
    except OSError as error:
        if error.filename is None and error.errno not in NO_MORE_FILES:
            raise
        where = f"{error.filename}: " if error.filename else ""
        cure = "put it back" if isinstance(error, FileNotFoundError) else "free disk space or fix the permissions"
        return _refuse(f"{where}{error.strerror}; {cure}, then rerun the command to resume.")
    except ModuleNotFoundError as error:
        name = (error.name or "evaluation").partition(".")[0]
        if name in ("evaluation", "st_isotropy") or name in sys.stdlib_module_names:
            raise
        return _refuse(f"{error.name} is not installed: pip install -c constraints.txt -e '.[eval,demo]'.")
    except KeyboardInterrupt:
        print(f"interrupted: {options.interrupted}", file=sys.stderr)  # noqa: T201
        return 130


def _refuse(reason: str) -> int:
    print(f"error: {reason}", file=sys.stderr)  # noqa: T201
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        _add_quickstart,
        _add_study,
        _add_compare,
        _add_report,
        _add_bench,
        _add_coverage,
        _add_improvements,
        _add_calibration,
        _add_documentation,
    ):
        add(commands)
    return parser


def _add_quickstart(commands: Commands) -> None:
    parser = commands.add_parser(
        "quickstart",
        help="train on positive pairs with and without negatives, and say what changed",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--model", default="static", help="static, minilm, glove, smollm2, a folder or a hub name")
    parser.add_argument("--seeds", type=int, default=3, help="paired training runs")
    parser.add_argument("--steps", type=int, default=100, help="optimizer steps of each training run")
    _add_start_models(parser)
    parser.add_argument("--out", type=Path, default=Path("runs/quickstart"), help="run directory")
    parser.set_defaults(command=_quickstart, interrupted=RESUMES)


def _add_study(commands: Commands) -> None:
    parser = commands.add_parser("study", help="run a study from a TOML file: train, choose settings, test, report")
    parser.add_argument("study", type=Path, metavar="FILE", help="TOML file of the study")
    _add_data(parser)
    parser.add_argument(
        "--pairs", type=Path, nargs="+", action="extend", default=[], help="folders with training pairs"
    )
    _add_start_models(parser)
    _add_backend(parser, "cells that run at once")
    parser.add_argument("--out", type=Path, default=Path("runs/study"), help="run directory")
    parser.set_defaults(command=_study, interrupted=RESUMES)


def _add_compare(commands: Commands) -> None:
    parser = commands.add_parser(
        "compare", help="measure models as they are on tasks, and compare each with the first; no training"
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="folders or hub names; one alone gives its scores")
    parser.add_argument(
        "--tasks",
        nargs="+",
        action="extend",
        default=[],
        metavar="TASK",
        help="mteb tasks, types or benchmarks, quick, nanobeir, full, docstrings, or data sets of --folder (all of "
        "them by default); :SPLIT, :tune or :report can follow",
    )
    _add_data(parser)
    parser.add_argument(
        "--indexes", nargs="+", action="extend", metavar="INDEX", help="FAISS indexes for retrieval tasks, or all"
    )
    _add_loading(_add_start_models(parser))
    _add_backend(parser, "models that are measured at once")
    parser.add_argument("--out", type=Path, default=Path("runs/compare"), help="run directory")
    parser.set_defaults(command=_compare, interrupted=RESUMES)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mirror", type=Path, help="folder with data sets laid out as on the hub")
    parser.add_argument(
        "--folder", type=Path, nargs="+", action="extend", default=[], help="own data: BEIR folders, TSV"
    )


def _add_start_models(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """Options of `st_isotropy.diagnosis.model_options`, which cannot be imported without torch."""
    group = parser.add_argument_group("how every model is loaded and run")
    group.add_argument("--trust-remote-code", action="store_true", help="let code that comes with a model run")
    group.add_argument("--revision", metavar="NAME", help="branch, tag or commit of the models on the hub")
    group.add_argument("--device", metavar="NAME", help="such as cpu, cuda:1 or mps (default: the fastest there is)")
    parser.set_defaults(precision=None)  # training is in float32
    return group


def _add_loading(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--batch-size", type=int, default=64, metavar="N", help="texts per forward pass (64)")
    group.add_argument("--precision", choices=("float32", "float16", "bfloat16"), help="of weights (default: as saved)")


def _add_backend(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--jobs", type=int, default=1, help=what)
    parser.add_argument(
        "--address", default="", help="address of a Dask scheduler to run on, such as tcp://10.0.0.1:8786"
    )


def _add_report(commands: Commands) -> None:
    parser = commands.add_parser("report", help="write the report of a finished run anew, or compare several runs")
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="run directory or committed result; several are compared"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/report"),
        help="folder for the comparison of several, or for the report of a committed result",
    )
    parser.set_defaults(command=_report, interrupted=STARTS_AGAIN)


def _add_bench(commands: Commands) -> None:
    parser = commands.add_parser("bench", help="speed and memory as ratios to peers; status 1 on a missed target")
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help="h0, h1, select, step, large, cell, improve; all by default"
    )
    parser.add_argument("--mirror", type=Path, help="folder with data sets laid out as on the hub, for cell")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder for bench.json")
    parser.set_defaults(command=_bench, interrupted=STARTS_AGAIN)


def _add_coverage(commands: Commands) -> None:
    parser = commands.add_parser("coverage", help="simulate how often the 95 %% intervals hold the truth")
    parser.add_argument("--out", type=Path, default=Path("runs/coverage"), help="folder for coverage.json")
    parser.set_defaults(command=_coverage, interrupted=STARTS_AGAIN)


def _add_improvements(commands: Commands) -> None:
    parser = commands.add_parser(
        "improvements", help="measure every candidate of st-isotropy improve on several models and data sets"
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="static, minilm, glove, smollm2, folders, hub names")
    parser.add_argument(
        "--beir", type=Path, nargs="+", action="extend", default=[], metavar="DIR", help="corpora with queries"
    )
    parser.add_argument(
        "--scored", type=Path, nargs="+", action="extend", default=[], metavar="FILE", help="scored sentence pairs"
    )
    _add_start_models(parser)
    parser.add_argument("--out", type=Path, default=Path("runs/improvements"), help="run directory")
    parser.set_defaults(command=_improvements, interrupted=RESUMES)


def _add_calibration(commands: Commands) -> None:
    parser = commands.add_parser("calibration", help="simulate how often st-isotropy improve offers what is no better")
    parser.add_argument("--model", required=True, help="static, minilm, glove, smollm2, a folder or a hub name")
    parser.add_argument(
        "--beir", type=Path, nargs="+", action="extend", required=True, metavar="DIR", help="corpora with queries"
    )
    _add_start_models(parser)
    parser.add_argument("--out", type=Path, default=Path("runs/calibration"), help="folder for calibration.json")
    parser.set_defaults(command=_calibration, interrupted=STARTS_AGAIN)


def _add_documentation(commands: Commands) -> None:
    parser = commands.add_parser("documentation", help="refresh what the pages show of the committed results")
    parser.add_argument("--add", nargs=2, metavar=("RUN", "NAME"), help="first write the result of the study in RUN")
    parser.add_argument("--tutorial", action="store_true", help="first run the tutorial anew, in minutes")
    parser.add_argument("--gallery", action="store_true", help="first draw the gallery anew, in minutes")
    parser.set_defaults(command=_documentation, interrupted=STARTS_AGAIN)


def _quickstart(options: argparse.Namespace) -> int:
    # Imported here so that --help answers at once.
    from evaluation.study.quickstart import quickstart
    from st_isotropy.diagnosis.model_options import model_options

    quickstart(options.model, options.seeds, options.steps, options.out, model_options(options))
    return 0


def _study(options: argparse.Namespace) -> int:
    from evaluation.data.places import Sources
    from evaluation.study.reading import read_study
    from evaluation.study.run import run_study
    from evaluation.study.runner import Backend
    from st_isotropy.diagnosis.model_options import model_options

    _check_jobs(options)
    sources = Sources(options.mirror, tuple(options.folder), tuple(options.pairs))
    backend = Backend(options.jobs, options.address)
    run_study(read_study(options.study), sources, options.out, backend, model_options(options))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from evaluation.compare import compare
    from evaluation.retrieval.indexes import QUICK_INDEXES
    from evaluation.study.runner import Backend
    from st_isotropy.diagnosis.model_options import model_options

    _check_jobs(options)
    if options.batch_size < 1:
        raise UserError(f"--batch-size is {options.batch_size}, and a batch has at least 1 text.")
    compare(
        options.models,
        options.tasks,
        options.out,
        mirror=options.mirror,
        own=options.folder,
        indexes=options.indexes or QUICK_INDEXES,
        backend=Backend(options.jobs, options.address),
        loading=model_options(options),
        batch_size=options.batch_size,
    )
    return 0


def _check_jobs(options: argparse.Namespace) -> None:
    if options.jobs < 1:
        raise UserError(f"--jobs is {options.jobs}, and at least 1 process is needed.")


def _report(options: argparse.Namespace) -> int:
    from evaluation.report.command import report

    report(options.runs, options.out)
    return 0


def _bench(options: argparse.Namespace) -> int:
    from evaluation.bench.run import run

    return 0 if run(options.suites, options.out, options.mirror) else 1


def _coverage(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from rich.console import Console
    from rich.progress import track

    from evaluation.files import write_json
    from evaluation.statistics.coverage import coverage_table, misses, simulate_coverage

    rows = simulate_coverage(lambda finished, total: track(finished, "Simulating", total=total))
    write_json(options.out / "coverage.json", [asdict(row) for row in rows])
    Console().print(coverage_table(rows))
    return 1 if misses(rows) else 0


def _improvements(options: argparse.Namespace) -> int:
    from evaluation.improvements.run import Data, measure_improvements
    from evaluation.improvements.table import improvements_tables
    from st_isotropy.diagnosis.model_options import model_options

    data = Data(tuple(options.beir), tuple(options.scored))
    evidence = measure_improvements(options.models, data, options.out, model_options(options))
    sys.stdout.write(improvements_tables(evidence))
    return 0


def _calibration(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from evaluation.files import write_json
    from evaluation.improvements.candidate_scores import score_queries
    from evaluation.improvements.choice_calibration import calibrate, calibration_table
    from evaluation.improvements.known_answers import read_corpus
    from evaluation.models.load import check_loading
    from st_isotropy.diagnosis.model_options import model_options

    loading = model_options(options)
    check_loading([options.model], loading)
    corpora = [(folder.resolve().name, read_corpus(folder)) for folder in options.beir]
    rows = [
        row
        for name, corpus in corpora
        for row in calibrate(f"{options.model}, {name}", score_queries(options.model, corpus, loading))
    ]
    write_json(options.out / "calibration.json", [asdict(row) for row in rows])
    sys.stdout.write(calibration_table(rows))
    return 1 if any(row.null and row.offered > 0.05 for row in rows) else 0


def _documentation(options: argparse.Namespace) -> int:
    from evaluation.documentation.refresh import refresh
    from evaluation.documentation.results import add_result
    from evaluation.documentation.tutorial import write_tutorial

    if options.tutorial:
        write_tutorial()
    if options.gallery:
        from evaluation.documentation.gallery_models import write_gallery

        write_gallery()
    if options.add:
        run, name = options.add
        print(f"Written: {add_result(Path(run), name)}")  # noqa: T201
    for path in refresh():
        print(f"Refreshed: {path}")  # noqa: T201
    return 0


if __name__ == "__main__":
    # Progress bars of the libraries would tear ours apart; tokenizers warn when joblib forks.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    remember_interrupts()
    sys.exit(main())
