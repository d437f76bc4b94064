"""Pages of what can be chosen by name: complete lists, every page with its settings, a hint where a name is wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from e2c_control.cli import main
from e2c_control.envs import task_ids
from e2c_control.objectives.recipes import RECIPES
from e2c_control.planners import PLANNERS

NAMES = {"envs": list(task_ids()), "recipes": list(RECIPES), "planners": list(PLANNERS)}


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", NAMES)
def test_the_list_has_a_line_for_each(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, command).splitlines()
    assert [line.split()[0] for line in lines[: len(NAMES[command])]] == NAMES[command]
    texts = [line.split(maxsplit=1)[1] for line in lines[: len(NAMES[command])]]
    assert len(set(texts)) == len(texts), "each says what it is"


@pytest.mark.parametrize(("command", "name"), [(command, name) for command, names in NAMES.items() for name in names])
def test_every_page(command: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = said(capsys, command, name)
    assert page.startswith(f"{name}: ")
    wanted = {"envs": "Reward:", "recipes": "embedding.latent_dim", "planners": "Source"}
    assert wanted[command] in page
    assert "factory" not in page
    if command == "planners" and name != "lqr":
        assert "--set settings.NAME=value:" in page


def test_the_page_of_a_planner_of_ones_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "shop_of_planners.py").write_text(
        '"""A module."""\nclass Mine:\n    """Draws lots."""\n    def __init__(self, lots=7): ...\n'
    )
    page = said(capsys, "planners", "shop_of_planners:Mine")
    assert "Draws lots." in page
    assert page.splitlines()[-1].split() == ["lots", "7"]


@pytest.mark.parametrize(
    ("command", "wrong", "right"),
    [("envs", "E2C/Plana-v0", "E2C/Planar-v0"), ("recipes", "unfolded", "unfold"), ("planners", "ilqq", "ilqr")],
)
def test_a_wrong_name(command: str, wrong: str, right: str, refused: Callable[..., str]) -> None:
    assert f"{wrong!r} (did you mean {right!r}?)" in refused(command, wrong)
