"""A small environment whose frames tell where they come from, and datasets made of known numbers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from e2c_control.data import DatasetCard, Transitions, TransitionsWriter


class Counter(gymnasium.Env[np.ndarray, np.ndarray]):
    """Frames (4, 5, 1) whose first row holds the episode, second the step, third 100 times the sum of the actions.

    It pays a hundred for each episode before this one, and the step.
    """

    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(self, limit: int = 1_000, varied: bool = False, pixels: str = "uint8", actions: Any = None) -> None:
        self.observation_space = spaces.Box(0, 255, (4, 5, 1), np.uint8)
        self.action_space = actions or spaces.Box(-1, 1, (2,), np.float32)
        self._limit = limit
        self._varied = varied
        self._pixels = np.dtype(pixels)
        self._episode, self._step = -1, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self._episode, self._step = self._episode + 1, 0
        return self._frame(np.zeros(2)), self._info()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self._step += 1
        over = self._step >= self._limit + (self._episode % 3 if self._varied else 0)
        paid = 100.0 * self._episode + self._step
        return self._frame(action), paid, over and self._varied, over and not self._varied, self._info()

    def _info(self) -> dict[str, Any]:
        return {"state": np.array([self._episode, self._step], np.float64)}

    def _frame(self, action: np.ndarray) -> np.ndarray:
        frame = np.zeros((4, 5, 1), self._pixels)
        frame[0], frame[1] = self._episode, self._step
        frame[2] = round(100 + 50 * float(np.sum(action)))
        if self._pixels.kind == "f":
            frame[3] = np.nan
        return frame


@pytest.fixture
def counter() -> type[Counter]:
    return Counter


@pytest.fixture
def counter_id() -> Iterator[str]:
    gymnasium.register("Counter-v0", entry_point=Counter, disable_env_checker=True)
    yield "Counter-v0"
    del gymnasium.registry["Counter-v0"]


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., Transitions]:
    """Make a dataset of episodes with so many transitions; frame i holds i in every pixel, action i is i / 1024."""

    def make(lengths: list[int], shape: tuple[int, int, int] = (2, 3, 1), name: str = "dataset") -> Transitions:
        card = DatasetCard("Test-v0", {"noise": 0.5}, shape, action_dim=2, state_dim=1, seed=7)
        row = 0
        with TransitionsWriter.create(tmp_path / name, card, overwrite=True) as writer:
            for length in lengths:
                index = np.arange(row, row + length + 1)
                frames = np.broadcast_to(index[:, None, None, None] % 256, (length + 1, *shape)).astype(np.uint8)
                actions = np.stack([index, -index], axis=1).astype(np.float32) / 1024
                writer.append(frames[None], actions[None], index[None, :, None].astype(np.float64))
                row += length + 1
        return Transitions.open(tmp_path / name)

    return make


def write_rewarded(path: Path, lengths: list[int], shape: tuple[int, int, int] = (2, 3, 1)) -> Transitions:
    """As `dataset` does, with rewards, endings and vectors; reward i is i + 0.5, vector i is (i, -i)."""
    card = DatasetCard("Test-v0", {}, shape, action_dim=2, rewards=True, vector_dim=2)
    row = 0
    with TransitionsWriter.create(path, card, overwrite=True) as writer:
        for number, length in enumerate(lengths):
            index = np.arange(row, row + length + 1)
            frames = np.broadcast_to(index[:, None, None, None] % 256, (length + 1, *shape)).astype(np.uint8)
            pairs = np.stack([index, -index], axis=1).astype(np.float32)
            ending = number % 3 if length else 0
            rewards, vectors = (index + 0.5)[None], pairs[None]
            writer.append(frames[None], pairs[None] / 1024, rewards=rewards, endings=[ending], vectors=vectors)
            row += length + 1
    return Transitions.open(path)


@pytest.fixture(params=[(2, 3, 1), (0, 0, 0)], ids=["beside frames", "alone"])
def rewarded(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[list[int]], Transitions]:
    """Make a dataset of episodes with rewards and vectors, beside frames or alone."""
    return lambda lengths: write_rewarded(tmp_path / "rewarded", lengths, request.param)
