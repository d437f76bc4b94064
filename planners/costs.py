"""Costs: a value for each trajectory of a batch, and its quadratic expansion along trajectories."""

from copy import copy
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from e2c_control.errors import InputError, whole
from e2c_control.planners.checks import Array, Ints, real, weight


@dataclass(frozen=True, eq=False)
class Expansion:
    """Second-order expansion of a cost, a sum over time, along b trajectories of T controls:

    J(z + dz, u + du) ≈ J(z, u) + Σ_t q'dz + r'du + ½ dz'Q dz + ½ du'R du + du'S dz.
    """

    q: Array  # (b, T + 1, n)
    r: Array  # (b, T, m)
    Q: Array  # (b, T + 1, n, n)
    R: Array  # (b, T, m, m)
    S: Array  # (b, T, m, n)

    @classmethod
    def of_stages(cls, slope: Array, bend: Array, horizon: int, state_dim: int) -> "Expansion":
        """Return that of stage costs alone, from their gradients (b T, n + m) and Hessians (b T, n + m, n + m)."""
        n, size = state_dim, slope.shape[-1]
        g, H = slope.reshape(-1, horizon, size), bend.reshape(-1, horizon, size, size)
        q, Q = np.zeros((len(g), horizon + 1, n)), np.zeros((len(g), horizon + 1, n, n))
        q[:, :-1], Q[:, :-1] = g[..., :n], H[..., :n, :n]
        return cls(q, g[..., n:], Q, H[..., n:, n:], H[..., n:, :n])


def expansion_shapes(b: int, horizon: int, n: int, m: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each part of an `Expansion`, in their order."""
    z, u = (b, horizon + 1), (b, horizon)
    return {"q": (*z, n), "r": (*u, m), "Q": (*z, n, n), "R": (*u, m, m), "S": (*u, m, n)}


@runtime_checkable
class Cost(Protocol):
    """A total cost. Derive from this class and write ``value``; sampling planners need no more.

    A planner evaluates many candidates of several problems at once, so row i of a batch belongs to problem
    ``problems[i]``; a cost that is the same for all problems ignores it.
    """

    def value(self, states: Array, controls: Array, problems: Ints) -> Array:
        """Return costs (b,) of trajectories (b, T + 1, n) with controls (b, T, m) that belong to ``problems`` (b,)."""
        ...

    def check(self, problems: int, state_dim: int, control_dim: int) -> None:
        """Raise InputError when this cost cannot serve so many problems, states or controls."""


@runtime_checkable
class SmoothCost(Cost, Protocol):
    """A cost with derivatives, as iLQR and AICO need it."""

    def expand(self, states: Array, controls: Array, problems: Ints) -> Expansion:
        """Return gradients and Hessians along trajectories (b, T + 1, n) with controls (b, T, m)."""
        ...


def smooth(cost: Cost, planner: str) -> SmoothCost:
    """Return the cost, once it has the derivatives that the ``planner`` needs; others raise InputError."""
    if type(cost) is QuadraticCost or isinstance(cost, SmoothCost):  # the first asked apart: a protocol takes longer
        return cost
    raise InputError(f"{planner} needs derivatives: give {type(cost).__name__} a method expand().")


def finite_cost(cost: Cost, states: Array, controls: Array, problems: Ints) -> Array:
    """Return costs (b,), infinite where they or the states are not finite; another shape raises InputError."""
    try:
        value = np.asarray(cost.value(states, controls, problems), dtype=np.float64)
    except TypeError as error:
        raise InputError(f"The value of {type(cost).__name__} must be an array of numbers: {error}.") from error
    if value.shape != (len(states),):
        raise InputError(
            f"The value of {type(cost).__name__} must be one number for each of {len(states)} trajectories, but has "
            f"shape {value.shape}: sum over time and coordinates, not over the batch."
        )
    return np.where(np.isfinite(value) & np.isfinite(states.reshape(len(states), -1)).all(axis=1), value, np.inf)


def expanded(cost: SmoothCost, states: Array, controls: Array, problems: Ints) -> Expansion:
    """Return the cost's expansion, once its shapes are right; others raise InputError."""
    found, (b, horizon, m), n = cost.expand(states, controls, problems), controls.shape, states.shape[2]
    for name, shape in expansion_shapes(b, horizon, n, m).items():
        if np.shape(getattr(found, name)) != shape:
            given = np.shape(getattr(found, name))
            raise InputError(f"{name} of {type(cost).__name__}'s expand must have shape {shape}, but has {given}.")
    return found


class QuadraticCost(SmoothCost):
    """Σ_t (z_t - g)'Q(z_t - g) + Σ_t u_t'R u_t over all T + 1 states and T controls, without a factor ½.

    This is the cost of the PCC evaluation protocol (Levine et al., ICLR 2020), where the last state weighs as much as
    any other. Goal and weights may change over time: then their first rows are those of the step at which a plan
    begins, and where it reaches past their end, their last row holds. ``after`` gives what is left of them later.

    Arguments: ``goal`` (n,) for all problems or (N, n) for each, or a reference over time (N, T + 1, n), (1, T + 1, n)
    for all; ``state_weight`` Q (n, n) or (T + 1, n, n); ``control_weight`` R (m, m) or (T, m, m); ``terminal_weight``
    (n, n) of a plan's last state instead of Q. All weights are symmetric and positive semidefinite.
    """

    def __init__(
        self,
        goal: ArrayLike,
        state_weight: ArrayLike,
        control_weight: ArrayLike,
        terminal_weight: ArrayLike | None = None,
    ) -> None:
        self.goal = real("the goal", goal, (None,) * min(max(np.ndim(goal), 1), 3))
        n = self.goal.shape[-1]
        if self.goal.ndim == 3:
            whole("the number of times of the goal", self.goal.shape[1])
        self.state_weight = _over_time("state_weight", state_weight, n)
        self.control_weight = _over_time("control_weight", control_weight)
        self.terminal_weight: Array | None = self.state_weight if self.state_weight.ndim == 2 else None
        if terminal_weight is not None:
            self.terminal_weight = weight("terminal_weight", terminal_weight, n)

    @property
    def varies(self) -> bool:
        """Whether anything of it changes over time."""
        return 3 in (self.goal.ndim, self.state_weight.ndim, self.control_weight.ndim)

    def after(self, steps: int) -> Self:
        """Return the cost of plans that begin so many steps later: goal and weights over time without as many rows."""
        later, steps = copy(self), whole("steps", steps, least=0)
        if self.goal.ndim == 3:
            later.goal = self.goal[:, min(steps, self.goal.shape[1] - 1) :]
        for name in ("state_weight", "control_weight"):
            W = getattr(self, name)
            setattr(later, name, W[min(steps, len(W) - 1) :] if W.ndim == 3 else W)
        return later

    def at(self, horizon: int) -> tuple[Array, Array, Array, Array]:
        """Return what T steps pay for: goals (n,), (N, 1, n) or (N or 1, T + 1, n), Q, R, and that of the last state.

        Q is (n, n) or (T + 1, n, n), R (m, m) or (T, m, m).
        """
        goal, times = self.goal, np.arange(horizon + 1)
        if goal.ndim > 1:
            goal = goal[:, None] if goal.ndim == 2 else goal[:, np.minimum(times, goal.shape[1] - 1)]
        Q, R = (
            W if W.ndim == 2 else W[np.minimum(rows, len(W) - 1)]
            for W, rows in ((self.state_weight, times), (self.control_weight, times[:-1]))
        )
        return goal, Q, R, Q[-1] if self.terminal_weight is None else self.terminal_weight

    def check(self, problems: int, state_dim: int, control_dim: int) -> None:
        n, m, goals = self.goal.shape[-1], self.control_weight.shape[-1], len(self.goal)
        if self.goal.ndim > 1 and goals != problems and (self.goal.ndim, goals) != (3, 1):
            raise InputError(
                f"The cost has {goals} goals, but there are {problems} problems: give each one. A reference over time "
                "that is everybody's has shape (1, T + 1, n)."
            )
        if n != state_dim:
            raise InputError(f"The cost's goal has {n} numbers, but the dynamics have {state_dim} states.")
        if m != control_dim:
            raise InputError(f"control_weight is for {m} controls, but the dynamics have {control_dim}.")

    def value(self, states: Array, controls: Array, problems: Ints) -> Array:
        goal, Q, R, P = self.at(controls.shape[1])
        error = states - _of(goal, problems)
        stages = _quadratic(error[:, :-1], Q if Q.ndim == 2 else Q[:-1]) + _quadratic(controls, R)
        return stages + _quadratic(error[:, -1:], P)

    def expand(self, states: Array, controls: Array, problems: Ints) -> Expansion:
        (b, horizon, m), n = controls.shape, states.shape[-1]
        goal, W, R, P = self.at(horizon)
        error = states - _of(goal, problems)
        Q = np.empty((b, horizon + 1, n, n))
        Q[:], Q[:, -1] = 2 * W, 2 * P
        q = _times(error, 2 * W)
        q[:, -1] = error[:, -1] @ (2 * P)
        bend = np.broadcast_to(2 * R, (b, horizon, m, m))
        return Expansion(q, _times(controls, 2 * R), Q, bend, np.zeros((b, horizon, m, n)))


def _over_time(name: str, value: ArrayLike, size: int | None = None) -> Array:
    """Return a weight (k, k), or one for each time (T, k, k); others raise InputError."""
    if np.ndim(value) != 3:
        return weight(name, value, size)
    rows = real(name, value, (None, size, size))
    whole(f"the number of times of {name}", len(rows))
    return np.stack([weight(name, row, size) for row in rows])


def _of(goal: Array, problems: Ints) -> Array:
    """Return the goals of the problems (b,), where each has its own."""
    return goal if goal.ndim == 1 or len(goal) == 1 else goal[problems]


def _times(x: Array, W: Array) -> Array:
    """Return x_t'W_t of b sequences (b, T, k), W (k, k) or (T, k, k)."""
    return x @ W if W.ndim == 2 else np.einsum("bti,tij->btj", x, W)


def _quadratic(x: Array, W: Array) -> Array:
    """Σ_t x_t'W x_t for each of b sequences (b, T, k), W (k, k) or (T, k, k)."""
    if W.ndim == 3:
        return np.asarray((_times(x, W) * x).sum(axis=(1, 2)))
    flat = x.reshape(-1, x.shape[-1])  # one product of two matrices, not b small ones
    return ((flat @ W) * flat).reshape(len(x), -1).sum(axis=1)
