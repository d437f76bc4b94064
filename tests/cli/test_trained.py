"""Other tasks for a trained run: the same system, moved in the same way."""

from pathlib import Path

import pytest
import torch

from e2c_control.cli.trained import TrainedRun
from e2c_control.data import DatasetCard
from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.runs.folder import RunFolder


def trained(environment: str, side: int, stack: int, actions: int, **kwargs: float) -> TrainedRun:
    card = DatasetCard(environment, kwargs, (side, side, 1), actions, frame_stack=stack)
    sizes = EmbeddingConfig(encoder_hidden=(4,), decoder_hidden=(4,), transition_hidden=(4,))
    embedding = Embedding(sizes, (side, side, stack), actions, torch.Generator())
    return TrainedRun(RunFolder(Path("run")), card, embedding, 0)


def test_a_weaker_motor_is_another_system() -> None:
    run = trained("E2C/PendulumBalance-v0", 48, 2, 1)
    assert run.task("E2C/PendulumSwingUp-v0").id == "E2C/PendulumSwingUp-v0"
    with pytest.raises(InputError, match=r"torque_limit 0\.2, not 0\.65.*the same system as E2C/PendulumBalance-v0"):
        run.task("E2C/PendulumPump-v0")
    with pytest.raises(InputError, match="Planar, not Pendulum"):
        run.task("E2C/Planar-v0")


def test_what_the_world_was_made_with_holds_for_its_other_tasks() -> None:
    run = trained("E2C/Planar-v0", 40, 1, 2, max_step=1.5, noise=0.1, horizon=7)
    task = run.task("E2C/PlanarWalls-v0")
    assert task.system.control_limit.tolist() == [1.5, 1.5]
    assert task.system.noise == 0.1
    assert task.horizon != 7, "which is the other task's own"
