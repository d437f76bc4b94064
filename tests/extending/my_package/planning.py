"""A planner, and a cost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from e2c_control import Dynamics, Limits, Plan
from e2c_control.planners import Cost
from e2c_control.planners.sampling import Population

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shooting:
    """Random shooting: the best of so many uniform control sequences, each held for some steps."""

    samples: int = 40
    hold: int = 2

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
        """Plan N problems, from initial states (N, n), over ``horizon`` steps."""
        rng = np.random.default_rng(0) if rng is None else rng
        search = Population.begin(dynamics, cost, initial_states, horizon, limits, warm_start)
        n_problems, steps, m = search.mean.shape
        drawn = rng.uniform(limits.low, limits.high, (self.samples, -(-steps // self.hold), m))
        held = np.repeat(drawn, self.hold, axis=1)[:, :steps]
        search.evaluate(np.broadcast_to(held, (n_problems, *held.shape)))
        return search.plan(1)


class Far(Cost):
    """Sum of the distances from a place, without derivatives."""

    def __init__(self, place: ArrayLike) -> None:
        self.place = np.asarray(place, np.float64)

    def value(self, states: Array, controls: Array, problems: NDArray[np.int64]) -> Array:
        return np.linalg.norm(states - self.place, axis=-1).sum(-1)
