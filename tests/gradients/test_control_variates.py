"""REBAR, RELAX and LAX against the papers' formulas by brute force, their training, and what it must not touch."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal

from e2c_control.gradients import (
    LAX,
    NVIL,
    REBAR,
    RELAX,
    ScoreFunction,
    SurrogateNetwork,
    check_unbiased,
    make_estimator,
)
from e2c_control.gradients.laws import law_of

from .problems import PROBLEMS, D, double, unsettle
from .test_laws import papers_conditional

RELAXED = ["rebar", "relax", "relax-f"]
NETWORKS = {"by hand": lambda size: SurrogateNetwork(size, (6, 5), dtype=D), "any module": lambda size: plain(size)}


def plain(size):
    class Plain(nn.Sequential):
        def forward(self, x):
            return super().forward(x).squeeze(-1)

    return Plain(nn.Linear(size, 6, dtype=D), nn.Softplus(), nn.Linear(6, 1, dtype=D))


def brute_force(estimator, law, draw, f):
    """Gradients of each sample at the logits, (S, *code), attached to phi: the formula of the paper, by autograd alone.

    The logits are repeated for each sample, so that the derivative of a sum over samples is not summed.
    """
    count = len(draw.code)
    logits = law.constants[0].expand(count, *law.constants[0].shape).clone().requires_grad_()
    repeated = law_of(law.new([logits]))
    code, u, v = draw.code, draw.noise["u"], draw.noise["v"]
    if isinstance(law.base, Bernoulli):
        z = logits + torch.logit(u)
    else:
        z = logits.log_softmax(-1) - torch.log(-torch.log(u))
    tilde = papers_conditional(repeated, logits, code, v)
    control = estimator.control(law, f, None)
    c = control.function if hasattr(control, "function") else lambda x: estimator.network(law.rows(x))
    score = torch.autograd.grad(repeated.distribution.log_prob(law.present(code)).sum(), logits, retain_graph=True)[0]
    score = law.pull(score)
    parts = [torch.autograd.grad(c(x).sum(), logits, create_graph=True)[0] for x in (z, tilde)]
    left = law.lift(f(law.present(code)) - c(tilde.detach()))
    return left * score + parts[0] - parts[1]


@pytest.mark.parametrize("problem", ["bernoulli", "bernoulli-pair", "one-hot", "one-hot-pair"])
@pytest.mark.parametrize("name", RELAXED)
def test_estimate_and_training_are_those_of_the_paper(name, problem, generator):
    distribution, f = PROBLEMS[problem]
    estimator = unsettle(make_estimator(name, distribution, generator))
    law = law_of(distribution)
    leaves = [p.clone().requires_grad_() for p in law.constants]
    draw = estimator.draw(law.new(leaves), 6, generator=generator)
    estimate = estimator.estimate(draw, f(draw.samples), f=f)
    gradients = brute_force(estimator, law, draw, f)
    torch.testing.assert_close(law.pull(estimate.gradients["logits"]), gradients.detach().mean(0))

    second_moment = law.sum_event(gradients.square()).mean()
    expected = torch.autograd.grad(second_moment, list(estimator.parameters()), materialize_grads=True)
    assert estimator.update() == pytest.approx(float(second_moment.detach()))
    for parameter, gradient in zip(estimator.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


@pytest.mark.parametrize("kind", NETWORKS)
def test_training_by_hand_and_by_autograd_agree_with_finite_differences(kind, generator):
    """LAX has two parameters of the law; the second moment is differenced at fixed noise."""
    distribution = Independent(Normal(double(0.7, -0.2), double(1.3, 0.4)), 1)
    f = lambda z: torch.sin(z).sum(-1)  # noqa: E731
    estimator = unsettle(LAX(NETWORKS[kind](2)))
    noise = torch.randn(5, 2, dtype=D, generator=generator)

    def second_moment():
        law = law_of(distribution)
        leaves = [p.clone().requires_grad_() for p in law.constants]
        estimator(f, law.new(leaves), noise=noise)
        return estimator.update()

    second_moment()
    found = [p.grad.clone() for p in estimator.parameters()]
    for parameter, gradient in zip(estimator.parameters(), found, strict=True):
        flat = parameter.data.view(-1)
        for i in range(0, len(flat), 3):
            ends = []
            for step in (1e-5, -2e-5):
                flat[i] += step
                ends.append(second_moment())
            flat[i] += 1e-5
            assert float(gradient.view(-1)[i]) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", RELAXED)
def test_a_direction_trains_the_variance_of_summed_gradients(name, generator):
    """|sum_t J_t' g_t|^2 of an episode: the direction J_t J' g stands for a second derivative through a network."""
    steps, size = 4, 3
    features = torch.randn(steps, size, dtype=D, generator=generator)
    weights = torch.randn(size, dtype=D, generator=generator)
    distribution, f = Bernoulli(logits=(features @ weights).requires_grad_()), PROBLEMS["bernoulli"][1]
    estimator = unsettle(make_estimator(name, distribution, generator))
    law = law_of(distribution)
    draw = estimator.draw(distribution, 1, generator=generator)
    estimate = estimator.estimate(draw, f(draw.samples), f=f)
    (episode,) = brute_force(estimator, law, draw, f)
    total = features.T @ episode
    expected = torch.autograd.grad(total.square().sum(), list(estimator.parameters()), materialize_grads=True)
    step_gradients = estimate.gradients["logits"]
    direction = features @ (features.T @ step_gradients)
    estimator.update(direction=(steps * direction.unsqueeze(0),))
    for parameter, gradient in zip(estimator.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


@settings(deadline=None, max_examples=30)
@given(
    size=st.integers(1, 4),
    hidden=st.lists(st.integers(1, 5), max_size=3),
    context_size=st.integers(0, 3),
    batch=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_the_network_knows_its_derivatives(size, hidden, context_size, batch, seed):
    generator = torch.Generator().manual_seed(seed)
    network = SurrogateNetwork(size, hidden, context_size, generator, D)
    nn.init.normal_(network.last.weight, generator=generator)
    x = torch.randn(3, batch, size, dtype=D, generator=generator, requires_grad=True)
    context = torch.randn(batch, context_size, dtype=D, generator=generator) if context_size else None
    weight = torch.randn(3, batch, dtype=D, generator=generator)
    directions = torch.randn(x.shape, dtype=D, generator=generator)
    value = network(x, context)
    (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    found_value, found_slope, trace = network.value_and_slope(x.detach(), context)
    torch.testing.assert_close(found_value, value.detach())
    torch.testing.assert_close(found_slope, slope.detach())
    total = (weight * value).sum() + (directions * slope).sum()
    expected = torch.autograd.grad(total, list(network.parameters()), materialize_grads=True)
    for gradient, wanted in zip(network.parameter_gradients(trace, weight, directions), expected, strict=True):
        torch.testing.assert_close(gradient, wanted)


@pytest.mark.parametrize("name", [*RELAXED, "lax", "nvil"])
def test_surrogate_and_update_keep_to_their_own_parameters(name, generator):
    problem = "normal" if name == "lax" else "bernoulli"
    distribution, f = PROBLEMS[problem]
    estimator = unsettle(make_estimator(name, distribution, generator))
    law = law_of(distribution)
    leaves = [p.clone().requires_grad_() for p in law.constants]
    estimator(f, law.new(leaves), 3, generator=generator).surrogate.backward()
    assert all(p.grad is None for p in estimator.parameters())
    before = [leaf.grad.clone() for leaf in leaves]
    estimator.update()
    assert all(p.grad is not None for p in estimator.parameters())
    assert all(torch.equal(leaf.grad, b) for leaf, b in zip(leaves, before, strict=True))


def test_trained_relax_needs_a_ten_thousandth_of_the_score_functions_variance():
    """The headline of Grathwohl et al. (2018): t = 0.499. Variances by quadrature."""
    distribution, f = Bernoulli(logits=double(0.0)), lambda b: (b - 0.499).square()
    generator = torch.Generator().manual_seed(0)
    estimator = make_estimator("relax", distribution, generator)
    optimizer = torch.optim.Adam(estimator.parameters(), 0.02)
    many = Bernoulli(logits=torch.zeros(64, dtype=D, requires_grad=True))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1500)
    for _ in range(1500):
        estimator(f, many, generator=generator)
        estimator.update(optimizer)
        schedule.step()
    plain = check_unbiased(ScoreFunction(), f, distribution)
    trained = check_unbiased(estimator, f, distribution)
    assert trained.unbiased
    assert float(trained.variance) < 1e-4 * float(plain.variance)


def test_trained_rebar_is_hardly_better_than_the_score_function_there():
    distribution, f = Bernoulli(logits=double(0.0)), lambda b: (b - 0.499).square()
    generator = torch.Generator().manual_seed(0)
    estimator = REBAR()
    optimizer = torch.optim.Adam(estimator.parameters(), 0.02)
    many = Bernoulli(logits=torch.zeros(256, dtype=D, requires_grad=True))
    for _ in range(400):
        estimator(f, many, generator=generator)
        estimator.update(optimizer)
    plain, trained = (float(check_unbiased(e, f, distribution).variance) for e in (ScoreFunction(), estimator))
    assert trained == pytest.approx(plain, rel=0.05)


def test_relax_never_differentiates_f(generator):
    def black_box(b):
        assert not b.requires_grad
        return torch.from_numpy((b.numpy() > 0).mean(-1))

    logits = torch.zeros(3, 2, dtype=D, requires_grad=True)
    estimator = RELAX(SurrogateNetwork(2, dtype=D))
    estimator(black_box, Independent(Bernoulli(logits=logits), 1), 2, generator=generator).surrogate.backward()
    assert torch.isfinite(logits.grad).all()


def test_a_context_reaches_the_networks(generator):
    logits, context = torch.zeros(3, 2, dtype=D), torch.randn(3, 4, dtype=D, generator=generator)
    distribution = Independent(Bernoulli(logits=logits.requires_grad_()), 1)
    f = lambda b: b.sum(-1)  # noqa: E731
    noise = {name: torch.rand(1, 3, 2, dtype=D, generator=generator) for name in "uv"}
    estimator = unsettle(RELAX(SurrogateNetwork(2, context_size=4, dtype=D)))
    first = estimator(f, distribution, noise=noise, context=context).gradients["logits"]
    second = estimator(f, distribution, noise=noise, context=context + 1).gradients["logits"]
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("name", [*RELAXED, "lax", "nvil"])
def test_updates_without_an_optimiser_add_up(name, generator):
    """As `backward` does; with an optimiser, each update steps along its own gradient alone."""
    distribution, f = PROBLEMS["normal" if name == "lax" else "bernoulli"]
    if name == "nvil":
        estimator, context = NVIL(nn.Sequential(nn.Linear(2, 1, dtype=D), nn.Flatten(0))), torch.ones(3, 2, dtype=D)
    else:
        estimator, context = unsettle(make_estimator(name, distribution, generator)), None
    parameters = list(estimator.parameters())
    estimator(f, distribution, 2, generator=generator, context=context)
    running = copy.deepcopy(estimator.state_dict())
    estimator.update()
    once = [p.grad.clone() for p in parameters]
    estimator.load_state_dict(running)
    estimator.update()
    for parameter, gradient in zip(parameters, once, strict=True):
        torch.testing.assert_close(parameter.grad, 2 * gradient)
    optimizer = torch.optim.SGD(parameters, 1.0)
    before = [p.detach().clone() for p in parameters]
    estimator.load_state_dict(running)
    estimator.update(optimizer)
    for parameter, gradient, start in zip(parameters, once, before, strict=True):
        torch.testing.assert_close(start - parameter.detach(), gradient)


@pytest.mark.parametrize("name", ["relax", "lax"])
def test_training_begins_at_the_score_function(name, generator):
    """A network that is 0 everywhere, whatever its hidden layers, which are drawn within 1 / sqrt(inputs)."""
    distribution, f = PROBLEMS["normal" if name == "lax" else "bernoulli"]
    fresh = make_estimator(name, distribution, generator)
    draw = fresh.draw(distribution, 5, generator=generator)
    law = law_of(distribution)
    leaves = [p.clone().requires_grad_() for p in law.constants]
    noise = {"u": draw.noise["u"]}
    found = fresh(f, law.new(leaves), noise=noise).gradients
    plain = ScoreFunction()(f, law.new(leaves), noise=noise).gradients
    for key, gradient in plain.items():
        torch.testing.assert_close(found[key], gradient)
    network = SurrogateNetwork(400, (300,), generator=generator, dtype=D)
    for weight in (network.layers[0].weight, network.layers[0].bias):
        assert 0.04 < float(weight.detach().abs().max()) <= 1 / 400**0.5


def test_rebar_moves_from_the_score_function_in_proportion_to_its_scale(generator):
    distribution, f = PROBLEMS["bernoulli"]
    noise = {name: torch.rand(4, 3, dtype=D, generator=generator) for name in "uv"}
    leaf = distribution.logits.clone().requires_grad_()
    plain = ScoreFunction()(f, Bernoulli(logits=leaf), noise=noise["u"]).gradients["logits"]
    away = [REBAR(scale)(f, Bernoulli(logits=leaf), noise=noise).gradients["logits"] - plain for scale in (0.0, 0.5, 2)]
    torch.testing.assert_close(away[0], torch.zeros(3, dtype=D))
    assert float(away[1].abs().min()) > 1e-4
    torch.testing.assert_close(4 * away[1], away[2])
