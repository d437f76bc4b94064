"""The recorder writes what is seen and paid, ends included, and notices an environment that shows one frame only."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env

from e2c_control.agents.exploration import Recorder
from e2c_control.data import DatasetCard, Transitions, TransitionsWriter
from e2c_control.data.card import STOPPED, TERMINATED, TRUNCATED
from e2c_control.errors import InputError, InputWarning


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


class Paying(Dot):
    """Pays the number of the step, and terminates after three steps, or is truncated after two."""

    def __init__(self, terminates: bool, paid: float = 1.0) -> None:
        super().__init__(True)
        self.terminates, self.paid, self.begun = terminates, paid, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.begun = self.steps
        return super().reset(seed=seed)

    def step(self, action: Any) -> Any:
        frame, *_, info = super().step(action)
        since = self.steps - self.begun
        return frame, self.paid * since, self.terminates and since == 3, not self.terminates and since == 2, info


def test_rewards_and_ends(tmp_path: Path) -> None:
    for name, terminates, lengths, ends in (
        ("terminates", True, [3, 3, 1], [TERMINATED, TERMINATED, STOPPED]),
        ("truncated", False, [2, 2, 2, 1], [TRUNCATED, TRUNCATED, TRUNCATED, STOPPED]),
    ):
        recorder = Recorder(make_vec_env(lambda end=terminates: Paying(end), 1), 1, keeps_states=False)
        with TransitionsWriter.create(tmp_path / name, DatasetCard("Dot", {}, (4, 4, 1), 1, rewards=True)) as writer:
            recorder.record(writer)
            recorder.reset()
            for _ in range(7):
                recorder.step(np.zeros((1, 1), np.float32))
            recorder.flush()
        made = Transitions.open(tmp_path / name)
        assert np.diff(made.episodes).tolist() == [length + 1 for length in lengths]
        assert made.endings is not None
        assert made.rewards is not None
        assert made.endings.tolist() == ends
        assert made.rewards.tolist() == [paid for length in lengths for paid in [*range(1, length + 1), 0]]
        last = made.frames[made.episodes[1:] - 1].reshape(len(lengths), -1).argmax(1)
        assert last.tolist() == np.cumsum(lengths).tolist(), "the frame at which an episode ended, not the next one"


def test_a_reward_that_is_no_number() -> None:
    recorder = Recorder(make_vec_env(lambda: Paying(True, float("nan")), 2), 1, keeps_states=False)
    recorder.reset()
    with pytest.raises(InputError, match="paid a reward of nan: make its rewards finite"):
        recorder.step(np.zeros((2, 1), np.float32))
