"""Approximate inference control.

Source: Toussaint, "Robot trajectory optimization using approximate inference", ICML 2009, the planner of the E2C paper
(Watter et al., NeurIPS 2015). A cost J is read as the probability exp(-J) of a success, the controls as Gaussian
noise, and the plan is the most probable trajectory. Two departures: the backward messages are kept as Riccati matrices
V (Woodbury: no inverse of A, and none of a covariance that may be singular), and all times are linearised in one
batched call between sweeps instead of one by one within a sweep.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from e2c_control.fields import CountOrZero, NotNegative, check
from e2c_control.planners.checks import Array, Bools, Ints
from e2c_control.planners.costs import Expansion, SmoothCost, expanded, finite_cost
from e2c_control.planners.dynamics import Dynamics, NoisyDynamics
from e2c_control.planners.plan import Limits, Plan, StopReason
from e2c_control.planners.planner import CheckedPlanner, PlanningProblem

if TYPE_CHECKING:
    from e2c_control.planners.engine import Engine

DAMPING_LEAST, DAMPING_MOST = 1e-4, 1e8  # damping starts from the first after a setback, and gives up at the second
SINGULAR = 1e-13  # smallest eigenvalue, relative to the largest, that is no rounding error


@dataclass(frozen=True, eq=False)
class Sweep:
    """The result of one backward sweep, in deviations from the trajectory that it was linearised along."""

    K: Array  # (N, T, m, n), of the controller that is executed
    k: Array  # (N, T, m)
    K_belief: Array  # (N, T, m, n), of the most probable control, which counts on lucky noise
    k_belief: Array  # (N, T, m)
    V: Array  # (N, T + 1, n, n), cost-to-go ½ x'V x + v'x
    v: Array  # (N, T + 1, n)
    sound: Bools  # (N,), where all Hessians of controls were positive definite


@dataclass(frozen=True)
class AICO(CheckedPlanner):
    """Options of the planner, which is called like a function.

    The belief over states is not a trajectory that the dynamics can follow when there is process noise, so it only
    says where to linearise next; what is executed, compared and returned is the rollout of the controller, clipped to
    the limits. A sweep that makes it worse is taken back and damped. As the noise goes to zero, a linear problem is
    solved as by LQR, in one sweep. The search starts at the warm start, or at zeros.
    """

    iterations: CountOrZero = 20
    # Of the optimality residual; and the sweeps end where the belief's move changes the cost by less, relative to it.
    tolerance: NotNegative = 1e-6
    process_noise: NotNegative | None = None  # variance of each state's noise; None: what the dynamics say, or zero

    def __post_init__(self) -> None:
        check(self)

    def plan(self, problem: PlanningProblem, rng: np.random.Generator) -> Plan:
        from e2c_control.planners.engine import engine_for
        from e2c_control.planners.quadratic_search import begin_search  # loads numba: not before

        dynamics, cost, z0, limits = problem.dynamics, problem.smooth_cost("AICO"), problem.states, problem.limits
        controls, progress = self._improve(engine_for(dynamics), cost, z0, problem.start(), limits)
        plan = begin_search(dynamics, cost, z0, controls[:, None], limits).best(self.tolerance)
        final = plan.failed | (plan.stop_reason == StopReason.CONVERGED)
        reason = np.where(final, plan.stop_reason, progress.reason)
        return replace(
            plan,
            cost_history=np.stack(progress.history, axis=1),
            iterations=progress.sweeps,
            stop_reason=reason.astype(np.int64),
            regularisation=progress.damping,
        )

    def _improve(
        self, engine: "Engine", cost: SmoothCost, z0: Array, u: Array, limits: Limits
    ) -> "tuple[Array, Progress]":
        """Return the controls (N, T, m) of the best rollout, and the progress of the search."""
        problems, u = np.arange(len(z0)), u.copy()
        x = engine.rollout(z0, u)  # x, u: the belief, along which everything is expanded
        best, controls = finite_cost(cost, x, u, problems), u.copy()
        progress = Progress(best)
        for _ in range(self.iterations):
            rows = np.flatnonzero(progress.reason == StopReason.ITERATIONS)
            rows = rows[np.isfinite(best[rows])]
            if not len(rows):
                break
            A, B = engine.linearize(x[rows], u[rows])
            after = engine.dynamics.step(x[rows, :-1].reshape(-1, x.shape[2]), u[rows].reshape(-1, u.shape[2]))
            d = after.reshape(x[rows, 1:].shape) - x[rows, 1:]
            C = self._noise(engine.dynamics, x[rows], u[rows])
            local = expanded(cost, x[rows], u[rows], rows)
            sweep = backward_sweep(A, B, d, C, local, progress.damping[rows])
            z, w = engine.closed_loop(x[rows], u[rows], sweep.K, sweep.k, np.ones((1,)), limits)
            value = np.where(sweep.sound, finite_cost(cost, z[:, 0], w[:, 0], rows), np.inf)
            better = value < best[rows]
            b, v = belief(A, B, d, C, sweep, u[rows], limits)
            still = np.abs(_change(local, b, v - u[rows])) <= self.tolerance * np.abs(best[rows])
            taken = rows[better]
            controls[taken], best[taken] = w[better, 0], value[better]
            x[taken], u[taken] = x[taken] + b[better], v[better]
            progress.record(rows, better, still, best)
        return controls, progress

    def _noise(self, dynamics: Dynamics, states: Array, controls: Array) -> Array:
        """Return the process noise C (N, T, n, n) along trajectories."""
        (N, horizon, m), n = controls.shape, states.shape[2]
        if self.process_noise is None and isinstance(dynamics, NoisyDynamics):
            C = dynamics.noise_covariance(states[:, :-1].reshape(-1, n), controls.reshape(-1, m))
            return C.reshape(N, horizon, n, n)
        return np.broadcast_to((self.process_noise or 0.0) * np.eye(n), (N, horizon, n, n))


class Progress:
    """Progress of each of N problems: its damping, its sweeps, and why it stopped."""

    def __init__(self, cost: Array) -> None:
        self.reason: Ints = np.full(len(cost), StopReason.ITERATIONS, np.int64)  # ITERATIONS while at work
        self.sweeps: Ints = np.zeros(len(cost), np.int64)
        self.damping: Array = np.zeros(len(cost))  # weight that pulls the belief to the last one
        self.history = [cost.copy()]

    def record(self, rows: Ints, better: Bools, still: Bools, cost: Array) -> None:
        """Lower the damping of rows that got better, raise that of the others, and stop who is done."""
        self.sweeps[rows] += 1
        damping = self.damping[rows]
        lowered = np.where(damping / 5 >= DAMPING_LEAST, damping / 5, 0.0)
        self.damping[rows] = np.where(better, lowered, np.maximum(DAMPING_LEAST, 10 * damping))
        lost = ~better & (self.damping[rows] > DAMPING_MOST)
        self.reason[rows[still | lost]] = StopReason.REGULARISATION
        self.history.append(cost.copy())


def backward_sweep(A: Array, B: Array, d: Array, C: Array, cost: Expansion, damping: Array) -> Sweep:
    """Return the messages of one sweep from the last time to the first, and the policies that they make.

    A message is what the future says about a state x: the probability exp(-(½ x'V x + v'x)) of success from there on,
    where the controls are summed out as Gaussian noise. To pass it back through one step it is first spread by the
    process noise C, which makes a sharp demand a soft one, V̄ = (I + V C)⁻¹ V, v̄ = (I + V C)⁻¹ v, and then pulled back
    through the dynamics as in the Riccati recursion: V = Q + A'V̄A - F'G⁻¹F with G = R + B'V̄B and F = S + B'V̄A.
    With C = 0 it is that recursion.

    The controller that is executed minimises ½ u'Ru + the cost-to-go with V in the place of V̄. ``damping`` (N,) adds
    as many times ½ x'|diag V|x at each time, so that it is a number without units.
    """
    N, T, n, m = B.shape
    K, k, Kb, kb = np.empty((N, T, m, n)), np.empty((N, T, m)), np.empty((N, T, m, n)), np.empty((N, T, m))
    V, v = np.array(cost.Q), cost.q.copy()
    V[:, -1] += _damped(V[:, -1], damping)
    sound = np.ones(N, np.bool_)
    for t in range(T - 1, -1, -1):
        At, Bt, Vt, vt = A[:, t], B[:, t], V[:, t + 1], v[:, t + 1]
        both = np.concatenate((Vt, vt[..., None]), axis=2)
        soft = np.asarray(np.linalg.solve(np.eye(n) + Vt @ C[:, t], both), dtype=np.float64)
        stage = (At, Bt, d[:, t], cost.r[:, t], cost.R[:, t], cost.S[:, t])
        K[:, t], k[:, t], *_, definite = _stage_policy(Vt, vt, *stage)
        S, s = soft[..., :n], soft[..., n]
        Kb[:, t], kb[:, t], F, w, soft_definite = _stage_policy(S, s, *stage)
        sound &= definite & soft_definite
        P = _transposed(At) @ S @ At + _transposed(F) @ Kb[:, t]
        V[:, t] += (P + _transposed(P)) / 2
        V[:, t] += _damped(V[:, t], damping)
        v[:, t] += _times(_transposed(At), w) + _times(_transposed(F), kb[:, t])
    return Sweep(K, k, Kb, kb, V, v, sound)


def _damped(V: Array, damping: Array) -> Array:
    """Return what damping (N,) adds to V (N, n, n)."""
    return damping[:, None, None] * np.abs(V) * np.eye(V.shape[-1])


def _stage_policy(
    V: Array, v: Array, A: Array, B: Array, d: Array, r: Array, R: Array, S: Array
) -> tuple[Array, Array, Array, Array, Bools]:
    """Return K = -G⁻¹F and k = -G⁻¹(r + B'w) with w = v + V d; also F, w, and where G is positive definite."""
    w = v + _times(V, d)
    G, F = R + _transposed(B) @ V @ B, S + _transposed(B) @ V @ A
    right = np.concatenate((F, (r + _times(_transposed(B), w))[..., None]), axis=2)
    finite: Bools = np.all(np.isfinite(np.concatenate((G, right), axis=2)), axis=(1, 2))
    spread = np.linalg.eigvalsh(np.where(finite[:, None, None], (G + _transposed(G)) / 2, 0.0))
    definite: Bools = finite & (spread[:, 0] > SINGULAR * spread[:, -1])
    safe = np.where(definite[:, None, None], G, np.eye(len(G[0])))
    solved = np.asarray(-np.linalg.solve(safe, right), dtype=np.float64)
    return solved[..., :-1], solved[..., -1], F, w, definite


def belief(A: Array, B: Array, d: Array, C: Array, sweep: Sweep, u: Array, limits: Limits) -> tuple[Array, Array]:
    """Return the most probable deviations (N, T + 1, n) and controls: x' = (I + C V)⁻¹ (A x + B du + d - C v)."""
    N, T, n, _ = B.shape
    x, controls = np.zeros((N, T + 1, n)), np.empty_like(u)
    for t in range(T):
        controls[:, t] = limits.clip(u[:, t] + sweep.k_belief[:, t] + _times(sweep.K_belief[:, t], x[:, t]))
        reached = _times(A[:, t], x[:, t]) + _times(B[:, t], controls[:, t] - u[:, t]) + d[:, t]
        right = reached - _times(C[:, t], sweep.v[:, t + 1])
        x[:, t + 1] = np.linalg.solve(np.eye(n) + C[:, t] @ sweep.V[:, t + 1], right[..., None])[..., 0]
    return x, controls


def _change(cost: Expansion, x: Array, u: Array) -> Array:
    """Return the change of the cost, (N,), that the expansion predicts for deviations x (N, T + 1, n), u (N, T, m)."""
    slope = cost.q + 0.5 * np.einsum("btij,btj->bti", cost.Q, x)
    both = cost.r + 0.5 * np.einsum("btij,btj->bti", cost.R, u) + np.einsum("btij,btj->bti", cost.S, x[:, :-1])
    return np.einsum("bti,bti->b", slope, x) + np.einsum("bti,bti->b", both, u)


def _transposed(X: Array) -> Array:
    return X.swapaxes(-1, -2)


def _times(X: Array, y: Array) -> Array:
    return np.einsum("bij,bj->bi", X, y)
