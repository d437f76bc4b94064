"""Costs beside the quadratic one: sums, any function of state and control, obstacles, and the change of the control."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from e2c_control.errors import InputError, whole
from e2c_control.fields import NotNegative, Positive, checked
from e2c_control.planners.checks import Array, Ints, in_float32, real, weight
from e2c_control.planners.costs import Cost, Expansion, SmoothCost, smooth
from e2c_control.planners.dynamics import Dynamics, Linearization, rollout_by_steps


class SumCost(SmoothCost):
    """Σ of other costs. Planners that need derivatives want them of all parts."""

    def __init__(self, *parts: Cost) -> None:
        if not parts:
            raise InputError("SumCost needs at least one cost.")
        self.parts = parts

    def check(self, problems: int, state_dim: int, control_dim: int) -> None:
        for part in self.parts:
            part.check(problems, state_dim, control_dim)

    def value(self, states: Array, controls: Array, problems: Ints) -> Array:
        return sum((part.value(states, controls, problems) for part in self.parts), np.zeros((len(states),)))

    def expand(self, states: Array, controls: Array, problems: Ints) -> Expansion:
        parts = [smooth(part, "A planner").expand(states, controls, problems) for part in self.parts]
        q, r, Q, R, S = (np.sum([getattr(part, name) for part in parts], axis=0) for name in "qrQRS")
        return Expansion(q, r, Q, R, S)


FINE, COARSE = 1e-4, 2e-2  # half-widths that suit second differences of float64's and float32's numbers


class FunctionCost(SmoothCost):
    """Σ_t c(z_t, u_t) + c_T(z_T) for any functions of rows, with derivatives by central differences.

    Arguments: ``stage`` takes states (b, n), controls (b, m) and problems (b,) to costs (b,), ``final`` states (b, n)
    and problems (b,); ``difference`` is the half-width, in units of states and controls: None is 1e-4, and 2e-2 where
    all costs are float32's numbers, whose rounding the smaller one would take for curvature. Hessians are moved to the
    nearest positive semidefinite ones, so that a step downhill always exists. All differences of a trajectory are one
    call of each function.
    """

    @checked
    def __init__(
        self,
        stage: Callable[[Array, Array, Ints], Array],
        final: Callable[[Array, Ints], Array] | None = None,
        difference: Positive | None = None,
    ) -> None:
        self._stage, self._final, self._difference = stage, final, difference

    def value(self, states: Array, controls: Array, problems: Ints) -> Array:
        b, horizon, m = controls.shape
        # Copies, since a function may write into what it is given.
        rows = states[:, :-1].reshape(b * horizon, -1).copy(), controls.reshape(-1, m).copy(), problems.repeat(horizon)
        total = _one_each("stage", self._stage(*rows), b * horizon).reshape(b, horizon).sum(axis=1)
        if self._final is not None:
            total += _one_each("final", self._final(states[:, -1].copy(), problems), b)
        return total

    def expand(self, states: Array, controls: Array, problems: Ints) -> Expansion:
        b, horizon, n = *controls.shape[:2], states.shape[2]
        point = np.concatenate((states[:, :-1], controls), axis=2).reshape(b * horizon, -1)
        each = np.repeat(problems, horizon)
        slope, bend = self._differences(lambda x, p: self._stage(x[:, :n], x[:, n:], p), point, each)
        local = Expansion.of_stages(slope, bend, horizon, n)
        if self._final is not None:
            local.q[:, -1], local.Q[:, -1] = self._differences(self._final, states[:, -1], problems)
        return local

    def _differences(self, f: Callable[[Array, Ints], Array], x: Array, problems: Ints) -> tuple[Array, Array]:
        """Return gradients (b, k) and convexified Hessians (b, k, k) of f at x (b, k)."""
        (b, k), h = x.shape, self._difference or FINE
        value = _around(f, x, problems, h)
        if self._difference is None and in_float32(value):
            h = COARSE
            value = _around(f, x, problems, h)
        up, down, here = value[:, :k], value[:, k : 2 * k], value[:, -1]
        both = (value[:, 2 * k : 2 * k + k * k] + value[:, 2 * k + k * k : -1]).reshape(b, k, k)
        single = up + down
        H = (both - single[:, :, None] - single[:, None, :] + 2 * here[:, None, None]) / (2 * h * h)
        return (up - down) / (2 * h), convex(H)


def _around(f: Callable[[Array, Ints], Array], x: Array, problems: Ints, h: float) -> Array:
    """Return f at x (b, k) with one or two coordinates moved by ±h, and at x itself: (b, 2 k + 2 k² + 1)."""
    k = x.shape[1]
    unit = np.eye(k)
    pairs = (unit[:, None] + unit[None, :]).reshape(-1, k)
    moves = np.concatenate((unit, -unit, pairs, -pairs, np.zeros((1, k)))) * h
    rows = (x[:, None] + moves).reshape(-1, k)
    return _one_each("stage or final", f(rows, np.repeat(problems, len(moves))), len(rows)).reshape(len(x), -1)


def _one_each(name: str, costs: ArrayLike, rows: int) -> Array:
    """Return costs (rows,) of a function of rows; another shape raises InputError."""
    value = np.asarray(costs, dtype=np.float64)
    if value.shape != (rows,):
        raise InputError(f"FunctionCost's {name} must return one number for each of {rows} rows, not {value.shape}.")
    return value


def convex(H: Array) -> Array:
    """Return the symmetric positive semidefinite matrices nearest to H (..., k, k); those not finite stay."""
    finite = np.isfinite(H).all(axis=(-1, -2), keepdims=True)
    values, vectors = np.linalg.eigh(np.where(finite, (H + H.swapaxes(-1, -2)) / 2, 0.0))
    return np.where(finite, (vectors * np.maximum(values, 0.0)[..., None, :]) @ vectors.swapaxes(-1, -2), H)


class ObstacleCost(SmoothCost):
    """w Σ_t Σ_o exp(-|z_t - o|² / (2 s²)): a hill around each obstacle, as the E2C paper's penalty for coming near them
    (Watter et al., NeurIPS 2015; its exact form is not given there).

    Arguments: ``obstacles`` (K, n), for a learned latent space the encodings of images with the agent at an obstacle;
    ``height`` w; ``width`` s, in units of the state. The Hessian is its positive semidefinite part.
    """

    @checked
    def __init__(self, obstacles: ArrayLike, height: NotNegative, width: Positive) -> None:
        self.obstacles = real("the obstacles", obstacles, (None, None))
        self.height, self.width = height, width

    def check(self, problems: int, state_dim: int, control_dim: int) -> None:
        if self.obstacles.shape[1] != state_dim:
            raise InputError(f"An obstacle has {self.obstacles.shape[1]} numbers, but the dynamics {state_dim} states.")

    def value(self, states: Array, controls: Array, problems: Ints) -> Array:
        return self._hills(states)[1].sum(axis=(1, 2))

    def expand(self, states: Array, controls: Array, problems: Ints) -> Expansion:
        (b, horizon, m), n = controls.shape, states.shape[2]
        away, hill = self._hills(states)  # (b, T + 1, K, n) and (b, T + 1, K)
        q = -(hill[..., None] * away).sum(axis=2) / self.width**2
        squared = np.maximum((away**2).sum(axis=-1), np.finfo(np.float64).tiny)
        bend = hill * np.maximum(squared / self.width**4 - 1 / self.width**2, 0.0) / squared
        Q = np.einsum("bto,btoi,btoj->btij", bend, away, away)
        r, R, S = np.zeros((b, horizon, m)), np.zeros((b, horizon, m, m)), np.zeros((b, horizon, m, n))
        return Expansion(q, r, Q, R, S)

    def _hills(self, states: Array) -> tuple[Array, Array]:
        away = states[:, :, None] - self.obstacles
        return away, self.height * np.exp(-(away**2).sum(axis=-1) / (2 * self.width**2))


class RememberControl:
    """Dynamics whose state is (z, the control before), (n + m), so that a cost can weigh how fast controls change."""

    def __init__(self, dynamics: Dynamics) -> None:
        self.dynamics, self.control_dim = dynamics, dynamics.control_dim
        self.state_dim = dynamics.state_dim + dynamics.control_dim

    def step(self, states: Array, controls: Array) -> Array:
        return np.concatenate((self.dynamics.step(states[:, : -self.control_dim], controls), controls), axis=1)

    def rollout(self, initial_states: Array, controls: Array) -> Array:
        return rollout_by_steps(self.step, initial_states, controls)

    def linearize(self, states: Array, controls: Array) -> Linearization:
        n, m, b = self.dynamics.state_dim, self.control_dim, len(states)
        model = self.dynamics.linearize(states[:, :n], controls)
        A, B, o = np.zeros((b, n + m, n + m)), np.zeros((b, n + m, m)), np.zeros((b, n + m))
        A[:, :n, :n], B[:, :n], o[:, :n] = model.A, model.B, model.o
        B[:, n:] = np.eye(m)
        return Linearization(A, B, o)


class RepeatControl:
    """Dynamics whose every control is held for so many ``times`` of the inner dynamics' steps."""

    def __init__(self, dynamics: Dynamics, times: int) -> None:
        self.dynamics, self.times = dynamics, whole("times", times)
        self.state_dim, self.control_dim = dynamics.state_dim, dynamics.control_dim

    def step(self, states: Array, controls: Array) -> Array:
        for _ in range(self.times):
            states = self.dynamics.step(states, controls)
        return states

    def rollout(self, initial_states: Array, controls: Array) -> Array:
        return rollout_by_steps(self.step, initial_states, controls)

    def linearize(self, states: Array, controls: Array) -> Linearization:
        local = self.dynamics.linearize(states, controls)
        A, B, o = local.A, local.B, local.o
        for _ in range(self.times - 1):
            states = self.dynamics.step(states, controls)
            local = self.dynamics.linearize(states, controls)
            A, B, o = local.A @ A, local.A @ B + local.B, np.einsum("bij,bj->bi", local.A, o) + local.o
        return Linearization(A, B, o)


class ControlRateCost(SmoothCost):
    """J(z, u) + Σ_t (u_t - u_{t-1})'D(u_t - u_{t-1}), for the states of ``RememberControl``.

    Arguments: ``cost`` J, of the states without the remembered control; ``rate_weight`` D (m, m). The control before
    the first one is part of the initial state.
    """

    def __init__(self, cost: Cost, rate_weight: ArrayLike) -> None:
        self.cost, self.rate_weight = cost, weight("rate_weight", rate_weight)

    def check(self, problems: int, state_dim: int, control_dim: int) -> None:
        if (m := len(self.rate_weight)) != control_dim:
            raise InputError(f"rate_weight is for {m} controls, but the dynamics have {control_dim}.")
        if state_dim <= control_dim:
            raise InputError("ControlRateCost needs the states of RememberControl: wrap the dynamics in it.")
        self.cost.check(problems, state_dim - control_dim, control_dim)

    def value(self, states: Array, controls: Array, problems: Ints) -> Array:
        m = controls.shape[2]
        change = controls - states[:, :-1, -m:]
        rate = np.einsum("bti,ij,btj->b", change, self.rate_weight, change)
        return self.cost.value(states[..., :-m], controls, problems) + rate

    def expand(self, states: Array, controls: Array, problems: Ints) -> Expansion:
        (b, horizon, m), size = controls.shape, states.shape[2]
        n, D = size - m, 2 * self.rate_weight
        inner = smooth(self.cost, "A planner").expand(states[..., :n], controls, problems)
        q, Q = np.zeros((b, horizon + 1, size)), np.zeros((b, horizon + 1, size, size))
        S, slope = np.zeros((b, horizon, m, size)), (controls - states[:, :-1, n:]) @ D
        q[..., :n], Q[..., :n, :n], S[..., :n] = inner.q, inner.Q, inner.S
        q[:, :-1, n:] -= slope
        Q[:, :-1, n:, n:] += D
        S[..., n:] -= D
        return Expansion(q, inner.r + slope, Q, inner.R + D, S)
