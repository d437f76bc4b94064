"""References and weights that change over time, against least squares over all times at once; and rates of controls."""

import numpy as np
import pytest
import torch

from e2c_control.errors import InputError
from e2c_control.planners import (
    MPC,
    PLANNERS,
    ControlRateCost,
    Limits,
    LinearDynamics,
    QuadraticCost,
    RememberControl,
    RepeatControl,
    TorchILQR,
    lqr,
    make_planner,
)

T, N, n, m = 9, 2, 2, 2
A, B = np.array([[1.0, 0.2], [-0.1, 0.9]]), np.array([[0.1, 0.0], [0.0, 0.3]])
MODEL = LinearDynamics(A, B)
RNG = np.random.default_rng(0)
STARTS, REFERENCE = RNG.normal(size=(N, n)), np.cumsum(0.2 * RNG.normal(size=(N, T + 1, n)), axis=1)
ROOTS, CONTROL_ROOTS = RNG.normal(size=(T + 1, n, n)) + 2 * np.eye(n), 0.3 * RNG.normal(size=(T, m, m)) + np.eye(m)
STATE_WEIGHT, CONTROL_WEIGHT = ROOTS.swapaxes(1, 2) @ ROOTS, CONTROL_ROOTS.swapaxes(1, 2) @ CONTROL_ROOTS
COST = QuadraticCost(REFERENCE, STATE_WEIGHT, CONTROL_WEIGHT)
LOOSE = Limits.symmetric(20.0, m)  # never reached, and the samplers need some
ENOUGH = {
    "adam": {"iterations": 1500, "learning_rate": 0.05},
    "grasp": {"refined": 1000, "learning_rate": 0.05},
    "cem": {"iterations": 60, "samples": 600, "elites": 30, "deviation": 0.05, "least_deviation": 0.0},
    "icem": {"iterations": 60, "samples": 600, "elites": 30, "deviation": 0.05, "color": 0.0, "shrink": 1.0},
    "mppi": {"iterations": 150, "samples": 600, "deviation": 0.01},
}


def least_squares(start, reference, extra=None, target=None):
    """Controls (T, m) of the least Σ |root_t (z_t - g_t)|² + Σ |root_t u_t|² + |extra u - target|²."""
    drift, response, rows, right = start, np.zeros((n, T * m)), [], []
    for t in range(T + 1):
        rows.append(ROOTS[t] @ response)
        right.append(ROOTS[t] @ (reference[t] - drift))
        if t < T:
            here = np.zeros((m, T * m))
            here[:, t * m : (t + 1) * m] = np.eye(m)
            rows.append(CONTROL_ROOTS[t] @ here)
            right.append(np.zeros(m))
            drift, response = A @ drift, A @ response + B @ here
    if extra is not None:
        rows.append(extra)
        right.append(target)
    return np.linalg.lstsq(np.concatenate(rows), np.concatenate(right), rcond=None)[0].reshape(T, m)


BEST = np.stack([least_squares(start, reference) for start, reference in zip(STARTS, REFERENCE, strict=True)])


@pytest.mark.parametrize("name", sorted(set(PLANNERS) - {"roadmap"}))  # which looks at single steps alone
def test_every_planner_follows_a_reference_as_least_squares_says(name):
    plan = make_planner(name, **ENOUGH.get(name, {}))(MODEL, COST, STARTS, T, LOOSE)
    least = COST.value(MODEL.rollout(STARTS, BEST), BEST, np.arange(N))
    if name in ("cem", "icem", "mppi"):
        assert (plan.cost <= 1.02 * least).all()
    else:
        np.testing.assert_allclose(plan.controls, BEST, atol=5e-3 if name in ENOUGH else 1e-8)
        np.testing.assert_allclose(plan.cost, least, rtol=1e-5 if name in ENOUGH else 1e-10)


def test_the_torch_engine_does_the_same():
    def step(z, u):
        return z @ torch.from_numpy(A.T) + u @ torch.from_numpy(B.T)

    plan = TorchILQR()(step, COST, torch.from_numpy(STARTS), T, Limits.none(m))
    np.testing.assert_allclose(plan.controls, BEST, atol=1e-8)


def test_a_reference_of_all_and_a_terminal_weight_of_its_own():
    shared = QuadraticCost(REFERENCE[:1], STATE_WEIGHT, CONTROL_WEIGHT[0], 7 * np.eye(n))
    each = QuadraticCost(
        REFERENCE[[0, 0]], np.concatenate((STATE_WEIGHT[:-1], 7 * np.eye(n)[None])), CONTROL_WEIGHT[[0] * T]
    )
    plans = [make_planner("lqr")(MODEL, cost, STARTS, T, LOOSE) for cost in (shared, each)]
    np.testing.assert_allclose(plans[0].controls, plans[1].controls, atol=1e-12)
    constant = QuadraticCost(REFERENCE[0, 0], STATE_WEIGHT[0], CONTROL_WEIGHT[0])
    held = QuadraticCost(REFERENCE[:1, :1], STATE_WEIGHT[:1], CONTROL_WEIGHT[:1])  # past their end, the last row holds
    states, rows = MODEL.rollout(STARTS, BEST), np.arange(N)
    np.testing.assert_allclose(held.value(states, BEST, rows), constant.value(states, BEST, rows), rtol=1e-12)
    for name in "qrQRS":
        parts = [getattr(cost.expand(states, BEST, rows), name) for cost in (held, constant)]
        np.testing.assert_allclose(*parts, rtol=1e-12)


def test_replans_with_what_is_left_of_a_reference_drive_as_the_whole_plan_does():
    """On a linear system without noise, nothing is learnt on the way (Bellman's principle)."""
    states = STARTS
    for t in range(T):
        plan, _ = MPC(make_planner("lqr"), MODEL, COST.after(t), T, LOOSE).replan(states, steps_left=T - t)
        np.testing.assert_allclose(plan.controls[:, 0], BEST[:, t], atol=1e-9)
        states = MODEL.step(states, plan.controls[:, 0])
    assert COST.after(100).at(3)[1].shape == (4, n, n)


RATE = np.array([[2.0, 0.3], [0.3, 1.0]])


def test_a_rate_weight_counts_the_control_before_as_least_squares_does():
    root, before = np.linalg.cholesky(RATE).T, np.array([[0.7, -0.4], [0.0, 1.0]])
    change = np.kron(np.eye(T) - np.eye(T, k=-1), root)
    best = []
    for start, reference, control in zip(STARTS, REFERENCE, before, strict=True):
        target = np.concatenate((root @ control, np.zeros((T - 1) * m)))
        best.append(least_squares(start, reference, change, target))
    dynamics, cost = RememberControl(MODEL), ControlRateCost(COST, RATE)
    plan = make_planner("ilqr")(dynamics, cost, np.concatenate((STARTS, before), axis=1), T, LOOSE)
    np.testing.assert_allclose(plan.controls, np.stack(best), atol=1e-8)
    states = dynamics.rollout(np.concatenate((STARTS, before), axis=1), plan.controls)
    flat = states[:, :-1].reshape(-1, n + m), plan.controls.reshape(-1, m)
    local = dynamics.linearize(*flat)
    policy = lqr(
        type(local)(*(part.reshape(N, T, *part.shape[1:]) for part in (local.A, local.B, 0 * local.o))),
        cost.expand(states, plan.controls, np.arange(N)),
    )
    np.testing.assert_allclose(policy.K, plan.gains, atol=1e-8)
    np.testing.assert_allclose(policy.k, 0.0, atol=1e-8)


def test_controls_that_are_held_are_those_of_the_powers_of_a_linear_system():
    offset = np.array([0.1, -0.2])
    held, A3 = RepeatControl(LinearDynamics(A, B, offset), 3), np.linalg.matrix_power(A, 3)
    sums = np.eye(n) + A + A @ A
    slow = LinearDynamics(A3, sums @ B, sums @ offset)
    local, exact = (dynamics.linearize(STARTS, BEST[:, 0]) for dynamics in (held, slow))
    for name in "ABo":
        np.testing.assert_allclose(getattr(local, name), getattr(exact, name), atol=1e-12)
    plans = [make_planner("lqr")(dynamics, COST, STARTS, T, LOOSE) for dynamics in (held, slow)]
    np.testing.assert_allclose(plans[0].controls, plans[1].controls, atol=1e-10)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: make_planner("lqr")(MODEL, QuadraticCost(REFERENCE[0], np.eye(2), np.eye(2)), STARTS, T, LOOSE),
         r"10 goals, but there are 2 problems: give each one. A reference over time that is everybody's has shape \(1"),
        (lambda: QuadraticCost([0.0, 0.0], [np.eye(2), -np.eye(2)], np.eye(2)), "state_weight must be positive semi"),
        (lambda: QuadraticCost([0.0, 0.0], np.eye(2), np.zeros((4, 2, 3))), "control_weight must be a square matrix"),
        (lambda: QuadraticCost(np.zeros((1, 1, 1, 2)), np.eye(2), np.eye(2)), "the goal must have shape"),
        (lambda: QuadraticCost(np.zeros((2, 0, 2)), np.eye(2), np.eye(2)), "number of times of the goal is 0"),
        (lambda: QuadraticCost([0.0], np.zeros((0, 1, 1)), [[1.0]]), "number of times of state_weight is 0"),
        (lambda: COST.after(-1), "steps is -1: give a whole number"),
    ],
)  # fmt: skip
def test_mistakes_are_named(mistake, words):
    with pytest.raises(InputError, match=words):
        mistake()
