"""The pages' code runs: Python blocks with fewer steps, commands through the command's own parser."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from e2c_control import Recipe, Transitions, make_recipe
from e2c_control.agents import E2CAgent, FreeEnergyAgent, PlannedCuriosity, SceneTraining
from e2c_control.cli import parse
from e2c_control.models.scene import Scene
from e2c_control.training.scene import SceneSigns, learn_scene

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(not (ROOT / "README.md").is_file(), reason="needs the repository")
NAMES = ("README.md", "planners/README.md", "e2c_control/gradients/README.md", "e2c_control/autoencoders/README.md",
         "agents/README.md", "e2c_control/README.md", "e2c_control/training/README.md",
         "experiments/RESULTS.md", "CONTRIBUTING.md")  # fmt: skip
LINKED = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES if (ROOT / name).is_file()}


def page_of(path: Path) -> str:
    """Return a page's text: of a notebook its words, and all of its cells with code as one block."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]]
    words, code = ("\n\n".join(text for of, text in cells if of == kind) for kind in ("markdown", "code"))
    return f"{words}\n```python\n{code}\n```\n"


SITE = {
    str(path.relative_to(ROOT)): page_of(path)
    for kind in ("*.md", "*.ipynb")
    for path in sorted((ROOT / "e2c_control/docs").rglob(kind))
}
"""Pages of the documentation site that are written by hand: tests/test_docs.py follows their links."""
PAGES = LINKED | SITE


def blocks(language: str) -> dict[str, str]:
    """Return the code blocks of all pages, by page and number."""
    found = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return {f"{name}-{i}": block for name, page in PAGES.items() for i, block in enumerate(found.findall(page), 1)}


def commands(program: str) -> list[str]:
    """What follows a program's name in the bash blocks, and in code between sentences."""
    lines = "\n".join(blocks("bash").values()).replace("-m e2c_control ", "-m e2c_control\ne2c ")
    inline = re.findall(rf"`(?:\.venv/bin/)?{program} ([^`]+)`", "\n".join(PAGES.values()))
    found = re.findall(rf"^{program} +([^#\n]+)", lines, re.MULTILINE) + inline
    return list(dict.fromkeys(command.strip() for command in found if command not in ("COMMAND", "--help")))


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
        short = {"episode_length": 30} if kwargs.get("objective") == "reward" else {}
        begin(self, *args, **{**kwargs, **short, "steps_scale": 0.003})

    def learn_tiny(self: E2CAgent, total_timesteps: int, **kwargs: Any) -> E2CAgent:
        assert total_timesteps > 1000
        return learn(self, 90, **kwargs)  # two whole episodes and more

    def make_tiny(*args: Any) -> Recipe:
        return make_recipe(*args).scaled(0.003)

    explore: Callable[..., FreeEnergyAgent] = FreeEnergyAgent.learn
    seek: Callable[..., PlannedCuriosity] = PlannedCuriosity.learn

    def explore_tiny(self: FreeEnergyAgent, total_timesteps: int) -> FreeEnergyAgent:
        assert total_timesteps > 1000
        return explore(self, 600)

    def plan_tiny(self: PlannedCuriosity, total_timesteps: int) -> PlannedCuriosity:
        return seek(self, min(total_timesteps, 120))

    def evaluate_tiny(agent: E2CAgent, env: Any, n_eval_episodes: int) -> tuple[float, float]:
        from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

        vec_env = env if isinstance(env, VecEnv) else DummyVecEnv([lambda: env])
        observation, state = vec_env.reset(), None
        for _ in range(2):
            action, state = agent.predict(observation, state)
            observation, *_ = vec_env.step(action)
        return 0.0, 0.0

    def scene_tiny(data: Transitions, seed: int, training: None) -> tuple[Scene, SceneSigns]:
        return learn_scene(data, seed, SceneTraining(background_steps=300, move_steps=300, room_steps=100))

    monkeypatch.setattr("e2c_control.agents.scene_agent.learn_scene", scene_tiny)
    monkeypatch.setattr(E2CAgent, "__init__", begin_tiny)
    monkeypatch.setattr(E2CAgent, "learn", learn_tiny)
    monkeypatch.setattr(FreeEnergyAgent, "learn", explore_tiny)
    monkeypatch.setattr(PlannedCuriosity, "learn", plan_tiny)
    monkeypatch.setattr("e2c_control.make_recipe", make_tiny)
    monkeypatch.setattr("stable_baselines3.common.evaluation.evaluate_policy", evaluate_tiny)


def marked(block: str) -> Any:
    """Return the block as a parameter: what needs stable-worldmodel runs where that is installed."""
    return pytest.param(block, marks=[pytest.mark.peer] if "import stable_worldmodel" in block else [])


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("block", list(map(marked, blocks("python").values())), ids=blocks("python"))
def test_python_blocks_run(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    script = ModuleType("page")  # what a block defines is found again by its name, as in a script
    monkeypatch.setitem(sys.modules, "page", script)
    exec(compile(block, "page", "exec"), script.__dict__)


@pytest.mark.parametrize("command", commands("e2c"))
def test_commands_parse(command: str) -> None:
    assert parse(re.sub(r" --trust \S+", "", command).split()) is not None  # which `main` takes from all commands


@pytest.mark.parametrize("target", commands("make"))
def test_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", LINKED)
def test_links_lead_somewhere(name: str) -> None:
    for link in re.findall(r"\]\((?!http)([^)]+)\)", PAGES[name]):
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link
