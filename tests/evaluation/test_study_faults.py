"""What can go wrong around a study: one sentence, nothing finished is lost, and the same command goes on."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from joblib.externals.loky import get_reusable_executor
from small_study import cells, run, untuned, without_cost, write_data

from evaluation.__main__ import main
from evaluation.errors import UserError
from evaluation.files import delete_folder, delete_leftovers, new_file, new_folder, read_json, read_record, write_json
from evaluation.measured import Measured
from evaluation.run_directory import open_run
from evaluation.study.runner import Backend
from evaluation.tasks.source import TaskSource

pytestmark = pytest.mark.study

ROOT = Path(__file__).parents[2]
TOML = """
title = "Does it?"
models = ["{model}"]
test = ["rated"]
seeds = 1
index_seeds = 1

[[regimes]]
name = "small"
objective = "cosine"
pairs = "known"
learning_rates = [5e-3]
steps = 4
batch_size = 8

[[regularizers]]
regularizer = "koleo"
weights = [0.3]
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    sources = write_data(folder)
    (folder / "study.toml").write_text(TOML.format(model=folder / "model"), encoding="utf-8")
    return folder, sources


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    folder, sources = data
    out = tmp_path_factory.mktemp("finished") / "run"
    run(untuned(folder, seeds=1), sources, out)
    return out


def command(folder: Path, out: Path) -> list[str]:
    data = ["--folder", str(folder / "tasks"), "--pairs", str(folder / "pairs")]
    return ["study", str(folder / "study.toml"), *data, "--out", str(out)]


def test_a_corrupt_cell_is_named_and_deleting_it_mends_the_run(data, finished, capsys):
    folder, _ = data
    expected, before = without_cost(finished), cells(finished)
    [path] = [path for path in (finished / "cells").glob("*/test-*.json") if "-koleo-" in str(path)]
    for content in ("", '{"failures": [', "[]", "3", "\x00"):
        path.write_text(content)
        with pytest.raises(UserError, match=r" is broken \(.*\): delete it and rerun the command\.$"):
            read_record(path, Measured)
    assert main(command(folder, finished)) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path} is broken (") and error.endswith("): delete it and rerun the command.\n")
    path.unlink()
    assert main(command(folder, finished)) == 0
    assert without_cost(finished) == expected
    after = cells(finished)
    name = str(path.relative_to(finished))
    assert {key: after[key] for key in before if key != name} == {key: before[key] for key in before if key != name}


def test_a_file_of_the_run_directory_that_is_broken_can_be_deleted(tmp_path):
    for name in ("environment.json", "configuration.json"):
        open_run(tmp_path / "run", {"command": "study"})
        path = tmp_path / "run" / name
        path.write_text("{")
        with pytest.raises(UserError, match=rf"{name} is broken \(.*\): delete it and rerun the command\."):
            open_run(tmp_path / "run", {"command": "study"})
        path.unlink()
        open_run(tmp_path / "run", {"command": "study"})
        assert read_json(path)


def test_a_run_that_was_killed_at_its_first_file_is_still_a_run_directory(tmp_path):
    (tmp_path / ".configuration.json.0123.tmp").write_text("{")
    open_run(tmp_path, {"command": "study"})
    open_run(tmp_path, {"command": "study"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["configuration.json", "environment.json", "lock"]


def test_leftovers_of_a_killed_process_are_deleted_and_nothing_else(tmp_path, monkeypatch):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    monkeypatch.setattr("os.getpid", lambda: dead.pid)
    with new_file(tmp_path / "a" / "file.json") as file, new_folder(tmp_path / "folder") as folder:
        file.write_text("half")
        (folder / "b").write_text("half")
        write_json(tmp_path / "whole.json", {})
        delete_leftovers(tmp_path)
        file.write_text("")  # else the block could not end
        folder.mkdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "folder", "whole.json"]


def test_a_folder_is_deleted_or_not_there(tmp_path):
    delete_folder(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("")
    delete_folder(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


def with_files_of_at_most(limit: int, arguments: list[str]) -> int:
    """Run the command line in a fork that cannot write files of more than so many bytes; give its status."""
    child = os.fork()
    if child == 0:
        status = 70
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            status = main(arguments)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(
    ("limit", "what"),
    [
        (1_500, r".*/run/pairs/small-\w+: File too large"),
        (19_000, r".*/run/models/\w+: a model cannot be saved: .*"),
        (25_000, r".*/run/summary\.json: File too large"),
    ],
)
def test_a_full_disk_is_one_sentence_and_the_study_goes_on_when_there_is_room(
    data, finished, tmp_path, capfd, limit, what
):
    folder, _ = data
    out = tmp_path / "run"
    assert with_files_of_at_most(limit, command(folder, out)) == 2
    told = capfd.readouterr().err.splitlines()[-1]
    cure = "free disk space or fix the permissions, then rerun the command to resume"
    assert re.fullmatch(rf"error: {what}; {cure}\.", told)
    kept = cells(out)
    assert main(command(folder, out)) == 0
    assert without_cost(out) == without_cost(finished)
    assert {name: cells(out)[name] for name in kept} == kept


def test_a_place_that_cannot_be_written_is_one_sentence(data, tmp_path, capsys):
    folder, _ = data
    (tmp_path / "file").write_text("")
    assert main(command(folder, tmp_path / "file" / "run")) == 2
    assert capsys.readouterr().err.endswith("run cannot be written (Not a directory): name another one with --out.\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_run_directory_is_one_sentence(data, tmp_path, capsys):
    folder, _ = data
    tmp_path.chmod(0o500)
    assert main(command(folder, tmp_path / "run")) == 2
    assert "cannot be written (Permission denied): name another one with --out." in capsys.readouterr().err


def test_a_hub_that_cannot_be_reached_is_one_sentence(data, tmp_path, capsys, monkeypatch):
    from evaluation.tasks import mteb as mteb_tasks

    folder, _ = data
    monkeypatch.setattr(mteb_tasks, "hub_reachable", lambda: False)
    monkeypatch.setattr(mteb_tasks.constants, "is_offline_mode", lambda: False)
    study = folder / "hub.toml"
    study.write_text(TOML.format(model=folder / "model").replace('"rated"', '"STS12"'), encoding="utf-8")
    arguments = command(folder, tmp_path / "run")
    assert main([arguments[0], str(study), *arguments[2:]]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: The data of STS12 are on the hub, and https://") and "--mirror DIR" in error


def test_a_hub_that_goes_away_in_the_middle_is_one_sentence_and_finished_cells_are_kept(data, tmp_path, capsys):
    """The name is known and was reachable at first; the data are asked for and do not come."""
    folder, _ = data
    out = tmp_path / "run"
    study = folder / "gone.toml"
    study.write_text(TOML.format(model=folder / "model").replace('"rated"', '"rated", "STS12"'), encoding="utf-8")
    arguments = command(folder, out)
    assert main(arguments) == 0  # without the hub
    kept = cells(out)
    assert main([arguments[0], str(study), *arguments[2:]]) == 2  # offline, as all tests are, and not in the cache
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: The data of STS12 (mteb/sts12-sts) cannot be loaded (") and "--mirror DIR" in error
    assert cells(out) == kept


class _Killing:
    """Makes a task whose data kill a worker process, as the system does when memory runs out."""

    def __init__(self, make) -> None:
        self.make, self.parent = make, os.getpid()

    def __call__(self):
        task = self.make()
        if os.getpid() != self.parent:
            task.load_data = self.die
        return task

    def die(self, *args, **kwargs):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_worker_process_that_is_killed_is_one_sentence(data, tmp_path, monkeypatch):
    from evaluation.study import run as study_run

    folder, sources = data
    resolve = study_run.resolve_tasks

    def resolved(names: list[str], *where) -> list[TaskSource]:
        return [replace(source, make=_Killing(source.make)) for source in resolve(names, *where)]

    monkeypatch.setattr(study_run, "resolve_tasks", resolved)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
    # Loky can overlook the death of a process that joins a pool whose others were idle for too long.
    get_reusable_executor().shutdown()
    with pytest.raises(UserError, match=r"was killed, most likely because memory ran out: rerun the command"):
        run(untuned(folder, seeds=1, test=("found",)), sources, tmp_path / "run", Backend(jobs=2))


_LOSES_AN_INTERRUPT = """
import os, signal, weakref
from evaluation.processes import remember_interrupts, stop_if_interrupted

class Anything: pass

remember_interrupts()
stop_if_interrupted()
it = Anything()
reference = weakref.ref(it, lambda _: os.kill(os.getpid(), signal.SIGINT))
del it
print("the first was lost")
try:
    stop_if_interrupted()
except KeyboardInterrupt:
    print("and found")
"""


def test_an_interrupt_that_comes_in_a_weak_references_callback_is_not_lost():
    lines = [sys.executable, "-c", _LOSES_AN_INTERRUPT]
    done = subprocess.run(lines, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Exception ignored" in done.stderr
    assert done.stdout.splitlines() == ["the first was lost", "and found"]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_study_gives_status_130_and_goes_on(data, finished, tmp_path, jobs):
    folder, _ = data
    out = tmp_path / "run"
    line = [sys.executable, "-m", "evaluation", *command(folder, out), "--jobs", str(jobs)]
    process = subprocess.Popen(
        line, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not list(out.glob("cells/start-*/*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does, to every process of the terminal
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    assert "interrupted: rerun the command to resume" in error.splitlines()
    assert "Traceback" not in error or "Exception ignored in" in error  # Python says where it lost an interrupt
    assert main(command(folder, out)) == 0
    assert without_cost(out) == without_cost(finished)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "study.toml"], "The command run is two commands now: study FILE, and compare MODEL [MODEL ...]"),
        (["run", "--model", "a", "--tasks", "STS12"], "The command run is two commands now: study FILE, and compare"),
        (["study", "study.toml", "--jobs", "0"], "--jobs is 0, and at least 1 process is needed."),
        (["study", "nowhere.toml"], "The study nowhere.toml cannot be read (No such file or directory)."),
    ],
)
def test_arguments_that_cannot_be_are_told_in_a_sentence(capsys, arguments, message):
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_an_unknown_key_in_a_study_is_told_with_near_ones(data, tmp_path, capsys):
    folder, _ = data
    study = tmp_path / "study.toml"
    study.write_text(TOML.format(model=folder / "model").replace("seeds", "seed"), encoding="utf-8")
    assert main(["study", str(study)]) == 2
    assert "'seed'; near names are seeds" in capsys.readouterr().err
