"""How many steps apart images are, and which moves are blocked: learnt beside a finished map, from its features."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid

from e2c_control.errors import InputError
from e2c_control.objectives.contrastive import square_distances
from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled

SAME = 1e-3
"""Distance of places, of which a step is about 1, below which they are of the same image: but for rounding."""


class Reachable(Term):
    """Cross-entropy of identifying which image of the batch a window leads to within its K steps, nats.

    The score of a pair is -|p - q|^2 of their places, so that a distance of about 1 is where images can no longer be
    told to be a step apart. Contrastive, both ways (van den Oord et al. 2018; Radford et al. 2021). Places need only
    keep apart what is far: no action and no dynamics enter, and neither side of a wall is ever a positive of the other.
    """

    of_features = True

    def forward(self, unrolled: Unrolled) -> Tensor:
        places = unrolled.gather(unrolled.places, -2)
        own = torch.arange(places.shape[1], device=places.device)
        total = places.new_zeros(())
        for later in places[1:]:
            scores = -square_distances(places[0], later)
            total = total + cross_entropy(scores, own) + cross_entropy(scores.T, own)
        return total / (2 * (len(places) - 1))


class PassageLikelihood(Term):
    """Negative log likelihood of the next places under the embedding's `Passage`, nats per step and dimension.

    A mixture of two Gaussians: moved by the predicted displacement, or stayed. Which of them a recorded move was is
    not labelled, but where the image is the same as before: that stayed. Places are given: the term trains the passage
    alone.
    """

    of_features = True

    def forward(self, unrolled: Unrolled) -> Tensor:
        passage = unrolled.embedding.passage
        if passage is None:
            raise InputError("The term 'passage' needs reachability in the embedding: set its size above 0.")
        places = unrolled.places.detach()
        log_odds, displacements = passage(places[:-1], unrolled.actions)
        change = places[1:] - places[:-1]

        def log_density(errors: Tensor) -> Tensor:
            return -(0.5 * (errors / passage.log_deviation.exp()).square() + passage.log_deviation).sum(-1)

        moved = logsigmoid(log_odds) + log_density(change - displacements)
        stayed = logsigmoid(-log_odds) + log_density(change)
        same = change.square().sum(-1) < SAME**2
        return -torch.where(same, logsigmoid(-log_odds), torch.logaddexp(moved, stayed)).mean() / passage.dim
