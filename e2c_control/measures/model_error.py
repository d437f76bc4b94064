"""Errors of latent dynamics: of their predictions, and of the A that they give a planner."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from e2c_control.planners.dynamics import Dynamics

Array = NDArray[np.float64]

HORIZONS = (1, 5, 10)
"""Steps ahead at which predictions are measured."""


def prediction_errors(dynamics: Dynamics, paths: Array, actions: Array) -> dict[int, float]:
    """Return relative errors by horizon, for encoded paths (W, K + 1, k) under actions (W, K, m), from every start.

    For n steps: mean |predicted - encoded z_{t+n}| / mean |z_{t+n} - z_t|; infinite where nothing moves.
    """
    errors: dict[int, float] = {}
    n_steps, k = actions.shape[1], paths.shape[2]
    predicted = paths
    for n in range(1, n_steps + 1):
        starts = n_steps - n + 1  # of a window, from which n steps are inside it
        stepped = dynamics.step(predicted[:, :starts].reshape(-1, k), actions[:, n - 1 :].reshape(-1, actions.shape[2]))
        predicted = stepped.reshape(-1, starts, k)
        if n in HORIZONS:
            error = float(np.linalg.norm(predicted - paths[:, n:], axis=-1).mean())
            motion = float(np.linalg.norm(paths[:, n:] - paths[:, :starts], axis=-1).mean())
            errors[n] = error / motion if motion > 0 else math.inf
    return errors


def jacobian_gap(model: Dynamics, exact: Dynamics, latents: Array, actions: Array) -> float:
    """Return the mean of ||J - A||_F / ||J||_F at latents (N, k) and actions (N, m)."""
    A, J = (dynamics.linearize(latents, actions).A for dynamics in (model, exact))
    gap: Array = np.linalg.norm(J - A, axis=(1, 2))
    size: Array = np.linalg.norm(J, axis=(1, 2))
    return float(np.mean(gap / np.maximum(size, np.finfo(np.float64).tiny)))
