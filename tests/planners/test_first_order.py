"""The planners that go downhill along gradients alone, against what needs no gradient: differences and Riccati."""

from dataclasses import replace

import numpy as np
import pytest

from e2c_control.planners import (
    GRASP,
    ILQR,
    LQR,
    Adam,
    FunctionCost,
    FunctionDynamics,
    Limits,
    LinearDynamics,
    QuadraticCost,
    Starts,
    StopReason,
)
from e2c_control.planners.adam import Descent, control_gradient
from e2c_control.planners.planner import PlanningProblem

PLANNERS = {"adam": Adam(iterations=1500), "grasp": GRASP(refined=1000)}
MODEL = LinearDynamics([[1.0, 0.1], [-0.1, 0.9]], [[0.0, 0.05], [0.2, 0.0]], [0.02, 0.0])
COST = QuadraticCost([[2.0, 0.0], [-1.0, 0.3]], np.diag([1.0, 0.2]), 0.05 * np.eye(2), 3 * np.eye(2))
STATES = np.array([[0.0, 0.0], [1.0, 0.5]])
BENT = FunctionDynamics(lambda z, u: z + 0.3 * np.sin(z[:, ::-1]) + u * (0.2 + 0.1 * z**2), 2, 2)


@pytest.mark.parametrize("n_states", [2, 3])
def test_the_gradient_of_a_rollout_is_that_of_differences(n_states):
    rng, horizon, m = np.random.default_rng(n_states), 6, 2
    root = rng.normal(size=(n_states, m)) / 2
    dynamics = FunctionDynamics(lambda z, u: np.sin(z) + 0.1 * z**2 + u @ root.T * (1 + 0.3 * z), n_states, m)
    cost = FunctionCost(lambda z, u, p: (z**4).sum(1) + (1 + p) * (u**2).sum(1) + z[:, 0] * u[:, 1])
    start, controls = rng.normal(size=(2, n_states)), 0.3 * rng.normal(size=(2, 1, horizon, m))
    problem = PlanningProblem(dynamics, cost, start, horizon, Limits.none(m), None)
    search = Descent(problem, controls, "A test").search
    search.linearize()
    found = control_gradient(search.local.A, search.local.B, search.local.q, search.local.r)
    for index in np.ndindex(horizon, m):
        sides = []
        for step in (1e-5, -1e-5):
            moved = controls[:, 0].copy()
            moved[:, index[0], index[1]] += step
            sides.append(cost.value(dynamics.rollout(start, moved), moved, np.arange(2)))
        np.testing.assert_allclose(found[:, index[0], index[1]], (sides[0] - sides[1]) / 2e-5, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", PLANNERS)
def test_a_linear_quadratic_problem_ends_at_the_riccati_solution(name):
    exact = LQR()(MODEL, COST, STATES, 12, Limits.none(2))
    plan = PLANNERS[name](MODEL, COST, STATES, 12, Limits.none(2))
    np.testing.assert_allclose(plan.controls, exact.controls, atol=2e-3)
    np.testing.assert_allclose(plan.cost, exact.cost, rtol=1e-6)
    np.testing.assert_allclose(plan.gains, exact.gains, atol=1e-9)  # those of a linear system are the same anywhere
    assert (plan.optimality_residual < 1e-5).all()


@pytest.mark.parametrize("name", PLANNERS)
def test_limits_that_bind_are_kept_and_the_best_within_them_is_found(name):
    limits = Limits(np.array([-0.3, -1.0]), np.array([0.5, 0.9]))
    exact, plan = (planner(MODEL, COST, STATES, 12, limits) for planner in (ILQR(), PLANNERS[name]))
    assert (plan.controls == limits.high).any()
    assert ((plan.controls >= limits.low) & (plan.controls <= limits.high)).all()
    np.testing.assert_allclose(plan.cost, exact.cost, rtol=1e-6)


@pytest.mark.parametrize("name", PLANNERS)
def test_a_plan_that_is_optimal_already_says_so(name):
    best = LQR()(MODEL, COST, STATES, 12, Limits.none(2))
    planner = replace(PLANNERS[name], iterations=1)
    again = planner(MODEL, COST, STATES, 12, Limits.none(2), best)
    assert again.reasons == [StopReason.CONVERGED] * 2
    np.testing.assert_allclose(again.controls, best.controls, atol=1e-9)


@pytest.mark.parametrize("planner", [Adam(iterations=5), GRASP(iterations=1, refined=5)], ids=PLANNERS)
def test_the_same_seed_is_the_same_plan_and_a_start_is_never_made_worse(planner):
    planner, limits = replace(planner, starts=Starts(0, 3, 0)), Limits.symmetric(1.0, 2)
    cost = QuadraticCost([1.0, -1.0], np.eye(2), 0.01 * np.eye(2))
    plans = [planner(BENT, cost, STATES, 10, limits, rng=np.random.default_rng(seed)) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(plans[0].controls, plans[1].controls)
    assert (plans[0].controls != plans[2].controls).any()
    assert (plans[0].cost < plans[0].cost_history[:, 0]).all()


def test_noise_on_virtual_states_leads_away_from_where_no_gradient_does():
    """x' = x + y u and y' = v: at rest, neither control alone does anything."""
    saddle = FunctionDynamics(lambda z, u: np.stack((z[:, 0] + z[:, 1] * u[:, 0], u[:, 1]), axis=1), 2, 2)
    cost, limits = QuadraticCost([1.0, 0.0], np.diag([1.0, 0.0]), 1e-3 * np.eye(2)), Limits.symmetric(1.0, 2)
    stuck, still, free = (
        planner(saddle, cost, [[0.0, 0.0]], 8, limits) for planner in (Adam(), GRASP(noise=0.0), GRASP())
    )
    np.testing.assert_array_equal(stuck.controls, 0.0)
    np.testing.assert_array_equal(still.controls, 0.0)
    assert free.cost < 0.5 * stuck.cost
