"""Every recipe goes the whole way by its name: trained, measured, drawn, driven."""

from collections.abc import Callable
from pathlib import Path

import pytest

from e2c_control.objectives.recipes import RECIPES


@pytest.mark.filterwarnings("ignore:No recorded")  # the map is hardly trained
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_trains_and_drives(name: str, planar: Path, tmp_path: Path, succeed: Callable[..., None]) -> None:
    runs = tmp_path / "runs"
    options = ("--steps-scale", 0.0005, "--runs", runs, "--name", name)
    shorter = ("--set", "phases.unfold.horizon=8") if name == "unfold-reward" else ()  # than episodes of 12 steps
    succeed("train", "--dataset", planar, "--recipe", name, *options, *shorter)
    run = runs / "Planar-v0" / name
    assert (run / "plots" / "latent_map.png").is_file()
    succeed("evaluate", "--run", run)
