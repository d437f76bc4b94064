"""One thread for each process: the networks are small, and two workers share the machine."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from dataclasses import replace

import numpy as np
import pytest
import torch

from e2c_control.envs import Task, make_task
from e2c_control.envs.planar import Planar
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.models.gaussian import DiagonalGaussian
from e2c_control.models.matrix_network import LocallyLinearTransition


@pytest.fixture(scope="session", autouse=True)
def _own_key(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Runs are signed with a key of the tests, not of whoever runs them."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session", autouse=True)
def _logs_of_stable_baselines3(tmp_path_factory: pytest.TempPathFactory) -> None:
    """They would stay in the system's folder for temporary files, one for each `learn`."""
    os.environ["SB3_LOGDIR"] = str(tmp_path_factory.mktemp("sb3"))


class Located(Embedding):
    """Encodes a frame of an empty plane as the place of what is bright in it, in units of 10 pixels."""

    def encode(self, observations: torch.Tensor) -> DiagonalGaussian:
        light = observations[..., 0].double()
        side = torch.arange(light.shape[-1]).double()
        rows, columns = (light.sum(axis) @ side / light.sum((-1, -2)) for axis in (-1, -2))
        place = torch.stack([rows, columns], -1) / 10
        return DiagonalGaussian(place, torch.full_like(place, -10.0))


@pytest.fixture
def located() -> Embedding:
    """What a perfect training on the planar world without obstacles would end in: z' = z + 0.3 u."""
    config = EmbeddingConfig(ensemble=1, transition_hidden=(4,), decoder_hidden=(4,))
    embedding = Located(config, (40, 40, 1), 2, torch.Generator().manual_seed(0))
    for transition in (embedding.transition, *embedding.members):
        assert isinstance(transition, LocallyLinearTransition)
        with torch.no_grad():
            transition.head.weight.zero_()
            transition.head.bias.copy_(torch.tensor([0, 0, 0, 0, 0.3, 0, 0, 0.3, 0, 0]))
    return embedding


class Empty(Planar):
    """Shows the agent alone."""

    @property
    def _image(self) -> np.ndarray:
        return np.zeros((40, 40), np.uint8)


@pytest.fixture
def plane() -> Task:
    """The planar world without obstacles, but for one where nobody comes."""
    return replace(make_task("E2C/Planar-v0"), system=Empty(obstacles=((-9.0, -9.0),)))
