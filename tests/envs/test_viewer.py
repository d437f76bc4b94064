"""Large pictures: an array without a display, a window on a dummy one."""

import subprocess
import sys

import gymnasium
import numpy as np
import pygame
import pytest

from e2c_control.envs import task_ids
from e2c_control.errors import InputError

every_id = pytest.mark.parametrize("task_id", task_ids())


@every_id
def test_rgb_array_needs_no_display(task_id):
    pygame.display.quit()  # another test's environment may have left one open
    env = gymnasium.make(task_id, render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    env.step(env.action_space.sample())
    after = env.render()
    env.close()
    assert before.shape == after.shape == (480, 480, 3)
    assert before.dtype == np.uint8
    assert len(np.unique(before.reshape(-1, 3), axis=0)) > 10
    assert not np.array_equal(before, after)
    assert not pygame.display.get_init()


@every_id
def test_window(task_id, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = gymnasium.make(task_id, render_mode="human")
    env.reset(seed=0)
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).transpose(1, 0, 2)
    twin = gymnasium.make(task_id, render_mode="rgb_array")
    twin.reset(seed=0)
    np.testing.assert_array_equal(shown, twin.render())
    env.step(env.action_space.sample())
    assert env.render() is None
    env.close()
    env.close()
    assert not pygame.display.get_init()


def test_vector_environments_give_a_picture_each():
    envs = gymnasium.make_vec("E2C/Planar-v0", 3, render_mode="rgb_array")
    envs.reset(seed=0)
    pictures = envs.render()
    assert [picture.shape for picture in pictures] == [(480, 480, 3)] * 3
    assert not np.array_equal(pictures[0], pictures[1])
    envs.close()


@every_id
def test_unknown_render_mode(task_id):
    from e2c_control.envs.env import TaskEnv

    with pytest.raises(InputError, match="render mode"):
        TaskEnv(task_id, render_mode="ascii")


def test_making_and_stepping_imports_nothing_heavy():
    script = """
import sys, e2c_control, gymnasium
assert "pygame" not in sys.modules
for task_id in e2c_control.envs.task_ids():
    env, envs = gymnasium.make(task_id), gymnasium.make_vec(task_id, 2)
    env.reset(seed=0); env.step(env.action_space.sample())
    envs.reset(seed=0); envs.step(envs.action_space.sample())
heavy = {"torch", "pygame", "stable_baselines3", "matplotlib", "PIL", "scipy", "numba"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)
