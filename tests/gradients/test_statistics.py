"""The public tools: measured bias and variance agree with exact ones, and the table says what is biased."""

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal

from e2c_control.gradients import (
    RLOO,
    Concrete,
    GradientStats,
    ScoreFunction,
    check_unbiased,
    estimators_for,
    gradient_stats,
    stats_table,
)
from e2c_control.gradients.check import moments
from e2c_control.gradients.statistics import cpu_microseconds, step_of

from .problems import PROBLEMS, D


def test_measured_statistics_agree_with_exact_ones(generator):
    distribution, f = PROBLEMS["bernoulli-pair"]
    chosen = {"score-function": ScoreFunction(), "rloo": RLOO(), "concrete": Concrete(0.5)}
    rows = gradient_stats(chosen, f, distribution, {"rloo": 4}, draws=40_000, generator=generator)
    assert [row.evaluations for row in rows] == [1, 4, 1]
    for row, n in zip(rows[:2], (1, 4), strict=True):
        exact = check_unbiased(chosen[row.name], f, distribution, n)
        assert row.z < 4.5
        assert row.variance == pytest.approx(float(exact.variance.sum()), rel=0.05)
    assert rows[2].z > 10
    assert not rows[2].claims_unbiased
    table = stats_table(rows)
    assert table[3][:2] == ("concrete", "BIASED")
    assert all(len(line) == len(table[0]) for line in table)
    assert rows[0].cpu_microseconds > 0
    assert rows[1].variance_times_evaluations == 4 * rows[1].variance


def test_where_nothing_is_exact_the_bias_is_left_open(generator):
    distribution = Independent(Bernoulli(logits=torch.zeros(25, dtype=D)), 1)
    (row,) = gradient_stats({"rloo": RLOO()}, lambda b: b.mean(-1), distribution, draws=100, generator=generator)
    assert row.bias is None
    assert stats_table([row])[1][3] == "-"
    check = check_unbiased(RLOO(), lambda b: b.mean(-1), distribution, draws=3000, generator=generator)
    assert check.exact is None
    assert check.unbiased
    assert "z-test" in str(check)


def test_measuring_leaves_the_estimator_as_it_was(generator):
    distribution, f = PROBLEMS["bernoulli"]
    estimator = estimators_for(distribution, generator)["relax"]
    estimator(f, distribution, generator=generator)
    copied = estimator._last
    check_unbiased(estimator, f, distribution)
    gradient_stats({"relax": estimator}, f, distribution, draws=10, generator=generator)
    assert estimator._last is copied


def test_moments_come_in_chunks_and_keep_their_digits():
    """A variance of 1e-8 beside a mean of 1: sums of squares around 0 would lose it in float32."""
    distribution = Normal(torch.tensor(0.0), torch.tensor(1e-4))
    estimator = estimators_for(distribution)["reparameterisation"]
    generator = torch.Generator().manual_seed(0)
    mean, variance = moments(estimator, lambda z: z + z.square() / 2, distribution, 1, 50_000, generator)
    assert float(mean[0]) == pytest.approx(1.0, abs=1e-5)
    assert float(variance[0]) == pytest.approx(1e-8, rel=0.05)


def test_the_same_seed_gives_the_same_numbers():
    distribution, f = PROBLEMS["normal"]
    once, again = (moments(RLOO(), f, distribution, 2, 1000, torch.Generator().manual_seed(4)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))


def test_every_method_can_take_some_distribution():
    from e2c_control.gradients import ESTIMATORS

    found = {name for distribution, _ in PROBLEMS.values() for name in estimators_for(distribution)}
    assert found == set(ESTIMATORS)


def test_the_variance_of_a_few_estimates_has_no_bias():
    """Divided by n - 1: two estimates of a fair bit, -1/2 or 1/2 times f, are 0 or 1/2 of f^2 apart."""
    distribution, generator = Bernoulli(logits=torch.zeros((), dtype=D)), torch.Generator().manual_seed(0)
    found = [float(moments(ScoreFunction(), torch.ones_like, distribution, 1, 2, generator)[1]) for _ in range(2000)]
    assert set(found) == {0.0, 0.5}
    assert sum(found) / len(found) == pytest.approx(0.25, abs=4.5 * 0.25 / 2000**0.5)


def test_a_reference_that_is_estimated_has_an_error_too():
    """z counts the errors of both, estimator and reference."""
    distribution = Independent(Bernoulli(logits=torch.zeros(25, dtype=D)), 1)
    f = lambda b: b.mean(-1)  # noqa: E731
    check = check_unbiased(RLOO(), f, distribution, draws=500, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    (mean, variance), (other, spread) = (moments(RLOO(), f, distribution, 2, 500, generator) for _ in range(2))
    assert check.z == pytest.approx(float(((mean - other).abs() / ((variance + spread) / 500).sqrt()).max()))


def test_products_with_the_variance():
    row = GradientStats("x", True, 2, 3, None, None, variance=0.5, cpu_microseconds=8.0)
    assert (row.variance_times_evaluations, row.variance_times_cpu) == (1.5, 4.0)
    assert stats_table([row])[1] == ("x", "no", "3", "-", "-", "0.5", "8", "1.5", "4")


def test_times_are_medians_of_rounds(monkeypatch):
    """Rounds of 1, 1, 1, 100 and 100 ticks a call: the median is 1, not the least, not the mean."""
    clock = [0.0]
    costs = iter([1.0, 1.0, 1.0, 100.0, 100.0])

    def step():
        clock[0] += next(costs)

    monkeypatch.setattr("e2c_control.gradients.statistics.time.process_time", lambda: clock[0])
    assert cpu_microseconds({"x": step}, rounds=5, least=0.5) == {"x": 1e6}
    costs = iter([1.0, 1.0, 100.0, 100.0, 100.0])
    assert cpu_microseconds({"x": step}, rounds=5, least=0.5) == {"x": 1e8}


def test_a_step_to_time_has_noise_of_its_own():
    """How often it is called depends on the machine, and must change no random number of anybody else's."""
    distribution, f = PROBLEMS["bernoulli"]
    before = torch.get_rng_state()
    step_of(RLOO(), f, distribution, 2)()
    assert torch.equal(torch.get_rng_state(), before)
