"""Coverage without any reward from outside: who gets around, at equal numbers of environment steps?

Uniformly random actions; PPO that is paid nothing (which drifts, and is the baseline to beat); and PPO that is paid for
novelty by the error of a recurrent auto-encoder, by random network distillation (RND) and by the error of a forward
model (ICM). Everything but the novelty model is as `FreeEnergyAgent` has it: 32 environments and short rollouts; the
novelty model is trained every 512 steps on the last 20,000 observations.

- mountain: MountainCar-v0, whose observation is its state. Cells of a 25 x 25 grid of place and speed; the flag.
- walls: E2C/PlanarWalls-v0 from its images. Cells of 2 x 2 pixels that are free; the last of its three rooms.
- pump: E2C/PendulumPump-v0 from two frames. Cells of a 24 x 20 grid of angle and rate; upright within 30 degrees.
- slope: MountainCarContinuous-v0, where the policy learns by SAC, off-policy, in one environment: the bonus is scored
  anew whenever a transition is replayed. Beside it random actions and SAC that is paid nothing.

    python -m experiments.agents.coverage          # writes results/coverage.{json,png}
    python -m experiments.agents.coverage --worlds mountain --seeds 0
    python -m experiments.agents.coverage --quick  # seconds, writes nothing
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np
from gymnasium import Env
from numpy.typing import NDArray
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from e2c_control import FreeEnergyAgent, NoveltyOptions, make_task
from e2c_control.figures.canvas import BLUE, FAINT, GREEN, INK, ORANGE, dress, new_figure, to_image
from e2c_control.tables import table
from experiments.runner import Experiment

RESULTS = Path(__file__).parent / "results"
ENVIRONMENTS, POINTS = 32, 60
WAYS: dict[str, NoveltyOptions | None] = {
    "random": None,
    "no reward": None,
    "recurrent": NoveltyOptions("recurrent"),
    "rnd": NoveltyOptions("rnd"),
    "icm": NoveltyOptions("icm"),
}
COLOURS = {"random": FAINT, "no reward": INK, "recurrent": BLUE, "rnd": ORANGE, "icm": GREEN}
Array = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Where exploring is measured.

    Attributes:
        environment: Gymnasium id, or what makes one.
        steps: of all environments together.
        low: corner of the grid of cells.
        high: the opposite one.
        cells: along each side.
        arrived: whether states (N, 2) are where it is hard to get to.
        reachable: which cells there are, (rows, columns); none for all.
        model: settings of an auto-encoder that sees this world.
        policy: what the policies learn by.
        environments: at once.
        ways: that are measured.
    """

    environment: str | Callable[[], Env[Any, Any]]
    steps: int
    low: tuple[float, float]
    high: tuple[float, float]
    cells: tuple[int, int]
    arrived: Callable[[Array], NDArray[np.bool_]]
    reachable: NDArray[np.bool_] | None = None
    model: dict[str, Any] = field(default_factory=dict[str, Any])
    policy: str = "ppo"
    environments: int = ENVIRONMENTS
    ways: tuple[str, ...] = tuple(WAYS)

    def cell_of(self, states: Array) -> NDArray[np.int64]:
        """Row and column (N, 2) of the cells that states (N, 2) are in."""
        share = (states - np.array(self.low)) / (np.array(self.high) - np.array(self.low))
        return np.clip((share * self.cells).astype(np.int64), 0, np.array(self.cells) - 1)


def mountain() -> World:
    def flag(states: Array) -> NDArray[np.bool_]:
        return states[:, 0] >= 0.5

    return World("MountainCar-v0", 61_440, (-1.2, -0.07), (0.6, 0.07), (25, 25), flag, model={"code": 2})


def walls() -> World:
    def last_room(states: Array) -> NDArray[np.bool_]:
        return states[:, 1] > 29.0

    system: Any = make_task("E2C/PlanarWalls-v0").system
    side = 2.0 * np.arange(19) + 2.0 + 0.5
    centres = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    free = ~system.blocked(centres).reshape(19, 19)
    return World("E2C/PlanarWalls-v0", 20_480, (1.5, 1.5), (38.5, 38.5), (19, 19), last_room, free)


def pump() -> World:
    def upright(states: Array) -> NDArray[np.bool_]:
        return np.abs(states[:, 0]) <= np.pi / 6

    fastest = 5 * np.pi
    return World("E2C/PendulumPump-v0", 20_480, (-np.pi, -fastest), (np.pi, fastest), (24, 20), upright)


def slope() -> World:
    def flag(states: Array) -> NDArray[np.bool_]:
        return states[:, 0] >= 0.45

    box = ((-1.2, -0.07), (0.6, 0.07), (25, 25))
    ways = ("random", "no reward", "recurrent")
    return World(
        "MountainCarContinuous-v0", 10_240, *box, flag, model={"code": 2}, policy="sac", environments=1, ways=ways
    )


WORLDS: dict[str, Callable[[], World]] = {"mountain": mountain, "walls": walls, "pump": pump, "slope": slope}


class Visits:
    """Where the environments have been: how often each cell, how many cells by when, and first arrival."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.counts = np.zeros(world.cells, np.int64)
        self.steps, self.first, self.there = 0, None, 0
        self.curve: list[tuple[int, float]] = []

    def add(self, states: Array) -> None:
        """Take in what one step of every environment led to, (N, 2)."""
        np.add.at(self.counts, tuple(self.world.cell_of(states).T), 1)
        self.steps += len(states)
        arrived = int(self.world.arrived(states).sum())
        self.there += arrived
        if arrived and self.first is None:
            self.first = self.steps
        if self.steps * POINTS // self.world.steps > len(self.curve):
            self.curve.append((self.steps, self.share()))

    def share(self) -> float:
        """Of the cells that there are, those that were visited."""
        there = np.ones(self.world.cells, bool) if self.world.reachable is None else self.world.reachable
        return float(((self.counts > 0) & there).sum() / there.sum())

    def row(self) -> dict[str, Any]:
        """What a result file says of them."""
        return {
            "cells": self.share(),
            "first_arrival": self.first,
            "time_there": self.there / self.steps,
            "curve": [(steps, round(share, 4)) for steps, share in self.curve],
            "visits": self.counts.tolist(),
        }


def true_states(observations: Any, dones: Any, infos: list[dict[str, Any]]) -> Array:
    """Where each environment is after a step, before it was reset: told by `info`, or by what is seen."""
    if "state" in infos[0]:
        return np.stack([info["state"] for info in infos])[:, :2]
    steps = zip(observations, dones, infos, strict=True)
    last = [info["terminal_observation"] if done else seen for seen, done, info in steps]
    return np.stack(last).astype(np.float64)[:, :2]


class Tap(VecEnvWrapper):
    """Notes where environments are, below all that changes what they show."""

    def __init__(self, venv: VecEnv, visits: Visits) -> None:
        super().__init__(venv)
        self.visits = visits

    def reset(self) -> Any:
        return self.venv.reset()

    def step_wait(self) -> Any:
        observations, rewards, dones, infos = self.venv.step_wait()
        self.visits.add(true_states(observations, dones, infos))
        return observations, rewards, dones, infos


def act_at_random(env: VecEnv, seed: int, steps: int) -> None:
    """Uniformly random actions."""
    env.seed(seed)
    env.action_space.seed(seed)
    env.reset()
    for _ in range(steps // env.num_envs):
        env.step(np.stack([env.action_space.sample() for _ in range(env.num_envs)]))


def measure(name: str, way: str, options: NoveltyOptions | None, seed: int, world: World) -> dict[str, Any]:
    """One run."""
    visits = Visits(world)
    begun = time.process_time()
    env = Tap(make_vec_env(world.environment, world.environments, seed=seed), visits)
    if way == "random":
        act_at_random(env, seed, world.steps)
    else:
        paid = 0.0 if options is None else 1.0
        FreeEnergyAgent(env, world.policy, options, intrinsic_weight=paid, seed=seed, device="cpu").learn(world.steps)
    env.close()
    return {
        "world": name,
        "way": way,
        "seed": seed,
        **visits.row(),
        "cpu_seconds": time.process_time() - begun,
    }


def options_for(way: str, world: World) -> NoveltyOptions | None:
    """A way's options; an auto-encoder's code suits the world."""
    options = WAYS[way]
    if options is not None and options.model == "recurrent":
        return NoveltyOptions("recurrent", settings=world.model)
    return options


def median_interval(values: list[float]) -> dict[str, float]:
    """The median, and a 95 % interval of it by bootstrap over seeds, with the least and the most."""
    drawn = np.random.default_rng(0).choice(values, (10_000, len(values)))
    low, high = np.quantile(np.median(drawn, axis=1), (0.025, 0.975))
    return {
        "median": float(np.median(values)),
        "low": float(low),
        "high": float(high),
        "least": min(values),
        "most": max(values),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in WORLDS:
        for way in WAYS:
            own = [row for row in rows if (row["world"], row["way"]) == (name, way)]
            if own:
                found[f"{name}: {way}"] = {
                    "seeds": len(own),
                    "cells": median_interval([row["cells"] for row in own]),
                    "time_there": median_interval([row["time_there"] for row in own]),
                    "arrived": sum(row["first_arrival"] is not None for row in own),
                    "first_arrivals": sorted(row["first_arrival"] for row in own if row["first_arrival"] is not None),
                    "cpu_seconds": float(np.median([row["cpu_seconds"] for row in own])),
                }
    return found


def report(rows: list[dict[str, Any]]) -> None:
    lines = [("world: way", "seeds", "cells, median", "95 %", "least", "arrived", "first", "time there", "CPU-s")]
    for name, e in summary(rows).items():
        cells, there = e["cells"], e["time_there"]
        first = f"{int(np.median(e['first_arrivals'])):,}" if e["first_arrivals"] else "-"
        lines.append(
            (
                name,
                str(e["seeds"]),
                f"{cells['median']:.3f}",
                f"{cells['low']:.3f} to {cells['high']:.3f}",
                f"{cells['least']:.3f}",
                f"{e['arrived']} of {e['seeds']}",
                first,
                f"{there['median']:.3f}",
                f"{e['cpu_seconds']:.0f}",
            )
        )
    print(table(lines), flush=True)


def picture(rows: list[dict[str, Any]]) -> Any:
    """For each world the cells by step, and the visits of each way in its first seed."""
    names = [name for name in WORLDS if any(row["world"] == name for row in rows)]
    figure = new_figure(1400, 330 * len(names))
    panels = figure.subplots(len(names), 1 + len(WAYS), squeeze=False, width_ratios=[1.7] + [1.0] * len(WAYS))
    for line, name in zip(panels, names, strict=True):
        world = WORLDS[name]()
        for way, axes in zip(WAYS, line[1:], strict=True):
            own = [row for row in rows if (row["world"], row["way"]) == (name, way)]
            for row in own:
                line[0].plot(*np.array(row["curve"]).T, color=COLOURS[way], linewidth=0.6, alpha=0.5)
            if own:
                line[0].plot(*np.mean([row["curve"] for row in own], axis=0).T, color=COLOURS[way], label=way)
            shown = own[0]["visits"] if own else None
            axes.set_xticks([])
            axes.set_yticks([])
            if shown is None:
                axes.set_axis_off()
            else:
                seen = np.log1p(np.array(shown, float))
                if world.reachable is not None:
                    seen[~world.reachable] = np.nan
                axes.imshow(seen, cmap="viridis", aspect="auto")
                dress(axes, way)
        line[0].set_ylim(0, 1)
        dress(line[0], f"{name}: share of cells visited", "environment steps")
        line[0].legend(fontsize=8, frameon=False)
    return to_image(figure)


def measure_row(world: str, way: str, seed: int) -> dict[str, Any]:
    found = WORLDS[world]()
    return measure(world, way, options_for(way, found), seed, found)


def quick() -> None:
    short = World(**(vars(mountain()) | {"steps": 1024}))
    report([measure("mountain", way, options_for(way, short), 0, short) for way in ("random", "recurrent")])


EXPERIMENT = Experiment(
    __file__,
    {"seed": range(5), "world": WORLDS, "way": WAYS},
    measure_row,
    "{world}, {way}, seed {seed}: {cells:.3f}, {cpu_seconds:.0f} CPU-s",
    quick,
    summary,
    report,
    picture,
    exists=lambda seed, world, way: way in WORLDS[world]().ways,
)


if __name__ == "__main__":
    EXPERIMENT.main()
