"""Estimators and running statistics at scales where float32, a logit of minus infinity or a large offset break things.

What is right is known in closed form, by enumeration, or from the same numbers in float64 around 0.
"""

import numpy as np
import pytest
import scipy.special
import torch
from torch.distributions import Bernoulli, Categorical, Distribution, Gamma, Independent, Normal, OneHotCategorical

from e2c_control.errors import InputError
from e2c_control.gradients import (
    ESTIMATORS,
    LAX,
    NVIL,
    REBAR,
    RLOO,
    VIMCO,
    Concrete,
    GradientMonitor,
    LeaveOneOut,
    Mean,
    MovingAverage,
    OptimalConstant,
    Reparameterisation,
    ScoreFunction,
    SurrogateNetwork,
    check_unbiased,
    estimators_for,
    exact_gradient,
    gradient_stats,
    make_estimator,
)
from e2c_control.gradients.check import moments
from e2c_control.gradients.laws import law_of

from .problems import D, choice, double, index, joint, number, unsettle

F = torch.float32
INF = float("inf")
DTYPES = [F, D]


def single(*numbers: object) -> torch.Tensor:
    return torch.tensor(numbers[0] if len(numbers) == 1 else numbers, dtype=F)


def slope_of(f, points):
    return np.array([(f(p * (1 + 1e-6)) - f(p * (1 - 1e-6))) / (2e-6 * p) for p in points])


# f that are smooth and of size 1, and each law where something of it does not fit into float32.
EXTREME: dict[str, tuple[Distribution, object]] = {
    "bits-of-one-value": (Bernoulli(logits=single(-INF, INF, 0.3)), number),
    "bits-far-out": (Bernoulli(logits=single(-1e30, 1e5, 60.0, -60.0)), number),
    "bits-by-probs": (Bernoulli(probs=single(0.0, 1.0, 1e-30)), number),
    "pair-with-a-sure-bit": (Independent(Bernoulli(logits=single([[-INF, 0.4]])), 1), joint),
    "impossible-choice": (OneHotCategorical(logits=single(-INF, 0.2, -0.4)), lambda b: choice(b.to(D)).to(b.dtype)),
    "only-choice": (OneHotCategorical(logits=single(-INF, 0.0, -INF)), lambda b: choice(b.to(D)).to(b.dtype)),
    "choice-by-probs": (OneHotCategorical(probs=single(1.0, 0.0, 0.0)), lambda b: choice(b.to(D)).to(b.dtype)),
    "impossible-index": (Categorical(logits=single(-INF, 0.2, -0.4)), lambda b: index(b).to(F)),
    "normal-far-out": (Normal(single(1e9, -1e9), single(30.0, 500.0)), lambda z: torch.sin((z - 1e9) / 100)),
    "narrow-normal": (Normal(single(0.3), single(1e-12)), number),
    "wide-normal": (Normal(single(0.3), single(1e12)), lambda z: torch.tanh(z / 1e12)),
    "small-gamma": (Gamma(single(0.01, 0.001), single(1.0, 3.0)), lambda z: z.tanh()),
    "large-gamma": (Gamma(single(1e6), single(1.0)), lambda z: torch.tanh(z / 1e6)),
    "rates": (Gamma(single(2.0, 0.5), single(1e-9, 1e9)), lambda z: torch.tanh(z)),
}
CASES = []
for _problem, (_distribution, _) in EXTREME.items():
    CASES += [(_name, _problem) for _name in estimators_for(_distribution)]


@pytest.mark.parametrize(("name", "problem"), CASES)
def test_every_estimator_stays_finite_and_keeps_its_word(name, problem):
    distribution, f = EXTREME[problem]
    law = law_of(distribution)
    generator = torch.Generator().manual_seed(2)
    estimator = unsettle(make_estimator(name, distribution, generator))
    leaves = [p.clone().requires_grad_() for p in law.parameters]
    n = max(2, estimator.least)
    estimate = estimator(f, law.new(leaves), n, generator=generator)
    estimate.surrogate.backward()
    assert torch.isfinite(estimate.value).all()
    assert all(torch.isfinite(leaf.grad).all() for leaf in leaves)
    assert estimator.update() < INF
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in estimator.parameters())
    if isinstance(distribution, Gamma) and estimator.least > 1:
        return  # a grid of two takes long; `rloo` is checked below
    check = check_unbiased(estimator, f, distribution, tolerance=1e-3, draws=4000, generator=generator)
    if check.exact is not None:
        assert torch.isfinite(check.exact).all()
    # Where float32 has one number for all samples, f is flat to what compares its values, and not to its derivative;
    # and no grid sees where a network bends within 1e-12 of the width.
    flat = estimator.differentiates and problem in ("normal-far-out", "narrow-normal")
    if estimator.unbiased and not flat and (name, problem) != ("lax", "wide-normal"):
        assert check.unbiased, str(check)


STEP = 1e-12


def steps(z):
    return 7 * (z < STEP).to(z.dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["score-function", "rloo", "sf-mean", "lax", "nvil"])
@pytest.mark.parametrize("concentration", [0.01, 0.05])
def test_samples_below_the_least_float_are_scored_as_what_they_are(name, dtype, concentration):
    """f = 7 [z < 1e-12]: d E f / da = 7 dF(1e-12; a) / da, -144.6 at 0.01. In float32, 2 of 5 samples are no number."""
    (exact,) = slope_of(
        lambda a: 7 * scipy.special.gammainc(a, STEP), [float(torch.tensor(concentration, dtype=dtype))]
    )
    a = torch.tensor(concentration, dtype=dtype)
    distribution = Gamma(a, torch.ones_like(a))
    found = exact_gradient(steps, distribution)[1]["concentration"]
    assert float(found) == pytest.approx(exact, rel=2e-3)
    estimator = make_estimator(name, distribution, torch.Generator().manual_seed(0))
    mean, variance = moments(estimator, steps, distribution, estimator.least, 40_000, torch.Generator().manual_seed(1))
    assert abs(float(mean[0]) - exact) < 4.5 * float((variance[0] / 40_000).sqrt())
    check = check_unbiased(estimator, steps, distribution)
    assert check.unbiased, str(check)
    assert check.method == "quadrature"


class Clamping(ScoreFunction):
    """The score of the number that a float32 holds, in place of that of the sample."""

    def combine(self, draw, values, f, context):
        from dataclasses import replace

        shown = draw.law.present(draw.code)
        return super().combine(replace(draw, code=draw.law.read(shown)), values, f, context)


def test_a_score_of_what_is_left_in_float32_is_found_out():
    distribution = Gamma(single(0.01), single(1.0))
    assert check_unbiased(ScoreFunction(), steps, distribution).unbiased
    check = check_unbiased(Clamping(), steps, distribution)
    assert not check.unbiased
    assert float(check.mean[0]) > 100


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("concentration", [0.001, 0.01, 0.3, 3.0, 1e4, 1e9])
def test_gamma_samples_have_the_law_of_a_gamma(concentration, dtype):
    """By their noise, F(z), which is uniform, and which makes each of them again."""
    a = torch.tensor(concentration, dtype=dtype)
    law = law_of(Gamma(a, torch.ones_like(a)))
    noise, code = law.draw_code(20_000, torch.Generator().manual_seed(0))
    assert torch.isfinite(code).all()
    assert abs(float(noise.double().mean()) - 0.5) < 4.5 / (12 * 20_000) ** 0.5
    assert abs(float(noise.double().var()) - 1 / 12) < 0.003
    again, spread = law.code(noise), float(code.std())
    torch.testing.assert_close(again, code, rtol=0, atol=spread * (1e-2 if dtype == F else 1e-5))
    # E log z = digamma(a) to many digits, where E z in float32 is none of it.
    assert abs(float(code.mean()) - float(torch.digamma(a.double()))) < 4.5 * spread / 20_000**0.5


def test_scores_of_a_large_concentration_have_no_offset():
    """digamma(1e6) in float32 is off by 1e-6, which times f = z would be as large as the gradient."""
    distribution = Gamma(single(1e6), single(1.0))
    mean, variance = moments(ScoreFunction(), lambda z: z, distribution, 1, 200_000, torch.Generator().manual_seed(0))
    assert abs(float(mean[0]) - 1.0) < 4.5 * float((variance[0] / 200_000).sqrt())
    rloo, spread = moments(RLOO(), lambda z: z, distribution, 2, 50_000, torch.Generator().manual_seed(0))
    assert float(rloo[0]) == pytest.approx(1.0, abs=4.5 * float((spread[0] / 50_000).sqrt()))


@pytest.mark.parametrize("scale", [3.0, 30.0, 500.0])
def test_a_normal_far_from_zero_is_scored_by_its_noise(scale):
    """At 1e9, float32 has steps of 64. f sees those; the score must not."""
    distribution = Normal(single(1e9), single(scale))
    f = lambda z: torch.tanh((z - 1e9) / 100)  # noqa: E731
    loc, z = 1e9, np.linspace(-10, 10, 200_001)
    density = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    values = np.tanh(((loc + scale * z).astype(np.float32).astype(np.float64) - loc) / 100)
    exact = np.array([(density * values * z).sum(), (density * values * (z**2 - 1)).sum()]) / scale
    for estimator in (ScoreFunction(), RLOO()):
        mean, variance = moments(estimator, f, distribution, estimator.least, 40_000, torch.Generator().manual_seed(0))
        assert ((mean.numpy() - exact) ** 2 <= 4.5**2 * variance.numpy() / 40_000 + 1e-20).all()


OFFSETS = [0.0, 1e6, 1e9]


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("name", [n for n in ESTIMATORS if n not in ("reparameterisation", "g-rep", "lax")])
def test_a_common_offset_of_f_keeps_its_digits(name, offset):
    """f in float64, as NumPy gives it, of samples in float32: what baselines leave is what it is without the offset.

    VIMCO's objective is a logarithm of weights, whose common factor drops out of the gradient.
    """
    distribution = Bernoulli(logits=single(-0.5, 0.0, 1.5))
    noise = torch.rand(6, 3, generator=torch.Generator().manual_seed(0))
    gradients = []
    for shift in (0.0, offset):
        estimator = make_estimator(name, distribution, torch.Generator().manual_seed(0))
        if name not in ("rloo", "vimco", "muprop", "arm", "disarm", "concrete", "straight-through", "st-gumbel"):
            estimator = ScoreFunction(LeaveOneOut())  # the others leave an offset in, as they say
        leaf = single(-0.5, 0.0, 1.5).requires_grad_()
        estimate = estimator(
            lambda b, shift=shift: shift + number(b.double()), Bernoulli(logits=leaf), noise={"u": noise}
        )
        estimate.surrogates.sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-5, atol=1e-5)


def test_whole_numbers_keep_theirs():
    leaf = single(0.3).requires_grad_()
    f = lambda b: 2_000_000_000 + b.long()  # noqa: E731
    noise = single([[0.05], [0.95]]).squeeze(-1)
    RLOO()(f, Bernoulli(logits=leaf), noise=noise).surrogate.backward()
    assert float(leaf.grad) == pytest.approx(0.5)


@pytest.mark.parametrize("rate", [1e-30, 1e-20, 1e20, 1e30])
@pytest.mark.parametrize("name", estimators_for(Gamma(single(2.0), single(1.0))))
def test_the_rate_of_a_gamma_is_a_unit(name, rate):
    """f sees z / unit: derivatives in the concentration are the same in any unit, those in the rate its inverse."""
    found = []
    for unit in (1.0, rate):
        leaves = single([2.0]).requires_grad_(), single([unit]).requires_grad_()
        estimator = make_estimator(name, Gamma(*leaves), torch.Generator().manual_seed(0))
        if name == "lax":  # c of z itself would be another function in each unit
            estimator = LAX(Quiet())
        for seed in range(2):  # again, with the baseline that was learnt
            estimate = estimator(
                lambda z, unit=unit: torch.sin(z * unit).squeeze(-1),
                Independent(Gamma(*leaves), 1),
                max(2, estimator.least),
                generator=torch.Generator().manual_seed(seed),
            )
            if name != "lax":
                estimator.update()
        concentration, in_rate = torch.autograd.grad(estimate.surrogate, leaves)
        found.append((float(concentration), float(in_rate) * unit))
    assert found[1] == pytest.approx(found[0], rel=1e-4)


class Quiet(torch.nn.Module):
    """0, with a parameter and a derivative."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, rows):
        return (rows * self.weight).sum(-1)


@pytest.mark.parametrize("rate", [1e-20, 1e-30])
def test_a_surrogate_is_not_trained_on_what_is_no_number(rate):
    estimator, leaves = LAX(SurrogateNetwork(1)), (single([2.0]), single([rate]))
    estimator(lambda z: torch.sin(z * rate).squeeze(-1), Independent(Gamma(*leaves), 1))
    with pytest.raises(InputError, match="too large for its dtype: give float64"):
        estimator.update()
    assert all(parameter.grad is None for parameter in estimator.parameters())


# ---- second derivatives

TWICE = {
    "concrete": Bernoulli(logits=double(0.4)),
    "concrete-choice": OneHotCategorical(logits=double(0.1, 0.2, -0.6)),
    "reparameterisation": Normal(double(0.7), double(1.3)),
}


@pytest.mark.parametrize(("name", "problem"), CASES)
def test_a_second_derivative_is_right_or_refused(name, problem):
    """l = w^2: what a graph of given derivatives would leave out is d(gradient at l) / dw."""
    distribution, f = EXTREME[problem]
    law = law_of(distribution)
    w = torch.ones((), requires_grad=True)
    parameters = [p * w.square() for p in law.constants]
    estimator = make_estimator(name, distribution, torch.Generator().manual_seed(0))
    noise = {key: law.draw_noise(max(2, estimator.least) // estimator.multiple, None) for key in estimator.noises}
    estimate = estimator(f, law.new(parameters), noise=noise)
    (first,) = torch.autograd.grad(estimate.surrogates.sum(), w, create_graph=True)
    right = name == "concrete" or (name == "reparameterisation" and "normal" in problem)
    if right:
        (second,) = torch.autograd.grad(first, w)
        assert torch.isfinite(second)
        return
    with pytest.raises(InputError, match="no second derivative: do not differentiate its gradient again"):
        torch.autograd.grad(first, w)


@pytest.mark.parametrize("name", TWICE)
def test_second_derivatives_of_what_is_a_function_of_its_noise(name):
    distribution = TWICE[name]
    law = law_of(distribution)
    estimator = Reparameterisation() if name == "reparameterisation" else Concrete(0.7)
    noise = law.draw_noise(5, torch.Generator().manual_seed(0))
    f = choice if name == "concrete-choice" else number

    def surrogates(*parameters):
        return estimator(f, law.new(parameters), noise=noise).surrogates

    leaves = [p.clone().requires_grad_() for p in law.constants]
    assert torch.autograd.gradgradcheck(surrogates, leaves)


def test_the_second_derivative_through_a_square():
    """E (b + 0.3)^2 at l = w^2, w = 0.8: exact 0.437; by a graph that takes the gradient at l for a constant, 0.724."""
    w = double(0.8).requires_grad_()
    f = lambda b: (b + 0.3).square()  # noqa: E731
    p = torch.sigmoid(w.square())
    (exact,) = torch.autograd.grad(p * 1.69 + (1 - p) * 0.09, w, create_graph=True)
    assert float(torch.autograd.grad(exact, w)[0]) == pytest.approx(0.437, abs=1e-3)
    many = Bernoulli(logits=w.square().expand(1000))
    for again in (lambda first: torch.autograd.grad(first, w), lambda first: first.square().backward()):
        (first,) = torch.autograd.grad(RLOO()(f, many).surrogate, w, create_graph=True)
        with pytest.raises(InputError, match="no second derivative"):
            again(first)


def test_the_derivative_in_what_f_is_made_of_is_refused_a_second_time_too():
    """Half of a Hessian in both is no Hessian: how the samples move with the logits is missing in the other half."""
    logit, slope = double(0.3).requires_grad_(), double(2.0).requires_grad_()
    estimate = VIMCO()(lambda b: slope * b, Bernoulli(logits=logit))
    (first,) = torch.autograd.grad(estimate.surrogate, slope, create_graph=True)
    with pytest.raises(InputError, match="no second derivative"):
        first.backward()


# ---- running statistics


def noisy(offset, dtype=D, count=2000):
    generator = torch.Generator().manual_seed(0)
    return (offset + torch.randn(count, generator=generator, dtype=D)).to(dtype)


def observed(estimator, values, rows=10):
    """An estimator that has seen values as those of f, so many in an update."""
    distribution = Bernoulli(logits=torch.zeros(rows, dtype=values.dtype))
    for given in values.reshape(-1, rows):
        draw = estimator.draw(distribution, 2)
        estimator.estimate(draw, given.expand(2, rows).clone())
        estimator.update()
    return estimator


@pytest.mark.parametrize("offset", OFFSETS)
def test_moments_of_values_far_from_zero(offset):
    values = noisy(offset)
    mean = observed(ScoreFunction(Mean()), values).baseline.mean
    assert float(mean) - offset == pytest.approx(float((values - offset).mean()), abs=1e-6)
    optimal = observed(ScoreFunction(OptimalConstant()), values).baseline
    assert float(optimal.weighted[0] / optimal.weight[0]) - offset == pytest.approx(
        float((values - offset).mean()), abs=1e-5
    )
    moving = observed(ScoreFunction(MovingAverage(0.99)), values).baseline.mean
    assert abs(float(moving) - offset) < 0.2
    nvil = observed(NVIL(decay=0.99), values)
    assert abs(float(nvil.mean) - offset) < 0.2
    assert float(nvil.variance) == pytest.approx(1.0, rel=0.15)


def test_a_mean_of_many_values_does_not_stand_still():
    """A count in float32 ends at 16,777,216: from there on each update would weigh as much as the one before."""
    estimator = ScoreFunction(Mean())
    estimator.baseline.count += 2.0**24
    observed(estimator, torch.ones(10), rows=1)
    assert float(estimator.baseline.count) == 2**24 + 20
    assert estimator.baseline.mean.dtype == D


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("offset", OFFSETS)
def test_the_monitor_at_an_offset(offset, dtype):
    """The same as at 0, for the very numbers that the dtype holds."""
    rows = noisy(offset, dtype, 3000).reshape(-1, 3)
    far, near = GradientMonitor(0.98), GradientMonitor(0.98)
    for row in rows:
        found, expected = far.observe([row]), near.observe([row.double() - offset])
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert GradientMonitor().observe([torch.full((2,), offset)]) == 0.0


def test_the_monitor_weighs_steps_as_an_exponential_average_does():
    generator = torch.Generator().manual_seed(0)
    monitor, rows = GradientMonitor(0.9), torch.randn(30, 2, generator=generator, dtype=D)
    for row in rows:
        found = monitor.observe([row])
    weights = 0.9 ** torch.arange(29, -1, -1, dtype=D).unsqueeze(1)
    weights /= weights.sum()
    mean = (weights * rows).sum(0)
    assert found == pytest.approx(float((weights * (rows - mean).square()).sum()))


@pytest.mark.parametrize("offset", OFFSETS)
def test_measured_variances_at_an_offset(offset):
    """The gradient of offset x z is offset + noise: a variance of 1 beside it."""
    distribution = Normal(torch.zeros(1, dtype=D), torch.ones(1, dtype=D))
    f = lambda z: offset * z + z.square() / 2  # noqa: E731
    generator = torch.Generator().manual_seed(0)
    mean, variance = moments(Reparameterisation(), f, distribution, 1, 50_000, generator)
    assert float(mean[0]) == pytest.approx(offset, abs=0.02)
    assert float(variance[0]) == pytest.approx(1.0, rel=0.05)
    (row,) = gradient_stats({"r": Reparameterisation()}, f, distribution, draws=20_000, generator=generator)
    assert row.z < 4.5


def test_a_surrogate_far_out_trains_to_finite_weights():
    """Impossible outcomes are relaxed to where a network still is a number."""
    distribution = OneHotCategorical(logits=single(-INF, 0.2, -0.4))
    for make in (lambda: REBAR(), lambda: make_estimator("relax", distribution)):
        estimator = make()
        optimizer = torch.optim.Adam(estimator.parameters(), 0.01)
        for _ in range(20):
            leaf = single(-INF, 0.2, -0.4).requires_grad_()
            estimator(lambda b: b[..., 0] + 2 * b[..., 1].square(), OneHotCategorical(logits=leaf))
            estimator.update(optimizer)
        assert all(torch.isfinite(p).all() for p in estimator.parameters())
    lax = LAX(SurrogateNetwork(1))
    lax(lambda z: z.tanh(), Gamma(single([0.001]), single([1.0])))
    assert lax.update() < INF
