"""Small problems with exact gradients, for comparing estimators."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Gamma, Independent, Normal, OneHotCategorical

from e2c_control.errors import number, whole
from e2c_control.gradients.estimator import Function
from e2c_control.registry import Registry


@dataclass(frozen=True, eq=False)
class Toy:
    """E f(b), b ~ distribution, small enough for an exact gradient."""

    text: str
    distribution: Distribution
    f: Function


def bit(target: float = 0.499, probability: float = 0.5) -> Toy:
    """Return the toy E (b - t)^2 of one bit: the toy of REBAR (t = 0.45) and RELAX (t = 0.499)."""
    target, probability = number("target", target), number("probability", probability, above=0, below=1)
    logit = torch.tensor(math.log(probability / (1 - probability)), dtype=torch.float64)
    text = f"one bit, f = (b - {target:g})^2, p = {probability:g}"
    return Toy(text, Bernoulli(logits=logit), lambda b: (b - target).square())


def bits(target: float = 0.499, count: int = 10) -> Toy:
    """Return the toy E of the mean of (b - t)^2 over independent bits with p = 0.5, which do not interact in f."""
    target, count = number("target", target), whole("count", count)
    distribution = Independent(Bernoulli(logits=torch.zeros(count, dtype=torch.float64)), 1)
    text = f"{count} bits, f = mean of (b - {target:g})^2, p = 0.5"
    return Toy(text, distribution, lambda b: (b - target).square().mean(-1))


def interacting(seed: int = 3) -> Toy:
    """Return the toy of three bits that interact in pairs and all together, with random coefficients."""
    generator = torch.Generator().manual_seed(seed)
    line, pairs = (torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((3,), (3, 3)))
    triple = torch.randn((), generator=generator, dtype=torch.float64)
    logits = torch.tensor([-0.6, 0.4, 1.1], dtype=torch.float64)

    def f(b: Tensor) -> Tensor:
        return (b * line).sum(-1) + torch.einsum("...i,ij,...j->...", b, pairs, b) + 2 * triple * b.prod(-1) + 1

    return Toy("three bits in pairs and all together", Independent(Bernoulli(logits=logits), 1), f)


def choice(seed: int = 3) -> Toy:
    """Return the toy of a categorical with four choices: a squared and a linear form, with random coefficients."""
    generator = torch.Generator().manual_seed(seed)
    weights, line, logits = torch.randn(3, 4, generator=generator, dtype=torch.float64)

    def f(b: Tensor) -> Tensor:
        return (b * weights).sum(-1).square() + (b * line).sum(-1)

    return Toy("a choice among four", OneHotCategorical(logits=logits), f)


def gaussian(loc: float = 0.7, scale: float = 1.3, constant: float = 5.0) -> Toy:
    """Return the toy E z^2 + c of a normal z."""
    loc, scale, constant = number("loc", loc), number("scale", scale, above=0), number("constant", constant)
    mean, deviation = (torch.tensor(x, dtype=torch.float64) for x in (loc, scale))
    return Toy(f"a normal, f = z^2 + {constant:g}", Normal(mean, deviation), lambda z: z.square() + constant)


def gamma(concentration: float = 2.0) -> Toy:
    """Return the toy E z^2 of a gamma z."""
    concentration = number("concentration", concentration, above=0)
    shape, rate = (torch.tensor(x, dtype=torch.float64) for x in (concentration, 1.0))
    return Toy(f"a gamma of concentration {concentration:g}, f = z^2", Gamma(shape, rate), torch.square)


TOYS: Registry[Callable[[], Toy]] = Registry(
    "toy",
    {
        "bit": bit,
        "bits": bits,
        "interacting": interacting,
        "choice": choice,
        "gaussian": gaussian,
        "gamma": gamma,
    },
)


def make_toy(name: str | Callable[[], Toy]) -> Toy:
    """Return the toy ``name`` as it is by default."""
    return TOYS.find(name)()
