"""What a user may get wrong: one sentence that names the thing and what would work instead."""

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Independent, Normal, OneHotCategorical

from e2c_control.errors import InputError
from e2c_control.gradients import (
    ARM,
    LAX,
    REBAR,
    RELAX,
    RLOO,
    VIMCO,
    Concrete,
    MuProp,
    Reparameterisation,
    ScoreFunction,
    StraightThrough,
    SurrogateNetwork,
    make_estimator,
)

BITS = Independent(Bernoulli(logits=torch.zeros(4, 3, requires_grad=True)), 1)
NUMBERS = Normal(torch.zeros(3, requires_grad=True), torch.ones(3))


def test_values_of_the_wrong_shape():
    with pytest.raises(InputError, match=r"f must give a tensor \(2, 4\).*it gave \(2, 4, 3\): sum over the event"):
        RLOO()(lambda b: b, BITS)
    with pytest.raises(InputError, match="it gave float"):
        RLOO()(lambda b: 1.0, BITS)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite(bad):
    with pytest.raises(InputError, match="f is not finite at 8 of 8 samples"):
        RLOO()(lambda b: b.sum(-1) + bad, BITS)


@pytest.mark.parametrize(
    ("estimator", "distribution", "sentence"),
    [
        (Reparameterisation(), BITS, "Reparameterisation cannot take a Bernoulli: RLOO, REBAR and RELAX can"),
        (REBAR(), NUMBERS, "REBAR cannot take a Normal: Reparameterisation, RLOO and LAX can"),
        (LAX(SurrogateNetwork(1)), BITS, "LAX cannot take a Bernoulli"),
        (ARM(), OneHotCategorical(logits=torch.zeros(3)), "ARM cannot take a OneHotCategorical: RLOO"),
        (Concrete(), Categorical(logits=torch.zeros(3)), "use OneHotCategorical"),
        (MuProp(), Categorical(logits=torch.zeros(3)), "use OneHotCategorical"),
    ],
)
def test_distributions_that_a_method_cannot_take(estimator, distribution, sentence):
    with pytest.raises(InputError, match=sentence):
        estimator(lambda b: b.sum(-1), distribution)


@pytest.mark.parametrize(("kind", "count"), [(RLOO, 1), (VIMCO, 1), (ARM, 3), (ScoreFunction, 0), (RLOO, 2.5)])
def test_numbers_of_samples(kind, count):
    with pytest.raises(InputError, match=r"needs at least 2 samples|give a whole number of 1 or more"):
        kind().draw(BITS, count)


@pytest.mark.parametrize(
    "estimator", [REBAR(), MuProp(), Concrete(), StraightThrough()], ids=lambda e: type(e).__name__
)
@pytest.mark.parametrize("f", [lambda b: (b > 0.5).float().sum(-1), lambda b: torch.from_numpy(b.numpy().sum(-1))])
def test_an_f_without_gradient(estimator, f):
    with pytest.raises(InputError, match="needs the gradient of f, and f gives none: RLOO, RELAX and ScoreFunction"):
        estimator(f, BITS)


@pytest.mark.parametrize("estimator", [REBAR(), MuProp()], ids=["REBAR", "MuProp"])
def test_values_alone_are_not_enough(estimator):
    draw = estimator.draw(BITS)
    with pytest.raises(InputError, match=r"evaluates f at .* call it with f, or estimate\(draw, values, f=f\)"):
        estimator.estimate(draw, draw.samples.sum(-1))


def test_an_error_inside_f_stays_what_it_is():
    with pytest.raises(RuntimeError, match="size"):
        REBAR()(lambda b: b @ torch.zeros(5), BITS)


def test_noise_that_does_not_fit():
    with pytest.raises(InputError, match=r"The noise 'u' is \(2, 3\): it must be \(2, 4, 3\)"):
        RLOO().draw(BITS, 2, noise=torch.rand(2, 3))
    with pytest.raises(InputError, match="RLOO has no noise 'v': its noise is u"):
        RLOO().draw(BITS, 2, noise={"v": torch.rand(2, 4, 3)})


def test_a_gradient_of_nothing():
    estimate = RELAX(SurrogateNetwork(3))(lambda b: b.sum(-1), Independent(Bernoulli(logits=torch.zeros(4, 3)), 1))
    with pytest.raises(InputError, match="make the distribution from logits with requires_grad"):
        _ = estimate.gradients


def test_options():
    for make in (lambda: Concrete(0.0), lambda: REBAR(1.0, -1.0)):
        with pytest.raises(InputError, match="temperature must be above 0"):
            make()
    with pytest.raises(InputError, match="give 'geometric' or 'arithmetic'"):
        VIMCO("harmonic")
    with pytest.raises(InputError, match="There is no estimator 'reinforce': choose one of score-function"):
        make_estimator("reinforce", BITS)
