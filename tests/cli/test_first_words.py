"""What a newcomer with an environment of his own reads first: its size, its episodes, what was chosen for him."""

from collections.abc import Callable
from pathlib import Path

import pytest

from e2c_control.cli import COMMANDS, main
from e2c_control.data.specs import find_spec
from e2c_control.errors import InputError

Succeed = Callable[..., None]
COLLECT = ("collect", "--env", "Pendulum-v1", "--n-envs", 1)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    return lambda: " ".join(capsys.readouterr().out.split())


def test_one_episode_is_not_recommended_to_train_on(tmp_path: Path, succeed: Succeed, said: Callable[[], str]) -> None:
    succeed(*COLLECT, "--out", tmp_path / "data", "--transitions", 40, "--image-size", 16)
    told = said()
    assert "one episode is too few to train on" in told
    assert "e2c train" not in told


def test_a_collection_says_how_long_episodes_were(tmp_path: Path, succeed: Succeed, said: Callable[[], str]) -> None:
    small = ("--transitions", 80, "--image-size", 16)
    succeed(*COLLECT, "--out", tmp_path / "data", *small)
    told = said()
    assert "80 transitions of Pendulum-v1 in 2 episodes of up to 40 steps" in told
    assert "after 40 steps, the default: --episode-length" in told
    assert "numbers in an observation" not in told
    succeed(*COLLECT, "--out", tmp_path / "short", *small, "--episode-length", 20)
    assert "the default" not in said()


def test_what_makes_training_long_is_said_before(tmp_path: Path, succeed: Succeed, said: Callable[[], str]) -> None:
    succeed(*COLLECT, "--out", tmp_path / "data", "--transitions", 80, "--frame-stack", 2, "--colours", "rgb")
    assert "24,576 numbers in an observation (64 x 64 x 3 x 2): training takes time in proportion" in said()


@pytest.mark.parametrize(
    ("chosen", "told"), [((), "3 latents (by default; one fewer"), (("--latent-dim", 2), "2 latents")]
)
def test_training_says_which_latents_it_takes(
    chosen: tuple[object, ...], told: str, tmp_path: Path, succeed: Succeed, said: Callable[[], str]
) -> None:
    succeed(*COLLECT, "--out", tmp_path / "data", "--transitions", 400, "--image-size", 16)
    short = ("--steps-scale", 0.001, "--runs", tmp_path / "runs")
    succeed("train", "--dataset", tmp_path / "data", *short, *chosen)
    line = said().split("Recipe ")[1]
    assert line.startswith("unfold, ")
    assert told in line.partition(" map on held-out")[0]
    assert ("by default" in line) == (not chosen)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_says_how_code_is_trusted(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert "--trust my_package" in capsys.readouterr().out


def test_an_environment_of_ones_own_needs_its_module() -> None:
    """Rather than another of that name, of another package."""
    with pytest.raises(InputError, match="if it is your own, give 'module:My/Planar-v0'"):
        find_spec("My/Planar-v0")
    with pytest.raises(InputError, match="did you mean 'E2C/Planar-v0'"):
        find_spec("E2C/Planarr-v0")


def test_all_names_of_the_front_door_at_once() -> None:
    offered: dict[str, object] = {}
    exec("from e2c_control import *", offered)
    assert {"E2CAgent", "make_image_env", "Recipe"} <= set(offered)
