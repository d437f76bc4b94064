"""The box QP of the backward pass against enumeration of all active sets."""

import itertools

import numpy as np
import pytest

from e2c_control.planners import kernels


def solve(H, g, low, high):
    m = len(g)
    x, free, L = np.empty(m), np.empty(m, np.bool_), np.empty((m, m))
    found = kernels.box_qp(H, g, low, high, x, free, L, np.empty((3, m)))
    return found, x, free, L


def enumerate_active_sets(H, g, low, high):
    """The feasible stationary point of least value among all 3^m choices of (low, free, high)."""
    best, value = None, np.inf
    for sides in itertools.product((-1, 0, 1), repeat=len(g)):
        side = np.array(sides)
        x = np.where(side < 0, low, np.where(side > 0, high, 0.0))
        if not np.isfinite(x).all():
            continue
        free = side == 0
        if free.any():
            x[free] = np.linalg.solve(H[np.ix_(free, free)], -g[free] - H[np.ix_(free, ~free)] @ x[~free])
        if (x >= low - 1e-12).all() and (x <= high + 1e-12).all() and 0.5 * x @ H @ x + g @ x < value:
            best, value = x, 0.5 * x @ H @ x + g @ x
    return best


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_equals_enumeration(m):
    rng = np.random.default_rng(m)
    for trial in range(150):
        root = rng.normal(size=(m, m + trial % 2))
        H = root @ root.T + 10.0 ** rng.uniform(-4, 0) * np.eye(m)
        g = 3 * rng.normal(size=m)
        low, high = -rng.uniform(0, 1.5, m), rng.uniform(0, 1.5, m)
        low[rng.random(m) < 0.15], high[rng.random(m) < 0.15] = -np.inf, np.inf
        high[rng.random(m) < 0.1] = 0.0
        found, x, free, _ = solve(H, g, low, high)
        assert found
        assert (x >= low).all()
        assert (x <= high).all()
        np.testing.assert_allclose(x, enumerate_active_sets(H, g, low, high), rtol=1e-8, atol=1e-9)
        gradient = H @ x + g
        assert np.abs(gradient[free]).max(initial=0.0) <= 1e-9 * (1 + np.abs(H).max() * np.abs(x).max())
        assert (gradient[~free] * np.where(x == low, 1, -1)[~free] > 0).all()


def test_identity_is_a_clip():
    g = np.array([2.0, -0.3, -5.0])
    _, x, free, _ = solve(np.eye(3), g, -np.ones(3), np.ones(3))
    np.testing.assert_array_equal(x, np.clip(-g, -1, 1))
    np.testing.assert_array_equal(free, [False, True, False])


def test_factor_belongs_to_the_free_block():
    H = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
    _, _, free, L = solve(H, np.array([-1.0, 40.0, 1.0]), -np.ones(3), np.ones(3))
    np.testing.assert_array_equal(free, [True, False, True])
    np.testing.assert_allclose((L @ L.T)[np.ix_(free, free)], H[np.ix_(free, free)], rtol=1e-12)


@pytest.mark.parametrize("H", [np.diag([1.0, -1.0]), np.ones((2, 2)), np.zeros((2, 2)), np.full((2, 2), np.nan)])
def test_without_a_unique_minimum_it_says_so(H):
    assert not solve(H, np.ones(2), -np.ones(2), np.ones(2))[0]
