"""Any environment as image environment: this project's, ones that show images, ones that render."""

import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from e2c_control.data import collect, make_image_env, make_vector_env
from e2c_control.data.controls import UnitActions
from e2c_control.data.environments import task_behind
from e2c_control.data.source import EnvSource, environment_identity
from e2c_control.data.specs import check_arguments
from e2c_control.envs import make_task, task_ids
from e2c_control.envs.env import TaskEnv
from e2c_control.envs.vector_env import TaskVectorEnv
from e2c_control.errors import InputError, InputWarning


@pytest.fixture(autouse=True)
def headless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def test_stock_pendulum_from_its_rendering() -> None:
    env = make_image_env("Pendulum-v1", frame_stack=2, image_size=32)
    assert env.observation_space == spaces.Box(0, 255, (32, 32, 2), np.uint8)
    assert env.action_space == spaces.Box(-1, 1, (1,), np.float32)
    first, _ = env.reset(seed=1)
    assert first in env.observation_space
    assert first.min() < first.max(), "something is drawn"
    assert (first[..., 0] == first[..., 1]).all(), "a reset repeats its first frame"
    second = env.step(np.ones(1, np.float32))[0]
    third = env.step(np.ones(1, np.float32))[0]
    assert (second[..., 0] == first[..., 1]).all()
    assert (third[..., 0] == second[..., 1]).all(), "oldest first"
    env.close()


def test_what_renders_can_be_terminated() -> None:
    """A killed collection ends, though its environment draws with SDL, which has signal handlers of its own."""
    code = """if True:
        import os, signal
        from e2c_control.data import make_image_env
        make_image_env("Pendulum-v1", image_size=16).reset()
        os.kill(os.getpid(), signal.SIGTERM)
    """
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == -signal.SIGTERM


def test_actions_are_rescaled_to_the_environments_own() -> None:
    env = make_image_env("Pendulum-v1", image_size=16)
    env.reset(seed=0)
    env.step(np.ones(1, np.float32))
    assert float(env.unwrapped.last_u) == 2.0  # type: ignore[attr-defined]
    env.close()


@pytest.mark.parametrize("action", [0.3, np.zeros(2), np.zeros((1, 1)), [float("nan")], "left", None])
def test_an_action_that_is_none_is_refused_by_its_shape(action: Any) -> None:
    env = make_image_env("Pendulum-v1", image_size=16)
    env.reset(seed=0)
    with pytest.raises(InputError, match=r"^Pendulum-v1 got the action .*: give finite numbers of shape \(1,\)"):
        env.step(action)
    env.close()


@pytest.mark.parametrize("bound", [1.0, 2.0])
def test_an_action_beyond_the_limits_is_the_limit_and_told_once(counter_id: str, bound: float) -> None:
    """Newtons are no actions: also where the environment's own happen to be in [-1, 1]."""
    taken: list[Any] = []
    env = UnitActions(Recording(taken, bound), spaces.Box(-bound, bound, (1,), np.float32), "Mine")
    with pytest.warns(InputWarning, match="beyond -1 to 1, and takes the limit"):
        env.step(np.array([12.0], np.float32))
    env.step(np.array([-12.0], np.float32))
    env.step(np.array([1 + 1e-6]))
    assert [float(action[0]) for action in taken] == [bound, -bound, bound]


class Recording(gymnasium.Env[Any, Any]):
    """Keeps the actions that it takes."""

    observation_space = spaces.Box(0, 1, (1,))

    def __init__(self, taken: list[Any], bound: float) -> None:
        self.taken = taken
        self.action_space = spaces.Box(-bound, bound, (1,), np.float32)

    def step(self, action: Any) -> Any:
        self.taken.append(action)
        return np.zeros(1), 0.0, False, False, {}


def test_an_environment_that_somebody_made_is_named_by_an_id() -> None:
    """By its own, or one to register it under, at both doors, which do not point in a circle."""
    made = gymnasium.make("Pendulum-v1", render_mode="rgb_array")
    with pytest.raises(InputError, match="give its id, 'Pendulum-v1'"):
        make_image_env(made)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="make it with make_image_env, to which give its id, 'Pendulum-v1'"):
        EnvSource.of(made)
    bare = Recording([], 2.0)  # one with actions in [-1, 1] shows a vector, and is taken
    for door in (make_image_env, EnvSource.of):
        with pytest.raises(InputError, match=r"'My/Recording-v0' after gymnasium\.register\("):
            door(bare)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"imagesize": 48}, r"takes no 'imagesize' \(did you mean 'image_size'\?\)"),
        ({"colours": "rgb"}, "colours are grayscale=False"),
        ({"speeed": 2}, r"unexpected keyword argument 'speeed'"),
    ],
)
def test_what_is_almost_an_option_is_not_blamed_on_the_environment(arguments: dict[str, Any], hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        make_image_env("Pendulum-v1", **arguments)


def test_render_that_returns_nothing(counter_id: str) -> None:
    class Blind(Recording):
        metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
        render_mode = "rgb_array"

        def __init__(self, render_mode: str | None = None) -> None:
            super().__init__([], 1.0)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            return np.zeros(1, np.float32), {}

        def render(self) -> Any:
            return None

    gymnasium.register("Blind-v0", Blind)
    with pytest.raises(InputError, match=r"its render\(\) must return a picture, uint8 \(H, W, 3\)"):
        make_image_env("Blind-v0").reset()
    del gymnasium.registry["Blind-v0"]


def test_colour_stays_when_asked_for() -> None:
    env = make_image_env("Pendulum-v1", frame_stack=2, image_size=16, grayscale=False)
    assert env.observation_space.shape == (16, 16, 6)
    env.close()


def test_image_observations_stay_as_they_are(counter_id: str) -> None:
    env = make_image_env(counter_id, frame_stack=3)
    assert env.observation_space.shape == (4, 5, 3)
    env.reset()
    for _ in range(3):
        observation = env.step(np.zeros(2, np.float32))[0]
    assert observation[1, 0].tolist() == [1, 2, 3]
    assert make_image_env(counter_id, image_size=8).observation_space.shape == (8, 8, 1)


def test_seeded_vector_environments_repeat() -> None:
    frames = []
    for _ in range(2):
        vector_env = make_vector_env("Pendulum-v1", 2, frame_stack=1, seed=5, image_size=16)
        frames.append(vector_env.reset()[0])
        vector_env.close()
    assert frames[0].shape == (2, 16, 16, 1)
    assert np.array_equal(*frames)


def test_identity_makes_the_environments_again(counter_id: str) -> None:
    vector_env = make_vector_env(counter_id, 2, frame_stack=2, image_size=8, limit=3)
    name, kwargs = environment_identity(vector_env)
    assert (name, kwargs) == (counter_id, {"image_size": 8, "limit": 3})
    assert make_vector_env(name, 2, **kwargs).single_observation_space.shape == (8, 8, 1)


@pytest.mark.parametrize("env_id", ["E2C/Planar-v0", "e2c_control.envs:E2C/PendulumSwingUp-v0"])
def test_own_environments_are_native_batches(env_id: str) -> None:
    vector_env = make_vector_env(env_id, 3, frame_stack=1, seed=0)
    assert vector_env.num_envs == 3
    assert not isinstance(vector_env.unwrapped, gymnasium.vector.SyncVectorEnv)
    assert vector_env.single_observation_space.shape is not None
    assert vector_env.single_observation_space.shape[-1] == 1
    assert environment_identity(vector_env) == (env_id.rpartition(":")[2], {})
    assert make_image_env(env_id, frame_stack=4).observation_space.shape[-1] == 4  # type: ignore[index]
    with pytest.raises(InputError, match="image_size"):
        make_image_env(env_id, image_size=32)


@pytest.mark.parametrize("environment", [*task_ids(), "e2c_control.envs:E2C/Planar-v0"])
def test_an_environment_with_a_task_is_native(environment: str) -> None:
    assert task_behind(environment).id == environment.rpartition(":")[2]


@pytest.fixture(params=["as this project's are", "by a function"])
def own_id(request: pytest.FixtureRequest) -> Iterator[str]:
    """An id of somebody else's that has a task."""
    task = replace(make_task("E2C/Planar-v0"), id="Own/World-v0", latent_dim=4)
    vectors: Any = {"vector_entry_point": TaskVectorEnv, "kwargs": {"task": task}}
    as_ours = request.param.startswith("as")
    entry: Any = TaskEnv if as_ours else lambda frame_stack=None: TaskEnv(task, frame_stack=frame_stack)
    gymnasium.register("Own/World-v0", entry_point=entry, **(vectors if as_ours else {}))
    yield "Own/World-v0"
    del gymnasium.registry["Own/World-v0"]


def test_a_task_of_ones_own_is_native(own_id: str, tmp_path: Path) -> None:
    assert task_behind(own_id).latent_dim == 4
    assert task_behind("Pendulum-v1") is None
    source = EnvSource.of(own_id, 2)
    assert (source.name, source.frame_stack, source.native) == (own_id, 2, True)
    assert source.task is not None
    assert source.task.frame_stack == 2
    made = collect(source.vectors(4), tmp_path / "data", 48, 6, starts="sampled")
    ours = collect(make_vector_env("E2C/Planar-v0", 4, 1), tmp_path / "ours", 48, 6, starts="sampled")
    assert np.array_equal(made.frames, ours.frames)
    assert (made.card.environment, made.card.environment_kwargs) == (own_id, {})
    assert made.card.frame_stack == 1, "what the environment shows by itself"


@pytest.mark.parametrize(
    ("env_id", "message"),
    [
        ("Pendulm-v1", "did you mean 'Pendulum-v1'"),
        ("Nothing/AtAll-v7", "Unknown environment"),
        ("no_such_module:Thing-v0", "Unknown environment .*: No module named 'no_such_module', install it"),
        ("not an id", "Unknown environment"),
        (gymnasium.make("E2C/Planar-v0"), "is no id: give its id, 'E2C/Planar-v0'"),
        (np.zeros(3), "is no id: give 'Id' or 'module:Id'"),
    ],
)
def test_unsuitable_environments(env_id: str, message: str) -> None:
    for make in (lambda: make_image_env(env_id), lambda: make_vector_env(env_id, 2)):
        with pytest.raises(InputError, match=message), warnings.catch_warnings():
            make()


def test_unsuitable_spaces(counter_id: str) -> None:
    with pytest.raises(InputError, match="one bounded vector"):
        make_image_env(counter_id, actions=spaces.Box(-np.inf, np.inf, (2,), np.float32))
    with pytest.raises(InputError, match="cannot be made with"):
        make_image_env(counter_id, wheels=4)
    with pytest.raises(InputError, match="1 or more"):
        make_vector_env(counter_id, 0)
    with pytest.raises(InputError, match="Cannot run 100000000 environments at once"):
        make_vector_env("E2C/Planar-v0", 10**8)


@pytest.mark.parametrize("env_id", ["E2C/PendulumSwingUp-v0", "Pendulum-v1"])
@pytest.mark.parametrize("looks", [{"frame_stack": 0}, {"frame_stack": 1.5}, {"image_size": 0}, {"image_size": 10**9}])
def test_impossible_looks(env_id: str, looks: dict[str, Any]) -> None:
    for make in (lambda: make_image_env(env_id, **looks), lambda: make_vector_env(env_id, 2, **looks)):
        with pytest.raises(InputError, match=r"(frame_stack|image_size) is .*: give a whole number"):
            make()


def test_a_seed_below_zero(counter_id: str) -> None:
    with pytest.raises(InputError, match="seed is -1"):
        make_vector_env(counter_id, 2, seed=-1)


@pytest.mark.parametrize(
    "name", ["frame_stack", "n_envs", "num_envs", "grayscale", "image_size", "seed", "render_mode"]
)
def test_options_are_no_arguments_of_an_environment(name: str) -> None:
    with pytest.raises(InputError, match=f"cannot take '{name}' as an argument: "):
        check_arguments("Pendulum-v1", {"g": 9.8, name: 1})


def test_arguments_that_mean_something_else(counter_id: str) -> None:
    for env_id in (counter_id, "E2C/Planar-v0"):
        with pytest.raises(InputError, match="'num_envs'"):
            make_vector_env(env_id, 2, num_envs=3)
        with pytest.raises(InputError, match="'seed'"):
            make_image_env(env_id, seed=3)
    with pytest.raises(InputError, match="task of E2C/Planar-v0 is fixed"):
        make_vector_env("E2C/Planar-v0", 2, task="E2C/PendulumPump-v0")


def test_nothing_to_see() -> None:
    class Blind(gymnasium.Env[np.ndarray, np.ndarray]):
        observation_space = spaces.Box(-1, 1, (3,), np.float32)
        action_space = spaces.Box(-1, 1, (1,), np.float32)

    gymnasium.register("Blind-v0", entry_point=Blind, disable_env_checker=True)
    try:
        with pytest.raises(InputError, match="which is no image"):
            make_image_env("Blind-v0")
    finally:
        del gymnasium.registry["Blind-v0"]


@pytest.mark.parametrize(("pixels", "message"), [("float32", "not finite"), ("int64", "shows int64")])
def test_observations_that_are_not_what_the_space_says(counter_id: str, pixels: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_image_env(counter_id, pixels=pixels).reset()
