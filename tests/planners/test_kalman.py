"""The latent Kalman filter against products of Gaussians, and against noise."""

import numpy as np
import pytest

from e2c_control.errors import InputError
from e2c_control.planners import LinearDynamics
from e2c_control.planners.kalman import Belief, predict, update

A, B, C = np.array([[1.0, 0.2], [-0.1, 0.9]]), np.array([[0.0], [0.5]]), np.diag([0.05, 0.02])
MODEL = LinearDynamics(A, B, [0.1, 0.0], C)


def test_prediction_is_exact_for_a_linear_model():
    before = Belief.of([[1.0, 2.0]], [[0.3, 0.4]])
    after = predict(before, [[0.5]], MODEL)
    np.testing.assert_allclose(after.mean[0], A @ [1.0, 2.0] + [0.1, 0.25])
    np.testing.assert_allclose(after.covariance[0], A @ np.diag([0.3, 0.4]) @ A.T + C)


def test_update_is_the_product_of_two_gaussians():
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(2, 4, 3, 3))
    S, E = roots @ roots.swapaxes(2, 3) + 0.1 * np.eye(3)
    mu, seen = rng.normal(size=(2, 4, 3))
    both = update(Belief(mu, S), Belief(seen, E))
    P, R = np.linalg.inv(S), np.linalg.inv(E)
    np.testing.assert_allclose(both.covariance, np.linalg.inv(P + R), atol=1e-10)
    mean = np.linalg.solve(P + R, (P @ mu[..., None]) + (R @ seen[..., None]))[..., 0]
    np.testing.assert_allclose(both.mean, mean, atol=1e-10)


def test_certain_beliefs_win_and_broken_ones_are_ignored():
    predicted = Belief(np.array([[1.0, 1.0]] * 3), np.tile(np.eye(2), (3, 1, 1)))
    seen = Belief(np.array([[2.0, 2.0], [np.nan, 0.0], [2.0, 2.0]]), np.zeros((3, 2, 2)))
    seen.covariance[2] = np.inf
    after = update(predicted, seen)
    np.testing.assert_allclose(after.mean, [[2, 2], [1, 1], [1, 1]])
    np.testing.assert_allclose(after.covariance[0], 0.0, atol=1e-12)
    np.testing.assert_array_equal(after.covariance[1:], predicted.covariance[1:])
    both_certain = update(Belief(np.ones((1, 2)), np.zeros((1, 2, 2))), Belief(np.zeros((1, 2)), np.zeros((1, 2, 2))))
    np.testing.assert_array_equal(both_certain.mean, 1.0)


def test_filtering_beats_the_frames_alone_under_noise():
    rng, n = np.random.default_rng(1), 400
    truth = np.zeros((n, 2))
    belief, raw, filtered = Belief.of(truth, np.ones((n, 2))), [], []
    for _ in range(25):
        u = rng.normal(size=(n, 1))
        truth = MODEL.step(truth, u) + rng.normal(size=(n, 2)) @ np.sqrt(C)
        seen = truth + 0.5 * rng.normal(size=(n, 2))
        belief = update(predict(belief, u, MODEL), Belief.of(seen, np.full((n, 2), 0.25)))
        raw.append(((seen - truth) ** 2).sum(axis=1).mean())
        filtered.append(((belief.mean - truth) ** 2).sum(axis=1).mean())
    assert filtered[-1] < 0.5 * raw[-1]
    claimed = np.trace(belief.covariance[0])  # and it knows how good it is
    assert filtered[-1] == pytest.approx(claimed, rel=0.15)


def test_shapes_that_disagree_are_named():
    with pytest.raises(InputError, match="the variance must have shape"):
        Belief.of([[1.0, 2.0]], [[1.0]])
    with pytest.raises(InputError, match="the controls must have shape"):
        predict(Belief.of([[1.0, 2.0]], [[1.0, 1.0]]), [[1.0, 1.0]], MODEL)
