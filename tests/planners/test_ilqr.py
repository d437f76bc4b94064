"""iLQR: optimality, limits, and what a batch must not change."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from e2c_control.planners import (
    ILQR,
    Expansion,
    FunctionDynamics,
    Limits,
    LinearDynamics,
    Linearization,
    Plan,
    QuadraticCost,
    SmoothCost,
    Starts,
    StopReason,
    lqr,
)
from e2c_control.planners.engine import Engine
from e2c_control.planners.search import Search

ONE_START = Starts(zeros=1, uniform=0, extreme=0)
WARM_ONLY = Starts(zeros=0, uniform=0, extreme=0)
A = np.array([[1.0, 0.1], [0.05, 1.02]])
B = np.array([[0.0, 0.1], [0.1, 0.02]])
LINEAR = LinearDynamics(A, B, [0.02, -0.01])
GOALS = np.array([[1.0, 0.0], [-1.0, 0.5], [0.0, 0.0]])
COST = QuadraticCost(GOALS, np.diag([2.0, 1.0]), 0.1 * np.eye(2), 5 * np.eye(2))
STATES = np.random.default_rng(3).normal(size=(3, 2))


def condensed_optimum(z0, goal, T, bound):
    """The limited problem as one bounded least-squares problem in all controls."""
    n, m = B.shape
    rows, right = [], []
    drift, response = z0, np.zeros((n, T * m))
    for t in range(T + 1):
        root = np.sqrt(np.diag([2.0, 1.0]) if t < T else 5 * np.eye(2))
        rows.append(root @ response)
        right.append(root @ (goal - drift))
        if t < T:
            drift, response = A @ drift + [0.02, -0.01], A @ response
            response[:, t * m : (t + 1) * m] += B
    rows.append(np.sqrt(0.1) * np.eye(T * m))
    right.append(np.zeros(T * m))
    solution = lsq_linear(np.vstack(rows), np.concatenate(right), (-bound, bound), tol=1e-14, max_iter=500)
    return solution.x.reshape(T, m), 2 * solution.cost


def test_a_linear_problem_takes_one_iteration_to_the_lqr_solution():
    plan = ILQR(starts=ONE_START)(LINEAR, COST, STATES, 12, Limits.none(2))
    np.testing.assert_array_equal(plan.iterations, 1)
    assert plan.reasons == [StopReason.CONVERGED] * 3
    model = LINEAR.linearize(np.zeros((36, 2)), np.zeros((36, 2)))
    model = Linearization(model.A.reshape(3, 12, 2, 2), model.B.reshape(3, 12, 2, 2), model.o.reshape(3, 12, 2))
    policy = lqr(model, COST.expand(np.zeros((3, 13, 2)), np.zeros((3, 12, 2)), np.arange(3)))
    states, controls = policy.rollout(model, STATES)
    np.testing.assert_allclose(plan.states, states, atol=1e-11)
    np.testing.assert_allclose(plan.controls, controls, atol=1e-11)
    np.testing.assert_allclose(plan.gains, policy.K, atol=1e-11)
    assert plan.optimality_residual.max() < 1e-11


def test_on_a_linear_problem_the_promised_gain_is_the_gain():
    rng = np.random.default_rng(0)
    search = Search.begin(Engine(LINEAR), COST, STATES, rng.normal(size=(3, 4, 12, 2)), Limits.none(2))
    search.linearize()
    search.backward(0.0)
    promised, before = -search.policy.parts.sum(axis=1), search.value.copy()
    search.line_search((1.0, 0.5), 1e-4)
    np.testing.assert_allclose(before - search.value, promised, rtol=1e-12)


def test_the_limited_linear_problem_is_solved_to_the_bound():
    limits = Limits.symmetric(1.0, 2)
    plan = ILQR(starts=ONE_START, tolerance=1e-14, iterations=100)(LINEAR, COST, STATES, 12, limits)
    at_limit = np.abs(plan.controls) == 1.0
    assert at_limit.any()
    assert not at_limit.all()
    assert np.abs(plan.controls).max() == 1.0
    assert plan.optimality_residual.max() < 1e-6
    assert (plan.gains[at_limit] == 0).all()
    for i in range(3):
        controls, cost = condensed_optimum(STATES[i], GOALS[i], 12, 1.0)
        assert plan.cost[i] == pytest.approx(cost, rel=1e-9)
        np.testing.assert_allclose(plan.controls[i], controls, atol=1e-5)


def test_pendulum_swing_up_reaches_the_known_cost(pendulum, pendulum_cost):
    guess = Plan.guess(np.random.default_rng(0).uniform(-1, 1, (8, 100, 1)), 2)
    planner = ILQR(iterations=300, starts=WARM_ONLY)
    plan = planner(pendulum, pendulum_cost, np.tile([np.pi, 0.0], (8, 1)), 100, Limits.symmetric(2.0, 1), guess)
    assert plan.cost[0] == pytest.approx(22.2385, abs=1e-4)
    assert (plan.cost < 23).all()
    assert (np.diff(plan.cost_history, axis=1) <= 0).all()
    np.testing.assert_array_equal(plan.cost_history[:, -1], plan.cost)
    assert np.abs(plan.controls).max() == 2.0
    assert plan.optimality_residual.max() < 1e-2
    np.testing.assert_allclose(pendulum.rollout(plan.states[:, 0], plan.controls), plan.states, atol=1e-12)
    again = planner(pendulum, pendulum_cost, plan.states[:, 0], 100, Limits.symmetric(2.0, 1), plan)
    np.testing.assert_array_equal(again.iterations, 0)
    np.testing.assert_array_equal(again.controls, plan.controls)
    assert again.reasons == [StopReason.CONVERGED] * 8


def test_several_starts_are_never_worse_than_one(pendulum, pendulum_cost):
    arguments = (pendulum, pendulum_cost, [[np.pi, 0.0], [1.0, 0.0]], 30, Limits.symmetric(2.0, 1))
    one = ILQR(iterations=20, starts=ONE_START)(*arguments)
    many = ILQR(iterations=20)(*arguments)
    assert (many.cost <= one.cost).all()
    kept = ILQR(iterations=20)(*arguments, many)
    assert (kept.cost <= many.cost).all()


def test_at_the_solution_differences_of_the_cost_agree_with_the_residual_and_push_against_the_limits(pendulum):
    cost, limits = QuadraticCost([0.0, 0.0], np.eye(2), [[0.1]]), Limits.symmetric(1.0, 1)
    plan = ILQR(iterations=200, tolerance=1e-15)(pendulum, cost, [[0.4, 0.2], [-0.1, 0.3]], 15, limits)

    def total(controls):
        return cost.value(pendulum.rollout(plan.states[:, 0], controls), controls, np.arange(2))

    gradient = np.empty_like(plan.controls)
    for t in range(15):
        change = np.zeros_like(plan.controls)
        change[:, t] = 1e-5
        gradient[:, t, 0] = (total(plan.controls + change) - total(plan.controls - change)) / 2e-5
    at_limit = np.abs(plan.controls) == 1.0
    assert at_limit.any()
    assert not at_limit.all()
    assert np.abs(gradient[~at_limit]).max() < 1e-5
    assert (gradient[at_limit] * plan.controls[at_limit] < 0).all()
    residual = np.abs(limits.clip(plan.controls - gradient) - plan.controls).max(axis=(1, 2))
    np.testing.assert_allclose(plan.optimality_residual, residual, atol=1e-6)
    rough = ILQR(iterations=0)(pendulum, cost, [[0.4, 0.2]], 15, limits)
    assert rough.optimality_residual[0] > 1e-3


class Concave(SmoothCost):
    """Rewards large controls: indefinite along with the weight of the states."""

    def value(self, states, controls, problems):
        return (states**2).sum(axis=(1, 2)) - (controls**2).sum(axis=(1, 2))

    def expand(self, states, controls, problems):
        (b, T, m), n = controls.shape, states.shape[2]
        Q, R = (np.broadcast_to(c * np.eye(k), (b, t, k, k)) for c, k, t in ((2, n, T + 1), (-2, m, T)))
        return Expansion(2 * states, -2 * controls, Q, R, np.zeros((b, T, m, n)))


def test_an_indefinite_cost_is_regularised_or_given_up_by_name():
    limited = ILQR()(LINEAR, Concave(), STATES, 6, Limits.symmetric(1.0, 2))
    assert np.isfinite(limited.cost).all()
    assert (np.abs(limited.controls) <= 1.0).all()
    assert (np.diff(limited.cost_history, axis=1) <= 0).all()
    assert set(limited.reasons) <= {StopReason.CONVERGED, StopReason.REGULARISATION, StopReason.ITERATIONS}
    unbounded = ILQR(iterations=5)(LINEAR, Concave(), STATES, 6, Limits.none(2))
    assert np.isfinite(unbounded.controls).all()
    assert StopReason.CONVERGED not in unbounded.reasons


def test_a_batch_equals_a_loop(pendulum):
    check_batch_equals_loop(pendulum)


def test_a_batch_equals_a_loop_in_machine_code(compiled_pendulum):
    check_batch_equals_loop(compiled_pendulum)


def check_batch_equals_loop(pendulum):
    states = np.random.default_rng(1).normal(size=(5, 2)) * [2.0, 1.0]
    goals = np.random.default_rng(2).normal(size=(5, 2))
    weights = (np.eye(2), [[0.1]])
    planner, limits = ILQR(iterations=6), Limits.symmetric(1.0, 1)
    batch = planner(pendulum, QuadraticCost(goals, *weights), states, 10, limits)
    for i in range(5):
        one = planner(pendulum, QuadraticCost(goals[i], *weights), states[i : i + 1], 10, limits)
        np.testing.assert_allclose(batch.controls[i], one.controls[0], atol=1e-12)
        np.testing.assert_allclose(batch.cost[i], one.cost[0], rtol=1e-12)
        assert batch.stop_reason[i] == one.stop_reason[0]


def test_a_problem_that_is_not_finite_disturbs_no_other():
    states = STATES.copy()
    states[1] = np.nan
    plan = ILQR(starts=ONE_START)(LINEAR, COST, states, 5, Limits.symmetric(1.0, 2))
    assert plan.reasons == [StopReason.CONVERGED, StopReason.NON_FINITE, StopReason.CONVERGED]
    np.testing.assert_array_equal(plan.failed, [False, True, False])
    assert np.isfinite(plan.controls).all()
    assert plan.cost[1] == np.inf
    cost = QuadraticCost(GOALS[[0, 2]], COST.state_weight, COST.control_weight, COST.terminal_weight)
    alone = ILQR(starts=ONE_START)(LINEAR, cost, states[[0, 2]], 5, Limits.symmetric(1.0, 2))
    np.testing.assert_allclose(plan.controls[[0, 2]], alone.controls, atol=1e-12)


def test_steps_into_the_infinite_are_never_taken():
    def cliff(states, controls):
        return np.where(controls > 0.5, np.nan, states + controls)

    cost = QuadraticCost([5.0], [[1.0]], [[1e-3]])
    plan = ILQR(starts=ONE_START)(FunctionDynamics(cliff, 1, 1), cost, [[0.0]], 4, Limits.symmetric(2.0, 1))
    assert np.isfinite(plan.states).all()
    assert np.isfinite(plan.cost).all()
    assert (plan.controls <= 0.5).all()
    assert plan.cost[0] < cost.value(np.zeros((1, 5, 1)), np.zeros((1, 4, 1)), np.zeros(1, int))[0]


def test_a_fixed_control_stays_where_it_is():
    limits = Limits(np.array([0.2, -1.0]), np.array([0.2, 1.0]))
    plan = ILQR()(LINEAR, COST, STATES, 8, limits)
    assert (plan.controls[..., 0] == 0.2).all()
    assert plan.optimality_residual.max() < 1e-2


def test_the_rng_decides_the_random_starts(pendulum, pendulum_cost):
    def cost(rng):
        planner = ILQR(iterations=0, starts=Starts(zeros=0, uniform=1, extreme=0))
        return planner(pendulum, pendulum_cost, [[2.0, 0.0]], 20, Limits.symmetric(2.0, 1), None, rng).cost[0]

    assert cost(np.random.default_rng(7)) == cost(np.random.default_rng(7)) != cost(np.random.default_rng(8))
    assert cost(None) == cost(None)
