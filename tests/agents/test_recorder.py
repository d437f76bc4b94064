"""The recorder notices an environment that shows one and the same frame, once, and no other."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env

from e2c_control.agents.exploration import Recorder
from e2c_control.errors import InputWarning


class Dot(gymnasium.Env[Any, Any]):
    """Shows one pixel, which moves if it is told to."""

    observation_space = spaces.Box(0, 255, (4, 4, 1), np.uint8)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, moves: bool) -> None:
        self.moves, self.steps = moves, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        return self._frame(), {}

    def step(self, action: Any) -> Any:
        self.steps += self.moves
        return self._frame(), 0.0, False, False, {}

    def _frame(self) -> np.ndarray[Any, Any]:
        return np.eye(16, dtype=np.uint8)[self.steps % 16].reshape(4, 4, 1)


@pytest.mark.parametrize("moves", [False, True])
def test_frames_that_never_change(moves: bool) -> None:
    recorder = Recorder(make_vec_env(lambda: Dot(moves), 2), 1, keeps_states=False)
    recorder.reset()
    actions = np.zeros((2, 1), np.float32)
    for _ in range(499):
        recorder.step(actions)
    if moves:
        recorder.step(actions)
    else:
        with pytest.warns(InputWarning, match="one and the same frame"):
            recorder.step(actions)
    for _ in range(500):  # a second warning would be an error here
        recorder.step(actions)
    recorder.flush()
