"""The cart-pole against an independent integrator, its energy, and its image."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from e2c_control.envs import make_task
from e2c_control.envs.angles import wrap
from e2c_control.envs.cart_pole import CartPole, accelerations
from e2c_control.envs.reference import reference_scores
from e2c_control.envs.runge_kutta import integrate

seeds = st.integers(0, 2**32 - 1)


def solve(state, force):
    """The equations of motion over one step, by an adaptive method with tight tolerances."""
    big, small, half, g = 1.0, 0.1, 0.5, 9.81

    def derivative(_, s):
        theta, rate, _, speed = s
        h = force + small * half * rate**2 * math.sin(theta)
        turning = (big + small) * g * math.sin(theta) - h * math.cos(theta)
        turning /= 4 / 3 * (big + small) * half - small * half * math.cos(theta) ** 2
        return rate, turning, speed, (h - small * half * turning * math.cos(theta)) / (big + small)

    return solve_ivp(derivative, (0, 0.02), state, rtol=1e-11, atol=1e-12).y[:, -1]


def test_steps_agree_with_an_adaptive_integrator():
    rng, system = np.random.default_rng(0), CartPole()
    states = rng.uniform([-math.pi, -2 * math.pi, -9, -6], [math.pi, 2 * math.pi, 9, 6], (300, 4))
    controls = rng.uniform(-15, 15, (300, 1))
    clipped = np.clip(controls, -10, 10)
    expected = np.array([solve(state, force) for state, (force,) in zip(states, clipped, strict=True)])
    expected[:, 1] = np.clip(expected[:, 1], -2 * math.pi, 2 * math.pi)
    expected[:, 3] = np.clip(expected[:, 3], -6, 6)
    after = system.step(states, controls)
    assert np.abs(wrap(after[:, 0] - expected[:, 0])).max() < 1e-6
    assert np.abs(after[:, 1:] - expected[:, 1:]).max() < 1e-6


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_energy_and_momentum_without_a_force(seed):
    rng = np.random.default_rng(seed)
    places, speeds = rng.uniform(-2, 2, (2, 2, 16))

    def energy(places, speeds):
        (angle, _), (rate, speed) = places, speeds
        moving = 1.1 * speed**2 / 2 + 4 / 3 * 0.1 * 0.5**2 * rate**2 / 2 + 0.1 * 0.5 * rate * speed * np.cos(angle)
        return moving + 0.1 * 9.81 * 0.5 * np.cos(angle)

    def momentum(places, speeds):
        return 1.1 * speeds[1] + 0.1 * 0.5 * speeds[0] * np.cos(places[0])

    after = integrate(lambda place, speed: accelerations(place[0], speed[0], np.zeros(16)), places, speeds, 0.5, 250)
    np.testing.assert_allclose(energy(*after), energy(places, speeds), atol=1e-8)
    np.testing.assert_allclose(momentum(*after), momentum(places, speeds), atol=1e-8)


@settings(deadline=None)
@given(seed=seeds)
def test_the_mirror_image_moves_as_a_mirror_image(seed):
    system, rng = CartPole(), np.random.default_rng(seed)
    states, controls = system.sample_states(16, rng), rng.uniform(-10, 10, (16, 1))
    np.testing.assert_allclose(system.step(-states, -controls), -system.step(states, controls), atol=1e-12)
    mirrored = system.render(-states)[:, :, ::-1].astype(int)
    assert np.abs(mirrored - system.render(states)).max() <= 1


@settings(deadline=None)
@given(seed=seeds, far=st.floats(0, 1e6))
def test_the_cart_may_leave_the_picture(seed, far):
    system, rng = CartPole(), np.random.default_rng(seed)
    states, controls = system.sample_states(16, rng), rng.uniform(-10, 10, (16, 1))
    moved = states + np.array([0, 0, far, 0])
    there, here = (np.delete(system.step(at, controls), 2, axis=1) for at in (moved, states))
    np.testing.assert_allclose(there, here, atol=1e-12)
    assert system.contains(moved).all()
    if far > 8 + 2.4:
        assert not system.render(moved).any()


def test_the_image_shows_cart_and_pole():
    for angle, place in [(0.0, 0.0), (0.2, 1.0), (-0.3, -0.8), (math.pi, 0.5)]:
        frame = CartPole().render(np.array([[angle, 0.0, place, 0.0]]))[0, ..., 0] / 255
        middle = 40 + place / 2.4 * 32
        columns = np.arange(80) + 0.5
        cart = frame[66:74] if abs(angle) > 2 else frame[72:74]  # rows of the cart alone, or with the pole over it
        full = np.clip(8.5 - np.abs(columns - middle), 0, 1)
        np.testing.assert_allclose(cart, np.broadcast_to(full, cart.shape), atol=0.003)
        if abs(angle) < 1:
            above = frame[:60]  # rows without the cart
            mass = above.sum()
            rows = np.arange(60) + 0.5
            # The pole's middle crosses row y at middle + (70 - y) tan(angle).
            lean = ((above * columns).sum(axis=1) - middle * above.sum(axis=1))[30:] / above.sum(axis=1)[30:]
            np.testing.assert_allclose(lean, (70 - rows[30:]) * math.tan(angle), atol=0.1)
            assert mass == pytest.approx(6 * (52 - 10 / math.cos(angle)), abs=1)


def test_place_and_rate_can_be_read_from_two_images():
    system = CartPole()
    state = np.array([[0.1, 0.0, 0.0, 0.0]])
    for change in (np.array([0.005, 0, 0, 0]), np.array([0, 0, 0.005, 0])):
        assert np.abs(system.render(state + change).astype(int) - system.render(state)).sum() > 100


def test_the_ceiling_is_the_widest_starts():
    """Twelve and ten per cent are what full force needs to bring the two widest starts into the goal region."""
    task = make_task("E2C/CartPoleBalance-v0")
    scores = reference_scores(task)
    np.testing.assert_allclose(scores, [0.88, 1, 1, 1, 1, 0.9, 1, 1, 1, 1])
    assert 100 * scores.std() / math.sqrt(10) == pytest.approx(1.4, abs=0.01)
    full = replace(task, references=(lambda states, goals, step, rng: 10 * np.sign(states[:, :1]),), horizon=6)
    widest = [task.evaluation_problems()[i] for i in (0, 5)]
    np.testing.assert_allclose(6 * reference_scores(full, widest), [0, 1])
