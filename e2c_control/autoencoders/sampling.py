"""Monte-Carlo sampling of any auto-encoder: repeat decoding, encoding and adding noise (Creswell et al. 2016).

Nothing keeps a plain auto-encoder's chain near the data: it may drift, converge to a point or diverge. So each chain is
monitored, and a report is part of the result.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from e2c_control.autoencoders.autoencoder import AutoEncoder, lengths, normal_like
from e2c_control.errors import InputError, number, whole


@dataclass(frozen=True)
class FittedCodes:
    """A normal distribution fitted to the codes of data, to start chains of a model that was trained without a prior.

    Attributes:
        mean: of the flattened codes, (d,).
        factor: lower factor of their covariance, (d, d).
        shape: of a code.
    """

    mean: Tensor
    factor: Tensor
    shape: tuple[int, ...]

    @property
    def deviation(self) -> float:
        """Root mean square deviation of a code's entries."""
        return float(self.factor.square().sum(1).mean().sqrt())

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw codes (n, *shape)."""
        noise = torch.randn(n, len(self.mean), generator=generator, device=generator.device).to(self.mean.device)
        return (self.mean + noise @ self.factor.mT).reshape(n, *self.shape)


@torch.no_grad()
def fit_codes(model: AutoEncoder, data: Tensor) -> FittedCodes:
    """Fit a normal distribution to the codes of data (N, *data_shape).

    Raises:
        InputError: there are fewer than two samples.
    """
    if len(data) < 2:
        raise InputError(f"Codes cannot be fitted to {len(data)} samples: give two or more.")
    codes = model.encode(data).flatten(1)
    mean = codes.mean(0)
    covariance = (codes - mean).mT @ (codes - mean) / (len(codes) - 1)
    # Fewer samples than dimensions leave the covariance singular: a little of its mean on the diagonal is enough.
    jitter = 1e-6 * covariance.diagonal().mean() + 1e-12
    values, vectors = cast(
        tuple[Tensor, Tensor], torch.linalg.eigh(covariance + jitter * torch.eye(len(mean), device=mean.device))
    )
    return FittedCodes(mean, vectors * values.clamp(min=0.0).sqrt(), model.code_shape)


@dataclass(frozen=True)
class ChainReport:
    """Statistics of the chains, cycle by cycle; all lengths in units of the starting codes' deviation.

    Attributes:
        moved: median distance that a code moved, without the noise.
        spread: root mean square deviation of all codes from their mean.
        drift: distance that the mean of all codes moved.
        memory: correlation of the codes with those at the start; near 0 once a chain has forgotten it.
        exploded: share of the chains that had left the region of codes by then.
    """

    moved: tuple[float, ...]
    spread: tuple[float, ...]
    drift: tuple[float, ...]
    memory: tuple[float, ...]
    exploded: tuple[float, ...]

    def settled(self, tolerance: float = 0.05) -> int | None:
        """Return the first cycle from which on no cycle moves the median code by more than `tolerance`, or None."""
        late = [i for i, moved in enumerate(self.moved) if not moved <= tolerance]
        first = late[-1] + 1 if late else 0
        return first if first < len(self.moved) else None


@dataclass(frozen=True)
class Chains:
    """Results of Monte-Carlo sampling.

    Attributes:
        samples: decodings of the last codes, which had no noise added, (n, *data_shape).
        codes: the last codes, (n, *code_shape).
        kept: whether each chain stayed in the region of codes, (n,) bool; one that left keeps its last code within.
        report: statistics of every cycle.
    """

    samples: Tensor
    codes: Tensor
    kept: Tensor
    report: ChainReport


@torch.no_grad()
def resample(
    model: AutoEncoder,
    start: Tensor,
    cycles: int,
    generator: torch.Generator,
    *,
    noise: float | None = None,
    guard: float = 10.0,
) -> Chains:
    """Run chains of decoding and encoding, and decode the last codes.

    Args:
        model: any auto-encoder; a random encoder is sampled.
        start: codes (n, *code_shape), for instance `model.prior_codes(...)`, `fit_codes(...).sample(...)` or the codes
            of data.
        cycles: of decoding and encoding; 0 only decodes.
        generator: of all noise.
        noise: deviation of the noise added to codes between cycles, as the model has it in training, unless given.
            The last code gets none: decoding a noisy one would blur what the chain has sharpened.
        guard: a code has left when it is not finite, or farther from the mean of the starting codes than `guard` times
            the farthest of them.

    Raises:
        InputError: `start` has another shape or is not finite.
    """
    whole("cycles", cycles, least=0)
    if tuple(start.shape[1:]) != model.code_shape or not bool(start.isfinite().all()):
        raise InputError(f"Chains start at finite codes (n, {', '.join(map(str, model.code_shape))}): give such codes.")
    noise = number("noise", float(getattr(model, "noise", 0.0)) if noise is None else noise, least=0)
    guard = number("guard", guard, above=0)
    centre = start.mean(0)
    limit = guard * lengths(start - centre).max().clamp(min=1e-12)
    unit = max(float((start - centre).square().mean().sqrt()), 1e-12)
    codes, kept = start, torch.ones(len(start), dtype=torch.bool, device=start.device)
    rows: list[tuple[float, ...]] = []
    for cycle in range(cycles):
        found = model.encode(model.decode(codes), generator)
        distance = lengths(found - centre)
        kept = kept & (distance <= limit)  # not for NaN either
        following = torch.where(_like(kept, found), found, codes)
        rows.append((*_measure(codes, following, start, unit), float((~kept).float().mean())))
        codes = following
        if noise > 0 and cycle < cycles - 1:
            codes = torch.where(_like(kept, codes), codes + noise * normal_like(codes, generator), codes)
    report = ChainReport(*zip(*rows, strict=True)) if rows else ChainReport((), (), (), (), ())
    lost = int((~kept).sum())
    if lost:
        warnings.warn(
            f"{lost} of {len(start)} chains left the region of codes within {cycles} cycles: start from fitted codes, "
            "use less noise, or train with noise on the codes (a recurrent auto-encoder).",
            stacklevel=2,
        )
    return Chains(model.decode(codes), codes, kept, report)


def _like(mask: Tensor, x: Tensor) -> Tensor:
    return mask.reshape(-1, *[1] * (x.ndim - 1))


def _measure(before: Tensor, after: Tensor, start: Tensor, unit: float) -> tuple[float, float, float, float]:
    root = before[0].numel() ** 0.5
    moved = lengths(after - before).median() / root
    centred, origin = after - after.mean(0), start - start.mean(0)
    spread = centred.square().mean().sqrt()
    drift = (after.mean(0) - before.mean(0)).square().mean().sqrt()
    memory = (centred * origin).mean() / (spread * origin.square().mean().sqrt()).clamp(min=1e-12)
    return float(moved) / unit, float(spread) / unit, float(drift) / unit, float(memory)
