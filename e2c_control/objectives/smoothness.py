"""Regularisers that keep the latent space easy to plan in: low curvature, centred, actions alike everywhere."""

from __future__ import annotations

from torch import Tensor

from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled


class Curvature(Term):
    """|| f(z + dz, u + du) - f(z, u) - A(z) dz - B(z) du ||^2 for small random dz, du (Levine et al. 2020, equation 8).

    The amortised form: the model's own A and B must predict its response. It lowers curvature and closes the gap
    between A and the true Jacobian at once, without differentiating through a Jacobian.

    Args:
        deviation: of the random displacements.
    """

    def __init__(self, deviation: float = 0.1) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, unrolled: Unrolled) -> Tensor:
        z, u, step = unrolled.posterior.mean[0], unrolled.actions[0], unrolled.mean_step
        dz = self.deviation * unrolled.noise.normal(*z.shape)
        du = self.deviation * unrolled.noise.normal(*u.shape)
        # The first-order prediction at the displaced point, with A and B frozen at z: its error is second order.
        moved = unrolled.embedding.transition.predict(z + dz, u + du)
        return (moved - step.predict(z + dz, u + du)).square().sum(-1).mean()


class Centring(Term):
    """Squared norm of the mean latent of the batch: the origin stays in the middle of the map."""

    def forward(self, unrolled: Unrolled) -> Tensor:
        return unrolled.gather(unrolled.posterior.mean, -2).flatten(0, -2).mean(0).square().sum()


class Slowness(Term):
    """|mu_{t+1} - mu_t|^2, mean over t: latents change little from image to image (Watter et al. 2015, table 1)."""

    def forward(self, unrolled: Unrolled) -> Tensor:
        mean = unrolled.posterior.mean
        return (mean[1:] - mean[:-1]).square().sum(-1).mean()


class ControlUniformity(Term):
    """Variance of B(z) over the batch relative to its mean square, between 0 and 1.

    Where one half of the map is a mirror image of the other, B changes sign between the halves. Penalising differences
    of B prevents such a twist while the map is still forming.
    """

    def forward(self, unrolled: Unrolled) -> Tensor:
        B = unrolled.gather(unrolled.mean_step.B, -3)
        # Relative to the mean square, so that the term cannot be lowered by making all actions weak.
        deviation = (B - B.mean(0)).square().sum((-2, -1)).mean()
        return deviation / (B.square().sum((-2, -1)).mean() + 1e-8)
