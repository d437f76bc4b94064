"""Samples, scores and Jacobians in closed form, against torch's automatic differentiation and SciPy."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Cauchy, Gamma, Independent, OneHotCategorical

from e2c_control.errors import InputError
from e2c_control.gradients.laws import Continuous, Discrete, law_of

from .problems import PROBLEMS, D

DISCRETE = [name for name, (d, _) in PROBLEMS.items() if isinstance(law_of(d), Discrete)]
CONTINUOUS = [name for name, (d, _) in PROBLEMS.items() if isinstance(law_of(d), Continuous)]


def leaf_law(name):
    law = law_of(PROBLEMS[name][0])
    return law_of(law.new([p.clone().requires_grad_() for p in law.constants]))


def drawn(law, n, generator):
    noise = law.draw_noise(n, generator)
    return law.hard(law.relaxed(noise)) if isinstance(law, Discrete) else law.code(noise)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_score_is_the_gradient_of_torchs_log_prob(name, generator):
    law = leaf_law(name)
    code = drawn(law, 7, generator)
    expected = torch.autograd.grad(law.distribution.log_prob(law.present(code)).sum(), law.parameters)
    for score, gradient in zip(law.score(code), expected, strict=True):
        # torch differentiates its own logits, which sum to anything: the score's projection is what both agree on.
        projected = law.pull(gradient) if isinstance(law, Discrete) else gradient
        torch.testing.assert_close(score.sum(0), projected)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_mean_and_its_derivative(name):
    law = leaf_law(name)
    weight = torch.randn(law.mean.shape, dtype=D, generator=torch.Generator().manual_seed(0))
    mean = law.attached_mean() if isinstance(law, Discrete) else law.base.__class__(*law.parameters).mean
    torch.testing.assert_close(mean.detach(), law.mean)
    expected = torch.autograd.grad((mean * weight).sum(), law.parameters, materialize_grads=True)
    torch.testing.assert_close(law.pull_mean(weight), tuple(expected))


@pytest.mark.parametrize("name", DISCRETE)
def test_samples_have_the_probabilities_of_the_distribution(name, generator):
    law = leaf_law(name)
    frequency = drawn(law, 20_000, generator).mean(0)
    error = (law.mean * (1 - law.mean) / 20_000).sqrt()
    assert ((frequency - law.mean).abs() < 4.5 * error).all()


@pytest.mark.parametrize("name", DISCRETE)
def test_a_conditional_sample_keeps_its_outcome_and_moves_as_the_papers_does(name, generator):
    law = leaf_law(name)
    code = drawn(law, 50, generator)
    v = law.draw_noise(50, generator)
    z, slope = law.conditional(code, v)
    assert torch.equal(law.hard(z), code)
    (logits,) = law.parameters
    paper = papers_conditional(law, logits, code, v)
    torch.testing.assert_close(z, paper.detach())
    weight = torch.randn(z.shape, dtype=D, generator=generator)
    (expected,) = torch.autograd.grad((paper * weight).sum(), logits)
    torch.testing.assert_close(law.pull(slope * weight).sum(0), expected)


def papers_conditional(law, logits, code, v):
    """The formulas as printed by Grathwohl et al. (2018), appendix B."""
    if isinstance(law.base, Bernoulli):
        p = torch.sigmoid(logits)
        moved = torch.where(code > 0, v * p + (1 - p), v * (1 - p))
        return logits + torch.logit(moved)
    p = logits.softmax(-1)
    own = -(v * code).sum(-1, keepdim=True).log()
    return torch.where(code > 0, -own.log(), -torch.log(-v.log() / p + own))


@pytest.mark.parametrize("name", DISCRETE)
def test_pull_and_push_are_the_jacobian_of_z_and_its_transpose(name, generator):
    law = leaf_law(name)
    noise = law.draw_noise(4, generator)
    weight, direction = (torch.randn(noise.shape, dtype=D, generator=generator) for _ in range(2))
    attached = law.attached(law.relaxed(noise))
    torch.testing.assert_close(attached.detach(), law.relaxed(noise))
    (expected,) = torch.autograd.grad((attached * weight).sum(), law.parameters)
    torch.testing.assert_close(law.pull(weight).sum(0), expected)
    torch.testing.assert_close((law.pull(weight) * direction).sum(), (weight * law.push(direction)).sum())


@pytest.mark.parametrize("name", ["bernoulli", "one-hot"])
def test_conditional_samples_are_distributed_as_z(name, generator):
    """Kolmogorov and Smirnov's distance; two samples of 200,000 from one law are below 0.0062 in 999 of 1000 cases."""
    law = leaf_law(name)
    z = law.relaxed(law.draw_noise(200_000, generator))
    conditional, _ = law.conditional(law.hard(z), law.draw_noise(200_000, generator))
    for a, b in zip(law.rows(z).flatten(1).T.numpy(), law.rows(conditional).flatten(1).T.numpy(), strict=True):
        assert scipy.stats.ks_2samp(a, b).statistic < 0.01


LOGITS = st.floats(-1e6, 1e6, width=32)
NOISE = st.one_of(st.sampled_from([0.0, 1 - 2.0**-24]), st.floats(0, 1 - 2.0**-24, width=32))


@settings(deadline=None)
@given(st.lists(st.tuples(LOGITS, NOISE, NOISE), min_size=1, max_size=8), st.booleans())
def test_bits_stay_finite_in_float32(rows, b):
    logits, u, v = torch.tensor(rows).T
    law = law_of(Bernoulli(logits=logits.contiguous()))
    code = torch.full_like(logits, float(b))
    z, slope = law.conditional(code, v)
    for x in (law.relaxed(u), z, slope):
        assert torch.isfinite(x).all()
    assert torch.equal(law.hard(z), code)
    assert ((slope >= 0) & (slope <= 1)).all()


@settings(deadline=None)
@given(st.lists(st.tuples(LOGITS, NOISE, NOISE), min_size=2, max_size=6), st.data())
def test_choices_stay_finite_in_float32(rows, data):
    logits, u, v = torch.tensor(rows).T
    law = law_of(OneHotCategorical(logits=logits.contiguous()))
    code = torch.zeros(1, len(rows))
    code[0, data.draw(st.integers(0, len(rows) - 1))] = 1
    z, slope = law.conditional(code, v.unsqueeze(0))
    for x in (law.relaxed(u.unsqueeze(0)), z, slope):
        assert torch.isfinite(x).all()
    assert torch.equal(law.hard(z), code)


@pytest.mark.parametrize("logit", [8.0, 18.0, 30.0])
def test_the_papers_form_is_not_finite_where_ours_is(logit):
    law = law_of(Bernoulli(logits=torch.tensor([-logit])))
    v = torch.linspace(0, 1 - 2.0**-24, 1001)[:, None]
    code = torch.ones_like(v)
    assert torch.isfinite(law.conditional(code, v)[0]).all()
    if logit > 10:
        assert not torch.isfinite(papers_conditional(law, law.parameters[0], code, v)).all()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_slopes_of_continuous_samples(name, generator):
    law = leaf_law(name)
    noise = law.draw_noise(20, generator)
    step = 1e-6
    for i, slope in enumerate(law.slopes(law.code(noise))):
        ends = []
        for sign in (1, -1):
            moved = [p + sign * step * (i == j) for j, p in enumerate(law.constants)]
            ends.append(law_of(law.new(moved)).sample(noise))
        torch.testing.assert_close(slope, (ends[0] - ends[1]) / (2 * step), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("concentration", [0.05, 0.5, 1.0, 7.0, 60.0])
def test_gamma_quantiles_and_slopes_against_scipy(concentration):
    law = law_of(Gamma(torch.tensor(concentration, dtype=D), torch.tensor(1.0, dtype=D)))
    u = np.array([1e-3, 0.02, 0.3, 0.5, 0.9, 0.999, 1 - 1e-6])
    z = law.sample(torch.tensor(u)).numpy()
    np.testing.assert_allclose(z, scipy.special.gammaincinv(concentration, u), rtol=1e-9)
    step = 1e-5 * concentration
    low, high = (scipy.special.gammaincinv(concentration + s * step, u) for s in (-1, 1))
    np.testing.assert_allclose(
        law.slopes(law.read(torch.tensor(z)))[0].numpy(), (high - low) / (2 * step), rtol=2e-6, atol=1e-15
    )


def test_the_noise_of_a_fresh_gamma_sample_makes_it_again(generator):
    law = law_of(Gamma(torch.tensor([0.3, 2.0, 50.0], dtype=D), torch.tensor([1.0, 0.2, 4.0], dtype=D)))
    noise, code = law.draw_code(100, generator)
    torch.testing.assert_close(law.code(noise), code, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(law.read(law.present(code)), code, rtol=1e-9, atol=1e-9)


def test_a_distribution_without_a_law_is_refused():
    with pytest.raises(InputError, match="No estimator takes a Cauchy: give one of Bernoulli"):
        law_of(Independent(Cauchy(torch.zeros(2), torch.ones(2)), 1))
