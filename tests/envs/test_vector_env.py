"""The vector environment equals single environments that are stepped one by one."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from e2c_control.envs import make_task, task_ids
from e2c_control.errors import InputError

every_id = pytest.mark.parametrize("task_id", task_ids())


def pair(task_id, num_envs, **kwargs):
    """The native vector environment, and Gymnasium's own around single ones."""
    native = gymnasium.make_vec(task_id, num_envs, **kwargs)
    return native, gymnasium.make_vec(task_id, num_envs, vectorization_mode="sync", **kwargs)


def assert_same(left, right):
    assert type(left) is type(right)
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        left, right = list(left.values()), [right[key] for key in left]
    if isinstance(left, (tuple, list)):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
        return
    np.testing.assert_array_equal(left, right)
    assert left.dtype == right.dtype


@every_id
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_equals_single_environments_over_three_episodes(task_id, noise):
    native, sync = pair(task_id, 3, noise=noise, horizon=4, frame_stack=3)
    assert_same(native.reset(seed=11), sync.reset(seed=11))
    for _ in range(13):
        actions = native.action_space.sample()
        assert_same(native.step(actions), sync.step(actions))
    assert native.np_random_seed == (11, 12, 13)


@every_id
def test_equals_single_environments_with_options_and_seeds(task_id):
    native, sync = pair(task_id, 3, horizon=3)
    for options in ({"start": "sampled"}, {"goal": 0}, {"state": make_task(task_id).goals[0]}):
        assert_same(native.reset(seed=[5, 1, 9], options=options), sync.reset(seed=[5, 1, 9], options=options))
        for _ in range(7):
            actions = native.action_space.sample()
            assert_same(native.step(actions), sync.step(actions))


@every_id
def test_spaces_and_metadata(task_id):
    native, sync = pair(task_id, 3)
    assert native.observation_space == sync.observation_space
    assert native.action_space == sync.action_space
    assert native.single_observation_space == sync.single_observation_space
    assert native.single_action_space == sync.single_action_space
    assert native.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert native.metadata["render_fps"] == sync.metadata["render_fps"]


def test_autoreset_takes_a_step_of_its_own():
    envs = gymnasium.make_vec("E2C/PendulumBalance-v0", 2, horizon=3)
    _, first = envs.reset(seed=0, options={"state": np.array([[1.0, 2.0], [0.1, 0.0]])})
    for step in (1, 2, 3):
        *_, truncations, _ = envs.step(np.ones((2, 1), np.float32))
        assert truncations.tolist() == [step == 3] * 2
    observations, rewards, _, truncations, info = envs.step(np.ones((2, 1), np.float32))
    np.testing.assert_array_equal(info["state"], np.zeros((2, 2)))  # the task's start, not the option's
    np.testing.assert_array_equal(observations[..., 0], observations[..., 1])
    assert rewards.tolist() == [0, 0]
    assert truncations.tolist() == [False, False]
    assert first["state"].tolist() == [[1.0, 2.0], [0.1, 0.0]]


def test_each_environment_has_its_own_state_and_goal():
    envs = gymnasium.make_vec("E2C/Planar-v0", 3)
    states = np.array([[3.0, 4.0], [20.0, 30.0], [35.0, 36.0]])
    _, info = envs.reset(options={"state": states, "goal": np.array([2, 0, 1])})
    np.testing.assert_array_equal(info["state"], states)
    np.testing.assert_array_equal(info["goal"], envs.unwrapped.task.goals[[2, 0, 1]])
    goals = np.array([[5.0, 5.0], [6.0, 6.0], [7.0, 30.0]])
    envs.reset(options={"goal": goals})
    expected = envs.unwrapped.task.observe_at_rest(goals)
    np.testing.assert_array_equal(envs.unwrapped.goal_observation, expected)


def test_reset_mask_leaves_the_others_alone():
    envs = gymnasium.make_vec("E2C/PendulumSwingUp-v0", 3)
    envs.reset(seed=0)
    *_, info = envs.step(np.ones((3, 1), np.float32))
    mask = np.array([False, True, False])
    _, after = envs.reset(seed=5, options={"reset_mask": mask, "state": np.zeros(2)})
    np.testing.assert_array_equal(after["state"][~mask], info["state"][~mask])
    np.testing.assert_array_equal(after["state"][mask], [[0.0, 0.0]])
    assert envs.np_random_seed == (0, 6, 2)
    for wrong in (np.zeros(3, np.bool_), np.ones(2, np.bool_), np.ones(3)):
        with pytest.raises(InputError, match="reset_mask"):
            envs.reset(options={"reset_mask": wrong})


def test_wrong_arguments():
    envs = gymnasium.make_vec("E2C/Planar-v0", 2)
    envs.reset(seed=0)
    with pytest.raises(InputError, match=r"shape \(2, 2\)"):
        envs.step(np.zeros((3, 2)))
    with pytest.raises(InputError, match="finite"):
        envs.step(np.array([[0.0, 0.0], [0.0, np.nan]]))
    with pytest.raises(InputError, match="seed for each"):
        envs.reset(seed=[1, 2, 3])
    with pytest.raises(InputError, match="render mode"):
        gymnasium.make_vec("E2C/Planar-v0", 2, render_mode="human")
    with pytest.raises(InputError, match="num_envs"):
        gymnasium.make_vec("E2C/Planar-v0", 0)
