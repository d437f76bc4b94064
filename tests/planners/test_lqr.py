"""LQR against solutions that know nothing of Riccati recursions."""

import numpy as np
import pytest
from scipy.linalg import solve_discrete_are

from e2c_control.errors import InputError
from e2c_control.planners import Expansion, Linearization, lqr
from e2c_control.planners.riccati import Stage, riccati_step


def dense_solution(model, cost, z0, b):
    """States and controls of problem b from the stacked optimality system, solved by elimination."""
    T, n, m = model.B.shape[1:]
    size_z, size = (T + 1) * n, (T + 1) * n + T * m
    H, g = np.zeros((size, size)), np.concatenate((cost.q[b].ravel(), cost.r[b].ravel()))
    C, c = np.zeros((size_z, size)), np.zeros(size_z)
    C[:n, :n], c[:n] = np.eye(n), z0[b]
    for t in range(T + 1):
        z = slice(t * n, (t + 1) * n)
        H[z, z] = cost.Q[b, t]
        if t < T:
            u, after = slice(size_z + t * m, size_z + (t + 1) * m), slice((t + 1) * n, (t + 2) * n)
            H[u, u], H[u, z], H[z, u] = cost.R[b, t], cost.S[b, t], cost.S[b, t].T
            C[after, after], C[after, z], C[after, u] = np.eye(n), -model.A[b, t], -model.B[b, t]
            c[after] = model.o[b, t]
    system = np.block([[H, C.T], [C, np.zeros((size_z, size_z))]])
    solution = np.linalg.solve(system, np.concatenate((-g, c)))
    return solution[:size_z].reshape(T + 1, n), solution[size_z:size].reshape(T, m)


def total(cost, states, controls, b):
    z, u = states[b], controls[b]
    linear = (cost.q[b] * z).sum() + (cost.r[b] * u).sum() + np.einsum("ti,tij,tj", u, cost.S[b], z[:-1])
    return linear + 0.5 * np.einsum("ti,tij,tj", z, cost.Q[b], z) + 0.5 * np.einsum("ti,tij,tj", u, cost.R[b], u)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 1), (2, 2), (3, 5), (9, 3)])
def test_equals_the_dense_solution_of_the_optimality_system(linear_quadratic, n, m):
    model, cost, z0 = linear_quadratic(seed=n, n=n, m=m)
    policy = lqr(model, cost)
    states, controls = policy.rollout(model, z0)
    for b in range(len(z0)):
        dense_states, dense_controls = dense_solution(model, cost, z0, b)
        np.testing.assert_allclose(states[b], dense_states, rtol=0, atol=1e-9)
        np.testing.assert_allclose(controls[b], dense_controls, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 2), (3, 1), (9, 3)])  # unrolled, padded, and of any size
def test_the_kernel_does_what_the_readable_step_does(linear_quadratic, n, m):
    model, cost, _ = linear_quadratic(seed=10 + n, n=n, m=m)
    policy = lqr(model, cost)
    for b in range(len(model.A)):
        V, v, c = cost.Q[b, -1], cost.q[b, -1], 0.0
        for t in reversed(range(model.A.shape[1])):
            dynamics, weights = (model.A, model.B, model.o), (cost.q, cost.r, cost.Q, cost.R, cost.S)
            stage = Stage(*(part[b, t] for part in (*dynamics, *weights)))
            K, k, V, v, c = riccati_step(stage, V, v, c)
            for found, wanted in ((policy.K, K), (policy.k, k), (policy.P, V), (policy.p, v)):
                np.testing.assert_allclose(found[b, t], wanted, rtol=1e-9, atol=1e-9)
        assert policy.c[b] == pytest.approx(c, rel=1e-9)


def test_cost_to_go_is_the_cost_that_is_paid(linear_quadratic):
    model, cost, z0 = linear_quadratic(seed=5)
    policy = lqr(model, cost)
    states, controls = policy.rollout(model, z0)
    for b, z in enumerate(z0):
        promised = 0.5 * z @ policy.P[b, 0] @ z + policy.p[b, 0] @ z + policy.c[b]
        assert promised == pytest.approx(total(cost, states, controls, b), rel=1e-10)


def test_the_algebraic_riccati_solution_is_a_fixed_point():
    rng = np.random.default_rng(0)
    A, B, T = rng.normal(size=(3, 3)), rng.normal(size=(3, 2)), 50
    P = solve_discrete_are(A, B, np.eye(3), np.eye(2))
    Q = np.tile(np.eye(3), (1, T + 1, 1, 1))
    Q[0, -1] = P
    blank = Expansion(
        np.zeros((1, T + 1, 3)), np.zeros((1, T, 2)), Q, np.tile(np.eye(2), (1, T, 1, 1)), np.zeros((1, T, 2, 3))
    )
    model = Linearization(np.tile(A, (1, T, 1, 1)), np.tile(B, (1, T, 1, 1)), np.zeros((1, T, 3)))
    policy = lqr(model, blank)
    np.testing.assert_allclose(policy.P, np.broadcast_to(P, policy.P.shape), rtol=1e-11, atol=1e-11)
    K = -np.linalg.solve(np.eye(2) + B.T @ P @ B, B.T @ P @ A)
    np.testing.assert_allclose(policy.K, np.broadcast_to(K, policy.K.shape), rtol=1e-10, atol=1e-11)


def test_a_batch_equals_a_loop(linear_quadratic):
    model, cost, _ = linear_quadratic(seed=7, N=4, n=3, m=5)
    together = lqr(model, cost)
    for b in range(4):
        one_model = Linearization(*(getattr(model, name)[b : b + 1] for name in "ABo"))
        one = lqr(one_model, Expansion(*(getattr(cost, name)[b : b + 1] for name in "qrQRS")))
        for name in ("K", "k", "P", "p", "c"):
            np.testing.assert_array_equal(getattr(together, name)[b], getattr(one, name)[0])


def test_an_indefinite_problem_is_named(linear_quadratic):
    model, cost, _ = linear_quadratic(seed=1)
    cost.R[1] = -100 * np.eye(2)
    with pytest.raises(InputError, match="LQ problem 1 has no unique minimum"):
        lqr(model, cost)


def test_shapes_that_disagree_are_named(linear_quadratic):
    model, cost, _ = linear_quadratic(seed=1)
    with pytest.raises(InputError, match=r"o of the model must have shape \(2, 6, 3\)"):
        lqr(Linearization(model.A, model.B, model.o[:, 1:]), cost)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", [*"ABo", *"qrQRS"])
def test_a_number_that_is_not_finite_is_refused_wherever_it_stands(linear_quadratic, name, wrong):
    model, cost, _ = linear_quadratic(seed=3)
    part, whose = (model, "model") if name in "ABo" else (cost, "cost")
    array = getattr(part, name)
    for at in (0, -1, *np.random.default_rng(0).integers(0, array.size, 5)):
        spoilt = array.copy()
        spoilt.flat[at] = wrong
        wrongly = type(part)(**{**vars(part), name: spoilt})
        with pytest.raises(InputError, match=f"{name} of the {whose} must be finite"):
            lqr(*((wrongly, cost) if part is model else (model, wrongly)))


@pytest.mark.parametrize("name", "ABo")
def test_a_rollout_in_a_model_that_is_not_finite_is_refused(linear_quadratic, name):
    model, cost, z0 = linear_quadratic(seed=3)
    policy = lqr(model, cost)
    spoilt = getattr(model, name).copy()
    spoilt.flat[spoilt.size // 2] = np.nan
    with pytest.raises(InputError, match=f"{name} of the model must be finite"):
        policy.rollout(Linearization(**{**vars(model), name: spoilt}), z0)
