"""Tests of the tests: mistakes that were made in public code, or nearly, and what catches each."""

import pytest
import torch
from torch.distributions import Bernoulli

from e2c_control.gradients import (
    ARM,
    NVIL,
    REBAR,
    RELAX,
    RLOO,
    VIMCO,
    MuProp,
    SurrogateNetwork,
    check_unbiased,
    make_estimator,
)
from e2c_control.gradients.control_variate import RelaxedControl
from e2c_control.gradients.estimator import Estimate, surrogates
from e2c_control.gradients.laws import BernoulliLaw, CategoricalLaw
from e2c_control.gradients.score_function import ScoreFunction

from .problems import PROBLEMS, double, unsettle

CONDITIONAL = {"bernoulli": BernoulliLaw.conditional, "one-hot": CategoricalLaw.conditional}
LAWS = {"bernoulli": BernoulliLaw, "one-hot": CategoricalLaw}


def v_detached(law, code, v, right):
    """The noise of z~ taken for a constant in the logits: a bug of the first public toy code."""
    z, slope = right(law, code, v)
    return z, torch.ones_like(slope)


def term_dropped(law, code, v, right):
    """-dc(z~) forgotten."""
    z, slope = right(law, code, v)
    return z, torch.zeros_like(slope)


def wrong_outcome(law, code, v, right):
    """z~ given what did not happen."""
    return right(law, 1 - code if isinstance(law, BernoulliLaw) else code.roll(1, -1), v)


def unconditional(law, code, v, right):
    """z~ drawn as z is."""
    z = law.relaxed(v)
    return z, torch.ones_like(z)


def mutate(monkeypatch, problem, mutant):
    right = CONDITIONAL[problem]
    monkeypatch.setattr(LAWS[problem], "conditional", lambda law, code, v: mutant(law, code, v, right))


def check(name, problem):
    distribution, f = PROBLEMS[problem]
    estimator = unsettle(make_estimator(name, distribution))
    return check_unbiased(estimator, f, distribution, draws=100_000, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("problem", LAWS)
@pytest.mark.parametrize("name", ["rebar", "relax"])
@pytest.mark.parametrize("mutant", [v_detached, term_dropped, wrong_outcome])
def test_a_wrong_conditional_sample_is_a_bias(mutant, name, problem, monkeypatch):
    assert check(name, problem).unbiased
    mutate(monkeypatch, problem, mutant)
    assert not check(name, problem).unbiased


def variance(f, estimator):
    return float(check_unbiased(estimator, f, Bernoulli(logits=double(0.4))).variance)


def test_an_unconditional_sample_is_unbiased_and_only_the_variance_tells(monkeypatch):
    """REBAR nearly knows f = 5 + b at a low temperature; z~ of the other outcome takes that away."""
    f = lambda b: 5 + 2 * b  # noqa: E731
    plain, right = variance(f, ScoreFunction()), variance(f, REBAR(1.0, 0.5))
    assert right < 0.05 * plain
    mutate(monkeypatch, "bernoulli", unconditional)
    assert check("rebar", "bernoulli").unbiased
    assert variance(f, REBAR(1.0, 0.5)) > 0.05 * plain


def detached(what):
    """A combine with one term held constant, or left out."""

    def combine(self, draw, values, f, context):
        law, fixed = draw.law, values.detach()
        (score,) = law.score(draw.code)
        value, gradient = self.control(law, f, context).evaluate(
            torch.cat([draw.relaxed, law.conditional(draw.code, draw.noise["v"])[0]])
        )
        slope = law.conditional(draw.code, draw.noise["v"])[1]
        free, tied = gradient.chunk(2)
        left = fixed if what == "c in the bracket" else fixed - value.chunk(2)[1]
        free = torch.zeros_like(free) if what == "dc(z)" else free
        score = torch.zeros_like(score) if what == "score" else score
        each = law.lift(left) * score + law.pull(free - slope * tied)
        return Estimate(law, draw.samples, surrogates(law, values.mean(0), (each.mean(0),)))

    return combine


@pytest.mark.parametrize("what", ["c in the bracket", "dc(z)", "score"])
def test_a_term_held_constant_is_a_bias(what, monkeypatch):
    monkeypatch.setattr(RelaxedControl, "combine", detached("nothing"))
    assert check("relax", "bernoulli").unbiased
    monkeypatch.setattr(RelaxedControl, "combine", detached(what))
    assert not check("relax", "bernoulli").unbiased


def own_value(self, draw, values):
    """A mean that holds the sample itself."""
    return (values.mean(0, keepdim=True),)


def no_slope_of_the_mean(self, weight):
    return (torch.zeros_like(weight),)


def own_weight(self, values):
    """All K weights in place of the others."""
    return values.logsumexp(0) * torch.ones_like(values) * values.softmax(0)


def test_mistakes_of_the_others_are_biases(monkeypatch):
    distribution, f = PROBLEMS["bernoulli"]
    for estimator, target, name, mutant in (
        (RLOO(), type(RLOO().baseline), "forward", own_value),
        (MuProp(), BernoulliLaw, "pull_mean", no_slope_of_the_mean),
        (VIMCO(), VIMCO, "left_out", own_weight),
        (ARM(), BernoulliLaw, "hard", lambda law, z: (z > 0.5).to(z.dtype)),
    ):
        with monkeypatch.context() as patch:
            assert check_unbiased(estimator, f, distribution).unbiased
            patch.setattr(target, name, mutant)
            assert not check_unbiased(estimator, f, distribution).unbiased, type(estimator).__name__


def test_a_running_mean_that_holds_the_current_sample_is_a_bias():
    class Cheat(NVIL):
        def combine(self, draw, values, f, context):
            self.mean = values.detach().mean(0)
            return super().combine(draw, values, f, context)

    distribution, f = PROBLEMS["bernoulli"]
    assert not check_unbiased(Cheat(), f, distribution).unbiased


def test_a_leaking_variance_loss_is_seen():
    """`backward()` on the second moment, in place of gradients for phi alone, fills the logits' gradient, too."""

    class Leaky(RELAX):
        def update(self, optimizer=None, *, direction=None):
            draw = self._last.draw
            self.network(draw.law.rows(draw.law.attached(draw.relaxed))).square().mean().backward()
            return 0.0

    leaf = double(0.3, 0.1).requires_grad_()
    f = PROBLEMS["bernoulli"][1]
    for kind, leaks in ((RELAX, False), (Leaky, True)):
        estimator = unsettle(kind(SurrogateNetwork(1, dtype=torch.float64)))
        leaf.grad = None
        estimator(f, Bernoulli(logits=leaf)).surrogate.backward()
        before = leaf.grad.clone()
        estimator.update()
        assert torch.equal(leaf.grad, before) is not leaks
