"""An agent that has learnt for a moment: everything works, nothing is good."""

from collections.abc import Callable
from pathlib import Path

import pytest

from e2c_control.agents import E2CAgent


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("agents") / "planar"
    E2CAgent("E2C/Planar-v0", steps_scale=0.005, episode_length=10).learn(200).save(path)
    return path


@pytest.fixture
def agent(saved: Path) -> E2CAgent:
    """A fresh copy, with an environment to learn in."""
    return E2CAgent.load(saved, env="E2C/Planar-v0")


@pytest.fixture
def quick() -> Callable[..., E2CAgent]:
    """Makes agents that learn in a few steps."""

    def make(env: object, **options: object) -> E2CAgent:
        return E2CAgent(env, **{"steps_scale": 0.003, "episode_length": 10, **options})  # type: ignore[arg-type]

    return make
