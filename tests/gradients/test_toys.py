"""The toys have the gradients that the literature gives them; training watches; the monitor measures."""

import pytest
import torch

from e2c_control.errors import InputError
from e2c_control.gradients import (
    TOYS,
    GradientMonitor,
    check_unbiased,
    exact_gradient,
    make_estimator,
    make_toy,
    train_estimator,
)
from e2c_control.gradients.toys import bit


@pytest.mark.parametrize(
    ("target", "probability", "gradient"), [(0.45, 0.5, 2.5e-2), (0.499, 0.5, 5e-4), (0.49, 0.119, 2.10e-3)]
)
def test_gradients_of_the_bit(target, probability, gradient):
    toy = bit(target, probability)
    assert float(exact_gradient(toy.f, toy.distribution)[1]["logits"]) == pytest.approx(gradient, rel=2e-3)


@pytest.mark.parametrize("name", TOYS)
def test_every_toy_is_exact(name):
    toy = make_toy(name)
    value, gradients = exact_gradient(toy.f, toy.distribution)
    assert torch.isfinite(value)
    assert all(torch.isfinite(g).all() for g in gradients.values())
    assert toy.text


def test_a_toy_that_is_none():
    with pytest.raises(InputError, match="There is no toy 'x': choose one of bit"):
        make_toy("x")


def test_training_is_watched_and_helps():
    toy = make_toy("interacting")
    seen = []
    estimator = make_estimator("relax", toy.distribution, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    watch = lambda step, variance, loss: seen.append((step, variance, loss))  # noqa: E731
    train_estimator(estimator, toy.f, toy.distribution, 200, generator=generator, watch=watch)
    assert [step for step, _, _ in seen] == list(range(200))
    early, late = (sum(row[1] for row in rows) / 50 for rows in (seen[:50], seen[-50:]))
    assert late < 0.7 * early
    assert sum(row[2] for row in seen[-50:]) < sum(row[2] for row in seen[:50])


def test_the_monitor_finds_the_variance_of_a_stream():
    generator = torch.Generator().manual_seed(0)
    monitor = GradientMonitor(decay=0.999)
    for _ in range(5000):
        noise = [torch.randn(3, generator=generator), torch.randn((), generator=generator)]
        variance = monitor.observe([10 + 2 * noise[0], noise[1]])
    assert variance == pytest.approx(3 * 4 + 1, rel=0.15)
    assert GradientMonitor().observe([torch.ones(2)]) == pytest.approx(0.0, abs=1e-6)


def test_the_learning_rate_falls_along_a_cosine_to_a_hundredth(monkeypatch):
    """Adam steps by its learning rate along a gradient that never changes."""
    toy, steps = make_toy("bit"), 40
    estimator = make_estimator("rebar", toy.distribution)
    places = []

    def update(optimizer, direction=None):
        places.append(float(estimator.relaxed_f.scale.detach()))
        for parameter in estimator.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        return 0.0

    monkeypatch.setattr(estimator, "update", update)
    assert train_estimator(estimator, toy.f, toy.distribution, steps, learning_rate=0.05) is estimator
    places.append(float(estimator.relaxed_f.scale.detach()))
    moved = torch.tensor(places).diff().neg() / 0.05
    expected = 0.01 + 0.99 * (1 + (torch.pi * torch.arange(steps) / steps).cos()) / 2
    torch.testing.assert_close(moved, expected, rtol=1e-3, atol=1e-4)


def test_training_draws_new_noise_for_each_repetition():
    seen = []
    toy = make_toy("bits")
    train_estimator(
        make_estimator("rloo", toy.distribution), lambda b: seen.append(b) or b.mean(-1), toy.distribution, 3
    )
    assert [b.shape for b in seen] == [(2, 64, 10)] * 3
    assert len({b.numpy().tobytes() for b in seen}) == 3


def test_the_watched_variance_is_that_of_one_estimate_summed_over_coordinates():
    toy = make_toy("bits")
    estimator, seen = make_estimator("score-function", toy.distribution), []
    watch = lambda step, variance, loss: seen.append(variance)  # noqa: E731
    generator = torch.Generator().manual_seed(0)
    train_estimator(estimator, toy.f, toy.distribution, 2, repetitions=4000, generator=generator, watch=watch)
    exact = check_unbiased(estimator, toy.f, toy.distribution)
    assert exact.variance.shape == (10,)
    assert seen == pytest.approx([float(exact.variance.sum())] * 2, rel=0.1)


def test_toys_are_what_their_texts_say():
    """Values and gradients in closed form, at the defaults."""
    values, gradients = {}, {}
    for name in ("bit", "bits", "gaussian", "gamma"):
        toy = make_toy(name)
        value, found = exact_gradient(toy.f, toy.distribution)
        values[name], gradients[name] = float(value), next(iter(found.values()))
    square = (0.501**2 + 0.499**2) / 2
    assert values == pytest.approx({"bit": square, "bits": square, "gaussian": 0.7**2 + 1.3**2 + 5, "gamma": 6.0})
    assert float(gradients["bit"]) == pytest.approx(5e-4)
    torch.testing.assert_close(gradients["bits"], torch.full((10,), 5e-5, dtype=torch.float64))
    assert float(make_toy("interacting").f(torch.zeros(3, dtype=torch.float64))) == 1.0
