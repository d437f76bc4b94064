"""Baselines: what they learn, that they never hold their own sample, and the variances that they leave."""

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal

from e2c_control.errors import InputError
from e2c_control.gradients import (
    NVIL,
    Mean,
    MovingAverage,
    OptimalConstant,
    ScoreFunction,
    check_unbiased,
)

from .problems import D, double

MU, SIGMA, C = 0.7, 1.3, 5.0


def values_of(z):
    return z.square() + C


def settled(baseline, variance_of, rounds=40):
    """A baseline that has seen a million samples."""
    generator = torch.Generator().manual_seed(0)
    estimator = ScoreFunction(baseline)
    for _ in range(rounds):
        estimator(values_of, variance_of, 50_000, generator=generator)
        estimator.update()
    return estimator


def test_the_talks_gaussian_with_baselines():
    """Neither variance depends on c any more; the best constant differs between mean and deviation."""
    distribution = Normal(double(MU), double(SIGMA))
    mean = check_unbiased(settled(Mean(), distribution), values_of, distribution)
    torch.testing.assert_close(
        mean.variance, double(8 * MU**2 + 10 * SIGMA**2, 40 * MU**2 + 56 * SIGMA**2), rtol=2e-3, atol=0
    )
    estimator = settled(OptimalConstant(), distribution)
    optimal = check_unbiased(estimator, values_of, distribution)
    torch.testing.assert_close(
        optimal.variance, double(8 * MU**2 + 6 * SIGMA**2, 40 * MU**2 + 24 * SIGMA**2), rtol=2e-3, atol=0
    )
    draw = estimator.draw(distribution)
    constants = torch.stack(list(estimator.baseline(draw, values_of(draw.samples))))
    expected = double(C + MU**2 + 3 * SIGMA**2, C + MU**2 + 5 * SIGMA**2)
    torch.testing.assert_close(constants, expected, rtol=5e-3, atol=0)


@pytest.mark.parametrize("make", [Mean, MovingAverage, OptimalConstant])
def test_the_first_estimate_has_no_baseline_and_the_second_has_the_first_ones(make, generator):
    distribution = Bernoulli(logits=torch.zeros(4, dtype=D, requires_grad=True))
    plain, estimator = ScoreFunction(), ScoreFunction(make())
    noise = torch.rand(1, 4, dtype=D, generator=generator)
    f = lambda b: b + 3  # noqa: E731
    first = [e(f, distribution, noise=noise).gradients["logits"] for e in (plain, estimator)]
    assert torch.equal(*first)
    estimator.update()
    draw = estimator.draw(distribution, noise=noise)
    b = estimator.baseline(draw, f(draw.samples))[0]
    # Scores of fair bits have one magnitude, so the optimal constant is the mean here, too.
    torch.testing.assert_close(b.to(D), f(draw.samples).mean())


def test_a_moving_average_forgets(generator):
    estimator = ScoreFunction(MovingAverage(0.5))
    distribution = Bernoulli(logits=torch.zeros(4, dtype=D, requires_grad=True))
    for value in (1.0, 3.0, 7.0):
        estimator(lambda b, v=value: torch.full_like(b, v), distribution)
        estimator.update()
    assert float(estimator.baseline.mean) == 4.5


def test_nvil_learns_what_the_context_says(generator):
    x = torch.randn(64, 2, dtype=D, generator=generator)
    target = x @ double(3.0, -2.0) + 4
    linear = nn.Linear(2, 1, dtype=D)
    network = nn.Sequential(linear, nn.Flatten(0))
    estimator = NVIL(network)
    optimizer = torch.optim.Adam(estimator.parameters(), 0.1)
    distribution = Independent(Bernoulli(logits=torch.zeros(64, 1, dtype=D, requires_grad=True)), 1)
    losses = []
    for _ in range(300):
        estimator(lambda b: b.sum(-1) * 0 + target, distribution, context=x, generator=generator)
        losses.append(estimator.update(optimizer))
    assert losses[-1] < 1e-3 * losses[0]
    gradients = estimator(lambda b: b.sum(-1) * 0 + target, distribution, context=x).gradients["logits"]
    assert float(gradients.abs().max()) < 0.2  # without the baseline: up to 5
    with pytest.raises(InputError, match="looks at the context"):
        estimator(lambda b: b.sum(-1), distribution)


def test_nvil_normalises_by_the_spread_of_what_it_saw_before(generator):
    distribution = Bernoulli(logits=torch.zeros(1000, dtype=D, requires_grad=True))
    plain, normalised = NVIL(decay=0.0), NVIL(decay=0.0, normalise=True)
    noise = torch.rand(1, 1000, dtype=D, generator=generator)
    f = lambda b: 20 * b  # noqa: E731
    for estimator in (plain, normalised):
        estimator(f, distribution, noise=noise)
        estimator.update()
    a, b = (e(f, distribution, noise=noise).gradients["logits"] for e in (plain, normalised))
    torch.testing.assert_close(a / b, torch.full_like(a, 10.0), rtol=0.05, atol=0)


def test_nvil_never_makes_a_gradient_larger(generator):
    """Divided by max(1, spread): where f hardly varies, normalising changes nothing."""
    distribution = Bernoulli(logits=torch.zeros(1000, dtype=D, requires_grad=True))
    noise = torch.rand(1, 1000, dtype=D, generator=generator)
    plain, normalised = NVIL(decay=0.0), NVIL(decay=0.0, normalise=True)
    for estimator in (plain, normalised):
        estimator(lambda b: b / 10, distribution, noise=noise)
        estimator.update()
    assert 0 < float(normalised.variance) < 1
    a, b = (e(lambda b: b / 10, distribution, noise=noise).gradients["logits"] for e in (plain, normalised))
    assert torch.equal(a, b)
