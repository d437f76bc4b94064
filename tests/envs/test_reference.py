"""The protocol's problems and the scores that bound it (e2c.md, sections 6.5 and 9)."""

from dataclasses import replace

import numpy as np
import pytest

from e2c_control.envs import make_task, task_ids
from e2c_control.envs.planar_tasks import planar
from e2c_control.envs.reference import drive, reference_scores, time_in_goal

ORACLE = {
    "E2C/Planar-v0": 75.5,
    "E2C/PendulumBalance-v0": 100.0,
    "E2C/PendulumSwingUp-v0": 84.0,
    "E2C/CartPoleBalance-v0": 97.8,
}


@pytest.mark.parametrize("task_id", ORACLE)
def test_reference_scores_are_the_published_ceilings(task_id):
    assert 100 * reference_scores(make_task(task_id)).mean() == pytest.approx(ORACLE[task_id], abs=1e-9)


def test_every_swing_up_problem_has_the_same_ceiling():
    np.testing.assert_allclose(reference_scores(make_task("E2C/PendulumSwingUp-v0")), 0.84)


def test_planar_scores_spread_as_published():
    scores = 100 * reference_scores(planar())
    assert scores.std() / np.sqrt(10) == pytest.approx(0.32, abs=0.01)


@pytest.mark.slow
def test_planar_ceiling_over_many_problems():
    scores = 100 * reference_scores(planar(), planar().evaluation_problems(seed=100, n=2000))
    assert scores.mean() == pytest.approx(76.0, abs=0.2)
    assert (scores.min(), scores.max()) == pytest.approx((75, 77.5))


@pytest.mark.parametrize("task_id", ["E2C/PlanarWalls-v0", "E2C/PendulumPump-v0"])
def test_own_tasks_can_be_solved(task_id):
    task = make_task(task_id)
    for problems in (task.evaluation_problems(), task.evaluation_problems(seed=101, n=20)):
        assert reference_scores(task, problems).min() >= 0.55
    final = drive(task, task.references[0], task.evaluation_problems())[-1]
    goals = np.stack([problem.goal for problem in task.evaluation_problems()])
    assert task.in_goal(final, goals).all()


def test_the_pump_cannot_lift_the_rod():
    task = make_task("E2C/PendulumPump-v0")
    constant = replace(task, references=(lambda states, goals, step, rng: np.full((len(states), 1), 1.0),))
    assert reference_scores(constant).max() == 0


@pytest.mark.parametrize("task_id", task_ids())
def test_problems_are_the_legacy_streams_where_goals_are_listed(task_id):
    task = make_task(task_id)
    if task.counterpart is not None:
        problems = task.evaluation_problems(7, 5)
        np.testing.assert_array_equal(problems[:3], task.evaluation_problems(7, 3))
        assert not np.array_equal(problems[0].start, task.evaluation_problems(8, 1)[0].start)
        return
    np.random.seed(2020)  # noqa: NPY002
    for problem in task.evaluation_problems():
        np.testing.assert_array_equal(problem.start, np.random.uniform(task.start_low, task.start_high))  # noqa: NPY002
        np.testing.assert_array_equal(problem.goal, task.goals[np.random.choice(len(task.goals))])  # noqa: NPY002
        assert task.system.contains(problem.start[None])[0]


def test_problem_lists():
    task = planar()
    first = [0.98627 * 4 + 3, 0.87339 * 4 + 3]  # the first two uniform numbers of seed 2020
    np.testing.assert_allclose(task.evaluation_problems()[0].start, first, atol=1e-4)
    assert len(task.evaluation_problems(seed=100, n=3)) == 3
    assert not np.array_equal(task.evaluation_problems(seed=100)[0].start, task.evaluation_problems()[0].start)


def test_score_counts_the_states_after_a_step():
    task = replace(planar(), horizon=2)
    problem = task.evaluation_problems(n=1)
    away, there = np.array([[3.0, 3.0]]), problem[0].goal[None]
    assert time_in_goal(task, np.stack([there, away, there]), problem) == [0.5]


@pytest.mark.parametrize("task_id", task_ids())
def test_costs_in_action_units_are_the_costs_of_the_controls(task_id):
    task = make_task(task_id)
    action = np.random.default_rng(0).uniform(-1, 1, task.system.control_size)
    control = action * task.system.control_limit
    assert np.sum(task.action_weight * action**2) == pytest.approx(task.r * np.sum(control**2))
