"""The exact divergence, against torch's own for full covariances."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from e2c_control.models.gaussian import (
    LOG_DETERMINANT_FLOOR,
    DiagonalGaussian,
    affine_image,
    kl_from_standard_normal,
    kl_of_affine_image,
)
from e2c_control.models.local_linear import LocallyLinear

FORMS = ["rank1", "low_rank", "full"]


def random_gaussian(shape: tuple[int, ...], g: torch.Generator, dtype: torch.dtype = torch.float64) -> DiagonalGaussian:
    return DiagonalGaussian(*(torch.randn(*shape, generator=g, dtype=dtype) for _ in range(2)))


def random_step(
    form: str, n: int, k: int, g: torch.Generator, noise: bool, dtype: torch.dtype = torch.float64
) -> LocallyLinear:
    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=dtype)

    identity, noise_log_var = torch.eye(k, dtype=dtype), draw(k) - 3.0 if noise else None
    if form == "full":
        return LocallyLinear(identity + draw(n, k, k), draw(n, k, 2), draw(n, k), noise_log_var=noise_log_var)
    p = 1 if form == "rank1" else 2
    v, r = draw(n, k, p), draw(n, k, p)
    return LocallyLinear(identity + v @ r.mT, draw(n, k, 2), draw(n, k), v, r, noise_log_var)


def reference(q: DiagonalGaussian, step: LocallyLinear, actions: Tensor, encoded: DiagonalGaussian) -> Tensor:
    """torch's divergence. The factor of C comes from a QR decomposition, which never squares A's condition."""
    roots = [step.A * (0.5 * q.log_var).exp().unsqueeze(-2)]
    if step.noise_log_var is not None:
        roots.append(torch.diag((0.5 * step.noise_log_var).exp()).expand(roots[0].shape))
    upper = torch.linalg.qr(torch.cat(roots, dim=-1).mT)[1]
    factor = (upper * upper.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-1)).mT
    image = MultivariateNormal(step.predict(q.mean, actions), scale_tril=factor, validate_args=False)
    return kl_divergence(image, MultivariateNormal(encoded.mean, torch.diag_embed(encoded.variance)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("k", [2, 3, 8])
def test_exact_for_every_form_of_the_matrix(form: str, noise: bool, k: int) -> None:
    g = torch.Generator().manual_seed(k)
    q, encoded, step = random_gaussian((500, k), g), random_gaussian((500, k), g), random_step(form, 500, k, g, noise)
    actions = torch.randn(500, 2, generator=g, dtype=torch.float64)
    expected = reference(q, step, actions, encoded)
    assert (torch.det(step.A).abs() > 1e-6).all()
    torch.testing.assert_close(kl_of_affine_image(q, step, actions, encoded), expected, atol=1e-10, rtol=1e-10)


def nearly_singular(determinant: float, g: torch.Generator, k: int = 3) -> LocallyLinear:
    """A = I + v r' with the given determinant 1 + v'r."""
    v = torch.randn(1, k, 1, generator=g, dtype=torch.float64)
    r = torch.randn(1, k, 1, generator=g, dtype=torch.float64)
    r = r + v * (determinant - 1.0 - (v * r).sum()) / v.square().sum()
    zeros = torch.zeros(1, k, dtype=torch.float64)
    return LocallyLinear(torch.eye(k, dtype=torch.float64) + v @ r.mT, zeros.unsqueeze(-1), zeros, v, r)


@pytest.mark.parametrize("determinant", [1e-1, 1e-3, 1e-5, 2e-6, -1e-5, -3.0])
@pytest.mark.parametrize("seed", range(5))
def test_exact_down_to_the_floor(determinant: float, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    q, encoded, step = random_gaussian((1, 3), g), random_gaussian((1, 3), g), nearly_singular(determinant, g)
    assert step.v is not None
    assert step.r is not None
    factors = zip(step.v.flatten().tolist(), step.r.flatten().tolist(), strict=True)
    exact = 1 + sum((Fraction(v) * Fraction(r) for v, r in factors), Fraction(0))
    log_image = q.log_var.sum() + 2 * math.log(abs(exact))
    spread = (step.A.square() * q.variance.unsqueeze(-2)).sum(-1)
    no_action = torch.zeros(1, 1, dtype=torch.float64)
    offset = (encoded.mean - step.predict(q.mean, no_action)).square()
    expected = 0.5 * (((spread + offset) / encoded.variance - 1).sum() + encoded.log_var.sum() - log_image)
    found = kl_of_affine_image(q, step, no_action, encoded).squeeze()
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-12)


@pytest.mark.parametrize("determinant", [1e-6, 1e-9, 0.0, -1e-8])
def test_below_the_floor_the_determinant_counts_as_the_floor(determinant: float) -> None:
    g = torch.Generator().manual_seed(2)
    step = nearly_singular(determinant, g)
    assert step.log_abs_det(LOG_DETERMINANT_FLOOR).item() == pytest.approx(math.log(1e-6), abs=1e-6)
    q = random_gaussian((1, 3), g)
    assert kl_of_affine_image(q, step, torch.zeros(1, 1, dtype=torch.float64), q).isfinite().all()


def test_with_process_noise_a_singular_matrix_is_exact() -> None:
    g = torch.Generator().manual_seed(3)
    q, encoded = random_gaussian((1, 3), g), random_gaussian((1, 3), g)
    singular = nearly_singular(0.0, g)
    step = LocallyLinear(
        singular.A, singular.B, singular.o, singular.v, singular.r, torch.full((3,), -4.0, dtype=torch.float64)
    )
    actions = torch.zeros(1, 1, dtype=torch.float64)
    expected = reference(q, step, actions, encoded)
    torch.testing.assert_close(kl_of_affine_image(q, step, actions, encoded), expected, atol=1e-10, rtol=1e-10)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    form=st.sampled_from(FORMS),
    noise=st.booleans(),
    scale=st.floats(0.01, 4.0),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_never_negative_and_always_finite(seed: int, form: str, noise: bool, scale: float, dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(seed)
    q, encoded = (random_gaussian((20, 3), g, dtype) for _ in range(2))
    q = DiagonalGaussian(q.mean, (scale * q.log_var).clamp(-10, 10))
    step = random_step(form, 20, 3, g, noise, dtype)
    found = kl_of_affine_image(q, step, torch.zeros(20, 2, dtype=dtype), encoded)
    assert found.isfinite().all()
    assert (found >= 0).all()


def test_zero_where_nothing_moves() -> None:
    q = random_gaussian((5, 3), torch.Generator().manual_seed(0))
    zeros = torch.zeros(3, dtype=torch.float64)
    still = LocallyLinear(torch.eye(3, dtype=torch.float64), zeros.unsqueeze(-1), zeros)
    found = kl_of_affine_image(q, still, torch.zeros(5, 1, dtype=torch.float64), q)
    torch.testing.assert_close(found, torch.zeros(5, dtype=torch.float64), atol=1e-12, rtol=0)


def test_divergence_from_the_prior() -> None:
    q = random_gaussian((50, 4), torch.Generator().manual_seed(0))
    expected = kl_divergence(Normal(q.mean, q.variance.sqrt()), Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(kl_from_standard_normal(q), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("noise", [False, True])
def test_the_image_has_the_covariance_of_samples(noise: bool) -> None:
    g = torch.Generator().manual_seed(4)
    q, step = random_gaussian((1, 3), g), random_step("full", 1, 3, g, noise)
    z = q.sample(torch.randn(200_000, 3, generator=g, dtype=torch.float64))
    actions = torch.ones(1, 2, dtype=torch.float64)
    after = step.predict(z, actions)
    if step.noise_log_var is not None:
        after = after + (0.5 * step.noise_log_var).exp() * torch.randn(after.shape, generator=g, dtype=torch.float64)
    mean, covariance = affine_image(q, step, actions)
    size = covariance.abs().max().item()
    torch.testing.assert_close(after.mean(0, keepdim=True), mean, atol=0.02 * size**0.5, rtol=0)
    torch.testing.assert_close(torch.cov(after.T)[None], covariance, atol=0.02 * size, rtol=0)


def test_a_sample_is_mean_plus_deviation_times_noise() -> None:
    q = DiagonalGaussian(torch.tensor([1.0, 2.0]), torch.tensor([0.0, math.log(4.0)]))
    torch.testing.assert_close(q.sample(torch.tensor([1.0, -1.0])), torch.tensor([2.0, 0.0]))
