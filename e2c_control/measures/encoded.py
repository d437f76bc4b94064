"""Encode images, decode latents, and compute the images' negative log likelihood, in chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding, Observed
from e2c_control.models.pixels import unit_pixels

Array = NDArray[np.float64]
Images = NDArray[np.uint8]
Observations = Images | NDArray[np.float32] | Mapping[str, NDArray[Any]]
"""N images (N, H, W, C), N vectors (N, d), or both by the names "image" and "vector"."""

CHUNK = 256


def encode_means(embedding: Embedding, observations: Observations, *, finite: bool = True) -> Array:
    """Return the means (N, k) of q(z | x) for N observations, computed in chunks.

    Raises:
        InputError: a mean is not finite. Not raised if ``finite`` is False, for controllers with a plan to fall back
        on.
    """
    return _in_chunks(embedding, lambda images: embedding.encode(images).mean, observations, finite)


def encode_places(embedding: Embedding, observations: Observations, *, finite: bool = True) -> Array:
    """Return the places (N, d) of N observations, likewise; see `Reachability`."""
    return _in_chunks(embedding, embedding.place, observations, finite)


@torch.inference_mode()
def _in_chunks(
    embedding: Embedding, encode: Callable[[Observed], Tensor], observations: Observations, finite: bool
) -> Array:
    device = next(embedding.parameters()).device
    parts = {"": observations} if isinstance(observations, np.ndarray) else observations
    count = len(next(iter(parts.values())))
    chunks = list[Array]()
    for i in range(0, count, CHUNK):
        # torch takes neither reversed views nor arrays that cannot be written.
        some = {
            name: torch.as_tensor(np.require(part[i : i + CHUNK], requirements=("C", "W")), device=device)
            for name, part in parts.items()
        }
        chunks.append(encode(some.get("", some)).double().cpu().numpy())
    latents = np.concatenate(chunks)
    if finite and not np.isfinite(latents).all():
        raise InputError("The embedding gives latents that are not finite: train again with a lower learning rate.")
    return latents


@torch.inference_mode()
def decode_frames(embedding: Embedding, latents: Array, channels: int) -> Images:
    """Return the means of p(x | z) for latents (N, k), as images of their newest frames (N, H, W, channels)."""
    device = next(embedding.parameters()).device
    logits = embedding.decode(torch.as_tensor(latents, dtype=torch.float32, device=device))[..., -channels:]
    return (255.0 * torch.sigmoid(logits)).round().to(torch.uint8).cpu().numpy()


@torch.inference_mode()
def image_nats(
    embedding: Embedding,
    latents: Array,
    observations: Images,
    rows: NDArray[np.int64] | None = None,
) -> float:
    """Return the mean of -log p(x | z) in nats, for latents (M, k) and images (M, H, W, C), `rows` of observations."""
    rows = np.arange(len(latents)) if rows is None else rows
    device, total = next(embedding.parameters()).device, 0.0
    for i in range(0, len(latents), CHUNK):
        logits = embedding.decode(torch.as_tensor(latents[i : i + CHUNK], dtype=torch.float32, device=device))
        pixels = unit_pixels(torch.as_tensor(observations[rows[i : i + CHUNK]], device=device))
        total += float(binary_cross_entropy_with_logits(logits.float(), pixels, reduction="sum"))
    return total / len(latents)


@torch.inference_mode()
def redrawing_errors(embedding: Embedding, latents: Array, observations: Images) -> Array:
    """Return how badly each of N images is redrawn from its latent: the KL divergence of its pixels in nats, (N,).

    That is -log p(x | z) without the entropy of the grey values themselves, which no decoder can undercut, so that dark
    and bright images compare.
    """
    device, found = next(embedding.parameters()).device, list[Array]()
    for i in range(0, len(latents), CHUNK):
        logits = embedding.decode(torch.as_tensor(latents[i : i + CHUNK], dtype=torch.float32, device=device)).double()
        pixels = unit_pixels(torch.as_tensor(observations[i : i + CHUNK], device=device)).double()
        nats = binary_cross_entropy_with_logits(logits, pixels, reduction="none")
        entropy = binary_cross_entropy(pixels, pixels, reduction="none")
        found.append((nats - entropy).flatten(1).sum(1).cpu().numpy())
    return np.concatenate(found)
