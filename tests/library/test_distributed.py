"""Two real gloo processes under torchrun against one process with the whole batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import distributed_worker
import pytest
from distributed_worker import COLUMNS, OBJECTIVES, ROWS, measure, train

pytestmark = [pytest.mark.slow, pytest.mark.trainer]

WORKER = Path(distributed_worker.__file__)


@pytest.fixture(scope="module")
def texts(sentences):
    columns = [sentences(ROWS, seed=10 + index) for index in range(COLUMNS)]
    columns[1][-1] = columns[1][0]  # a text that both processes have counts once in a gathered cloud
    return columns


@pytest.fixture(scope="module")
def two_processes(bert_folder, texts, tmp_path_factory):
    """What the two processes found."""
    folder = tmp_path_factory.mktemp("distributed")
    (folder / "texts.json").write_text(json.dumps(texts))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    run = subprocess.run(
        [*torchrun, str(WORKER), bert_folder, str(folder / "texts.json"), str(folder / "out.json")],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=180,
    )
    assert run.returncode == 0, run.stderr
    return json.loads((folder / "out.json").read_text())


@pytest.fixture(scope="module")
def one_process(bert_folder, texts):
    """A function that measures one objective on the whole batch, or on the rows given."""

    def run(name, rows=slice(None), **options):
        return measure(name, bert_folder, texts, rows, lambda model: model, **options)

    return run


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_gathered_penalty_is_that_of_the_whole_batch(name, two_processes, one_process):
    found, expected = two_processes[name], one_process(name)
    sys.stdout.write(f"\n{name}: two processes {found}, one process {expected}\n")
    assert found["penalty"] == pytest.approx(expected["penalty"], rel=1e-5)
    if name != "in-batch negatives, not gathered":
        assert found["base"] == pytest.approx(expected["base"], rel=1e-5)
        assert found["gradient"] == pytest.approx(expected["gradient"], rel=1e-5)


def test_the_trainer_logs_the_same_in_two_processes_as_in_one(two_processes, bert_folder, texts):
    expected = train(bert_folder, texts, ROWS)
    sys.stdout.write(f"\ntrainer, loss, base, penalty, gradient norm: {two_processes['trainer']}, one {expected}\n")
    for found, wanted in zip(two_processes["trainer"], expected, strict=True):
        assert found == pytest.approx(wanted, abs=2e-4)  # the trainer rounds what it logs to four decimals


def test_the_objective_that_does_not_gather_sees_fewer_negatives(two_processes, one_process):
    name = "in-batch negatives, not gathered"
    assert two_processes[name]["base"] < 0.95 * one_process(name)["base"]


def test_without_gathering_each_process_has_clouds_of_its_own(two_processes, one_process):
    halves = [one_process("triplets", rows)["penalty"] for rows in (slice(ROWS // 2), slice(ROWS // 2, ROWS))]
    assert two_processes["alone"]["penalty"] == pytest.approx(sum(halves) / 2, rel=1e-5)


def test_a_balanced_weight_of_gathered_clouds_is_the_same_in_every_process(two_processes):
    first, second = two_processes["balanced weights"]
    assert first == second > 0


def test_a_broken_row_of_one_process_stops_all(two_processes):
    assert all("contain NaN or infinity" in error for error in two_processes["errors"])


def test_a_process_without_a_gradient_does_not_lower_a_balanced_weight(two_processes):
    assert two_processes["balance of one"] == pytest.approx(0.1)
    # Nothing is gathered there: the processes may be at other data.
    assert two_processes["balance of each"] == pytest.approx([0.1, 0.0])
