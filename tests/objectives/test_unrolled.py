"""How the next latent is sampled, and what a batch looks like unrolled."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from e2c_control.data import stack_frames
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.models.gaussian import affine_image
from e2c_control.objectives.unrolled import Noise, Unrolled

Unroll = Callable[..., Unrolled]


def linear_embedding() -> Embedding:
    """Matrices that do not depend on the latent, so that the image of a Gaussian is a Gaussian."""
    config = EmbeddingConfig(2, encoder_hidden=(8,), decoder_hidden=(8,), transition_hidden=(8,))
    embedding = Embedding(config, (6, 5, 1), 2, torch.Generator().manual_seed(0))
    torch.nn.init.zeros_(embedding.transition.head.weight)
    torch.nn.init.normal_(embedding.transition.head.bias, generator=torch.Generator().manual_seed(1))
    return embedding


def random_frames(count: int, length: int) -> torch.Tensor:
    """The frames that `unroll` makes."""
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, length, 6, 5, 1), np.uint8))


def one_image_often(latent_noise: str, count: int = 40_000) -> Unrolled:
    frames = torch.randint(0, 256, (1, 2, 6, 5, 1), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    noise = Noise(torch.Generator().manual_seed(0))
    actions = torch.full((1, 1, 2), 0.5).expand(count, 1, 2)
    return Unrolled(linear_embedding(), frames.expand(count, 2, 6, 5, 1), actions, noise, latent_noise)  # type: ignore[arg-type]


@pytest.mark.parametrize("stack", [1, 2, 3])
def test_pixels_are_stacks_oldest_first(unroll: Unroll, stack: int) -> None:
    unrolled, frames = unroll(stack=stack), random_frames(6, stack + 3)
    assert unrolled.pixels.shape == (4, 6, 6, 5, stack)
    for t in range(4):
        expected = torch.from_numpy(stack_frames(frames[:, t : t + stack].numpy())) / 255.0
        torch.testing.assert_close(unrolled.pixels[t], expected)


def test_shared_noise_makes_the_next_latent_the_affine_image_of_this_very_sample(unroll: Unroll) -> None:
    unrolled = unroll()
    z = unrolled.latents[0]
    expected = unrolled.embedding.transition.predict(z, unrolled.actions[0])
    torch.testing.assert_close(unrolled.predicted[0], expected)


def test_shared_noise_draws_nothing_more(unroll: Unroll) -> None:
    first, second = unroll(), unroll()
    torch.testing.assert_close(first.latents, second.latents)
    second.noise.normal(100, 1)
    torch.testing.assert_close(first.predicted, second.predicted)


def test_independent_noise_draws_anew(unroll: Unroll) -> None:
    first, second = unroll(latent_noise="independent"), unroll(latent_noise="independent")
    torch.testing.assert_close(first.latents, second.latents)
    second.noise.normal(100, 1)
    assert not torch.allclose(first.predicted[0], second.predicted[0])


@pytest.mark.parametrize("latent_noise", ["shared", "independent"])
def test_both_have_the_same_marginal(latent_noise: str) -> None:
    unrolled = one_image_often(latent_noise)
    with torch.no_grad():
        step = unrolled.embedding.step(unrolled.latents[0], unrolled.actions[0])
        mean, covariance = affine_image(unrolled.posterior[0], step, unrolled.actions[0])
        found = unrolled.predicted[0]
        size = covariance[0].diagonal().max().item()
        torch.testing.assert_close(found.mean(0), mean[0], atol=0.03 * size**0.5, rtol=0)
        torch.testing.assert_close(torch.cov(found.T), covariance[0], atol=0.04 * size, rtol=0)


@pytest.mark.parametrize(("latent_noise", "explained"), [("shared", 1.0), ("independent", 0.0)])
def test_what_this_latent_tells_of_the_next(latent_noise: str, explained: float) -> None:
    unrolled = one_image_often(latent_noise)
    with torch.no_grad():
        before, after = (x - x.mean(0) for x in (unrolled.latents[0], unrolled.predicted[0]))
        residual = after - before @ torch.linalg.lstsq(before, after).solution
        assert 1 - (residual.var() / after.var()).item() == pytest.approx(explained, abs=0.01)


def test_means_are_rolled_forward_without_noise(unroll: Unroll) -> None:
    unrolled = unroll()
    z = unrolled.posterior.mean[0]
    for t in range(3):
        z = unrolled.embedding.transition.predict(z, unrolled.actions[t])
        torch.testing.assert_close(unrolled.predicted_mean[t], z)
    torch.testing.assert_close(unroll(seed=1).predicted_mean, unrolled.predicted_mean)
