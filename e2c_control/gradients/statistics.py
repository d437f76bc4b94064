"""Compare bias, variance and cost of estimators."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.distributions import Distribution

from e2c_control.errors import only_options, whole
from e2c_control.gradients.check import moments
from e2c_control.gradients.estimator import Estimator, Function
from e2c_control.gradients.exact import exact_gradient, flat, repeat
from e2c_control.gradients.laws import law_of


@dataclass(frozen=True)
class GradientStats:
    """One estimator on one problem. Sums run over the parameters' coordinates and the batch."""

    name: str
    claims_unbiased: bool
    n_samples: int  # per draw
    evaluations: int  # of f per estimate, including relaxed points and means
    bias: float | None  # norm of mean - exact; None where the exact gradient costs too much
    z: float | None  # largest bias of a coordinate in standard errors
    variance: float  # of one estimate, summed
    cpu_microseconds: float  # of one estimate and its backward pass

    @property
    def variance_times_evaluations(self) -> float:
        """Variance at a budget of one evaluation of f: smaller is better."""
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
        draws: independent estimates that the statistics are taken over.
        generator: of the noise.

    Raises:
        InputError: an estimator cannot take f, the distribution, or the number of samples.
    """
    law, estimators = law_of(distribution), {name: copy.deepcopy(e) for name, e in estimators.items()}
    if isinstance(n_samples, Mapping):
        only_options("n_samples", n_samples, estimators)
    counts = {name: _count(estimator, name, n_samples) for name, estimator in estimators.items()}
    steps = {name: step_of(e, f, distribution, counts[name]) for name, e in estimators.items()}
    costs = cpu_microseconds(steps)
    rows: list[GradientStats] = []
    for name, estimator in estimators.items():
        n = counts[name]
        truth = exact_gradient(f, distribution, estimator, n if estimator.many_samples else 1)
        exact = None if truth is None else flat(truth[1], law.names).double()
        mean, variance = moments(estimator, f, distribution, n, draws, generator)
        bias = z = None
        if exact is not None:
            off, error = mean - exact, (variance / draws).sqrt()
            bias = float(off.square().sum().sqrt())
            # Rounding errors are not taken for bias.
            z = float((off.abs() / (error + torch.finfo(law.constants[0].dtype).eps * (1 + exact.abs()))).max())
        spent, total = estimator.evaluations(n), float(variance.sum())
        rows.append(GradientStats(name, estimator.unbiased, n, spent, bias, z, total, costs[name]))
    return rows


def _count(estimator: Estimator, name: str, n_samples: int | Mapping[str, int] | None) -> int:
    given = n_samples.get(name) if isinstance(n_samples, Mapping) else n_samples
    return estimator.least if given is None else whole("n_samples", given)


def step_of(estimator: Estimator, f: Function, distribution: Distribution, n_samples: int) -> Callable[[], None]:
    """Return a function to time: one estimate and its backward pass into leaf parameters.

    It has a generator of its own: how often it is called depends on the machine, and must change nothing else.
    """
    law = law_of(distribution)
    leaves = [parameter.clone().requires_grad_() for parameter in law.constants]
    generator = torch.Generator(leaves[0].device).manual_seed(0)

    def step() -> None:
        for leaf in leaves:
            leaf.grad = None
        estimator(f, law.new(leaves), n_samples, generator=generator).surrogate.backward()

    return step


def cpu_microseconds(
    steps: Mapping[str, Callable[[], object]], rounds: int = 15, least: float = 0.002
) -> dict[str, float]:
    """Return the median CPU microseconds of each call, over rounds of at least `least` seconds per call.

    The calls take turns, since a busy machine slows all of a round alike: compare only numbers of one call of this
    function.
    """
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            calls, begun = 0, time.process_time()
            while calls == 0 or time.process_time() - begun < least:
                step()
                calls += 1
            times[name].append(1e6 * (time.process_time() - begun) / calls)
    return {name: sorted(found)[rounds // 2] for name, found in times.items()}


def stats_table(rows: Sequence[GradientStats]) -> list[tuple[str, ...]]:
    """Return a heading and a line for each estimator, as text; estimators biased by construction are marked."""
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
