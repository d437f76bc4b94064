"""The interface of all estimators, and the two records that it passes on: `Draw` and `Estimate`.

    draw = estimator.draw(distribution, n_samples)      # noise and samples, which may be stored
    estimate = estimator.estimate(draw, values)         # values: f(draw.samples), computed anywhere
    estimate.surrogate.backward()                       # into the network that computed the parameters
    estimator.update(optimizer)                         # the estimator's own parameters, and nothing else

`estimator(f, distribution, n_samples)` does the first two. All estimators estimate the derivative of
E[f(b)], b ~ p(b | theta), and add the direct derivative of f where f itself depends on something that is trained.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from reprlib import repr as short
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from e2c_control.errors import InputError, whole
from e2c_control.gradients.laws import Continuous, Discrete, Law, Tensors, attach, law_of

Function = Callable[[Tensor], Tensor]
NoiseLike = Tensor | Mapping[str, Tensor]

INSTEAD = "RLOO, RELAX and ScoreFunction need values alone"


@dataclass(frozen=True, eq=False)
class Draw:
    """Samples, and the noise that they are computed from. Store `noise` to build the same draw again."""

    law: Law
    samples: Tensor  # (S, *batch, *event), where f is to be evaluated
    code: Tensor  # (S, *code), the samples in the form of the formulas, constant
    noise: Mapping[str, Tensor]  # (S', *code) each: "u" makes the samples, "v" conditional ones
    relaxed: Tensor | None = None  # (S, *code), z of a discrete sample, constant


@dataclass(frozen=True, eq=False)
class Estimate:
    """An estimate of E f and of its gradient, for each element of the batch on its own."""

    law: Law
    samples: Tensor  # (S, *batch, *event)
    surrogates: Tensor  # (*batch): their value is the estimate of E f, their derivative that of its gradient

    @property
    def value(self) -> Tensor:
        """Estimate of E f, (*batch), constant."""
        return self.surrogates.detach()

    @property
    def surrogate(self) -> Tensor:
        """Scalar, the mean over the batch: `surrogate.backward()` deposits the gradient of the mean of E f."""
        return self.surrogates.mean()

    @property
    def gradients(self) -> dict[str, Tensor]:
        """The estimate at the distribution's own parameters, by name, (*code) each; the graph is kept.

        Raises:
            InputError: no parameter needs a gradient.
        """
        needed = {n: p for n, p in zip(self.law.names, self.law.parameters, strict=True) if p.requires_grad}
        if not needed:
            names = " and ".join(self.law.names)
            raise InputError(f"No gradient is asked for: make the distribution from {names} with requires_grad.")
        total = self.surrogates.sum()
        found = torch.autograd.grad(total, list(needed.values()), retain_graph=True, materialize_grads=True)
        return dict(zip(needed, found, strict=True))


class Estimator(nn.Module, ABC):
    """A method that estimates gradients. To add one, write a class in a file of its own and a line in `registry.py`.

    Elements of a batch do not mix: the estimate of one is the same beside any others. The tools that check estimators
    put repetitions into the batch.
    """

    unbiased: bool = True
    differentiates: ClassVar[bool] = False
    """Whether it needs the gradient of f."""
    takes: ClassVar[tuple[type[Law], ...]] = (Discrete, Continuous)
    least: int = 1
    """Samples in the smallest draw."""
    multiple: ClassVar[int] = 1
    """The number of samples is a multiple of this."""
    noises: ClassVar[tuple[str, ...]] = ("u",)
    sees_noise: ClassVar[bool] = False
    """Whether an estimate depends on the noise beyond the samples, so that enumerating samples is not enough."""
    many_samples: ClassVar[bool] = False
    """Whether its objective is a multi-sample bound, not E f, and so not comparable with the others."""
    indices: bool = True
    """Whether f may take the indices of a `Categorical`."""

    def draw(
        self,
        distribution: Distribution,
        n_samples: int | None = None,
        *,
        noise: NoiseLike | None = None,
        generator: torch.Generator | None = None,
    ) -> Draw:
        """Draw samples to evaluate f at.

        Args:
            distribution: Bernoulli, Categorical, OneHotCategorical, Normal, Gamma, or `Independent` of one, with
                parameters attached to whatever is trained.
            n_samples: S, evaluations of f; by default the method's smallest number.
            noise: noise of an earlier draw, or your own: "u" (S, *code) alone or a mapping; what is missing is drawn.
                Uniform on [0, 1), for a Normal standard normal.
            generator: of the noise.

        Raises:
            InputError: the method cannot take the distribution or the number of samples, or the noise does not fit.
        """
        law = self.check(distribution)
        given = {"u": noise} if isinstance(noise, Tensor) else dict(noise or {})
        if n_samples is None:
            n_samples = len(given["u"]) * self.multiple if "u" in given else self.least
        rows = self._count(n_samples) // self.multiple
        for name, value in given.items():
            _check_noise(self, law, name, value, (rows, *law.parameters[0].shape))
        if isinstance(law, Continuous) and "u" not in given:
            given["u"], code = law.draw_code(rows, generator)
            return self.from_code(law, code, given)
        given |= {name: law.draw_noise(rows, generator) for name in self.noises if name not in given}
        if isinstance(law, Continuous):
            return self.from_code(law, law.code(given["u"]), given)
        assert isinstance(law, Discrete)
        return self.from_relaxed(law, law.relaxed(given["u"]), given)

    def estimate(
        self, draw: Draw, values: Tensor, *, f: Function | None = None, context: Tensor | None = None
    ) -> Estimate:
        """Estimate E f and its gradient from the values of f at `draw.samples`.

        Args:
            draw: of this estimator.
            values: (S, *batch). Where they carry a graph to what f depends on, its direct derivative is added.
            f: batched function (..., *event) -> (...), for methods that evaluate it at points of their own.
            context: (*batch, size), input of a learned baseline or surrogate.

        Raises:
            InputError: values of the wrong shape, not finite, or without the gradient that the method needs.
        """
        if set(draw.noise) != set(self.noises):
            raise InputError(f"{type(self).__name__} did not make this draw: take it from its own `draw`.")
        expected = (len(draw.samples), *draw.law.batch_shape)
        given = tuple(values.shape) if torch.is_tensor(values) else None
        if given != expected:
            shape = type(values).__name__ if given is None else given
            raise InputError(
                f"f must give a tensor {expected}, a number for each sample and element of the batch, but it gave "
                f"{shape}: sum over the event, or wrap the distribution in Independent."
            )
        # A sum is finite only if everything is; one that is not may have overflowed.
        if not math.isfinite(values.detach().sum()) and not torch.isfinite(values).all():
            bad = int((~torch.isfinite(values)).sum())
            raise InputError(f"f is not finite at {bad} of {values.numel()} samples: keep its values finite there.")
        if draw.samples.requires_grad and not values.requires_grad:
            raise InputError(self._no_gradient())
        # Differences of large values are what counts: f may be more precise than the distribution.
        dtype = torch.promote_types(values.dtype, draw.law.constants[0].dtype)
        return self.combine(draw, values.to(dtype if values.dtype.is_floating_point else torch.float64), f, context)

    def forward(
        self,
        f: Function,
        distribution: Distribution,
        n_samples: int | None = None,
        *,
        noise: NoiseLike | None = None,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Estimate:
        """Draw, evaluate f on (S, *batch, *event), estimate."""
        draw = self.draw(distribution, n_samples, noise=noise, generator=generator)
        values = self._guarded(f, draw.samples) if draw.samples.requires_grad else f(draw.samples)
        return self.estimate(draw, values, f=f, context=context)

    def update(
        self, optimizer: torch.optim.Optimizer | None = None, *, direction: Sequence[Tensor] | None = None
    ) -> float:
        """Improve the estimator's own parameters and running statistics with the last estimate.

        Args:
            optimizer: of the estimator's parameters; takes one step. Without one, gradients are added to `.grad`.
            direction: see `ControlVariate.update`; others have no use for it.

        Returns:
            The loss that was lowered, such as the second moment of the gradient; 0 where there is nothing to learn.
        """
        return 0.0

    def evaluations(self, n_samples: int) -> int:
        """Return the evaluations of f in one estimate, including those at relaxed points or means."""
        return n_samples

    @abstractmethod
    def combine(self, draw: Draw, values: Tensor, f: Function | None, context: Tensor | None) -> Estimate:
        """Compute the estimate: the method itself, without the checks of `estimate`."""

    def from_relaxed(self, law: Discrete, relaxed: Tensor, noise: Mapping[str, Tensor]) -> Draw:
        """Return the draw of relaxed samples z (S, *code) of a discrete law."""
        code = law.hard(relaxed)
        return Draw(law, law.present(code), code, noise, relaxed)

    def from_code(self, law: Continuous, code: Tensor, noise: Mapping[str, Tensor]) -> Draw:
        """Return the draw of codes (S, *code) of a continuous law."""
        return Draw(law, law.present(code), code, noise)

    def objective(self, values: Tensor) -> Tensor:
        """Return the objective (*batch) whose expectation is differentiated, from the values of S samples."""
        return values.mean(0)

    def check(self, distribution: Distribution) -> Law:
        """Return the law of a distribution, if this method can take it.

        Raises:
            InputError: it cannot.
        """
        law, name = law_of(distribution), type(self).__name__
        if not isinstance(law, self.takes):
            base = type(law.base).__name__
            if isinstance(law, Discrete):
                raise InputError(f"{name} cannot take a {base}: RLOO, REBAR and RELAX can.")
            raise InputError(f"{name} cannot take a {base}: Reparameterisation, RLOO and LAX can.")
        if not self.indices and isinstance(law, Discrete) and law.present(law.mean).ndim < law.mean.ndim:
            raise InputError(
                f"{name} gives f points between the choices, which indices have not: use OneHotCategorical."
            )
        return law

    def _count(self, n_samples: int) -> int:
        n_samples = whole("n_samples", n_samples)
        if n_samples < self.least or n_samples % self.multiple:
            groups = f" in groups of {self.multiple}" if self.multiple > 1 else ""
            raise InputError(
                f"{type(self).__name__} needs at least {self.least} samples{groups}, not {n_samples}: give more, or "
                "use ScoreFunction."
            )
        return n_samples

    def _guarded(self, f: Function, points: Tensor) -> Tensor:
        """Evaluate f at points that need a gradient; InputError where f detaches them, as `numpy()` does."""
        try:
            return f(points)
        except (RuntimeError, TypeError) as error:
            # torch's error for `numpy()` of a tensor that needs a gradient.
            if "numpy" not in str(error):
                raise
            raise InputError(self._no_gradient()) from error

    def _no_gradient(self) -> str:
        return f"{type(self).__name__} needs the gradient of f, and f gives none: {INSTEAD}."

    _last: Any = None

    def __getstate__(self) -> dict[str, Any]:
        # What was kept for `update` belongs to one step, and may hold a graph, which cannot be copied.
        return {**super().__getstate__(), "_last": None}


def surrogates(law: Law, values: Tensor, gradients: Tensors) -> Tensor:
    """Return a tensor (*batch) with the given values (*batch) and derivatives (*code) in the parameters."""
    return attach(values, law.event_dims, gradients, law.parameters)


def module(name: str, value: object) -> nn.Module:
    """Return the value if it is a network; raise InputError otherwise."""
    if not isinstance(value, nn.Module):
        raise InputError(f"{name} is {short(value)}: give a torch.nn.Module, such as a SurrogateNetwork.")
    return value


def mean_of_samples(x: Tensor) -> Tensor:
    """Return the mean over the first dimension; a single sample is squeezed, which costs no operation."""
    return x.squeeze(0) if len(x) == 1 else x.mean(0)


def _check_noise(estimator: Estimator, law: Law, name: str, value: object, expected: tuple[int, ...]) -> None:
    if name not in estimator.noises:
        raise InputError(
            f"{type(estimator).__name__} has no noise '{name}': its noise is {', '.join(estimator.noises)}."
        )
    if not isinstance(value, Tensor):
        raise InputError(f"The noise '{name}' is a {type(value).__name__}: it must be a tensor {expected}.")
    if value.shape != expected:
        raise InputError(f"The noise '{name}' is {tuple(value.shape)}: it must be {expected}.")
    low, high = law.noise_range
    if not bool(((value >= low) & (value <= high)).all()):
        raise InputError(
            f"The noise '{name}' is not from {low:g} to {high:g} everywhere: take it from an earlier draw."
        )
