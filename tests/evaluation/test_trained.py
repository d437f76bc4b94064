"""Other tasks for a trained run: what looks and moves the same."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch

from e2c_control.data import DatasetCard
from e2c_control.envs import make_task, task_ids
from e2c_control.errors import InputError
from e2c_control.evaluation.trained import TrainedRun
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.runs.folder import RunFolder


def trained(environment: str, side: int, stack: int, actions: int, **kwargs: float) -> TrainedRun:
    card = DatasetCard(environment, kwargs, (side, side, 1), actions, frame_stack=stack)
    sizes = EmbeddingConfig(encoder_hidden=(4,), decoder_hidden=(4,), transition_hidden=(4,))
    embedding = Embedding(sizes, (side, side, stack), actions, torch.Generator())
    return TrainedRun(RunFolder(Path("run")), card, embedding, 0, 10)


def test_a_weaker_motor_is_another_system() -> None:
    run = trained("E2C/PendulumBalance-v0", 48, 2, 1)
    assert run.task("E2C/PendulumSwingUp-v0").id == "E2C/PendulumSwingUp-v0"
    alike = "choose E2C/PendulumBalance-v0 or E2C/PendulumSwingUp-v0, or train on E2C/PendulumPump-v0"
    with pytest.raises(InputError, match=rf"torque_limit 0\.2, not 0\.65, max_rate .*{alike}\.$"):
        run.task("E2C/PendulumPump-v0")
    with pytest.raises(InputError, match="Planar, not Pendulum"):
        run.task("E2C/Planar-v0")


def test_what_the_world_was_made_with_holds_for_its_other_tasks() -> None:
    run = trained("E2C/PendulumBalance-v0", 48, 2, 1, noise=0.1, horizon=7)
    task = run.task("E2C/PendulumSwingUp-v0")
    assert task.system.noise == 0.1
    assert task.horizon != 7, "which is the other task's own"
    assert run.task().horizon == 7


def test_other_walls_are_another_picture() -> None:
    run = trained("E2C/Planar-v0", 40, 1, 2, max_step=1.5)
    assert run.task("E2C/Planar-v0").system.control_limit.tolist() == [1.5, 1.5]
    remedy = r"choose E2C/Planar-v0, or train on E2C/PlanarWalls-v0\.$"
    with pytest.raises(InputError, match=rf"otherwise than .*\(other obstacles, other walls\): {remedy}"):
        run.task("E2C/PlanarWalls-v0")
    with pytest.raises(InputError, match=r"Pendulum, not Planar"):  # though no walls can be made for such steps
        trained("E2C/Planar-v0", 40, 1, 2, max_step=8.0).task("E2C/PendulumPump-v0")


@pytest.mark.parametrize(("own", "other"), list(permutations(task_ids(), 2)))
def test_tasks_that_are_let_pass_look_and_move_the_same(own: str, other: str) -> None:
    one, another = (make_task(name).system for name in (own, other))
    side, stack = one.frame_shape[0], make_task(own).frame_stack
    try:
        trained(own, side, stack, one.control_size).task(other)
    except InputError:
        return
    rng = np.random.default_rng(0)
    states, actions = one.sample_states(500, rng), rng.uniform(-1, 1, (500, one.control_size))
    np.testing.assert_array_equal(one.render(states), another.render(states))
    moved = [system.step(states, actions * system.control_limit) for system in (one, another)]
    np.testing.assert_array_equal(*moved)
