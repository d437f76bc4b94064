"""Diagonal Gaussians in latent space, and the exact KL divergence of an affine image of one from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from e2c_control.models.local_linear import LocallyLinear

LOG_DETERMINANT_FLOOR = 1e-6
"""Floor of |det A|: without process noise, the KL divergence of a singular image is infinite."""


@dataclass(frozen=True)
class DiagonalGaussian:
    """N(mean, diag exp(log_var)), any batch shape.

    Attributes:
        mean: (..., k).
        log_var: (..., k).
    """

    mean: Tensor
    log_var: Tensor

    @property
    def variance(self) -> Tensor:
        return self.log_var.exp()

    def sample(self, noise: Tensor) -> Tensor:
        """Return mean + sigma * noise, for standard normal noise of shape (..., k)."""
        return self.mean + (0.5 * self.log_var).exp() * noise

    def __getitem__(self, index: int | slice | tuple[int | slice, ...]) -> DiagonalGaussian:
        return DiagonalGaussian(self.mean[index], self.log_var[index])


def kl_from_standard_normal(q: DiagonalGaussian) -> Tensor:
    """Return KL(q || N(0, I)) in nats, shape (...,)."""
    return 0.5 * (q.mean.square() + q.variance - 1.0 - q.log_var).sum(-1)


def kl_between(p: DiagonalGaussian, q: DiagonalGaussian) -> Tensor:
    """Return KL(p || q) in nats, shape (...,)."""
    spread = (p.variance + (p.mean - q.mean).square()) / q.variance
    return 0.5 * (spread - 1.0 + q.log_var - p.log_var).sum(-1)


def cholesky(matrix: Tensor) -> Tensor:
    """Return the lower Cholesky factor of a positive definite matrix (..., k, k); typed, unlike torch's own."""
    return cast(Tensor, torch.linalg.cholesky(matrix))


def affine_image(q: DiagonalGaussian, step: LocallyLinear, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (..., k) and covariance (..., k, k) of z' = A z + B u + o + h for z ~ q and h ~ N(0, diag H)."""
    covariance = (step.A * q.variance.unsqueeze(-2)) @ step.A.mT
    if step.noise_log_var is not None:
        covariance = covariance + torch.diag_embed(step.noise_log_var.exp().expand(q.mean.shape))
    return step.predict(q.mean, actions), covariance


def kl_of_affine_image(
    q: DiagonalGaussian, step: LocallyLinear, actions: Tensor, encoded_next: DiagonalGaussian
) -> Tensor:
    """Return KL( N(A mu + B u + o, A Sigma A' + H) || encoded_next ) in nats, shape (...,).

    The last term of the E2C objective (Watter et al. 2015, equation 12), exact for every form of A. With C the
    covariance of the image, S' = diag(s') that of `encoded_next` and d the difference of means,

        2 KL = tr(S'^-1 C) + d' S'^-1 d - k + ln det S' - ln det C.

    Without process noise ln det C = ln det Sigma + 2 ln |det A|, with |det A| floored at `LOG_DETERMINANT_FLOOR`, and
    no matrix is factorised; with it C is factorised by Cholesky and nothing is floored. Rounding is clamped at zero.
    """
    inverse = (-encoded_next.log_var).exp()
    spread = step.A.square() * q.variance.unsqueeze(-2)
    image_variance = spread.sum(-1)
    if step.noise_log_var is None:
        log_determinant = q.log_var.sum(-1) + 2.0 * step.log_abs_det(LOG_DETERMINANT_FLOOR)
    else:
        image_variance = image_variance + step.noise_log_var.exp()
        factor = cholesky(affine_image(q, step, actions)[1])
        log_determinant = 2.0 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    offset = encoded_next.mean - step.predict(q.mean, actions)
    mahalanobis = ((image_variance + offset.square()) * inverse - 1.0).sum(-1)
    return 0.5 * (mahalanobis + encoded_next.log_var.sum(-1) - log_determinant).clamp(min=0.0)
