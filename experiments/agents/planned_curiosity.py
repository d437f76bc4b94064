"""How much of a walled world an agent sees that plans towards novelty, against random actions, at equal steps.

Both begin with the same random actions from a corner of E2C/PlanarWalls-v0. From then on the curious one goes round
after round: train an embedding on all frames so far, plan in its latent space towards what is far from all known
latents, add what was seen. No state is seen, no reward paid; true states only measure: the share of the free cells of
2 x 2 pixels that were visited, and when the room behind both walls was first entered.

    python -m experiments.agents.planned_curiosity          # 5 seeds, five CPU-minutes each; goes on where it was
    python -m experiments.agents.planned_curiosity --quick  # a moment of it, writes nothing
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np
import torch

from e2c_control import (
    Embedding,
    PlannedCuriosity,
    Trainer,
    Transitions,
    collect,
    make_recipe,
    make_task,
    make_vector_env,
)
from e2c_control.agents import CuriosityOptions
from e2c_control.data import Policy
from e2c_control.data.shards import Shard, join_shards
from e2c_control.figures.canvas import BLUE, FAINT, ORANGE, dress, new_figure, show_pixels, to_image
from e2c_control.training.presets import default_embedding
from experiments.runner import Experiment, Row

ENVIRONMENT = "E2C/PlanarWalls-v0"
TASK = make_task(ENVIRONMENT)
CELL, FAR = 2, 30.5
Array = np.ndarray
WAYS = ("planned_curiosity", "random")


@dataclass(frozen=True)
class Scale:
    """How much of it: environments side by side, steps of an episode, episodes of each in a round, rounds, and the
    share of the recipe's training."""

    environments: int = 8
    length: int = 60
    episodes: int = 2
    rounds: int = 4
    training: float = 0.3

    @property
    def steps(self) -> int:
        """Of one round."""
        return self.environments * self.length * self.episodes


FULL, QUICK = Scale(), Scale(environments=2, length=10, episodes=1, rounds=2, training=0.005)


def gather(folder: Path, seed: int, scale: Scale, policy: Policy | None) -> Transitions:
    """One round, from resets."""
    environments = make_vector_env(ENVIRONMENT, scale.environments, frame_stack=1)
    data = collect(environments, folder, scale.steps, scale.length, seed=seed, policy=policy)
    environments.close()
    return data


def train(data: Transitions, seed: int, scale: Scale) -> Embedding:
    """An embedding of all that was seen so far: the map alone, since nobody looks at decoded frames, and at once.

    What begins a map anew is judged by numbers of worlds that were seen as a whole, which a corner does not reach.
    """
    recipe = make_recipe("unfold", default_embedding(data.card.frame_shape, task=TASK)).scaled(scale.training)
    recipe = replace(recipe, phases=(replace(recipe.phases[0], retry=None),))
    trainer = Trainer(recipe, data, np.arange(data.n_episodes), seed=seed, device=torch.device("cpu"))
    while not trainer.finished:
        trainer.advance()
    return trainer.embedding


def explore(folder: Path, seed: int, scale: Scale, curious: bool) -> Array:
    """True states in the order of time, (steps / environments, environments, 2)."""
    rounds: list[Transitions] = []
    for index in range(scale.rounds):
        policy: Policy | None = None
        if curious and rounds:
            shards = (Shard.read(data.path) for data in rounds)
            known = join_shards(folder / f"known-{index}", shards, seed=seed)
            agent = PlannedCuriosity.from_embedding(train(known, seed, scale), CuriosityOptions(), seed)
            rows = known.windows(1)
            agent.remember(known.frames[rows], known.actions[rows], known.frames[rows + 1])
            policy = agent.policy()
        rounds.append(gather(folder / f"round-{index}", 1000 * seed + index, scale, policy))
    return np.concatenate([in_time(data, scale) for data in rounds])


def in_time(data: Transitions, scale: Scale) -> Array:
    """The states of a round: its episodes come in rows of the environments that ran side by side."""
    assert data.states is not None
    states = np.array(data.states).reshape(scale.episodes, scale.environments, scale.length + 1, 2)
    return states[:, :, 1:].transpose(0, 2, 1, 3).reshape(-1, scale.environments, 2)


def free_cells() -> Array:
    """Which cells (20, 20) the agent can stand in."""
    system: Any = TASK.system
    fine = np.stack(np.meshgrid(*[np.arange(1.5, 38.6, 0.25)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    free = np.zeros((20, 20), np.bool_)
    cells = (fine[~system.blocked(fine)] // CELL).astype(int)
    free[cells[:, 0], cells[:, 1]] = True
    return free


def visits(states: Array) -> Array:
    """How often each cell (20, 20) was seen."""
    counts = np.zeros((20, 20), np.int64)
    np.add.at(counts, tuple((states.reshape(-1, 2) // CELL).astype(int).T), 1)
    return counts


def coverage(states: Array) -> Array:
    """Share of the free cells that were visited up to each time, (T,)."""
    seen, free, shares = np.zeros((20, 20), np.bool_), free_cells(), list[float]()
    for places in states:
        rows, columns = (places // CELL).astype(int).T
        seen[rows, columns] = True
        shares.append(float((seen & free).sum() / free.sum()))
    return np.array(shares)


def first_arrival(states: Array) -> int | None:
    """Steps of all environments together until one is behind both walls; none if that never happens."""
    there = np.flatnonzero((states[..., 1] > FAR).any(axis=1))
    return int(there[0] + 1) * states.shape[1] if len(there) else None


def measured(states: Array) -> dict[str, Any]:
    """The numbers of one run, with the curve at every tenth of the steps."""
    shares = coverage(states)
    return {
        "coverage": 100 * float(shares[-1]),
        "curve": [100 * float(shares[i]) for i in np.linspace(0, len(shares) - 1, 41).round().astype(int)],
        "first_arrival": first_arrival(states),
        "time_in_far_room": 100 * float((states[..., 1] > FAR).mean()),
    }


def summary(rows: list[Row]) -> dict[str, Any]:
    """Summarise each way that has rows."""
    return {way: over_seeds(own) for way, own in by_way(rows).items() if own}


def over_seeds(rows: list[Row]) -> dict[str, Any]:
    """Median, least and most over seeds; a room that was never entered counts as later than all."""
    found: dict[str, Any] = {}
    for name in ("coverage", "time_in_far_room"):
        values = [row[name] for row in rows]
        found[name] = {"median": float(np.median(values)), "least": min(values), "most": max(values)}
    arrivals = [row["first_arrival"] for row in rows]
    found["entered_far_room"] = sum(arrival is not None for arrival in arrivals)
    middle = sorted(np.inf if arrival is None else arrival for arrival in arrivals)[len(arrivals) // 2]
    found["median_first_arrival"] = None if np.isinf(middle) else middle
    return found


def picture(rows: list[Row], steps: int = FULL.rounds * FULL.steps) -> Array:
    """Coverage over steps, and where the first seed's runs went."""
    found = by_way(rows)
    figure = new_figure(1200, 430)
    axes, *worlds = figure.subplots(1, 3, width_ratios=[1.3, 1, 1])
    for (name, runs), colour in zip(found.items(), (ORANGE, BLUE), strict=True):
        curves, x = np.array([run["curve"] for run in runs]), np.linspace(0, steps, 41)
        axes.fill_between(x, curves.min(0), curves.max(0), color=colour, alpha=0.15, linewidth=0)
        axes.plot(x, np.median(curves, axis=0), color=colour, linewidth=2, label=name.replace("_", " "))
    axes.set_ylim(0, 100)
    axes.grid(color=FAINT, linewidth=0.4, alpha=0.6)
    axes.legend(frameon=False, loc="upper left")
    dress(axes, "Free space visited (median and range)", "steps", "%")
    background = TASK.system.background(TASK.goals[0])
    assert background is not None
    for world, (name, runs) in zip(worlds, found.items(), strict=True):
        seen = np.array(runs[0]["visits"], float)
        shown: Array = np.where(seen > 0, np.log10(np.maximum(seen, 1.0)), np.nan)
        show_pixels(world, background)
        world.imshow(shown, extent=(-0.5, 39.5, 39.5, -0.5), cmap="viridis", alpha=0.8)
        dress(world, f"{name.replace('_', ' ')}, first seed")
        world.set_axis_off()
    return to_image(figure)


def run(way: str, seed: int, scale: Scale = FULL) -> Row:
    """A row of the result."""
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        states = explore(Path(folder), seed, scale, curious=way == "planned_curiosity")
    spent = time.process_time() - begun
    return {"way": way, "seed": seed, **measured(states), "cpu_seconds": spent, "visits": visits(states).tolist()}


def by_way(rows: list[Row]) -> dict[str, list[Row]]:
    """Return the rows of each way, by seed."""
    ordered = sorted(rows, key=lambda row: row["seed"])
    return {way: [row for row in ordered if row["way"] == way] for way in WAYS}


def told(row: Row) -> str:
    """A line about a new row."""
    shown = {key: row[key] for key in ("coverage", "first_arrival", "time_in_far_room", "cpu_seconds")}
    return f"{row['way']} {row['seed']} {json.dumps(shown)}"


def quick() -> None:
    rows = [run(way, 0, QUICK) for way in WAYS]
    picture(rows, QUICK.rounds * QUICK.steps)
    print(json.dumps(summary(rows)))


EXPERIMENT = Experiment(
    __file__,
    {"seed": range(5), "way": WAYS},
    run,
    told,
    quick,
    summary,
    picture=picture,
    about=lambda rows: {"environment": ENVIRONMENT, "steps": FULL.rounds * FULL.steps},
)


if __name__ == "__main__":
    EXPERIMENT.main()
