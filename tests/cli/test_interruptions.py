"""Killed, interrupted, resumed: real processes, real signals, and the same bits in the end."""

import re
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

from e2c_control.agents import E2CAgent
from e2c_control.errors import InputWarning
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
    shown = [(event.step, event.value) for event in events.Scalars("train/gradient_norm")]
    logged = [(row["step"], row["train/gradient_norm"]) for row in curves(run) if "train/gradient_norm" in row]
    assert [step for step, _ in shown] == [step for step, _ in logged], "no overlap and no gap"
    assert np.allclose([value for _, value in shown], [value for _, value in logged], rtol=1e-6)
    measured = {row["step"] for row in curves(run) if "map/step_rank" in row}
    assert {event.step for event in events.Images("images/latent_map")} == measured


def test_resuming_a_finished_run_changes_nothing(whole: Path, tmp_path: Path, succeed: Callable[..., None]) -> None:
    run = tmp_path / "again"
    shutil.copytree(whole, run)
    succeed("train", "--resume", run)
    assert_same_run(run, whole)


@pytest.mark.parametrize("command", [("plan", "--steps", 1), ("evaluate", "--problems", 1)])
def test_a_run_that_is_not_done_says_which_checkpoint_is_used(
    command: tuple[object, ...],
    whole: Path,
    tmp_path: Path,
    succeed: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    succeed(*command, "--run", run)
    assert "not trained to its end" not in capsys.readouterr().out
    before, last = checkpoint_paths(run / "checkpoints")[-2:]
    shutil.rmtree(last)
    steps = [int(path.name[5:]) for path in (before, last)]
    note = f"{run} is not trained to its end: this is its checkpoint of step {steps[0]} of {steps[1]}"
    with pytest.warns(InputWarning, match=re.escape(note)):
        succeed(*command, "--run", run)
    with pytest.warns(InputWarning, match=re.escape(note)):
        E2CAgent.load(run)


@pytest.mark.parametrize(
    ("number", "jobs"),
    [(signal.SIGINT, 1), (signal.SIGKILL, 1), pytest.param(signal.SIGKILL, 2, marks=pytest.mark.slow)],
)
def test_a_collection_that_was_stopped_goes_on_to_the_bit(
    tmp_path: Path,
    start: Callable[..., "Popen[str]"],
    succeed: Callable[..., None],
    refused: Callable[..., str],
    number: int,
    jobs: int,
) -> None:
    # Run in the background of a shell, the tests were told to ignore Ctrl-C, and children inherit that.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    options = ("--env", "E2C/Planar-v0", "--transitions", 40_000, "--jobs", jobs)
    path = tmp_path / "my data" / "cut"
    process = start(tmp_path, "collect", "--out", path, *options, preexec_fn=heed)
    wait_for(lambda: list(tmp_path.glob("my data/.cut.unfinished/unfinished.json")), process)
    assert "is being collected by another process" in refused("collect", "--out", path, *options)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    if number == signal.SIGINT:
        assert err.splitlines()[-1] == f"e2c: stopped; go on with `e2c collect --resume '{path}'`."
    assert "with other options" in refused("collect", "--out", path, *options, "--seed", 1)
    succeed("collect", "--resume", path)
    succeed("collect", "--out", tmp_path / "whole", *options)
    for name in ("frames.npy", "actions.npy", "episodes.npy", "states.npy", "dataset.json"):
        assert (path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert [entry.name for entry in path.parent.iterdir()] == ["cut"]
    assert "is finished" in refused("collect", "--resume", path)


def test_a_collection_makes_do_with_what_there_is(
    tmp_path: Path, refused: Callable[..., str], succeed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "frail.py").write_text(
        "import gymnasium, numpy as np\n"
        "class Frail(gymnasium.Env):\n"
        "    steps = 0\n"
        "    observation_space = gymnasium.spaces.Box(0, 255, (8, 8, 1), np.uint8)\n"
        "    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)\n"
        "    def reset(self, seed=None, options=None):\n"
        "        super().reset(seed=seed)\n"
        "        return self.observation_space.sample(), {}\n"
        "    def step(self, action):\n"
        "        Frail.steps += 1\n"
        "        if Frail.steps == 99:\n"
        "            raise OSError('the camera is gone')\n"
        "        return self.observation_space.sample(), 0.0, False, False, {}\n"
        "gymnasium.register('Frail-v0', Frail)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    options = ("--env", "frail:Frail-v0", "--transitions", 100, "--episode-length", 10, "--n-envs", 2)
    path = tmp_path / "data"
    sentence = refused("collect", "--out", path, *options)
    assert "the camera is gone. 80 transitions are kept" in sentence
    assert "add --env frail:Frail-v0." in refused("collect", "--resume", path)
    succeed("collect", "--resume", path, "--env", "frail:Frail-v0", "--transitions", 80)
    assert len(np.load(path / "actions.npy")) == 88
