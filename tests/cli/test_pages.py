"""Pages of what can be chosen by name: complete lists, every page with its settings, a hint where a name is wrong."""

from collections.abc import Callable

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


@pytest.mark.parametrize(
    ("command", "wrong", "right"),
    [("envs", "E2C/Plana-v0", "E2C/Planar-v0"), ("recipes", "unfolded", "unfold"), ("planners", "ilqq", "ilqr")],
)
def test_a_wrong_name(command: str, wrong: str, right: str, refused: Callable[..., str]) -> None:
    assert f"{wrong!r} (did you mean {right!r}?)" in refused(command, wrong)
