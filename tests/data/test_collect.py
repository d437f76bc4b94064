"""Collecting: no transition across an episode's border in any autoreset mode, exact counts, and refusals."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from e2c_control.data import Transitions, UniformPolicy, collect, make_vector_env
from e2c_control.data.card import STOPPED, TERMINATED, TRUNCATED
from e2c_control.errors import InputError


def check_episodes(made: Transitions) -> None:
    """Frames of `Counter` tell episode, step and the action that led to them."""
    for start, end in zip(made.episodes[:-1], made.episodes[1:], strict=True):
        frames = made.frames[start:end, :, 0, 0]
        assert (frames[:, 0] == frames[0, 0]).all(), "one episode of the environment"
        assert (frames[:, 1] == np.arange(end - start)).all(), "from its reset on, step by step"
        told = np.round(100 + 50 * made.actions[start : end - 1].sum(axis=1))
        assert (frames[1:, 2] == told).all(), "each action leads to the next frame"
        assert made.states is not None
        assert (made.states[start:end] == frames[:, :2]).all()
        assert made.rewards is not None
        assert (made.rewards[start : end - 1] == 100.0 * frames[:-1, 0] + np.arange(1, end - start)).all()
        assert made.rewards[end - 1] == 0


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("varied", [False, True])
def test_episodes_that_end_early(counter: type, tmp_path: Path, mode: AutoresetMode, varied: bool) -> None:
    vector_env = SyncVectorEnv([lambda: counter(3, varied)] * 4, autoreset_mode=mode)
    made = collect(vector_env, tmp_path / "d", transitions=83, episode_length=14)
    check_episodes(made)
    assert made.n_transitions == 83
    assert np.diff(made.episodes).max() == (6 if varied else 4), "the last frame of an episode is kept"
    numbers, lengths = made.frames[made.episodes[:-1], 0, 0, 0], np.diff(made.episodes) - 1
    over = lengths == (3 + numbers % 3 if varied else 3)
    assert made.endings is not None
    assert (made.endings[over] == (TERMINATED if varied else TRUNCATED)).all()
    assert (made.endings[~over] == STOPPED).all()
    assert 0 < over.sum() < len(over)
    assert len(made.terminal_rows) == (over.sum() if varied else 0)


@pytest.mark.parametrize("mode", AutoresetMode)
def test_episodes_that_the_collection_ends(counter: type, tmp_path: Path, mode: AutoresetMode) -> None:
    vector_env = SyncVectorEnv([lambda: counter()] * 3, autoreset_mode=mode)
    made = collect(vector_env, tmp_path / "d", transitions=47, episode_length=5)
    check_episodes(made)
    assert np.diff(made.episodes).tolist() == [6] * 9 + [3]
    assert made.endings is not None
    assert not made.endings.any()


def test_an_episode_that_ends_with_the_round_has_ended(counter: type, tmp_path: Path) -> None:
    for varied, ending in ((True, TERMINATED), (False, TRUNCATED)):
        vector_env = SyncVectorEnv([lambda varied=varied: counter(3, varied)])
        made = collect(vector_env, tmp_path / str(varied), 3, episode_length=3)
        assert made.endings is not None
        assert made.endings.tolist() == [ending]


@pytest.mark.parametrize("paid", [float("nan"), float("inf"), 1e39])
def test_rewards_that_are_not_finite_lose_nothing(counter: type, tmp_path: Path, paid: float) -> None:
    class Broken(counter):
        def step(self, action: Any) -> Any:
            shown, reward, *ends = super().step(action)
            return shown, paid if self._episode == 2 else reward, *ends

    with pytest.raises(InputError, match=r"paid a reward of (nan|inf): make its rewards finite"):
        collect(SyncVectorEnv([Broken]), tmp_path / "d", 20, 5)
    made = collect(SyncVectorEnv([Broken]), tmp_path / "d", 10, 5, resume=True)
    assert made.n_transitions == 10, "what was whole is kept"


def test_same_seed_same_dataset(tmp_path: Path) -> None:
    made = [
        collect(make_vector_env("E2C/Planar-v0", 8, frame_stack=1), tmp_path / f"{i}", 100, 10, seed=seed)
        for i, seed in enumerate([3, 3, 4])
    ]
    assert np.array_equal(made[0].frames, made[1].frames)
    assert np.array_equal(made[0].actions, made[1].actions)
    assert not np.array_equal(made[0].actions, made[2].actions)
    assert made[0].card.seed == 3


def test_sampled_starts_and_own_frame_stack(tmp_path: Path) -> None:
    vector_env = make_vector_env("E2C/PendulumSwingUp-v0", 64, frame_stack=1)
    spread = {}
    for starts in ("reset", "sampled"):
        made = collect(vector_env, tmp_path / starts, 128, 2, starts=starts)  # type: ignore[arg-type]
        assert made.states is not None
        assert made.card.frame_stack == 2
        assert made.card.environment == "E2C/PendulumSwingUp-v0"
        spread[starts] = made.states[made.episodes[:-1]].std(axis=0)
    assert (spread["sampled"] > 2 * spread["reset"]).all()


def test_rendered_environment_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    vector_env = make_vector_env("Pendulum-v1", 2, frame_stack=1, image_size=24)
    made = collect(vector_env, tmp_path / "d", 12, 3, frame_stack=2)
    assert made.frames.shape == (16, 24, 24, 1)
    assert made.states is None
    assert (made.card.environment, dict(made.card.environment_kwargs)) == ("Pendulum-v1", {"image_size": 24})
    assert made.card.frame_stack == 2


def test_progress_bar_tells_the_time_left(
    counter: type, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    collect(SyncVectorEnv([counter]), tmp_path / "d", 20, 5, progress=True)
    assert "20.0/20.0" in capsys.readouterr().err


def test_uniform_policy_with_corners() -> None:
    rng = np.random.default_rng(0)
    frames = np.zeros((20_000, 1, 1, 1), np.uint8)
    actions = UniformPolicy(2, scale=0.5, corner_share=0.25)(frames, rng)
    assert actions.dtype == np.float32
    corners = (np.abs(actions) == 0.5).all(axis=1)
    assert abs(corners.mean() - 0.25) < 0.02
    assert abs(np.abs(actions[~corners]).mean() - 0.25) < 0.01
    assert np.unique(np.sign(actions[corners]), axis=0).shape == (4, 2)
    with pytest.raises(InputError, match="corner_share"):
        UniformPolicy(2, corner_share=2)


def test_actions_are_clipped_as_they_are_noted(counter: type, tmp_path: Path) -> None:
    def twice(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
        return np.full((len(frames), 2), 2, np.float32)

    made = collect(SyncVectorEnv([counter]), tmp_path / "d", 4, 4, policy=twice)
    assert (made.actions[:4] == 1).all()
    check_episodes(made)


def _bad_policy(value: float, dim: int) -> Any:
    return lambda frames, rng: np.full((len(frames), dim), value, np.float32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"transitions": 0}, "transitions is 0: give a whole number of 1 or more"),
        ({"episode_length": 0}, "episode_length is 0: give"),
        ({"episode_length": 10**9}, "GiB of memory"),
        ({"transitions": 1.5}, "transitions is 1.5: give a whole number"),
        ({"episode_length": 2.5}, "episode_length is 2.5: give a whole number"),
        ({"seed": -1}, "seed is -1: give"),
        ({"frame_stack": 0}, "frame_stack is 0: give"),
        ({"starts": "sampled"}, "cannot start at sampled states"),
        ({"policy": _bad_policy(np.nan, 2)}, "not finite"),
        ({"policy": _bad_policy(0, 3)}, "of shape"),
    ],
)
def test_refused_requests(counter: type, tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    request = {"transitions": 10, "episode_length": 5, **arguments}
    with pytest.raises(InputError, match=message):
        collect(SyncVectorEnv([counter]), tmp_path / "d", **request)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full(1, np.nan), "pixels that are not finite"),
        (np.zeros(1, np.int64), "shows int64"),
        (0.5, "shows float64"),
    ],
)
def test_bad_pixels(counter: type, tmp_path: Path, pixels: Any, message: str) -> None:
    class Loose(SyncVectorEnv):
        def step(self, actions: Any) -> Any:
            frames, *rest = super().step(actions)
            return np.broadcast_to(pixels, frames.shape), *rest

    with pytest.raises(InputError, match=message):
        collect(Loose([counter] * 2), tmp_path / "d", 10, 5)
    assert not any(tmp_path.iterdir())


def test_unprepared_environments(tmp_path: Path) -> None:
    for stock, sentence in (
        ("Pendulum-v1", r"instead of actions in \[-1, 1\]: make it with"),
        ("FrozenLake-v1", "instead of uint8 frames"),
        ("CartPole-v1", r"takes Discrete\(2\) instead of actions in \[-1, 1\]: make it with .*, or wrap it\.$"),
    ):
        with pytest.raises(InputError, match=sentence):
            collect(SyncVectorEnv([partial(gymnasium.make, stock)]), tmp_path / "d", 10, 5)


def test_killed_collection_leaves_nothing_half_named(tmp_path: Path) -> None:
    path = tmp_path / "planar"
    script = f"""
import time
from e2c_control.data import UniformPolicy, collect, make_vector_env
steps = 0
def slow(frames, rng):
    global steps
    steps += 1
    if steps == 12:
        print("collecting", flush=True)
        time.sleep(60)
    return UniformPolicy(2)(frames, rng)
collect(make_vector_env("E2C/Planar-v0", 8, frame_stack=1), {str(path)!r}, 1000, 5, policy=slow)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "collecting\n"
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".planar."), "what is being written is hidden"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not path.exists()
    made = collect(make_vector_env("E2C/Planar-v0", 8, frame_stack=1), path, 40, 5)
    assert made.n_transitions == 40
    assert [entry.name for entry in tmp_path.iterdir()] == ["planar"], "the next collection clears up"


def test_collecting_needs_no_torch() -> None:
    script = (
        "import sys, e2c_control.data, e2c_control.runs.folder, e2c_control.runs.logger; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"
