"""A Kalman filter in latent space: each encoded frame corrects what the dynamics predict.

Source: Kalman, "A new approach to linear filtering and prediction problems", 1960; with Dynamics that are only locally
linear this is the extended filter. The encoder's Gaussian plays the part of a measurement of the whole state, so the
correction is the product of two Gaussians.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from e2c_control.planners.checks import Array, Bools, real
from e2c_control.planners.dynamics import Dynamics, NoisyDynamics


@dataclass(frozen=True, eq=False)
class Belief:
    """N Gaussians N(mean, covariance) over latent states."""

    mean: Array  # (N, n)
    covariance: Array  # (N, n, n)

    @classmethod
    def of(cls, mean: ArrayLike, variance: ArrayLike) -> "Belief":
        """Return the beliefs of means (N, n) and variances (N, n), as an encoder gives them."""
        means = real("the mean", mean, (None, None))
        spread = real("the variance", variance, means.shape)
        return cls(means, spread[:, :, None] * np.eye(means.shape[1]))


def predict(
    belief: Belief, controls: ArrayLike, dynamics: Dynamics, noise_covariance: ArrayLike | None = None
) -> Belief:
    """Return N(f(mu, u), A S A' + C), where the belief goes under controls (N, m).

    C is ``noise_covariance`` (n, n) where it is given, else what the dynamics know of it, else zero.
    """
    n_problems, n = belief.mean.shape
    u = real("the controls", controls, (n_problems, dynamics.control_dim))
    A = dynamics.linearize(belief.mean, u).A
    covariance = A @ belief.covariance @ A.swapaxes(1, 2)
    if noise_covariance is not None:
        covariance += real("the noise covariance", noise_covariance, (n, n))
    elif isinstance(dynamics, NoisyDynamics):
        covariance += real("the noise covariance", dynamics.noise_covariance(belief.mean, u), (n_problems, n, n))
    return Belief(dynamics.step(belief.mean, u), covariance)


def update(predicted: Belief, encoded: Belief) -> Belief:
    """Return both in one: K = S (S + E)⁻¹, mean mu + K (mu_E - mu), covariance (I - K) S (I - K)' + K E K'.

    The covariance in that form (Bucy and Joseph 1968) stays symmetric and positive semidefinite. Where the encoded
    belief is not finite, the prediction stands.
    """
    S, E, identity = predicted.covariance, encoded.covariance, np.eye(predicted.mean.shape[1])
    finite: Bools = np.all(np.isfinite(np.concatenate((encoded.mean[:, None], E), axis=1)), axis=(1, 2), keepdims=True)
    tiny = np.finfo(np.float64).tiny * identity  # two certain beliefs: the prediction stands
    total = np.where(finite, S + E + tiny, identity)
    K = np.asarray(np.linalg.solve(total, S), dtype=np.float64).swapaxes(1, 2)
    rest = identity - K
    mean = predicted.mean + np.einsum("bij,bj->bi", K, np.where(finite[:, 0], encoded.mean - predicted.mean, 0.0))
    known = np.where(finite, E, 0.0)
    covariance = rest @ S @ rest.swapaxes(1, 2) + K @ known @ K.swapaxes(1, 2)
    return Belief(
        np.where(finite[:, 0], mean, predicted.mean),
        np.where(finite, (covariance + covariance.swapaxes(1, 2)) / 2, S),
    )
