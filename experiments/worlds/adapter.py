"""This project's planners in stable-worldmodel's `World.evaluate`, and its CEM on this project's map of the two rooms.

One map is trained as in `two_room.py`, by whose protocol the problems are drawn: 50 of 25/50, and 50 with the wall
between start and goal. Roadmap and iLQR drive each list twice, by the loop of `two_room.py` and, through
`PlanningSolver`, by `World.evaluate` with a `WorldModelPolicy`: the same problems must be reached. stable-worldmodel's
`CEMSolver`, with the samples and iterations that it has by default (300, 30), drives by `EmbeddingCost`: with plans of
five blocks of five actions that are driven blind, as LeWM is published; replanning ten steps from every frame; and one
step, by the steps left that the roadmap counts. CPU-ms a step: a step's share of planning and encoding,
without drawing frames and making them small and grey; of the loop the median, of `World.evaluate` the mean.

    build/two-room/bin/python -m experiments.worlds.adapter  # 20 CPU-minutes, in the environment of two_room.py

    python -m experiments.worlds.adapter --quick  # a moment, with sketches of the world and of stable-worldmodel
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from experiments.runner import Experiment, Row
from experiments.worlds import two_room
from experiments.worlds.two_room import KINDS, TRANSITIONS, Array, Rooms, Sketch, TwoRooms

# isort: split
import numpy as np
import torch
from gymnasium.spaces import Box

from e2c_control import E2CAgent, Embedding, PlanningOptions
from e2c_control.agents import EmbeddingCost, PlanningSolver

LISTS = ("25/50", "crossing")
OURS = ("roadmap", "ilqr")
LOOP, WORLD = "two_room.drive", "World.evaluate"


@dataclass(frozen=True)
class Plans:
    """`PlanConfig` of stable-worldmodel: blocks of a plan, blocks driven before the next, and steps of a block."""

    horizon: int
    receding_horizon: int = 1
    action_block: int = 1
    warm_start: bool = True


@dataclass(frozen=True)
class Theirs:
    """A use of their solver: the cost that it asks for, and its plans."""

    cost: PlanningOptions
    plans: Plans


CEM = {
    "CEM, 5 x 5 blind": Theirs(PlanningOptions(), Plans(5, 5, 5)),
    "CEM": Theirs(PlanningOptions(), Plans(10)),
    "CEM, steps": Theirs(two_room.WAYS["roadmap"] or PlanningOptions(), Plans(1)),
}


@dataclass(frozen=True)
class Peer:
    """What is taken of stable-worldmodel, or of a sketch of it.

    Attributes:
        rooms: the world, for the protocol of `two_room.py`.
        world: so many environments, which `evaluate`.
        policy: of a solver and a configuration.
        config: of the planning loop.
        cem: the solver, of a cost.
        version: of the package.
    """

    rooms: Callable[[], Rooms]
    world: Callable[[int], Any]
    policy: Callable[..., Any]
    config: Callable[..., Any]
    cem: Callable[[EmbeddingCost], Any]
    version: str


def stable_worldmodel() -> Peer:
    """Return stable-worldmodel itself."""
    package = two_room.imported("stable_worldmodel")
    return Peer(
        TwoRooms,
        lambda count: package.World(two_room.NAME, num_envs=count, image_shape=(two_room.WIDTH, two_room.WIDTH)),
        package.policy.WorldModelPolicy,
        package.PlanConfig,
        package.solver.CEMSolver,
        version("stable-worldmodel"),
    )


class Pairs:
    """Of a dataset what `World.evaluate` reads: each problem's start, and the goal that was seen `gap` steps later.

    Args:
        rooms: draw the images.
        problems: (N, 2, 2).
    """

    column_names = ("pixels", "state")

    def __init__(self, rooms: Rooms, problems: Array) -> None:
        self._rooms, self._problems = rooms, problems

    def load_chunk(self, episodes: Array, starts: Array, ends: Array) -> list[dict[str, Any]]:
        """Return start and goal of each problem: images (2, C, H, W), states (2, 2)."""
        return [
            {"pixels": torch.stack([self._image(place) for place in self._problems[n]]), "state": self._problems[n]}
            for n in episodes.tolist()
        ]

    def _image(self, place: Array) -> torch.Tensor:
        self._rooms.begin(seed=0, start=place, target=place)
        return torch.tensor(np.ascontiguousarray(self._rooms.colours())).permute(2, 0, 1)


BEGIN = [
    {"method": "_set_state", "args": {"state": {"value": "state"}}},
    {"method": "_set_goal_state", "args": {"goal_state": {"value": "goal_state"}}},
]
"""What `World.evaluate` calls in the environment, with what the dataset says."""


class Stopwatch:
    """Counts the CPU-seconds of planning in a policy, without those of making frames, and the steps planned."""

    def __init__(self) -> None:
        self.seconds, self.steps = 0.0, 0

    def frames(self, images: Array) -> Array:
        """Return frames (N, 56, 56, 1) of images (N, 224, 224, 3)."""
        begun = time.process_time()
        frames = np.stack([two_room.as_grey(image) for image in images])
        self.seconds -= time.process_time() - begun
        return frames

    def watch(self, policy: Any) -> Any:
        """Count what this policy does from now on."""
        act = policy.get_action

        def get_action(info: Mapping[str, Any]) -> Array:
            self.steps += int((~np.asarray(info["terminated"], np.bool_)).sum())
            begun = time.process_time()
            with redirect_stdout(StringIO()):  # their solvers print how long each plan took
                actions = act(info)
            self.seconds += time.process_time() - begun
            return actions

        policy.get_action = get_action
        return policy


def evaluate(
    peer: Peer, solver: Callable[[Stopwatch], Any], plans: Plans, problems: Array, name: str
) -> tuple[Array, float]:
    """Return which problems (N,) a solver reaches in `World.evaluate`, and CPU-ms of a step."""
    watch, world, count = Stopwatch(), peer.world(len(problems)), len(problems)
    world.set_policy(watch.watch(peer.policy(solver(watch), peer.config(**vars(plans)))))
    found = world.evaluate(
        dataset=Pairs(peer.rooms(), problems),
        episodes_idx=list(range(count)),
        start_steps=[0] * count,
        goal_offset=KINDS[name].gap,
        eval_budget=KINDS[name].steps,
        callables=BEGIN,
    )
    return np.asarray(found["episode_successes"], np.bool_), 1e3 * watch.seconds / watch.steps


def measure(
    seed: int,
    peer: Callable[[], Peer] = stable_worldmodel,
    transitions: int = TRANSITIONS,
    steps_scale: float = 1.0,
    most: int = 50,
) -> list[Row]:
    """Train a map and drive both lists in all ways."""
    found = peer()
    worlds = [found.rooms() for _ in range(most)]
    with TemporaryDirectory() as folder:
        recorded = two_room.record(worlds[0], Path(folder) / "data", "expert", transitions, seed)
        embedding, _, training = two_room.trained(recorded, seed, steps_scale)
    lists = two_room.problems_of(worlds[0], seed, most)
    rows = [row for name in LISTS for row in compared(found, worlds, embedding, name, lists[name], seed)]
    return [{"seed": seed, **row, "training_cpu_seconds": training, "peer": found.version} for row in rows]


def compared(
    peer: Peer, worlds: Sequence[Rooms], embedding: Embedding, name: str, problems: Array, seed: int
) -> list[Row]:
    """Return a row for each planner and loop on one list."""
    rows = list[Row]()

    def add(planner: str, loop: str, reached: Array, milliseconds: float) -> None:
        numbers: Row = {"problems": len(reached), "success": float(reached.mean()), "milliseconds": milliseconds}
        rows.append(
            {"list": name, "planner": planner, "loop": loop, **numbers, "reached": reached.astype(int).tolist()}
        )

    for planner in OURS:
        agent = E2CAgent.from_embedding(embedding, two_room.WAYS[planner], seed)
        rng = two_room.generator("chance", name, seed)
        driven = two_room.drive(agent, worlds, problems, KINDS[name].steps, rng)
        add(planner, LOOP, driven.reached, driven.milliseconds)
        plans = Plans(agent.options.horizon)
        theirs = evaluate(peer, lambda watch, agent=agent: PlanningSolver(agent, watch.frames), plans, problems, name)
        add(planner, WORLD, *theirs)
    for planner, use in CEM.items():
        cost, plans = use.cost, use.plans
        theirs = evaluate(
            peer,
            lambda watch, cost=cost: peer.cem(EmbeddingCost(embedding, cost, watch.frames)),
            plans,
            problems,
            name,
        )
        add(planner, WORLD, *theirs)
    return rows


def differing(rows: list[Row]) -> dict[str, int]:
    """Return how many problems one loop reaches and the other does not, by planner and list."""
    return {
        f"{planner}, {name}": sum(
            int(mine != other)
            for seed in sorted({row["seed"] for row in rows})
            for mine, other in zip(
                *(
                    row["reached"]
                    for loop in (LOOP, WORLD)
                    for row in rows
                    if (row["seed"], row["list"], row["planner"], row["loop"]) == (seed, name, planner, loop)
                ),
                strict=True,
            )
        )
        for planner in OURS
        for name in LISTS
    }


def report(rows: list[Row]) -> None:
    """Print how many problems came out differently."""
    for what, count in differing(rows).items():
        print(f"{what}: {count} problems come out differently by {LOOP} and by {WORLD}")


# A sketch of stable-worldmodel's protocols, to try all of this where the package is not installed.


class SketchWorld:
    """The part of `stable_worldmodel.World` that is used here, with sketches of the rooms."""

    def __init__(self, count: int) -> None:
        self.rooms, self.num_envs = [Sketch() for _ in range(count)], count
        self.action_space, self.single_action_space = Box(-1, 1, (count, 2)), Box(-1, 1, (2,))

    def set_policy(self, policy: Any) -> None:
        self._policy = policy
        policy.set_env(self)

    def evaluate(
        self,
        dataset: Pairs,
        episodes_idx: list[int],
        start_steps: list[int],
        goal_offset: int,
        eval_budget: int,
        callables: list[Any],
    ) -> dict[str, Any]:
        starts = np.array(start_steps)
        chunks = dataset.load_chunk(np.array(episodes_idx), starts, starts + goal_offset + 1)
        for rooms, chunk in zip(self.rooms, chunks, strict=True):
            rooms.begin(start=chunk["state"][0], target=chunk["state"][1])
        reached = np.zeros((self.num_envs, 1), np.bool_)
        info = {
            "goal": np.stack([chunk["pixels"][-1].permute(1, 2, 0).numpy() for chunk in chunks])[:, None],
            "id": np.random.default_rng(0).permutation(self.num_envs)[:, None],
            "terminated": reached,
        }
        for _ in range(eval_budget):
            info["pixels"] = np.stack([rooms.colours() for rooms in self.rooms])[:, None]
            actions = self._policy.get_action(info)
            for n in np.flatnonzero(~reached):
                reached[n] = self.rooms[n].step(actions[n])
        return {"episode_successes": reached[:, 0].copy()}


class SketchPolicy:
    """The part of `WorldModelPolicy` that is used here: a queue of actions for each environment that goes on."""

    def __init__(self, solver: Any, config: Plans) -> None:
        self.solver, self.cfg = solver, config

    def set_env(self, env: SketchWorld) -> None:
        self.solver.configure(action_space=env.action_space, n_envs=env.num_envs, config=self.cfg)
        self._queues = [deque[Array]() for _ in range(env.num_envs)]

    def get_action(self, info: Mapping[str, Array]) -> Array:
        alive = np.flatnonzero(~info["terminated"])
        due = [n for n in alive.tolist() if not self._queues[n]]
        if due:
            shown = {name: torch.from_numpy(np.ascontiguousarray(values[due])) for name, values in info.items()}
            actions = self.solver(shown, init_action=None)["actions"][:, : self.cfg.receding_horizon]
            for n, plan in zip(due, actions.reshape(len(due), -1, 2).float().numpy(), strict=True):
                self._queues[n].extend(plan)
        given = np.full((len(self._queues), 2), np.nan, np.float32)
        for n in alive:
            given[n] = self._queues[n].popleft()
        return given


class SketchSolver:
    """What `CEMSolver` asks of a cost, once: the best of some random plans, an environment at a time."""

    def __init__(self, model: EmbeddingCost, samples: int = 32) -> None:
        self.model, self._samples = model, samples
        self._generator = torch.Generator().manual_seed(0)

    def configure(self, *, action_space: Box, n_envs: int, config: Plans) -> None:
        self._shape = (1, self._samples, config.horizon, action_space.shape[1] * config.action_block)

    def __call__(self, info: Mapping[str, torch.Tensor], init_action: torch.Tensor | None = None) -> dict[str, Any]:
        best = list[torch.Tensor]()
        for n in range(len(info["id"])):
            expanded = {
                name: values[n : n + 1, None].expand(1, self._samples, *values.shape[1:])
                for name, values in info.items()
            }
            tried = torch.randn(self._shape, generator=self._generator)
            best.append(tried[0, self.model.get_cost(expanded, tried)[0].argmin()])
        return {"actions": torch.stack(best)}


SKETCHED = Peer(Sketch, SketchWorld, SketchPolicy, Plans, SketchSolver, "sketch")


def quick() -> None:
    rows = measure(100, lambda: SKETCHED, 600, 0.02, 2)
    for row in rows:
        print(TOLD.format(**row))
    report(rows)


TOLD = "seed {seed}, {list}, {planner} by {loop}: {success:.1%} of {problems}, {milliseconds:.1f} CPU-ms a step"
EXPERIMENT = Experiment(
    __file__, {"seed": (0,)}, measure, TOLD, quick, report=report, about=lambda rows: {"differing": differing(rows)}
)

if __name__ == "__main__":
    EXPERIMENT.main()
