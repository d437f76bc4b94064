"""Distributions of every kind with a function that suits each, and estimators with parameters that are not at rest."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Gamma,
    Independent,
    Laplace,
    Normal,
    OneHotCategorical,
)

from e2c_control.gradients import ESTIMATORS, Estimator, make_estimator
from e2c_control.gradients.laws import LAWS

D = torch.float64
Function = Callable[[Tensor], Tensor]
Problem = tuple[Distribution, Function]

SLOPES = torch.tensor([0.7, -1.1, 0.4], dtype=D)


def number(b: Tensor) -> Tensor:
    """Of one number, whatever its shape: differentiable, not linear, not symmetric."""
    return (b - 0.45).square() + 0.3 * torch.sin(2 * b)


def joint(b: Tensor) -> Tensor:
    """Of two numbers that interact."""
    return number(b[..., 0]) - 0.8 * b[..., 0] * b[..., 1] + b[..., 1].square()


def choice(b: Tensor) -> Tensor:
    """Of a one-hot vector of three."""
    return (b * SLOPES).sum(-1).square() + b[..., 0]


def index(b: Tensor) -> Tensor:
    """The same of an index."""
    return choice(torch.nn.functional.one_hot(b, 3).to(D))


def double(*numbers: object) -> Tensor:
    return torch.tensor(numbers[0] if len(numbers) == 1 else numbers, dtype=D)


PROBLEMS: dict[str, Problem] = {
    "bernoulli": (Bernoulli(logits=double(-3.0, -0.5, 1.5)), number),
    "bernoulli-by-probs": (Bernoulli(probs=double(0.2)), number),
    "bernoulli-pair": (Independent(Bernoulli(logits=double([[0.4, -0.7], [-1.2, 2.0]])), 1), joint),
    "one-hot": (OneHotCategorical(logits=double([[0.1, 0.2, -3.0], [4.0, 2.0, 1.0]])), choice),
    "one-hot-pair": (
        Independent(OneHotCategorical(logits=double([[0.1, 0.2, -1.0], [1.0, -0.5, 0.3]])), 1),
        lambda b: choice(b[..., 0, :]) * (1 + choice(b[..., 1, :])),
    ),
    "categorical": (Categorical(logits=double([0.3, -0.6, 1.0])), index),
    "normal": (Normal(double(0.7, -0.2), double(1.3, 0.4)), number),
    "normal-pair": (Independent(Normal(double(0.7, -0.2), double(1.3, 0.4)), 1), joint),
    "gamma": (Gamma(double(2.0, 0.5), double(1.0, 2.0)), number),
}
if Laplace in LAWS:  # a user's own law: that of tests/extending
    PROBLEMS["mine"] = (Laplace(double(0.7, -0.2), double(1.3, 0.4)), number)


def unsettle(estimator: Estimator, seed: int = 5) -> Estimator:
    """Parameters as if half trained, in float64: whatever they are, the bias must be none."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in estimator.parameters():
            parameter += 0.7 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return estimator


def pairs() -> list[tuple[str, str]]:
    """Every estimator with every problem that it can take."""
    found: list[tuple[str, str]] = []
    for problem, (distribution, _) in PROBLEMS.items():
        for name in ESTIMATORS:
            try:
                make_estimator(name, distribution)
            except ValueError:
                continue
            found.append((name, problem))
    return found


PAIRS = pairs()
