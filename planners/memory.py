"""Memory within an episode: where a move came out otherwise than the model said, what was seen replaces the model.

Where moves come out as the model said and yet bring no nearer to the goal, the steps to go were wrong: they are raised
there, until another way is shorter. Source: Korf, "Real-time heuristic search", Artificial Intelligence 42, 1990
(LRTA*).
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from e2c_control.planners.checks import Array, Bools, Ints
from e2c_control.planners.costs import Cost
from e2c_control.planners.dynamics import Dynamics, Linearization, rollout_by_steps
from e2c_control.planners.roadmap import HurdleDynamics

SURPRISE = 0.4
"""Steps by which a prediction is missed, from which on the outcome is remembered."""
USUAL = 1.75
"""Times what a model usually misses by, likewise: under noise, one outcome is no news. On walls, anything up to twice
serves, and from 2.6 times on blocked moves pass for noise; with noise of 1 px, a fixed 0.4 steps cost a tenth."""
STOOD, HOPED = 1e-3, 0.1
"""Steps below which nothing moved at all, and from which on it was to: that is no noise, however small the move. What
were not remembered, a small move into a wall, would be tried for ever."""
SAME_PLACE, SAME_CONTROL = 0.5, 0.4
"""Steps from a remembered state, and distance from a remembered control, at which the model is believed again. Both
count: half of each is as far."""
NEARER = 0.1
"""Steps by which each step is to come nearer to the goal, or the place where it was taken is raised."""
ARRIVED = 1.0
"""Steps from the goal within which nothing is raised: there one may stay."""


@dataclass(frozen=True, eq=False)
class Memory:
    """Outcomes of one episode that the model did not expect.

    Attributes:
        states: where they were, (M, n).
        controls: what was done there, (M, m).
        changes: how far that led, (M, n).
        stalls: places that were left without coming nearer to the goal, (V, n).
        heights: by how many steps each of them is raised, (V,).
    """

    states: Array
    controls: Array
    changes: Array
    stalls: Array
    heights: Array

    @classmethod
    def empty(cls, state_dim: int, control_dim: int) -> Self:
        """Return the memory of an episode that begins."""
        states, controls = np.zeros((0, state_dim)), np.zeros((0, control_dim))
        return cls(states, controls, states, states, np.zeros(0))

    def after(
        self, state: Array, control: Array, predicted: Array, seen: Array, scale: float, usual: float = 0.0
    ) -> Self:
        """Return the memory after a step from a state (n,) that was to lead to `predicted` and led to `seen`, (n,).

        `scale` is the length of a typical step, `usual` what the model is known to miss by.
        """
        stood = np.linalg.norm(seen - state) < STOOD * scale
        if not np.linalg.norm(seen - predicted) > (HOPED * scale if stood else max(SURPRISE * scale, USUAL * usual)):
            return self
        states, controls = np.vstack((self.states, state)), np.vstack((self.controls, control))
        return replace(self, states=states, controls=controls, changes=np.vstack((self.changes, seen - state)))

    def nearer(self, state: Array, to_go: float, left: float) -> Self:
        """Return the memory after a step from a state (n,), `to_go` steps from the goal, to one that has `left` to go.

        Both counts are with what was raised before. No step is worth more than one: a state has a step more to go than
        the best that follows, so that is what it is raised to.
        """
        if min(left, to_go) < ARRIVED or not left < np.inf or left < to_go - NEARER:
            return self
        return self.stalled(state, 1.0 + left - to_go)

    def stalled(self, state: Array, height: float = 1.0) -> Self:
        """Return the memory with a state (n,) raised by so many steps: another way is to be tried from there."""
        return replace(self, stalls=np.vstack((self.stalls, state)), heights=np.append(self.heights, height))

    def recalled(self, states: Array, controls: Array, scale: float) -> tuple[Bools, Array]:
        """Return which of the moves (b,) are remembered, and the changes (b, n) of the nearest remembered ones."""
        if not len(self.states):
            return np.zeros(len(states), np.bool_), np.zeros_like(states)
        place = np.linalg.norm(states[:, None] - self.states, axis=2) / (SAME_PLACE * scale)
        control = np.linalg.norm(controls[:, None] - self.controls, axis=2) / SAME_CONTROL
        apart = place + control
        return apart.min(1) < 1.0, self.changes[apart.argmin(1)]

    def raised(self, states: Array, scale: float) -> Array:
        """Return by how many steps states (b, n) are raised, (b,): less with the distance from where it stalled."""
        if not len(self.stalls):
            return np.zeros(len(states))
        apart = np.linalg.norm(states[:, None] - self.stalls, axis=2) / (SAME_PLACE * scale)
        return np.maximum(1.0 - apart, 0.0) @ self.heights


class Remembering:
    """Dynamics that a memory corrects, for any planner.

    Args:
        dynamics: the model.
        memory: of the episode; all states that are asked about belong to it.
        scale: length of a typical step, in units of the states.
    """

    def __init__(self, dynamics: Dynamics, memory: Memory, scale: float) -> None:
        self._dynamics, self._memory, self._scale = dynamics, memory, scale
        self._hurdle = dynamics if isinstance(dynamics, HurdleDynamics) else None
        self.state_dim, self.control_dim = dynamics.state_dim, dynamics.control_dim

    def moves(self, states: Array, controls: Array) -> tuple[Array, Array]:
        """Return chances (b,) to move and landings (b, n), as `HurdleDynamics` do; what is remembered is certain."""
        if self._hurdle is not None:
            chance, landings = self._hurdle.moves(states, controls)
        else:
            chance, landings = np.ones(len(states)), self._dynamics.step(states, controls)
        known, changes = self._memory.recalled(states, controls, self._scale)
        return np.where(known, 1.0, chance), np.where(known[:, None], states + changes, landings)

    def step(self, states: Array, controls: Array) -> Array:
        """Return the next states (b, n), remembered ones where there are."""
        known, changes = self._memory.recalled(states, controls, self._scale)
        return np.where(known[:, None], states + changes, self._dynamics.step(states, controls))

    def rollout(self, initial_states: Array, controls: Array) -> Array:
        """Return trajectories (b, T + 1, n) from initial states (b, n) and controls (b, T, m)."""
        return rollout_by_steps(self.step, initial_states, controls)

    def linearize(self, states: Array, controls: Array) -> Linearization:
        """Return the model's A, B, o, and A = 1, B = 0 where an outcome is remembered: it is one point."""
        local = self._dynamics.linearize(states, controls)
        known, changes = self._memory.recalled(states, controls, self._scale)
        A, B, o = (np.where(known.reshape(-1, *[1] * (x.ndim - 1)), y, x) for x, y in zip(
            (local.A, local.B, local.o), (np.eye(self.state_dim), 0.0, changes), strict=True))  # fmt: skip
        return Linearization(A, B, o)


class RaisedCost(Cost):
    """A cost of steps to go, with those that a memory raises; it has no derivatives.

    Args:
        cost: of the steps that are left.
        memory: of the episode; all states that are asked about belong to it.
        scale: length of a typical step, in units of the states.
        step_weight: of a step in the cost.
    """

    def __init__(self, cost: Cost, memory: Memory, scale: float, step_weight: float) -> None:
        self._cost, self._memory, self._scale, self._step_weight = cost, memory, scale, step_weight
        self.check = cost.check

    def value(self, states: Array, controls: Array, problems: Ints) -> Array:
        later = states[:, 1:]
        raised = self._memory.raised(later.reshape(-1, later.shape[2]), self._scale).reshape(later.shape[:2])
        return self._cost.value(states, controls, problems) + self._step_weight * raised.sum(1)
