"""Two finished cells of a hurried benchmark, and made-up ones where only numbers matter."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from e2c_control.benchmark.cell import Cell, Result, make_cell, run_cell
from e2c_control.benchmark.store import write_cell

HURRIED = {"problems": 100, "transitions": 300, "steps_scale": 0.002}
STEPS = 20
"""Of a drive."""


@pytest.fixture(scope="session")
def make() -> Callable[..., Cell]:
    """A hurried cell of the pendulum, which has two tasks, unless another world is named."""

    def make(recipe: str = "unfold", seed: int = 100, world: str = "pendulum", **others: float) -> Cell:
        cell = make_cell(world, recipe, seed, **{**HURRIED, **others})
        return replace(cell, world=replace(cell.world, arguments={"horizon": STEPS}))

    return make


@pytest.fixture(scope="session")
def ran(make: Callable[..., Cell], tmp_path_factory: pytest.TempPathFactory) -> tuple[Cell, Result, Path]:
    """A cell, what it gave, and the folder that it ran in."""
    folder = tmp_path_factory.mktemp("ran")
    return make(), run_cell(make(), folder), folder


@pytest.fixture
def stored(ran: tuple[Cell, Result, Path], make: Callable[..., Cell], tmp_path: Path) -> Path:
    """A folder of six cells: the real result, under three seeds and two recipes, the second with half its scores."""
    result = ran[1]
    half = {
        name: {**task, "scores": (np.array(task["scores"]) / 2).tolist()} for name, task in result.row["tasks"].items()
    }
    for seed in (100, 101, 102):
        for recipe, tasks in (("unfold", result.row["tasks"]), ("e2c", half)):
            row = {**result.row, "seed": seed, "tasks": tasks}
            write_cell(tmp_path / "cells", make(recipe, seed), Result(row, result.pictures))
    return tmp_path
