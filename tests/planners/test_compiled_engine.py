"""The compiled engine does what the NumPy engine does, with the same step sizes, only sooner."""

import numpy as np
import pytest

from e2c_control.planners import ILQR, FunctionDynamics, Limits, Lowered, Plan, QuadraticCost, Starts
from e2c_control.planners.engine import CompiledEngine, Engine, engine_for

WARM_ONLY = Starts(zeros=0, uniform=0, extreme=0)
LIMITS = Limits.symmetric(2.0, 1)


def test_rollouts_and_local_models_agree(pendulum, compiled_pendulum):
    rng, plain, fast = np.random.default_rng(0), engine_for(pendulum), engine_for(compiled_pendulum)
    assert type(plain) is Engine
    assert type(fast) is CompiledEngine
    controls = rng.uniform(-2, 2, (3, 20, 1))
    states = plain.rollout(rng.normal(size=(3, 2)), controls)
    np.testing.assert_allclose(fast.rollout(states[:, 0], controls), states, atol=1e-12)
    for one, other in zip(plain.linearize(states, controls), fast.linearize(states, controls), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)
    K, k = rng.normal(size=(3, 20, 1, 2)), rng.normal(size=(3, 20, 1))
    arguments = (states, controls, K, k, np.array([1.0, 0.3]), LIMITS)
    for one, other in zip(plain.closed_loop(*arguments), fast.closed_loop(*arguments), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_both_engines_make_the_same_plan(pendulum, compiled_pendulum, pendulum_cost):
    guess = Plan.guess(np.random.default_rng(3).uniform(-1, 1, (4, 30, 1)), 2)
    arguments = (pendulum_cost, np.tile([np.pi, 0.0], (4, 1)), 30, LIMITS, guess)
    plain, fast = (ILQR(iterations=8, starts=WARM_ONLY)(model, *arguments) for model in (pendulum, compiled_pendulum))
    np.testing.assert_allclose(plain.cost_history, fast.cost_history, rtol=1e-6)
    np.testing.assert_allclose(plain.controls, fast.controls, atol=1e-5)
    np.testing.assert_array_equal(plain.iterations, fast.iterations)


def test_64_swing_ups(compiled_pendulum, pendulum_cost):
    guess = Plan.guess(np.random.default_rng(0).uniform(-1, 1, (64, 100, 1)), 2)
    planner, states = ILQR(iterations=300, starts=WARM_ONLY), np.tile([np.pi, 0.0], (64, 1))
    plan = planner(compiled_pendulum, pendulum_cost, states, 100, LIMITS, guess)
    assert plan.cost[0] == pytest.approx(22.2385, abs=1e-4)
    assert (plan.cost < 23).mean() >= 0.95
    assert np.abs(plan.controls).max() == 2.0


def test_a_kernel_that_leaves_the_finite_is_survived():
    def cliff(parameters, sizes, states, controls, after):
        for b in range(len(states)):
            after[b, 0] = states[b, 0] + controls[b, 0] if controls[b, 0] <= 0.5 else np.nan

    def step(states, controls):
        return np.where(controls > 0.5, np.nan, states + controls)

    lowered = Lowered(cliff, np.zeros(0), np.zeros(0, np.int64))
    dynamics = FunctionDynamics(step, 1, 1, lowered=lowered)
    plan = ILQR(starts=Starts(1, 0, 0))(dynamics, QuadraticCost([5.0], [[1.0]], [[1e-3]]), [[0.0]], 4, LIMITS)
    assert np.isfinite(plan.states).all()
    assert (plan.controls <= 0.5).all()
    assert plan.cost[0] < 125.0
