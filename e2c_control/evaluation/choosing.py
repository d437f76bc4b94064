"""The best of several runs by images alone: how much the camera shows of the goal's image, and no true state.

Where there is no task, and so no problems to drive, by how well the map of held-out episodes keeps the order of steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from e2c_control.envs import Task
from e2c_control.envs.task import PROTOCOL_SEED
from e2c_control.errors import InputError
from e2c_control.evaluation.driving import drive
from e2c_control.evaluation.trained import TrainedRun, differences
from e2c_control.runs.logger import last_measured
from e2c_control.runs.tags import map_verdict
from e2c_control.training.run import TrainConfig

BY_MAP = ("ways/step_rank", "map/step_rank")
"""What is measured of a map without any true state; the first that all runs have decides."""


class Tried(NamedTuple):
    """One run: its folder, and how much it saw of each goal, (N,)."""

    run: Path
    alike: NDArray[np.float64]


class Measured(NamedTuple):
    """One run: its folder, and the newest measures of its map on held-out episodes, by tag."""

    run: Path
    measures: Mapping[str, float]

    @property
    def fails(self) -> bool:
        """Whether its predictions are such that it hardly drives, however well it keeps the order of steps."""
        verdict = map_verdict(self.measures)
        return verdict is not None and verdict.word == "bad"


def choose_by_map(folders: Sequence[Path]) -> list[Measured]:
    """Return runs by what was measured of their maps while they were trained, best first; nothing is driven.

    The first is that whose distances rank held-out frames most like the steps between them: between landmarks, where
    all runs have them, on the map where not. Those whose predictions fail come last.

    Raises:
        InputError: a run was not measured, or on other episodes than the first one.
    """
    runs = _opened(folders)
    known = [(run.card.checksum, run.card.environment, run.folder.config(TrainConfig).held_out) for run in runs]
    found = list[Measured]()
    for run, of in zip(runs, known, strict=True):
        if of != known[0]:
            raise InputError(
                f"{run.folder.path} and {runs[0].folder.path} were measured on different episodes: compare runs of one "
                "dataset."
            )
        last = last_measured(run.folder.metrics)
        if not last:
            raise InputError(f"Nothing was measured of {run.folder.path}'s map: train it by `e2c train`, which does.")
        found.append(Measured(run.folder.path, last))
    decides = BY_MAP[0] if all(BY_MAP[0] in one.measures for one in found) else BY_MAP[1]
    return sorted(found, key=lambda one: (one.fails, -one.measures[decides]))


def choose(
    folders: Sequence[Path],
    *,
    task: str | None = None,
    seed: int = 100,
    problems: int = 20,
    planning: Mapping[str, object] | None = None,
) -> list[Tried]:
    """Drive several runs through the same problems; return them by what their cameras saw, best first.

    Args:
        folders: of the runs. One that is given twice, by whatever path, is driven once.
        task: another task of the same system as the one trained on.
        seed: of the list of problems, and not the published one.
        problems: how many.
        planning: see `TrainedRun.agent`.

    Raises:
        InputError: they are not of one environment, or the list is the published one.
    """
    if seed == PROTOCOL_SEED:
        raise InputError(f"Seed {PROTOCOL_SEED} is the list of the final scores: choose by another one, from 100 up.")
    runs = _opened(folders)
    tasks = _comparable(runs, task)
    agents = [run.agent(own, planning=planning) for run, own in zip(runs, tasks, strict=True)]
    tried: list[Tried] = []
    for run, own, agent in zip(runs, tasks, agents, strict=True):
        driven = drive(agent, own, own.evaluation_problems(seed, problems))
        tried.append(Tried(run.folder.path, driven.resemblance.mean(0)))
    return sorted(tried, key=lambda one: one.alike.mean(), reverse=True)


def _opened(folders: Sequence[Path]) -> list[TrainedRun]:
    """Open runs, each once."""
    if not folders:
        raise InputError("There is nothing to choose from: give --run with the folders of several runs.")
    distinct = {path.resolve(): path for path in reversed(folders)}
    return [TrainedRun.open(path) for path in reversed(distinct.values())]


def _comparable(runs: list[TrainedRun], name: str | None) -> list[Task]:
    """Return the task of each run, which has to be the same but for the frames in an observation."""
    first = runs[0]
    for trained in runs:
        if not trained.native:
            raise InputError(f"{trained.card.environment} has no goals to drive to: choose by `choose_by_map`.")
        if trained.card.environment != first.card.environment:
            raise InputError(
                f"{trained.folder.path} drives {trained.card.environment} and {first.folder.path} drives "
                f"{first.card.environment}: compare runs of one environment."
            )
    tasks = [trained.task(name) for trained in runs]
    asked = [(task.horizon, task.system.noise) for task in tasks]
    for trained, task, these in zip(runs, tasks, asked, strict=True):
        if these != asked[0] or differences(tasks[0].system, task.system):
            raise InputError(
                f"{trained.folder.path} and {first.folder.path} drive {task.id} with different arguments "
                f"({trained.card.environment_kwargs} and {first.card.environment_kwargs}): compare runs of one."
            )
    return tasks
