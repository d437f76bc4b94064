"""Whatever the problem, a planner ends with a finite plan or says by name why not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2c_control.planners import AICO, GRASP, ILQR, LQR, Adam, FunctionDynamics, Limits, QuadraticCost, StopReason

PLANNERS = {"ilqr": ILQR(iterations=12), "lqr": LQR(), "aico": AICO(iterations=12)}
PLANNERS |= {"adam": Adam(iterations=12), "grasp": GRASP(iterations=1, lifted=5, refined=7)}


def random_dynamics(rng, n, m, spread, kind):
    A = rng.normal(size=(n, n))
    A *= spread / max(np.abs(np.linalg.eigvals(A)).max(), 1e-12)  # unstable above 1
    B = rng.normal(size=(n, m))
    if kind == "stiff":
        turn = np.linalg.qr(rng.normal(size=(n, n)))[0]
        A = turn * 10.0 ** np.linspace(-8, 3, n) @ turn.T
    if kind == "uncontrollable":
        B[:] = 0.0
    elif kind == "nearly singular":
        B[:] = 1e-9 * rng.normal(size=(n, 1))
    bend = 0.5 * rng.normal(size=(n, n)) if kind == "bent" else np.zeros((n, n))
    return FunctionDynamics(lambda z, u: z @ A.T + u @ B.T + np.sin(3 * z) @ bend.T, n, m)


@pytest.mark.parametrize("planner", sorted(PLANNERS))
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    shape=st.sampled_from([(1, 1), (2, 1), (3, 2), (4, 5)]),
    horizon=st.sampled_from([1, 2, 7, 30]),
    spread=st.sampled_from([0.0, 1e-3, 0.9, 1.1, 3.0, 1e3, 1e40]),
    kind=st.sampled_from(["plain", "stiff", "uncontrollable", "nearly singular", "bent"]),
    control_weight=st.sampled_from([0.0, 1e-12, 1e-2, 1e6]),
    bound=st.sampled_from([0.0, 1e-6, 1.0, np.inf]),
)
def test_a_plan_is_finite_or_its_failure_has_a_name(planner, seed, shape, horizon, spread, kind, control_weight, bound):
    rng = np.random.default_rng(seed)
    n, m = shape
    dynamics = random_dynamics(rng, n, m, spread, kind)
    goals = rng.normal(size=(2, n)) * 10.0 ** rng.integers(-3, 4)
    root = rng.normal(size=(n, rng.integers(1, n + 1)))
    cost = QuadraticCost(goals, root @ root.T, control_weight * np.eye(m))
    limits, states = Limits.symmetric(bound, m), rng.normal(size=(2, n))
    plan = PLANNERS[planner](dynamics, cost, states, horizon, limits)
    assert plan.states.shape == (2, horizon + 1, n)
    assert plan.controls.shape == (2, horizon, m)
    assert np.isfinite(plan.controls).all()
    assert (np.abs(plan.controls) <= bound).all()
    sound = ~plan.failed
    assert StopReason.FALLBACK not in plan.reasons
    assert np.isfinite(plan.cost[sound]).all()
    assert np.isfinite(plan.states[sound]).all()
    assert np.isfinite(plan.gains[sound]).all()
    history = plan.cost_history[sound]
    assert (history[:, 1:] <= history[:, :-1]).all()
