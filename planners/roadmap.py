"""Planning beyond what one smooth plan can find: one step at a time, by the steps that a graph of landmarks counts.

Sources: Eysenbach, Salakhutdinov, Levine, "Search on the replay buffer", NeurIPS 2019 (shortest paths over recorded
observations, by a learnt distance); Savinov, Dosovitskiy, Koltun, "Semi-parametric topological memory for navigation",
ICLR 2018 (a graph that temporal closeness of images makes).
"""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from e2c_control.errors import InputError
from e2c_control.fields import TwoOrMoreAtOnce, check
from e2c_control.planners.checks import Array, Bools, Ints, real
from e2c_control.planners.costs import Cost, finite_cost
from e2c_control.planners.dynamics import Dynamics
from e2c_control.planners.landmarks import LOST, Landmarks, square_distances
from e2c_control.planners.plan import Plan, StopReason
from e2c_control.planners.planner import CheckedPlanner, PlanningProblem
from e2c_control.planners.sampling import Population, spread

AWAY = 3.0
"""Steps from all landmarks beyond which a goal is where nothing was recorded."""
DOUBT = 0.25
"""Least chance that a control of full size moves the state, whatever the model says; of smaller ones in proportion."""
HOME = 2.0
"""Steps from the goal within which the distance to it counts, where it is less than the way between cells."""


@runtime_checkable
class HurdleDynamics(Dynamics, Protocol):
    """Dynamics that know that a move may be blocked: the state moves by chance p, and stays where it is otherwise."""

    def moves(self, states: Array, controls: Array) -> tuple[Array, Array]:
        """Return the chances (b,) that states (b, n) move under controls (b, m), and where to if they do (b, n)."""
        ...


class RoadmapCost(Cost):
    """Σ_{t > 0} w d(z_t) + Σ_t u_t'R u_t, d the steps that are left to the goal: a cost that knows ways around walls.

    It has no derivatives: any planner that samples can take it. As a terminal cost it is w d(z_T), beside w for each
    step until then that is not at the goal: the steps taken and those that are left.

    Args:
        landmarks: the graph, which counts the steps.
        goals: (n,) for all problems or (N, n) for each.
        step_weight: w.
        control_weight: R (m, m).
        terminal: whether d counts at the last state alone.
    """

    def __init__(
        self,
        landmarks: Landmarks,
        goals: ArrayLike,
        step_weight: float,
        control_weight: ArrayLike,
        terminal: bool = False,
    ) -> None:
        self.landmarks, self.step_weight, self.terminal = landmarks, step_weight, terminal
        self.goals = real("the goals", np.atleast_2d(np.asarray(goals, np.float64)), (None, landmarks.places.shape[1]))
        self.control_weight = real("control_weight", control_weight, (None, None))
        steps, self._goal_cells = landmarks.steps_to(self.goals), landmarks.cells(self.goals, sound=True)
        apart = np.sqrt(square_distances(self.goals, landmarks.places)) / landmarks.scale
        # Where no path leads, the nearest place that can be reached is the best that can be done.
        self._steps = np.where(steps < LOST, steps, LOST + np.minimum(apart, LOST))
        self._away = np.where(landmarks.aliased, np.inf, apart).min(1)

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
        steps, last = np.zeros(len(states)), states.shape[1] - 2
        for t in range(last + 1):  # the first state is given
            # Rows of the same states stand side by side, where many controls are tried: look each of them up once.
            new, begun = _first_of_runs(states[:, t : t + 2], whose), _first_of_runs(states[:, t], whose)
            cells = self.landmarks.cells(states[begun, t], sound=True)[np.cumsum(begun) - 1]
            left = self._steps_to_go(cells[new], states[new, t + 1], whose[new])[np.cumsum(new) - 1]
            steps += np.minimum(left, 1.0) if self.terminal and t < last else left
        return self.step_weight * steps + np.einsum("bti,ij,btj->b", controls, self.control_weight, controls)

    def to_go(self, states: Array) -> Array:
        """Return the steps (..., N) from a state of each problem (..., N, n) to its goal."""
        rows = states.reshape(-1, states.shape[-1])
        whose = np.arange(len(rows)) % len(self.goals)
        steps = self._steps_to_go(self.landmarks.cells(rows, sound=True), rows, whose)
        return steps.reshape(states.shape[:-1])

    def doubt(self, states: Array) -> str | None:
        """Return a sentence where goals cannot be reached from states (N, n) by what was recorded; None if they can."""
        whose = np.arange(len(states)) if len(self.goals) > 1 else np.zeros(len(states), np.int64)
        if (away := float(self._away[whose].max())) > AWAY:
            return (
                f"No recorded image is nearer to the goal than {away:.0f} steps: the way leads to the nearest one. "
                "Collect where the goal is, or choose another."
            )
        if (self._steps[whose, self.landmarks.cells(states, sound=True)] >= LOST).any():
            return (
                "No recorded steps lead from the start to the goal: the way leads as near to it as they do. Collect "
                "more, or longer episodes; or the model expects few moves to pass, which the table after training says."
            )
        return None

    def _steps_to_go(self, cells: Ints, states: Array, problems: Ints) -> Array:
        """Return the steps (b,) from states (b, n), a step from cells (b,), to the goals of their problems (b,)."""
        graph, finite = self.landmarks, np.isfinite(states.sum(axis=1))
        known = np.where(finite[:, None], states, 0.0)
        one = bool((cells == cells[0]).all())
        near, weights = graph.around(cells[:1], known[None]) if one else graph.around(cells, known[:, None])
        left = self._steps[problems[:, None], near.reshape(len(states), -1)]
        steps: Array = np.einsum("bk,bk->b", left, weights.reshape(len(states), -1))
        home = np.linalg.norm(states - self.goals[problems], axis=1) / graph.scale
        at_home = (home < HOME) & graph.within_reach(cells, self._goal_cells[problems])
        steps = np.where(at_home, np.minimum(steps, home), steps)
        return np.where(finite, steps + 0.05 * np.minimum(home, 5.0), np.inf)  # a slope within a cell


def _first_of_runs(states: Array, problems: Ints) -> Bools:
    """Return which rows (b,) differ from those before them, in states (b, ...) or problem (b,)."""
    rows = states.reshape(len(states), -1)
    same = (rows[1:] == rows[:-1]).all(1) & (problems[1:] == problems[:-1])
    return np.concatenate(([True], ~same))


@dataclass(frozen=True)
class Roadmap(CheckedPlanner):
    """Options of the planner, which is called like a function; a cost needs no derivatives.

    Takes in each step the control after which the next state costs least. The controls that it tries are a grid over
    the limits, or random ones where a grid would have fewer than three values a control. One step ahead is enough where
    the cost counts the steps that are left to the goal, as `RoadmapCost` does: it adds them up between *landmarks*,
    recorded images that are spread over all that was seen.

    Something may be in the way, such as a wall. Dynamics that know of it (`HurdleDynamics`) tell the chance that a
    control moves the state at all, and the planner compares means: the chance times the cost where the control leads
    to, and the rest times the cost of staying. A control that is probably blocked costs about as much as standing
    still.
    """

    samples: TwoOrMoreAtOnce = 81  # controls that each step chooses among

    def __post_init__(self) -> None:
        check(self)

    def plan(self, problem: PlanningProblem, rng: np.random.Generator) -> Plan:
        tried, states = spread(problem.limits, self.samples, rng), [problem.states]
        hurdle = problem.dynamics if isinstance(problem.dynamics, HurdleDynamics) else None
        rows, cost = np.arange(len(states[0])), np.zeros(len(states[0]))
        controls = np.empty((len(rows), problem.horizon, problem.limits.low.size))
        for t in range(problem.horizon):
            values, costs, likely = self._values(problem, hurdle, states[t], tried)
            best = values.argmin(1)
            controls[:, t], cost = tried[best], costs[rows, best]
            states.append(likely[rows, best])
        if hurdle is None:
            search = Population.begin(problem)
            search.evaluate(controls[:, None])
            return search.plan(iterations=1)
        # One that may be blocked is not compared with the old plan, whose cost is that of the likelier outcome alone.
        path = np.stack(states, axis=1)
        if problem.horizon > 1:
            cost = finite_cost(problem.cost, path, controls, rows)
        reason = np.where(np.isfinite(cost), StopReason.ITERATIONS, StopReason.NON_FINITE)
        return replace(
            Plan.guess(controls, path.shape[2]),
            states=path,
            cost=cost,
            cost_history=cost[:, None],
            iterations=np.ones(len(path), np.int64),
            stop_reason=reason.astype(np.int64),
        )

    def _values(
        self, problem: PlanningProblem, hurdle: HurdleDynamics | None, states: Array, tried: Array
    ) -> tuple[Array, Array, Array]:
        """Return what controls (S, m) in states (N, n) are expected to cost (N, S), and the likelier outcome of each.

        An outcome is its cost (N, S) and where it is, (N, S, n).
        """
        problems, controls = np.repeat(np.arange(len(states)), len(tried)), np.tile(tried, (len(states), 1))
        before, shape = states[problems], (len(states), len(tried))
        if hurdle is None:
            after = problem.dynamics.step(before, controls)
            cost = finite_cost(problem.cost, np.stack((before, after), axis=1), controls[:, None], problems)
            return cost.reshape(shape), cost.reshape(shape), after.reshape(*shape, -1)
        chance, landings = hurdle.moves(before, controls)
        after = np.stack((landings, before))  # moved, and stayed
        pairs = np.stack((np.broadcast_to(before, after.shape), after), axis=2).reshape(-1, 2, before.shape[1])
        cost = finite_cost(problem.cost, pairs, np.tile(controls, (2, 1))[:, None], np.tile(problems, 2))
        moved, stayed = cost.reshape(2, -1)
        # A large move that is surely blocked would be a way to stand still, and a wrong one where the model errs.
        half = (problem.limits.high - problem.limits.low) / 2
        size = np.abs((controls - problem.limits.low) / half - 1.0).max(1)
        likely, chance = chance > 0.5, np.maximum(chance, DOUBT * size)
        value = chance * moved + (1.0 - chance) * stayed
        outcome, where = np.where(likely, moved, stayed), np.where(likely[:, None], landings, before)
        return value.reshape(shape), outcome.reshape(shape), where.reshape(*shape, -1)
