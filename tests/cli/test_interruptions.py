"""Killed, interrupted, resumed: real processes, real signals, and the same bits in the end."""

import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from e2c_control.runs.checkpoint import checkpoint_paths, latest, load_checkpoint
from e2c_control.runs.logger import read_metrics


def curves(run: Path) -> list[dict[str, Any]]:
    """What metrics.jsonl says, apart from how long it took."""
    rows = read_metrics(run / "metrics.jsonl")
    return [{tag: value for tag, value in row.items() if not tag.startswith("time/")} for row in rows]


def assert_same_run(run: Path, whole: Path) -> None:
    assert curves(run) == curves(whole)
    newest, expected = latest(run / "checkpoints"), latest(whole / "checkpoints")
    assert newest is not None
    assert expected is not None
    assert newest.name == expected.name
    one, other = load_checkpoint(newest), load_checkpoint(expected)
    assert one.meta == other.meta
    assert one.tensors.keys() == other.tensors.keys()
    for group, tensors in other.tensors.items():
        assert one.tensors[group].keys() == tensors.keys()
        for name, tensor in tensors.items():
            found = one.tensors[group][name]
            assert found.numpy().tobytes() == tensor.numpy().tobytes(), f"{group}/{name}"


def wait_for(happened: Callable[[], object], process: "Popen[str]") -> None:
    """Until something has happened; the process must still be at work then."""
    deadline = time.monotonic() + 60
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def interrupted_run(
    tmp_path: Path, planar: Path, training: tuple[object, ...], start: Callable[..., "Popen[str]"], number: int
) -> tuple[Path, "Popen[str]", str, str]:
    """A run that got the signal some steps after its second checkpoint, between two points of its curves."""
    process = start(tmp_path, "train", "--dataset", planar, "--name", "cut", *training)
    run = tmp_path / "runs" / "Planar-v0" / "cut"
    wait_for(lambda: run.exists() and any(row["step"] >= 24 for row in curves(run)), process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return run, process, out, err


@pytest.mark.usefixtures("slowed")
def test_killed_run_goes_on_to_the_bit(
    tmp_path: Path,
    planar: Path,
    whole: Path,
    training: tuple[object, ...],
    start: Callable[..., "Popen[str]"],
    succeed: Callable[..., None],
) -> None:
    run, process, _, _ = interrupted_run(tmp_path, planar, training, start, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert len(curves(run)) < len(curves(whole))
    # The kill may have come in the middle of writing a line or a checkpoint.
    with (run / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"step": 25, "loss/to')
    torn = run / "checkpoints" / "step-00000030"
    shutil.rmtree(torn, ignore_errors=True)
    torn.mkdir()
    succeed("train", "--resume", run)
    assert_same_run(run, whole)


@pytest.mark.usefixtures("slowed")
def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path,
    planar: Path,
    whole: Path,
    training: tuple[object, ...],
    start: Callable[..., "Popen[str]"],
    succeed: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, process, out, err = interrupted_run(tmp_path, planar, training, start, signal.SIGINT)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("e2c: stopped; go on with `e2c train --resume ")
    command = err.split("`")[1].split()[1:]
    stopped_at = int(checkpoint_paths(run / "checkpoints")[-1].name[5:])
    assert 20 < stopped_at < curves(whole)[-1]["step"]
    monkeypatch.chdir(tmp_path)
    succeed(*command)
    assert_same_run(run, whole)
    assert str(run.relative_to(tmp_path)) in out

    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0}).Reload()
    shown = [(event.step, event.value) for event in events.Scalars("loss/total")]
    logged = [(row["step"], row["loss/total"]) for row in curves(run) if "loss/total" in row]
    assert [step for step, _ in shown] == [step for step, _ in logged], "no overlap and no gap"
    assert np.allclose([value for _, value in shown], [value for _, value in logged], rtol=1e-6)
    measured = {row["step"] for row in curves(run) if "map/step_rank" in row}
    assert {event.step for event in events.Images("images/latent_map")} == measured


def test_resuming_a_finished_run_changes_nothing(whole: Path, tmp_path: Path, succeed: Callable[..., None]) -> None:
    run = tmp_path / "again"
    shutil.copytree(whole, run)
    succeed("train", "--resume", run)
    assert_same_run(run, whole)


def test_ctrl_c_while_collecting_leaves_nothing(tmp_path: Path, start: Callable[..., "Popen[str]"]) -> None:
    # Run in the background of a shell, the tests were told to ignore Ctrl-C, and children inherit that.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    options = ("--env", "E2C/Planar-v0", "--out", "data/planar", "--transitions", 10**6)
    process = start(tmp_path, "collect", *options, preexec_fn=heed)
    wait_for(lambda: list(tmp_path.glob("data/.planar*")), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert list(tmp_path.glob("data/*")) == []
    assert list(tmp_path.glob("data/.*")) == []
