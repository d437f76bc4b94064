"""Planning beyond what one smooth plan can find: one step at a time, by the steps that a graph of landmarks counts.

Sources: Eysenbach, Salakhutdinov, Levine, "Search on the replay buffer", NeurIPS 2019 (shortest paths over recorded
observations, by a learnt distance); Savinov, Dosovitskiy, Koltun, "Semi-parametric topological memory for navigation",
ICLR 2018 (a graph that temporal closeness of images makes).
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from e2c_control.errors import InputError
from e2c_control.fields import TwoOrMoreAtOnce, check
from e2c_control.planners.checks import Array, Ints, real
from e2c_control.planners.costs import Cost, finite_cost
from e2c_control.planners.dynamics import Dynamics
from e2c_control.planners.landmarks import Landmarks, square_distances
from e2c_control.planners.plan import Plan
from e2c_control.planners.planner import CheckedPlanner, PlanningProblem
from e2c_control.planners.sampling import Population

NEAR = 6
"""Landmarks that the value of a state is a mean of."""
BLUR = 0.5
"""Distance beyond the nearest landmark, in steps, at which another one counts e times less."""
HOME = 2.0
"""Steps from the goal within which the distance to it counts, where it is less than the way between cells."""
LOST = 99.0
"""Steps that a landmark counts from which no path leads to the goal."""


@runtime_checkable
class HurdleDynamics(Dynamics, Protocol):
    """Dynamics that know that a move may be blocked: the state moves by chance p, and stays where it is otherwise."""

    def moves(self, states: Array, controls: Array) -> tuple[Array, Array]:
        """Return the chances (b,) that states (b, n) move under controls (b, m), and where to if they do (b, n)."""
        ...


class RoadmapCost(Cost):
    """Σ_{t > 0} w d(z_t) + Σ_t u_t'R u_t, d the steps that are left to the goal: a cost that knows ways around walls.

    It has no derivatives: any planner that samples can take it.

    Args:
        landmarks: the graph, which counts the steps.
        goals: (n,) for all problems or (N, n) for each.
        step_weight: w.
        control_weight: R (m, m).
    """

    def __init__(self, landmarks: Landmarks, goals: ArrayLike, step_weight: float, control_weight: ArrayLike) -> None:
        self.landmarks, self.step_weight = landmarks, step_weight
        self.goals = real("the goals", np.atleast_2d(np.asarray(goals, np.float64)), (None, landmarks.places.shape[1]))
        self.control_weight = real("control_weight", control_weight, (None, None))
        steps = landmarks.steps_to(self.goals)
        self._steps = np.where(np.isfinite(steps), steps, LOST)

    def check(self, problems: int, state_dim: int, control_dim: int) -> None:
        if len(self.goals) not in (1, problems):
            raise InputError(f"The cost has {len(self.goals)} goals, but there are {problems} problems: give each one.")
        if state_dim != self.goals.shape[1]:
            raise InputError(f"The landmarks have {self.goals.shape[1]} numbers, but the dynamics {state_dim} states.")
        if control_dim != len(self.control_weight):
            raise InputError(
                f"control_weight is for {len(self.control_weight)} controls, but the dynamics have {control_dim}."
            )

    def value(self, states: Array, controls: Array, problems: Ints) -> Array:
        whose = np.zeros_like(problems) if len(self.goals) == 1 else problems
        later = states[:, 1:]  # the first state is given
        rows = np.repeat(whose, later.shape[1])
        steps = self._steps_to_go(later.reshape(len(rows), -1), rows).reshape(len(states), -1).sum(1)
        return self.step_weight * steps + np.einsum("bti,ij,btj->b", controls, self.control_weight, controls)

    def to_go(self, states: Array) -> Array:
        """Return the steps (N,) from a state of each problem (N, n) to its goal."""
        whose = np.arange(len(states)) if len(self.goals) > 1 else np.zeros(len(states), np.int64)
        return self._steps_to_go(states, whose)

    def _steps_to_go(self, states: Array, problems: Ints) -> Array:
        """Return the steps (b,) from states (b, n) to the goals of their problems (b,): a mean over landmarks near."""
        graph, finite = self.landmarks, np.isfinite(states.sum(axis=1))
        squares = square_distances(np.where(finite[:, None], states, 0.0), graph.places)
        squares[:, graph.aliased] = np.inf
        count = min(NEAR, squares.shape[1])
        near = np.argpartition(squares, count - 1, axis=1)[:, :count]
        distances = np.sqrt(np.take_along_axis(squares, near, axis=1))
        weights = np.exp(-(distances - distances.min(1, keepdims=True)) / (BLUR * graph.scale))
        left = np.take_along_axis(self._steps[problems], near, axis=1)
        steps: Array = np.einsum("bi,bi->b", left, weights) / weights.sum(1)
        home = np.linalg.norm(states - self.goals[problems], axis=1) / graph.scale
        steps = np.where(home < HOME, np.minimum(steps, home), steps)
        return np.where(finite, steps + 0.05 * np.minimum(home, 5.0), np.inf)  # a slope within a cell


@dataclass(frozen=True)
class Roadmap(CheckedPlanner):
    """Options of the planner, which is called like a function; a cost needs no derivatives.

    Takes in each step the control of which the cost of the next state is least, among a grid over the limits, or draws
    where a grid would be coarser than three values. That is enough where the cost is the way that is left, as
    `RoadmapCost` is. Dynamics that may be blocked are expected to move by their chance: then what they are not sure of
    costs what standing still does.
    """

    samples: TwoOrMoreAtOnce = 81  # controls that each step chooses among

    def __post_init__(self) -> None:
        check(self)

    def plan(self, problem: PlanningProblem, rng: np.random.Generator) -> Plan:
        # One that may be blocked is not compared with the old plan, whose cost is that of the likelier outcome alone.
        hurdle = problem.dynamics if isinstance(problem.dynamics, HurdleDynamics) else None
        search = Population.begin(problem)
        controls = np.empty_like(search.mean)
        tried, states = self._tried(problem, rng), problem.states
        for t in range(problem.horizon):
            controls[:, t] = tried[self._values(problem, hurdle, states, tried).argmin(1)]
            states = problem.dynamics.step(states, controls[:, t])
        value = search.evaluate(controls[:, None])[:, 0]
        if hurdle is not None:
            search.best_controls, search.best_cost = controls, value
            search.history = [value]
        return search.plan(iterations=1)

    def _tried(self, problem: PlanningProblem, rng: np.random.Generator) -> Array:
        low, high = problem.limits.low, problem.limits.high
        levels = int(self.samples ** (1 / len(low)) + 1e-9)
        if levels < 3:
            return rng.uniform(low, high, (self.samples, len(low)))
        grid = np.indices((levels,) * len(low)).reshape(len(low), -1).T / (levels - 1)
        return low + (high - low) * grid

    def _values(self, problem: PlanningProblem, hurdle: HurdleDynamics | None, states: Array, tried: Array) -> Array:
        """Return the costs (N, S) of being where each of the tried controls (S, m) leads to from states (N, n)."""
        problems, controls = np.repeat(np.arange(len(states)), len(tried)), np.tile(tried, (len(states), 1))
        before = states[problems]

        def cost(after: Array) -> Array:
            return finite_cost(problem.cost, np.stack((before, after), axis=1), controls[:, None], problems)

        if hurdle is None:
            value = cost(problem.dynamics.step(before, controls))
        else:
            chance, landings = hurdle.moves(before, controls)
            value = chance * cost(landings) + (1.0 - chance) * cost(before)
        return value.reshape(len(states), -1)
