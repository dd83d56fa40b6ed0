"""Cells on a real Dask cluster of this machine: the same summary as here."""

import os
import sys
from pathlib import Path

import pytest
from small_study import run, untuned, without_cost, write_data

from evaluation.errors import UserError
from evaluation.study import runner
from evaluation.study.runner import Backend

pytestmark = pytest.mark.study

distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def cluster_of(monkeypatch):
    """Makes clusters of so many threads a worker, whose workers find this very `evaluation`."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
    clusters = []

    def make(workers: int, threads: int = 1, processes: bool = True) -> str:
        cluster = distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=threads,
            processes=processes,
            dashboard_address=None,
            memory_limit=0,
        )
        clusters.append(cluster)
        return cluster.scheduler_address

    yield make
    for cluster in clusters:
        cluster.close()


@pytest.mark.slow
def test_a_cluster_gives_the_same_summary_and_is_left_as_it_was(tmp_path, cluster_of):
    sources = write_data(tmp_path)
    study = untuned(tmp_path, test=("found", "rated"), indexes=("flat", "one-bit"), seeds=2)
    run(study, sources, tmp_path / "here")
    address = cluster_of(2)
    run(study, sources, tmp_path / "there", Backend(address=address))
    assert without_cost(tmp_path / "there") == without_cost(tmp_path / "here")
    with distributed.Client(address, set_as_default=False) as client:
        assert len(client.scheduler_info()["workers"]) == 2


def test_workers_of_several_threads_are_refused(tmp_path, cluster_of):
    sources = write_data(tmp_path)
    address = cluster_of(1, threads=2, processes=False)
    with pytest.raises(UserError, match=rf"The Dask cluster at {address} has workers of 2 threads: start workers with"):
        run(untuned(tmp_path), sources, tmp_path / "run", Backend(address=address))


def test_a_cluster_without_workers_is_refused(tmp_path, cluster_of):
    address = cluster_of(0, processes=False)
    with pytest.raises(UserError, match=rf"The Dask cluster at {address} has no workers: start workers with"):
        with Backend(address=address).opened():
            pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense"])
def test_an_address_without_a_scheduler_is_refused(address, monkeypatch):
    monkeypatch.setattr(runner, "PATIENCE", 1)
    with pytest.raises(UserError, match=rf"No Dask scheduler answers at {address} \(.*\); start one or check the addr"):
        with Backend(address=address).opened():
            pass


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"needs distributed: pip install -c constraints\.txt -e '\.\[dask\]'\."):
        with Backend(address="tcp://127.0.0.1:9").opened():
            pass
