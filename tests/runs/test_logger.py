"""Curves: the same in TensorBoard and metrics.jsonl, and without overlap after a resume."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e2c_control.errors import InputError
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.logger import RunLogger, read_metrics


@dataclass(frozen=True)
class Config:
    rate: float = 0.1


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "E2C/Planar-v0", Config())


def events(run: RunFolder) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(run.path)).Reload()


def test_scalars_and_images(run: RunFolder) -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[1, 2] = (255, 0, 0)
    with RunLogger(run) as logger:
        logger.scalars(1, {"loss/total": 2.5, "time/fps": 100})
        logger.scalars(2, {"loss/total": float("nan")})
        logger.image(2, "images/latent_map", picture)
        logger.image(2, "images/grey", picture[..., 0])
    assert read_metrics(run.metrics) == [
        {"step": 1, "loss/total": 2.5, "time/fps": 100.0},
        {"step": 2, "loss/total": None},
    ]
    seen = events(run)
    assert [(event.step, event.value) for event in seen.Scalars("time/fps")] == [(1, 100.0)]
    (image,) = seen.Images("images/latent_map")
    assert (image.step, image.width, image.height) == (2, 6, 4)
    assert seen.Images("images/grey")


def test_resumed_curves_continue_without_overlap(run: RunFolder) -> None:
    with RunLogger(run) as logger:
        for step in range(10):
            logger.scalars(step, {"loss/total": step})
    with run.metrics.open("a") as file:
        file.write('{"step": 10, "loss/to')  # as a kill leaves it
    with RunLogger(run, resume_step=5) as logger:
        for step in range(6, 9):
            logger.scalars(step, {"loss/total": -step})
    expected = [0, 1, 2, 3, 4, 5, -6, -7, -8]
    assert [row["loss/total"] for row in read_metrics(run.metrics)] == expected
    assert [event.value for event in events(run).Scalars("loss/total")] == expected


def test_a_run_goes_on_after_its_drives_were_noted(run: RunFolder) -> None:
    """Their tables are lines of metrics.jsonl, which keep their place among those of the curves."""
    with RunLogger(run) as logger:
        logger.scalars(5, {"loss/total": 1.0})
        logger.table(5, "drives/goal", {"time in goal": 75.0})
        logger.scalars(6, {"loss/total": 0.5})
    with RunLogger(run, resume_step=5) as logger:
        logger.scalars(6, {"loss/total": 0.25})
    assert read_metrics(run.metrics) == [
        {"step": 5, "loss/total": 1.0},
        {"step": 5, "of": "drives/goal", "time in goal": 75.0},
        {"step": 6, "loss/total": 0.25},
    ]


def test_damaged_metrics(run: RunFolder) -> None:
    run.metrics.write_text('{"step": 0}\nnonsense\n{"step": 2}\n')
    with pytest.raises(InputError, match="damaged in line 2"):
        RunLogger(run, resume_step=1)
    assert run.metrics.read_text().count("\n") == 3


@pytest.mark.parametrize("line", ["[3]", '{"a": 1}', '{"step": "1"}', "3"])
def test_lines_that_are_no_metrics(run: RunFolder, line: str) -> None:
    for text in (f'{{"step": 0}}\n{line}\n{{"step": 2}}\n', f'{{"step": 0}}\n{line}\n'):
        run.metrics.write_text(text)
        with pytest.raises(InputError, match=r"metrics.jsonl is damaged in line 2: remove that line"):
            RunLogger(run, resume_step=1)
        assert run.metrics.read_text() == text


def test_tables_are_read_again_and_are_no_curves(run: RunFolder) -> None:
    with RunLogger(run) as logger:
        logger.scalars(1, {"loss/total": 2.0})
        logger.table(1, "drives/plan", {"cost": 3.0, "lost": float("nan")})
    with RunLogger(run, resume_step=1) as logger:
        logger.scalars(2, {"loss/total": 1.0})
    assert read_metrics(run.metrics) == [
        {"step": 1, "loss/total": 2.0},
        {"step": 1, "of": "drives/plan", "cost": 3.0, "lost": None},
        {"step": 2, "loss/total": 1.0},
    ]
    assert events(run).Tags()["scalars"] == ["loss/total"]


def test_run_folder_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write"):
        RunLogger(RunFolder(tmp_path / "file"))
