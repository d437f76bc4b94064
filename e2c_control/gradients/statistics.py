"""Bias, variance and cost of estimators, side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.distributions import Distribution

from e2c_control.errors import whole
from e2c_control.gradients.check import moments
from e2c_control.gradients.estimator import Estimator, Function
from e2c_control.gradients.exact import exact_gradient, flat, repeat
from e2c_control.gradients.laws import law_of


@dataclass(frozen=True)
class GradientStats:
    """One estimator on one problem. Sums run over the parameters' coordinates and the batch."""

    name: str
    claims_unbiased: bool
    n_samples: int  # in a draw
    evaluations: int  # of f in an estimate, relaxed points and means among them
    bias: float | None  # norm of mean - exact; None where the exact gradient is too much work
    z: float | None  # largest bias of a coordinate in standard errors
    variance: float  # of one estimate, summed
    cpu_microseconds: float  # of one estimate and its backward pass

    @property
    def variance_times_evaluations(self) -> float:
        """Variance that a budget of one evaluation of f would leave: smaller is better."""
        return self.variance * self.evaluations

    @property
    def variance_times_cpu(self) -> float:
        """Variance times CPU microseconds: smaller is better where f is cheap."""
        return self.variance * self.cpu_microseconds


def gradient_stats(
    estimators: Mapping[str, Estimator],
    f: Function,
    distribution: Distribution,
    n_samples: int | Mapping[str, int] | None = None,
    *,
    draws: int = 100_000,
    generator: torch.Generator | None = None,
) -> list[GradientStats]:
    """Measure estimators on E f.

    Args:
        estimators: by name, trained or not; they are not updated.
        f: batched, (..., *event) -> (...).
        distribution: any batch and event; gradients are taken at its parameters.
        n_samples: of a draw, for all or by name; the estimator's least unless given.
        draws: independent estimates of which the statistics are.
        generator: of the noise.

    Raises:
        InputError: an estimator cannot take f, the distribution, or the number of samples.
    """
    law = law_of(distribution)
    rows: list[GradientStats] = []
    for name, estimator in estimators.items():
        given = n_samples if n_samples is None or isinstance(n_samples, int) else n_samples.get(name)
        n = estimator.least if given is None else whole("n_samples", given)
        truth = exact_gradient(f, distribution, estimator, n if estimator.many_samples else 1)
        exact = None if truth is None else flat(truth[1], law.names).double()
        mean, variance = moments(estimator, f, distribution, n, draws, generator)
        bias = z = None
        if exact is not None:
            off, error = mean - exact, (variance / draws).sqrt()
            bias = float(off.square().sum().sqrt())
            # What rounding alone makes counts as no bias.
            z = float((off.abs() / (error + torch.finfo(law.constants[0].dtype).eps * (1 + exact.abs()))).max())
        cost = cpu_microseconds(step_of(estimator, f, distribution, n, generator))
        spent = estimator.evaluations(n)
        rows.append(GradientStats(name, estimator.unbiased, n, spent, bias, z, float(variance.sum()), cost))
    return rows


def step_of(
    estimator: Estimator,
    f: Function,
    distribution: Distribution,
    n_samples: int,
    generator: torch.Generator | None = None,
) -> Callable[[], None]:
    """One estimate and its backward pass into leaf parameters, as a function to time."""
    law = law_of(distribution)
    leaves = [parameter.clone().requires_grad_() for parameter in law.constants]

    def step() -> None:
        for leaf in leaves:
            leaf.grad = None
        estimator(f, law.new(leaves), n_samples, generator=generator).surrogate.backward()

    return step


def cpu_microseconds(step: Callable[[], object], rounds: int = 15, least: float = 0.002) -> float:
    """Median CPU microseconds of a call, in rounds of at least so many seconds."""
    times: list[float] = []
    for _ in range(rounds):
        calls, begun = 0, time.process_time()
        while calls == 0 or time.process_time() - begun < least:
            step()
            calls += 1
        times.append(1e6 * (time.process_time() - begun) / calls)
    return sorted(times)[rounds // 2]


def stats_table(rows: Sequence[GradientStats]) -> list[tuple[str, ...]]:
    """A heading and a line for each estimator, as text; what is biased by construction says so."""
    heading = ("estimator", "biased", "evaluations", "bias", "z", "variance", "CPU us", "var x eval", "var x CPU")
    return [heading, *(_line(row) for row in rows)]


def _line(row: GradientStats) -> tuple[str, ...]:
    bias, z = ("-" if x is None else form.format(x) for x, form in ((row.bias, "{:.1e}"), (row.z, "{:.1f}")))
    return (
        row.name,
        "no" if row.claims_unbiased else "BIASED",
        str(row.evaluations),
        bias,
        z,
        f"{row.variance:.3g}",
        f"{row.cpu_microseconds:.0f}",
        f"{row.variance_times_evaluations:.3g}",
        f"{row.variance_times_cpu:.3g}",
    )


__all__ = ["GradientStats", "cpu_microseconds", "gradient_stats", "repeat", "stats_table", "step_of"]
