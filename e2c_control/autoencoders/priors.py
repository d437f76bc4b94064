"""Prior distributions of codes, and the scale of distances under each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from e2c_control.errors import number
from e2c_control.registry import Registry


@dataclass(frozen=True)
class Prior:
    """A distribution over codes of any shape. Make one with `normal_prior`, `uniform_prior` or `sphere_prior`.

    Attributes:
        name: for messages.
        draw: (n, shape of a code, generator) to codes (n, *shape), on the generator's device.
        base: squared distance of kernels of scale 1, as a function of the flattened dimension of a code.
    """

    name: str
    draw: Callable[[int, Sequence[int], torch.Generator], Tensor]
    base: Callable[[int], float]

    def sample(self, n: int, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Draw codes (n, *shape)."""
        return self.draw(n, shape, generator)


def normal_prior(deviation: float = 1.0) -> Prior:
    """Return N(0, deviation² I), with base 2 d deviation², the mean squared distance of two draws."""
    deviation = number("deviation", deviation, above=0)

    def draw(n: int, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        return deviation * torch.randn(n, *shape, generator=generator, device=generator.device)

    return Prior("normal", draw, lambda d: 2.0 * d * deviation**2)


def uniform_prior(radius: float = 1.0) -> Prior:
    """Return the uniform prior on [-radius, radius] in each coordinate; base d radius², as published for radius 1."""
    radius = number("radius", radius, above=0)

    def draw(n: int, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        return radius * (2.0 * torch.rand(n, *shape, generator=generator, device=generator.device) - 1.0)

    return Prior("uniform", draw, lambda d: d * radius**2)


def sphere_prior(radius: float = 1.0) -> Prior:
    """Return the uniform prior on the sphere of the flattened code; base 2 radius² in any dimension."""
    radius = number("radius", radius, above=0)

    def draw(n: int, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        flat = torch.randn(n, prod(shape), generator=generator, device=generator.device)
        return (radius * torch.nn.functional.normalize(flat, dim=1)).reshape(n, *shape)

    return Prior("sphere", draw, lambda d: 2.0 * radius**2)


PRIORS: Registry[Callable[[float], Prior]] = Registry(
    "prior", {"normal": normal_prior, "uniform": uniform_prior, "sphere": sphere_prior}
)


def make_prior(name: str | Callable[[float], Prior], scale: float = 1.0) -> Prior:
    """Return the prior `name`, with `scale` as its standard deviation or radius."""
    return PRIORS.find(name)(scale)
