"""Controls that are choices: of each group of numbers the largest is taken. Planners that sample move the numbers."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from e2c_control.planners.checks import Array, Ints
from e2c_control.planners.costs import Cost
from e2c_control.planners.dynamics import Dynamics, Linearization, rollout_by_steps

Nearest = Callable[[Array], NDArray[np.floating]]
"""Maps controls (..., m) to the choices that they stand for, likewise (..., m)."""


class ChosenControl:
    """Dynamics that are given the choice that a control stands for.

    What a step leads to does not change with a control until another number is the largest: it has no slope in it.
    """

    def __init__(self, dynamics: Dynamics, nearest: Nearest) -> None:
        self.dynamics, self._nearest = dynamics, nearest
        self.state_dim, self.control_dim = dynamics.state_dim, dynamics.control_dim

    def step(self, states: Array, controls: Array) -> Array:
        return self.dynamics.step(states, _chosen(self._nearest, controls))

    def rollout(self, initial_states: Array, controls: Array) -> Array:
        return rollout_by_steps(self.step, initial_states, controls)

    def linearize(self, states: Array, controls: Array) -> Linearization:
        chosen = _chosen(self._nearest, controls)
        A = self.dynamics.linearize(states, chosen).A
        offset = self.dynamics.step(states, chosen) - (A @ states[..., None])[..., 0]
        return Linearization(A, np.zeros((*A.shape[:-1], self.control_dim)), offset)


class ChosenCost(Cost):
    """A cost that is given the choices that controls stand for, for planners that sample."""

    def __init__(self, cost: Cost, nearest: Nearest) -> None:
        self._cost, self._nearest = cost, nearest

    def check(self, problems: int, state_dim: int, control_dim: int) -> None:
        self._cost.check(problems, state_dim, control_dim)

    def value(self, states: Array, controls: Array, problems: Ints) -> Array:
        return self._cost.value(states, _chosen(self._nearest, controls), problems)


def _chosen(nearest: Nearest, controls: Array) -> Array:
    return np.asarray(nearest(controls), np.float64)
