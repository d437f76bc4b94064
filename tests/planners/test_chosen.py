"""Plans among choices, against the enumeration of all of them."""

from itertools import product

import numpy as np

from e2c_control.planners import CEM, FunctionCost, FunctionDynamics, Limits
from e2c_control.planners.chosen import ChosenControl, ChosenCost

HORIZON = 4


def nearest(controls: np.ndarray) -> np.ndarray:
    return (controls == controls.max(-1, keepdims=True)).astype(float)


def test_the_best_of_all_sequences_of_choices_is_found() -> None:
    moves = np.array([[1.0, 0.0], [0.0, 1.0], [-0.5, -0.5]])
    dynamics = FunctionDynamics(lambda x, u: 0.9 * x + u @ moves, 2, 3)
    cost = FunctionCost(lambda x, u, _: ((x - [0.8, 1.3]) ** 2).sum(1) + u[:, 0] * 0.1)
    start, problem = np.zeros((1, 2)), np.zeros(1, np.int64)
    best = np.inf
    for chosen in product(range(3), repeat=HORIZON):
        controls = np.eye(3)[list(chosen)][None]
        best = min(best, float(cost.value(dynamics.rollout(start, controls), controls, problem)[0]))
    planner, limits = CEM(samples=300, elites=20, iterations=8), Limits.symmetric(1.0, 3)
    plan = planner(ChosenControl(dynamics, nearest), ChosenCost(cost, nearest), start, HORIZON, limits)
    np.testing.assert_allclose(plan.cost[0], best, atol=1e-12)
    free = planner(dynamics, cost, start, HORIZON, limits)
    assert not np.isclose(plan.cost[0], free.cost[0])


def test_a_choice_has_no_slope() -> None:
    dynamics = ChosenControl(FunctionDynamics(lambda x, u: np.sin(x) + u[:, :2], 2, 3), nearest)
    states, controls = np.array([[0.3, -0.2]]), np.array([[0.4, 0.1, 0.2]])
    local = dynamics.linearize(states, controls)
    assert not local.B.any()
    np.testing.assert_allclose(local.A[0], np.diag(np.cos(states[0])), atol=1e-6)
    np.testing.assert_allclose((local.A @ states[0]) + local.o, dynamics.step(states, controls), atol=1e-12)
