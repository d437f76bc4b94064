"""Where a search starts, and that it starts everywhere at once."""

import numpy as np
import pytest

from e2c_control.planners import (
    ILQR,
    MPC,
    FunctionDynamics,
    Limits,
    LinearDynamics,
    Plan,
    PlanningProblem,
    QuadraticCost,
    Starts,
)

LIMITS = Limits(np.array([-0.5, 0.2]), np.array([2.0, 1.0]))
RNG = np.random.default_rng(0)
WARM = Plan.guess(RNG.normal(size=(3, 8, 2)), 2)


def test_the_kinds_of_starts_come_one_after_another():
    model, cost = LinearDynamics(np.eye(2), np.eye(2)), QuadraticCost(np.zeros(2), np.eye(2), np.eye(2))
    problem = PlanningProblem(model, cost, np.zeros((3, 2)), 8, LIMITS, WARM)
    starts = Starts(zeros=1, uniform=4, extreme=5).controls(problem, np.random.default_rng(1))
    assert starts.shape == (3, 11, 8, 2)
    warm, zeros, uniform, extreme = np.split(starts, [1, 2, 6], axis=1)
    np.testing.assert_array_equal(warm[:, 0], LIMITS.clip(WARM.controls))
    np.testing.assert_array_equal(zeros, np.broadcast_to([0.0, 0.2], zeros.shape))
    assert ((uniform >= LIMITS.low) & (uniform <= LIMITS.high)).all()
    assert len(np.unique(uniform[0, :, :, 0])) == 4 * 8
    assert ((extreme == LIMITS.low) | (extreme == LIMITS.high)).all()
    assert (np.abs(np.diff(extreme, axis=2)).max(axis=3) > 0).sum(axis=2).max() == 1  # all controls switch together
    np.testing.assert_array_equal(starts[0, 1:], starts[2, 1:])  # the random ones are shared


@pytest.mark.parametrize(("low", "high"), [(-np.inf, np.inf), (3.0, np.inf), (-np.inf, -3.0)])
def test_an_open_side_is_closed_for_random_starts(low, high):
    limits = Limits(np.array([low]), np.array([high]))
    model, cost = LinearDynamics([[1.0]], [[1.0]]), QuadraticCost([0.0], [[1.0]], [[1.0]])
    starts = Starts(1, 3, 3).controls(PlanningProblem(model, cost, np.zeros((1, 1)), 5, limits, None), RNG)
    assert np.isfinite(starts).all()
    np.testing.assert_array_equal(limits.clip(starts), starts)


def test_all_starts_of_all_problems_share_one_rollout_and_the_shifted_winner_is_the_first():
    rollouts, linearizations = [], []

    class Watched(FunctionDynamics):
        def rollout(self, initial_states, controls):
            rollouts.append(controls.copy())
            return super().rollout(initial_states, controls)

        def linearize(self, states, controls):
            linearizations.append(len(states))
            return super().linearize(states, controls)

    dynamics = Watched(lambda z, u: z + 0.1 * u, 2, 2)
    mpc = MPC(ILQR(iterations=1), dynamics, QuadraticCost([1.0, 1.0], np.eye(2), np.eye(2)), 8, LIMITS)
    plan, _ = mpc.replan(np.zeros((3, 2)))
    mpc.replan(np.full((3, 2), 0.1), plan)
    assert [len(controls) for controls in rollouts] == [3 * 5, 3 * 6]
    assert linearizations[0] == 3 * 5 * 8
    first = rollouts[1].reshape(3, 6, 8, 2)[:, 0]
    np.testing.assert_array_equal(first[:, :-1], plan.controls[:, 1:])
    np.testing.assert_array_equal(first[:, -1], plan.controls[:, -1])
