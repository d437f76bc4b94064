"""Dynamics and costs: expansions against differences, and the count of states that the cost makes."""

import numpy as np
import pytest

from e2c_control.planners import (
    ILQR,
    Dynamics,
    FunctionDynamics,
    Limits,
    LinearDynamics,
    NoisyDynamics,
    QuadraticCost,
    SmoothCost,
    Starts,
    StopReason,
)


def test_central_differences_find_the_analytic_local_model(pendulum):
    rng = np.random.default_rng(0)
    states, controls = rng.normal(size=(20, 2)) * [3, 20], rng.normal(size=(20, 1))
    model = pendulum.linearize(states, controls)
    slope = 0.05 * 15 * np.cos(states[:, 0])
    A = np.stack((np.stack((1 + 0.05 * slope, np.full(20, 0.05)), -1), np.stack((slope, np.ones(20)), -1)), 1)
    np.testing.assert_allclose(model.A, A, atol=1e-8)
    np.testing.assert_allclose(model.B, np.broadcast_to([[0.0075], [0.15]], (20, 2, 1)), atol=1e-8)
    there = np.einsum("bij,bj->bi", model.A, states) + np.einsum("bij,bj->bi", model.B, controls) + model.o
    np.testing.assert_allclose(there, pendulum.step(states, controls), atol=1e-12)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("returned", [None, np.float64], ids=["as computed", "as float64"])
def test_differences_are_as_wide_as_the_precision_of_the_step_asks(pendulum, kind, returned):
    def step(states, controls):
        angle, speed = states.astype(kind).T
        speed = speed + kind(0.05) * (15 * np.sin(angle) + 3 * controls[:, 0].astype(kind))
        return np.stack((angle + kind(0.05) * speed, speed), axis=1).astype(returned or kind)

    rng = np.random.default_rng(0)
    states, controls = rng.normal(size=(20, 2)), rng.normal(size=(20, 1))
    exact, found = pendulum.linearize(states, controls), FunctionDynamics(step, 2, 1).linearize(states, controls)
    for name in ("A", "B"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(exact, name), atol=1e-3 if kind == np.float32 else 1e-8
        )


def test_a_step_in_float32_is_planned_with_as_one_in_float64_is(pendulum, pendulum_cost):
    def step(states, controls):
        return pendulum.step(states.astype(np.float32), controls.astype(np.float32)).astype(np.float32)

    states = np.random.default_rng(0).normal(size=(8, 2))
    arguments = (pendulum_cost, states, 20, Limits.symmetric(2.0, 1))
    exact = ILQR(starts=Starts(1, 0, 0))(pendulum, *arguments)
    found = ILQR(starts=Starts(1, 0, 0))(FunctionDynamics(step, 2, 1), *arguments)
    assert exact.reasons == found.reasons == [StopReason.CONVERGED] * 8
    np.testing.assert_allclose(found.cost, exact.cost, rtol=1e-4)


def test_central_differences_cost_one_call():
    calls = []

    def step(states, controls):
        calls.append(len(states))
        return states + controls.sum(axis=1, keepdims=True)

    FunctionDynamics(step, 3, 2).linearize(np.zeros((7, 3)), np.zeros((7, 2)))
    assert calls == [7 * 11]


def test_linear_dynamics_are_their_own_local_model():
    rng = np.random.default_rng(1)
    model = LinearDynamics(rng.normal(size=(3, 3)), rng.normal(size=(3, 2)), rng.normal(size=3), 0.1 * np.eye(3))
    states, controls = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    local, numeric = model.linearize(states, controls), FunctionDynamics(model.step, 3, 2).linearize(states, controls)
    for name in ("A", "B", "o"):
        np.testing.assert_allclose(getattr(local, name), getattr(numeric, name), atol=1e-8)
    assert model.noise_covariance(states, controls).shape == (4, 3, 3)
    assert isinstance(model, NoisyDynamics)
    assert isinstance(FunctionDynamics(model.step, 3, 2), Dynamics)
    assert not isinstance(FunctionDynamics(model.step, 3, 2), NoisyDynamics)


def test_a_rollout_is_repeated_steps():
    model = LinearDynamics([[0.9]], [[1.0]], [0.1])
    states = model.rollout(np.array([[1.0]]), np.array([[[0.5], [0.0]]]))
    np.testing.assert_allclose(states, [[[1.0], [1.5], [1.45]]])


@pytest.mark.parametrize(("terminal", "expected"), [(None, 3 * 2 * 4 + 2 * 3 * 1), ([[10.0]], 2 * 2 * 4 + 40 + 6)])
def test_the_cost_counts_all_states_and_controls_without_a_half(terminal, expected):
    cost = QuadraticCost([1.0], [[2.0]], [[3.0]], terminal)
    value = cost.value(np.full((1, 3, 1), 3.0), np.ones((1, 2, 1)), np.zeros(1, np.int64))
    np.testing.assert_allclose(value, [expected])


def test_each_row_is_measured_from_the_goal_of_its_problem():
    cost = QuadraticCost([[0.0], [5.0]], [[1.0]], [[1.0]])
    value = cost.value(np.full((3, 2, 1), 5.0), np.zeros((3, 1, 1)), np.array([0, 1, 0]))
    np.testing.assert_array_equal(value, [50.0, 0.0, 50.0])


def test_the_expansion_of_a_quadratic_is_exact():
    rng = np.random.default_rng(2)
    cost = QuadraticCost(rng.normal(size=(4, 3)), np.diag([1.0, 2.0, 0.0]), [[2, 0.5], [0.5, 1]], 3 * np.eye(3))
    assert isinstance(cost, SmoothCost)
    z, u, dz, du = (rng.normal(size=shape) for shape in ((4, 6, 3), (4, 5, 2), (4, 6, 3), (4, 5, 2)))
    rows = np.arange(4)
    e = cost.expand(z, u, rows)
    change = (e.q * dz).sum((1, 2)) + (e.r * du).sum((1, 2)) + np.einsum("bti,btij,btj->b", du, e.S, dz[:, :-1])
    change += 0.5 * (np.einsum("bti,btij,btj->b", dz, e.Q, dz) + np.einsum("bti,btij,btj->b", du, e.R, du))
    np.testing.assert_allclose(cost.value(z + dz, u + du, rows) - cost.value(z, u, rows), change, rtol=1e-10)
