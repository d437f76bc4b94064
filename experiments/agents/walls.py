"""Why did nobody get around the walls? Policy and novelty, each in turn replaced by one that cannot be at fault.

In E2C/PlanarWalls-v0 two walls make three rooms. At first no agent of coverage.py came to the last one: policies
saw images as they are, and novelty models saw whitened ones cut off at 5 deviations. Here all else is as it was, but

- the bonus comes from an oracle, 1 / sqrt(visits of the true cell): what then goes wrong is the policy's fault;
- the policy sees the true state, or images whitened pixel by pixel: what then goes wrong is the novelty's fault;
- the novelty model sees the true state, or whitened images up to 50 deviations;
- the policy's noise stays for eight steps (stable-baselines3's use_sde).

While the oracle leads a policy around, novelty models listen: they learn from the same steps, and are asked what they
would have paid for every free cell. `contrast` is the bonus at never visited cells over that at the half of the visited
ones that was visited most, `rank` the rank correlation of the bonus with how seldom a cell was visited.
`FreeEnergyAgent` does both now, images whitened for policies and up to 50 deviations for novelty: coverage.py.

    python -m experiments.agents.walls          # writes results/walls.{json,png}
    python -m experiments.agents.walls --quick  # seconds, writes nothing
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from e2c_control import NoveltyOptions, NoveltyReward, make_task
from e2c_control.agents.free_energy.learners import settings_of
from e2c_control.agents.free_energy.sight import SightCallback
from e2c_control.figures.canvas import BLUE, FAINT, GREEN, INK, ORANGE, dress, new_figure, to_image
from e2c_control.runs.versions import source_commit
from e2c_control.tables import table
from experiments.agents import coverage
from experiments.runner import Experiment, stored

RESULTS = Path(__file__).parent / "results"

CLIPPED, NOW = NoveltyOptions("recurrent", limit=5.0), NoveltyOptions("recurrent")
LISTENERS = {
    "recurrent, cut off at 5": CLIPPED,
    "recurrent, cut off at 50": NOW,
    "rnd, cut off at 50": NoveltyOptions("rnd"),
}
LISTENED = 16
"""Times in a run that those who listen are asked."""
SYSTEM: Any = make_task("E2C/PlanarWalls-v0").system
Array = NDArray[np.float64]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Variant:
    """Who explores.

    Attributes:
        label: for tables and pictures.
        novelty: what pays; none for the oracle.
        policy_sees: plain images, whitened ones, or the state.
        novelty_sees: image or state.
        policy: options of PPO that are others than the agent's.
        seeds: how many.
        listeners: whether novelty models listen.
    """

    label: str
    novelty: NoveltyOptions | None
    policy_sees: str
    novelty_sees: str = "image"
    policy: dict[str, Any] = field(default_factory=dict[str, Any])
    seeds: int = 5
    listeners: bool = False


STATE = NoveltyOptions("recurrent", settings={"code": 2})
LASTING = {"use_sde": True, "sde_sample_freq": 8}
VARIANTS = {
    "before: recurrent": Variant("recurrent, plain images, as before", CLIPPED, "plain"),
    "before: rnd": Variant("rnd, plain images, as before", NoveltyOptions("rnd", limit=5.0), "plain"),
    "oracle, plain": Variant("visits counted, plain images", None, "plain"),
    "oracle, lasting noise": Variant(
        "visits counted, plain images, lasting noise", None, "plain", policy=LASTING, seeds=3
    ),
    "oracle, state": Variant("visits counted, true state", None, "state", seeds=3),
    "oracle, whitened": Variant("visits counted, whitened images", None, "whitened", listeners=True),
    "recurrent, state": Variant("recurrent, true state", CLIPPED, "state", seeds=3),
    "recurrent of states": Variant("recurrent of states, plain images", STATE, "plain", "state", seeds=3),
    "recurrent, whitened": Variant("recurrent, whitened images", CLIPPED, "whitened"),
    "limit alone": Variant("recurrent, cut off at 50, plain images", NOW, "plain", seeds=3),
}
NEW = {"recurrent": "recurrent, both cures", "rnd": "rnd, both cures"}
"""What coverage.py measures of agents as they are now, shown beside these."""


COLOURS = {
    VARIANTS["before: recurrent"].label: FAINT,
    VARIANTS["oracle, plain"].label: INK,
    VARIANTS["recurrent, whitened"].label: GREEN,
    NEW["recurrent"]: BLUE,
    NEW["rnd"]: ORANGE,
}


class Watched(coverage.Tap):
    """Remembers where everybody is."""

    states: Array

    def step_wait(self) -> Any:
        observations, rewards, dones, infos = super().step_wait()
        self.states = coverage.true_states(observations, dones, infos)
        return observations, rewards, dones, infos


class Shown(VecEnvWrapper):
    """Shows another side of the true state than the environments do: image or state."""

    def __init__(self, venv: VecEnv, side: str) -> None:
        places = spaces.Box(-1.0, 1.0, (2,), np.float32)
        super().__init__(
            venv, observation_space=places if side == "state" else spaces.Box(0, 255, (40, 40, 1), np.uint8)
        )
        self.side = side

    def reset(self) -> Any:
        self.venv.reset()
        return self._show(self.unwrapped.reset_infos)

    def step_wait(self) -> Any:
        _, rewards, dones, infos = self.venv.step_wait()
        for i in np.flatnonzero(dones):
            infos[i] = infos[i] | {"terminal_observation": self._show([infos[i]])[0]}
        begun = self.unwrapped.reset_infos
        return self._show([begun[i] if dones[i] else infos[i] for i in range(self.num_envs)]), rewards, dones, infos

    def _show(self, infos: Any) -> Any:
        states = np.stack([info["state"] for info in infos])
        return ((states - 20.0) / 18.5).astype(np.float32) if self.side == "state" else SYSTEM.render(states)


class Oracle:
    """Stands in for the scores of a novelty model: 1 / sqrt(n) for the n-th visit of a true cell."""

    updates = 1

    def __init__(self, watched: Watched, model: Any) -> None:
        self.watched, self.moments, self.observe = watched, model.moments, model.observe

    def score(self, frames: Any, actions: Any) -> Array:
        visits = self.watched.visits
        return visits.counts[tuple(visits.world.cell_of(self.watched.states).T)] ** -0.5

    def update(self, memory: Any) -> tuple[dict[str, float], float]:
        return {}, 1.0


class Listening(BaseCallback):
    """Trains every novelty model when it is due, and asks those who listen what they would pay for each cell."""

    def __init__(self, pays: NoveltyReward, listeners: dict[str, NoveltyReward], visits: coverage.Visits) -> None:
        super().__init__()
        self.pays, self.listeners, self.visits = pays, listeners, visits
        self.heard: list[dict[str, Any]] = []

    def _on_step(self) -> bool:
        for reward in (self.pays, *self.listeners.values()):
            if reward.due:
                reward.train()
        if self.listeners and self.visits.steps * LISTENED // self.visits.world.steps > len(self.heard):
            asked = {name: asks(reward, self.visits) for name, reward in self.listeners.items()}
            self.heard.append({"steps": self.visits.steps, **asked})
        return True


def asks(reward: NoveltyReward, visits: coverage.Visits) -> dict[str, Any]:
    """The bonus in every free cell against how often that was visited."""
    free = visits.world.reachable
    assert free is not None
    centres = (np.argwhere(free) + 0.5) * 37.0 / 19.0 + 1.5
    frames = SYSTEM.render(centres)[:, None]
    bonus, counts = reward.novelty.score(frames, np.zeros((len(frames), 0, 2), np.float32)), visits.counts[free]
    often, never = counts >= np.median(counts[counts > 0]), counts == 0
    contrast = float(np.median(bonus[never]) / np.median(bonus[often])) if never.any() else None
    ranks = [np.unique(values, return_inverse=True)[1] for values in (bonus, -counts)]
    return {"contrast": contrast, "rank": float(np.corrcoef(*ranks)[0, 1]), "bonus": bonus.round(6).tolist()}


def assembled(variant: Variant, visits: coverage.Visits, seed: int) -> tuple[PPO, SightCallback, Listening]:
    """A policy and what trains beside it, as `FreeEnergyAgent` has them, but each may see another side of the world."""
    world = visits.world
    watched = Watched(make_vec_env(world.environment, world.environments, seed=seed), visits)
    below = Shown(watched, "state") if variant.novelty_sees == "state" else watched
    listeners: dict[str, NoveltyReward] = {}
    for name, options in LISTENERS.items() if variant.listeners else ():
        below = listeners[name] = NoveltyReward(below, options, intrinsic_weight=0.0, seed=seed, device="cpu")
    pays = NoveltyReward(below, variant.novelty, extrinsic_weight=0.0, seed=seed, device="cpu")
    if variant.novelty is None:
        pays.novelty = Oracle(watched, pays.novelty)  # type: ignore[assignment]
    side = "state" if variant.policy_sees == "state" else "image"
    top = pays if side == variant.novelty_sees else Shown(pays, side)
    settings = settings_of(PPO, top, "plain" if variant.policy_sees == "plain" else "whitened", variant.policy)  # type: ignore[arg-type]
    model = PPO(env=top, seed=seed, device="cpu", **settings)
    return model, SightCallback(pays), Listening(pays, listeners, visits)


def measure(variant: str, seed: int, steps: int | None = None) -> dict[str, Any]:
    """One run."""
    world = coverage.walls()
    begun, visits = time.process_time(), coverage.Visits(replace(world, steps=steps or world.steps))
    model, sight, listening = assembled(VARIANTS[variant], visits, seed)
    model.learn(visits.world.steps, [sight, listening])
    return {
        "variant": variant,
        "seed": seed,
        **visits.row(),
        "heard": listening.heard,
        "commit": source_commit(),
        "cpu_seconds": time.process_time() - begun,
    }


def summary(rows: Rows) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, variant in VARIANTS.items():
        if own := [row for row in rows if row["variant"] == name]:
            shares = [row["cells"] for row in own]
            found[name] = {
                "label": variant.label,
                "seeds": len(own),
                "cells": {"median": float(np.median(shares)), "least": min(shares), "most": max(shares)},
                "time_there": float(np.median([row["time_there"] for row in own])),
                "arrived": sum(row["first_arrival"] is not None for row in own),
            }
    return found


def heard(rows: Rows) -> dict[str, Any]:
    """What listeners said a quarter into the run, median over seeds: before then, little was seen."""
    asked = [row["heard"][LISTENED // 4 - 1] for row in rows if row["heard"]]
    return {
        name: {what: float(np.median([said[name][what] for said in asked])) for what in ("contrast", "rank")}
        for name in LISTENERS
        if asked
    }


def report(rows: Rows) -> None:
    lines = [("variant", "seeds", "cells, median", "least", "most", "arrived", "time there")]
    for name, e in summary(rows).items():
        shares = [f"{e['cells'][what]:.3f}" for what in ("median", "least", "most")]
        lines.append((name, str(e["seeds"]), *shares, f"{e['arrived']} of {e['seeds']}", f"{e['time_there']:.3f}"))
    print(table(lines), flush=True)
    for name, said in heard(rows).items():
        print(f"{name}: contrast {said['contrast']:.2f}, rank {said['rank']:.2f}")


def shown(rows: Rows) -> dict[str, Rows]:
    """Rows by what the picture calls them: variants in their order, then agents as they are now."""
    new = [row for row in stored(RESULTS / "coverage.json") if row["world"] == "walls"]
    return {
        **{variant.label: [row for row in rows if row["variant"] == name] for name, variant in VARIANTS.items()},
        **{label: [row for row in new if row["way"] == way] for way, label in NEW.items()},
    }


def picture(rows: Rows) -> Any:
    """The cells by step, what listeners would pay, and each variant's visits with all its seeds together."""
    world, found = coverage.walls(), {label: own for label, own in shown(rows).items() if own}
    figure = new_figure(1500, 950)
    grid = figure.add_gridspec(3, 6, height_ratios=(1.2, 1, 1))
    curves = figure.add_subplot(grid[0, :3])
    for label, colour in COLOURS.items():
        if own := found.get(label):
            every = np.array([[share for _, share in row["curve"]] for row in own])
            steps = [step for step, _ in own[0]["curve"]]
            curves.fill_between(steps, every.min(0), every.max(0), color=colour, alpha=0.12, linewidth=0)
            curves.plot(steps, np.median(every, axis=0), color=colour, linewidth=2, label=label)
    curves.set_ylim(0, 1)
    curves.legend(fontsize=8, frameon=False, loc="upper left")
    dress(curves, "share of free cells visited, median and range of seeds", "environment steps")
    asked = [row["heard"][LISTENED // 4 - 1] for row in rows if row["heard"]]
    for place, (name, said) in enumerate(asked[0].items() if asked else ()):
        if place:  # the first item is the step
            bonus = np.array(said["bonus"])
            axes = figure.add_subplot(grid[0, 2 + place])
            show_cells(axes, bonus / bonus.max(), world, f"would pay, a quarter through:\n{name}", 1.0)
    for place, (label, own) in enumerate(found.items()):
        axes = figure.add_subplot(grid[1 + place // 6, place % 6])
        visits = np.sum([row["visits"] for row in own], axis=0)
        cells, arrived = np.median([row["cells"] for row in own]), sum(row["first_arrival"] is not None for row in own)
        values = np.log1p(visits[world.reachable].astype(float))
        show_cells(
            axes, values, world, f"{label.replace(', ', chr(10), 1)}\n{cells:.2f}, last room in {arrived} of {len(own)}"
        )
    return to_image(figure)


def show_cells(axes: Any, values: Array, world: coverage.World, title: str, most: float | None = None) -> None:
    """Values of the free cells, with the walls left white."""
    assert world.reachable is not None
    image = np.full(world.cells, np.nan)
    image[world.reachable] = values
    axes.imshow(image, cmap="viridis", vmin=0, vmax=most)
    axes.set_xticks([])
    axes.set_yticks([])
    dress(axes, title)
    axes.title.set_fontsize(9)


EXPERIMENT = Experiment(
    __file__,
    {"seed": range(5), "variant": VARIANTS},
    measure,
    "{variant}, seed {seed}: {cells:.3f}, {cpu_seconds:.0f} CPU-s",
    lambda: report([measure(name, 0, 1024) for name in ("oracle, whitened", "recurrent of states")]),
    summary,
    report,
    picture,
    about=lambda rows: {"heard": heard(rows)},
    exists=lambda seed, variant: seed < VARIANTS[variant].seeds,
)


if __name__ == "__main__":
    EXPERIMENT.main()
