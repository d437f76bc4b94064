"""k-step contrastive prediction: the topology of the latent space, learnt without a decoder.

The two terms of PC3 (Shu et al. 2020, equations 7 and 8), averaged over the K steps of a rollout of the latent mean.

How it works: the model predicts where each window of the batch will be after 1..K actions. For each window and step,
`InfoNCE` is a classification: which of the batch's N encoded futures is the one that belongs to this prediction? The
others are the negatives. Solving it needs latents that tell the images of the batch apart *and* dynamics that predict
where they go, which is what planning needs. One step ahead, a map that is folded in two solves it as well as a straight
one, since neighbours are neighbours in both; several steps ahead, a prediction crosses the fold and fails. Both terms
add fixed noise to the encoded futures: it gives the latents a scale, and keeps them from shrinking to a point.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled


def noisy_targets(unrolled: Unrolled, scale: float) -> Tensor:
    """Return the encoded futures with fixed noise added, (K, N, k): without it the latents could shrink to a point."""
    target = unrolled.posterior.mean[1:]
    return target + scale * unrolled.noise.normal(*target.shape)


def square_distances(p: Tensor, q: Tensor) -> Tensor:
    """Return |p_i - q_j|^2 (..., N, N) of points (..., N, k), by the binomial formula: one matrix product."""
    return p.square().sum(-1)[..., :, None] + q.square().sum(-1)[..., None, :] - 2.0 * p @ q.mT


class InfoNCE(Term):
    """Cross-entropy of identifying a window's own future among all futures of the batch, nats per step.

    Score of a pair: the Gaussian log density of the encoded future around the predicted one, with a single learnt
    variance for all steps and latent dimensions.

    Args:
        noise: deviation of the noise added to encoded futures.
    """

    def __init__(self, noise: float = 0.1) -> None:
        super().__init__()
        self.noise = noise
        self.log_precision = nn.Parameter(torch.zeros(()))

    def forward(self, unrolled: Unrolled) -> Tensor:
        # Negatives are the futures of the global batch, so processes that share it gather theirs first.
        predicted = unrolled.gather(unrolled.predicted_mean, -2)
        target = unrolled.gather(noisy_targets(unrolled, self.noise), -2)
        logits = -0.5 * self.log_precision.exp() * square_distances(predicted, target)
        # The correct class of prediction i is future i. The log-normaliser of the density is the same for all pairs and
        # drops out of the softmax.
        own = torch.arange(logits.shape[-1], device=logits.device).expand(logits.shape[:-1])
        return cross_entropy(logits.flatten(0, 1), own.flatten())


class LatentConsistency(Term):
    """Negative Gaussian log density of the encoded futures around the predicted ones, nats per step.

    Args:
        noise: deviation of the noise added to encoded futures; the density's own deviation is learnt.
    """

    def __init__(self, noise: float = 0.1) -> None:
        super().__init__()
        self.noise = noise
        self.log_precision = nn.Parameter(torch.zeros(()))

    def forward(self, unrolled: Unrolled) -> Tensor:
        # A density, so -k/2 log(precision) pays for every narrowing: the learnt spread cannot run away from the errors.
        error = unrolled.predicted_mean - noisy_targets(unrolled, self.noise)
        k = error.shape[-1]
        nats = 0.5 * self.log_precision.exp() * error.square().sum(-1)
        return nats.mean() + 0.5 * k * (math.log(2.0 * math.pi) - self.log_precision)
