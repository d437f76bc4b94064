"""Prediction errors that train transitions on a fixed latent space: no gradient reaches the encoder."""

from __future__ import annotations

import torch
from torch import Tensor

from e2c_control.errors import InputError
from e2c_control.models.transition import Transition
from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled


def prediction_error(unrolled: Unrolled, transition: Transition) -> Tensor:
    """Return the squared error of a K-step prediction from the encoded first image, mean over the steps."""
    means = unrolled.posterior.mean.detach()  # the latent space is given: train the transition alone
    return (unrolled.roll(means[0], transition) - means[1:]).square().sum(-1).mean()


class LatentPrediction(Term):
    """Squared error of the transition, for dynamics trained after an auto-encoder (Watter et al. 2015, table 1)."""

    def forward(self, unrolled: Unrolled) -> Tensor:
        return prediction_error(unrolled, unrolled.embedding.transition)


class EnsemblePrediction(Term):
    """Squared error of every member of the ensemble, mean over members.

    Members differ in their initial weights alone, which is what makes deep ensembles disagree away from their data
    (Lakshminarayanan, Pritzel and Blundell 2017).
    """

    def forward(self, unrolled: Unrolled) -> Tensor:
        members = unrolled.embedding.members
        if not members:
            raise InputError("The term 'ensemble_prediction' needs an ensemble in the embedding: set its size above 0.")
        return torch.stack([prediction_error(unrolled, member) for member in members]).mean()
