"""How much of the world an explorer has seen, where the true state is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2c_control.agents.exploration.album import Album
from e2c_control.data import Transitions
from e2c_control.figures.canvas import dress, new_figure, to_image

CELLS = 20
"""Along each of the first two state variables."""


class Coverage(Album):
    """Logs explore/coverage, the share of cells visited, and a picture of the visits that grows.

    The cells are those of a grid over the first two state variables; what lies outside counts for the nearest one.

    Args:
        low, high: corners (2,) of the grid.
        names: of the state variables, with their units.
        every: environment steps between pictures.
    """

    tag = "explore/visited"

    def __init__(self, low: NDArray[np.float64], high: NDArray[np.float64], names: Sequence[str], every: int) -> None:
        super().__init__(every)
        self.low, self.high, self.names = low, high, names
        self.visits = np.zeros((CELLS, CELLS), np.int64)

    @property
    def share(self) -> float:
        """Of the cells, those that were visited."""
        return float((self.visits > 0).mean())

    def see(self, states: NDArray[np.float64]) -> None:
        """Count visits to states (N, n)."""
        cells = ((states[:, :2] - self.low) / (self.high - self.low) * CELLS).astype(np.int64).clip(0, CELLS - 1)
        np.add.at(self.visits, tuple(cells.T), 1)

    def see_all(self, transitions: Transitions) -> None:
        """Count what every action in a dataset led to."""
        assert transitions.states is not None
        later = np.ones(len(transitions.states), np.bool_)
        later[transitions.episodes[:-1]] = False
        self.see(np.asarray(transitions.states)[later])

    def watch(self) -> None:
        self.see(np.stack([info["state"] for info in self.locals["infos"]]))
        self.logger.record("explore/coverage", self.share)

    def picture(self) -> NDArray[np.uint8]:
        """Draw visits by cell, the first state variable downwards."""
        figure = new_figure(520, 480)
        axes = figure.subplots()
        (top, left), (bottom, right) = self.low, self.high
        shown: Any = np.where(self.visits > 0, np.log10(np.maximum(self.visits, 1)), np.nan)
        axes.imshow(shown, extent=(left, right, bottom, top), aspect="auto", cmap="viridis")
        dress(axes, f"Visited: {self.share:.0%} of the cells, by log10 of visits", self.names[1])
        axes.set_ylabel(self.names[0])
        return to_image(figure)
