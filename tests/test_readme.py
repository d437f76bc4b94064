"""The pages' code runs: Python blocks with fewer steps, commands through the command's own parser."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2c_control.agents import E2CAgent, FreeEnergyAgent
from e2c_control.cli import parse

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(not (ROOT / "README.md").is_file(), reason="needs the repository")
NAMES = ("README.md", "planners/README.md", "e2c_control/gradients/README.md", "e2c_control/autoencoders/README.md",
         "agents/README.md", "e2c_control/README.md", "e2c_control/training/README.md",
         "experiments/RESULTS.md", "CONTRIBUTING.md")  # fmt: skip
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES if (ROOT / name).is_file()}


def blocks(language: str) -> list[str]:
    found = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [block for page in PAGES.values() for block in found.findall(page)]


def commands(program: str) -> list[str]:
    """What follows a program's name in the bash blocks, and in code between sentences."""
    lines = "\n".join(blocks("bash"))
    inline = re.findall(rf"`(?:\.venv/bin/)?{program} ([^`]+)`", "\n".join(PAGES.values()))
    found = re.findall(rf"^{program} +([^#\n]+)", lines, re.MULTILINE) + inline
    return [command.strip() for command in found if command not in ("COMMAND", "--help")]


def anchors(page: str) -> set[str]:
    """What the headings of a page are called in links, on GitHub."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer timesteps and optimiser steps, one short episode: the calls are the README's."""
    begin: Callable[..., None] = E2CAgent.__init__
    learn: Callable[..., E2CAgent] = E2CAgent.learn

    def begin_tiny(self: E2CAgent, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **{**kwargs, "steps_scale": 0.003})

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

    monkeypatch.setattr(E2CAgent, "__init__", begin_tiny)
    monkeypatch.setattr(E2CAgent, "learn", learn_tiny)
    monkeypatch.setattr(FreeEnergyAgent, "learn", explore_tiny)
    monkeypatch.setattr("stable_baselines3.common.evaluation.evaluate_policy", evaluate_tiny)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("block", blocks("python"))
def test_python_blocks_run(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "page", "exec"), {})


@pytest.mark.parametrize("command", commands("e2c"))
def test_commands_parse(command: str) -> None:
    assert parse(command.split()) is not None


@pytest.mark.parametrize("target", commands("make"))
def test_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    for link in re.findall(r"\]\((?!http)([^)]+)\)", PAGES[name]):
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link
