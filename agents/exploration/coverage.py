"""How much of the world an explorer has seen, where the true state is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Image

from e2c_control.figures.canvas import dress, new_figure, to_image

CELLS = 20
"""Along each of the first two state variables."""


class Coverage(BaseCallback):
    """Logs explore/coverage, the share of cells visited, and a picture of the visits that grows.

    The cells are those of a grid over the first two state variables; what lies outside counts for the nearest one.

    Args:
        low, high: corners (2,) of the grid.
        names: of the state variables, with their units.
        every: environment steps between entries.
    """

    def __init__(self, low: NDArray[np.float64], high: NDArray[np.float64], names: Sequence[str], every: int) -> None:
        super().__init__()
        self.low, self.high, self.names, self.every = low, high, names, every
        self.visits = np.zeros((CELLS, CELLS), np.int64)
        self._due = 0

    @property
    def share(self) -> float:
        """Of the cells, those that were visited."""
        return float((self.visits > 0).mean())

    def _on_step(self) -> bool:
        states = np.stack([info["state"][:2] for info in self.locals["infos"]])
        cells = ((states - self.low) / (self.high - self.low) * CELLS).astype(np.int64).clip(0, CELLS - 1)
        np.add.at(self.visits, tuple(cells.T), 1)
        self.logger.record("explore/coverage", self.share)
        if self.num_timesteps >= self._due:
            self._due += self.every
            self.logger.record(
                "explore/visited", Image(self.picture(), "HWC"), exclude=("stdout", "log", "json", "csv")
            )
        return True

    def picture(self) -> NDArray[np.uint8]:
        """Visits by cell, the first state variable downwards."""
        figure = new_figure(520, 480)
        axes = figure.subplots()
        (top, left), (bottom, right) = self.low, self.high
        shown: Any = np.where(self.visits > 0, np.log10(np.maximum(self.visits, 1)), np.nan)
        axes.imshow(shown, extent=(left, right, bottom, top), aspect="auto", cmap="viridis")
        dress(axes, f"Visited: {self.share:.0%} of the cells, by log10 of visits", self.names[1])
        axes.set_ylabel(self.names[0])
        return to_image(figure)
