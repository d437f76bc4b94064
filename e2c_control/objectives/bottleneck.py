"""A variational bound on the likelihood of the next image, through the encoding of the next image (RCE, PCC).

E2C's objective bounds nothing once its dynamics are noisy. Robust Controllable Embedding (Banijamali et al. 2018,
equation 4) and PCC (Levine et al. 2020, equations 5 to 7) encode the *next* image, and ask backwards for the latent
that led there:

    -ln p(x'|x, u) <= E[ -ln p(x'|z') ] + E[ KL(q(z|z', u, x) || q(z|x)) - ln p(z'|z, u) ] - H(q(z'|x'))

with z' ~ q(z'|x') and z ~ q(z|z', u, x), the backward encoder.
"""

from __future__ import annotations

import math

from torch import Tensor

from e2c_control.errors import InputError
from e2c_control.models.bernoulli import bernoulli_nats
from e2c_control.models.gaussian import kl_between
from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled


class NextReconstruction(Term):
    """-log p(x_t | z_t) for t = 1..K with z_t ~ q(z_t | x_t), nats per image: the bound's first part."""

    def forward(self, unrolled: Unrolled) -> Tensor:
        return bernoulli_nats(unrolled.embedding.decode(unrolled.latents[1:]), unrolled.pixels[1:])


class BackwardConsistency(Term):
    """The rest of the bound, nats per step. PCC adds it a second time, weighted, as its consistency loss."""

    def forward(self, unrolled: Unrolled) -> Tensor:
        embedding, q, after = unrolled.embedding, unrolled.posterior, unrolled.latents[1:]
        if embedding.backward_encoder is None:
            raise InputError("The term 'backward_consistency' needs a backward encoder: switch it on in the embedding.")
        # z ~ q(z | z', u, x): where the latent must have been to end in the encoded z'.
        back = embedding.encode_back(after, unrolled.actions, unrolled.views[:-1])
        before = back.sample(unrolled.noise.normal(*back.mean.shape))
        step = embedding.step(before, unrolled.actions)
        if step.noise_log_var is None:
            raise InputError("The term 'backward_consistency' needs a density of z': switch on process_noise.")
        k, log_var = after.shape[-1], step.noise_log_var
        # ln p(z' | z, u) is a diagonal Gaussian around the predicted latent; q(z' | x') has its entropy in closed form.
        error = after - step.predict(before, unrolled.actions)
        log_density = -0.5 * (error.square() / log_var.exp() + log_var + math.log(2 * math.pi)).sum(-1)
        entropy = 0.5 * (q.log_var[1:].sum(-1) + k * (1.0 + math.log(2 * math.pi)))
        return (kl_between(back, q[:-1]) - log_density - entropy).mean()
