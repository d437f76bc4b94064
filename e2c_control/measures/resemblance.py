"""Similarity of two images: a measure of reaching a goal that needs no state."""

from __future__ import annotations

import torch

from e2c_control.measures.encoded import Array, Images
from e2c_control.models.embedding import Embedding
from e2c_control.models.pixels import unit_pixels


@torch.inference_mode()
def resemblance(embedding: Embedding, observations: Images, goals: Images) -> Array:
    """Return 1 - |x - g|^2 / E |x' - g|^2, at least 0, over training images x'.

    1 for the same image; 0 if x is no closer to g than an average training image.

    Latents are not used: a folded map gives two places the same latent, and latent distance would call both the goal.
    Of the training images, only the pixel statistics in the embedding are needed.

    Args:
        embedding: trained.
        observations: (N, H, W, C).
        goals: (N, H, W, C).

    Returns:
        (N,), between 0 and 1.
    """
    mean, deviation = embedding.pixels.statistics
    seen, wanted = (unit_pixels(torch.as_tensor(images, device=mean.device)) for images in (observations, goals))
    any_other = ((wanted - mean).square() + deviation.square()).sum((-3, -2, -1)).clamp(min=1e-12)
    return (1.0 - (seen - wanted).square().sum((-3, -2, -1)) / any_other).clamp(min=0.0).double().cpu().numpy()
