"""A distribution as the estimators see it: parameters, noise, score, and how a sample moves with the parameters.

Every product with a Jacobian is written out, so that an estimator needs no second pass of automatic differentiation.

Shapes: S samples; *batch* and *event* as torch.distributions has them; the *code* of a sample is the tensor that the
formulas work with, its shape that of the parameters: 0 or 1 for a Bernoulli, one-hot for a categorical (whose
`Categorical` form shows f an index instead), standard noise for a Normal, the logarithm of the sample for a Gamma: what
no rounding of the sample takes anything away from. Values of f are (S, *batch).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent

Tensors = tuple[Tensor, ...]

LOGIT_LIMIT = 1e4
"""Farther out, a logit counts as this: probabilities are 0 and 1 there in any dtype, and relaxed samples are finite."""


@dataclass(frozen=True, eq=False)
class Axis:
    """Nodes of the noise of one coordinate, and their weights, which sum to 1: an expectation as a finite sum.

    Attributes:
        nodes: (Q, *code) noise; a categorical coordinate is a whole vector of it.
        weights: (Q, *base batch shape of the distribution).
    """

    nodes: Tensor
    weights: Tensor


class Law(ABC):
    """A `torch.distributions` object, taken apart.

    Args:
        distribution: as the user gave it.
        base: the same without `Independent` around it.
    """

    names: tuple[str, ...]
    """Of the parameters at which gradients are taken."""
    noise_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __init__(self, distribution: Distribution, base: Distribution) -> None:
        self.distribution, self.base = distribution, base
        self.batch_shape, self.event_shape = distribution.batch_shape, distribution.event_shape
        self.shape: torch.Size = base.batch_shape  # of the independent coordinates
        self.parameters: Tensors = self._parameters(base)
        self.constants: Tensors = tuple(self.limited(parameter.detach()) for parameter in self.parameters)
        self.event_dims = self.parameters[0].ndim - len(self.batch_shape)  # of a code, behind the batch

    @abstractmethod
    def _parameters(self, base: Distribution) -> Tensors:
        """Parameters (*code), attached to the graph that made them."""

    @abstractmethod
    def score(self, code: Tensor) -> Tensors:
        """d log p(code) / d parameter for each parameter, (S, *code), constant."""

    def limited(self, parameter: Tensor) -> Tensor:
        """A parameter that the formulas can be evaluated at."""
        return parameter

    @cached_property
    def mean(self) -> Tensor:
        """Mean of what f is shown, in the shape of a code (*code); constant."""
        return self._mean()

    @abstractmethod
    def _mean(self) -> Tensor: ...

    @abstractmethod
    def pull_mean(self, weight: Tensor) -> Tensors:
        """weight' d mean / d parameter for each parameter; weight (*code)."""

    @abstractmethod
    def new(self, parameters: Sequence[Tensor]) -> Distribution:
        """A distribution like the user's with other parameters (..., *code), `Independent` included."""

    @abstractmethod
    def draw_noise(self, n_samples: int, generator: torch.Generator | None) -> Tensor:
        """Noise (S, *code) that makes samples."""

    @abstractmethod
    def fine_axis(self, nodes: int) -> Axis | None:
        """Quadrature over the noise of a coordinate, for what depends on the noise smoothly; None where there is none.

        A coordinate of a Bernoulli is cut where a sample, or its antithetic twin, jumps.
        """

    def second_axis(self, nodes: int) -> Axis | None:
        """Quadrature over the noise of the conditional sampler."""
        return None

    @abstractmethod
    def present(self, code: Tensor) -> Tensor:
        """A sample as f is shown it, (S, *batch, *event)."""

    @abstractmethod
    def read(self, sample: Tensor) -> Tensor:
        """The code (S, *code) of a sample (S, *batch, *event): `present` the other way."""

    def log_prob(self, code: Tensor) -> Tensor:
        """log p of the samples of a code, (S, *batch), as a function of the parameters."""
        return self.distribution.log_prob(self.present(code))

    def sum_event(self, x: Tensor) -> Tensor:
        """Sum of (S, *code) over the event, (S, *batch)."""
        return x.flatten(-self.event_dims).sum(-1) if self.event_dims else x

    def lift(self, values: Tensor) -> Tensor:
        """Values (S, *batch), ready to be multiplied with (S, *code)."""
        return values.to(self.constants[0].dtype).reshape(values.shape + (1,) * self.event_dims)

    def rows(self, code: Tensor) -> Tensor:
        """(S, *code) with the event in one dimension, (S, *batch, size)."""
        return code.flatten(-self.event_dims) if self.event_dims else code.unsqueeze(-1)

    @property
    def size(self) -> int:
        """Numbers in the code of one event."""
        return self.parameters[0].shape[len(self.batch_shape) :].numel()

    def _wrap(self, base: Distribution) -> Distribution:
        around = len(self.shape) - len(self.batch_shape)
        return Independent(base, around) if around else base

    def _uniform(self, n_samples: int, generator: torch.Generator | None) -> Tensor:
        like = self.constants[0]
        return torch.rand((n_samples, *like.shape), generator=generator, dtype=like.dtype, device=like.device)


class Discrete(Law):
    """A law whose code jumps: the hard image `hard(z)` of a relaxed sample z = T(logits, noise)."""

    def present(self, code: Tensor) -> Tensor:
        return code

    def read(self, sample: Tensor) -> Tensor:
        return sample.to(self.constants[0].dtype)

    @abstractmethod
    def relaxed(self, noise: Tensor) -> Tensor:
        """z (S, *code), constant, from uniform noise (S, *code)."""

    @abstractmethod
    def hard(self, relaxed: Tensor) -> Tensor:
        """The code of z."""

    @abstractmethod
    def conditional(self, code: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """A sample of z given the code, from uniform noise, and its slope in what z is linear in; both constant.

        Finite for any logit and any noise, and its hard image is always the code. d z~ / d logits is the slope (a
        diagonal) times d z / d logits.
        """

    @abstractmethod
    def soften(self, relaxed: Tensor, temperature: Tensor | float) -> Tensor:
        """The code that z nearly is: a logistic function or softmax of z over the temperature; keeps the graph of z."""

    @abstractmethod
    def attached(self, relaxed: Tensor) -> Tensor:
        """z once more, as a function of the parameters."""

    @abstractmethod
    def attached_mean(self) -> Tensor:
        """Mean of the code as a function of the parameters, (*code)."""

    @abstractmethod
    def pull(self, weight: Tensor) -> Tensor:
        """weight' dz / d logits; weight (S, *code)."""

    @abstractmethod
    def push(self, direction: Tensor) -> Tensor:
        """dz / d logits times a direction (S, *code)."""

    @abstractmethod
    def outcomes(self) -> Axis:
        """One noise for each outcome of a coordinate, with its probability: enumeration."""

    def draw_noise(self, n_samples: int, generator: torch.Generator | None) -> Tensor:
        return self._uniform(n_samples, generator)


class Continuous(Law):
    """A law whose sample z moves with its parameters."""

    def draw_code(self, n_samples: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Fresh noise (S, *code) and the code of the sample that it makes."""
        noise = self.draw_noise(n_samples, generator)
        return noise, self.code(noise)

    @abstractmethod
    def code(self, noise: Tensor) -> Tensor:
        """The code (S, *code) of the sample that noise makes, constant."""

    def sample(self, noise: Tensor) -> Tensor:
        """z (S, *batch, *event) from noise, constant."""
        return self.present(self.code(noise))

    @abstractmethod
    def slopes(self, code: Tensor) -> Tensors:
        """dz / d parameter at fixed noise for each parameter, (S, *code), constant."""

    @abstractmethod
    def standardised(self, code: Tensor) -> tuple[Tensors, Tensors]:
        """Slopes and corrections of generalised reparameterisation, see there."""

    @abstractmethod
    def attached(self, code: Tensor) -> Tensor:
        """z as a function of the parameters."""


def open_unit(noise: Tensor) -> Tensor:
    """Noise kept inside (0, 1): `torch.rand` can return 0. The noise is clamped, never a parameter."""
    kind = torch.finfo(noise.dtype)
    return noise.clamp(kind.tiny, 1 - kind.eps / 2)


def logistic(noise: Tensor) -> Tensor:
    """Standard logistic noise, finite, from uniform noise: 0 counts as half a step of `torch.rand`'s grid."""
    return torch.logit(noise, torch.finfo(noise.dtype).eps / 2)
