"""`e2c plan` with several goals, which are driven to one after another."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e2c_control.agents import E2CAgent
from e2c_control.cli import main
from e2c_control.evaluation import TrainedRun
from e2c_control.evaluation.episode import PATIENCE, drive_task, no_nearer
from e2c_control.evaluation.film import film
from e2c_control.evaluation.picturing import picture_foreign, picture_problem
from e2c_control.runs.logger import read_metrics

GOALS = np.array([[5.0, 12.0], [5.0, 5.0], [12.0, 5.0]])


@pytest.mark.parametrize(
    ("distances", "over"),
    [
        ([5.0], False),
        ([5.0] * PATIENCE, False),
        ([5.0] * (PATIENCE + 1), True),
        (list(np.linspace(5.0, 3.0, 50)), False),
        ([*np.linspace(5.0, 1.0, 50), *[1.001] * PATIENCE], True),
        ([*np.linspace(5.0, 1.0, 50), *[1.001] * (PATIENCE - 1)], False),
        (list(5.0 + np.arange(30)), True),  # away from it
        ([0.0] * (PATIENCE + 1), True),  # there from the beginning
    ],
)
def test_a_goal_is_given_up_once_ten_steps_lead_no_nearer(distances: list[float], over: bool) -> None:
    assert no_nearer(distances) == over


@pytest.fixture
def seeing(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Lets agents go straight to where the goal's image shows the disc; tells which images they were given."""
    known: dict[str, Any] = {"goals": []}

    def place(image: np.ndarray) -> np.ndarray:
        shown = np.abs(image[..., -1].astype(float) - known["background"])
        return np.array([(shown * index).sum() / shown.sum() for index in np.indices(shown.shape)])

    def predict(agent: E2CAgent, observation: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        way = place(observation) - place(known["goals"][-1])
        return np.clip(-way / 2, -1, 1).astype(np.float32), state

    monkeypatch.setattr(E2CAgent, "set_goal", lambda agent, image: known["goals"].append(image))
    monkeypatch.setattr(E2CAgent, "predict", predict)
    monkeypatch.setattr(E2CAgent, "shown", lambda agent, state: np.zeros((1, 3, 2)))
    monkeypatch.setattr(E2CAgent, "last_replan", None, raising=False)
    return known


def test_each_goal_of_a_task_is_reached_before_the_next_one(whole: Path, seeing: dict[str, Any]) -> None:
    trained = TrainedRun.open(whole)
    task = replace(trained.task(), horizon=40)
    seeing["background"] = np.asarray(task.system.background(GOALS[0]))[..., -1].astype(float)
    episode = drive_task(trained.agent(task), task, np.array([12.0, 12.0]), GOALS, 0)
    assert episode.reached == 3
    assert len(seeing["goals"]) == 3
    assert (np.diff(episode.aims) >= 0).all()
    assert episode.aims[0] == 0
    assert episode.aims[-1] == 2
    assert episode.states is not None
    for aim, goal in enumerate(GOALS):
        to = np.flatnonzero(np.array(episode.aims) == aim)
        assert task.in_goal(episode.states[to[-1] + 1 if aim < 2 else -1][None], goal[None])[0]
        if aim < 2:
            assert not task.in_goal(episode.states[to[1:]], np.tile(goal, (len(to) - 1, 1))).any(), "at once"
        np.testing.assert_array_equal(episode.goals[aim], task.system.render(goal[None])[0])
    frames = film(episode, None)
    assert (frames[0][190:318, 490:] != frames[-1][190:318, 490:]).any(), "the film shows the goal of the moment"
    drawn = picture_problem(trained, task, task.evaluation_problems(100, 1)[0], 0, None, GOALS[1:])
    assert "plan/oracle" not in drawn.scalars
    assert len(drawn.episode.goals) == 3


@pytest.mark.filterwarnings("ignore")
def test_elsewhere_the_next_goal_is_due_where_no_step_leads_nearer(
    rendered: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained, given = TrainedRun.open(rendered), list[np.ndarray]()
    monkeypatch.setattr(E2CAgent, "predict", lambda agent, seen, state: (np.zeros(1, np.float32), state))
    monkeypatch.setattr(E2CAgent, "set_goal", lambda agent, image: given.append(image))
    monkeypatch.setattr(E2CAgent, "shown", lambda agent, state: np.zeros((1, 3, trained.embedding.config.latent_dim)))
    goals = [trained.recorded(episode, 3)[0] for episode in (0, 1)]
    driven = picture_foreign(trained, goals, 100, 0)
    assert len(given) == driven.episode.reached == driven.scalars["plan/goals_reached"] == 2
    first = driven.episode.aims.index(1)
    ways = np.linalg.norm(driven.episode.latents[1:] - driven.episode.goal_latents[0], axis=1)
    due = next(t for t in range(1, 101) if no_nearer(list(ways[:t])))
    assert first == due
    monkeypatch.undo()
    plan = ("plan", "--run", str(rendered), "--steps", "3", "--out", str(tmp_path))
    assert main([*plan, "--goal-frame", "0:3", "1:3"]) == 0
    said = capsys.readouterr().out
    assert "Goal      0:3 of the run's dataset\nGoal      1:3 of the run's dataset" in said
    assert "Goals     0 of 2 reached, or come as near to as it went" in said


def test_states_and_frames_of_the_dataset_are_sequences_too(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], refused: Any
) -> None:
    plan = ("plan", "--run", str(whole), "--steps", "3", "--out", str(tmp_path))
    for goals in (("--goal-state", "5", "5", "37", "20"), ("--goal-frame", "0:3", "1:2")):
        assert main([*plan, *goals]) == 0
        assert "of 2 goals reached" in capsys.readouterr().out
    assert read_metrics(tmp_path / "metrics.jsonl")[-1]["plan/goals_reached"] <= 2
    assert "must have shape (2,)" in refused(*plan, "--goal-state", "5", "5", "37")
    assert "outside the world" in refused(*plan, "--goal-state", "5", "5", "50", "50")
