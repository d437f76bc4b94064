"""Every estimator against the exact gradient: by enumeration, by quadrature, and, marked slow, by many samples."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Gamma, Independent, Normal, OneHotCategorical

from e2c_control.gradients import (
    ESTIMATORS,
    LAX,
    REBAR,
    RELAX,
    VIMCO,
    Concrete,
    GeneralisedReparameterisation,
    Reparameterisation,
    ScoreFunction,
    StraightThrough,
    SurrogateNetwork,
    check_unbiased,
    exact_gradient,
    make_estimator,
)

from .problems import PAIRS, PROBLEMS, D, double, unsettle

EXACT = ("enumeration", "quadrature")


# A bound of several samples has no reference but enumeration or a grid, and two samples of two numbers are too many.
@pytest.mark.parametrize(("name", "problem"), [pair for pair in PAIRS if pair != ("vimco", "normal-pair")])
def test_bias_is_what_the_docstring_says(name, problem, generator):
    distribution, f = PROBLEMS[problem]
    estimator = unsettle(make_estimator(name, distribution, generator))
    check = check_unbiased(estimator, f, distribution, draws=20_000, generator=generator)
    assert check.unbiased is estimator.unbiased, str(check)
    # One bit or number can always be done without chance, and whatever depends on hard samples alone.
    single = problem in ("bernoulli", "bernoulli-by-probs", "normal", "gamma")
    if single or (not estimator.sees_noise and problem != "normal-pair"):
        assert check.method in EXACT
    assert ("BIASED" in (type(estimator).__doc__ or "")) is not estimator.unbiased


@pytest.mark.parametrize("n_samples", [2, 4])
@pytest.mark.parametrize("name", [n for n in ESTIMATORS if n not in ("g-rep", "reparameterisation", "lax")])
def test_more_samples_change_no_mean(name, n_samples):
    distribution, f = PROBLEMS["bernoulli"]
    estimator = unsettle(make_estimator(name, distribution))
    if not estimator.sees_noise:
        assert check_unbiased(estimator, f, distribution, n_samples).unbiased is estimator.unbiased


@pytest.mark.parametrize("logit", [-3.0, -0.5, 1.5])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_one_bit_without_chance(logit, temperature):
    distribution = Bernoulli(logits=double(logit))
    relax = unsettle(RELAX(SurrogateNetwork(1, (10,), dtype=D)), seed=round(10 * temperature))
    for estimator in (REBAR(1.3, temperature), relax):
        check = check_unbiased(estimator, lambda b: (b - 0.499).square(), distribution)
        assert check.method == "quadrature"
        assert check.bias < 1e-8


def test_the_talks_gaussian_has_the_four_variances_of_the_talk():
    """F = z^2 + c: variances in closed form, found by quadrature. See also experiments/gradients/gaussian.py."""
    mu, sigma, c = 0.7, 1.3, 5.0
    distribution = Normal(double(mu), double(sigma))
    reparameterised = check_unbiased(Reparameterisation(), lambda z: z.square() + c, distribution)
    score = check_unbiased(ScoreFunction(), lambda z: z.square() + c, distribution)
    torch.testing.assert_close(reparameterised.variance, double(4 * sigma**2, 4 * mu**2 + 8 * sigma**2))
    square = (mu**2 + c) ** 2 / sigma**2
    expected = (square + 15 * sigma**2 + 14 * mu**2 + 6 * c, 2 * square + 74 * sigma**2 + 60 * mu**2 + 20 * c)
    torch.testing.assert_close(score.variance, double(*expected))
    torch.testing.assert_close(score.mean, double(2 * mu, 2 * sigma))


def test_one_bit_has_a_baseline_without_variance():
    """b = f(1) (1 - p) + f(0) p, and the score function's variance is p (1 - p) b^2."""
    p, f = 0.119, lambda b: (b - 0.49).square()
    best = 0.51**2 * (1 - p) + 0.49**2 * p
    distribution = Bernoulli(probs=double(p))
    assert float(check_unbiased(ScoreFunction(), f, distribution).variance) == pytest.approx(p * (1 - p) * best**2)
    assert float(check_unbiased(ScoreFunction(), lambda b: f(b) - best, distribution).variance) < 1e-30


@pytest.mark.parametrize(
    ("name", "n_samples", "variance"),
    [
        ("score-function", 1, 1.56e-2),
        ("rloo", 2, 2.5e-7),
        ("rloo", 4, 4.2e-8),
        ("muprop", 1, 1.56e-2),
        ("rebar", 1, 2.24e-2),
        ("arm", 2, 8.3e-8),
        ("disarm", 2, 0.0),
    ],
)
def test_the_papers_toy_has_these_variances(name, n_samples, variance):
    """E (b - 0.499)^2 at logit 0: the anchors of the literature's headline problem."""
    distribution = Bernoulli(logits=double(0.0))
    check = check_unbiased(make_estimator(name, distribution), lambda b: (b - 0.499).square(), distribution, n_samples)
    assert float(check.variance) == pytest.approx(variance, rel=0.03, abs=1e-20)
    assert float(check.exact) == pytest.approx(5e-4)


def test_biased_estimators_point_the_wrong_way_on_the_toy():
    distribution = Bernoulli(probs=double(0.119))
    for estimator, mean in ((Concrete(0.5), -3.1e-2), (StraightThrough(), -7.8e-2)):
        check = check_unbiased(estimator, lambda b: (b - 0.49).square(), distribution)
        assert float(check.exact) == pytest.approx(2.10e-3, rel=0.01)
        assert float(check.mean) == pytest.approx(mean, rel=0.03)
        assert not check.unbiased


@pytest.mark.parametrize("mean", ["geometric", "arithmetic"])
def test_vimco_over_all_tuples(mean):
    """d = 2, K = 3, log w that depends on the logits, too: bound and gradient over all 64 tuples, by autograd."""
    logits = double(0.4, -0.7).requires_grad_()

    def log_weight(h):
        q = Independent(Bernoulli(logits=logits), 1)
        first, second = h[..., 0], h[..., 1]
        return 1.3 * first - 0.8 * second + 1.5 * first * second - q.log_prob(h)

    pairs = torch.cartesian_prod(*[double(0.0, 1.0)] * 2)
    tuples = torch.cartesian_prod(*[torch.arange(4)] * 3)
    h = pairs[tuples].transpose(0, 1)  # (3, 64, 2)
    likelihood = Independent(Bernoulli(logits=logits), 1).log_prob(h).sum(0).exp()
    bound = (likelihood * (log_weight(h).logsumexp(0) - math.log(3))).sum()
    (exact,) = torch.autograd.grad(bound, logits)
    assert float(bound.detach()) == pytest.approx(2.352551, abs=1e-6)
    torch.testing.assert_close(exact, double(0.1447990, 0.1506291), rtol=1e-6, atol=0)

    p = torch.sigmoid(logits.detach())
    u = torch.where(h > 0, 1 - p / 2, (1 - p) / 2)
    total = torch.zeros(2, dtype=D)
    second = torch.zeros(2, dtype=D)
    for i in range(64):
        distribution = Independent(Bernoulli(logits=logits), 1)
        estimate = VIMCO(mean)(log_weight, distribution, 3, noise=u[:, i])
        (gradient,) = torch.autograd.grad(estimate.surrogate, logits)
        total += likelihood[i].detach() * gradient
        second += likelihood[i].detach() * gradient.square()
    torch.testing.assert_close(total, exact)
    variance = float((second - total.square()).sum())
    assert variance == pytest.approx({"geometric": 0.140, "arithmetic": 0.189}[mean], abs=0.002)


@pytest.mark.parametrize(
    ("concentration", "variance"), [(0.5, 307.473), (1.0, 114.318), (2.0, 62.898), (10.0, 110.435)]
)
def test_generalised_reparameterisation_of_a_gamma(concentration, variance):
    """F = z^2: variances integrated by SciPy in log z. Sampled ones are off by 5 %: the tails are heavy."""
    distribution = Gamma(double(concentration), double(1.0))
    check = check_unbiased(GeneralisedReparameterisation(), torch.square, distribution)
    assert float(check.exact[0]) == pytest.approx(2 * concentration + 1)
    assert check.unbiased
    assert float(check.variance[0]) == pytest.approx(variance, rel=1e-4)


def test_generalised_reparameterisation_of_a_normal_needs_no_correction(generator):
    distribution, f = PROBLEMS["normal"]
    both = [check_unbiased(e, f, distribution) for e in (GeneralisedReparameterisation(), Reparameterisation())]
    torch.testing.assert_close(both[0].variance, both[1].variance)


def test_exact_gradients_are_those_of_the_expectation():
    logits = double(0.4, -0.7).requires_grad_()
    table = double([0.3, -1.0], [2.0, 0.7])
    p = torch.stack([torch.sigmoid(-logits), torch.sigmoid(logits)])
    (expected,) = torch.autograd.grad((p[:, None, 0] * p[None, :, 1] * table).sum(), logits)
    value, found = exact_gradient(
        lambda b: table[b[..., 0].long(), b[..., 1].long()], Independent(Bernoulli(logits=logits), 1)
    )
    torch.testing.assert_close(found["logits"], expected)
    assert exact_gradient(lambda b: b.sum(-1), Independent(Bernoulli(logits=torch.zeros(30)), 1)) is None
    torch.testing.assert_close(value, (p[:, None, 0] * p[None, :, 1] * table).sum().detach())


TRIPLE = {
    "pair": torch.randn(3, 3, dtype=D, generator=torch.Generator().manual_seed(3)),
    "line": torch.randn(3, dtype=D, generator=torch.Generator().manual_seed(4)),
}


def interacting(b):
    """Three bits, in pairs and all together."""
    pairs = torch.einsum("...i,ij,...j->...", b, TRIPLE["pair"], b)
    return pairs + (b * TRIPLE["line"]).sum(-1) + 2 * b.prod(-1)


CHOICE = torch.tensor([0.5, -1.2, 0.9, 2.0], dtype=D)
LARGE = {
    "three-bits": (Independent(Bernoulli(logits=double(-0.6, 0.4, 1.1)), 1), interacting),
    "four-choices": (OneHotCategorical(logits=double(0.2, -0.5, 0.7, 0.0)), lambda b: (b * CHOICE).sum(-1).square()),
}


@pytest.mark.slow
@pytest.mark.parametrize("problem", LARGE)
@pytest.mark.parametrize("name", ["rloo", "muprop", "rebar", "relax", "relax-f", "arm", "disarm", "nvil", "sf-mean"])
def test_interactions_at_400_000_draws(name, problem, generator):
    distribution, f = LARGE[problem]
    if problem == "four-choices" and name in ("arm", "disarm"):
        return
    estimator = unsettle(make_estimator(name, distribution))
    check = check_unbiased(estimator, f, distribution, draws=400_000, generator=generator)
    assert check.unbiased, str(check)


@pytest.mark.slow
@pytest.mark.parametrize("problem", LARGE)
@pytest.mark.parametrize("name", ["concrete", "straight-through", "st-gumbel"])
def test_biases_stand_out_at_400_000_draws(name, problem, generator):
    distribution, f = LARGE[problem]
    check = check_unbiased(make_estimator(name, distribution), f, distribution, draws=400_000, generator=generator)
    assert not check.unbiased
    assert check.method == "enumeration" or check.z > 10


@pytest.mark.slow
def test_lax_on_many_coordinates(generator):
    loc, scale = torch.randn(2, 5, dtype=D, generator=generator)
    distribution = Independent(Normal(loc, scale.exp()), 1)
    estimator = unsettle(LAX(SurrogateNetwork(5, dtype=D)))
    f = lambda z: torch.sin(z.sum(-1)) + z[..., 0]  # noqa: E731
    assert check_unbiased(estimator, f, distribution, draws=400_000, generator=generator).unbiased
