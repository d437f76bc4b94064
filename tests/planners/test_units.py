"""What has converged is the optimum; other units change neither a plan nor what is said about it."""

from dataclasses import dataclass, replace

import numpy as np
import osqp
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csc_matrix

from e2c_control.planners import (
    AICO,
    ILQR,
    LQR,
    Adam,
    Limits,
    LinearDynamics,
    QuadraticCost,
    Starts,
    StopReason,
    TorchILQR,
)

SHAPES = [(1, 1), (2, 1), (3, 2)]  # few, because the kernels are compiled for each
PLANNERS = {"ilqr": ILQR(), "one start": ILQR(starts=Starts(1, 0, 0)), "lqr": LQR(), "aico": AICO(), "adam": Adam()}


@dataclass(frozen=True, eq=False)
class Convex:
    """A linear system with a quadratic cost within limits."""

    A: np.ndarray
    B: np.ndarray
    Q: np.ndarray
    R: np.ndarray
    P: np.ndarray
    goal: np.ndarray
    start: np.ndarray
    high: np.ndarray
    horizon: int

    @classmethod
    def draw(cls, seed: int) -> "Convex":
        rng = np.random.default_rng(seed)
        (n, m), horizon = SHAPES[rng.integers(len(SHAPES))], rng.integers(1, 16)
        A, root = rng.normal(size=(2, n, n))
        A *= rng.choice([0.3, 0.9, 1.0, 1.1]) / np.abs(np.linalg.eigvals(A)).max()
        Q, R = root @ root.T * 10 ** rng.uniform(-2, 2), np.diag(10 ** rng.uniform(-3, 1, m))
        goal, start, high = 3 * rng.normal(size=n), 2 * rng.normal(size=n), 10 ** rng.uniform(-1, 1, m)
        return cls(A, rng.normal(size=(n, m)), Q, R, Q * 10 ** rng.uniform(-1, 2), goal, start, high, int(horizon))

    def measured(self, cost: float, state: float, control: float) -> "Convex":
        """The same problem with numbers so many times as large."""
        inner = cost / state**2
        return replace(
            self,
            B=self.B * (state / control),
            Q=self.Q * inner,
            P=self.P * inner,
            R=self.R * (cost / control**2),
            goal=self.goal * state,
            start=self.start * state,
            high=self.high * control,
        )

    def plan(self, planner):
        cost = QuadraticCost(self.goal, self.Q, self.R, self.P)
        return planner(
            LinearDynamics(self.A, self.B), cost, self.start[None], self.horizon, Limits(-self.high, self.high)
        )

    def plan_in_torch(self, kind):
        A, B, Q, R, P, goal = (
            torch.tensor(part, dtype=kind) for part in (self.A, self.B, self.Q, self.R, self.P, self.goal)
        )

        def cost(states, controls):
            error = states - goal
            stages = (error[:, :-1] @ Q * error[:, :-1]).sum((1, 2)) + (controls @ R * controls).sum((1, 2))
            return stages + (error[:, -1] @ P * error[:, -1]).sum(1)

        start, limits = torch.tensor(self.start[None], dtype=kind), Limits(-self.high, self.high)
        return TorchILQR()(lambda z, u: z @ A.T + u @ B.T, cost, start, self.horizon, limits)


def optimum(problem: Convex) -> float:
    """The least cost, by OSQP on the problem in the controls of all times."""
    (n, m), T = problem.B.shape, problem.horizon
    H, g, rest, drift, response = np.zeros((T * m, T * m)), np.zeros(T * m), 0.0, problem.start, np.zeros((n, T * m))
    for t in range(T + 1):
        W, error = problem.Q if t < T else problem.P, drift - problem.goal
        H += 2 * response.T @ W @ response
        g += 2 * response.T @ W @ error
        rest += error @ W @ error
        drift, response = problem.A @ drift, problem.A @ response
        if t < T:
            response[:, t * m : (t + 1) * m] += problem.B
    H += 2 * np.kron(np.eye(T), problem.R)
    high, solver = np.tile(problem.high, T), osqp.OSQP()
    accuracy = {"eps_abs": 1e-10, "eps_rel": 1e-10, "max_iter": 100_000, "polishing": True, "verbose": False}
    solver.setup(csc_matrix(np.triu(H)), g, csc_matrix(np.eye(T * m)), -high, high, **accuracy)
    u = np.clip(solver.solve(raise_error=True).x, -high, high)
    return float(0.5 * u @ H @ u + g @ u + rest)


def check_against_the_optimum(seed: int, units: tuple[float, float, float]) -> None:
    problem = Convex.draw(seed)
    least, measured = optimum(problem) * units[0], problem.measured(*units)
    for name, planner in PLANNERS.items():
        plan = measured.plan(planner)
        if plan.reasons == [StopReason.CONVERGED]:
            assert plan.cost[0] == pytest.approx(least, rel=1e-6), name
        if name == "lqr":
            assert plan.cost[0] <= 2 * least
    for kind, near in ((torch.float64, 1e-6), (torch.float32, 1e-3)):
        found = measured.plan_in_torch(kind)
        if found.converged[0]:
            assert found.cost.item() == pytest.approx(least, rel=near), kind


SCALES = st.tuples(*(st.floats(-6, 6).map(lambda power: 10**power) for _ in range(3)))


@settings(max_examples=6, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), units=SCALES)
def test_what_has_converged_costs_what_a_quadratic_program_says(seed, units):
    check_against_the_optimum(seed, units)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**9), units=SCALES)
def test_what_has_converged_costs_what_a_quadratic_program_says_of_many(seed, units):
    check_against_the_optimum(seed, units)


# Powers of two are exact, and those of four through the root of a Cholesky factor too, so that the plans must agree to
# the last bit: about 1e-6 to 1e6.
UNITS = st.integers(-10, 10).map(lambda power: 4.0**power)


@pytest.mark.parametrize("name", PLANNERS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), cost=UNITS, state=UNITS, control=UNITS)
def test_other_units_make_the_same_plan(name, seed, cost, state, control):
    problem, planner = Convex.draw(seed), PLANNERS[name]
    plan, other = problem.plan(planner), problem.measured(cost, state, control).plan(planner)
    np.testing.assert_array_equal(other.controls, plan.controls * control)
    np.testing.assert_array_equal(other.states, plan.states * state)
    for field in ("iterations", "stop_reason", "regularisation", "optimality_residual"):
        np.testing.assert_array_equal(getattr(other, field), getattr(plan, field), err_msg=field)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64], ids=["float32", "float64"])
@settings(max_examples=5, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), cost=UNITS, state=UNITS, control=UNITS)
def test_other_units_make_the_same_plan_in_torch(kind, seed, cost, state, control):
    problem = Convex.draw(seed)
    plan, other = problem.plan_in_torch(kind), problem.measured(cost, state, control).plan_in_torch(kind)
    assert plan.converged.all()
    assert other.converged.all()
    torch.testing.assert_close(other.cost / cost, plan.cost, rtol=1e-12 if kind == torch.float64 else 1e-4, atol=0)


@pytest.mark.parametrize("name", PLANNERS)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), iterations=st.integers(0, 3))
def test_converged_is_what_the_residual_says(name, seed, iterations):
    planner = PLANNERS[name]
    planner = planner if isinstance(planner, LQR) else replace(planner, iterations=iterations)
    plan = Convex.draw(seed).plan(planner)
    tolerance = getattr(planner, "tolerance", ILQR().tolerance)
    np.testing.assert_array_equal(plan.stop_reason == StopReason.CONVERGED, plan.optimality_residual <= tolerance)


def test_a_plan_that_stays_at_its_goal_has_converged_although_nothing_is_left_to_compare_with():
    model, cost = LinearDynamics(np.eye(2), np.eye(2)), QuadraticCost([1.0, 1.0], np.eye(2), 1e-3 * np.eye(2))
    for nearly in (1.0, 1.0 + 1e-16, np.nextafter(1.0, 2.0)):
        plan = ILQR(starts=Starts(1, 0, 0))(model, cost, [[nearly, 1.0]], 10, Limits.symmetric(1.0, 2))
        assert plan.reasons == [StopReason.CONVERGED]
        assert plan.iterations[0] <= 2
