"""What speaks against a collection is said after it, once, with a remedy; a good one is left in peace."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from e2c_control.data import Transitions, TransitionsWriter
from e2c_control.data.card import DatasetCard
from e2c_control.data.collection import Collection
from e2c_control.data.doubts import doubts
from e2c_control.errors import InputWarning

Frames = np.ndarray[Any, Any]


def dataset(path: Path, frames: Frames, length: int) -> Transitions:
    """One of random actions, with these frames (F, H, W) in episodes of so many steps."""
    card = DatasetCard("My/World-v0", {}, (*frames.shape[1:], 1), 1)
    rng = np.random.default_rng(0)
    with TransitionsWriter.create(path, card) as writer:
        for begin in range(0, len(frames), length + 1):
            part = frames[begin : begin + length + 1, ..., None]
            actions = rng.uniform(-1, 1, (1, len(part), 1)).astype(np.float32)
            writer.append(part[None], actions, None)
    return Transitions.open(path)


def moving(positions: Frames, size: int = 24) -> Frames:
    """A bright square of four pixels at places (F,) along a dark row."""
    frames = np.zeros((len(positions), size, size), np.uint8)
    for frame, place in zip(frames, positions, strict=True):
        frame[10:14, place : place + 4] = 255
    return frames


def test_episodes_that_end_at_once(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (60, 8, 8), np.uint8)
    (said,) = doubts(dataset(tmp_path / "d", frames, 4), 40, True)
    assert "Half of the 12 episodes end by themselves within 4 steps" in said
    assert not [*doubts(Transitions.open(tmp_path / "d"), 4, True)], "as short as they were asked for"


def test_frames_of_one_colour_each(tmp_path: Path) -> None:
    frames = np.tile(np.random.default_rng(0).integers(0, 255, (500, 1, 1), np.uint8), (1, 8, 8))
    (said,) = doubts(dataset(tmp_path / "d", frames, 9), 9, True)
    assert said.startswith("Each frame is of one colour")


def test_exploring_is_proposed_where_random_actions_see_the_same_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    little = dataset(tmp_path / "little", moving(rng.integers(0, 5, 500)), 9)
    (said,) = doubts(little, 9, True)
    assert "`e2c explore`" in said
    assert "differ from the nearest of the first half by 0.0%" in said
    assert not [*doubts(little, 9, False)], "what begins anywhere sees all that there is"
    much = dataset(tmp_path / "much", rng.integers(0, 255, (500, 8, 8), np.uint8), 9)
    assert not [*doubts(much, 9, True)]


@pytest.mark.parametrize(
    ("env", "proposed"),
    [("E2C/PendulumPump-v0", True), ("E2C/Planar-v0", False), ("E2C/CartPoleBalance-v0", False)],
)
def test_worlds_from_resets(env: str, proposed: bool, tmp_path: Path) -> None:
    """The pump is the world that random actions cannot show; the others are learnt from them."""
    collection = Collection(env=env, transitions=1500, starts="reset")
    if proposed:
        with pytest.warns(InputWarning, match="Random actions see little here"):
            collection.collect(tmp_path / "data")
    else:
        collection.collect(tmp_path / "data")


class Falls(gym.Env[Frames, Frames]):
    """Ends after three steps, and shows them all alike."""

    observation_space = gym.spaces.Box(0, 255, (16, 16, 1), np.uint8)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, brightness: int) -> None:
        self.frame = np.full((16, 16, 1), brightness, np.uint8)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Frames, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return self.frame.copy(), {}

    def step(self, action: Frames) -> tuple[Frames, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return self.frame.copy(), 0.0, self.steps == 3, False, {}


gym.register("Doubtful/Falls-v0", Falls)


@pytest.mark.parametrize(("brightness", "colour"), [(0, "black frame"), (7, "frame of one colour")])
def test_each_is_said_once(brightness: int, colour: str, tmp_path: Path) -> None:
    collection = Collection(env="Doubtful/Falls-v0", env_args=(f"brightness={brightness}",), transitions=60, n_envs=2)
    with pytest.warns(InputWarning) as said:
        collection.collect(tmp_path / "data")
    still, short = (str(one.message) for one in said)
    assert f"has shown one and the same {colour} so far: check that it draws" in still
    assert short.startswith("Half of the 21 episodes end by themselves within 3 steps")
