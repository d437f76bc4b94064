"""Dynamics, as planners know a system: one step, a rollout, and a local linear model, all batched float64 NumPy.

A learned latent model, the true simulator and a linear system are interchangeable here, so that the error of a planner
and the error of a model can be told apart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from e2c_control.errors import InputError
from e2c_control.fields import Count, Positive, checked
from e2c_control.planners.checks import Array, in_float32, real
from e2c_control.planners.lowered import Lowered


@dataclass(frozen=True, eq=False)
class Linearization:
    """Local model z' ≈ A z + B u + o, in absolute coordinates; the leading shape ``...`` is up to its maker."""

    A: Array  # (..., n, n)
    B: Array  # (..., n, m)
    o: Array  # (..., n)


@runtime_checkable
class Dynamics(Protocol):
    """z' = f(z, u) for a batch of b rows that do not influence each other."""

    @property
    def state_dim(self) -> int: ...

    @property
    def control_dim(self) -> int: ...

    def step(self, states: Array, controls: Array) -> Array:
        """Return the next states (b, n) from states (b, n) and controls (b, m)."""
        ...

    def rollout(self, initial_states: Array, controls: Array) -> Array:
        """Return trajectories (b, T + 1, n) from initial states (b, n) and control sequences (b, T, m)."""
        ...

    def linearize(self, states: Array, controls: Array) -> Linearization:
        """Return local models at states (b, n) and controls (b, m): A (b, n, n), B (b, n, m), o (b, n)."""
        ...


@runtime_checkable
class NoisyDynamics(Dynamics, Protocol):
    """Dynamics that also know the covariance of their own error, z' ~ N(f(z, u), C)."""

    def noise_covariance(self, states: Array, controls: Array) -> Array:
        """Return C (b, n, n) at states (b, n) and controls (b, m)."""
        ...


def rollout_by_steps(step: Callable[[Array, Array], Array], initial_states: Array, controls: Array) -> Array:
    """Return trajectories (b, T + 1, n), by T calls of ``step``, each for the whole batch."""
    b, horizon, _ = controls.shape
    states = np.empty((b, horizon + 1, initial_states.shape[1]))
    states[:, 0] = initial_states
    for t in range(horizon):
        states[:, t + 1] = step(states[:, t], controls[:, t])
    return states


class LinearDynamics:
    """z' = A z + B u + o, the same at all times.

    Arguments: ``A`` (n, n), ``B`` (n, m), ``o`` (n,) or None for zero, ``noise_covariance`` (n, n) or None for zero.
    """

    def __init__(
        self, A: ArrayLike, B: ArrayLike, o: ArrayLike | None = None, noise_covariance: ArrayLike | None = None
    ) -> None:
        n = np.shape(A)[0] if np.ndim(A) else 0
        self.A = real("A of LinearDynamics", A, (n, n))
        self.B = real("B of LinearDynamics", B, (n, None))
        self.state_dim, self.control_dim = self.B.shape
        self.o = real("o of LinearDynamics", np.zeros(n) if o is None else o, (n,))
        covariance = np.zeros((n, n)) if noise_covariance is None else noise_covariance
        self.covariance = real("noise_covariance of LinearDynamics", covariance, (n, n))

    def step(self, states: Array, controls: Array) -> Array:
        return states @ self.A.T + controls @ self.B.T + self.o

    def rollout(self, initial_states: Array, controls: Array) -> Array:
        return rollout_by_steps(self.step, initial_states, controls)

    def linearize(self, states: Array, controls: Array) -> Linearization:
        A, B, o = (np.broadcast_to(part, (len(states), *part.shape)) for part in (self.A, self.B, self.o))
        return Linearization(A, B, o)

    def noise_covariance(self, states: Array, controls: Array) -> Array:
        return np.broadcast_to(self.covariance, (len(states), *self.covariance.shape))


class FunctionDynamics:
    """Dynamics from a batched step function alone, such as a true simulator.

    Arguments: ``step`` takes states (b, n) and controls (b, m) to the next states (b, n). The local model comes from
    central differences, all of them in one call of ``step`` with b * (2 (n + m) + 1) rows; ``difference`` is their
    half-width, relative to a coordinate's size where that exceeds 1. None balances rounding against truncation: the
    cube root of the precision of what ``step`` returns, which is float32's where each of its numbers is one. A step
    that works in float32 inside and returns other numbers needs a ``difference`` of about 5e-3. ``lowered`` is the same
    step for the compiled engine.
    """

    @checked
    def __init__(
        self,
        step: Callable[[Array, Array], Array],
        state_dim: Count,
        control_dim: Count,
        difference: Positive | None = None,
        lowered: Lowered | None = None,
    ) -> None:
        self._step = step
        self.state_dim, self.control_dim, self._difference = state_dim, control_dim, difference
        self._coarse = False  # whether the last local model came from a step in float32: where the next one begins
        self._lowered = lowered

    def step(self, states: Array, controls: Array) -> Array:
        returned = self._step(states.copy(), controls.copy())  # which it may write into
        try:
            after = np.asarray(returned)
        except (TypeError, ValueError, RuntimeError) as error:  # rows of several lengths, a tensor with a gradient
            raise InputError(f"The step of FunctionDynamics returns no array: {error}.") from error
        if after.shape != states.shape or after.dtype.kind not in "biuf":
            raise InputError(
                f"The step of FunctionDynamics must return the next states, real numbers of shape {states.shape}, but "
                f"returns {after.dtype} of shape {after.shape}."
            )
        return after.astype(np.float64, copy=False)

    def rollout(self, initial_states: Array, controls: Array) -> Array:
        return rollout_by_steps(self.step, initial_states, controls)

    def lower(self) -> Lowered | None:
        return self._lowered

    def linearize(self, states: Array, controls: Array) -> Linearization:
        point = np.concatenate((states, controls), axis=1)
        around, after = self._around(point, self._coarse)
        if self._difference is None:
            coarse = in_float32(after)
            if coarse != self._coarse:
                self._coarse = coarse
                around, after = self._around(point, coarse)
        size = point.shape[1]
        # The width that was really stepped: adding and subtracting rounds.
        stepped = np.einsum("bii->bi", around[:, :size] - around[:, size : 2 * size])
        jacobian = ((after[:, :size] - after[:, size : 2 * size]) / stepped[:, :, None]).transpose(0, 2, 1)
        A, B = jacobian[:, :, : self.state_dim], jacobian[:, :, self.state_dim :]
        return Linearization(A, B, after[:, -1] - np.einsum("bij,bj->bi", jacobian, point))

    def _around(self, point: Array, coarse: bool) -> tuple[Array, Array]:
        """Return points (b, 2 (n + m) + 1, n + m) near ``point`` (b, n + m), which is last, and the states after."""
        n, size = self.state_dim, point.shape[1]
        precision = float(np.finfo(np.float32 if coarse else np.float64).eps)
        width = (self._difference or precision ** (1 / 3)) * np.maximum(1.0, np.abs(point))
        offsets = width[:, None, :] * np.eye(size)  # (b, n + m, n + m): one coordinate moved in each row
        around = point[:, None, :] + np.concatenate((offsets, -offsets, np.zeros((len(point), 1, size))), axis=1)
        rows = around.reshape(-1, size)
        return around, self.step(rows[:, :n], rows[:, n:]).reshape(len(point), 2 * size + 1, n)
