"""What every environment id promises, whatever its task."""

import pickle
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_checker import check_env as check_env_for_sb3

from e2c_control.envs import make_task, task_ids
from e2c_control.errors import InputError

every_id = pytest.mark.parametrize("task_id", task_ids())
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True)
def _headless(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def run(env, seed, steps, options=None):
    """Everything that an episode says, as bytes."""
    rng = np.random.default_rng(seed)
    trace = [env.reset(seed=seed, options=options)]
    actions = rng.uniform(-1, 1, (steps, *env.action_space.shape)).astype(np.float32)
    trace += [env.step(action) for action in actions]
    return pickle.dumps(trace)


@every_id
def test_gymnasium_checker_is_silent(task_id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(task_id).unwrapped)


@every_id
def test_stable_baselines3_checker_is_silent(task_id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env_for_sb3(gymnasium.make(task_id, render_mode="rgb_array").unwrapped, skip_render_check=False)


@every_id
def test_same_seed_same_bits(task_id):
    first, second = (gymnasium.make(task_id, noise=0.1) for _ in range(2))
    assert run(first, 7, 20) == run(second, 7, 20)
    assert run(first, 7, 20) == run(first, 7, 20)
    assert run(first, 8, 20) != run(first, 7, 20)


@every_id
def test_shapes_and_types(task_id):
    env, task = gymnasium.make(task_id), make_task(task_id)
    observation, info = env.reset(seed=0)
    assert observation.shape == env.observation_space.shape == task.observation_shape
    assert observation.dtype == np.uint8
    assert info["state"].dtype == info["goal"].dtype == np.float64
    assert info["state"].shape == info["goal"].shape == (task.system.state_size,)
    observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
    assert observation.dtype == np.uint8
    assert [type(item) for item in (reward, terminated, truncated, info["is_success"])] == [float, bool, bool, bool]
    assert env.unwrapped.goal_observation.shape == observation.shape
    assert env.unwrapped.goal_observation.dtype == np.uint8


@every_id
def test_an_episode_is_a_horizon_long_and_pays_for_time_in_goal(task_id):
    env, task = gymnasium.make(task_id), make_task(task_id)
    env.reset(seed=3)
    steps, truncated = 0, False
    while not truncated:
        _, reward, terminated, truncated, info = env.step(env.action_space.sample())
        steps += 1
        assert reward == float(task.in_goal(info["state"][None], info["goal"][None])[0]) == float(info["is_success"])
        assert not terminated
    assert steps == task.horizon


@every_id
@pytest.mark.parametrize("stack", [1, 2, 4])
def test_observations_stack_frames_oldest_first(task_id, stack):
    env = gymnasium.make(task_id, frame_stack=stack)
    system = env.unwrapped.task.system
    observation, info = env.reset(seed=1)
    frames = [system.render(info["state"][None])[0]] * stack
    np.testing.assert_array_equal(observation, np.concatenate(frames, axis=-1))
    for _ in range(stack + 1):
        observation, *_, info = env.step(env.action_space.sample())
        frames = [*frames[1:], system.render(info["state"][None])[0]]
        np.testing.assert_array_equal(observation, np.concatenate(frames, axis=-1))


@every_id
def test_what_plots_and_embeddings_are_told_is_true(task_id):
    task = make_task(task_id)
    system, rng = task.system, np.random.default_rng(3)
    assert len(set(system.state_names)) == system.state_size
    assert all(name.endswith(")") and " (" in name for name in system.state_names), "each with its unit"
    assert task.latent_dim >= system.state_size, "room for every state variable"
    states = system.sample_states(200, rng)
    frames = system.render(states)
    assert 1 <= system.detail <= min(system.frame_shape[:2])
    moving = (frames != np.median(frames, axis=0)).any(-1).sum((1, 2))
    assert moving.max() >= system.detail**2, "what moves covers a square of its side"
    if system.background(states[0]) is None:
        assert task.goal_radius is None, "a disc of pixels means something where a state is a place"
        return
    for state, frame in zip(states, frames, strict=True):
        background = system.background(state)
        assert background.shape == system.frame_shape
        places = np.argwhere((frame != background).any(-1)) + 0.5
        assert np.abs(places - system.varying(state)).max(initial=0) <= system.detail
    goals = task.goals[rng.integers(len(task.goals), size=200)]
    near = goals.copy()
    near[:, :2] += rng.uniform(-2 * task.goal_radius, 2 * task.goal_radius, (200, 2))
    inside = np.linalg.norm(near - goals, axis=1) <= task.goal_radius
    np.testing.assert_array_equal(task.in_goal(near, goals), inside)


@every_id
def test_a_step_is_the_systems_step(task_id):
    env = gymnasium.make(task_id)
    system = env.unwrapped.task.system
    _, before = env.reset(seed=2, options={"start": "sampled"})
    action = env.action_space.sample()
    *_, after = env.step(action)
    expected = system.step(before["state"][None], action[None].astype(np.float64) * system.control_limit)[0]
    np.testing.assert_array_equal(after["state"], expected)


@every_id
@settings(max_examples=10, deadline=None)
@given(seed=seeds, noise=st.floats(0, 3))
def test_states_stay_in_the_world(task_id, seed, noise):
    system, rng = make_task(task_id, noise=noise).system, np.random.default_rng(seed)
    states = system.sample_states(32, rng)
    for _ in range(5):
        controls = rng.uniform(-1.5, 1.5, (32, system.control_size)) * system.control_limit
        states = system.step(states, controls, rng)
        assert system.contains(states).all()


@every_id
@settings(max_examples=10, deadline=None)
@given(seed=seeds, n=st.integers(1, 40))
def test_a_batch_is_its_rows(task_id, seed, n):
    system, rng = make_task(task_id).system, np.random.default_rng(seed)
    states, controls = system.sample_states(n, rng), rng.uniform(-1, 1, (n, system.control_size)) * system.control_limit
    rows = [system.step(states[i : i + 1], controls[i : i + 1])[0] for i in range(n)]
    np.testing.assert_array_equal(system.step(states, controls), rows)
    frames = [system.render(states[i : i + 1])[0] for i in range(n)]
    np.testing.assert_array_equal(system.render(states), frames)


@every_id
def test_reset_starts_where_it_is_told(task_id):
    env = gymnasium.make(task_id)
    system = env.unwrapped.task.system
    state = system.sample_states(1, np.random.default_rng(5))[0]
    _, info = env.reset(options={"state": state})
    np.testing.assert_array_equal(info["state"], state)
    starts = [env.reset(seed=seed, options={"start": "sampled"})[1]["state"] for seed in range(20)]
    task = env.unwrapped.task
    if task.counterpart is None:  # or else a start is a state anywhere as it is
        assert any(np.any((start < task.start_low) | (start > task.start_high)) for start in starts)
    assert system.contains(np.array(starts)).all()
    start = env.reset(seed=4)[1]["state"]
    assert np.all((start >= task.start_low) & (start <= task.start_high))


@every_id
def test_start_and_goal_are_of_one_world(task_id):
    env = gymnasium.make(task_id)
    task, rng = env.unwrapped.task, np.random.default_rng(6)
    first = task.system.state_size - task.system.constants
    state = task.system.sample_states(1, rng)[0]
    controls = rng.uniform(-1, 1, (1, task.system.control_size)) * task.system.control_limit
    np.testing.assert_array_equal(task.system.step(state[None], controls)[0, first:], state[first:])
    alongside = task.system.sample_alongside(np.repeat(state[None], 20, axis=0), rng)
    assert task.system.contains(alongside).all()
    assert (alongside[:, first:] == state[first:]).all()
    sampled = {"start": "sampled"}
    for options in ({}, sampled, {"state": state}, {"goal": 0}, {"goal": 0, **sampled}, {"goal": task.goals[-1]}):
        _, info = env.reset(seed=1, options=options)
        np.testing.assert_array_equal(info["state"][first:], info["goal"][first:])
    for problem in task.evaluation_problems(100, 20):
        np.testing.assert_array_equal(problem.start[first:], problem.goal[first:])
    if task.system.constants:
        with pytest.raises(InputError, match="different worlds"):
            env.reset(options={"state": state, "goal": task.goals[0]})


@every_id
def test_goals_by_index_by_state_and_fixed(task_id):
    env = gymnasium.make(task_id)
    task = env.unwrapped.task
    for index, goal in enumerate(task.goals):
        for option in (index, goal, goal.tolist()):
            _, info = env.reset(options={"goal": option})
            np.testing.assert_array_equal(info["goal"], goal)
            expected = task.observe_at_rest(goal[None])[0]
            np.testing.assert_array_equal(env.unwrapped.goal_observation, expected)
    last = len(task.goals) - 1
    fixed = gymnasium.make(task_id, goal=last)
    assert fixed.unwrapped.goal_observation.shape == task.observation_shape
    for seed in range(4):
        np.testing.assert_array_equal(fixed.reset(seed=seed)[1]["goal"], task.goals[last])


@every_id
def test_returned_arrays_are_the_users_own(task_id):
    env, twin = gymnasium.make(task_id), gymnasium.make(task_id)
    observation, info = env.reset(seed=0)
    twin.reset(seed=0)
    observation[:], info["state"][:], info["goal"][:] = 77, 0, 0
    env.unwrapped.goal_observation[:] = 0
    action = env.action_space.sample()
    for left, right in zip(env.step(action)[:2], twin.step(action)[:2], strict=True):
        np.testing.assert_array_equal(left, right)
    assert env.unwrapped.task.goals.any() == make_task(task_id).goals.any()


@every_id
def test_actions_beyond_the_range_are_clipped(task_id):
    env = gymnasium.make(task_id).unwrapped
    ones = np.ones(env.action_space.shape, np.float32)
    env.reset(seed=0)
    clipped = env.step(ones)[-1]["state"]
    env.reset(seed=0)
    np.testing.assert_array_equal(env.step(5 * ones)[-1]["state"], clipped)


@every_id
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state": [1e9]}, "outside the world"),
        ({"state": [np.nan]}, "outside the world"),
        ({"state": [1.0] * 7}, "shape"),
        ({"state": "here"}, "array of numbers"),
        ({"goal": 99}, "goals 0 to"),
        ({"goal": -1}, "goals 0 to"),
        ({"goal": [1e9]}, "outside the world"),
        ({"start": "anywhere"}, "'task' or 'sampled'"),
        ({"place": 1}, "no option 'place'"),
        ({"state": [3.0], "start": "sampled"}, "exclude each other"),
    ],
)
def test_wrong_reset_options(task_id, options, message):
    env = gymnasium.make(task_id)
    size = env.unwrapped.task.system.state_size
    one_for_all = {key: value * size for key, value in options.items() if isinstance(value, list) and len(value) == 1}
    with pytest.raises(InputError, match=message):
        env.reset(options={**options, **one_for_all})


@every_id
def test_wrong_actions(task_id):
    env = gymnasium.make(task_id).unwrapped
    env.reset(seed=0)
    for action in (np.full(env.action_space.shape, np.nan), np.full(env.action_space.shape, np.inf)):
        with pytest.raises(InputError, match="finite"):
            env.step(action)
    for action in (np.zeros(7), 0.5):
        with pytest.raises(InputError, match="shape"):
            env.step(action)
    with pytest.raises(InputError, match="array of numbers"):
        env.step("left")


@every_id
def test_wrong_arguments(task_id):
    for argument, message in [
        ({"frame_stack": 0}, "frame_stack"),
        ({"horizon": 0}, "horizon"),
        ({"noise": -1.0}, "noise"),
        ({"noise": float("nan")}, "noise"),
        ({"goal": 50}, "goals 0 to"),
        ({"wind": 1.0}, "no option 'wind'"),
    ]:
        with pytest.raises(InputError, match=message):
            gymnasium.make(task_id, **argument)


@every_id
def test_step_before_reset(task_id):
    env = gymnasium.make(task_id).unwrapped
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(env.action_space.sample())
    with pytest.raises(gymnasium.error.ResetNeeded):
        _ = env.goal_observation
