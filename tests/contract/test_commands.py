"""Every option of every command of `e2c` changes what it writes or prints, or is refused."""

import contextlib
import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from e2c_control.cli import COMMANDS, main
from e2c_control.cli.planning import Planning
from e2c_control.errors import InputError
from e2c_control.evaluation import drive

from .mechanism import CHANCE, Excused, Refused, Row, Seen, Thing, contract, print_of

Words = Any
TIMED = re.compile(r"\d{8}-\d{6}(-\d+)?")
"""Names of runs that were given none."""


def called(*words: object) -> str:
    """What a command prints; a refusal is raised."""
    said, complained = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        code = main([str(word) for word in words])
    if code == 2:
        raise InputError(complained.getvalue())
    assert code == 0, complained.getvalue()
    return said.getvalue()


def written(options: dict[str, Any]) -> list[str]:
    """Options by name as words of a command line; None leaves one out."""
    words: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        if name == "page":  # which is no option, but a word
            words.append(str(value))
            continue
        values = [] if value is True else value if isinstance(value, tuple) else [value]
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return words


QUICK: Any = {"steps_scale": 0.003, "log_every": 2}


def prepared(base: Path) -> Path:
    """Two small datasets and two runs, made once."""
    shared = base / "prepared"
    if not shared.exists():
        shared.mkdir()
        with contextlib.chdir(shared):
            few: Any = {"transitions": 60, "n_envs": 4}
            called("collect", *written({"env": "E2C/Planar-v0", "out": "a", **few}))
            called("collect", *written({"env": "E2C/Planar-v0", "out": "b", "seed": 1, **few}))
            for name, seed in (("first", 0), ("second", 1)):
                called("train", *written({"dataset": "a", "name": name, "seed": seed, **QUICK}))
    return shared


def contents(folder: Path) -> Seen:
    """What a command wrote, by kinds; numbers that depend on the clock are left out."""
    found: dict[str, list[Any]] = {kind: [] for kind in ("arrays", "weights", "curves", "pictures", "card", "scores")}
    kinds = {".npy": "arrays", ".safetensors": "weights", ".png": "pictures", ".gif": "pictures"}
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and "events.out" not in path.name]
    for path in files:
        if path.suffix in kinds:
            found[kinds[path.suffix]].append(print_of(path.read_bytes()))
        elif path.name == "metrics.jsonl":
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            found["curves"] += [{k: v for k, v in row.items() if not CHANCE.search(k)} for row in rows]
        elif path.name == "dataset.json":
            found["card"].append(path.read_text())
        elif path.name.startswith(("evaluation", "comparison")) or path.parent.name == "cells":
            found["scores"].append(_scores(json.loads(path.read_text())))
    names = [TIMED.sub("TIME", str(path.relative_to(folder))) for path in files]
    boards = [path.stat().st_size for path in sorted(folder.rglob("events.out*"))]
    return {**found, "names": names, "board": boards}


def _scores(document: Any) -> Any:
    if isinstance(document, dict):
        return {k: _scores(v) for k, v in document.items() if not CHANCE.search(k) and k not in ("planning", "cell")}
    return [_scores(item) for item in document] if isinstance(document, list) else document


def command(name: str, /, **usual: Any) -> Callable[..., Seen]:
    """Runs a command in an empty folder, beside copies of a dataset and of two runs."""

    def run(folder: Path, **changes: Any) -> Seen:
        shared = prepared(folder.parent)
        for place in ("there", "datasets/Planar-v0", "datasets/planar", "moved/planar"):
            shutil.copytree(shared / "a", folder / place)
        shutil.copytree(shared / "b", folder / "other")
        shutil.copytree(shared / "runs" / "Planar-v0", folder / "runs" / "Planar-v0")
        drives: list[Any] = []

        def watched(*arguments: Any, **options: Any) -> Any:
            driven = drive(*arguments, **options)
            drives.append([{k: v for k, v in one.scalars().items() if not CHANCE.search(k)} for one in driven.replans])
            return driven

        inline = patch("e2c_control.cli.benchmark.run_jobs", _in_this_process)
        with contextlib.chdir(folder), patch("e2c_control.evaluation.choosing.drive", watched), inline:
            said = called(name, *written({**usual, **changes}))
        for place in ("other", "datasets", "moved"):
            shutil.rmtree(folder / place)
        lines = re.sub(r"\S*/(?=contract\d+)", "", said)
        said = re.sub(r"contract\d+|\d+\.\d+(?= *$)", "", TIMED.sub("TIME", lines), flags=re.MULTILINE)
        return {"prints": said, "plan": print_of(repr(drives)), **contents(folder)}

    return run


def _in_this_process(function: Any, jobs: Any, count: int, ray: Any) -> Any:
    """Jobs one after the other: those of a benchmark need no process of their own to show what they depend on."""
    return ((job, function(job)) for job in jobs)


def planning(differs: str, *alike: str) -> dict[str, Any]:
    """Rows of the options with which a planner is chosen; some of them an untrained map does not show."""
    rows: dict[str, Any] = {
        "planner": [Row(differs, "cem"), Refused("newton", "no planner 'newton'")],
        "horizon": Row(differs, 2),
        "iterations": [Row(differs, 0), Refused(3, "iterations", {"planner": "lqr"})],
        "starts": [Row(differs, 1, beside={"iterations": 0}), Refused(3, "starts", {"planner": "cem"})],
        "samples": [Row(differs, 3, beside={"planner": "mppi"}), Refused(7, "samples")],
        "linearization": Row(differs, "model"),
        "filter_frames": Row(differs, True),
        "set": Row(differs, ("state_weight=0.1",)),
    }
    return {**rows, **{name: rows[name][1] for name in alike}}


RUNS = "runs/Planar-v0/first", "runs/Planar-v0/second"
ELSEWHERE = Refused("E2C/CartPoleBalance-v0", "CartPoleBalance")
PENDULUM: Any = {"env": "Pendulum-v1", "transitions": 4, "n_envs": 1}
CUDA = Row("weights", "cuda") if torch.cuda.is_available() else Refused("cuda", "no CUDA device")
TIME = "It decides how long the work takes, and changes none of its results."

SEARCH: Any = {
    **{"count": 12, "cycles": 1, "warm_epochs": 1, "epochs": 1, "ascent_steps": 2, "hidden": (4,), "code": 2},
    **{"share": 0.25, "name": "searched"},
}

COMMAND: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "quickstart": (
        {"steps_scale": 0.003},
        {
            "seed": Row("weights", 1),
            "steps_scale": Row("weights", 0.004),
            "datasets": Row("prints", "moved"),
            "runs": Row("names", "elsewhere"),
        },
    ),
    "collect": (
        {"env": "E2C/Planar-v0", "out": "data", "transitions": 40, "n_envs": 2},
        {
            "env": Row("arrays", "E2C/PlanarWalls-v0"),
            "out": Row("names", "elsewhere"),
            "resume": Refused("nowhere", "Nothing of nowhere", {"env": None, "out": None, "n_envs": None}),
            "transitions": Row("arrays", 50),
            "episode_length": Row("arrays", 5),
            "starts": Row("arrays", "reset"),
            "corner_share": Row("arrays", 1.0),
            "frame_stack": Row("card", 2),
            "image_size": [Row("arrays", 16, beside=PENDULUM), Refused(16, "image_size")],
            "colours": Row("arrays", "rgb", beside=PENDULUM),
            "observation": Row("arrays", "vector", beside=PENDULUM),
            "camera": Refused("front", "no 'front'", PENDULUM),
            "action_limit": Refused(2.0, "bounds already", PENDULUM),
            "env_args": Row("arrays", ("noise=3",)),
            "n_envs": Row("arrays", 3),
            "seed": [Row("arrays", 1), Refused(-1, "seed")],
            "overwrite": Row("refused", True, beside={"out": "there"}),
            "jobs": [Row("arrays", 2), Refused(0, "--jobs")],  # each part has a seed of its own
            "ray": Refused("auto", "--jobs means nothing", {"jobs": 2}),
        },
    ),
    "explore": (
        {"env": "E2C/Planar-v0", "out": "data", "steps": 8, "n_envs": 2, "name": "explored"},
        {
            "env": Row("arrays", "E2C/PlanarWalls-v0"),
            "out": Row("names", "elsewhere"),
            "resume": Refused(
                "nowhere", "nowhere", {"env": None, "out": None, "steps": None, "n_envs": None, "name": None}
            ),
            "config": Refused("nowhere", "no nowhere", {"env": None, "steps": None, "n_envs": None}),
            "set": Row("weights", ("agent.novelty.gradient_steps=2",)),
            "steps": Row("arrays", 1024),
            "policy": Row("arrays", "relax"),
            "model": Row("weights", "rnd"),
            "remedy": Row("weights", "minus_noise"),
            "limit": Row("weights", 3.0),
            "sight": Row("weights", "plain"),
            "objective": Row("arrays", "minimise", beside={"steps": 1536}),
            "frame_stack": Row("card", 2),
            "image_size": Refused(16, "image_size"),
            "env_args": Row("arrays", ("noise=3",)),
            "n_envs": Row("arrays", 3),
            "seed": Row("arrays", 1),
            "overwrite": Row("refused", True, beside={"out": "there"}),
            "checkpoint_every": Row("arrays", 512, beside={"steps": 1024}),
            "device": CUDA,
            "runs": Row("names", "elsewhere"),
            "name": Row("names", "renamed"),
        },
    ),
    "train": (
        {"dataset": "there", "name": "trained", **QUICK},
        {
            "dataset": Row("weights", "other"),
            "env": Row("refused", "E2C/Planar-v0", beside={"dataset": None}),
            "resume": Refused("nowhere", "nowhere", dict.fromkeys(("dataset", "name", *QUICK))),
            "config": Row("weights", "runs/Planar-v0/second/config.json", beside=dict.fromkeys(QUICK)),
            "recipe": Row("weights", "e2c"),
            "set": Row("weights", ("embedding.encoder_hidden=20,20",)),
            "latent_dim": Row("weights", 3),
            "network": Row("weights", "conv"),
            "matrix_form": Row("weights", "rank1"),
            "process_noise": Row("weights", True),
            "latent_noise": Row("weights", "independent", beside={"recipe": "e2c"}),
            "steps_scale": Row("weights", 0.004),
            "seed": Row("weights", 1),
            "device": CUDA,
            "compile": Excused(TIME),
            "precision": Row("weights", "bfloat16"),
            "threads": Excused(TIME),
            "runs": Row("names", "elsewhere"),
            "name": Row("names", "renamed"),
            "log_every": Row("curves", 3),
            "measure_every": Row("curves", 2),
            "checkpoint_every": Row("names", 2),
        },
    ),
    "plan": (
        {"run": RUNS[0], "steps": 4},
        {
            "run": Row("pictures", RUNS[1]),
            "task": ELSEWHERE,
            "seed": Row("pictures", 101),
            "problem": [Row("pictures", 1), Refused(1, "--problem", {"start_state": (5, 5), "goal_state": (37, 20)})],
            "start_state": Row("pictures", (5, 5)),
            "goal_state": Row("pictures", (37, 20)),
            "goal": Refused("picture.png", "--goal"),
            "goal_frame": [
                Row("pictures", "1:2"),
                Refused("12", "EPISODE:STEP"),
                Refused("99:0", "no episode 99"),
                Refused("0:99", "no step 99"),
                Refused("0:0", "leave one out", {"goal_state": (37, 20)}),
            ],
            "env": Refused("E2C/PlanarWalls-v0", "Planar"),
            "steps": Row("pictures", 5),
            "out": Row("names", "elsewhere"),
            **planning("curves", "starts"),
        },
    ),
    "play": (
        {"run": RUNS[0], "video": "drive.gif", "steps": 3},
        {
            "run": Row("pictures", RUNS[1]),
            "task": ELSEWHERE,
            "seed": Row("pictures", 1),
            "goal_state": Row("pictures", (37, 20)),
            "video": Row("names", "other.gif"),
            "env": Refused("E2C/PlanarWalls-v0", "Planar"),
            "steps": [Row("pictures", 4), Refused(4, "--steps", {"video": None})],
            **planning("pictures", "starts", "samples"),
        },
    ),
    "choose": (
        {"run": RUNS[:1], "problems": 1},
        {
            "run": Row("prints", RUNS),
            "task": ELSEWHERE,
            "seed": [Row("plan", 101), Refused(2020, "2020")],
            "problems": Row("plan", 2),
            **planning("plan", "starts"),
        },
    ),
    "evaluate": (
        {"run": RUNS[:1], "problems": 1},
        {
            "run": Row("curves", RUNS),
            "task": ELSEWHERE,
            "seed": Row("curves", (101,)),
            "problems": Row("curves", 2),
            "out": Row("names", "elsewhere"),
            "env": Refused("E2C/PlanarWalls-v0", "Planar"),
            **planning("curves"),
        },
    ),
    "benchmark": (
        {"worlds": "planar", "seeds": 0, "transitions": 60, "steps_scale": 0.003, "out": "bench"},
        {
            "worlds": Row("names", "planar-noise-1"),
            "recipes": Row("names", "e2c"),
            "seeds": Row("names", 1),
            "problems": Row("scores", 101),
            "transitions": Row("scores", 70),
            "steps_scale": Row("scores", 0.004),
            "precision": Row("scores", "bfloat16"),
            "jobs": Refused(0, "--jobs"),
            "ray": Refused("auto", "--jobs means nothing", {"jobs": 2}),
            "out": Row("names", "elsewhere"),
        },
    ),
    "novelty": (
        SEARCH,
        {
            "data": Row("weights", "there/states.npy", beside={"count": None}),
            "resume": Refused("nowhere", "nowhere", {name: None for name in SEARCH if name != "cycles"}),
            "config": Refused("nowhere", "no nowhere", dict.fromkeys(SEARCH)),
            "set": Row("weights", ("training.weight_decay=0.5",)),
            "cycles": Row("weights", 2),
            "share": Row("weights", 0.5),
            "warm_epochs": Row("weights", 2),
            "epochs": Row("weights", 2),
            "ascent_steps": Row("weights", 3),
            "step_size": Row("weights", 0.5),
            "start": Row("weights", "data"),
            "floor": Row("weights", 0.5),
            "ceiling": Row("weights", 0.02, first=0.9, beside={"floor": 0.0}),
            "passes": Row("weights", 3),
            "noise": Row("weights", 1.0),
            "penalty": Row("weights", 3.0),
            "code": Row("weights", 3),
            "hidden": Row("weights", (5,)),
            "count": [Row("weights", 13), Refused(13, "--count", {"data": "there/states.npy"})],
            "batch_size": Row("weights", 4),
            "learning_rate": Row("weights", 0.1),
            "seed": Row("weights", 1),
            "runs": Row("names", "elsewhere"),
            "name": Row("names", "renamed"),
            "picture_every": Row("board", 2, beside={"cycles": 3}),
        },
    ),
    "envs": ({}, {"page": Row("prints", "E2C/Planar-v0")}),
    "recipes": ({}, {"page": Row("prints", "unfold")}),
    "planners": ({}, {"page": Row("prints", "icem")}),
    "estimators": (
        {"method": ("rloo",), "draws": 50, "train_steps": 2, "out": "compared"},
        {
            "toy": Row("scores", "bits"),
            "method": Row("scores", ("rloo", "relax")),
            "samples": Row("scores", 3),
            "draws": Row("scores", 60),
            "train_steps": Row("scores", 4, beside={"method": ("relax",)}),
            "seed": Row("scores", 1),
            "out": Row("names", "elsewhere"),
        },
    ),
}


QUICKEST = ("collect", "train", "plan", "evaluate", "estimators", "envs", "recipes", "planners")
"""The others take longer, or have the same options."""


def options_of(name: str) -> list[str]:
    """All options of a command, those of its planner among them."""
    own = [option.name for option in fields(COMMANDS[name]) if option.name != "planning"]  # pyright: ignore
    every = fields(COMMANDS[name])  # pyright: ignore
    return own + [option.name for option in fields(Planning)] * any(option.name == "planning" for option in every)


THINGS = [
    Thing(f"e2c {name}", options_of(name), command(name, **usual), table, slow=name not in QUICKEST)
    for name, (usual, table) in COMMAND.items()
]

test_every_argument_has_a_row, test_alike, test_every_argument_counts = contract(THINGS)


def test_every_command_is_here() -> None:
    assert set(COMMAND) == set(COMMANDS), "add the command's options to COMMAND in tests/contract/test_commands.py"
