"""A distribution as the estimators use it: parameters, noise, score function, and pathwise derivatives of samples.

Products with Jacobians are written in closed form, so that an estimator needs no second pass of automatic
differentiation.

Shapes: S samples; *batch* and *event* as torch.distributions has them; the *code* of a sample is the tensor that the
formulas work with, its shape that of the parameters: 0 or 1 for a Bernoulli, one-hot for a categorical (whose
`Categorical` form gives f an index instead), standard noise for a Normal, the logarithm of the sample for a Gamma. So
rounding of the sample loses nothing. Values of f are (S, *batch).
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
"""Logits are clamped to this magnitude: probabilities are 0 and 1 there in any dtype, and relaxed samples finite."""


@dataclass(frozen=True, eq=False)
class Axis:
    """Quadrature nodes of the noise of one coordinate, with weights that sum to 1: an expectation as a finite sum.

    Attributes:
        nodes: (Q, *code) noise; for a categorical coordinate, a whole vector of noise.
        weights: (Q, *base batch shape of the distribution).
    """

    nodes: Tensor
    weights: Tensor


class Law(ABC):
    """The parts of a `torch.distributions` object that estimators need.

    Args:
        distribution: as the user gave it.
        base: the same without `Independent` around it.
    """

    names: tuple[str, ...]
    """Names of the parameters in which gradients are taken."""
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
        """Return the parameters (*code), attached to their graph."""

    @abstractmethod
    def score(self, code: Tensor) -> Tensors:
        """Return the score d log p(code) / d parameter for each parameter, (S, *code), constant."""

    def limited(self, parameter: Tensor) -> Tensor:
        """Return the parameter, clamped to where the formulas are finite."""
        return parameter

    @cached_property
    def mean(self) -> Tensor:
        """Mean of a sample as f receives it, in the shape of a code (*code); constant."""
        return self._mean()

    @abstractmethod
    def _mean(self) -> Tensor: ...

    @abstractmethod
    def pull_mean(self, weight: Tensor) -> Tensors:
        """Return weight' d mean / d parameter for each parameter; weight (*code)."""

    @abstractmethod
    def new(self, parameters: Sequence[Tensor]) -> Distribution:
        """Return the user's kind of distribution, `Independent` included, with other parameters (..., *code)."""

    @abstractmethod
    def draw_noise(self, n_samples: int, generator: torch.Generator | None) -> Tensor:
        """Draw the noise (S, *code) that samples are computed from."""

    @abstractmethod
    def fine_axis(self, nodes: int) -> Axis | None:
        """Return a quadrature over the noise of a coordinate, for smooth functions of the noise; None if there is none.

        That of a Bernoulli is split at the jumps of a sample and of its antithetic twin.
        """

    def second_axis(self, nodes: int) -> Axis | None:
        """Return a quadrature over the noise of the conditional sampler; None if there is none."""
        return None

    @abstractmethod
    def present(self, code: Tensor) -> Tensor:
        """Return the sample of a code as f receives it, (S, *batch, *event)."""

    @abstractmethod
    def read(self, sample: Tensor) -> Tensor:
        """Return the code (S, *code) of a sample (S, *batch, *event): the inverse of `present`."""

    def log_prob(self, code: Tensor) -> Tensor:
        """Return log p of the samples of a code, (S, *batch), as a function of the parameters."""
        return self.distribution.log_prob(self.present(code))

    def sum_event(self, x: Tensor) -> Tensor:
        """Return the sum of x (S, *code) over the event, (S, *batch)."""
        return x.flatten(-self.event_dims).sum(-1) if self.event_dims else x

    def lift(self, values: Tensor) -> Tensor:
        """Reshape values (S, *batch) so that they broadcast with codes (S, *code)."""
        return values.to(self.constants[0].dtype).reshape(values.shape + (1,) * self.event_dims)

    def rows(self, code: Tensor) -> Tensor:
        """Flatten the event of a code (S, *code) into one dimension, (S, *batch, size)."""
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
        """Return relaxed samples z (S, *code), constant, from uniform noise (S, *code)."""

    @abstractmethod
    def hard(self, relaxed: Tensor) -> Tensor:
        """Return the discrete code of z: the hard threshold or argmax H(z)."""

    @abstractmethod
    def conditional(self, code: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return a sample z~ of z given the code, from uniform noise, and its slope; both constant.

        z~ ~ p(z | b) is finite for any logit and noise, and H(z~) is always the code. d z~ / d logits is the slope (a
        diagonal) times d z / d logits. REBAR and RELAX need both: see `control_variate`.
        """

    @abstractmethod
    def soften(self, relaxed: Tensor, temperature: Tensor | float) -> Tensor:
        """Return the soft code: the sigmoid or softmax of z / temperature; keeps the graph of z."""

    @abstractmethod
    def attached(self, relaxed: Tensor) -> Tensor:
        """Return z (S, *code), attached to the graph of the parameters."""

    @abstractmethod
    def attached_mean(self) -> Tensor:
        """Return the mean of the code as a function of the parameters, (*code)."""

    @abstractmethod
    def pull(self, weight: Tensor) -> Tensor:
        """Return weight' dz / d logits; weight (S, *code)."""

    @abstractmethod
    def push(self, direction: Tensor) -> Tensor:
        """Return dz / d logits times a direction (S, *code)."""

    @abstractmethod
    def outcomes(self) -> Axis:
        """Return one noise for each outcome of a coordinate, with its probability, for enumeration."""

    def draw_noise(self, n_samples: int, generator: torch.Generator | None) -> Tensor:
        return self._uniform(n_samples, generator)


class Continuous(Law):
    """A law whose samples are differentiable in its parameters."""

    def draw_code(self, n_samples: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Draw noise (S, *code); return it with the code of its sample."""
        noise = self.draw_noise(n_samples, generator)
        return noise, self.code(noise)

    @abstractmethod
    def code(self, noise: Tensor) -> Tensor:
        """Return the code (S, *code) of the sample that the noise gives, constant."""

    def sample(self, noise: Tensor) -> Tensor:
        """Return the samples z (S, *batch, *event) that the noise gives, constant."""
        return self.present(self.code(noise))

    @abstractmethod
    def slopes(self, code: Tensor) -> Tensors:
        """Return dz / d parameter at fixed noise for each parameter, (S, *code), constant.

        In double precision where they may be no float32 although their product with f' is one: -z / rate is 1e40 at a
        rate of 1e-20.
        """

    @abstractmethod
    def standardised(self, code: Tensor) -> tuple[Tensors, Tensors]:
        """Return slopes h and corrections for each parameter, (S, *code): see `GeneralisedReparameterisation`."""

    @abstractmethod
    def attached(self, code: Tensor) -> Tensor:
        """Return z (S, *batch, *event), attached to the graph of the parameters."""


def open_unit(noise: Tensor) -> Tensor:
    """Clamp uniform noise into the open interval (0, 1): `torch.rand` can return 0."""
    kind = torch.finfo(noise.dtype)
    return noise.clamp(kind.tiny, 1 - kind.eps / 2)


def logistic(noise: Tensor) -> Tensor:
    """Return standard logistic noise, finite, from uniform noise: 0 counts as half a step of `torch.rand`'s grid."""
    return torch.logit(noise, torch.finfo(noise.dtype).eps / 2)
