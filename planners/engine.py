"""Rollouts and local models of many trajectories at once: in NumPy for any dynamics, in machine code where they lower.

NumPy rolls all step sizes of a line search out together, because a batch of a few rows costs as much as one. Machine
code works row by row, so that it only rolls out the step sizes that are needed.
"""

from collections.abc import Sequence

import numpy as np

from e2c_control.errors import InputError
from e2c_control.planners import rollouts
from e2c_control.planners.checks import Array, Ints, real
from e2c_control.planners.compiled import Pointer, numba, pointer
from e2c_control.planners.dynamics import Dynamics
from e2c_control.planners.lowered import LowerableDynamics, Lowered
from e2c_control.planners.plan import Limits


class Engine:
    """The NumPy engine."""

    def __init__(self, dynamics: Dynamics) -> None:
        self.dynamics = dynamics

    def waves(self, step_sizes: Sequence[float]) -> list[Array]:
        """Return the step sizes in the groups that are best rolled out together."""
        return [np.array(step_sizes)]

    def rollout(self, initial_states: Array, controls: Array) -> Array:
        """Return trajectories (b, T + 1, n) from states (b, n) under controls (b, T, m)."""
        states = np.array(self.dynamics.rollout(initial_states, controls), dtype=np.float64)
        shape = (len(controls), controls.shape[1] + 1, initial_states.shape[1])
        if states.shape != shape:
            raise InputError(f"The dynamics' rollout must have shape {shape}, but has {states.shape}.")
        return states

    def linearize(self, states: Array, controls: Array) -> tuple[Array, Array]:
        """Return A (b, T, n, n) and B (b, T, n, m) along trajectories (b, T + 1, n) with controls (b, T, m)."""
        (b, horizon, m), n = controls.shape, states.shape[2]
        model = self.dynamics.linearize(states[:, :-1].reshape(-1, n), controls.reshape(-1, m))
        A = real("A of the dynamics' linearize", model.A, (b * horizon, n, n), finite=False)
        B = real("B of the dynamics' linearize", model.B, (b * horizon, n, m), finite=False)
        return A.reshape(b, horizon, n, n), B.reshape(b, horizon, n, m)

    def closed_loop(
        self, states: Array, controls: Array, K: Array, k: Array, sizes: Array, limits: Limits
    ) -> tuple[Array, Array]:
        """Roll out u = clip(ū + a k + K (z - z̄)) for r trajectories and all step sizes a.

        Arguments: z̄ ``states`` (r, T + 1, n), ū ``controls`` (r, T, m), ``K`` (r, T, m, n), ``k`` (r, T, m), ``sizes``
        (a,). Returns states (r, a, T + 1, n) and controls (r, a, T, m).
        """
        (r, horizon, m), n, a = controls.shape, states.shape[2], len(sizes)
        # Those parts of the controls that do not depend on where the rollout goes.
        open_loop = controls[:, None] + sizes[:, None, None] * k[:, None]
        z, u = np.empty((r, a, horizon + 1, n)), np.empty((r, a, horizon, m))
        z[:, :, 0] = states[:, None, 0]
        for t in range(horizon):
            deviation = z[:, :, t] - states[:, None, t]
            u[:, :, t] = limits.clip(open_loop[:, :, t] + np.einsum("rij,raj->rai", K[:, t], deviation))
            z[:, :, t + 1] = self.dynamics.step(z[:, :, t].reshape(-1, n), u[:, :, t].reshape(-1, m)).reshape(r, a, n)
        return z, u


class CompiledEngine(Engine):
    """The same in machine code."""

    def __init__(self, dynamics: Dynamics, lowered: Lowered) -> None:
        super().__init__(dynamics)
        self._derivatives = None if lowered.derivatives is None else pointer(lowered.derivatives, "matrices")
        self.kernel: tuple[Pointer, Array, Ints] = (pointer(lowered.step, "rows"), lowered.parameters, lowered.sizes)

    def waves(self, step_sizes: Sequence[float]) -> list[Array]:
        return [np.array([size]) for size in step_sizes]

    def rollout(self, initial_states: Array, controls: Array) -> Array:
        states = np.empty((len(controls), controls.shape[1] + 1, initial_states.shape[1]))
        states[:, 0] = initial_states
        rollouts.open_loop(*self.kernel, np.ascontiguousarray(controls), states)
        return states

    def linearize(self, states: Array, controls: Array) -> tuple[Array, Array]:
        (b, horizon, m), n = controls.shape, states.shape[2]
        A, B = np.empty((b, horizon, n, n)), np.empty((b, horizon, n, m))
        self.linearize_into(np.arange(len(controls)), states, controls, A, B)
        return A, B

    def linearize_into(self, rows: Ints, states: Array, controls: Array, A: Array, B: Array) -> None:
        """Write the local models of the named rows alone into A and B."""
        if self._derivatives is None:
            everything = len(rows) == len(states)  # no copies then
            A[rows], B[rows] = super().linearize(
                *((states, controls) if everything else (states[rows], controls[rows]))
            )
        else:
            rollouts.local_models(self._derivatives, *self.kernel[1:], rows, states, controls, A, B)

    def closed_loop(
        self, states: Array, controls: Array, K: Array, k: Array, sizes: Array, limits: Limits
    ) -> tuple[Array, Array]:
        (r, horizon, m), n, a = controls.shape, states.shape[2], len(sizes)
        z, u = np.empty((r, a, horizon + 1, n)), np.empty((r, a, horizon, m))
        rollouts.closed_loop(*self.kernel, states, controls, K, k, sizes, limits.low, limits.high, z, u)
        return z, u


def engine_for(dynamics: Dynamics) -> Engine:
    """Return the compiled engine where numba is installed and the dynamics lower, else the NumPy engine."""
    lowered = dynamics.lower() if numba is not None and isinstance(dynamics, LowerableDynamics) else None
    return Engine(dynamics) if lowered is None else CompiledEngine(dynamics, lowered)
