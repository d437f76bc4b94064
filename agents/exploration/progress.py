"""A bar with the time left, as all commands show it, for algorithms of stable-baselines3."""

from __future__ import annotations

from typing import NoReturn

from stable_baselines3.common.callbacks import BaseCallback
from tqdm import tqdm


class Progress(BaseCallback):
    """Moves a bar by the environment steps that were taken."""

    def __init__(self, bar: tqdm[NoReturn]) -> None:
        super().__init__()
        self.bar = bar

    def _on_step(self) -> bool:
        self.bar.update(self.num_timesteps - self.bar.n)
        return True
