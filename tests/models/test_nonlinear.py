"""The non-linear transition: its local model is the tangent, and the planners' copy is the transition."""

import numpy as np
import pytest
import torch

from e2c_control.models.nonlinear import NonlinearTransition
from e2c_control.models.nonlinear_dynamics import NonlinearDynamics
from e2c_control.models.planning_model import planning_model
from e2c_control.planners import Dynamics
from e2c_control.planners.engine import CompiledEngine, engine_for

RNG = np.random.default_rng(0)
LATENTS, ACTIONS = RNG.normal(size=(20, 3)), RNG.uniform(-1, 1, (20, 2))


@pytest.fixture
def transition() -> NonlinearTransition:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = NonlinearTransition(3, 2, (16, 12)).double()
        torch.nn.init.normal_(made.head.weight, std=0.5)
    return made


def test_the_local_model_is_the_tangent(transition: NonlinearTransition) -> None:
    z, u = torch.from_numpy(LATENTS), torch.from_numpy(ACTIONS)
    local = transition(z, u)
    A, B = torch.func.vmap(torch.func.jacrev(transition.predict, argnums=(0, 1)))(z, u)
    torch.testing.assert_close(local.A, A)
    torch.testing.assert_close(local.B, B)
    torch.testing.assert_close(local.predict(z, u), transition.predict(z, u))


def test_gradients_pass_through_the_tangent(transition: NonlinearTransition) -> None:
    u = torch.from_numpy(ACTIONS[:3])
    z = torch.from_numpy(LATENTS[:3]).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: transition(z, u).A, (z,))


def test_the_planners_copy_is_the_transition(transition: NonlinearTransition) -> None:
    dynamics = planning_model(transition)
    assert isinstance(dynamics, NonlinearDynamics)
    assert isinstance(dynamics, Dynamics)
    z, u = torch.from_numpy(LATENTS), torch.from_numpy(ACTIONS)
    with torch.no_grad():
        local, after = transition(z, u), transition.predict(z, u).numpy()
    np.testing.assert_allclose(dynamics.step(LATENTS, ACTIONS), after, atol=1e-12)
    found = dynamics.linearize(LATENTS, ACTIONS)
    for name in ("A", "B", "o"):
        np.testing.assert_allclose(getattr(found, name), getattr(local, name).numpy(), atol=1e-12)


def test_the_compiled_rollout_is_the_rollout(transition: NonlinearTransition) -> None:
    dynamics, controls = NonlinearDynamics(transition), RNG.uniform(-1, 1, (20, 7, 2))
    engine = engine_for(dynamics)
    assert isinstance(engine, CompiledEngine)
    np.testing.assert_allclose(engine.rollout(LATENTS, controls), dynamics.rollout(LATENTS, controls), atol=1e-12)


def test_it_starts_near_standing_still() -> None:
    z = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    moved = NonlinearTransition(3, 2, (16,)).predict(z, torch.zeros(50, 2))
    assert (moved - z).abs().mean() < 0.2
