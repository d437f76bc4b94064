"""Gradient descent on controls and on the states between them, which need not obey the dynamics yet.

Source: Psenka, Rabbat, Krishnapriyan, LeCun, Bar, "Parallel stochastic gradient-based planning for world models"
(GRASP), arXiv:2602.00475, 2026.

As there: *virtual* states are variables beside the controls, held together by a penalty on what the dynamics miss, so
that all times are worked on at once; noise is added to the states alone; no gradient goes through the dynamics' state
input, so that a control learns from the virtual state after it, and from the goal as its own prediction sees it; every
so often the controls are rolled out, and moved along the full gradient.

Otherwise than there: any smooth cost takes the place of the distance to a goal, and the virtual states feel it, instead
of a last one that is held at the goal; they begin at a rollout, not on a line to the goal; noise and steps fade away
within each round; controls have limits; and the best plan that was ever rolled out is returned.
"""

from dataclasses import dataclass, field

import numpy as np

from e2c_control.fields import CountOrZero, NotNegative, Positive, check
from e2c_control.planners.adam import Descent, Moments
from e2c_control.planners.costs import expanded
from e2c_control.planners.dynamics import Dynamics
from e2c_control.planners.plan import Plan
from e2c_control.planners.planner import CheckedPlanner, PlanningProblem
from e2c_control.planners.starts import Starts


@dataclass(frozen=True)
class GRASP(CheckedPlanner):
    """Options of the planner, which is called like a function: a GRASP-like first-order method.

    Each iteration frees the states of the rollouts, takes ``lifted`` noisy steps of Adam on states and controls
    together, none of which rolls anything out, then rolls the controls out and takes ``refined`` steps along the full
    gradient, as the planner Adam does.
    """

    iterations: CountOrZero = 2
    starts: Starts = field(default_factory=lambda: Starts(1, 0, 0))  # beside a warm start
    lifted: CountOrZero = 15
    refined: CountOrZero = 25
    learning_rate: Positive = 0.1  # of each phase's first step, in halves of the allowed range; falls to zero
    state_rate: Positive = 0.1  # the same of virtual states, in their own units, those of a latent space being about 1
    noise: NotNegative = 0.05  # standard deviation of what each step adds to virtual states at first, in their units
    dynamics_weight: NotNegative = 1.0  # of the penalty on what the dynamics miss, times the cost's curvature in states
    goal_weight: NotNegative = 1.0  # of the cost at the predictions

    def __post_init__(self) -> None:
        check(self)

    def plan(self, problem: PlanningProblem, rng: np.random.Generator) -> Plan:
        descent = Descent(problem, self.starts.controls(problem, rng), "GRASP")
        for _ in range(self.iterations):
            self._lift(descent, problem.dynamics, rng)
            for _ in descent.steps(self.refined, self.learning_rate):
                pass
            descent.count()
        return descent.plan()

    def _lift(self, descent: Descent, dynamics: Dynamics, rng: np.random.Generator) -> None:
        """Move the controls of all rows to where noisy steps on virtual states and controls lead."""
        search, (b, horizon, n) = descent.search, descent.search.states[:, 1:].shape
        states, controls, cost = search.states.copy(), search.controls.copy(), descent.cost
        n_problems, of_states, of_controls = int(search.problems[-1]) + 1, Moments(states[:, 1:]), Moments(controls)
        for i in range(self.lifted):
            left = 1 - i / self.lifted
            noise = rng.standard_normal((b // n_problems, horizon, n))  # all problems share it
            states[:, 1:] += self.noise * left * np.tile(noise, (n_problems, 1, 1))
            rows = states[:, :-1].reshape(-1, n), controls.reshape(-1, controls.shape[2])
            predicted = dynamics.step(*rows).reshape(b, horizon, n)
            here = expanded(cost, states, controls, search.problems)
            there = expanded(cost, np.concatenate((states[:, :1], predicted), axis=1), controls, search.problems)
            curvature = here.Q.diagonal(0, 2, 3).mean(axis=(1, 2))[:, None, None]
            pull = self.dynamics_weight * curvature * (states[:, 1:] - predicted)
            _, B = search.engine.linearize(states, controls)
            by_controls = there.r + np.einsum("btij,bti->btj", B, self.goal_weight * there.q[:, 1:] - pull)
            states[:, 1:] += self.state_rate * left * of_states.step(here.q[:, 1:] + pull)
            rate = self.learning_rate * left * descent.width
            controls = descent.limits.clip(controls + rate * of_controls.step(by_controls))
        descent.move(controls)
