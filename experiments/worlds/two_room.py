"""Somebody else's two rooms, from images alone: `swm/TwoRoom-v1` of the PyPI package stable-worldmodel, version 0.1.1.

20,000 transitions of the noisy expert that ships with it, or of random actions, in grey frames of 56 x 56. The recipe
`unfold-roadmap` is trained on them, and driven by the roadmap and by iLQR, which has the same map; random actions are
the control. A problem is a state of an expert episode that training never saw, and the state 25 steps later, to be
reached within 50 steps (or 100 within 150): the environment itself says when, within 16 of its 224 pixels. Problems of
`crossing` have the wall between the two. Lists are drawn from the words "two rooms", their name and the seed. Tuning
saw the seeds from 100 on; those that count begin at 0.

The package wants more than it needs here, so it lives in an environment of its own, from the checkout:

    python -m venv build/two-room
    build/two-room/bin/pip install -c constraints.txt torch  # where CUDA is not wanted: the CPU build
    build/two-room/bin/pip install -c constraints.txt -e . einops loguru tabulate typer imageio hdf5plugin h5py \
        hydra-core omegaconf
    build/two-room/bin/pip install --no-deps stable-worldmodel==0.1.1
    build/two-room/bin/python -m experiments.worlds.two_room          # 10 seeds, 6 CPU-minutes each

    python -m experiments.worlds.two_room --quick  # a moment, in a sketch of the world that needs no package
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Protocol
from unittest.mock import MagicMock

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np
import torch

from e2c_control import (
    E2CAgent,
    Embedding,
    PlanningOptions,
    Trainer,
    Transitions,
    TransitionsWriter,
    make_recipe,
)
from e2c_control.data import DatasetCard
from e2c_control.training.presets import default_embedding
from experiments.runner import Experiment, Row

Array = np.ndarray
NAME, TRANSITIONS = "swm/TwoRoom-v1", 20_000
WIDTH, SIDE, WALL = 224, 56, 112  # of the world and of a frame, in pixels, and where the wall is
LONGEST = {"expert": 200, "random": 25}
"""Steps after which an episode of the data ends, if its target is not reached before. Random actions lead nowhere in
particular, so that many short episodes, each from a start of its own, see more of the world."""
HEAVY = ("lancedb", "lancedb.permutation", "pyarrow", "torchvision")
"""Packages that stable-worldmodel imports and that nothing here calls: stand-ins take their places."""
POOL = 400
"""Expert episodes that a list of problems is drawn from."""


@dataclass(frozen=True)
class Kind:
    """A kind of problem: the goal is what the expert saw `gap` steps later, and there are `steps` to get there."""

    gap: int
    steps: int
    problems: int
    crossing: bool = False


KINDS = {
    "25/50": Kind(25, 50, 200),
    "crossing": Kind(25, 50, 100, crossing=True),
    "100/150": Kind(100, 150, 100),
}
WAYS = {"roadmap": PlanningOptions(planner="roadmap", horizon=1), "ilqr": PlanningOptions(), "random": None}


class Rooms(Protocol):
    """The world, as far as the protocol needs it."""

    position: Array

    def begin(self, seed: int | None = None, start: Array | None = None, target: Array | None = None) -> None:
        """Begin an episode, anywhere or from a start to a target (2,)."""
        ...

    def step(self, action: Array) -> bool:
        """Take a step; return whether the target is reached."""
        ...

    def colours(self) -> Array:
        """Return what is seen (224, 224, 3) uint8."""
        ...

    def frame(self) -> Array:
        """Return it as a grey frame (56, 56, 1) uint8."""
        ...

    def expert(self, rng: np.random.Generator) -> Array:
        """Return what the noisy expert does (2,)."""
        ...


class TwoRooms:
    """`swm/TwoRoom-v1`."""

    def __init__(self) -> None:
        module = imported("stable_worldmodel.envs.two_room")
        self._env, self._expert = module.TwoRoomEnv(), module.ExpertPolicy(action_noise=2.0, action_repeat_prob=0.05)
        self._expert.set_env(self._env)

    def begin(self, seed: int | None = None, start: Array | None = None, target: Array | None = None) -> None:
        given = {name: value for name, value in (("state", start), ("target_state", target)) if value is not None}
        _, self._told = self._env.reset(seed=seed, options=given)
        self._expert._last_action = None  # which it keeps from one episode to the next

    @property
    def position(self) -> Array:
        return np.asarray(self._told["state"], np.float64)

    def step(self, action: Array) -> bool:
        _, _, reached, _, self._told = self._env.step(action)
        return bool(reached)

    def colours(self) -> Array:
        return self._env.render()

    def frame(self) -> Array:
        return as_grey(self.colours())

    def expert(self, rng: np.random.Generator) -> Array:
        self._expert.rng = rng
        return self._expert.get_action(self._told)


def imported(name: str) -> ModuleType:
    """Import a module of stable-worldmodel without what it does not need."""
    for heavy in HEAVY:
        if heavy not in sys.modules:
            stand_in: Any = MagicMock(__spec__=None)
            sys.modules[heavy] = stand_in
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            raise SystemExit(f"{error}: {__file__} says how to make an environment for it.") from error


class Sketch:
    """A sketch of the world, in which the protocol is tried where the package is not installed."""

    def begin(self, seed: int | None = None, start: Array | None = None, target: Array | None = None) -> None:
        drawn = np.random.default_rng(seed).uniform(24, 200, (2, 2))
        self.position = drawn[0] if start is None else np.asarray(start, np.float64)
        self.target = drawn[1] if target is None else np.asarray(target, np.float64)

    def step(self, action: Array) -> bool:
        after = np.clip(self.position + 5 * np.clip(action, -1, 1), 21, WIDTH - 21)
        if room_of(after) != room_of(self.position) and abs(after[1] - 49) > 14:
            after[0] = self.position[0]
        self.position = after
        return bool(np.linalg.norm(after - self.target) < 16)

    def colours(self) -> Array:
        y, x = np.indices((WIDTH, WIDTH))
        shown = np.where((abs(x - WALL) > 5) | (abs(y - 49) < 14), 255.0, 0.0)
        near = np.exp(-((x - self.position[0]) ** 2 + (y - self.position[1]) ** 2) / 98)
        grey = (shown + near * (85 - shown)).astype(np.uint8)
        return np.repeat(grey[..., None], 3, -1)

    def frame(self) -> Array:
        return as_grey(self.colours())

    def expert(self, rng: np.random.Generator) -> Array:
        door = np.array([WALL, 49.0])
        crossing = room_of(self.position) != room_of(self.target)
        way = (door if crossing and np.linalg.norm(door - self.position) > 10 else self.target) - self.position
        return np.clip(way / max(np.linalg.norm(way), 1e-9) + rng.normal(0, 2, 2), -1, 1)


def as_grey(colours: Array) -> Array:
    """Return a grey frame (56, 56, 1) of colours (224, 224, 3)."""
    by = WIDTH // SIDE
    grey = colours.mean(2).reshape(SIDE, by, SIDE, by).mean((1, 3))
    return grey.round().astype(np.uint8)[..., None]


def room_of(position: Array) -> bool:
    """Return which room a place (..., 2) is in."""
    return position[..., 0] > WALL


Act = Callable[[Rooms, np.random.Generator], Array]


def by_expert(rooms: Rooms, rng: np.random.Generator) -> Array:
    """Act as the noisy expert does."""
    return rooms.expert(rng)


def by_chance(rooms: Rooms, rng: np.random.Generator) -> Array:
    """Act at random."""
    return rng.uniform(-1, 1, 2)


ACTS: dict[str, Act] = {"expert": by_expert, "random": by_chance}


def generator(*words: str | int) -> np.random.Generator:
    """Return the generator of what these words name: none that training has."""
    return np.random.default_rng(list(" ".join(("two rooms", *map(str, words))).encode()))


def episode(rooms: Rooms, data: str, rng: np.random.Generator, *, seen: bool = True) -> tuple[Array, Array, Array]:
    """Return the places (T + 1, 2), actions (T + 1, 2) and, where they are to be seen, frames of an episode."""
    rooms.begin(seed=int(rng.integers(2**31)))
    places, actions, frames = [rooms.position], list[Array](), [rooms.frame()] if seen else []
    over = False
    while not over and len(actions) < LONGEST[data]:
        actions.append(ACTS[data](rooms, rng))
        over = rooms.step(actions[-1])
        places.append(rooms.position)
        if seen:
            frames.append(rooms.frame())
    return np.stack(places), np.stack([*actions, np.zeros(2)]), np.array(frames)


def record(rooms: Rooms, path: Path, data: str, transitions: int, seed: int) -> Transitions:
    """Record so many transitions, or what the last episode has more."""
    rng, card = generator(data, seed), DatasetCard(NAME, {}, (SIDE, SIDE, 1), 2, 2, seed=seed)
    with TransitionsWriter.create(path, card) as writer:
        while writer.frames - writer.episodes < transitions:
            places, actions, frames = episode(rooms, data, rng)
            writer.append(frames[None], actions[None], places[None])
    return Transitions.open(path)


def pairs(paths: Sequence[Array], kind: Kind, count: int, rng: np.random.Generator) -> Array:
    """Draw problems (count, 2, 2) from paths, each (T + 1, 2): a start, and where the path was `gap` steps later."""
    found = np.concatenate([np.stack((path[: -kind.gap], path[kind.gap :]), 1) for path in paths])
    if kind.crossing:
        found = found[room_of(found[:, 0]) != room_of(found[:, 1])]
    return found[rng.choice(len(found), count, replace=False)]


def problems_of(rooms: Rooms, seed: int, most: int) -> dict[str, Array]:
    """Return the lists of problems of a seed, from expert episodes of their own."""
    rng = generator("problems", seed)
    paths = [episode(rooms, "expert", rng, seen=False)[0] for _ in range(POOL)]
    return {name: pairs(paths, kind, min(kind.problems, most), rng) for name, kind in KINDS.items()}


def trained(data: Transitions, seed: int, steps_scale: float = 1.0) -> tuple[Embedding, float, float]:
    """Return an embedding that knows reachability, and the CPU-seconds of its map alone and of all."""
    sized = default_embedding(data.card.frame_shape, latent_dim=2)
    recipe = make_recipe("unfold-roadmap", sized).scaled(steps_scale)
    # Without the decoder, which no plan looks through.
    recipe = replace(recipe, phases=tuple(phase for phase in recipe.phases if phase.name != "display"))
    begun = mapped = time.process_time()
    trainer = Trainer(recipe, data, data.split(0.05, seed=0)[0], seed=seed, device=torch.device("cpu"))
    while not trainer.finished:
        if trainer.phase.name == "unfold":
            mapped = time.process_time()
        trainer.advance()
    return trainer.embedding.eval(), mapped - begun, time.process_time() - begun


@dataclass(frozen=True)
class Driven:
    """What came of a list of problems: which were reached, where each ended (N, 2), and CPU-ms of a step."""

    reached: Array
    ends: Array
    milliseconds: float


def drive(
    agent: E2CAgent | None, worlds: Sequence[Rooms], problems: Array, steps: int, rng: np.random.Generator
) -> Driven:
    """Let an agent, or chance, drive each problem in a world of its own until it is reached or the steps are over."""
    running, spent = np.arange(len(problems)), list[float]()
    reached, state = np.zeros(len(problems), np.bool_), None
    goals = np.empty((len(problems), SIDE, SIDE, 1), np.uint8)
    for rooms, (start, goal), image in zip(worlds, problems, goals, strict=False):
        rooms.begin(seed=0, start=goal, target=goal)
        image[:] = rooms.frame()
        rooms.begin(seed=0, start=start, target=goal)
    if agent is not None:
        agent.set_goal(goals)
    for _ in range(steps):
        if agent is None:
            actions = rng.uniform(-1, 1, (len(running), 2))
        else:
            shown, begun = np.stack([worlds[n].frame() for n in running]), time.process_time()
            actions, state = agent.predict(shown, state)
            spent.append((time.process_time() - begun) / len(running))
        for n, action in zip(running.tolist(), actions, strict=True):
            reached[n] |= worlds[n].step(action)
        left = ~reached[running]
        if not left.any():
            break
        if left.sum() <= len(running) / 2:  # the others are driven on until then, which makes no difference to these
            running = running[left]
            if agent is not None:
                agent.set_goal(goals[running])
                state = None if state is None else state.select(np.flatnonzero(left))
    ends = np.stack([rooms.position for rooms in worlds[: len(problems)]])
    return Driven(reached, ends, 1e3 * float(np.median(spent)) if spent else 0.0)


def measure(
    data: str,
    seed: int,
    world: Callable[[], Rooms] = TwoRooms,
    transitions: int = TRANSITIONS,
    steps_scale: float = 1.0,
    most: int = 200,
) -> list[Row]:
    """Train one seed and drive all lists in all ways."""
    worlds = [world() for _ in range(most)]
    with TemporaryDirectory() as folder:
        recorded = record(worlds[0], Path(folder) / "data", data, transitions, seed)
        embedding, mapping, training = trained(recorded, seed, steps_scale)
    known = None if embedding.reachability is None else embedding.reachability.graph()
    rows = list[Row]()
    for name, problems in problems_of(worlds[0], seed, most).items():
        for way, options in WAYS.items():
            agent = None if options is None else E2CAgent.from_embedding(embedding, options, seed)
            driven = drive(agent, worlds, problems, KINDS[name].steps, generator("chance", name, seed))
            missed = ~driven.reached
            row: Row = {
                "data": data,
                "seed": seed,
                "list": name,
                "way": way,
                "problems": len(problems),
                "success": float(driven.reached.mean()),
                "milliseconds": driven.milliseconds,
                "mapping_cpu_seconds": mapping,
                "training_cpu_seconds": training,
                "aliased": 0 if known is None else int(known.aliased.sum()),
                "missed": [] if way == "random" else np.concatenate(
                    (problems[missed].reshape(-1, 4), driven.ends[missed]), 1
                ).round(1).tolist(),
            }  # fmt: skip
            rows.append(row)
    return rows


def report(rows: list[Row]) -> None:
    """Print the mean and the worst seed of each way and list."""
    for data in ACTS:
        for name in KINDS:
            for way in WAYS:
                found = [row for row in rows if (row["data"], row["list"], row["way"]) == (data, name, way)]
                if found:
                    success = [row["success"] for row in found]
                    milliseconds = np.median([row["milliseconds"] for row in found])
                    print(
                        f"{data} data, {name}, {way}: {np.mean(success):.1%}, worst seed {min(success):.1%} of "
                        f"{len(found)}, {milliseconds:.1f} CPU-ms a step"
                    )


def quick() -> None:
    for row in measure("expert", 100, Sketch, 600, 0.02, 2):
        print(TOLD.format(**row))


TOLD = (
    "{data} data, seed {seed}, {list}, {way}: {success:.1%} of {problems}, {milliseconds:.1f} CPU-ms a step, trained "
    "in {training_cpu_seconds:.0f} CPU-s"
)
EXPERIMENT = Experiment(__file__, {"data": tuple(ACTS), "seed": range(10)}, measure, TOLD, quick, report=report)

if __name__ == "__main__":
    EXPERIMENT.main()
