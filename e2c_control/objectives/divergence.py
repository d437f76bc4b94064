"""The two divergences of the E2C objective, Watter et al. 2015, equations 11 and 12."""

from __future__ import annotations

from torch import Tensor

from e2c_control.models.gaussian import kl_from_standard_normal, kl_of_affine_image
from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled


class PriorKL(Term):
    """KL(q(z_0 | x_0) || N(0, I)), nats."""

    def forward(self, unrolled: Unrolled) -> Tensor:
        return kl_from_standard_normal(unrolled.posterior[0]).mean()


class ConsistencyKL(Term):
    """KL(N(A mu + B u + o, C) || q(z_1 | x_1)), nats: predicted and encoded next latent must agree."""

    def forward(self, unrolled: Unrolled) -> Tensor:
        q = unrolled.posterior
        return kl_of_affine_image(q[0], unrolled.first_step, unrolled.actions[0], q[1]).mean()
