"""`torchrun ... -m e2c_control train`: one run, whoever trains it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from e2c_control.runs.checkpoint import checkpoint_paths, latest
from e2c_control.runs.logger import read_metrics

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def torchrun(tmp_path: Path) -> Iterator[Start]:
    """`e2c` in two processes; what is left of them in the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> "subprocess.Popen[str]":
        launch = [sys.executable, "-P", "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "e2c_control"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [*launch, *map(str, arguments)]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, **pipes)  # type: ignore[call-overload]
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=60)


def assert_same_curves(run: Path, whole: Path) -> None:
    """The same tags at the same steps, and the same numbers but for rounding."""
    rows, expected = read_metrics(run / "metrics.jsonl"), read_metrics(whole / "metrics.jsonl")
    assert [row.keys() for row in rows] == [row.keys() for row in expected]
    for tag in (
        "step",
        "loss/total/unfold",
        "loss/total/display",
        "loss/info_nce",
        "train/gradient_norm",
        "map/step_rank",
    ):
        found = [row[tag] for row in rows if tag in row]
        np.testing.assert_allclose(found, [row[tag] for row in expected if tag in row], rtol=1e-2, atol=1e-3)


def test_two_processes_write_the_run_of_one(
    tmp_path: Path, planar: Path, torchrun: Start, succeed: Callable[..., None]
) -> None:
    length = ("--steps-scale", 0.01, "--log-every", 2, "--measure-every", 10**6, "--checkpoint-every", 5)
    succeed("train", "--dataset", planar, "--runs", tmp_path / "runs", "--name", "one", *length)
    process = torchrun("train", "--dataset", planar, "--name", "two", *length)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    one, two = (tmp_path / "runs" / "Planar-v0" / name for name in ("one", "two"))
    assert_same_curves(two, one)
    names = [path.name for path in checkpoint_paths(one / "checkpoints")]
    assert [path.name for path in checkpoint_paths(two / "checkpoints")] == names
    assert len(list(two.glob("*tfevents*"))) == 1, "one process writes"
    assert out.count("Run ") == out.count("Next ") == 1, "and speaks"


def worker(launcher: "subprocess.Popen[str]", rank: int) -> int:
    """The process of that rank."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    (found,) = (pid for pid in children if f"\0RANK={rank}\0" in Path(f"/proc/{pid}/environ").read_text())
    return int(found)


@pytest.mark.slow
@pytest.mark.usefixtures("slowed")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_process_ends_the_job_and_leaves_a_run_to_go_on_with(
    tmp_path: Path,
    planar: Path,
    whole: Path,
    training: tuple[object, ...],
    torchrun: Start,
    succeed: Callable[..., None],
    lost: int,
) -> None:
    process, run = torchrun("train", "--dataset", planar, "--name", "cut", *training), tmp_path / "runs/Planar-v0/cut"
    deadline = time.monotonic() + 60
    while latest(run / "checkpoints") is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    other = worker(process, 1 - lost)
    os.kill(worker(process, lost), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert f"`e2c train --resume {run.relative_to(tmp_path)}` goes on from the last checkpoint" in err
    assert not Path(f"/proc/{other}").exists()
    assert len(read_metrics(run / "metrics.jsonl")) < len(read_metrics(whole / "metrics.jsonl"))
    if lost:
        succeed("train", "--resume", run)
    else:
        process = torchrun("train", "--resume", run)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert_same_curves(run, whole)
