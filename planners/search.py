"""The state of an iLQR search: many trajectories, of several problems and starts, worked on together."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from e2c_control.planners import kernels
from e2c_control.planners.checks import Array, Bools, Ints
from e2c_control.planners.costs import SmoothCost, expanded, finite_cost
from e2c_control.planners.engine import Engine
from e2c_control.planners.optimality import optimality_residual
from e2c_control.planners.plan import Limits, Plan, StopReason

WORKING, DOUBTFUL = -1, -2  # stop reasons of a row that has not stopped, and of one that is to be looked at again
REASONS = int(StopReason.CONVERGED), int(StopReason.REGULARISATION), DOUBTFUL
EPSILON = float(np.finfo(np.float64).eps)
NOTHING = 1e-12  # where the cost is so small beside what the initial state weighs, rounding decides what can be gained


@dataclass(eq=False)
class Search:
    """b = N * S rows: the S starts of a problem are neighbours. Changed in place, iteration by iteration."""

    engine: Engine
    cost: SmoothCost
    limits: Limits
    problems: Ints  # (b,), the problem of each row
    states: Array  # (b, T + 1, n)
    controls: Array  # (b, T, m)
    value: Array  # (b,), infinite where the trajectory or its cost is not finite
    reason: Ints  # (b,), WORKING or a StopReason
    moved: Bools = field(init=False)  # (b,), since the last linearisation
    mu: Array = field(init=False)  # (b,)
    growth: Array = field(init=False)  # (b,)
    iterations: Ints = field(init=False)  # (b,)
    local: kernels.Local = field(init=False)  # its defect d stays zero: the trajectories obey the dynamics
    policy: kernels.Policy = field(init=False)
    history: list[Array] = field(init=False)  # of value

    def __post_init__(self) -> None:
        (b, horizon, m), n = self.controls.shape, self.states.shape[2]
        self.moved, self.iterations = np.ones(b, np.bool_), np.zeros(b, np.int64)
        self.mu, self.growth = np.zeros((b,)), np.ones((b,))
        self.local = kernels.Local(*map(np.zeros, kernels.local_shapes(b, horizon, n, m)))
        self.policy, self.history = kernels.blank_policy(b, horizon, n, m), [self.value.copy()]

    @classmethod
    def begin(cls, engine: Engine, cost: SmoothCost, initial_states: Array, controls: Array, limits: Limits) -> Self:
        """Roll the start controls (N, S, T, m) out from initial states (N, n)."""
        n_problems, starts, horizon, m = controls.shape
        problems = np.repeat(np.arange(int(n_problems)), int(starts))
        rows = controls.reshape(n_problems * starts, horizon, m).copy()
        states = engine.rollout(initial_states[problems], rows)
        value = finite_cost(cost, states, rows, problems)
        reason = np.where(np.isfinite(value), WORKING, StopReason.NON_FINITE)
        return cls(engine, cost, limits, problems, states, rows, value, reason)

    @property
    def active(self) -> Bools:
        return self.reason == WORKING

    def linearize(self) -> None:
        """Expand dynamics and cost along the active trajectories that have moved."""
        rows = (self.active & self.moved).nonzero()[0]
        if len(rows):
            self._expand(rows)

    def _expand(self, rows: Ints) -> None:
        """Write the local models of the named rows; those without a finite one stop."""
        local, states, controls = self.local, self.states[rows], self.controls[rows]
        local.A[rows], local.B[rows] = self.engine.linearize(states, controls)
        local.low[rows], local.high[rows] = self.limits.low - controls, self.limits.high - controls
        expansion = expanded(self.cost, states, controls, self.problems[rows])
        for name in "qrQRS":
            getattr(local, name)[rows] = getattr(expansion, name)
        finite = np.ones(len(rows), np.bool_)
        for name in "ABqrQRS":
            finite &= np.isfinite(getattr(local, name)[rows].reshape(len(rows), -1)).all(axis=1)
        self.reason[rows[~finite]] = StopReason.NON_FINITE
        self.moved[rows] = False

    def backward(self, tolerance: float) -> None:
        """Find a policy for each active row; stop those whose residual is within the tolerance, or that have none."""
        # Regularisation makes the promised gain small, so that it says nothing about convergence: first without.
        if self.mu.any():
            damped = np.flatnonzero(self.active & (self.mu > 0.0))
            self.reason[damped[self._residual(damped) <= tolerance]] = StopReason.CONVERGED
        rows, done, fresh = self.active.nonzero()[0], np.zeros(len(self.value), np.bool_), self.mu == 0.0
        kernels.backward(rows, self.local, self.mu, self.growth, self.policy, done)
        path = (self.states, self.value, tolerance, NOTHING, self.reason)
        if kernels.settle(rows, fresh, done, self.policy.parts, self.policy.V, *path, REASONS):
            doubtful = np.flatnonzero(self.reason == DOUBTFUL)
            little = self._residual(doubtful) <= tolerance
            self.reason[doubtful] = np.where(little, StopReason.CONVERGED, WORKING)

    def line_search(self, step_sizes: tuple[float, ...], armijo: float) -> None:
        """Give each active row the longest step whose gain is a fair share of what was promised, and adapt mu."""
        rows = np.flatnonzero(self.active)
        left = rows
        for sizes in self.engine.waves(step_sizes):
            left = left[~self._take_first(left, sizes, armijo)]
            if not len(left):
                break
        self.iterations[rows] += 1
        self._adapt(rows[self.moved[rows]], left)
        self.history.append(self.value.copy())

    def _take_first(self, rows: Ints, sizes: Array, armijo: float) -> Bools:
        """Move the named rows by the first step size that is accepted; return which were moved (r,)."""
        K, k = self.policy.K[rows], self.policy.k[rows]
        z, u, value = self._candidates(rows, self.states[rows], self.controls[rows], K, k, sizes)
        promised = -(sizes * self.policy.parts[rows, 1, None] + sizes**2 * self.policy.parts[rows, 2, None])
        gained = self.value[rows, None] - value
        accepted: Bools = (gained > 0.0) & (gained >= armijo * promised)
        taken: Bools = np.any(accepted, axis=1)
        first = accepted.argmax(axis=1)
        at, first = np.flatnonzero(taken), first[taken]
        self.move(rows[taken], z[at, first], u[at, first], value[at, first])
        return taken

    def offer(self, rows: Ints, states: Array, controls: Array, K: Array, k: Array) -> None:
        """Move the named rows to the rollout of u = clip(ū + k + K (z - z̄)) where that costs less than what they have.

        Arguments: z̄ ``states`` (r, T + 1, n) and ū ``controls`` (r, T, m) need not obey the dynamics.
        """
        z, u, value = self._candidates(rows, states, controls, K, k, np.ones((1,)))
        better = value[:, 0] < self.value[rows]
        self.move(rows[better], z[better, 0], u[better, 0], value[better, 0])
        self.history[-1] = self.value.copy()

    def _candidates(
        self, rows: Ints, states: Array, controls: Array, K: Array, k: Array, sizes: Array
    ) -> tuple[Array, Array, Array]:
        """Return closed-loop rollouts of the named rows for all step sizes a, (r, a, ...), and their costs (r, a)."""
        z, u = self.engine.closed_loop(states, controls, K, k, sizes, self.limits)
        flat, problems = (len(rows) * len(sizes), -1), np.repeat(self.problems[rows], len(sizes))
        value = finite_cost(self.cost, z.reshape(*flat, z.shape[-1]), u.reshape(*flat, u.shape[-1]), problems)
        return z, u, value.reshape(len(rows), len(sizes))

    def move(self, rows: Ints, states: Array, controls: Array, value: Array) -> None:
        """Give the named rows other rollouts."""
        self.states[rows], self.controls[rows], self.value[rows], self.moved[rows] = states, controls, value, True

    def _adapt(self, better: Ints, stuck: Ints) -> None:
        """Lower the regularisation where a step was taken, raise it where none was (Tassa 2012, section II.F)."""
        factor, least, most = kernels.GROWTH, kernels.MU_LEAST, kernels.MU_MOST
        self.growth[better] = np.minimum(1.0 / factor, self.growth[better] / factor)
        lowered = self.mu[better] * self.growth[better]
        self.mu[better] = np.where(lowered >= least, lowered, 0.0)
        self.growth[stuck] = np.maximum(factor, self.growth[stuck] * factor)
        self.mu[stuck] = np.maximum(least, self.mu[stuck] * self.growth[stuck])
        self.reason[stuck[self.mu[stuck] > most]] = StopReason.REGULARISATION

    def best(self, tolerance: float) -> Plan:
        """Return the cheapest trajectory of each problem, with gains and residual there, which says what converged."""
        starts = len(self.problems) // (int(self.problems[-1]) + 1)
        value = self.value.reshape(-1, starts)
        rows = np.arange(len(value)) * starts + value.argmin(axis=1)
        mu, reason = self.mu[rows], self.reason[rows]
        residual = self._certificate(rows)
        reason = np.where((reason == WORKING) | (reason == StopReason.CONVERGED), StopReason.ITERATIONS, reason)
        return Plan(
            states=self.states[rows],
            controls=self.controls[rows],
            gains=self.policy.K[rows],
            cost=self.value[rows],
            cost_history=np.stack(self.history, axis=1)[rows],
            iterations=self.iterations[rows],
            stop_reason=np.where(residual <= tolerance, StopReason.CONVERGED, reason).astype(np.int64),
            optimality_residual=residual,
            regularisation=mu,
        )

    def _certificate(self, rows: Ints) -> Array:
        """Return the residual (N,) of the named rows, infinite where there is no model; write gains to ``policy``."""
        sound = rows[self.reason[rows] != StopReason.NON_FINITE]
        self.reason[:] = StopReason.ITERATIONS  # of the other rows, nothing is asked any more
        self.reason[sound] = WORKING
        self.linearize()
        sound = sound[self.reason[sound] == WORKING]  # the last step may have led to where the model is not finite
        self.policy.K[rows] = 0.0
        residual = np.full(len(self.mu), np.inf)
        residual[sound] = self._residual(sound)
        return residual[rows]

    def _residual(self, rows: Ints) -> Array:
        """Return the optimality residual (r,) of the named rows, which are linearised; write their policies."""
        mu, growth, done = np.zeros(len(self.mu)), np.ones(len(self.mu)), np.zeros(len(self.mu), np.bool_)
        kernels.backward(rows, self.local, mu, growth, self.policy, done)
        trajectory, local = (self.states[rows], self.controls[rows]), self.local
        gradients, hessians = (local.q[rows], local.r[rows]), (local.Q[rows], local.R[rows])
        gain = self._gain(rows)
        residual = optimality_residual(gain, self.value[rows], trajectory, gradients, hessians, EPSILON)
        return np.where(done[rows], residual, np.inf)

    def _gain(self, rows: Ints) -> Array:
        """Return the gain that the policies of the named rows promise, (r,)."""
        return -self.policy.parts[rows].sum(axis=1)
