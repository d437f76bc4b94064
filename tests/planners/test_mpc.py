"""Receding horizons, and what happens when planning fails."""

from dataclasses import replace

import numpy as np
import pytest

from e2c_control.errors import InputError
from e2c_control.planners import ILQR, MPC, FunctionDynamics, Limits, LinearDynamics, Plan, QuadraticCost, StopReason

LIMITS = Limits.symmetric(1.0, 2)
MODEL = LinearDynamics(np.eye(2), 0.5 * np.eye(2))
COST = QuadraticCost([[3.0, 1.0], [-2.0, 2.0]], np.eye(2), 0.1 * np.eye(2))
STATES = np.zeros((2, 2))


def mpc(dynamics=MODEL, cost=COST, planner=None, horizon=5):
    return MPC(planner or ILQR(iterations=4), dynamics, cost, horizon, LIMITS)


def test_a_closed_loop_reaches_each_goal_and_the_horizon_shrinks():
    states, plan, rng = STATES, None, np.random.default_rng(0)
    for steps_left in range(12, 0, -1):
        plan, record = mpc().replan(states, plan, steps_left, rng)
        assert plan.horizon == min(5, steps_left)
        assert not record.fallback.any()
        states = MODEL.step(states, plan.controls[:, 0])
    np.testing.assert_allclose(states, COST.goal, atol=0.05)


def test_the_plan_is_carried_by_the_caller_alone():
    first, _ = mpc().replan(STATES)
    again, _ = mpc().replan(STATES)
    np.testing.assert_array_equal(first.controls, again.controls)


def test_only_the_failing_problem_falls_back():
    controller = mpc()
    plan, _ = controller.replan(STATES)
    broken = plan.states[:, 1].copy()
    broken[0] = np.nan
    after, record = controller.replan(broken, plan)
    np.testing.assert_array_equal(record.fallback, [True, False])
    assert after.reasons[0] == StopReason.FALLBACK
    assert after.reasons[1] != StopReason.FALLBACK
    assert record.stop_reason[0] == StopReason.NON_FINITE
    np.testing.assert_array_equal(after.controls[0, :-1], plan.controls[0, 1:])
    np.testing.assert_array_equal(after.controls[0, -1], plan.controls[0, -1])
    assert (after.gains[0] == 0).all()
    assert record.scalars()["plan/fallbacks"] == 1
    assert all(isinstance(value, float) for value in record.scalars().values())


def test_without_a_plan_the_fallback_is_the_allowed_control_nearest_to_zero():
    limits = Limits(np.array([0.2, -1.0]), np.array([1.0, 1.0]))
    controller = replace(mpc(), limits=limits)
    plan, record = controller.replan(np.full((2, 2), np.inf))
    assert record.fallback.all()
    np.testing.assert_array_equal(plan.controls, np.broadcast_to([0.2, 0.0], (2, 5, 2)))


def test_a_fallback_is_not_carried_into_a_new_episode():
    controller = mpc()
    plan, _ = controller.replan(STATES)
    after, _ = controller.replan(np.full((2, 2), np.nan), plan, restarted=[True, False])
    np.testing.assert_array_equal(after.controls[0], 0.0)
    np.testing.assert_array_equal(after.controls[1, 0], plan.controls[1, 1])


def test_a_model_that_breaks_is_survived():
    broken = FunctionDynamics(lambda states, controls: states * np.nan, 2, 2)
    plan, record = mpc(dynamics=broken).replan(STATES)
    assert record.fallback.all()
    assert np.isfinite(plan.controls).all()
    assert (plan.cost == np.inf).all()
    assert np.isnan(record.scalars()["plan/cost"])


def test_a_fallback_that_was_planned_under_wider_limits_is_clipped():
    plan = Plan.guess(np.full((2, 5, 2), 7.0), 2)
    after, _ = mpc().replan(np.full((2, 2), np.nan), plan)
    np.testing.assert_array_equal(after.controls, 1.0)


def test_shift_repeats_the_last_control_or_cuts_the_tail():
    plan, _ = mpc().replan(STATES)
    longer, shorter, last = plan.shift(7), plan.shift(2), plan.shift(1).shift(3)
    np.testing.assert_array_equal(longer.controls[:, :4], plan.controls[:, 1:])
    np.testing.assert_array_equal(longer.controls[:, 4:], plan.controls[:, [-1, -1, -1]])
    np.testing.assert_array_equal(shorter.controls, plan.controls[:, 1:3])
    np.testing.assert_array_equal(shorter.states, plan.states[:, 1:4])
    np.testing.assert_array_equal(last.controls, plan.controls[:, [1, 1, 1]])
    assert longer.gains.shape == (2, 7, 2, 2)
    assert longer.states.shape == (2, 8, 2)


def test_feedback_corrects_a_disturbance_within_the_limits():
    plan, _ = mpc().replan(STATES)
    np.testing.assert_array_equal(plan.feedback(0, STATES, LIMITS), plan.controls[:, 0])
    pushed = plan.feedback(3, plan.states[:, 3] + [[0.1, 0.0], [-50.0, 50.0]], LIMITS)
    assert np.abs(pushed).max() <= 1.0
    np.testing.assert_array_equal(plan.feedback(3, np.full((2, 2), np.nan), LIMITS), plan.controls[:, 3])


def test_a_selection_holds_the_chosen_problems():
    plan, _ = mpc().replan(STATES)
    one = plan.select([1])
    assert len(one) == 1
    assert one.states.shape == (1, 6, 2)
    np.testing.assert_array_equal(one.controls[0], plan.controls[1])


def test_a_previous_plan_for_other_problems_is_named():
    plan, _ = mpc().replan(STATES)
    with pytest.raises(InputError, match="previous plan is for 1 problems, but 2 states"):
        mpc().replan(STATES, plan.select([0]))
