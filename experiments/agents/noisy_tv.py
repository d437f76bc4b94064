"""The noisy TV: a corner of a world whose pixels are random. Who gets stuck there, and what cures it?

Four rooms of 7 x 7 cells in a row, seen from above, with a door between neighbours; an episode of 150 moves starts in
the first room. Inside a corner of 3 x 3 cells of that room a panel of 7 x 7 pixels below the rooms shows other noise at
every step; elsewhere it is dark. Noise cannot be learnt, so a plain error pays for it for ever.

PPO that is paid nothing; by the error of a recurrent auto-encoder; by its learning progress; by that error less
what a second network has learnt to expect of it; and by random network distillation. All else as in coverage.py.

    python -m experiments.agents.noisy_tv          # writes results/noisy_tv.{json,png}
    python -m experiments.agents.noisy_tv --quick  # seconds, writes nothing
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from gymnasium import Env, spaces

from e2c_control import NoveltyOptions
from e2c_control.figures.canvas import BLUE, GREEN, INK, ORANGE, PURPLE, dress, new_figure, to_image
from e2c_control.tables import table
from experiments.agents import coverage
from experiments.runner import Experiment

RESULTS = Path(__file__).parent / "results"
ROOM, ROOMS, PANEL, STEPS = 7, 4, 7, 40_960
WIDTH = ROOMS * (ROOM + 1) + 1
WAYS: dict[str, NoveltyOptions | None] = {
    "no reward": None,
    "error": NoveltyOptions("recurrent"),
    "learning progress": NoveltyOptions("recurrent", remedy="learning_progress"),
    "error less noise": NoveltyOptions("recurrent", remedy="minus_noise"),
    "rnd": NoveltyOptions("rnd"),
}
COLOURS = {"no reward": INK, "error": BLUE, "learning progress": GREEN, "error less noise": PURPLE, "rnd": ORANGE}


def walls() -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Which cells (9, 33) are walls."""
    blocked = np.zeros((ROOM + 2, WIDTH), bool)
    blocked[[0, -1]] = blocked[:, :: ROOM + 1] = True
    blocked[1 + ROOM // 2, ROOM + 1 : -1 : ROOM + 1] = False
    return blocked


class Rooms(Env[Any, Any]):
    """Walk through rooms; with `noisy`, a panel shows noise while one stands in the first room's corner."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}
    MOVES = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))

    def __init__(self) -> None:
        self.blocked = walls()
        self.observation_space = spaces.Box(0.0, 1.0, (self.blocked.size + PANEL**2,), np.float32)
        self.action_space = spaces.Discrete(len(self.MOVES))
        self.place, self.age = (1 + ROOM // 2, 1 + ROOM // 2), 0

    @property
    def at_the_panel(self) -> bool:
        """Whether the panel shows noise."""
        return max(self.place) <= 3

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.age = (1 + ROOM // 2, 1 + ROOM // 2), 0
        return self._see(), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        row, column = self.MOVES[int(action)]
        there = (self.place[0] + row, self.place[1] + column)
        self.place = self.place if self.blocked[there] else there
        self.age += 1
        return self._see(), 0.0, False, self.age >= 150, self._info()

    def _info(self) -> dict[str, Any]:
        return {"state": np.array(self.place, float)}

    def _see(self) -> Any:
        image = self.blocked * 0.3
        image[self.place] = 1.0
        panel = self.np_random.random(PANEL**2) if self.at_the_panel else np.zeros(PANEL**2)
        return np.concatenate([image.ravel(), panel]).astype(np.float32)


def world(steps: int = STEPS) -> coverage.World:
    """The rooms as the coverage experiment measures a world; one arrives in the last room."""

    def last_room(states: coverage.Array) -> Any:
        return states[:, 1] > (ROOMS - 1) * (ROOM + 1)

    high = (float(ROOM + 2), float(WIDTH))
    return coverage.World(Rooms, steps, (0.0, 0.0), high, (ROOM + 2, WIDTH), last_room, ~walls())


def measure(way: str, seed: int, steps: int = STEPS) -> dict[str, Any]:
    """One run, with the share of its time at the panel."""
    row = coverage.measure("rooms", way, WAYS[way], seed, world(steps))
    counts = np.array(row["visits"])
    return row | {"at_the_panel": float(counts[1:4, 1:4].sum() / counts.sum())}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for way in WAYS:
        own = [row for row in rows if row["way"] == way]
        if own:
            found[way] = {
                "seeds": len(own),
                "at_the_panel": coverage.median_interval([row["at_the_panel"] for row in own]),
                "cells": coverage.median_interval([row["cells"] for row in own]),
                "time_there": coverage.median_interval([row["time_there"] for row in own]),
                "arrived": sum(row["first_arrival"] is not None for row in own),
            }
    return found


def report(rows: list[dict[str, Any]]) -> None:
    lines = [("way", "seeds", "time at the panel", "most", "cells", "least", "in the last room", "time there")]
    lines += [
        (
            way,
            str(e["seeds"]),
            f"{e['at_the_panel']['median']:.2f}",
            f"{e['at_the_panel']['most']:.2f}",
            f"{e['cells']['median']:.2f}",
            f"{e['cells']['least']:.2f}",
            f"{e['arrived']} of {e['seeds']}",
            f"{e['time_there']['median']:.3f}",
        )
        for way, e in summary(rows).items()
    ]
    print(table(lines), flush=True)


def picture(rows: list[dict[str, Any]]) -> Any:
    """Time at the panel by way, and where each way's first seed was."""
    figure = new_figure(1100, 150 * len(WAYS))
    grid = figure.add_gridspec(len(WAYS), 2, width_ratios=(1.0, 1.4))
    bars = figure.add_subplot(grid[:, 0])
    for i, way in enumerate(WAYS):
        own = [row for row in rows if row["way"] == way]
        if not own:
            continue
        shares = [row["at_the_panel"] for row in own]
        bars.barh(-i, float(np.median(shares)), color=COLOURS[way], alpha=0.6)
        bars.plot(shares, [-i] * len(shares), "o", color=COLOURS[way], markersize=4)
        axes = figure.add_subplot(grid[i, 1])
        seen = np.log1p(np.array(own[0]["visits"], float))
        seen[walls()] = np.nan
        axes.imshow(seen, cmap="viridis")
        axes.set_xticks([])
        axes.set_yticks([])
        dress(axes, f"{way}: where it was, seed {own[0]['seed']}")
    bars.set_yticks([-i for i in range(len(WAYS))], list(WAYS))
    bars.set_xlim(0, 1)
    dress(bars, "share of time at the panel; dots are seeds")
    return to_image(figure)


EXPERIMENT = Experiment(
    __file__,
    {"seed": range(5), "way": WAYS},
    measure,
    "{way}, seed {seed}: {at_the_panel:.2f} at the panel",
    lambda: report([measure(way, 0, 1024) for way in ("no reward", "learning progress")]),
    summary,
    report,
    picture,
)


if __name__ == "__main__":
    EXPERIMENT.main()
