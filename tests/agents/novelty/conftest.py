"""Small worlds for what scores novelty."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv

SPACES: dict[str, spaces.Space[Any]] = {
    "discrete": spaces.Discrete(3),
    "binary": spaces.MultiBinary(2),
    "several": spaces.MultiDiscrete([2, 3]),
    "box": spaces.Box(-2, 2, (2,), np.float32),
}


class Walk(gymnasium.Env[Any, Any]):
    """A walk on a line in episodes of so many steps, ended by themselves or by a limit; places tell where one is."""

    def __init__(
        self,
        actions: str = "discrete",
        image: bool = False,
        length: int = 5,
        limited: bool = False,
        poison: dict[str, int] | None = None,
    ) -> None:
        self.action_space = SPACES[actions]
        vector, picture = spaces.Box(-9, 9, (3,), np.float32), spaces.Box(0, 255, (36, 36, 1), np.uint8)
        self.observation_space = picture if image else vector
        self.image, self.length, self.limited, self.poison = image, length, limited, poison or {}
        self.steps = self.episode = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.time, self.place = 0, float(self.np_random.uniform(-1, 1))
        self.episode += 1
        return self.seen(), {}

    def step(self, action: Any) -> Any:
        self.time += 1
        self.steps += 1
        self.place += 0.2 * float(np.sum(action)) - 0.2
        over = self.time == self.length
        seen, reward = self.seen(), float(self.time)
        if self.steps == self.poison.get("reward"):
            reward = float("nan")
        if self.steps == self.poison.get("frame"):
            seen = np.full_like(seen, np.nan)
        if self.steps == self.poison.get("shape"):
            seen = np.zeros(4, np.float32)
        return seen, reward, over and not self.limited, over and self.limited, {}

    def seen(self) -> Any:
        if self.image:
            return np.full((36, 36, 1), np.clip(128 + 40 * self.place, 0, 255), np.uint8)
        return np.clip([self.place, self.time, self.episode % 9], -9, 9).astype(np.float32)


@pytest.fixture
def walks() -> Callable[..., DummyVecEnv]:
    """Makes a vector of them."""

    def make(copies: int = 2, **options: Any) -> DummyVecEnv:
        return DummyVecEnv([lambda: Walk(**options)] * copies)

    return make
