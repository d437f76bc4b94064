"""How much a picture looks like another: what a camera alone can say of whether a goal was reached."""

from __future__ import annotations

import torch

from e2c_control.measures.encoded import Array, Images
from e2c_control.models.embedding import Embedding
from e2c_control.models.pixels import unit_pixels


@torch.inference_mode()
def resemblance(embedding: Embedding, observations: Images, goals: Images) -> Array:
    """1 - |x - g|^2 / E |x' - g|^2, at least 0, over training images x': 1 the same image, 0 no more than any other.

    No code enters into it: a folded map gives two places one code, and its own distances would say that both are the
    goal. Of the training images it needs only the pixel statistics that the embedding has.

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
