"""The Dark Room: does an agent that avoids surprise retire to it, and does its adversarial twin stay out of it?

Two rooms side by side, without a wall between them. In the lit one an agent sees the room from above, itself and two
balls that bounce about; in the dark one it sees nothing at all. Episodes of 32 steps begin where the rooms meet.
Nothing is paid from outside. Three agents, alike but for what the error of their recurrent auto-encoder is to them:
sought ("maximise", adversarial free energy), avoided ("minimise", plain free energy), or nothing ("no reward", PPO).

Measured: the share of time in the dark room, step by step, and where the agents are in the second half of training.

    python -m experiments.agents.dark_room          # writes results/dark_room.{json,png}
    python -m experiments.agents.dark_room --quick  # seconds, writes nothing
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from e2c_control import FreeEnergyAgent, NoveltyOptions
from e2c_control.figures.canvas import BLUE, FAINT, GREEN, INK, ORANGE, dress, new_figure, to_image
from e2c_control.tables import table
from experiments.runner import Experiment

RESULTS = Path(__file__).parent / "results"
NAME = "dark_room"
SIDE, LENGTH, STEPS, POINTS = 9, 32, 20_480, 20  # a point of a curve for every episode of all 32 environments
WAYS: dict[str, dict[str, Any]] = {
    "maximise": {"objective": "maximise"},
    "minimise": {"objective": "minimise"},
    "no reward": {"intrinsic_weight": 0.0},
}
COLOURS = {"maximise": ORANGE, "minimise": BLUE, "no reward": GREEN}
MOVES = np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)])


class DarkRoom(gymnasium.Env[NDArray[np.uint8], Any]):
    """Columns 0-8 are the dark room, 9-17 the lit one; `info["cell"]` is the agent's row and column.

    Actions: stay, up, down, left, right. Observations: (9, 9, 1) pixels of the room that the agent is in. No reward.
    """

    action_space = spaces.Discrete(len(MOVES))
    observation_space = spaces.Box(0, 255, (SIDE, SIDE, 1), np.uint8)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.time = 0
        self.cell = np.array([int(self.np_random.integers(SIDE)), SIDE - int(self.np_random.integers(2))])
        self.balls = self.np_random.integers(0, SIDE, (2, 2))
        self.speeds = self.np_random.choice([-1, 1], (2, 2))
        return self.seen(), {"cell": self.cell.copy()}

    def step(self, action: Any) -> Any:
        self.time += 1
        self.cell = np.clip(self.cell + MOVES[int(action)], 0, (SIDE - 1, 2 * SIDE - 1))
        ahead = self.balls + self.speeds
        self.speeds = np.where((ahead < 0) | (ahead >= SIDE), -self.speeds, self.speeds)
        self.balls = self.balls + self.speeds
        return self.seen(), 0.0, False, self.time == LENGTH, {"cell": self.cell.copy()}

    def seen(self) -> NDArray[np.uint8]:
        room = np.zeros((SIDE, SIDE, 1), np.uint8)
        if self.cell[1] >= SIDE:
            room += 60
            room[self.balls[:, 0], self.balls[:, 1]] = 160
            room[self.cell[0], self.cell[1] - SIDE] = 255
        return room


def measure(way: str, seed: int, steps: int = STEPS, **options: Any) -> dict[str, Any]:
    """One agent's life."""
    begun = time.process_time()
    cells: list[NDArray[np.int64]] = []
    surprise: list[float] = []

    def note(inside: dict[str, Any], _: dict[str, Any]) -> bool:
        cells.extend(info["cell"] for info in inside["infos"])
        surprise.append(float(np.mean([info["novelty"] for info in inside["infos"]])))
        return True

    agent = FreeEnergyAgent(DarkRoom, seed=seed, device="cpu", **WAYS[way], **options)
    agent.learn(steps, note)
    where = np.array(cells)
    dark = np.array_split(where[:, 1] < SIDE, POINTS)
    visits = np.zeros((SIDE, 2 * SIDE), np.int64)
    np.add.at(visits, tuple(where[len(where) // 2 :].T), 1)
    return {
        "way": way,
        "seed": seed,
        "steps": len(where),
        "cpu_seconds": time.process_time() - begun,
        "dark": [round(float(part.mean()), 4) for part in dark],
        "surprise": [round(float(part.mean()), 6) for part in np.array_split(surprise, POINTS)],
        "visits": visits.tolist(),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Share of time in the dark room in the last quarter: median, least and most over seeds."""
    found: dict[str, Any] = {}
    for way in WAYS:
        last = [float(np.mean(row["dark"][-POINTS // 4 :])) for row in rows if row["way"] == way]
        if last:
            found[way] = {"seeds": len(last), "dark": float(np.median(last)), "least": min(last), "most": max(last)}
    return found


def report(rows: list[dict[str, Any]]) -> None:
    lines = [("", "seeds", "share of time in the dark, last quarter: median [least, most]")]
    for way, entry in summary(rows).items():
        share = f"{entry['dark']:.2f} [{entry['least']:.2f}, {entry['most']:.2f}]"
        lines.append((way, str(entry["seeds"]), share))
    print(table(lines), flush=True)


def picture(rows: list[dict[str, Any]]) -> Any:
    """Where the agents are, above; how much of the time in the dark, below."""
    figure = new_figure(1080, 640)
    grid = figure.add_gridspec(2, len(WAYS), height_ratios=(1, 1.5))
    curves = figure.add_subplot(grid[1, :])
    for i, (way, colour) in enumerate(COLOURS.items()):
        own = [row for row in rows if row["way"] == way]
        visits = np.sum([row["visits"] for row in own], axis=0)
        axes = figure.add_subplot(grid[0, i])
        axes.imshow(np.sqrt(visits / visits.sum()), cmap="magma", vmin=0.0, vmax=0.25)
        axes.axvline(SIDE - 0.5, color="white", linestyle=":", linewidth=1.2)
        axes.set_xticks([(SIDE - 1) / 2, SIDE + (SIDE - 1) / 2], ["dark room", "lit room"])
        axes.set_yticks([])
        dress(axes, {"maximise": "surprise is sought", "minimise": "surprise is avoided"}.get(way, "no reward"))
        at = np.linspace(0, own[0]["steps"], POINTS + 1)[1:] / 1000
        for row in own:
            curves.plot(at, row["dark"], color=colour, linewidth=0.7, alpha=0.45)
        curves.plot(at, np.median([row["dark"] for row in own], axis=0), color=colour, linewidth=2.4, label=way)
    curves.axhline(0.5, color=FAINT, linewidth=1, zorder=0)
    curves.set_ylim(-0.02, 1.02)
    dress(curves, "Share of time in the dark room", "thousands of steps")
    curves.legend(fontsize=10, frameon=False, labelcolor=INK)
    return to_image(figure)


def quick() -> None:
    few = NoveltyOptions(settings={"hidden": (8,)}, gradient_steps=1)
    rows = [measure(way, 100, 2_048, novelty=few) for way in WAYS]
    picture(rows)
    report(rows)


EXPERIMENT = Experiment(
    __file__,
    {"seed": range(5), "way": WAYS},
    measure,
    "{way}, seed {seed}: {cpu_seconds:.0f} CPU-s",
    quick,
    summary,
    report,
    picture,
    about=lambda rows: {"steps": STEPS},
    threads=None,
)


if __name__ == "__main__":
    EXPERIMENT.main()
