"""Pictures that are drawn now and then while a policy of stable-baselines3 explores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Image


class Album(BaseCallback, ABC):
    """Logs a picture after every so many steps, at the end of a rollout, and one at the end of `learn`.

    Args:
        every: environment steps between pictures.
    """

    tag: ClassVar[str]

    def __init__(self, every: int) -> None:
        super().__init__()
        self.every = every
        self._shown = 0

    @abstractmethod
    def watch(self) -> None:
        """Take in what the last step led to."""

    @abstractmethod
    def picture(self) -> NDArray[np.uint8] | None:
        """Draw the picture as it is now, (H, W, 3); none if there is nothing to show."""

    def _on_training_start(self) -> None:
        self._shown = self.num_timesteps

    def _on_step(self) -> bool:
        self.watch()
        return True

    def _on_rollout_end(self) -> None:  # what is logged is written after it
        if self.num_timesteps // self.every > self._shown // self.every:
            self._log()

    def _on_training_end(self) -> None:
        if self.num_timesteps > self._shown:
            self._log()

    def _log(self) -> None:
        self._shown = self.num_timesteps
        picture = self.picture()
        if picture is not None:
            self.logger.record(self.tag, Image(picture, "HWC"), exclude=("stdout", "log", "json", "csv"))
