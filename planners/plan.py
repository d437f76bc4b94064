"""Plans, which every planner returns, and the limits that they keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from e2c_control.errors import InputError, whole
from e2c_control.planners.checks import Array, Bools, Ints, real
from e2c_control.planners.optimality import Numbers

if TYPE_CHECKING:
    from torch import Tensor

Wholes = TypeVar("Wholes", Ints, "Tensor")


class StopReason(IntEnum):
    """Why the work on a problem ended."""

    CONVERGED = 0  # the optimality residual is within the planner's tolerance
    ITERATIONS = 1  # the iterations are used up; the plan is the best so far
    REGULARISATION = 2  # no further step of the planner lowers the cost, however short
    NON_FINITE = 3  # no start gave a finite trajectory, or (with a finite cost) there is no finite local model along it
    FALLBACK = 4  # planning failed and MPC put a safe plan in its place


@dataclass(frozen=True, eq=False)
class Limits:
    """Box of allowed controls, low <= u <= high; infinities leave a side open."""

    low: Array  # (m,)
    high: Array  # (m,)

    def __post_init__(self) -> None:
        low, high = (real(f"the {name} limit", getattr(self, name), (None,), finite=False) for name in ("low", "high"))
        if low.shape != high.shape or len(low) == 0:
            raise InputError(f"The low and high limit differ in shape: {low.shape} and {high.shape}.")
        if np.isnan(low).any() or np.isnan(high).any() or np.isposinf(low).any() or np.isneginf(high).any():
            raise InputError("A limit must be a number, or an infinity that leaves its side open.")
        if (low > high).any():
            raise InputError(f"Control {int(np.argmax(low > high))} has its low limit above its high limit.")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @classmethod
    def symmetric(cls, bound: ArrayLike, control_dim: int | None = None) -> Limits:
        """Return -bound <= u <= bound, of an array (m,) or of one number and ``control_dim``."""
        m = 1 if control_dim is None else whole("control_dim", control_dim)
        high = real("the bound", bound, (None,) * min(np.ndim(bound), 1), finite=False)
        high = np.broadcast_to(high, np.shape(bound) or (m,))
        return cls(-high, high)

    @classmethod
    def none(cls, control_dim: int) -> Limits:
        """Return limits that exclude nothing."""
        return cls.symmetric(np.inf, control_dim)

    @cached_property
    def closed(self) -> tuple[Array, Array]:
        """Low and high with open sides closed at ±1, or 1 beyond the other side where that is further."""
        low = np.where(np.isfinite(self.low), self.low, np.minimum(-1.0, self.high - 1.0))
        return low, np.where(np.isfinite(self.high), self.high, np.maximum(1.0, low + 1.0))

    def clip(self, controls: Array) -> Array:
        """Return controls (..., m), moved to the nearest allowed ones."""
        return np.minimum(np.maximum(controls, self.low), self.high)


@dataclass(frozen=True, eq=False)
class PlanOf(Generic[Numbers, Wholes]):
    """Planned trajectories of N problems over T steps, as NumPy arrays (`Plan`) or as tensors (`TorchPlan`)."""

    states: Numbers  # (N, T + 1, n), predicted by the dynamics that were planned with
    controls: Numbers  # (N, T, m), always finite and within the limits
    gains: Numbers | None  # (N, T, m, n): u = controls + gains (z - states), zero rows where a limit is active
    cost: Numbers  # (N,), infinite where nothing finite was found
    cost_history: Numbers  # (N, I + 1), before the first and after each iteration; the last value repeats after a stop
    iterations: Wholes  # (N,)
    stop_reason: Wholes  # (N,), values of StopReason
    # (N,), the share of the cost that a full step still promises to gain, without units: see planners/optimality.py.
    # Infinite where no planner has looked: with sampling planners, after a fallback, without a local model.
    optimality_residual: Numbers
    regularisation: Numbers  # (N,), Levenberg-Marquardt weight at the stop, in units of the Hessians
    model_gap: Numbers | None = None  # (N,), |J - A| / |J| over the plan, J the exact Jacobian, where it was asked for

    def __len__(self) -> int:
        return len(self.controls)

    @property
    def horizon(self) -> int:
        """Number of steps T."""
        return self.controls.shape[1]

    @property
    def reasons(self) -> list[StopReason]:
        """The stop reasons by name."""
        return [StopReason(int(reason)) for reason in self.stop_reason]

    def parts(self) -> list[tuple[str, Any]]:
        """Return each field that there is, by its name."""
        return [(part.name, value) for part in fields(self) if (value := getattr(self, part.name)) is not None]

    def select(self, problems: Sequence[int] | Ints | Bools) -> Self:
        """Return the plan of some of the problems."""
        rows = np.asarray(problems)
        return replace(self, **{name: part[rows] for name, part in self.parts()})

    def shift(self, horizon: int | None = None, steps: int = 1) -> Self:
        """Return what is left of this plan after ``steps`` steps, to start from over ``horizon`` steps (default: T).

        The last control is repeated, or the tail cut off. The states are the old prediction, whose last one repeats: a
        planner rolls the controls out again from the state that it is given. Cost and residual are the old ones.
        """
        horizon = whole("horizon", self.horizon if horizon is None else horizon)
        at = np.minimum(np.arange(whole("steps", steps, 0), steps + horizon + 1), self.horizon)
        during = np.minimum(at[:-1], self.horizon - 1)
        gains = None if self.gains is None else self.gains[:, during]
        return replace(self, states=self.states[:, at], controls=self.controls[:, during], gains=gains)


class Plan(PlanOf[Array, Ints]):
    """Planned trajectories of N problems over T steps, as NumPy arrays."""

    @property
    def failed(self) -> Bools:
        """Problems without a finite trajectory, (N,) bool."""
        return ~np.isfinite(self.cost)

    @classmethod
    def guess(cls, controls: ArrayLike, state_dim: int) -> Self:
        """Return a plan of controls (N, T, m) alone, to start a planner from."""
        controls = real("the guessed controls", controls, (None, None, None))
        n_problems, horizon, _ = controls.shape
        unknown = np.full(n_problems, np.inf)
        states = np.full((n_problems, horizon + 1, state_dim), np.nan)
        nothing, reason = np.zeros(n_problems, np.int64), np.full(n_problems, StopReason.ITERATIONS, np.int64)
        return cls(states, controls, None, unknown, unknown[:, None], nothing, reason, unknown, np.zeros((n_problems,)))

    def feedback(self, step: int, states: Array, limits: Limits) -> Array:
        """Return controls (N, m) at ``step`` when the states (N, n) differ from the planned ones, within the limits.

        Where the correction is not finite, the planned control stands.
        """
        control = self.controls[:, step]
        if self.gains is None:
            return limits.clip(control)
        with np.errstate(all="ignore"):
            change = np.einsum("bij,bj->bi", self.gains[:, step], states - self.states[:, step])
        finite = np.isfinite(change).all(axis=1, keepdims=True)
        return limits.clip(control + np.where(finite, change, 0.0))
