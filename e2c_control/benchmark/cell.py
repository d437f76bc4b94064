"""One cell of the benchmark: collect in a world, train a recipe with a seed, drive the protocol's problems."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from e2c_control.agents import E2CAgent, PlanningOptions
from e2c_control.benchmark.outcome import Driven, portraits, scored, see
from e2c_control.benchmark.worlds import WORLDS, World
from e2c_control.data import Transitions, UniformPolicy, collect, make_vector_env
from e2c_control.data.defaults import default_environments, default_starts
from e2c_control.envs import Task
from e2c_control.envs.task import PROTOCOL_SEED
from e2c_control.evaluation import drive
from e2c_control.fields import ListSeed, check
from e2c_control.measures import measure
from e2c_control.models.embedding import Embedding
from e2c_control.objectives.recipe import Recipe
from e2c_control.objectives.recipes import make_recipe
from e2c_control.runs.atomic import writing
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.threads import threads
from e2c_control.runs.versions import package_versions, source_commit
from e2c_control.training.presets import default_embedding
from e2c_control.training.run import TrainConfig, train
from e2c_control.training.trainer import Precision

SCRATCH = ".scratch"
"""How the names of folders end whose transitions are gone when their cell is done."""


@dataclass(frozen=True)
class Cell:
    """All that the scores of one trained model depend on, the versions of the code aside.

    Attributes:
        world: where.
        recipe: what is trained, with every size and weight.
        seed: of the transitions and the training.
        problems: seed of the lists of problems; 2020 is the published one.
        precision: of the networks' matrix products while they train, see `Trainer`.
    """

    world: World
    recipe: Recipe
    seed: ListSeed
    problems: ListSeed = PROTOCOL_SEED
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        check(self)

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.world.name}-{self.recipe.name}-{self.seed}"

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Those that are driven."""
        return tuple(self.world.task(name) for name in self.world.tasks)


@dataclass(frozen=True, eq=False)
class Result:
    """What one cell gives.

    Attributes:
        row: scores and times, as JSON.
        pictures: PNG files by name: the "map", and for each task its id and the worst of its drives.
    """

    row: Mapping[str, Any]
    pictures: Mapping[str, bytes]


def make_cell(
    world: str,
    recipe: str,
    seed: int,
    problems: int = PROTOCOL_SEED,
    *,
    transitions: int | None = None,
    steps_scale: float = 1.0,
    precision: Precision = "float32",
) -> Cell:
    """Make a cell by the names of its parts.

    Args:
        world: in `WORLDS`.
        recipe: in `RECIPES`, made for the embedding that suits the world.
        seed: of the transitions and the training.
        problems: seed of the lists of problems.
        transitions: to collect, instead of the world's own number.
        steps_scale: multiplies the recipe's numbers of steps.
        precision: of the networks' matrix products while they train.

    Raises:
        InputError: there is no such world or recipe.
    """
    found = WORLDS.find(world)
    task = found.task(found.environment.rpartition(":")[2])
    made = make_recipe(recipe, default_embedding(task.system.frame_shape, task=task)).scaled(steps_scale)
    return Cell(replace(found, transitions=transitions or found.transitions), made, seed, problems, precision)


def run_cell(cell: Cell, folder: Path) -> Result:
    """Run a cell with one thread.

    Args:
        cell: what to run.
        folder: where the run folder goes; one of an earlier try is replaced. The transitions are gone afterwards.
    """
    shutil.rmtree(folder / Path(cell.world.environment).name / cell.name, ignore_errors=True)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with threads(1), TemporaryDirectory(prefix=f".{cell.name}-", suffix=SCRATCH, dir=folder) as scratch:
        begun = time.process_time()
        transitions = gather(cell, Path(scratch) / "transitions")
        collected = time.process_time()
        config = TrainConfig(
            transitions.path,
            cell.world.environment,
            cell.recipe,
            cell.seed,
            device="cpu",
            precision=cell.precision,
        )
        embedding = train(RunFolder.create(folder, config.environment, config, cell.name), config)
        trained = time.process_time()
        drives = [_drive(embedding, task, cell.problems) for task in cell.tasks]
        driven = time.process_time()
        _, held_out = transitions.split(config.held_out, seed=0)
        seen = see(transitions, held_out, cell.tasks[0].system.features)
        row: dict[str, Any] = {
            "seed": cell.seed,
            "collect_cpu_seconds": collected - begun,
            "train_cpu_seconds": trained - collected,
            "drive_cpu_seconds": driven - trained,
            "tasks": {task.id: scored(task, problems, done) for task, problems, done in drives},
            "measures": measure(embedding, seen.held_out).scalars(),
            "commit": source_commit(),
            "versions": package_versions(),
            "machine": platform.machine(),
        }
        return Result(row, portraits(cell.name, embedding, seen, drives))


def sweep_scratch(folder: Path) -> None:
    """Remove the transitions of cells that were killed at work in ``folder``, where none may be at work now."""
    for left in folder.glob(f".*{SCRATCH}"):
        shutil.rmtree(left, ignore_errors=True)


def run_cell_anywhere(cell: Cell) -> Result:
    """Run a cell where no folder is shared, on another machine: only what is returned is left."""
    with TemporaryDirectory() as folder:
        return run_cell(cell, Path(folder))


def gather(cell: Cell, path: Path) -> Transitions:
    """Collect what a cell is trained on: random actions from states all over the world, in short episodes."""
    world = cell.world
    arguments: Any = dict(world.arguments)
    at_once = default_environments(True, world.transitions, world.episode_length)
    environments = make_vector_env(world.environment, at_once, frame_stack=1, **arguments)
    policy = UniformPolicy((environments.single_action_space.shape or (0,))[0])
    try:
        return collect(
            environments,
            path,
            world.transitions,
            world.episode_length,
            starts=default_starts(native=True),
            policy=policy,
            seed=cell.seed,
        )
    finally:
        environments.close()


def _drive(embedding: Embedding, task: Task, seed: int) -> Driven:
    """Drive all problems of the list, seeing images alone."""
    problems = task.evaluation_problems(seed)
    return Driven(
        task, problems, drive(E2CAgent.from_embedding(embedding, PlanningOptions.for_task(task)), task, problems)
    )
