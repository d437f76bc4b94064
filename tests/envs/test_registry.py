"""The list of environments."""

import inspect
import pydoc
from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from e2c_control.envs import make_task, task_ids, task_page
from e2c_control.envs.env import TaskEnv
from e2c_control.envs.registry import TASKS, register_all
from e2c_control.errors import InputError


@pytest.mark.parametrize("task_id", task_ids())
def test_ids_tasks_and_pages_agree(task_id):
    assert make_task(task_id).id == task_id
    assert gymnasium.spec(task_id).max_episode_steps is None
    page = inspect.getdoc(TASKS[task_id])
    assert page is not None
    assert page.startswith(task_id)
    assert "## Start" in page
    assert "## Version history" in page


@pytest.mark.parametrize("task_id", task_ids())
def test_help_on_an_environment_is_the_page_of_its_world(task_id):
    env, envs = gymnasium.make(task_id), gymnasium.make_vec(task_id, 2)
    page, task = inspect.getdoc(env.unwrapped), env.unwrapped.task
    assert page == task_page(task_id) == inspect.getdoc(envs.unwrapped)
    help_text = pydoc.plain(pydoc.render_doc(env.unwrapped))
    assert all(line.strip() in help_text for line in page.splitlines())
    assert page.startswith(f"{task_id}: ")
    assert "20" in page.split("##")[0] or "project's own" in page  # the paper that it is from
    numbers = page.split("## In numbers")[1]
    for name in task.system.state_names:
        assert f"{name} in [" in numbers
    for fact in (str(task.observation_shape), f"{task.horizon} steps", "goal region: ", "as fractions of (", "uniform"):
        assert fact in numbers
    assert all(len(line) <= 120 for line in page.splitlines())


def test_the_page_of_a_task_of_ones_own():
    task = replace(make_task("E2C/Planar-v0", horizon=7), id="My/World-v0", about="My world.", goals=np.ones((1, 2)))
    page = inspect.getdoc(TaskEnv(task))
    assert page == task_page(task)
    assert page.startswith("My world.\n")
    assert "Goals:       (1, 1)\n" in page
    assert "Horizon:     7 steps" in page
    assert task_page(replace(task, about="")).startswith("My/World-v0\n")


def test_unknown_tasks_and_options():
    with pytest.raises(InputError, match="choose one of E2C/Planar-v0"):
        make_task("E2C/Planer-v0")
    with pytest.raises(InputError, match="no option 'max_step': it takes noise"):
        make_task("E2C/PendulumPump-v0", max_step=1.0)


@pytest.mark.parametrize("task_id", task_ids())
def test_options_of_the_tasks_are_those_that_make_task_names(task_id):
    options = inspect.signature(TASKS[task_id]).parameters
    assert options["noise"].default == 0
    page = inspect.getdoc(make_task)
    assert all(f"``{option}``" in page for option in options)
    task = make_task(task_id, noise=0.25, frame_stack=3, horizon=7)
    assert (task.system.noise, task.frame_stack, task.horizon) == (0.25, 3, 7)
    with pytest.raises(InputError, match=r"noise is .*: give a (finite )?number of 0 or more"):
        make_task(task_id, noise=-1.0)


def test_registering_twice_does_nothing():
    register_all()


def test_module_and_id_form():
    env = gymnasium.make("e2c_control.envs:E2C/Planar-v0")
    assert env.unwrapped.spec.id == "E2C/Planar-v0"


def test_arguments_reach_the_task():
    env = gymnasium.make("E2C/Planar-v0", noise=0.5, max_step=2.0, frame_stack=3, horizon=7)
    task = env.unwrapped.task
    assert (task.system.noise, task.system.max_step, task.frame_stack, task.horizon) == (0.5, 2.0, 3, 7)
    env.reset(seed=0)
    assert env.observation_space.shape == (40, 40, 3)
    assert [env.step(np.zeros(2, np.float32))[3] for _ in range(7)] == [False] * 6 + [True]


@pytest.mark.parametrize("task", ["E2C/PendulumPump-v0", make_task("E2C/PendulumPump-v0")])
def test_the_task_of_an_id_is_fixed(task):
    for make in (gymnasium.make, gymnasium.make_vec):
        with pytest.raises(InputError, match="The task of E2C/Planar-v0 is fixed"):
            make("E2C/Planar-v0", task=task)


def test_a_task_of_ones_own():
    task = make_task("E2C/PendulumSwingUp-v0", horizon=5)
    env = TaskEnv(task, frame_stack=1)
    assert env.reset(seed=0)[0].shape == (48, 48, 1)
    with pytest.raises(InputError, match="takes none"):
        make_task(task, noise=1.0)


def test_a_task_is_not_replaced_by_hand():
    env = gymnasium.make("E2C/Planar-v0")
    with pytest.raises(InputError, match="fixed when it is made"):
        env.unwrapped.task = make_task("E2C/PlanarWalls-v0")


def test_a_masked_state_is_refused():
    env = gymnasium.make("E2C/Planar-v0")
    with pytest.raises(InputError, match="masked array: give plain numbers"):
        env.reset(options={"state": np.ma.array([5.0, 5.0], mask=[False, True])})


class Bare(gymnasium.Env):
    """Has a task, and is no face of this project."""

    observation_space = gymnasium.spaces.Box(0, 255, (40, 40, 1), np.uint8)
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, noise=0.0):
        self.task = make_task("E2C/Planar-v0", noise=noise)


def test_what_has_a_task_is_asked_for_it_whoever_wrote_it():
    gymnasium.register("Own/Bare-v0", entry_point=Bare)
    assert make_task("Own/Bare-v0").id == "E2C/Planar-v0"
    with pytest.raises(InputError, match="There is no task 'CartPole-v1'"):
        make_task("CartPole-v1")
    with pytest.raises(InputError, match="Own/Bare-v0 cannot be made"):
        make_task("Own/Bare-v0", wind=3)
