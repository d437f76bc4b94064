"""What an agent learns in: every wrapper of the user's counts, as do a number of frames and a task of one's own."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv
from gymnasium.wrappers import TimeLimit, TransformAction, TransformObservation
from gymnasium.wrappers import vector as vector_wrappers
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from e2c_control.agents import E2CAgent
from e2c_control.agents.learning import LearningOptions, gather
from e2c_control.data import Transitions, make_image_env, make_vector_env
from e2c_control.data.defaults import default_starts
from e2c_control.data.source import EnvSource
from e2c_control.envs import make_task
from e2c_control.envs.env import TaskEnv
from e2c_control.envs.pendulum import Pendulum
from e2c_control.errors import InputError
from e2c_control.models.embedding import EmbeddingConfig
from e2c_control.objectives.recipes import make_recipe


class Invert(gym.ObservationWrapper):
    def observation(self, observation: np.ndarray) -> np.ndarray:
        return 255 - observation


class Slower(gym.ActionWrapper):
    def action(self, action: np.ndarray) -> np.ndarray:
        return 0.1 * action


class Halved(gym.ObservationWrapper):
    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.observation_space = gym.spaces.Box(0, 255, (20, 20, 1), np.uint8)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        return observation[::2, ::2]


class Barred(gym.Wrapper):
    """Marks every frame, by steps and resets of its own."""

    def reset(self, **given: Any) -> Any:
        observation, info = self.env.reset(**given)
        return self._marked(observation), info

    def step(self, action: Any) -> Any:
        observation, *others = self.env.step(action)
        return self._marked(observation), *others

    def _marked(self, observation: np.ndarray) -> np.ndarray:
        observation = observation.copy()
        observation[0] = 77
        return observation


def planar() -> Any:
    return gym.make("E2C/Planar-v0")


def collected(env: Any, path: Path, transitions: int = 60) -> Transitions:
    world = EnvSource.of(env)
    options = LearningOptions(make_recipe("unfold", EmbeddingConfig()), 10)
    return gather(world, options, path, transitions, 0, lambda _: True, False, starts=default_starts(world.native))


def step_length(made: Transitions) -> float:
    assert made.states is not None
    moves = np.linalg.norm(np.diff(made.states, axis=0), axis=1)
    within = np.ones(len(moves), bool)
    within[made.episodes[1:-1] - 1] = False
    return float(moves[within].mean())


WRAPPED: dict[str, tuple[Callable[[Any], Any], Callable[[Transitions], bool]]] = {
    "observations": (Invert, lambda made: made.frames.mean() > 200),
    "observations, by a function": (
        lambda env: TransformObservation(env, lambda seen: 255 - seen, env.observation_space),
        lambda made: made.frames.mean() > 200,
    ),
    "actions": (Slower, lambda made: step_length(made) < 0.4),
    "actions, by a function": (
        lambda env: TransformAction(env, lambda action: 0.1 * action, env.action_space),
        lambda made: step_length(made) < 0.4,
    ),
    "size": (Halved, lambda made: made.frames.shape[1:] == (20, 20, 1)),
    "steps": (Barred, lambda made: bool((made.frames[:, 0] == 77).all())),
    "time": (lambda env: TimeLimit(env, 3), lambda made: np.diff(made.episodes).max() <= 4),
    "two, and a monitor": (lambda env: Monitor(Slower(Invert(env))), lambda made: made.frames.mean() > 200),
}
GIVEN: dict[str, Callable[[Callable[[Any], Any]], Any]] = {
    "environment": lambda wrap: wrap(planar()),
    "stable-baselines3 vector": lambda wrap: DummyVecEnv([lambda: wrap(planar())] * 2),
    "Gymnasium vector": lambda wrap: SyncVectorEnv([lambda: wrap(planar())] * 2),
    "task without an id": lambda wrap: wrap(TaskEnv("E2C/Planar-v0")),
}


@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.parametrize("given", GIVEN)
def test_wrappers_count(name: str, given: str, tmp_path: Path) -> None:
    wrap, changed = WRAPPED[name]
    made = collected(GIVEN[given](wrap), tmp_path / "wrapped")
    assert changed(made)
    assert not made.card.environment.startswith("E2C/"), "the id alone would make another environment again"
    assert not changed(collected(planar(), tmp_path / "plain"))


def test_one_wrapped_environment_among_others(tmp_path: Path) -> None:
    made = collected(DummyVecEnv([planar, lambda: Invert(planar())]), tmp_path / "d")
    assert 100 < made.frames.mean() < 200


def test_wrappers_of_vectors(tmp_path: Path) -> None:
    for vector in (make_vector_env("E2C/Planar-v0", 2), SyncVectorEnv([planar] * 2)):
        wrapped = vector_wrappers.TransformObservation(vector, lambda seen: 255 - seen)
        made = collected(wrapped, tmp_path / type(vector).__name__)
        assert made.frames.mean() > 200
        assert made.card.environment == "TransformObservation-Planar-v0"


@pytest.mark.parametrize(
    "env", [planar, lambda: Monitor(planar()), lambda: DummyVecEnv([planar, lambda: Monitor(planar())])]
)
def test_what_changes_nothing_is_no_wrapper(env: Callable[[], Any]) -> None:
    world = EnvSource.of(env())
    assert world.name == "E2C/Planar-v0"
    assert world.vectors(7).num_envs == 7, "made again, many at once"


def test_a_wrapped_task_is_still_a_task() -> None:
    task = make_task("E2C/Planar-v0")
    for env in (Invert(planar()), SyncVectorEnv([lambda: Invert(planar())]), make_vector_env("E2C/Planar-v0", 2)):
        agent = E2CAgent(env)
        assert (agent.options.horizon, agent.options.state_weight) == (task.planning_horizon, task.q)
        assert agent.embedding.config.latent_dim == task.latent_dim


def test_wrappers_that_leave_no_frames(tmp_path: Path) -> None:
    class Scaled(gym.ObservationWrapper):
        observation_space = gym.spaces.Box(0, 1, (40, 40, 1), np.float32)

    class Shifted(gym.ActionWrapper):
        action_space = gym.spaces.Box(0, 1, (2,), np.float32)

    with pytest.raises(InputError, match="instead of uint8"):
        E2CAgent(Scaled(planar()))
    with pytest.raises(InputError, match=r"instead of actions in \[-1, 1\]"):
        E2CAgent(Shifted(planar()))


# Frames in an observation


@pytest.fixture(autouse=True)
def headless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def pendulum(stack: int = 1) -> Any:
    return make_image_env("Pendulum-v1", stack, image_size=16)


SINGLE: dict[str, Callable[[], Any]] = {
    "environment": pendulum,
    "stable-baselines3 vector": lambda: DummyVecEnv([pendulum] * 2),
    "Gymnasium vector": lambda: SyncVectorEnv([pendulum] * 2),
    "vector of this project": lambda: make_vector_env("Pendulum-v1", 2, 1, image_size=16),
}


@pytest.mark.parametrize("name", SINGLE)
def test_frames_are_joined(name: str, tmp_path: Path) -> None:
    agent = E2CAgent(SINGLE[name](), frame_stack=2, steps_scale=0.003, episode_length=10, folder=tmp_path)
    assert agent.embedding.observation_shape == (16, 16, 2)
    agent.learn(40)
    made = Transitions.open(tmp_path / "dataset")
    assert (made.frames.shape[1:], made.card.frame_stack) == ((16, 16, 1), 2)
    if "Gymnasium" not in name and "project" not in name:
        env = agent.get_env()
        assert env is not None
        assert env.reset().shape == (env.num_envs, 16, 16, 2)  # type: ignore[union-attr]
    agent.save(tmp_path / "agent")
    E2CAgent.load(tmp_path / "agent", SINGLE[name]())


@pytest.mark.parametrize("make", [lambda: pendulum(2), lambda: SyncVectorEnv([lambda: pendulum(2)])])
def test_frames_that_are_joined_already(make: Callable[[], Any], tmp_path: Path) -> None:
    for stack in (None, 2):
        assert E2CAgent(make(), frame_stack=stack).embedding.observation_shape == (16, 16, 2)
    agent = E2CAgent(make())
    agent.save(tmp_path / "agent")
    E2CAgent.load(tmp_path / "agent", make())
    for stack in (1, 3):
        with pytest.raises(InputError, match=f"shows 2 frames in an observation already, and frame_stack is {stack}"):
            E2CAgent(make(), frame_stack=stack)


def test_native_frames(tmp_path: Path) -> None:
    assert EnvSource.of(gym.make("E2C/PendulumBalance-v0"), 3).observation_shape == (48, 48, 3)
    assert EnvSource.of(gym.make("E2C/PendulumBalance-v0", frame_stack=4)).frame_stack == 4
    own = EnvSource.of(gym.make("E2C/PendulumBalance-v0"), 3).own()
    assert own.observation_space.shape == (48, 48, 3)
    with pytest.raises(InputError, match="shows 2 frames"):
        EnvSource.of(Invert(gym.make("E2C/PendulumBalance-v0")), 3)


# A task of one's own


def test_a_task_of_ones_own(tmp_path: Path) -> None:
    task = replace(make_task("E2C/PendulumSwingUp-v0"), system=Pendulum(noise=0.1), planning_horizon=7, latent_dim=4)
    agent = E2CAgent(TaskEnv(task), steps_scale=0.003, folder=tmp_path)
    assert (agent.options.horizon, agent.embedding.config.latent_dim) == (7, 4)
    assert agent.embedding.config.pool == E2CAgent("E2C/PendulumSwingUp-v0").embedding.config.pool
    agent.learn(240)
    made = Transitions.open(tmp_path / "dataset")
    assert made.frames.shape[1:] == (48, 48, 1)
    assert made.states is not None
    assert made.states[made.episodes[:-1]].std(axis=0).min() > 1, "episodes begin all over the world"
    assert np.diff(made.episodes).max() == 13
    with pytest.raises(InputError, match="Unknown environment"):
        make_image_env(made.card.environment)


def test_what_to_evaluate_where_frames_are_stacked() -> None:
    env = pendulum()
    agent = E2CAgent(env, frame_stack=2)
    agent.set_goal(np.zeros((16, 16, 2), np.uint8))
    with pytest.raises(InputError, match=r"or take agent\.get_env\(\)"):
        evaluate_policy(agent, env, n_eval_episodes=1, warn=False)  # type: ignore[arg-type]
    assert agent.predict(agent.get_env().reset())[0].shape == (1, 1)  # type: ignore[union-attr]


@pytest.mark.parametrize("make", [planar, lambda: TaskEnv("E2C/Planar-v0"), pendulum])
def test_a_function_and_a_task_are_sources(make: Callable[[], Any], tmp_path: Path) -> None:
    source, given = EnvSource.of(make), EnvSource.of(make())
    assert (source.name, source.frame_shape, source.native) == (given.name, given.frame_shape, given.native)
    assert source.vectors(3).num_envs == 3
    if source.task is not None:
        assert EnvSource.of(source.task, 2).observation_shape == (40, 40, 2)
    with pytest.raises(InputError, match="The function made a int"):
        EnvSource.of(lambda: 3)  # type: ignore[arg-type,return-value]
    with pytest.raises(InputError, match="belong to an id"):
        EnvSource.of(make(), noise=1.0)
