"""Acting: stable-baselines3's own evaluation, goals for each environment, warm starts that travel in the state."""

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from e2c_control.agents import E2CAgent
from e2c_control.agents.curiosity import PlannedCuriosity
from e2c_control.envs import make_task
from e2c_control.errors import InputError
from e2c_control.evaluation import drive
from e2c_control.models.embedding import Embedding, EmbeddingConfig


def planar(goal: int | None = None, horizon: int = 5) -> "gym.Env[np.ndarray, np.ndarray]":
    return Monitor(gym.make("E2C/Planar-v0", goal=goal, horizon=horizon))


def images(count: int, seed: int = 0) -> np.ndarray:
    task = make_task("E2C/Planar-v0")
    return task.observe_at_rest(task.system.sample_states(count, np.random.default_rng(seed)))


def test_evaluate_policy_on_one_environment(agent: E2CAgent) -> None:
    env = planar(goal=1)
    env.reset()
    agent.set_goal(env.get_wrapper_attr("goal_observation"))
    mean, deviation = evaluate_policy(agent, env, n_eval_episodes=2)
    assert (mean, deviation) == (0.0, 0.0)


def test_evaluate_policy_on_several_with_a_goal_each(agent: E2CAgent) -> None:
    vec_env = DummyVecEnv([lambda goal=goal: planar(goal) for goal in range(3)])
    vec_env.reset()
    agent.set_goal(np.stack(vec_env.get_attr("goal_observation")))
    rewards, lengths = evaluate_policy(agent, vec_env, n_eval_episodes=6, return_episode_rewards=True)
    assert lengths == [5] * 6
    assert len(rewards) == 6


@pytest.mark.parametrize("several", [False, True])
def test_goals_that_change_with_every_episode(agent: E2CAgent, several: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    env = DummyVecEnv([planar, planar]) if several else planar()
    shown: list[bytes] = []
    predict = E2CAgent.predict

    def note(self: E2CAgent, *given: object, **others: object) -> object:
        result = predict(self, *given, **others)  # type: ignore[arg-type]
        assert self._goal_images is not None
        shown.append(self._goal_images.tobytes())
        return result

    monkeypatch.setattr(E2CAgent, "predict", note)
    agent.follow_goals(env)
    evaluate_policy(agent, env, n_eval_episodes=8)
    task = make_task("E2C/Planar-v0")
    known = {goal.tobytes() for goal in task.observe_at_rest(task.goals)}
    size = len(next(iter(known)))
    seen = {goals[i : i + size] for goals in shown for i in range(0, len(goals), size)}
    assert len(seen) > 1
    assert seen <= known


def test_one_and_many_observations(agent: E2CAgent) -> None:
    observations = images(3)
    agent.set_goal(images(1)[0])
    many, _ = agent.predict(observations)
    assert many.shape == (3, 2)
    assert many.dtype == np.float32
    assert (np.abs(many) <= 1).all()
    one, _ = agent.predict(observations[0])
    assert one.shape == (2,)
    again, _ = agent.predict(observations)
    assert (again == many).all(), "nothing is kept between calls but what the caller carries"


def test_each_environment_has_its_own_goal_and_plan(agent: E2CAgent) -> None:
    """A batch plans each problem as if it were alone."""
    observations, goals = images(3, seed=1), images(3, seed=2)
    agent.set_goal(goals)
    together, state = agent.predict(observations)
    for i in range(3):
        agent.set_goal(goals[i])
        _, alone = agent.predict(observations[i])
        assert alone.plan.states[0, 0] == pytest.approx(state.plan.states[i, 0])
    assert len({tuple(row) for row in together.tolist()}) > 1


def test_the_warm_start_travels_and_ends_with_the_episode(agent: E2CAgent) -> None:
    observations = images(2)
    agent.set_goal(images(2, seed=3))
    agent.options = agent.options.__class__(horizon=6, iterations=0)
    agent.set_goal(images(2, seed=3))
    _, first = agent.predict(observations)
    assert first.steps.tolist() == [0, 0]
    first.plan.controls[:] = 0.5  # a plan that no replan of zero iterations would find by itself
    _, second = agent.predict(observations, first, np.array([False, False]))
    assert second.steps.tolist() == [1, 1]
    _, third = agent.predict(observations, second, np.array([False, True]))
    assert third.steps.tolist() == [2, 0], "an episode that begins anew counts from 0"


def test_plans_end_with_the_episode(agent: E2CAgent) -> None:
    task = make_task("E2C/Planar-v0", horizon=4)
    agent.options = agent.options.for_task(task)
    driven = drive(agent, task, task.evaluation_problems(100, 3))
    assert [plan.shape[1] - 1 for plan in driven.plans] == [4, 3, 2, 1]
    assert driven.states.shape == (5, 3, 2)
    assert driven.latents.shape == (5, 3, 2)
    assert driven.scores.shape == (3,)
    assert (driven.scores == driven.in_goal.mean(0)).all()
    assert len(driven.replans) == 4
    goals = np.stack([problem.goal for problem in task.evaluation_problems(100, 3)])
    inside = np.stack([task.in_goal(states, goals) for states in driven.states[1:]])
    assert (inside == driven.in_goal).all()


def test_options_may_change_between_two_actions(agent: E2CAgent) -> None:
    """They used to count only if the goal was set afterwards."""
    frames = images(2)
    agent.set_goal(frames[0])
    agent.options = replace(agent.options, horizon=7)
    _, state = agent.predict(frames[1])
    assert state.plan.controls.shape[1] == 7
    agent.options = replace(agent.options, planner="lqr", horizon=3)
    _, state = agent.predict(frames[1])
    assert state.plan.controls.shape[1] == 3


def test_same_seed_same_drive(agent: E2CAgent) -> None:
    task = make_task("E2C/Planar-v0", horizon=5, noise=0.3)
    problems = task.evaluation_problems(100, 2)
    actions = [drive(agent, task, problems, seed).actions for seed in (1, 1, 2)]
    assert (actions[0] == actions[1]).all()
    assert (actions[0] != actions[2]).any()


@pytest.mark.parametrize(
    "observation",
    [
        np.zeros((40, 40, 1)),
        np.zeros((40, 40, 2), np.uint8),
        np.zeros((40, 40), np.uint8),
        np.zeros((2, 3, 40, 40, 1), np.uint8),
        np.zeros((40, 40, 1), np.int64),
        np.full((40, 40, 1), np.nan),
    ],
)
def test_observations_of_another_shape_or_type(agent: E2CAgent, observation: np.ndarray) -> None:
    agent.set_goal(images(1)[0])
    with pytest.raises(InputError, match=r"The observation must be uint8 of shape \(40, 40, 1\)"):
        agent.predict(observation)
    with pytest.raises(InputError, match="The goal must be uint8"):
        agent.set_goal(observation)


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        (np.ones((40, 40, 1), np.float32), r"\(255 \* images\)\.round\(\)\.astype"),
        (np.full((40, 40, 1), 200.0), r"give images\.round\(\)\.astype"),
        (np.full((2, 40, 40, 1), 7), r"give \(?.*images\)?\.round\(\)\.astype"),
        (np.zeros((40, 40), np.uint8), r"image\[\.\.\., None\]"),
        (np.zeros((1, 40, 40), np.uint8), r"np\.moveaxis\(images, -3, -1\)"),
        ("goal.png", r"read a picture's file first"),
        (np.zeros((64, 64, 1), np.uint8), "frame stack, size and colours"),
        (np.zeros((40, 40, 3), np.uint8), "frame stack, size and colours"),
    ],
)
def test_each_wrong_image_has_a_remedy_of_its_own(agent: E2CAgent, given: Any, remedy: str) -> None:
    with pytest.raises(InputError, match=rf"uint8 of shape \(40, 40, 1\), or \(N, 40, 40, 1\) of several, .*{remedy}"):
        agent.set_goal(given)


def test_one_frame_where_a_stack_belongs() -> None:
    seen = Embedding(EmbeddingConfig(encoder_hidden=(4,)), (8, 8, 6), 1, torch.Generator())
    with pytest.raises(InputError, match=r"np\.concatenate\(\[image\] \* 2, axis=-1\)"):
        E2CAgent.from_embedding(seen).set_goal(np.zeros((8, 8, 3), np.uint8))


def test_goals_are_needed_and_counted(agent: E2CAgent) -> None:
    with pytest.raises(InputError, match="call set_goal"):
        agent.predict(images(1))
    agent.set_goal(images(2))
    with pytest.raises(InputError, match="2 goals and 3 observations"):
        agent.predict(images(3))


def test_states_and_starts_of_another_number_of_environments(agent: E2CAgent) -> None:
    agent.set_goal(images(1)[0])
    _, state = agent.predict(images(2))
    with pytest.raises(InputError, match="The state is of 2 environments, but there are 3 observations"):
        agent.predict(images(3), state)
    for carried in (None, state):
        with pytest.raises(InputError, match=r"episode_start has shape \(3,\): give one for each of 2 observations"):
            agent.predict(images(2), carried, np.array([True, False, False]))


def test_no_images(agent: E2CAgent) -> None:
    with pytest.raises(InputError, match="The goal has no images"):
        agent.set_goal(images(1)[:0])
    agent.set_goal(images(1)[0])
    with pytest.raises(InputError, match="The observation has no images"):
        agent.predict(images(1)[:0])


def test_goals_of_environments_of_another_shape(agent: E2CAgent) -> None:
    with pytest.raises(InputError, match=r"shows \(48, 48, 2\), the embedding was trained on \(40, 40, 1\)"):
        agent.follow_goals(gym.make("E2C/PendulumBalance-v0"))
    with pytest.raises(InputError, match=r"shows \(40, 40, 2\)"):
        agent.follow_goals(gym.make_vec("E2C/Planar-v0", 2, frame_stack=2))


@pytest.mark.parametrize("kind", [E2CAgent, PlannedCuriosity])
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"embedding": "run"}, "embedding is 'run': give one of class Embedding"),
        ({"options": "fast"}, "options is 'fast'"),
        ({"options": {}}, "options is {}"),
        ({"seed": -1}, "seed is -1: give a whole number"),
        ({"seed": "x"}, "seed is 'x': give a whole number"),
        ({"seed": 1.5}, "seed is 1.5: give a whole number"),
    ],
)
def test_what_an_agent_cannot_be_made_of(kind: type[E2CAgent], given: dict, sentence: str, located: Embedding) -> None:
    with pytest.raises(InputError, match=sentence):
        kind.from_embedding(**{"embedding": located, **given})


@pytest.mark.parametrize("kind", [E2CAgent, PlannedCuriosity])
def test_what_an_agent_cannot_learn_with(kind: type[E2CAgent]) -> None:
    with pytest.raises(InputError, match="recipe is 3: give a text or a function"):
        kind("E2C/Planar-v0", 3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="options is 'fast'"):
        kind("E2C/Planar-v0", options="fast")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [E2CAgent, PlannedCuriosity])
def test_ragged_images_and_states_of_somebody_else(kind: type[E2CAgent], located: Embedding) -> None:
    agent = kind.from_embedding(located)
    with pytest.raises(InputError, match="The observation is no array: give uint8 of shape"):
        agent.predict([[1], [1, 2]])  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"state is \(1, 2\): give one of class .*State"):
        agent.predict(images(1), (1, 2))  # type: ignore[arg-type]
