"""Collections that were stopped: what was whole is kept, and what goes on ends as one that was never stopped."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from e2c_control.data import Transitions, collect, make_vector_env
from e2c_control.data.policy import UniformPolicy
from e2c_control.data.unfinished import Unfinished, unfinished_folder
from e2c_control.errors import InputError


def content(path: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in path.iterdir()}


def stop_after(steps: int, error: BaseException) -> Callable[..., Any]:
    """A policy as good as the default one, until it is stopped."""
    taken, policy = 0, UniformPolicy(2)

    def act(frames: Any, rng: np.random.Generator) -> Any:
        nonlocal taken
        taken += 1
        if taken > steps:
            raise error
        return policy(frames, rng)

    return act


def planar(path: Path, **options: Any) -> Transitions:
    return collect(make_vector_env("E2C/Planar-v0", 4, frame_stack=1), path, 90, 5, seed=3, **options)


@pytest.mark.parametrize("stops", [[12], [6, 3, 11], [0, 1]])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("lost"), MemoryError()])
def test_the_same_in_the_end(tmp_path: Path, stops: list[int], error: BaseException) -> None:
    whole = planar(tmp_path / "whole")
    for stop in stops:
        with pytest.raises(type(error)):
            planar(tmp_path / "cut", policy=stop_after(stop, error), resume=True)
        assert not (tmp_path / "cut").exists()
    kept = unfinished_folder(tmp_path / "cut").is_dir()
    assert kept == (sum(stop // 5 for stop in stops) > 0), "whole rounds are kept, and nothing else"
    made = planar(tmp_path / "cut", resume=True)
    assert content(made.path) == content(whole.path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["cut", "whole"]


def test_other_environments_go_on_with_their_seeds(counter: type, tmp_path: Path) -> None:
    """They cannot be saved: each round is a reset with a seed of its own."""

    def make() -> SyncVectorEnv:
        return SyncVectorEnv([lambda: counter(3, True)] * 3)

    whole = collect(make(), tmp_path / "whole", 100, 10)
    with pytest.raises(InputError, match="lost"):
        collect(make(), tmp_path / "cut", 100, 10, policy=stop_after(25, InputError("lost")))
    made = collect(make(), tmp_path / "cut", 100, 10, resume=True)
    assert np.array_equal(made.actions, whole.actions)
    assert np.array_equal(made.episodes, whole.episodes)


def test_an_environment_that_raises_is_named(counter: type, tmp_path: Path) -> None:
    class Breaks(counter):
        steps = 0

        def step(self, action: Any) -> Any:
            Breaks.steps += 1
            if Breaks.steps == 99:
                raise ZeroDivisionError("no wheel")
            return super().step(action)

    with pytest.raises(InputError, match="failed in step: ZeroDivisionError: no wheel"):
        collect(SyncVectorEnv([Breaks]), tmp_path / "d", 100, 5)
    made = collect(SyncVectorEnv([Breaks]), tmp_path / "d", 95, 5, resume=True)
    assert made.n_transitions == 95, "as many as were kept make a dataset"
    with pytest.raises(InputError, match="exists already"):
        collect(SyncVectorEnv([Breaks]), tmp_path / "d", 95, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 4}, "collected otherwise"),
        ({"episode_length": 6}, "collected otherwise"),
        ({"transitions": 20}, "has 40 transitions already"),
    ],
)
def test_it_goes_on_as_it_began_or_not_at_all(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    vector_env = make_vector_env("E2C/Planar-v0", 4, frame_stack=1)
    asked: dict[str, Any] = {"transitions": 90, "episode_length": 5, "seed": 3}
    with pytest.raises(KeyboardInterrupt):
        collect(vector_env, tmp_path / "d", **asked, policy=stop_after(14, KeyboardInterrupt()))
    with pytest.raises(InputError, match=message):
        collect(vector_env, tmp_path / "d", **asked | change, resume=True)
    assert collect(vector_env, tmp_path / "d", **asked, resume=True).n_transitions == 90


def test_torn_rows_go_and_lost_ones_are_named(tmp_path: Path) -> None:
    whole = planar(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        planar(tmp_path / "cut", policy=stop_after(14, KeyboardInterrupt()))
    folder = unfinished_folder(tmp_path / "cut")
    for name in ("frames", "actions", "episodes", "states", "rewards", "endings"):
        with (folder / f"{name}.npy").open("ab") as file:
            file.write(b"torn by a kill")
    lost = tmp_path / ".lost.unfinished"
    shutil.copytree(folder, lost)
    (lost / "actions.npy").write_bytes((lost / "actions.npy").read_bytes()[:200])
    assert content(planar(tmp_path / "cut", resume=True).path) == content(whole.path)
    with pytest.raises(InputError, match=r"actions\.npy is truncated"):
        planar(tmp_path / "lost", resume=True)
    (lost / "unfinished.json").write_text("{")
    with pytest.raises(InputError, match="is damaged: remove"):
        planar(tmp_path / "lost", resume=True)
    assert content(planar(tmp_path / "lost").path) == content(whole.path), "begun anew"


def test_one_at_a_time(tmp_path: Path) -> None:
    with Unfinished.open(tmp_path / "d") as growing:
        growing_card = planar(tmp_path / "other").card.without(rewards=True)
        with pytest.raises(InputError, match="is being collected by another process"):
            planar(tmp_path / "d")
        growing.describe(growing_card, {}, 2)
        growing.writer.append(
            np.zeros((1, 2, 40, 40, 1), np.uint8), np.zeros((1, 2, 2), np.float32), np.zeros((1, 2, 2))
        )
        growing.commit()
    assert Transitions.open(tmp_path / "d").n_transitions == 1


def test_what_is_there_stays_until_the_end(tmp_path: Path) -> None:
    before = content(planar(tmp_path / "d").path)
    vector_env = make_vector_env("E2C/Planar-v0", 4, frame_stack=1)
    stop = stop_after(14, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        collect(vector_env, tmp_path / "d", 50, 5, overwrite=True, policy=stop)
    assert content(tmp_path / "d") == before
    assert collect(vector_env, tmp_path / "d", 50, 5, overwrite=True, resume=True).n_transitions == 50
