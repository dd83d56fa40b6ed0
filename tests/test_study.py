"""The quickstart's cells on a small corpus: paired, measured alike, resumed without redoing what is finished."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_corpus import small_corpus, static_model, transformer_model

from evaluation.errors import UserError
from evaluation.files import read_json
from evaluation.quickstart import tabulate
from evaluation.study import MEASURES, Study, cells, run_cells
from evaluation.timing import Timing

STUDY = Study(seeds=2, steps=3, weight=30.0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    run_cells(STUDY, small_corpus(), static_model(), folder, Timing(folder))
    return folder


def measured(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.glob("cells/*/*"))
        if path.is_file()
    }


def test_a_study_has_the_start_model_and_pairs_of_runs() -> None:
    assert [cell.name for cell in cells(STUDY)] == ["start", "plain-0", "regularized-0", "plain-1", "regularized-1"]


def test_exact_search_agrees_with_the_retrieval_task_of_mteb(finished: Path) -> None:
    for cell in cells(STUDY):
        result = read_json(finished / "cells" / cell.name / "measured.json")
        task = next(task for task in result["tasks"] if task["type"] == "Retrieval")
        assert result["retrieval"][0]["name"] == "flat"
        assert result["retrieval"][0]["ndcg_at_10"] == pytest.approx(task["score"], abs=2e-5)


def test_the_term_changes_the_model_and_the_seed_changes_the_run(finished: Path) -> None:
    values = {
        cell.name: read_json(finished / "cells" / cell.name / "measured.json")["isotropy"]["isoscore"]["value"]
        for cell in cells(STUDY)
    }
    assert len(set(values.values())) == 5


def test_a_transformer_is_trained_at_a_hundredth_of_the_learning_rate_of_static_embeddings(
    finished: Path, tmp_path: Path
) -> None:
    assert learning_rate(finished) == 2e-3
    folder = tmp_path / "study"
    study = Study(seeds=1, steps=1)
    run_cells(study, small_corpus(), transformer_model(tmp_path / "start"), folder, Timing(folder))
    assert learning_rate(folder) == 2e-5


def learning_rate(folder: Path) -> float:
    return read_json(folder / "cells" / "plain-0" / "training" / "cell.json")["regime"]["learning_rate"]


def test_a_finished_study_is_not_run_again(finished: Path) -> None:
    before, cost = measured(finished), read_json(finished / "timing.json")
    run_cells(STUDY, small_corpus(), static_model(), finished, Timing(finished))
    assert measured(finished) == before
    assert read_json(finished / "timing.json") == cost


def test_only_the_missing_cell_is_run_again_and_gives_the_same_result(finished: Path) -> None:
    before = measured(finished)
    (finished / "cells" / "plain-1" / "measured.json").unlink()
    run_cells(STUDY, small_corpus(), static_model(), finished, Timing(finished))
    after = measured(finished)
    del before["cells/plain-1/measured.json"]
    again = json.loads(after.pop("cells/plain-1/measured.json")[1])
    # The embeddings are written again with the cell; everything else stays untouched.
    assert before.pop("cells/plain-1/embeddings.npz")[1] == after.pop("cells/plain-1/embeddings.npz")[1]
    assert after == before
    assert again["isotropy"].keys() == {*MEASURES}


def test_a_cell_measured_twice_gives_the_same_numbers(finished: Path) -> None:
    path = finished / "cells" / "plain-1" / "measured.json"
    first = without_seconds(read_json(path))
    path.unlink()
    run_cells(STUDY, small_corpus(), static_model(), finished, Timing(finished))
    assert without_seconds(read_json(path)) == first


def without_seconds(value: Any) -> Any:
    """A measurement without the fields that tell how long it took."""
    if isinstance(value, dict):
        return {key: without_seconds(item) for key, item in value.items() if not key.endswith("seconds")}
    return [without_seconds(item) for item in value] if isinstance(value, list) else value


def test_the_table_compares_regularized_with_plain_in_every_group(finished: Path) -> None:
    results = run_cells(STUDY, small_corpus(), static_model(), finished, Timing(finished))
    statuses = {index["name"]: index["status"] for index in read_json(finished / "indexes.json")}
    rows = tabulate(STUDY, results, statuses)
    assert {row.group for row in rows} == {"isotropy", "tasks", "retrieval"}
    for row in rows:
        assert len(row.values["start"]) == 1 and len(row.values["plain"]) == len(row.values["regularized"]) == 2
        [over_runs, *_] = row.comparisons["regularized − plain"]
        expected = row.mean("regularized") - row.mean("plain")
        assert over_runs.estimate == pytest.approx(expected, abs=1e-9)


def test_a_half_written_cell_is_not_taken_for_a_finished_one(tmp_path: Path) -> None:
    study = Study(seeds=1, steps=1)
    half = tmp_path / "cells" / "start"
    half.mkdir(parents=True)
    (half / ".measured.json.123.tmp").write_text('{"isotropy": ')
    run_cells(study, small_corpus(), static_model(), tmp_path, Timing(tmp_path))
    assert read_json(half / "measured.json")["isotropy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seeds": 0}, r"--seeds is 0, and at least 1"),
        ({"weight": float("nan")}, r"--weight is nan; give a finite number"),
        ({"weight": float("inf")}, r"--weight is inf"),
        ({"steps": 0}, r"steps is 0"),
        ({"objective": "cosin"}, r"no objective 'cosin'; near names are cosine"),
    ],
)
def test_a_study_that_cannot_be_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Study(**arguments)  # pyright: ignore[reportArgumentType]


def test_a_negative_weight_is_a_control_that_is_allowed() -> None:
    assert Study(weight=-3.0).weight == -3.0
