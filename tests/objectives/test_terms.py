"""Every registered term on a tiny embedding, and each by hand."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence

from e2c_control.errors import InputError
from e2c_control.models.gaussian import DiagonalGaussian, affine_image
from e2c_control.models.local_linear import LocallyLinear
from e2c_control.objectives.contrastive import InfoNCE, LatentConsistency
from e2c_control.objectives.objective import TERMS
from e2c_control.objectives.smoothness import Centring, ControlUniformity, Curvature
from e2c_control.objectives.unrolled import Noise, Unrolled, alone

Unroll = Callable[..., Unrolled]


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("latent_noise", ["shared", "independent"])
@pytest.mark.parametrize("form", ["rank1", "full", "global", "nonlinear"])
def test_every_term_is_a_finite_scalar_with_a_gradient(
    unroll: Unroll, name: str, steps: int, latent_noise: str, form: str
) -> None:
    term = TERMS[name]()
    unrolled = unroll(steps=steps, latent_noise=latent_noise, matrix_form=form)
    value = term(unrolled)
    assert value.shape == ()
    assert value.isfinite()
    value.backward()
    gradients = [p.grad for p in (*unrolled.embedding.parameters(), *term.parameters()) if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    flat = form == "global" and name == "curvature"  # one linear model for all has none, and nothing to learn from it
    assert flat or sum(gradient.abs().sum().item() for gradient in gradients) > 0
    assert all(p.grad is not None and p.grad.abs() > 0 for p in term.parameters())


@pytest.mark.parametrize("name", TERMS)
def test_a_term_depends_on_the_passed_generator_alone(unroll: Unroll, name: str) -> None:
    before = torch.get_rng_state()
    assert torch.equal(TERMS[name]()(unroll()), TERMS[name]()(unroll()))
    assert torch.equal(before, torch.get_rng_state())


def seen(**parts: Any) -> Unrolled:
    """An unrolled batch of which only some parts are known."""
    noise = Noise(torch.Generator().manual_seed(0))
    return cast(Unrolled, SimpleNamespace(noise=noise, gather=alone, **parts))


def futures(predicted: list[float], target: list[float]) -> Unrolled:
    """One step of one-dimensional latents."""
    mean = torch.stack([torch.zeros(len(target)), torch.tensor(target)]).unsqueeze(-1)
    posterior = DiagonalGaussian(mean, torch.zeros_like(mean))
    return seen(posterior=posterior, predicted_mean=torch.tensor(predicted).reshape(1, -1, 1))


def test_info_nce_by_hand() -> None:
    # Squared distances: own 0 and 0, others 1 and 1.
    value = InfoNCE(noise=0.0)(futures([0.0, 1.0], [0.0, 1.0]))
    assert value.item() == pytest.approx(math.log(1 + math.exp(-0.5)))
    # Own 4 and 0; the first is as far from the other's future as 1.
    value = InfoNCE(noise=0.0)(futures([0.0, 1.0], [2.0, 1.0]))
    first, second = math.log(1 + math.exp(-0.5 + 2.0)), math.log(1 + math.exp(-0.5))
    assert value.item() == pytest.approx((first + second) / 2)


def test_info_nce_of_one_window_is_zero_and_of_a_collapsed_map_chance() -> None:
    assert InfoNCE(noise=0.0)(futures([3.0], [5.0])).item() == 0.0
    assert InfoNCE(noise=0.0)(futures([0.0] * 8, [0.0] * 8)).item() == pytest.approx(math.log(8))


def test_info_nce_is_the_mean_over_steps() -> None:
    g = torch.Generator().manual_seed(0)
    mean, predicted = torch.randn(4, 5, 2, generator=g), torch.randn(3, 5, 2, generator=g)
    together = InfoNCE(noise=0.0)(seen(posterior=DiagonalGaussian(mean, mean), predicted_mean=predicted))
    apart = [
        InfoNCE(noise=0.0)(
            seen(posterior=DiagonalGaussian(mean[[0, t + 1]], mean), predicted_mean=predicted[t : t + 1])
        )
        for t in range(3)
    ]
    torch.testing.assert_close(together, torch.stack(apart).mean())


@pytest.mark.parametrize("log_precision", [0.0, 1.5])
def test_latent_consistency_is_a_gaussian_density(log_precision: float) -> None:
    g = torch.Generator().manual_seed(0)
    mean, predicted = torch.randn(4, 5, 2, generator=g), torch.randn(3, 5, 2, generator=g)
    term = LatentConsistency(noise=0.0)
    torch.nn.init.constant_(term.log_precision, log_precision)
    density = Normal(predicted, math.exp(-0.5 * log_precision))
    expected = -density.log_prob(mean[1:]).sum(-1).mean()
    torch.testing.assert_close(term(seen(posterior=DiagonalGaussian(mean, mean), predicted_mean=predicted)), expected)


def test_curvature_by_hand() -> None:
    def step(z: torch.Tensor) -> LocallyLinear:  # f(z, u) = (1 + z) z + 3 u in one dimension
        return LocallyLinear((1 + z).unsqueeze(-1), torch.full((*z.shape, 1), 3.0), torch.zeros_like(z))

    z = torch.tensor([[0.5], [-2.0]])
    posterior = DiagonalGaussian(z[None], z[None])
    value = Curvature(deviation=0.1)(
        seen(
            posterior=posterior,
            actions=torch.ones(1, 2, 1),
            mean_step=step(z),
            embedding=SimpleNamespace(transition=SimpleNamespace(predict=lambda z, u: step(z).predict(z, u))),
        )
    )
    dz = 0.1 * torch.randn(2, 1, generator=torch.Generator().manual_seed(0))
    # (1 + z + dz)(z + dz) - (1 + z)(z + dz)
    assert value.item() == pytest.approx((dz * (z + dz)).square().mean().item(), rel=1e-4)


def test_a_linear_model_has_no_curvature(unroll: Unroll) -> None:
    unrolled = unroll()
    torch.nn.init.zeros_(unrolled.embedding.transition.head.weight)
    assert Curvature()(unrolled).item() == pytest.approx(0.0, abs=1e-10)


def test_centring_by_hand() -> None:
    mean = torch.tensor([[[1.0, 0.0], [3.0, 2.0]]])
    assert Centring()(seen(posterior=DiagonalGaussian(mean, mean))).item() == pytest.approx(2.0**2 + 1.0**2)


@pytest.mark.parametrize(("controls", "expected"), [([1.0, 1.0], 0.0), ([1.0, -1.0], 1.0), ([1.0, 3.0], 0.2)])
def test_control_uniformity_by_hand(controls: list[float], expected: float) -> None:
    B = torch.tensor(controls).reshape(2, 1, 1)
    step = LocallyLinear(torch.ones(2, 1, 1), B, torch.zeros(2, 1))
    assert ControlUniformity()(seen(mean_step=step)).item() == pytest.approx(expected, abs=1e-6)


def test_images_have_bernoulli_likelihoods(unroll: Unroll) -> None:
    unrolled = unroll(stack=2)
    embedding, x = unrolled.embedding, unrolled.pixels
    for name, latents, targets in [
        ("reconstruction", unrolled.latents[:-1], x[:-1]),
        ("prediction", unrolled.predicted, x[1:]),
        ("display", unrolled.posterior.mean, x),
    ]:
        pixels = Bernoulli(logits=embedding.decode(latents), validate_args=False)
        expected = -pixels.log_prob(targets).sum((-3, -2, -1)).mean()
        torch.testing.assert_close(TERMS[name]()(unrolled), expected, rtol=1e-5, atol=1e-4)


def test_gradients_of_the_image_likelihood(unroll: Unroll) -> None:
    unrolled = unroll()
    decoder = list(unrolled.embedding.decoder.parameters())
    found = torch.autograd.grad(TERMS["prediction"]()(unrolled), decoder, retain_graph=True)
    pixels = Bernoulli(logits=unrolled.embedding.decode(unrolled.predicted), validate_args=False)
    nats = -pixels.log_prob(unrolled.pixels[1:]).sum((-3, -2, -1)).mean()
    for mine, theirs in zip(found, torch.autograd.grad(nats, decoder), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_divergences_are_torchs(unroll: Unroll) -> None:
    unrolled = unroll()
    q = unrolled.posterior
    prior = kl_divergence(Normal(q.mean[:-1], q.variance[:-1].sqrt()), Normal(0.0, 1.0)).sum(-1).mean()
    torch.testing.assert_close(TERMS["prior_kl"]()(unrolled), prior)
    mean, covariance = affine_image(q[:-1], unrolled.local, unrolled.actions)
    encoded = MultivariateNormal(q.mean[1:], torch.diag_embed(q.variance[1:]))
    consistency = kl_divergence(MultivariateNormal(mean, covariance), encoded).mean()
    torch.testing.assert_close(TERMS["consistency_kl"]()(unrolled), consistency, rtol=1e-4, atol=1e-5)


def test_ensemble_prediction_is_the_mean_square_error_of_each_member_and_moves_no_latent(unroll: Unroll) -> None:
    unrolled = unroll()
    embedding, means = unrolled.embedding, unrolled.posterior.mean
    expected = 0.0
    for member in embedding.members:
        z, errors = means[0], []
        for t, actions in enumerate(unrolled.actions):
            z = member.predict(z, actions)
            errors.append((z - means[t + 1]).square().sum(-1))
        expected += torch.stack(errors).mean().item() / len(embedding.members)
    value = TERMS["ensemble_prediction"]()(unrolled)
    assert value.item() == pytest.approx(expected, rel=1e-5)
    value.backward()
    touched = {name.split(".")[0] for name, p in embedding.named_parameters() if p.grad is not None}
    assert touched == {"ensemble"}


def test_without_an_ensemble_its_term_says_what_to_do(unroll: Unroll) -> None:
    with pytest.raises(InputError, match="set its size above 0"):
        TERMS["ensemble_prediction"]()(unroll(ensemble=0))


def test_the_bound_of_the_next_image_by_torchs_distributions(unroll: Unroll) -> None:
    unrolled = unroll()
    embedding, q, after = unrolled.embedding, unrolled.posterior, unrolled.latents[1:]
    state = unrolled.noise._generator.get_state()
    found = TERMS["backward_consistency"]()(unrolled)
    unrolled.noise._generator.set_state(state)
    back = embedding.encode_back(after, unrolled.actions, unrolled.views[:-1])
    before = back.sample(unrolled.noise.normal(*back.mean.shape))
    log_var = embedding.transition.noise_log_var
    predicted = Normal(embedding.transition.predict(before, unrolled.actions), (0.5 * log_var).exp())
    encoded, led = Normal(q.mean[1:], q.variance[1:].sqrt()), Normal(back.mean, back.variance.sqrt())
    gap = kl_divergence(led, Normal(q.mean[:-1], q.variance[:-1].sqrt()))
    expected = (gap - predicted.log_prob(after) - encoded.entropy()).sum(-1).mean()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_next_images_likelihood(unroll: Unroll) -> None:
    unrolled = unroll()
    pixels = Bernoulli(logits=unrolled.embedding.decode(unrolled.latents[1:]), validate_args=False)
    expected = -pixels.log_prob(unrolled.pixels[1:]).sum((-3, -2, -1)).mean()
    torch.testing.assert_close(TERMS["next_reconstruction"]()(unrolled), expected, rtol=1e-5, atol=1e-4)


def test_slowness_by_hand() -> None:
    mean = torch.tensor([[[0.0, 0.0]], [[3.0, 4.0]], [[3.0, 5.0]]])
    assert TERMS["slowness"]()(seen(posterior=DiagonalGaussian(mean, mean))).item() == pytest.approx((25 + 1) / 2)


@pytest.mark.parametrize(
    ("missing", "sentence"), [("backward_encoder", "backward encoder"), ("process_noise", "density")]
)
def test_the_bound_says_what_it_needs(unroll: Unroll, missing: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        TERMS["backward_consistency"]()(unroll(**{missing: False}))


def test_rewards_are_told_from_what_was_encoded_and_from_what_was_rolled(unroll: Unroll) -> None:
    unrolled = unroll(steps=3)
    head, rewards = unrolled.embedding.reward, unrolled.rewards
    assert head is not None
    assert rewards is not None
    with torch.no_grad():
        means, errors = unrolled.posterior.mean, list[torch.Tensor]()
        for t in range(3):
            for latents in (means[t], means[0] if t == 0 else unrolled.predicted_mean[t - 1]):
                errors.append((head(latents, unrolled.actions[t]) - rewards[t]).square().mean())
        torch.testing.assert_close(TERMS["reward"]()(unrolled), torch.stack(errors).mean())


def test_a_dataset_without_rewards_is_told_by_the_term(unroll: Unroll) -> None:
    unrolled = unroll()
    unrolled.rewards = None
    with pytest.raises(InputError, match="needs rewards, and the dataset has none"):
        TERMS["reward"]()(unrolled)
    with pytest.raises(InputError, match="name it in the embedding's `heads`"):
        TERMS["termination"]()(unroll(heads=()))
