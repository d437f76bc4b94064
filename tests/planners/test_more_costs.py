"""Costs beside the quadratic one: expansions against differences, and what they do to plans."""

import numpy as np
import pytest

from e2c_control.errors import InputError
from e2c_control.planners import (
    ILQR,
    MPC,
    ControlRateCost,
    Cost,
    DisagreementCost,
    Ensemble,
    FunctionCost,
    FunctionDynamics,
    Limits,
    LinearDynamics,
    QuadraticCost,
    RememberControl,
    SumCost,
)
from e2c_control.planners.more_costs import ObstacleCost
from e2c_control.planners.registry import COSTS as GOAL_COSTS

RNG = np.random.default_rng(0)
MODEL = LinearDynamics(np.eye(2), 0.3 * np.eye(2))
GOAL = QuadraticCost([3.0, 0.0], np.eye(2), 0.1 * np.eye(2))
BENT = FunctionDynamics(lambda z, u: z + 0.3 * u + 0.2 * np.sin(z) * z[:, ::-1], 2, 2)
MEMBERS = Ensemble([MODEL, BENT, LinearDynamics(0.9 * np.eye(2), 0.2 * np.eye(2))])
LIMITS = Limits.symmetric(1.0, 2)


def bowl(states, controls, problems):
    return (states**2).sum(axis=1) ** 2 + (1 + problems) * (controls**2).sum(axis=1) + states[:, 0] * controls[:, 1]


COSTS = {
    "sum": (SumCost(GOAL, QuadraticCost([0.0, 1.0], np.eye(2), np.eye(2))), 2),
    "function": (FunctionCost(bowl, lambda states, problems: 5 * (states**2).sum(axis=1)), 2),
    "obstacles": (ObstacleCost([[1.0, 0.0], [0.0, 2.0]], 3.0, 0.7), 2),
    "rate": (ControlRateCost(GOAL, 0.5 * np.eye(2)), 4),
    "disagreement": (DisagreementCost(MEMBERS, 2.0), 2),
}


@pytest.mark.parametrize("name", COSTS)
def test_the_gradient_is_that_of_the_value(name):
    cost, n = COSTS[name]
    z, u, rows = RNG.normal(size=(3, 5, n)), RNG.normal(size=(3, 4, 2)), np.array([1, 0, 1])
    expansion = cost.expand(z, u, rows)
    for x, g in ((z, expansion.q), (u, expansion.r)):
        for t, i in ((0, 0), (2, 1), (x.shape[1] - 1, x.shape[2] - 1)):
            values = []
            for step in (1e-5, -1e-5):
                x[:, t, i] += step
                values.append(cost.value(z, u, rows))
                x[:, t, i] -= step
            np.testing.assert_allclose((values[0] - values[1]) / 2e-5, g[:, t, i], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", COSTS)
def test_the_hessian_of_a_stage_is_symmetric_and_positive_semidefinite(name):
    cost, n = COSTS[name]
    e = cost.expand(RNG.normal(size=(3, 5, n)), RNG.normal(size=(3, 4, 2)), np.arange(3))
    stage = np.block([[e.Q[:, :-1], e.S.swapaxes(2, 3)], [e.S, e.R]])
    np.testing.assert_allclose(stage, stage.swapaxes(2, 3), atol=1e-10)
    assert np.linalg.eigvalsh(stage).min() > -1e-6


@pytest.mark.parametrize("name", GOAL_COSTS)
def test_a_cost_of_reaching_goals_takes_one_for_all_or_one_for_each(name):
    make, goals = GOAL_COSTS.find(name), np.array([[3.0, 0.0], [-1.0, 2.0]])
    weights = np.eye(2), 0.1 * np.eye(2)
    z, u = RNG.normal(size=(2, 5, 2)), RNG.normal(size=(2, 4, 2))
    each = make(goals, *weights)
    values = each.value(z, u, np.arange(2))
    assert values.shape == (2,)
    for i, goal in enumerate(goals):
        one = slice(i, i + 1)
        alone = make(goal, *weights).value(z[one], u[one], np.zeros(1, np.int64))
        np.testing.assert_allclose(alone, values[one])
        np.testing.assert_allclose(each.value(z[one], u[one], np.array([i])), values[one])
        there = np.broadcast_to(goal, (1, 5, 2))
        assert make(goal, *weights).value(there, 0 * u[one], np.zeros(1, np.int64))[0] < values[i]


def test_costs_in_float32_have_the_derivatives_of_those_in_float64():
    def coarse(states, controls, problems):
        return bowl(states.astype(np.float32), controls.astype(np.float32), problems.astype(np.float32))

    z, u, rows = RNG.normal(size=(3, 5, 2)), RNG.normal(size=(3, 4, 2)), np.array([1, 0, 1])
    exact, found = (FunctionCost(stage).expand(z, u, rows) for stage in (bowl, coarse))
    for name in "qrQRS":
        np.testing.assert_allclose(getattr(found, name), getattr(exact, name), atol=0.05, err_msg=name)


def test_numeric_derivatives_of_a_quadratic_are_its_own():
    numeric = FunctionCost(
        lambda z, u, problems: ((z - GOAL.goal) ** 2).sum(axis=1) + 0.1 * (u**2).sum(axis=1),
        lambda z, problems: ((z - GOAL.goal) ** 2).sum(axis=1),
    )
    states = RNG.normal(size=(2, 2))
    plan, exact = (ILQR()(MODEL, cost, states, 8, LIMITS) for cost in (numeric, GOAL))
    np.testing.assert_allclose(plan.controls, exact.controls, atol=1e-5)
    np.testing.assert_allclose(plan.cost, exact.cost, rtol=1e-8)


def test_plans_go_around_an_obstacle():
    obstacle = np.array([[1.5, 0.05]])
    straight = ILQR()(MODEL, GOAL, [[0.0, 0.0]], 15, LIMITS)
    around = ILQR()(MODEL, SumCost(GOAL, ObstacleCost(obstacle, 20.0, 0.5)), [[0.0, 0.0]], 15, LIMITS)
    near = [np.linalg.norm(plan.states[0] - obstacle, axis=1).min() for plan in (straight, around)]
    assert near[0] < 0.3
    assert near[1] > 2 * near[0]
    np.testing.assert_allclose(around.states[0, -1], [3.0, 0.0], atol=0.3)


def test_a_rate_weight_makes_controls_smoother():
    dynamics, states = RememberControl(MODEL), np.zeros((1, 4))
    changes = []
    for weight in (0.0, 50.0):
        plan = ILQR()(dynamics, ControlRateCost(GOAL, weight * np.eye(2)), states, 10, LIMITS)
        np.testing.assert_array_equal(plan.states[:, 1:, 2:], plan.controls)
        changes.append(np.abs(np.diff(plan.controls[0, :, 0], prepend=0.0)).max())
    assert changes[1] < 0.5 * changes[0]


def test_disagreement_is_zero_where_members_agree_and_plans_avoid_the_rest():
    same = DisagreementCost(Ensemble([MODEL, MODEL]), 1.0)
    z, u = RNG.normal(size=(2, 5, 2)), RNG.normal(size=(2, 4, 2))
    np.testing.assert_allclose(same.value(z, u, np.arange(2)), 0.0, atol=1e-20)
    unsure = FunctionDynamics(lambda z, u: z + 0.3 * u + np.exp(-((z - [1.5, 0.05]) ** 2).sum(1, keepdims=True)), 2, 2)
    members = Ensemble([MODEL, unsure])
    spread = DisagreementCost(members, 1.0)
    careless = ILQR()(members, GOAL, [[0.0, 0.0]], 15, LIMITS)
    careful = ILQR()(members, SumCost(GOAL, DisagreementCost(members, 100.0)), [[0.0, 0.0]], 15, LIMITS)
    risk = [spread.value(plan.states, plan.controls, np.arange(1))[0] for plan in (careless, careful)]
    assert risk[1] < 0.5 * risk[0]


def test_the_gap_between_the_models_a_and_its_jacobian_is_reported():
    class Half(FunctionDynamics):
        def linearize(self, states, controls):
            model = super().linearize(states, controls)
            return type(model)(0.5 * model.A, model.B, model.o)

    half = Half(lambda z, u: 2 * z + u, 2, 2)
    plan = ILQR(report_gap=True)(half, GOAL, [[0.1, 0.0], [0.0, 0.2]], 5, LIMITS)
    np.testing.assert_allclose(plan.model_gap, 0.5, atol=1e-8)
    exact, record = MPC(ILQR(report_gap=True), BENT, GOAL, 5, LIMITS).replan([[0.1, 0.2]])
    assert exact.model_gap.max() < 1e-6
    assert record.scalars()["plan/model_gap"] < 1e-6
    assert "plan/model_gap" not in MPC(ILQR(), BENT, GOAL, 5, LIMITS).replan([[0.1, 0.2]])[1].scalars()
    assert plan.select([1]).shift(3).model_gap.shape == (1,)


class Bare(Cost):
    def value(self, states, controls, problems):
        return np.zeros(len(states))


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: SumCost(), "at least one cost"),
        (lambda: ObstacleCost([[0.0]], -1.0, 1.0), "^height is -1.0: give a number of 0 or more"),
        (lambda: ObstacleCost([[np.nan]], 1.0, 1.0), "obstacles must be finite"),
        (lambda: ILQR()(MODEL, ObstacleCost([[0.0]], 1.0, 1.0), np.zeros((1, 2)), 3, LIMITS), "An obstacle has 1"),
        (lambda: ILQR()(MODEL, SumCost(GOAL, Bare()), np.zeros((1, 2)), 3, LIMITS), "give Bare a method expand"),
        (lambda: ILQR()(MODEL, ControlRateCost(GOAL, np.eye(2)), np.zeros((1, 2)), 3, LIMITS), "RememberControl"),
        (lambda: ILQR()(MODEL, ControlRateCost(GOAL, [[1.0]]), np.zeros((1, 2)), 3, LIMITS), "rate_weight is for 1"),
        (lambda: DisagreementCost(MODEL, 1.0), "like EnsembleDynamics, with predictions"),
        (lambda: DisagreementCost(MEMBERS, np.inf), "^height is inf: give a finite number of 0 or more"),
        (lambda: Ensemble([]), "members of one size"),
        (lambda: Ensemble([MODEL, RememberControl(MODEL)]), "members of one size"),
    ],
)
def test_mistakes_are_named(mistake, words):
    with pytest.raises(InputError, match=words):
        mistake()
