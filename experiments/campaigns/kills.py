"""Kills: commands that are killed at random instants, again and again, and in the end are as if they never had been.

Each case begins a command, kills it with SIGKILL after a random time, and goes on as a user would (with --resume, or by
the same command again), until it has been killed as often as the case says and may finish. Then the files are compared
with those of a command that was never stopped: datasets, weights, curves and scores to the bit, no step twice in
metrics.jsonl nor in TensorBoard, no file that does not belong there. Processes are forked from one that has imported
all that they need, so that most kills come in the middle of work.

    python -m experiments.campaigns.kills             # writes results/kills.json, case by case
    python -m experiments.campaigns.kills --sample 7  # one case of three commands by this seed, writes nothing
    python -m experiments.campaigns.kills --quick     # one case of one command, writes nothing
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import e2c_control.agents.exploration
import e2c_control.autoencoders.novelty_run
import e2c_control.benchmark.report
import e2c_control.training.watch  # noqa: F401, what the forked processes need
from e2c_control.cli import main as e2c
from e2c_control.runs.checkpoint import load_checkpoint
from experiments.runner import Experiment, Row

SAMPLE = 3
"""Commands of a sample: all of them would take three minutes."""
CASES = {"collect": 12, "train": 10, "novelty": 10, "explore": 5, "benchmark": 4}
"""How many of each command, each with a seed of its own and with 2 to 5 kills."""

SHARE = 0.5
"""Of the seconds that the uninterrupted command took: within that a kill comes."""


@dataclass(frozen=True)
class Command:
    """A command as the campaign runs it, in a folder of its own as the working directory.

    Attributes:
        begin: its arguments.
        run: what it makes, below the folder; once that is there, `resume` goes on.
        resume: arguments to go on with, or none where the same command goes on.
    """

    begin: str
    run: str
    resume: str = ""


COMMANDS = {
    "collect": Command(
        "collect --env E2C/Planar-v0 --out data --transitions 30000",
        ".data.unfinished/config.json",
        "collect --resume data",
    ),
    "train": Command(
        "train --dataset ../planar --runs runs --name a --steps-scale 0.04 --log-every 4 --measure-every 30 "
        "--checkpoint-every 10",
        "runs/Planar-v0/a",
        "train --resume runs/Planar-v0/a",
    ),
    "novelty": Command(
        "novelty --warm-epochs 20 --epochs 8 --ascent-steps 5 --hidden 64 --count 200 --cycles 6 --picture-every 3 "
        "--runs runs --name a",
        "runs/novelty/a",
        "novelty --resume runs/novelty/a",
    ),
    "explore": Command(
        "explore --env E2C/PendulumPump-v0 --steps 2000 --n-envs 4 --checkpoint-every 900 --seed 1 --out data "
        "--runs runs --name a",
        "runs/PendulumPump-v0/a",
        "explore --resume runs/PendulumPump-v0/a",
    ),
    "benchmark": Command(
        "benchmark --worlds planar --seeds 0 --transitions 600 --steps-scale 0.02 --out bench", "bench"
    ),
}


def started(arguments: str, folder: Path) -> int:
    """Fork a process that runs a command in the folder; returns its id."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.chdir(folder)
        os.setsid()
        (folder / "tmp").mkdir(exist_ok=True)
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
        for number in (1, 2):
            os.dup2(os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        code = e2c(arguments.split())
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def ended(pid: int, seconds: float) -> int | None:
    """The exit status of the process, or None if it is still at work after so long."""
    deadline = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
        if time.monotonic() > deadline:
            return None
        time.sleep(0.002)


def run_whole(command: Command, folder: Path) -> float:
    """Run a command that nobody stops; returns the seconds that it took."""
    folder.mkdir()
    begun = time.monotonic()
    status = ended(started(command.begin, folder), 600)
    assert status == 0, (folder / "said").read_text()
    return time.monotonic() - begun


def run_killed(command: Command, folder: Path, seconds: float, rng: random.Random) -> int:
    """Run a command that is killed 2 to 5 times at random instants; returns how often it was."""
    folder.mkdir()
    kills, wanted = 0, rng.randint(2, 5)
    arguments = command.begin
    while True:
        pid = started(arguments, folder)
        status = ended(pid, rng.uniform(0, SHARE * seconds) if kills < wanted else 600)
        if status is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            kills += 1
        else:
            assert status == 0, (folder / "said").read_text()
            return kills
        arguments = command.begin
        if command.resume and (folder / command.run).exists():
            arguments = command.resume
        elif (folder / "data" / "dataset.json").exists() and command.begin.startswith("collect"):
            return kills  # it was done: what was killed was only its last word


def content(folder: Path) -> dict[str, Any]:
    """All that must be equal: each file by its bytes, or by what it says where it says the time."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or name == "said":
            continue
        if path.name.startswith("events.out.tfevents"):
            found[str(path.parent.relative_to(folder) / "events")] = events(path.parent)
        elif path.name == "metrics.jsonl":
            found[name] = [untimed(json.loads(line)) for line in path.read_text().splitlines()]
        elif path.name == "checkpoint.json":
            checkpoint = load_checkpoint(path.parent)
            found[name] = [untimed(checkpoint.meta), weights(checkpoint.tensors)]
        elif path.suffix == ".json" and "cells" in path.parts:
            row = json.loads(path.read_text())["row"]
            found[name] = {key: value for key, value in row.items() if key in ("tasks", "measures", "seed")}
        elif path.suffix in (".npy", ".lock") or path.name == "dataset.json":
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "is there"
    return found


def timed(tag: str) -> bool:
    """Whether a number says how busy the machine was, or, in what stable-baselines3 keeps of an episode, the time."""
    return tag.startswith("time/") or tag == "t"


def untimed(value: Any) -> Any:
    """Without what is `timed`."""
    if isinstance(value, Mapping):
        return {tag: untimed(item) for tag, item in value.items() if not timed(tag)}
    return [untimed(item) for item in value] if isinstance(value, list) else value


def weights(tensors: Mapping[str, Mapping[str, torch.Tensor]]) -> int:
    """A checksum of all tensors by their names."""
    total = 0
    for group in sorted(tensors):
        for name in sorted(tensors[group]):
            total = zlib.crc32(tensors[group][name].numpy().tobytes(), total)
    return total


def events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Scalars of TensorBoard as it shows them: steps and values, times aside."""
    shown = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    tags = [tag for tag in shown.Tags()["scalars"] if not timed(tag)]
    return {tag: [(event.step, event.value) for event in shown.Scalars(tag)] for tag in tags}


def check(whole: Mapping[str, Any], killed: Mapping[str, Any]) -> list[str]:
    """What differs, by the name of the file."""
    return [name for name in sorted({*whole, *killed}) if whole.get(name) != killed.get(name)]


@cache
def root() -> Path:
    """Make the folder of all cases, with the dataset that is trained on."""
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    atexit.register(tidy, folder)
    assert ended(started("collect --env E2C/Planar-v0 --out planar --transitions 600", folder), 600) == 0
    return folder


def tidy(folder: Path) -> None:
    """Remove the folder of all cases, unless one of them differs."""
    if list(folder.glob("*-*")):
        print(f"The folders of the cases that differ are in {folder}")
    else:
        shutil.rmtree(folder)


@cache
def uninterrupted(command: str) -> tuple[float, dict[str, Any]]:
    """Return the seconds that a command takes, and what it leaves."""
    seconds = run_whole(COMMANDS[command], root() / command)
    return seconds, content(root() / command)


def measure(command: str, seed: int) -> Row:
    """Run a case; its folder stays if it differs."""
    seconds, whole = uninterrupted(command)
    folder = root() / f"{command}-{seed}"
    kills = run_killed(COMMANDS[command], folder, seconds, random.Random(f"{command} {seed}"))
    differing = check(whole, content(folder))
    if not differing:
        shutil.rmtree(folder)
    return {"command": command, "seed": seed, "kills": kills, "differing": differing}


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts by command."""
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        count = counts.setdefault(row["command"], {"cases": 0, "kills": 0, "differing": 0})
        count["cases"] += 1
        count["kills"] += row["kills"]
        count["differing"] += bool(row["differing"])
    return counts


def told(row: Mapping[str, Any]) -> str:
    differing = ", ".join(row["differing"]) or "equal"
    return f"{row['command']:<10} seed {row['seed']:>3}: {row['kills']} kills, {differing}"


EXPERIMENT = Experiment(
    __file__,
    {"command": list(COMMANDS), "seed": range(max(CASES.values()))},
    measure,
    told,
    [{"command": "collect", "seed": 0}],
    summary,
    lambda rows: print(json.dumps(summary(rows))),
    exists=lambda command, seed: seed < CASES[command],
    failed=lambda row: bool(row["differing"]),
    sample=lambda seed: [
        {"command": name, "seed": seed} for name in random.Random(seed).sample(list(COMMANDS), SAMPLE)
    ],
)

if __name__ == "__main__":
    EXPERIMENT.main()
