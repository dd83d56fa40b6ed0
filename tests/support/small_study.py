"""A study that runs in seconds: a static model in a folder, own data as tasks, a file of training pairs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from own_data import sentences, write_beir, write_labels, write_lines, write_pairs
from small_corpus import static_model

from evaluation.data.places import Sources
from evaluation.files import read_json
from evaluation.report.summary import Summary
from evaluation.study.description import Grid, Regime, Study
from evaluation.study.run import run_study
from evaluation.study.runner import Backend

REGIME = Regime("cosine", "known", (5e-3, 2e-2), steps=4, batch_size=8, name="small")


def write_data(folder: Path) -> Sources:
    """Tasks `chosen` (STS, to choose on), `found` (retrieval), `rated` (STS) and `sorted` (classification)."""
    write_beir(folder / "tasks" / "found", documents=60)
    for seed, name in enumerate(("chosen", "rated")):
        write_pairs(folder / "tasks" / name / "test.tsv", seed=seed)
    write_labels(folder / "tasks" / "sorted" / "train.tsv")
    write_labels(folder / "tasks" / "sorted" / "test.tsv", seed=1)
    rows = [f"{text}\t{' '.join(reversed(text.split()))}" for text in sentences(60, seed=7)]
    write_lines(folder / "pairs" / "known.tsv", ["anchor\tpositive", *rows])
    static_model().save_pretrained(str(folder / "model"), create_model_card=False)
    return Sources(folders=(folder / "tasks",), pairs=(folder / "pairs",))


def small_study(folder: Path, **changes: Any) -> Study:
    """A tuned study of two regularizers and a transform on what `write_data` wrote."""
    study = Study(
        title="Does it?",
        models=(str(folder / "model"),),
        regimes=(REGIME,),
        regularizers=(Grid("persistent_entropy", (30,)), Grid("koleo", (0.3,))),
        test=("found", "rated"),
        validation=("chosen",),
        posthoc=("center",),
        seeds=2,
        tuning_seeds=1,
        indexes=("flat", "one-bit"),
        index_seeds=1,
    )
    return replace(study, **changes)


def untuned(folder: Path, **changes: Any) -> Study:
    """The smallest study: nothing to choose, one regularizer, one task."""
    smallest: dict[str, Any] = {
        "regimes": (replace(REGIME, learning_rates=(5e-3,)),),
        "regularizers": (Grid("koleo", (0.3,)),),
        "validation": (),
        "posthoc": (),
        "indexes": (),
        "test": ("rated",),
    }
    return small_study(folder, **{**smallest, **changes})


def run(study: Study, sources: Sources, out: Path, backend: Backend | None = None) -> Summary:
    return run_study(study, sources, out, backend or Backend())


def without_cost(out: Path) -> dict[str, Any]:
    """The summary without what differs from run to run."""
    return {key: value for key, value in read_json(out / "summary.json").items() if key != "timing"}


def cells(out: Path) -> dict[str, int]:
    """The files of the finished cells, with the times they were written."""
    return {str(path.relative_to(out)): path.stat().st_mtime_ns for path in (out / "cells").glob("*/*.json")}
