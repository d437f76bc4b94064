"""A Ray cluster of two workers on this machine, one of which is killed on the way: nothing is missing in the end."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from e2c_control.benchmark.cell import make_cell, run_cell
from e2c_control.benchmark.store import read_cells
from e2c_control.data import Transitions
from e2c_control.errors import InputError
from e2c_control.parallel.ray_cluster import run_on_ray

with_ray = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs e2c-control[ray]"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of the cluster: one machine with two workers."""
    # Ray listens on the network unless it is told that its cluster has one machine, and only before it is imported.
    patience = {"RAY_raylet_start_wait_time_s": "150", "RAY_agent_register_timeout_ms": "150000"}
    options = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0", **patience}
    # A port that Ray's agents were to choose themselves it awaits for seconds only, too few on a busy machine.
    agents = ("runtime_env_agent_port", "metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in options.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 10**8}
        cluster = Cluster(initialize_head=True, head_node_args={**head, **{name: free_port() for name in agents}})
        yield cluster.address
        cluster.shutdown()


def command(*arguments: object) -> "subprocess.Popen[str]":
    given = [sys.executable, "-P", "-m", "e2c_control", *map(str, arguments)]
    return subprocess.Popen(given, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def descends_from_here(pid: int) -> bool:
    while pid > 1 and pid != os.getpid():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid == os.getpid()


def at_work(function: str) -> int | None:
    """A worker of our cluster that runs the function; Ray gives such a process its name."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(f"ray::{function}".encode()) and descends_from_here(int(path.parent.name)):
                return int(path.parent.name)
        except FileNotFoundError:
            continue
    return None


def succeeds_in_spite_of_a_kill(process: "subprocess.Popen[str]", function: str) -> None:
    deadline = time.monotonic() + 200
    while (worker := at_work(function)) is None:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(worker, signal.SIGKILL)
    _, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors


class TestOnACluster:
    pytestmark = with_ray

    def test_collecting(self, address: str, tmp_path: Path) -> None:
        options = ("--env", "E2C/ThreeLink-v0", "--transitions", 11_000, "--seed", 5)
        process = command("collect", *options, "--out", tmp_path / "there", "--ray", address)
        succeeds_in_spite_of_a_kill(process, "_collect_part")
        here = command("collect", *options, "--out", tmp_path / "here", "--jobs", 2)
        assert here.wait() == 0
        one, other = (Transitions.open(tmp_path / place) for place in ("there", "here"))
        assert one.card == other.card
        assert one.n_transitions == 11_000
        for name in ("frames", "actions", "episodes", "states"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name

    def test_benchmark(self, address: str, tmp_path: Path) -> None:
        sizes = ("--problems", 100, "--transitions", 300, "--steps-scale", 0.002)
        seeds = (100, 101, 102)
        process = command("benchmark", "--seeds", *seeds, *sizes, "--out", tmp_path / "b", "--ray", address)
        succeeds_in_spite_of_a_kill(process, "run_cell_anywhere")
        cells = read_cells(tmp_path / "b" / "cells")
        assert [stored.cell.seed for stored in cells] == list(seeds)
        here = run_cell(make_cell("planar", "unfold", 100, 100, transitions=300, steps_scale=0.002), tmp_path)
        assert cells[0].row["tasks"] == here.row["tasks"]
        assert "| Planar | `unfold` |" in (tmp_path / "b" / "table.md").read_text()

    def test_where_there_is_no_cluster(self) -> None:
        with pytest.raises(InputError, match="no Ray cluster"):
            next(run_on_ray(len, ["job"], f"127.0.0.1:{free_port()}"))


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'e2c-control\[ray\]'"):
        next(run_on_ray(len, ["job"], "auto"))
