"""The README's code runs: Python blocks with fewer steps, commands through the command's own parser."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import e2c_control
from e2c_control.agents import E2CAgent, FreeEnergyAgent
from e2c_control.cli import parse

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(not (ROOT / "README.md").is_file(), reason="needs the repository")
README = (ROOT / "README.md").read_text() if (ROOT / "README.md").is_file() else ""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands(program: str) -> list[str]:
    """What follows a program's name in the bash blocks, and in code between sentences."""
    lines = "\n".join(blocks("bash"))
    inline = re.findall(rf"`(?:\.venv/bin/)?{program} ([^`]+)`", README)
    found = re.findall(rf"^{program} +([^#\n]+)", lines, re.MULTILINE) + inline
    return [command.strip() for command in found if "COMMAND" not in command]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer timesteps and optimiser steps, one short episode: the calls are the README's."""
    create: Callable[..., E2CAgent] = E2CAgent.create
    learn: Callable[..., E2CAgent] = E2CAgent.learn

    def create_tiny(*args: Any, **kwargs: Any) -> E2CAgent:
        return create(*args, **{**kwargs, "steps_scale": 0.003})

    def learn_tiny(self: E2CAgent, total_timesteps: int, **kwargs: Any) -> E2CAgent:
        assert total_timesteps > 1000
        return learn(self, 60, **kwargs)

    explore: Callable[..., FreeEnergyAgent] = FreeEnergyAgent.learn

    def explore_tiny(self: FreeEnergyAgent, total_timesteps: int) -> FreeEnergyAgent:
        assert total_timesteps > 1000
        return explore(self, 600)

    def evaluate_tiny(agent: E2CAgent, env: Any, n_eval_episodes: int) -> tuple[float, float]:
        from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

        vec_env = env if isinstance(env, VecEnv) else DummyVecEnv([lambda: env])
        observation, state = vec_env.reset(), None
        for _ in range(2):
            action, state = agent.predict(observation, state)
            observation, *_ = vec_env.step(action)
        return 0.0, 0.0

    monkeypatch.setattr(E2CAgent, "create", staticmethod(create_tiny))
    monkeypatch.setattr(E2CAgent, "learn", learn_tiny)
    monkeypatch.setattr(FreeEnergyAgent, "learn", explore_tiny)
    monkeypatch.setattr("stable_baselines3.common.evaluation.evaluate_policy", evaluate_tiny)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("block", blocks("python"))
def test_python_blocks_run(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})


@pytest.mark.parametrize("command", commands("e2c"))
def test_commands_parse(command: str) -> None:
    assert parse(command.split()) is not None


@pytest.mark.parametrize("target", commands("make"))
def test_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\((?!http)([^)]+)\)", README):
        if not link.startswith("experiments/results/"):
            assert (ROOT / link).is_file(), link


def test_numbers_of_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == e2c_control.__version__
    assert f"version: {e2c_control.__version__}" in (ROOT / "CITATION.cff").read_text()
