"""Expectations as finite sums: over every outcome, or over quadrature nodes of the noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.distributions import Distribution

from e2c_control.gradients.estimator import Draw, Estimator, Function
from e2c_control.gradients.laws import Axis, Discrete, Law, law_of
from e2c_control.gradients.score_function import ScoreFunction

MOST_POINTS = 400_000
PANEL, COARSE, FINE = 101, 161, 4001
"""Quadrature nodes of a coordinate's noise: in each panel of a discrete one; in one of several; in a single one."""


@dataclass(frozen=True, eq=False)
class Points:
    """All values of a draw's noise, as R repetitions in front of the batch.

    Attributes:
        noise: by name, (S, R, *code), float64.
        weights: (R, *batch), summing to 1 over R, float64.
        smooth: whether it is quadrature; otherwise it is enumeration, and exact.
    """

    noise: Mapping[str, Tensor]
    weights: Tensor
    smooth: bool


def coordinates(estimator: Estimator, distribution: Distribution, n_samples: int) -> int:
    """Count the independent noise variables in the estimate of one element of the batch."""
    return n_samples // estimator.multiple * len(estimator.noises) * law_of(distribution).size


def all_points(
    estimator: Estimator, distribution: Distribution, n_samples: int, *, coarse: bool = False
) -> Points | None:
    """Return points that make the expectation of an estimate a sum; None if there are too many, or no grid is known.

    A single continuous coordinate has a fine grid, unless `coarse`; several have coarse ones.
    """
    law = law_of(in_double(distribution))
    fine = estimator.sees_noise or not isinstance(law, Discrete)
    alone = not coarse and coordinates(estimator, distribution, n_samples) == 1
    nodes = PANEL if isinstance(law, Discrete) else FINE if alone else COARSE
    first = law.fine_axis(nodes) if fine else law.outcomes() if isinstance(law, Discrete) else None
    axes = {"u": first, "v": law.second_axis(nodes) if "v" in estimator.noises else None}
    chosen = {name: axes[name] for name in estimator.noises}
    if any(axis is None for axis in chosen.values()):
        return None
    rows = n_samples // estimator.multiple
    return _product(law, {name: axis for name, axis in chosen.items() if axis is not None}, rows, fine)


def _product(law: Law, axes: Mapping[str, Axis], rows: int, smooth: bool) -> Points | None:
    """Return every combination of nodes over samples, kinds of noise and coordinates of an event."""
    around = len(law.batch_shape)
    event = law.shape[around:].numel()
    sizes = [len(axis.nodes) for axis in axes.values() for _ in range(rows * event)]
    total = math.prod(sizes)
    if total > MOST_POINTS:
        return None
    device = law.constants[0].device
    digits = torch.unravel_index(torch.arange(total, device=device), sizes)
    noise: dict[str, Tensor] = {}
    weights = torch.ones((total, *law.batch_shape), dtype=law.constants[0].dtype, device=device)
    at = 0
    for name, axis in axes.items():
        # One dimension for the event's coordinates, whatever their number.
        nodes = axis.nodes.reshape(len(axis.nodes), *law.batch_shape, event, *law.constants[0].shape[len(law.shape) :])
        each = axis.weights.reshape(len(axis.nodes), *law.batch_shape, event)
        drawn: list[Tensor] = []
        for _ in range(rows):
            picks = digits[at : at + event]
            index = (slice(None),) * around
            parts = [nodes[(pick, *index, j)] for j, pick in enumerate(picks)]
            drawn.append(torch.stack(parts, dim=1 + around).reshape(total, *law.constants[0].shape))
            for j, pick in enumerate(picks):
                weights = weights * each[(pick, *index, j)]
            at += event
        noise[name] = torch.stack(drawn)
    return Points(noise, weights, smooth)


def repeat(distribution: Distribution, times: int) -> Distribution:
    """Return the distribution with ``times`` repetitions in front of its batch, and new leaf parameters."""
    law = law_of(distribution)
    return law.new([p.expand(times, *p.shape).clone().requires_grad_() for p in law.constants])


def in_double(distribution: Distribution) -> Distribution:
    """Return the distribution in float64, so that the reference does not share an estimator's float32 clamping."""
    law = law_of(distribution)
    return law.new([p.double() for p in law.constants])


def exact_gradient(
    f: Function,
    distribution: Distribution,
    estimator: Estimator | None = None,
    n_samples: int | None = None,
    *,
    coarse: bool = False,
) -> tuple[Tensor, dict[str, Tensor]] | None:
    """Return E f (*batch) and its gradient by parameter, (*code) each, without Monte Carlo; None if it costs too much.

    How it works: sum_i w_i p(b_i | theta) / p(b_i) f(b_i), differentiated through `log_prob`: enumeration for discrete
    laws, quadrature for continuous ones. All of it in float64, but f sees samples of the distribution's own dtype. With
    an estimator, the expectation is of its `objective` over ``n_samples`` samples, which differs from f for
    multi-sample bounds alone. Where f jumps, the quadrature error is about 1 / 4001 of the jump, or 1 / 161 with
    ``coarse``.

    Raises:
        InputError: f gives values of the wrong shape, or no estimator takes the distribution.
    """
    plain, rows = ScoreFunction(), n_samples if estimator is not None and n_samples is not None else 1
    points = all_points(plain, distribution, rows, coarse=coarse)
    if points is None:
        return None
    repeated = repeat(in_double(distribution), len(points.weights))
    law, shown = law_of(repeated), law_of(distribution).constants[0].dtype
    draw = plain.draw(repeated, noise=points.noise)
    if draw.samples.is_floating_point():
        draw = replace(draw, samples=draw.samples.to(shown))
    with torch.no_grad():
        values = evaluate(plain, draw, f).double()
        objective: Callable[[Tensor], Tensor] = plain.objective if estimator is None else estimator.objective
        target = objective(values)
    likelihood = law.log_prob(draw.code).sum(0)
    # Subtracting the mean does not change the gradient, but keeps large values from leaving rounding errors.
    centre = (points.weights * target).sum(0)
    total = (points.weights * torch.exp(likelihood - likelihood.detach()) * (target - centre)).sum(0) + centre
    found = torch.autograd.grad(total.sum(), law.parameters)
    gradients = {name: _project(law, g).sum(0) for name, g in zip(law.names, found, strict=True)}
    return total.detach(), gradients


def _project(law: Law, gradient: Tensor) -> Tensor:
    """Project a gradient in logits onto directions that keep them normalised; return other gradients unchanged."""
    return law.pull(gradient) if isinstance(law, Discrete) else gradient


def evaluate(estimator: Estimator, draw: Draw, f: Function) -> Tensor:
    """Return the values of f at a draw, checked as in `estimate`."""
    values = f(draw.samples)
    estimator.estimate(draw, values, f=f)
    return values


def weighted_mean(law: Law, weights: Tensor, gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return sum_R w g for gradients (R, *code) and weights (R, *batch), float64."""
    lifted = weights.reshape(weights.shape + (1,) * law.event_dims)
    return {name: (lifted * gradient).sum(0) for name, gradient in gradients.items()}


def expectation(
    estimator: Estimator, f: Function, distribution: Distribution, n_samples: int
) -> tuple[dict[str, Tensor], dict[str, Tensor], Points] | None:
    """Return mean and variance of each coordinate of an estimator's gradient, and the points that they sum over.

    None if there are too many points, or no grid is known.

    Raises:
        InputError: as `Estimator.draw` and `Estimator.estimate`.
    """
    points = all_points(estimator, distribution, n_samples)
    if points is None:
        return None
    repeated = repeat(distribution, len(points.weights))
    law = law_of(repeated)
    noise = {name: nodes.to(law.constants[0].dtype) for name, nodes in points.noise.items()}
    gradients = estimator(f, repeated, n_samples, noise=noise).gradients
    mean = weighted_mean(law, points.weights, gradients)
    centred = {name: (gradient - mean[name]).square() for name, gradient in gradients.items()}
    return mean, weighted_mean(law, points.weights, centred), points


def flat(gradients: Mapping[str, Tensor], names: Sequence[str], batch_dims: int = 0) -> Tensor:
    """Concatenate all parameters' gradients, with the dimensions from ``batch_dims`` on flattened into one."""
    rows = (gradients[name] for name in names)
    return torch.cat([row.reshape(*row.shape[:batch_dims], -1) for row in rows], dim=-1)
