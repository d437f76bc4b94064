"""Measures of structured novelty: samples that are new to the model, but neither noise nor constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from e2c_control.autoencoders.autoencoder import AutoEncoder
from e2c_control.autoencoders.novelty import amplitude

NEW, NOISY = 0.85, 0.4
"""A sample set is new with structure if its median error stands at or above this percentile of the data's, and at or
below this share of white noise's."""


@dataclass(frozen=True)
class Structure:
    """Measures of a set of samples under a model. Relative errors are errors over a sample's own variance.

    Attributes:
        error: median relative error of the samples.
        percentile: share of the original data whose error is below the samples' median, in [0, 1].
        noise_error: median relative error of white noise that has each datum's mean and deviation.
        amplitude: median deviation of the samples over that of the original data.
        distance: median distance to the nearest original datum, over the same among the data.
    """

    error: float
    percentile: float
    noise_error: float
    amplitude: float
    distance: float

    @property
    def structured(self) -> bool:
        """Whether the samples are new, and still far from noise."""
        return self.percentile >= NEW and self.error <= NOISY * self.noise_error

    def scalars(self) -> dict[str, float]:
        """Return the measures by their TensorBoard tags, "novelty/..."."""
        return {
            "novelty/error": self.error,
            "novelty/percentile": self.percentile,
            "novelty/error_of_noise": self.noise_error,
            "novelty/amplitude": self.amplitude,
            "novelty/distance": self.distance,
            "novelty/structured": float(self.structured),
        }


@torch.no_grad()
def relative_error(model: AutoEncoder, x: Tensor) -> Tensor:
    """Return `model.error` over the variance of each sample's own numbers, (N,)."""
    return model.error(x) / amplitude(x).square().clamp(min=1e-12)


def noise_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return white noise (N, ...) with the mean and the standard deviation of each sample."""
    flat = x.flatten(1)
    noise = torch.randn(flat.shape, generator=generator).to(x)
    return (flat.mean(1, keepdim=True) + amplitude(x).unsqueeze(1) * noise).reshape(x.shape)


def measure_structure(model: AutoEncoder, samples: Tensor, original: Tensor, generator: torch.Generator) -> Structure:
    """Measure samples (m, *data_shape) against the data (N, *data_shape) that the search began with."""
    known = relative_error(model, original)
    median = relative_error(model, samples).median()
    centre = original.flatten(1).mean(0)  # distances stay, and what cancels in them gets small
    flat, own = samples.flatten(1) - centre, original.flatten(1) - centre
    among = torch.cdist(own, own).fill_diagonal_(torch.inf).min(1).values.median()
    return Structure(
        error=float(median),
        percentile=float((known < median).float().mean()),
        noise_error=float(relative_error(model, noise_like(original, generator)).median()),
        amplitude=float(amplitude(samples).median() / amplitude(original).median().clamp(min=1e-12)),
        distance=float(torch.cdist(flat, own).min(1).values.median() / among.clamp(min=1e-12)),
    )


def spectrum(signals: Tensor) -> Tensor:
    """Return the normalised power spectrum (N, L // 2 + 1) of signals (N, L), by cycles per signal.

    The mean is subtracted and a Hann window applied.
    """
    length = signals.shape[-1]
    window = torch.hann_window(length, periodic=False, dtype=signals.dtype, device=signals.device)
    waves = cast(Tensor, torch.fft.rfft((signals - signals.mean(-1, keepdim=True)) * window))
    power = waves.abs().square()
    return power / power.sum(-1, keepdim=True).clamp(min=1e-30)


def dominant_frequency(signals: Tensor) -> Tensor:
    """Return the cycles per signal with the most power, (N,) int64, of signals (N, L)."""
    return spectrum(signals).argmax(-1)


def high_share(signals: Tensor, above: float) -> Tensor:
    """Return the share of power above `above` cycles per signal, (N,), of signals (N, L)."""
    shares = spectrum(signals)
    cycles = torch.arange(shares.shape[-1], device=signals.device)
    return (shares * (cycles > above)).sum(-1)
