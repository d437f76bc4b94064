"""`e2c benchmark` and `e2c collect --jobs` as a user runs them: killed, interrupted, gone on with, refused."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import numpy as np
import pytest

from e2c_control.data import Transitions

SIZES = ("--problems", 100, "--transitions", 300, "--steps-scale", 0.002)
Refused = Callable[..., str]


def children(process: "Popen[str]") -> list[int]:
    """Processes that it began to train cells."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in listed if b"multiprocessing.spawn" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def until(happened: Callable[[], object], process: "Popen[str]") -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_finished_cells_are_reported_and_not_run_again(tmp_path: Path, succeed: Callable[..., None]) -> None:
    from e2c_control.benchmark.cell import Result, make_cell
    from e2c_control.benchmark.store import write_cell

    task = {"scores": [0.75] * 10, "oracle": [0.8] * 10}
    made_by = {"commit": None, "machine": "none", "versions": {}}
    for seed in (100, 101):
        row = {"seed": seed, "train_cpu_seconds": 1.0, "tasks": {"E2C/Planar-v0": task}, **made_by}
        cell = make_cell("planar", "unfold", seed, 100, transitions=300, steps_scale=0.002)
        write_cell(tmp_path / "b" / "cells", cell, Result(row, {}))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "b" / "cells").iterdir()}
    succeed("benchmark", "--seeds", 100, 101, *SIZES, "--out", tmp_path / "b")
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "b" / "cells").iterdir()}
    assert "| Planar | `unfold` | 75.0 [75.0, 75.0] |" in (tmp_path / "b" / "table.md").read_text()
    assert not (tmp_path / "b" / "runs").exists()


@pytest.mark.slow
def test_interrupted_and_gone_on_with(tmp_path: Path, start: Callable[..., "Popen[str]"]) -> None:
    arguments = ("benchmark", "--seeds", 100, 101, 102, *SIZES, "--out", "b")
    process = start(tmp_path, *arguments)
    cells = tmp_path / "b" / "cells"
    first = cells / "planar-unfold-100.json"
    until(first.exists, process)
    until(lambda: children(process), process)
    at_work = children(process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "finished cells are kept, the same command goes on" in errors
    assert not [pid for pid in at_work if Path(f"/proc/{pid}").exists()]
    finished = [path.name for path in cells.glob("*.json")]  # a second one may end before the signal arrives
    assert first.name in finished
    assert len(finished) < 3
    written = first.stat().st_mtime_ns

    process = start(tmp_path, *arguments)
    printed, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert f"Cells     3, of which {len(finished)} are finished" in printed
    assert first.stat().st_mtime_ns == written
    assert {path.name for path in (tmp_path / "b").glob("*.*")} >= {
        "table.md",
        "table.csv",
        "drives.csv",
        "report.html",
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--worlds", "plannar"), "did you mean 'planar'"),
        (("--recipes", "e2d"), "There is no recipe 'e2d'"),
        (("--seeds", "-1"), "--seed"),
        (("--jobs", "0"), "--jobs is 0"),
        (("--jobs", "2", "--ray", "auto"), "--jobs means nothing beside --ray"),
        (("--transitions", "0"), "--transitions is 0"),
        (("--steps-scale", "0"), "--steps-scale is 0"),
    ],
)
def test_mistakes_are_told_before_anything_is_made(
    tmp_path: Path, refused: Refused, given: tuple[str, ...], said: str
) -> None:
    assert said in refused("benchmark", *given, "--out", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_folder_is_for_one_benchmark_at_a_time(tmp_path: Path, refused: Refused) -> None:
    from e2c_control.runs.lock import locked

    with locked(tmp_path):
        assert "in use by another process" in refused("benchmark", "--out", tmp_path)


def test_collecting_in_parts(tmp_path: Path, succeed: Callable[..., None], refused: Refused) -> None:
    options = ("--env", "E2C/Planar-v0", "--transitions", 5_100, "--seed", 3)
    succeed("collect", *options, "--out", tmp_path / "two", "--jobs", 2)
    found = Transitions.open(tmp_path / "two")
    assert found.n_transitions == 5_100
    assert found.card.seed == 3
    assert found.states is not None
    # No part repeats another one, and no frame is missing between a state and the next.
    starts = found.states[found.episodes[:-1]]
    assert len(np.unique(starts, axis=0)) == len(starts)
    assert "exists already" in refused("collect", *options, "--out", tmp_path / "two", "--jobs", 2)


def test_a_part_that_fails_leaves_nothing(tmp_path: Path, refused: Refused) -> None:
    options = ("--transitions", 20, "--jobs", 2, "--out", tmp_path / "d")
    assert "Unknown environment" in refused("collect", "--env", "E2C/Plannar-v0", *options)
    assert list(tmp_path.iterdir()) == []
