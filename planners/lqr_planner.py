"""LQR as a planner: one linearisation, one LQ problem, no second look.

Source: Kwakernaak and Sivan, "Linear Optimal Control Systems", 1972, for the regulator; within limits, the LQ problem
is solved as in Tassa, Mansard, Todorov, ICRA 2014.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from e2c_control.planners.costs import Cost
from e2c_control.planners.dynamics import Dynamics
from e2c_control.planners.ilqr import ILQR
from e2c_control.planners.plan import Limits, Plan
from e2c_control.planners.starts import Starts


@dataclass(frozen=True)
class LQR:
    """The planner to beat: exact on linear dynamics without limits, and the first step of iLQR on all others.

    The dynamics are linearised along the warm start, or along the trajectory of the allowed control nearest to zero.
    Where the solution would cost more in the dynamics than what it started from, it is not taken.
    """

    def __call__(
        self,
        dynamics: Dynamics,
        cost: Cost,
        initial_states: ArrayLike,
        horizon: int,
        limits: Limits,
        warm_start: Plan | None = None,
        rng: np.random.Generator | None = None,
    ) -> Plan:
        """Plan N problems, from initial states (N, n), over ``horizon`` steps; see ``ILQR``."""
        starts = Starts(zeros=0 if warm_start is not None else 1, uniform=0, extreme=0)
        once = ILQR(iterations=1, starts=starts, step_sizes=(1.0,))
        return once(dynamics, cost, initial_states, horizon, limits, warm_start, rng)
