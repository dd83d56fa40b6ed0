"""The command line: `python -m evaluation quickstart | run | report | bench | coverage`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from evaluation.errors import UserError
from evaluation.files import NO_MORE_FILES
from evaluation.processes import remember_interrupts

RESUMES = "the same command goes on where it stopped"
STARTS_AGAIN = "nothing was written; the same command starts again"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0 done, 1 missed a target, 2 bad input, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except UserError as error:
        return _refuse(str(error))
    except OSError as error:
        if error.filename is None and error.errno not in NO_MORE_FILES:
            raise
        where = f"{error.filename}: " if error.filename else ""
        cure = "put it back" if isinstance(error, FileNotFoundError) else "make room or rights"
        return _refuse(f"{where}{error.strerror}; {cure}, then repeat the command to go on.")
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

    quickstart = commands.add_parser(
        "quickstart",
        help="train with and without the persistent-entropy term and say what changed",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    quickstart.add_argument("--model", default="static", help="static, minilm, glove, smollm2, a folder or a hub name")
    quickstart.add_argument("--seeds", type=int, default=3, help="paired training runs")
    quickstart.add_argument("--objective", default="cosine", help="cosine (pairs labelled 1/0) or contrastive")
    quickstart.add_argument("--weight", type=float, default=30.0, help="weight of the term; negative minimizes entropy")
    quickstart.add_argument("--steps", type=int, default=150, help="optimizer steps of each training run")
    quickstart.add_argument("--out", type=Path, default=Path("runs/quickstart"), help="run directory")
    quickstart.set_defaults(command=_quickstart, interrupted=RESUMES)

    run = commands.add_parser("run", help="run a study from a TOML file, or compare models as they are with --model")
    run.add_argument("study", nargs="?", type=Path, metavar="STUDY", help="TOML file of a study, which trains models")
    run.add_argument(
        "--model", nargs="+", action="extend", help="no training: two or more give the comparison with the first"
    )
    run.add_argument(
        "--tasks",
        nargs="+",
        action="extend",
        default=[],
        metavar="TASK",
        help="mteb tasks, types or benchmarks, quick, nanobeir, full, docstrings, or data sets of --folder (all of "
        "them by default); :SPLIT, :tune or :report can follow",
    )
    run.add_argument("--mirror", type=Path, help="folder with data sets laid out as on the hub")
    run.add_argument("--folder", type=Path, nargs="+", action="extend", default=[], help="own data: BEIR folders, TSV")
    run.add_argument("--pairs", type=Path, nargs="+", action="extend", default=[], help="folders with training pairs")
    run.add_argument("--jobs", type=int, default=1, help="processes that run a study's cells")
    run.add_argument("--backend", choices=("joblib", "dask"), default="joblib", help="where a study's cells run")
    run.add_argument("--address", default="", help="address of a Dask scheduler, such as tcp://10.0.0.1:8786")
    run.add_argument(
        "--indexes", nargs="+", action="extend", metavar="INDEX", help="FAISS indexes for retrieval tasks, or all"
    )
    run.add_argument("--out", type=Path, default=Path("runs/run"), help="run directory")
    run.set_defaults(command=_run, interrupted=RESUMES)

    report = commands.add_parser("report", help="write the report of a finished run anew, or compare several runs")
    report.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run directory; several are compared")
    report.add_argument("--out", type=Path, default=Path("runs/report"), help="folder for the comparison of several")
    report.set_defaults(command=_report, interrupted=STARTS_AGAIN)

    bench = commands.add_parser("bench", help="speed and memory as ratios against peers; status 1 on a missed target")
    bench.add_argument("suites", nargs="*", metavar="SUITE", help="h0, h1, select, step, large; all of them by default")
    bench.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder for bench.json")
    bench.set_defaults(command=_bench, interrupted=STARTS_AGAIN)

    coverage = commands.add_parser("coverage", help="simulate how often the 95 %% intervals hold the truth")
    coverage.add_argument("--out", type=Path, default=Path("runs/coverage"), help="folder for coverage.json")
    coverage.set_defaults(command=_coverage, interrupted=STARTS_AGAIN)
    return parser


def _quickstart(options: argparse.Namespace) -> int:
    # Imported here so that --help answers at once.
    from evaluation.study.quickstart import quickstart

    quickstart(options.model, options.objective, options.weight, options.seeds, options.steps, options.out)
    return 0


def _run(options: argparse.Namespace) -> int:
    if (options.study is None) == (options.model is None):
        raise UserError("Give either a study's TOML file, or models with --model.")
    return _compare(options) if options.study is None else _study(options)


def _study(options: argparse.Namespace) -> int:
    from evaluation.data.places import Sources
    from evaluation.study.description import read_study
    from evaluation.study.runner import Backend
    from evaluation.study.study_run import run_study

    if options.tasks or options.indexes:
        raise UserError("A study names its tasks and indexes itself: leave out --tasks and --indexes.")
    if (options.backend == "dask") != bool(options.address):
        raise UserError("--backend dask and --address go together: give the address of the Dask scheduler.")
    if options.jobs < 1:
        raise UserError(f"--jobs is {options.jobs}, and at least 1 process is needed.")
    sources = Sources(options.mirror, tuple(options.folder), tuple(options.pairs))
    run_study(read_study(options.study), sources, options.out, Backend(options.jobs, options.address))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from evaluation.compare import compare
    from evaluation.retrieval.indexes import QUICK_INDEXES

    if options.pairs or options.jobs != 1 or options.backend != "joblib" or options.address:
        raise UserError("--pairs, --jobs, --backend and --address are for studies: leave them out with --model.")
    compare(
        options.model,
        options.tasks,
        options.out,
        mirror=options.mirror,
        own=options.folder,
        indexes=options.indexes or QUICK_INDEXES,
    )
    return 0


def _report(options: argparse.Namespace) -> int:
    from evaluation.report.report import report

    report(options.runs, options.out)
    return 0


def _bench(options: argparse.Namespace) -> int:
    from evaluation.bench.run import run

    return 0 if run(options.suites, options.out) else 1


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


if __name__ == "__main__":
    # Progress bars of the libraries would tear ours apart; tokenizers warn when joblib forks.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    remember_interrupts()
    sys.exit(main())
