"""What every estimator must do, whatever its method: one interface, storable draws, batches that do not mix."""

import copy

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal

from e2c_control.gradients import ESTIMATORS, Estimate, Estimator, check_unbiased, estimators_for, make_estimator
from e2c_control.gradients.estimator import surrogates
from e2c_control.gradients.laws import law_of

from .problems import PAIRS, PROBLEMS, D, double, unsettle


def leaves_of(distribution):
    return [p.clone().requires_grad_() for p in law_of(distribution).constants]


def prepared(name, problem, n=2):
    distribution, f = PROBLEMS[problem]
    estimator = unsettle(make_estimator(name, distribution, torch.Generator().manual_seed(1)))
    return estimator, f, distribution, max(n, estimator.least)


@pytest.mark.parametrize(("name", "problem"), PAIRS)
def test_shapes(name, problem, generator):
    estimator, f, distribution, n = prepared(name, problem, 4)
    law = law_of(distribution)
    leaves = leaves_of(distribution)
    estimate = estimator(f, law.new(leaves), n, generator=generator)
    assert isinstance(estimate, Estimate)
    assert estimate.samples.shape == (n, *distribution.batch_shape, *distribution.event_shape)
    assert estimate.surrogates.shape == estimate.value.shape == distribution.batch_shape
    assert {k: g.shape for k, g in estimate.gradients.items()} == {
        k: p.shape for k, p in zip(law.names, leaves, strict=True)
    }
    assert estimate.surrogate.shape == ()
    assert not estimate.value.requires_grad
    estimate.surrogate.backward()
    assert all(torch.isfinite(leaf.grad).all() for leaf in leaves)


@pytest.mark.parametrize(("name", "problem"), PAIRS)
def test_a_draw_may_wait_for_its_values(name, problem):
    """Two steps give what the call gives, and stored noise makes the same draw again, to the bit."""
    estimator, f, distribution, n = prepared(name, problem)
    law = law_of(distribution)
    whole = estimator(f, law.new(leaves_of(distribution)), n, generator=torch.Generator().manual_seed(7))
    draw = estimator.draw(law.new(leaves_of(distribution)), n, generator=torch.Generator().manual_seed(7))
    later = estimator.estimate(draw, f(draw.samples), f=f)
    again = estimator(f, law.new(leaves_of(distribution)), noise=draw.noise)
    for key, gradient in whole.gradients.items():
        assert torch.equal(gradient, later.gradients[key])
        torch.testing.assert_close(gradient, again.gradients[key], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(draw.samples, again.samples, rtol=1e-9, atol=1e-12)
    assert set(draw.noise) == set(estimator.noises)


@pytest.mark.parametrize(("name", "problem"), [pair for pair in PAIRS if pair[1] != "bernoulli-by-probs"])
def test_elements_of_a_batch_do_not_mix(name, problem, generator):
    """Each repetition alone gets the gradient that it gets beside the others."""
    estimator, f, distribution, n = prepared(name, problem)
    law = law_of(distribution)
    many = law.new([p.expand(3, *p.shape).clone().requires_grad_() for p in law.constants])
    draw = estimator.draw(many, n, generator=generator)
    together = estimator.estimate(draw, f(draw.samples), f=f).gradients
    for i in range(3):
        noise = {key: value[:, i] for key, value in draw.noise.items()}
        alone = estimator(f, law.new(leaves_of(distribution)), n, noise=noise).gradients
        for key in alone:
            torch.testing.assert_close(alone[key], together[key][i], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("name", "problem"), PAIRS)
def test_no_estimate_changes_the_estimator_and_it_can_be_copied(name, problem, generator):
    estimator, f, distribution, n = prepared(name, problem)
    law = law_of(distribution)
    before = copy.deepcopy(estimator.state_dict())
    estimator(f, law.new(leaves_of(distribution)), n, generator=generator).surrogate.backward()
    for key, value in estimator.state_dict().items():
        assert torch.equal(value, before[key])
    assert copy.deepcopy(estimator).update() == 0.0


@pytest.mark.parametrize("name", [n for n in ESTIMATORS if n not in ("reparameterisation", "g-rep", "lax")])
def test_in_the_middle_of_a_network(name, generator):
    """The weights get the gradient at the logits times the network's Jacobian; a decoder gets its own."""
    encoder, decoder = nn.Linear(4, 3, dtype=D), nn.Linear(3, 1, dtype=D)
    x = torch.randn(5, 4, dtype=D, generator=generator)
    distribution = Independent(Bernoulli(logits=encoder(x)), 1)
    estimator = unsettle(make_estimator(name, distribution, generator))
    n = max(2, estimator.least)
    estimate = estimator(lambda b: decoder(b).squeeze(-1).square(), distribution, n, generator=generator)
    at_logits = estimate.gradients["logits"]
    estimate.surrogate.backward()
    torch.testing.assert_close(encoder.weight.grad, at_logits.T @ x / 5)
    if name != "vimco":
        direct = decoder(estimate.samples.detach()).square().mean()
        expected = torch.autograd.grad(direct, list(decoder.parameters()))
        for parameter, gradient in zip(decoder.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient)
    assert all(p.grad is None for p in estimator.parameters())


PATHWISE = [pair for pair in PAIRS if pair[0] in ("reparameterisation", "concrete")]


@pytest.mark.parametrize(("name", "problem"), PATHWISE)
def test_gradcheck_of_what_is_a_function_of_its_noise(name, problem, generator):
    """At fixed noise, a pathwise surrogate is a function of the parameters, and its derivative that of the function."""
    estimator, f, distribution, n = prepared(name, problem)
    law = law_of(distribution)
    noise = {key: law.draw_noise(n, generator) for key in estimator.noises}

    def surrogates(*parameters):
        return estimator(f, law.new(parameters), noise=noise).surrogates

    assert torch.autograd.gradcheck(surrogates, leaves_of(distribution), atol=1e-5, rtol=1e-4)


def test_reparameterisation_of_a_normal_is_rsample(generator):
    loc, scale = double(0.7, -0.2).requires_grad_(), double(1.3, 0.4).requires_grad_()
    noise = torch.randn(6, 2, dtype=D, generator=generator)
    f = PROBLEMS["normal"][1]
    estimate = make_estimator("reparameterisation", Normal(loc, scale))(f, Normal(loc, scale), noise=noise)
    expected = torch.autograd.grad(f(loc + scale * noise).mean(0).sum(), (loc, scale))
    torch.testing.assert_close(tuple(estimate.gradients.values()), tuple(expected))


def test_a_new_method_is_a_few_lines(generator):
    """Subtract a constant from f: the tools check it as they check the others."""

    class Shifted(Estimator):
        def __init__(self, shift):
            super().__init__()
            self.shift = shift

        def combine(self, draw, values, f, context):
            weight = draw.law.lift(values.detach() - self.shift)
            gradients = tuple((weight * score).mean(0) for score in draw.law.score(draw.code))
            return Estimate(draw.law, draw.samples, surrogates(draw.law, values.mean(0), gradients))

    for distribution, f in PROBLEMS.values():
        assert check_unbiased(Shifted(0.3), f, distribution).unbiased
        plain, shifted = (Shifted(shift)(f, distribution, generator=generator).value for shift in (0.0, 0.3))
        assert plain.shape == shifted.shape == distribution.batch_shape


def test_float32_at_extreme_logits(generator):
    logits = torch.tensor([-300.0, -30.0, -18.0, -8.0, 8.0, 18.0, 30.0, 300.0], requires_grad=True)
    distribution = Bernoulli(logits=logits)
    for name, estimator in estimators_for(distribution, generator).items():
        for u in (0.0, 1 - 2.0**-24):
            noise = {key: torch.full((max(1, estimator.least // estimator.multiple), 8), u) for key in estimator.noises}
            estimate = estimator(lambda b: (b - 0.3).square(), distribution, noise=noise)
            assert torch.isfinite(estimate.gradients["logits"]).all(), name
            assert estimator.update() < float("inf")


def test_the_estimator_of_a_single_event_without_batch(generator):
    logits = torch.zeros(3, requires_grad=True)
    distribution = Independent(Bernoulli(logits=logits), 1)
    for name, estimator in estimators_for(distribution, generator).items():
        estimate = estimator(lambda b: b.sum(-1), distribution, generator=generator)
        estimate.surrogate.backward()
        assert estimate.value.shape == (), name


class Counting:
    """f that counts the points, not the calls, at which it is evaluated."""

    def __init__(self, f, batch):
        self.f, self.batch, self.count = f, batch, 0

    def __call__(self, b):
        values = self.f(b)
        self.count += values.numel() // self.batch
        return values


@pytest.mark.parametrize("n_samples", [2, 6])
@pytest.mark.parametrize(("name", "problem"), PAIRS)
def test_evaluations_are_those_that_f_sees(name, problem, n_samples, generator):
    distribution, f = PROBLEMS[problem]
    estimator = make_estimator(name, distribution, generator)
    counting = Counting(f, max(distribution.batch_shape.numel(), 1))
    estimator(counting, distribution, n_samples, generator=generator)
    # A mean is one point, whatever the samples: counted for the whole batch as one evaluation of each element.
    assert counting.count == estimator.evaluations(n_samples)
