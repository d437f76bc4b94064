"""The two divergences of the E2C objective, Watter et al. 2015, equations 11 and 12."""

from __future__ import annotations

from torch import Tensor

from e2c_control.models.gaussian import kl_from_standard_normal, kl_of_affine_image
from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled


class PriorKL(Term):
    """KL(q(z_t | x_t) || N(0, I)), nats."""

    def forward(self, unrolled: Unrolled) -> Tensor:
        return kl_from_standard_normal(unrolled.posterior[:-1]).mean()


class ConsistencyKL(Term):
    """KL(N(A mu + B u + o, C) || q(z_t | x_t)), nats, mean over t: predicted and encoded next must agree."""

    def forward(self, unrolled: Unrolled) -> Tensor:
        q = unrolled.posterior
        return kl_of_affine_image(q[:-1], unrolled.local, unrolled.actions, q[1:]).mean()
