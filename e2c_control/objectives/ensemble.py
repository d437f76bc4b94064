"""Further transitions on a finished map, whose disagreement tells where the model knows."""

from __future__ import annotations

import torch
from torch import Tensor

from e2c_control.errors import InputError
from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled


class EnsemblePrediction(Term):
    """Squared error of every member's K-step prediction from the encoded first image, mean over members and steps.

    Members differ in their initial weights alone, which is what makes deep ensembles disagree away from their data
    (Lakshminarayanan, Pritzel and Blundell 2017). Latents are taken as they are: nothing here moves the map.
    """

    def forward(self, unrolled: Unrolled) -> Tensor:
        members = unrolled.embedding.members
        if not members:
            raise InputError("The term 'ensemble_prediction' needs an ensemble in the embedding: set its size above 0.")
        means = unrolled.posterior.mean.detach()
        errors = [(unrolled.roll(means[0], member) - means[1:]).square().sum(-1).mean() for member in members]
        return torch.stack(errors).mean()
