"""The same source as plain Python, and how little an import of the package loads."""

import importlib
import subprocess
import sys

import numpy as np
import pytest

import e2c_control.planners
from e2c_control.planners import ILQR, Limits, Plan, QuadraticCost, Starts

ROOMS = ("compiled", "kernels", "rollouts", "engine", "search", "quadratic_search")


@pytest.fixture
def without_numba(monkeypatch):
    """The planners as they load where numba is not installed."""
    for room in ROOMS:
        monkeypatch.delitem(sys.modules, f"e2c_control.planners.{room}", raising=False)
        monkeypatch.delattr(e2c_control.planners, room, raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.warns(RuntimeWarning, match="numba is not installed") as said:
        importlib.import_module("e2c_control.planners.quadratic_search")
    assert len(said) == 1


def solve(dynamics):
    cost = QuadraticCost([[0.0, 0.0], [1.0, 0.0]], np.eye(2), [[0.1]])
    planner = ILQR(iterations=5, starts=Starts(1, 1, 0))
    return planner(
        dynamics, cost, [[2.0, 0.0], [-1.0, 1.0]], 6, Limits.symmetric(1.0, 1), Plan.guess(np.ones((2, 6, 1)), 2)
    )


@pytest.fixture
def expected(pendulum):
    return solve(pendulum)


def test_plain_python_makes_the_same_plan(pendulum, expected, without_numba):
    plan = solve(pendulum)
    for name in ("states", "controls", "gains", "cost", "cost_history", "stop_reason", "regularisation"):
        np.testing.assert_allclose(getattr(plan, name), getattr(expected, name), rtol=1e-10, atol=1e-12)


PROGRAM = """
import sys, warnings
sys.modules["numba"] = None
import numpy as np
from e2c_control.planners import *

model, limits = LinearDynamics(np.eye(2), 0.3 * np.eye(2)), Limits.symmetric(1.0, 2)
cost = QuadraticCost([0.5, 0.0], np.eye(2), 0.1 * np.eye(2))
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name in PLANNERS:
        plan, record = MPC(make_planner(name), model, cost, 4, limits).replan(np.zeros((2, 2)))
        assert plan.cost.max() < cost.value(np.zeros((1, 5, 2)), np.zeros((1, 4, 2)), np.zeros(1, int)), name
print([str(warning.message) for warning in said])
"""


def test_every_planner_runs_without_numba_and_that_is_said_once():
    answer = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "['numba is not installed: the planners work, but much slower.']"


def test_importing_the_planners_does_not_load_the_compiler():
    program = "import sys, e2c_control.planners; print(sorted({'numba', 'torch', 'scipy'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
