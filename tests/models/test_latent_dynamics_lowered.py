"""A trained transition in the compiled engine: the same numbers, within a replan's few milliseconds."""

import numpy as np
import pytest
import torch

from e2c_control.models.latent_dynamics import LatentDynamics
from e2c_control.models.matrix_network import LocallyLinearTransition, MatrixForm
from e2c_control.planners import ILQR, Limits, QuadraticCost, Starts
from e2c_control.planners.engine import CompiledEngine, Engine, engine_for


def make(form: MatrixForm, k: int = 3, m: int = 2) -> LatentDynamics:
    torch.manual_seed(0)
    transition = LocallyLinearTransition(k, m, hidden=(20, 10), form=form)
    with torch.no_grad():
        transition.head.weight.mul_(10)
        transition.head.bias.normal_(std=0.1)
    return LatentDynamics(transition, "jacobian")


@pytest.mark.parametrize("form", ["full", "rank1", "low_rank", "global"])
def test_the_compiled_rollout_is_the_rollout(form: MatrixForm):
    dynamics, rng = make(form), np.random.default_rng(0)
    states, controls = rng.normal(size=(5, 3)), rng.normal(size=(5, 9, 2))
    engine = engine_for(dynamics)
    assert isinstance(engine, CompiledEngine)
    np.testing.assert_allclose(engine.rollout(states, controls), dynamics.rollout(states, controls), atol=1e-12)


def test_both_engines_make_the_same_plan(monkeypatch: pytest.MonkeyPatch):
    dynamics, cost = make("full"), QuadraticCost([1.0, -1.0, 0.5], 10 * np.eye(3), np.eye(2))
    planner = ILQR(iterations=5, starts=Starts(1, 2, 2))
    arguments = (cost, np.random.default_rng(1).normal(size=(4, 3)), 10, Limits.symmetric(1.0, 2))
    fast = planner(dynamics, *arguments)
    monkeypatch.setattr("e2c_control.planners.quadratic_search.engine_for", Engine)
    plain = planner(dynamics, *arguments)
    np.testing.assert_allclose(fast.controls, plain.controls, atol=1e-8)
    np.testing.assert_allclose(fast.cost_history, plain.cost_history, rtol=1e-9)
    np.testing.assert_array_equal(fast.stop_reason, plain.stop_reason)
    assert np.abs(fast.controls).max() == 1.0
