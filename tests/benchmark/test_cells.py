"""Cells: what they give, what is kept of them, and which of them may stand in one table."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e2c_control.benchmark.cell import Cell, Result, run_cell
from e2c_control.benchmark.store import read_cells, unfinished, write_cell
from e2c_control.benchmark.worlds import WORLDS
from e2c_control.errors import InputError
from e2c_control.runs.folder import RunFolder
from e2c_control.training.run import TrainConfig, load_embedding

Ran = tuple[Cell, Result, Path]


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_trains_on_what_it_drives(name: str) -> None:
    """One model serves all tasks of a world: same pictures, same motion, same process noise."""
    world = WORLDS[name]
    tasks = [world.task(task) for task in (world.environment, *world.tasks)]
    assert {task.observation_shape for task in tasks} == {tasks[0].observation_shape}
    assert {type(task.system) for task in tasks} == {type(tasks[0].system)}
    assert {task.system.noise for task in tasks} == {world.arguments.get("noise", 0.0)}
    assert len({task.evaluation_problems(100)[0].start.tobytes() for task in tasks[1:]}) == len(world.tasks)


def test_one_model_drives_every_task(ran: Ran) -> None:
    cell, result, _ = ran
    assert set(result.row["tasks"]) == set(cell.world.tasks)
    for name, found in result.row["tasks"].items():
        task = cell.world.task(name)
        assert {len(values) for values in found.values()} == {10}
        steps = np.array(found["scores"]) * task.horizon
        assert steps == pytest.approx(steps.round())
        assert min(found["latent_cost"] + found["real_cost"]) > 0
    assert result.row["seed"] == cell.seed
    assert result.row["train_cpu_seconds"] > 0
    assert result.row["measures"]["map/next_state_loss"] > 0


def test_the_oracle_stands_beside_the_same_problems(ran: Ran) -> None:
    balance = ran[1].row["tasks"]["E2C/PendulumBalance-v0"]
    assert balance["oracle"] == [1.0] * 10


def test_pictures_are_there_to_be_seen(ran: Ran) -> None:
    cell, result, _ = ran
    assert set(result.pictures) == {"map", *cell.world.tasks}
    for content in result.pictures.values():
        picture = Image.open(io.BytesIO(content))
        assert picture.size == (1000, 500)
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10
        assert len(content) < 200_000


def test_the_trained_run_stays_and_the_transitions_go(ran: Ran) -> None:
    cell, _, folder = ran
    run = RunFolder.open(folder / "PendulumSwingUp-v0" / cell.name)
    assert load_embedding(run).config == cell.recipe.embedding
    assert not list(folder.rglob("frames.npy"))
    assert [path.name for path in folder.iterdir()] == ["PendulumSwingUp-v0"]


def test_same_cell_same_scores(ran: Ran) -> None:
    cell, result, folder = ran
    again = run_cell(cell, folder)  # in the place of the first one
    assert again.row["tasks"] == result.row["tasks"]
    assert again.row["measures"] == result.row["measures"]
    assert again.pictures == result.pictures


def test_precision_reaches_the_training(ran: Ran, tmp_path: Path) -> None:
    cell = replace(ran[0], precision="bfloat16")
    run_cell(cell, tmp_path)
    (path,) = tmp_path.rglob("config.json")
    assert RunFolder.open(path.parent).config(TrainConfig).precision == "bfloat16"


def test_what_is_finished_is_not_run_again(stored: Path, make: Callable[..., Cell]) -> None:
    wanted = [make(seed=seed) for seed in (100, 103)]
    assert unfinished(stored / "cells", wanted) == [make(seed=103)]
    assert unfinished(stored / "nothing yet", wanted) == wanted


def test_cells_come_back_as_they_were(ran: Ran, tmp_path: Path) -> None:
    cell, result, _ = ran
    write_cell(tmp_path, cell, result)
    (found,) = read_cells(tmp_path)
    assert found.cell == cell
    assert found.row == json.loads(json.dumps(result.row))
    assert {name: path.read_bytes() for name, path in found.pictures.items()} == result.pictures


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"problems": 101}, "100, not 101"),
        ({"transitions": 301}, "transitions 300, not 301"),
        ({"steps_scale": 0.01}, r"phases\[0\].steps 2, not 8"),
        ({"precision": "bfloat16"}, "precision 'float32', not 'bfloat16'"),
    ],
)
def test_other_settings_are_refused_and_named(
    stored: Path, make: Callable[..., Cell], others: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=f"{said}.*another folder with --out"):
        unfinished(stored / "cells", [make(seed=103, **others)])


def test_another_world_may_have_other_settings(stored: Path, make: Callable[..., Cell]) -> None:
    wanted = [make(world="planar", transitions=500, steps_scale=1.0)]
    assert unfinished(stored / "cells", wanted) == wanted


@pytest.mark.parametrize("damage", ["", "{}", '{"format": "e2c-control benchmark cell", "version": 9}'])
def test_damaged_cells_are_named(stored: Path, make: Callable[..., Cell], damage: str) -> None:
    path = stored / "cells" / f"{make().name}.json"
    path.write_text(damage)
    with pytest.raises(InputError, match=make().name):
        unfinished(stored / "cells", [make(seed=103)])


@pytest.mark.parametrize(("world", "recipe"), [("plannar", "unfold"), ("planar", "e2d")])
def test_unknown_names_are_refused(make: Callable[..., Cell], world: str, recipe: str) -> None:
    with pytest.raises(InputError, match="There is no"):
        make(recipe, world=world)
