"""The planners' copy of a transition is the transition."""

import numpy as np
import pytest
import torch

from e2c_control.models.latent_dynamics import LatentDynamics
from e2c_control.models.matrix_network import LocallyLinearTransition
from e2c_control.planners import Dynamics

FORMS = ["rank1", "low_rank", "full", "global"]
K, M = 3, 2
RNG = np.random.default_rng(0)
LATENTS, ACTIONS = RNG.normal(size=(20, K)), RNG.uniform(-1, 1, (20, M))


def make(form: str, noise: bool = False) -> LocallyLinearTransition:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transition = LocallyLinearTransition(K, M, (16, 12), form, 2, noise)  # type: ignore[arg-type]
        torch.nn.init.normal_(transition.head.weight, std=0.4)
        torch.nn.init.normal_(transition.head.bias, std=0.4)
    return transition


def torch_step(transition: LocallyLinearTransition, latents: np.ndarray, actions: np.ndarray) -> np.ndarray:
    z, u = (torch.from_numpy(a).to(transition.head.weight.dtype) for a in (latents, actions))
    with torch.no_grad():
        return transition.predict(z, u).numpy()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("hidden", [(16,), (16, 12), (8, 8, 8)])
def test_the_same_step_as_torch(form: str, hidden: tuple[int, ...]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transition = LocallyLinearTransition(K, M, hidden, form)  # type: ignore[arg-type]
    assert isinstance(LatentDynamics(transition), Dynamics)
    found = LatentDynamics(transition).step(LATENTS, ACTIONS)
    np.testing.assert_allclose(found, torch_step(transition, LATENTS, ACTIONS), atol=1e-6)
    np.testing.assert_allclose(found, torch_step(transition.double(), LATENTS, ACTIONS), atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_a_rollout_is_one_step_after_another(form: str) -> None:
    transition = make(form).double()
    controls = RNG.uniform(-1, 1, (20, 5, M))
    path = LatentDynamics(transition).rollout(0.1 * LATENTS, controls)
    assert path.shape == (20, 6, K)
    np.testing.assert_array_equal(path[:, 0], 0.1 * LATENTS)
    for t in range(5):
        np.testing.assert_allclose(path[:, t + 1], torch_step(transition, path[:, t], controls[:, t]), atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_the_models_own_matrices(form: str) -> None:
    transition = make(form).double()
    step = transition(torch.from_numpy(LATENTS), torch.from_numpy(ACTIONS))
    local = LatentDynamics(transition).linearize(LATENTS, ACTIONS)
    for name in ("A", "B", "o"):
        np.testing.assert_allclose(getattr(local, name), getattr(step, name).detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_the_exact_jacobian(form: str) -> None:
    transition = make(form).double()
    exact = LatentDynamics(transition, "jacobian")
    local = exact.linearize(LATENTS, ACTIONS)
    z, u = torch.from_numpy(LATENTS), torch.from_numpy(ACTIONS)
    J, B = torch.func.vmap(torch.func.jacrev(lambda z, u: transition.predict(z, u), argnums=(0, 1)))(z, u)
    np.testing.assert_allclose(local.A, J.detach().numpy(), atol=1e-10)
    np.testing.assert_allclose(local.B, B.detach().numpy(), atol=1e-10)
    moved = np.eye(K)[None] * 1e-5
    ahead, behind = (
        np.stack([exact.step(LATENTS + s * moved[:, i], ACTIONS) for i in range(K)], axis=2) for s in (1, -1)
    )
    np.testing.assert_allclose(local.A, (ahead - behind) / 2e-5, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("linearization", ["model", "jacobian"])
def test_a_local_model_touches_the_step(form: str, linearization: str) -> None:
    dynamics = LatentDynamics(make(form), linearization)  # type: ignore[arg-type]
    local = dynamics.linearize(LATENTS, ACTIONS)
    here = np.einsum("nij,nj->ni", local.A, LATENTS) + np.einsum("nij,nj->ni", local.B, ACTIONS) + local.o
    np.testing.assert_allclose(here, dynamics.step(LATENTS, ACTIONS), atol=1e-12)


def test_rows_do_not_influence_each_other() -> None:
    dynamics = LatentDynamics(make("full"), "jacobian")
    alone = np.concatenate([dynamics.step(LATENTS[i : i + 1], ACTIONS[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(dynamics.step(LATENTS, ACTIONS), alone, atol=1e-13)


@pytest.mark.parametrize("noise", [False, True])
def test_process_noise(noise: bool) -> None:
    transition = make("full", noise)
    found = LatentDynamics(transition).noise_covariance(LATENTS, ACTIONS)
    log_var = transition.noise_log_var
    expected = np.zeros((K, K)) if log_var is None else np.diag(log_var.detach().double().exp().numpy())
    np.testing.assert_allclose(found, np.broadcast_to(expected, (20, K, K)), atol=1e-12)


def test_later_training_is_not_seen() -> None:
    transition = make("full")
    dynamics = LatentDynamics(transition)
    before = dynamics.step(LATENTS, ACTIONS)
    with torch.no_grad():
        for parameter in transition.parameters():
            parameter.mul_(2.0)
    np.testing.assert_array_equal(dynamics.step(LATENTS, ACTIONS), before)


def test_one_model_for_all() -> None:
    local = LatentDynamics(make("global")).linearize(LATENTS, ACTIONS)
    for part in (local.A, local.B, local.o):
        np.testing.assert_allclose(part, np.broadcast_to(part[0], part.shape), atol=1e-12)
