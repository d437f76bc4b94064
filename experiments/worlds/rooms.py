"""Rooms that training never saw, from images alone: scene and mover told apart, one model for all walls.

`E2C/Rooms-v0` with 65 x 65 pixels: a wall and a door, drawn anew for each episode; start and goal are in different
rooms, 200 steps, within 4 pixels. Random actions, 100 steps in each layout. A seed draws data, weights and its two
lists of 100 layouts, one of them with two walls, which no training has. Four kinds of data: 100,000 transitions of
1,000 layouts; 10,000 of 100; and two worlds where the method is not at home, each with 100,000 transitions and driven
in the same world: a background of grey squares, drawn anew with each layout, and a second disc that goes its own way
(not in the goal image). The Navigator sees the true state. Tuning saw seed 100 and list 500 alone; seeds begin at 0,
lists are drawn from the word "rooms".

    python -m experiments.worlds.rooms          # 5 seeds: an hour
    python -m experiments.worlds.rooms --quick  # half a minute, to see it work; writes nothing
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv, VectorObservationWrapper
from numpy.typing import NDArray

from e2c_control import Transitions, collect, make_task
from e2c_control.agents import SceneAgent, SceneTraining
from e2c_control.envs import Problem, Task
from e2c_control.envs.maze import Maze, Rooms
from e2c_control.envs.reference import reference_scores
from e2c_control.envs.vector_env import TaskVectorEnv
from experiments.runner import Experiment, Row

FloatArray, Frames = NDArray[np.float64], NDArray[np.uint8]
SIZE, EPISODE, SIDE_BY_SIDE, PROBLEMS = 65, 100, 20, 100
WORLDS = {"rooms": 100_000, "few": 10_000, "textured": 100_000, "two movers": 100_000}
"""Kinds of data, and how many transitions of each."""
WAYS = ("scene", "random", "navigator")


class Textured(Rooms):
    """Rooms whose ground is of grey squares, four pixels wide, another pattern in each layout."""

    def _backgrounds(self, states: FloatArray) -> Frames:
        row, column = np.indices((self.size, self.size)) // 4
        code = self.layouts(states) @ (1.0 + np.arange(1 + 2 * self.n_walls))
        hashed = 43758.5453 * np.sin(12.9898 * row + 78.233 * column + 37.719 * code[:, None, None])
        ground = (90 * (hashed - np.floor(hashed))).astype(np.uint8)
        return np.maximum(super()._backgrounds(states), ground)


class Second(VectorObservationWrapper[Frames, NDArray[np.float32], Frames]):
    """A second disc, which no action moves and nothing blocks."""

    def __init__(self, env: Any, size: int, seed: int) -> None:
        super().__init__(env)
        self._plain, self._rng = Maze(size=size), np.random.default_rng(seed)
        self._places = self._plain.sample_states(env.num_envs, self._rng)

    def observations(self, observations: Frames) -> Frames:
        steps = self._rng.uniform(-3, 3, self._places.shape)
        self._places = np.clip(self._places + steps, self._plain.state_low, self._plain.state_high)
        return np.maximum(observations, self._plain.render(self._places))


Vectors = VectorEnv[Frames, NDArray[np.float32], NDArray[np.float32]]


def task_of(world: str, size: int, walls: int) -> Task:
    """Return the task of a kind of data, with so many walls."""
    task = make_task("E2C/Rooms-v0", size=size, walls=walls)
    return replace(task, system=Textured(size=size, n_walls=walls)) if world == "textured" else task


def environments(world: str, task: Task, count: int, seed: int) -> Vectors:
    """Return environments side by side."""
    env: Any = TaskVectorEnv(task, count)
    return Second(env, task.system.frame_shape[0], seed) if world == "two movers" else env


def list_seed(seed: int) -> int:
    """Return the seed of a seed's lists: none that training or tuning has."""
    return int(np.random.default_rng([*b"rooms", seed]).integers(1_000, 1_000_000))


def reached(agent: SceneAgent | None, world: str, task: Task, problems: tuple[Problem, ...], seed: int) -> Row:
    """Drive all problems, by chance without an agent: the share that ever comes to its goal, and CPU-ms."""
    env, rng = environments(world, task, len(problems), seed), np.random.default_rng(seed)
    starts, goals = (np.stack(part) for part in zip(*problems, strict=True))
    seen, _ = env.reset(seed=seed, options={"state": starts, "goal": goals})
    if agent is not None:
        agent.set_goal(task.observe_at_rest(goals))
    found, state, spent = np.zeros(len(problems), np.bool_), None, list[float]()
    for _ in range(task.horizon):
        begun = time.process_time()
        if agent is None:
            actions = rng.uniform(-1, 1, (len(problems), 2)).astype(np.float32)
        else:
            actions, state = agent.predict(seen, state)
        spent.append(1e3 * (time.process_time() - begun) / len(problems))
        seen, reward, *_ = env.step(actions)
        found |= np.asarray(reward) > 0
    return {
        "success": float(found.mean()),
        "first_milliseconds": spent[0],
        "milliseconds": float(np.median(spent)),
        "missed": np.flatnonzero(~found).tolist() if agent is not None else [],
    }


def measure(
    seed: int,
    world: str,
    size: int = SIZE,
    transitions: int | None = None,
    problems: int = PROBLEMS,
    training: SceneTraining | None = None,
) -> list[Row]:
    """Train one seed in one kind of data, and drive both lists in all ways."""
    task, count = task_of(world, size, 1), WORLDS[world] if transitions is None else transitions
    with TemporaryDirectory() as folder:
        begun = time.process_time()
        vectors = environments(world, task, SIDE_BY_SIDE, seed)
        data: Transitions = collect(vectors, Path(folder) / "data", count, EPISODE, seed=seed)
        agent = SceneAgent.learnt(data, seed, training)
        trained = time.process_time() - begun
    rows = list[Row]()
    for walls in (1, 2):
        there = task_of(world, size, walls)
        listed = there.evaluation_problems(list_seed(seed), problems)
        for way in WAYS:
            if way == "navigator":
                came = {"success": float((reference_scores(there, listed) > 0).mean())}
            else:
                came = reached(agent if way == "scene" else None, world, there, listed, list_seed(seed))
            row: Row = {"seed": seed, "world": world, "walls": walls, "way": way, "problems": problems, **came}
            if way == "scene":
                signs = {name: round(value, 4) for name, value in vars(agent.signs).items()}
                row |= {"training_cpu_seconds": trained, **signs, "doubt": agent.signs.doubt}
            rows.append(row)
    return rows


def report(rows: list[Row]) -> None:
    """Print the mean and the worst seed of each kind of data and list."""
    for world in WORLDS:
        for walls in (1, 2):
            for way in WAYS:
                found = [r["success"] for r in rows if (r["world"], r["walls"], r["way"]) == (world, walls, way)]
                if found:
                    print(
                        f"{world}, {walls} walls, {way}: {np.mean(found):.1%}, worst seed {min(found):.1%} of "
                        f"{len(found)}"
                    )


def quick() -> None:
    training = SceneTraining(background_steps=20, move_steps=20, room_steps=20)
    for world in WORLDS:
        for row in measure(100, world, 40, 2_000, 2, training):
            print(told(row))


def told(row: Row) -> str:
    return f"{row['world']}, seed {row['seed']}, {row['walls']} walls, {row['way']}: {row['success']:.1%}" + (
        f", {row['milliseconds']:.2f} CPU-ms a step, trained in {row['training_cpu_seconds']:.0f} CPU-s; "
        f"{row['doubt'] or 'no doubt'}"
        if row["way"] == "scene"
        else ""
    )


EXPERIMENT = Experiment(__file__, {"seed": range(5), "world": tuple(WORLDS)}, measure, told, quick, report=report)

if __name__ == "__main__":
    gymnasium.logger.min_level = gymnasium.logger.ERROR
    EXPERIMENT.main()
