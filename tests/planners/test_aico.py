"""AICO: LQR in the limit, and beliefs that match the dense Gaussian posterior."""

import numpy as np
import pytest

from e2c_control.planners import AICO, ILQR, Limits, LinearDynamics, QuadraticCost, Starts, StopReason
from e2c_control.planners.aico import backward_sweep, belief
from e2c_control.planners.icem import colored_noise

FREE = Limits.none(1)
A = np.array([[1.0, 0.1, 0.0], [0.0, 0.9, 0.2], [0.1, 0.0, 1.05]])
B = np.array([[0.0], [0.1], [0.3]])
COST = QuadraticCost([1.0, 0.0, -0.5], np.diag([1.0, 0.5, 2.0]), [[0.3]])
STATES = np.random.default_rng(0).normal(size=(2, 3))


def solve(noise):
    dynamics = LinearDynamics(A, B, [0.01, 0.0, -0.02], noise * np.eye(3))
    return AICO()(dynamics, COST, STATES, 12, FREE)


def test_without_noise_one_sweep_is_lqr():
    plan = solve(0.0)
    exact = ILQR(starts=Starts(1, 0, 0))(LinearDynamics(A, B, [0.01, 0.0, -0.02]), COST, STATES, 12, FREE)
    np.testing.assert_allclose(plan.controls, exact.controls, atol=1e-10)
    assert plan.reasons == [StopReason.CONVERGED] * 2
    np.testing.assert_allclose(plan.cost_history[:, 1], exact.cost, rtol=1e-12)


def test_it_goes_to_lqr_as_the_noise_goes_to_zero():
    exact = solve(0.0).controls
    gaps = [np.abs(solve(noise).controls - exact).max() for noise in (1e-2, 1e-4, 1e-6)]
    assert gaps[0] > 20 * gaps[1] > 400 * gaps[2] > 0
    assert gaps[2] < 1e-4


def test_the_belief_is_the_mode_of_the_dense_posterior():
    """-ln p(x, u) = cost + ½ Σ |x' - A x - B u - o|² / q, minimised by one dense solve."""
    T, n, q, o = 5, 3, 0.05, np.array([0.01, 0.0, -0.02])
    size = T * n + T
    H, g = np.zeros((size, size)), np.zeros(size)
    z0, goal = STATES[0], COST.goal
    for t in range(T):
        residual, constant = np.zeros((n, size)), -o.copy()
        residual[:, t * n : (t + 1) * n] = np.eye(n)  # x_{t+1}
        if t:
            residual[:, (t - 1) * n : t * n] = -A
        else:
            constant -= A @ z0
        residual[:, T * n + t] = -B[:, 0]
        H += residual.T @ residual / q
        g += residual.T @ constant / q
        state, control = slice(t * n, (t + 1) * n), T * n + t
        H[state, state] += 2 * COST.state_weight
        g[state] -= 2 * COST.state_weight @ goal
        H[control, control] += 2 * COST.control_weight[0, 0]
    mode = np.linalg.solve(H, -g)
    dynamics = LinearDynamics(A, B, o)
    x, u = dynamics.rollout(STATES[:1], np.zeros((1, T, 1))), np.zeros((1, T, 1))
    As, Bs, C = (np.broadcast_to(part, (1, T, *part.shape)) for part in (A, B, q * np.eye(n)))
    d = np.zeros((1, T, n))
    sweep = backward_sweep(As, Bs, d, C, COST.expand(x, u, np.arange(1)), np.zeros(1))
    b, v = belief(As, Bs, d, C, sweep, u, FREE)
    np.testing.assert_allclose((x + b)[0, 1:].ravel(), mode[: T * n], atol=1e-9)
    np.testing.assert_allclose(v[0, :, 0], mode[T * n :], atol=1e-9)


def test_a_swing_to_the_goal_within_limits(pendulum):
    cost = QuadraticCost([0.0, 0.0], np.diag([0.5, 0.05]), [[0.05]], np.diag([5.0, 0.5]))
    arguments = (pendulum, cost, [[0.6, 0.0], [-0.4, 0.5]], 30, Limits.symmetric(2.0, 1))
    plan, best = AICO(iterations=60)(*arguments), ILQR(iterations=100)(*arguments)
    assert np.abs(plan.controls).max() <= 2.0
    assert (plan.cost <= 1.1 * best.cost).all()


@pytest.mark.parametrize("horizon", [1, 2, 7, 20])
@pytest.mark.parametrize("color", [0.0, 2.0])
def test_colored_noise_has_unit_variance(horizon, color):
    noise = colored_noise(color, 20000, horizon, 1, np.random.default_rng(0))
    assert noise.shape == (20000, horizon, 1)
    np.testing.assert_allclose(noise.var(axis=0), 1.0, atol=0.06)


def test_colored_noise_is_smoother_than_white_noise():
    rng = np.random.default_rng(1)
    step = [np.abs(np.diff(colored_noise(color, 500, 20, 1, rng), axis=1)).mean() for color in (0.0, 2.0)]
    assert step[1] < 0.5 * step[0]
