"""What `e2c plan` says of a goal: beforehand that it is far from all data, afterwards how near the drive came."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from e2c_control.agents import E2CAgent
from e2c_control.errors import InputWarning
from e2c_control.evaluation import TrainedRun
from e2c_control.evaluation.picturing import picture_foreign
from e2c_control.measures import Recorded

Succeed = Callable[..., None]
TOLD = re.compile(
    r"Nearest +(?:goal (\d): )?frame (\d+) of (\d+), ([\d.]+) steps on the map .*"
    r"\(([\d.]+) at first, ([\d.]+) at the end\)(.*)"
)


def test_plan_says_how_near_it_came(
    rendered: Path, tmp_path: Path, succeed: Succeed, capsys: pytest.CaptureFixture
) -> None:
    plan = ("plan", "--run", rendered, "--steps", 8, "--out", tmp_path)
    capsys.readouterr()
    succeed(*plan, "--goal-frame", "0:3", "1:3")
    first, *others = TOLD.findall(capsys.readouterr().out)
    trained = TrainedRun.open(rendered)
    known = trained.known
    assert known is not None
    goals = [trained.recorded(episode, 3)[0] for episode in (0, 1)]
    driven = picture_foreign(trained, goals, 8, 100, {"episode_steps": 8}).episode
    assert driven.aims == [0] * 9, "too short to come to the other"
    assert others == []
    ways = np.linalg.norm(driven.latents - driven.goal_latents[0], axis=1) / known.step
    goal, frame, count, steps, begun, ended, verdict = first
    assert (goal, int(frame), int(count)) == ("1", ways.argmin(), 8)
    assert [steps, begun, ended] == [f"{ways.min():.1f}", f"{ways[0]:.1f}", f"{ways[-1]:.1f}"]
    at_goal = ": reached" if ways[-1] <= 2 else ": passed, and left again"
    assert verdict == (at_goal if ways.min() <= 1 else ": not reached, that is within 1")


def test_in_a_world_with_a_task_its_own_test_tells(
    whole: Path, tmp_path: Path, succeed: Succeed, capsys: pytest.CaptureFixture
) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    succeed("plan", "--run", run, "--steps", 3)
    assert TOLD.findall(capsys.readouterr().out)[0][-1] == ""
    (run / "recorded.json").unlink()  # as runs of earlier versions, or without measurements
    succeed("plan", "--run", run, "--steps", 3)
    assert re.search(
        r"Nearest +frame \d of 3, \d+% of the distance on the map at its start \(how long a step",
        capsys.readouterr().out,
    )


def test_a_goal_far_from_all_data_is_said(rendered: Path, tmp_path: Path, succeed: Succeed) -> None:
    """The map is hardly trained: what it takes for far is made so by what the run keeps."""
    run = Path(shutil.copytree(rendered, tmp_path / "run"))
    trained = TrainedRun.open(run)
    known = trained.known
    assert known is not None
    plan = ("plan", "--run", run, "--steps", 2, "--goal", tmp_path / "goal.png")
    Image.fromarray(trained.recorded(0, 3)[0][..., 0]).save(tmp_path / "goal.png")
    succeed(*plan)  # warnings are errors here
    away = np.tile(known.latents, (100, 1)) + 100 * known.step  # fewer than a hundred say nothing
    Recorded(away, known.step, known.gap).keep(run)
    unlike = r"The goal is unlike everything recorded, .*\d+\.\d steps on the map"
    with pytest.warns(InputWarning, match=unlike):
        E2CAgent.load(run).set_goal(trained.make_env().reset(seed=0)[0])
    with pytest.warns(InputWarning, match=unlike):
        succeed(*plan)
