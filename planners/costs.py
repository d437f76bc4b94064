"""Costs: a value for each trajectory of a batch, and its quadratic expansion along trajectories."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from e2c_control.errors import InputError
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
    if not isinstance(cost, SmoothCost):
        raise InputError(f"{planner} needs derivatives: give {type(cost).__name__} a method expand().")
    return cost


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
    any other.

    Arguments: ``goal`` (n,) for all problems or (N, n) for each; ``state_weight`` Q (n, n); ``control_weight`` R
    (m, m); ``terminal_weight`` (n, n) of the last state instead of Q. All are symmetric and positive semidefinite.
    """

    def __init__(
        self,
        goal: ArrayLike,
        state_weight: ArrayLike,
        control_weight: ArrayLike,
        terminal_weight: ArrayLike | None = None,
    ) -> None:
        self.goal = real("the goal", goal, (None,) * (2 if np.ndim(goal) == 2 else 1))
        n = self.goal.shape[-1]
        self.state_weight = weight("state_weight", state_weight, n)
        self.control_weight = weight("control_weight", control_weight)
        last = terminal_weight
        self.terminal_weight = self.state_weight if last is None else weight("terminal_weight", last, n)

    def check(self, problems: int, state_dim: int, control_dim: int) -> None:
        n, m = self.goal.shape[-1], len(self.control_weight)
        if self.goal.ndim == 2 and len(self.goal) != problems:
            raise InputError(f"The cost has {len(self.goal)} goals, but there are {problems} problems: give each one.")
        if n != state_dim:
            raise InputError(f"The cost's goal has {n} numbers, but the dynamics have {state_dim} states.")
        if m != control_dim:
            raise InputError(f"control_weight is for {m} controls, but the dynamics have {control_dim}.")

    def value(self, states: Array, controls: Array, problems: Ints) -> Array:
        error = self._error(states, problems)
        stages = _quadratic(error[:, :-1], self.state_weight) + _quadratic(controls, self.control_weight)
        return stages + _quadratic(error[:, -1:], self.terminal_weight)

    def expand(self, states: Array, controls: Array, problems: Ints) -> Expansion:
        (b, horizon, m), n = controls.shape, states.shape[-1]
        error = self._error(states, problems)
        Q = np.empty((b, horizon + 1, n, n))
        Q[:, :-1], Q[:, -1] = 2 * self.state_weight, 2 * self.terminal_weight
        q = error @ (2 * self.state_weight)
        q[:, -1] = error[:, -1] @ (2 * self.terminal_weight)
        R = np.broadcast_to(2 * self.control_weight, (b, horizon, m, m))
        return Expansion(q, controls @ (2 * self.control_weight), Q, R, np.zeros((b, horizon, m, n)))

    def _error(self, states: Array, problems: Ints) -> Array:
        return states - (self.goal if self.goal.ndim == 1 else self.goal[problems, None, :])


def _quadratic(x: Array, W: Array) -> Array:
    """Σ_t x_t'W x_t for each of b sequences (b, T, k)."""
    flat = x.reshape(-1, x.shape[-1])  # one product of two matrices, not b small ones
    return ((flat @ W) * flat).reshape(len(x), -1).sum(axis=1)
