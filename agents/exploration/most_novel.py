"""What was most novel to an explorer, beside what its model made of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2c_control.agents.exploration.album import Album
from e2c_control.agents.novelty.reward import rewards_of
from e2c_control.errors import InputError
from e2c_control.figures.predictions import image_grid

SHOWN = 8


class MostNovel(Album):
    """Logs the frames that scored highest since the last picture, one of each environment, the most novel one first.

    Below them stand their reconstructions, as the model made them at that moment, if it makes any.

    Args:
        channels: C of a single frame; of a stack (H, W, stack * C) the newest is shown.
        every: environment steps between pictures.
    """

    tag = "explore/most_novel"

    def __init__(self, channels: int, every: int) -> None:
        super().__init__(every)
        self.channels = channels

    def _on_training_start(self) -> None:
        super()._on_training_start()
        found = rewards_of(self.model)
        if not found:
            raise InputError("There is no novelty to be seen here: wrap the environments in NoveltyReward.")
        self._reward, self._trained = found[0], found[0].novelty.updates > 0
        self._begin()

    def watch(self) -> None:
        if not self._trained:  # what an untrained model scores is no measure of anything
            self._trained = self._reward.novelty.updates > 0
            return
        scores = np.array([info["novelty"] for info in self.locals["infos"]])
        # Where an episode ended, the memory's newest frame is the next one's first.
        rows = np.flatnonzero((scores > self._scores) & ~np.asarray(self.locals["dones"], np.bool_))
        if len(rows):
            frames, actions = self._reward.recent.newest()
            self._scores[rows] = scores[rows]
            self._seen[rows] = self._newest(frames[rows, -1])
            made = self._reward.novelty.reconstruct(frames[rows], actions[rows])
            self._made = None if made is None else self._with(rows, self._newest(made))

    def picture(self) -> NDArray[np.uint8] | None:
        there = np.flatnonzero(np.isfinite(self._scores))
        if not len(there):
            return None
        best = there[np.argsort(-self._scores[there], kind="stable")][:SHOWN]
        rows = [("seen", self._seen[best])]
        if self._made is not None:
            rows.append(("reconstructed", self._made[best]))
        scores = ", ".join(f"{score:.3g}" for score in self._scores[best])
        image = image_grid(rows, f"Most novel lately: {scores}")
        self._begin()
        return image

    def _begin(self) -> None:
        height, width, _ = self._reward.frame_code.shape
        self._scores = np.full(self._reward.num_envs, -np.inf)
        self._seen = np.zeros((self._reward.num_envs, height, width, self.channels), np.uint8)
        self._made: NDArray[np.uint8] | None = None

    def _with(self, rows: NDArray[np.int64], frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        made = np.zeros_like(self._seen) if self._made is None else self._made
        made[rows] = frames
        return made

    def _newest(self, frames: NDArray[np.generic]) -> NDArray[np.uint8]:
        return np.asarray(frames, np.float64)[..., -self.channels :].round().clip(0, 255).astype(np.uint8)
