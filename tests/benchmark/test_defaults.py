"""Command, agent and benchmark do the same where nothing else is asked for: what one measures holds for the others."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from e2c_control.agents import E2CAgent
from e2c_control.benchmark.cell import Cell, gather, make_cell, run_cell
from e2c_control.cli import main, parse
from e2c_control.cli.collect import Collect
from e2c_control.cli.quickstart import Quickstart
from e2c_control.cli.train import Train
from e2c_control.data import collect, make_vector_env
from e2c_control.data.card import read_card
from e2c_control.data.collection import Collection
from e2c_control.data.defaults import TRANSITIONS, default_environments
from e2c_control.envs import make_task
from e2c_control.evaluation import drive

SCALE = 0.003


@dataclass(frozen=True)
class Way:
    """What one way to a trained model leaves behind: folders of a dataset and of a run, scores by task."""

    dataset: Path
    run: Path
    scores: dict[str, list[float]]

    def weights(self) -> dict[str, np.ndarray[Any, Any]]:
        return load_file(max((self.run / "checkpoints").iterdir()) / "embedding.safetensors")


def by_command(cell: Cell, folder: Path) -> Way:
    world, data = cell.world, folder / "data"
    run = folder / Path(world.environment).name / "run"
    for command in (
        ("collect", "--env", world.environment, "--out", data, "--transitions", world.transitions, "--seed", cell.seed),
        ("train", "--dataset", data, "--runs", folder, "--name", "run", "--steps-scale", SCALE, "--seed", cell.seed),
        ("evaluate", "--run", run, "--task", *world.tasks),
    ):
        assert main([str(argument) for argument in command]) == 0
    found = [json.loads(path.read_text()) for path in run.glob("evaluation-*.json")]
    return Way(data, run, {one["task"]: one["time_in_goal"] for one in found})


def by_agent(cell: Cell, folder: Path) -> Way:
    world = cell.world
    agent = E2CAgent(world.environment, steps_scale=SCALE, folder=folder, seed=cell.seed)
    agent.learn(world.transitions)
    task = make_task(world.environment)
    scores = {task.id: drive(agent, task, task.evaluation_problems()).scores.tolist()}
    return Way(folder / "dataset", next((folder / "runs").glob("*/*")), scores)


def by_benchmark(cell: Cell, folder: Path) -> Way:
    row = run_cell(cell, folder / "runs").row
    scores = {task: found["scores"] for task, found in row["tasks"].items()}
    gather(cell, folder / "data")  # a cell does not keep its own
    return Way(folder / "data", next((folder / "runs").glob("*/*")), scores)


@pytest.mark.parametrize("world", ["planar", pytest.param("pendulum", marks=pytest.mark.slow)])
def test_the_same_transitions_weights_and_scores(world: str, tmp_path: Path) -> None:
    cell = make_cell(world, "unfold", 0, transitions=300, steps_scale=SCALE)
    first, *others = [way(cell, tmp_path / way.__name__) for way in (by_command, by_agent, by_benchmark)]
    for other in others:
        for name in ("frames", "actions", "states", "episodes"):
            assert (first.dataset / f"{name}.npy").read_bytes() == (other.dataset / f"{name}.npy").read_bytes()
        assert read_card(first.dataset) == read_card(other.dataset)
        weights, others_weights = first.weights(), other.weights()
        assert weights.keys() == others_weights.keys()
        assert all(np.array_equal(weights[name], others_weights[name]) for name in weights)
        assert other.scores == {task: first.scores[task] for task in other.scores}
        assert cell.world.environment in other.scores


def test_another_number_of_environments_gives_other_transitions(tmp_path: Path) -> None:
    """Which is why it is a default of all, and does not grow past the episodes that are to come."""
    assert default_environments(True, 24, 12) == 2
    assert default_environments(True, TRANSITIONS, 12) == default_environments(True, 100 * TRANSITIONS, 12)
    made = [
        collect(make_vector_env("E2C/Planar-v0", count, frame_stack=1), tmp_path / str(count), 24, 12, starts="sampled")
        for count in (1, 2)
    ]
    assert not np.array_equal(made[0].actions, made[1].actions)


def test_a_command_that_collects_by_itself_does_so_with_its_own_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = 3
    monkeypatch.chdir(tmp_path)
    whole = Collection.collect
    monkeypatch.setattr(Collection, "collect", lambda self, out: whole(replace(self, transitions=120), out))
    Train(env="E2C/Planar-v0", seed=seed, steps_scale=0.002, name="one")()
    Quickstart(seed=seed, steps_scale=0.002)()
    datasets = [path.parent for path in sorted(tmp_path.glob("datasets/*/dataset.json"))]
    assert [read_card(path).seed for path in datasets] == [seed, seed]
    announced = [line.split()[3:] for line in capsys.readouterr().out.splitlines() if line.startswith("   $ ")]
    collected = parse(["collect", *announced[0]])
    trained = parse(["train", *announced[1]])
    assert isinstance(collected, Collect)
    assert isinstance(trained, Train)
    assert (collected.seed, trained.seed) == (seed, seed)
    assert collected.out == trained.dataset
    assert collected.out.resolve() in datasets
