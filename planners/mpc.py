"""Model-predictive control: plan, do the first step, plan again."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from reprlib import repr as short

import numpy as np
from numpy.typing import ArrayLike

from e2c_control.errors import InputError, whole
from e2c_control.fields import Count, check, conform
from e2c_control.planners.checks import Array, Bools, Ints, real
from e2c_control.planners.costs import Cost, finite_cost
from e2c_control.planners.dynamics import Dynamics
from e2c_control.planners.plan import Limits, Plan, StopReason
from e2c_control.planners.planner import Planner


@dataclass(frozen=True, eq=False)
class Replan:
    """Record of one replan of N problems."""

    stop_reason: Ints  # (N,), of the planner, before any fallback
    fallback: Bools  # (N,), where a safe plan took the place of a failed one
    cost: Array  # (N,), of the plan that is handed out
    iterations: Ints  # (N,)
    regularisation: Array  # (N,)
    at_limit: Array  # (N,), share of the planned controls that lie on a limit
    cpu_seconds: float  # of this process, for all problems together
    model_gap: Array | None = None  # (N,), where the planner reports it

    def scalars(self) -> dict[str, float]:
        """Return means over the problems, the time of one, and the number of fallbacks, as TensorBoard shows them."""
        sound = self.cost[np.isfinite(self.cost)]
        gap = {} if self.model_gap is None else {"plan/model_gap": float(self.model_gap.mean())}
        return gap | {
            "plan/cost": float(sound.mean()) if len(sound) else float("nan"),
            "plan/iterations": float(self.iterations.mean()),
            "plan/regularisation": float(self.regularisation.mean()),
            "plan/at_limit": float(self.at_limit.mean()),
            "plan/fallbacks": float(self.fallback.sum()),
            "plan/converged": float((self.stop_reason == StopReason.CONVERGED).mean()),
            "plan/cpu_milliseconds": 1e3 * self.cpu_seconds / len(self.cost),
        }


def summarise(replans: Sequence[Replan]) -> dict[str, float]:
    """Return the scalars of many replans: means, but the median of the time, since the first one compiles, and the
    number of all fallbacks. A cost that is not finite is left out."""
    rows = [replan.scalars() for replan in replans]
    columns = {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}
    special = {"plan/fallbacks": np.sum, "plan/cpu_milliseconds": np.median}
    sound = {name: values[np.isfinite(values)] for name, values in columns.items()}
    return {
        name: float(special.get(name, np.mean)(values)) if len(values) else np.nan for name, values in sound.items()
    }


@dataclass(frozen=True, eq=False)
class MPC:
    """Receding-horizon control of a batch of problems. It holds no state: the caller carries plan and generator."""

    planner: Planner
    dynamics: Dynamics
    cost: Cost
    horizon: Count
    limits: Limits

    def __post_init__(self) -> None:
        check(self)

    def replan(
        self,
        states: ArrayLike,
        previous: Plan | None = None,
        steps_left: int | None = None,
        rng: np.random.Generator | None = None,
        restarted: ArrayLike | None = None,
    ) -> tuple[Plan, Replan]:
        """Plan from the states (N, n) that were just observed; do ``plan.controls[:, 0]``, and come back with the plan.

        The plan reaches min(horizon, ``steps_left``) steps. It starts from ``previous`` moved on by one step, except
        where ``restarted`` (N,) says that an episode has begun anew. A problem whose plan fails, or is not finite,
        gets the moved plan, clipped, or zeros where there is none; the others keep theirs. The first control is
        therefore always finite and within the limits.

        Random draws come from ``rng``. Without one every replan draws the same numbers, those of seed 0: pass one
        generator to all replans of a loop to draw others each time.
        """
        begun = time.process_time()
        horizon = self.horizon if steps_left is None else min(self.horizon, whole("steps_left", steps_left))
        states = real("the states", states, (None, self.dynamics.state_dim), finite=False)
        conform(Plan | None, previous, "previous")
        if restarted is not None:
            restarted = fresh = conform(Bools, restarted, "restarted")
            if fresh.shape not in ((), (len(states),)):
                raise InputError(f"restarted is {short(fresh)}: give True or False for each of {len(states)}.")
        warm = None if previous is None else self._warm_start(previous, len(states), horizon, restarted)
        plan = self.planner(self.dynamics, self.cost, states, horizon, self.limits, warm, rng)
        failed, reasons = plan.failed | ~np.isfinite(plan.controls).all(axis=(1, 2)), plan.stop_reason
        if failed.any():
            with np.errstate(all="ignore"):
                plan = self._fall_back(plan, np.flatnonzero(failed), states, warm)
        at_limit = (plan.controls == self.limits.low) | (plan.controls == self.limits.high)
        share, seconds = at_limit.mean(axis=(1, 2)), time.process_time() - begun
        return plan, Replan(
            reasons, failed, plan.cost, plan.iterations, plan.regularisation, share, seconds, plan.model_gap
        )

    def _warm_start(self, previous: Plan, n_problems: int, horizon: int, restarted: ArrayLike | None) -> Plan:
        if len(previous) != n_problems:
            raise InputError(f"The previous plan is for {len(previous)} problems, but {n_problems} states are given.")
        warm = previous.shift(horizon)
        controls = self.limits.clip(warm.controls)
        if restarted is not None:
            fresh = np.broadcast_to(np.asarray(restarted, dtype=np.bool_), n_problems)
            controls[fresh] = self.limits.clip(np.zeros(controls.shape[-1:]))
        return replace(warm, controls=controls)

    def _fall_back(self, plan: Plan, rows: Ints, states: Array, warm: Plan | None) -> Plan:
        """Return ``plan`` with safe controls, and the states they lead to, in the named rows."""
        controls = self.limits.clip(np.zeros_like(plan.controls)) if warm is None else warm.controls
        predicted = self.dynamics.rollout(states[rows], controls[rows])
        mixed = {name: part.copy() for name, part in plan.parts()}
        mixed["states"][rows], mixed["controls"][rows] = predicted, controls[rows]
        mixed["cost"][rows] = finite_cost(self.cost, predicted, controls[rows], rows)
        mixed["cost_history"][rows] = mixed["cost"][rows, None]
        fixed = {"stop_reason": StopReason.FALLBACK, "iterations": 0, "optimality_residual": np.inf, "gains": 0.0}
        for name in fixed.keys() & mixed.keys():
            mixed[name][rows] = fixed[name]
        return replace(plan, **mixed)
