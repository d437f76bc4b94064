"""The pendulum against an independent integrator, and its image against the angle it shows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from e2c_control.envs import make_task
from e2c_control.envs.angles import wrap
from e2c_control.envs.pendulum import Pendulum
from e2c_control.errors import InputError

SYSTEMS = {"protocol": Pendulum(), "pump": make_task("E2C/PendulumPump-v0").system}
every_system = pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
seeds = st.integers(0, 2**32 - 1)


def solve(state, torque):
    """The equation of motion over one step, by an adaptive method with tight tolerances."""

    def derivative(_, s):
        return s[1], (0.1 * 9.81 * 0.5 * math.sin(math.pi - s[0]) - torque) / (0.1 * 0.5**2 / 3)

    return solve_ivp(derivative, (0, 0.02), state, rtol=1e-11, atol=1e-12).y[:, -1]


@every_system
def test_steps_agree_with_an_adaptive_integrator(system):
    rng = np.random.default_rng(0)
    states = system.sample_states(300, rng)
    controls = rng.uniform(-1.5, 1.5, (300, 1)) * system.torque_limit
    clipped = np.clip(controls, -system.torque_limit, system.torque_limit)
    expected = np.array([solve(state, torque) for state, (torque,) in zip(states, clipped, strict=True)])
    expected[:, 1] = np.clip(expected[:, 1], -system.max_rate, system.max_rate)
    after = system.step(states, controls)
    assert np.abs(wrap(after[:, 0] - expected[:, 0])).max() < 1e-6
    assert np.abs(after[:, 1] - expected[:, 1]).max() < 1e-6


@given(seed=seeds)
def test_the_mirror_image_moves_as_a_mirror_image(seed):
    system, rng = Pendulum(), np.random.default_rng(seed)
    states, controls = system.sample_states(16, rng), rng.uniform(-1, 1, (16, 1))
    np.testing.assert_allclose(system.step(-states, -controls), -system.step(states, controls), atol=1e-12)
    mirrored = system.render(-states)[:, :, ::-1].astype(int)
    assert np.abs(mirrored - system.render(states)).max() <= 1


def test_noise_has_its_standard_deviation():
    states, controls = np.zeros((20_000, 2)), np.zeros((20_000, 1))
    after = Pendulum(noise=0.1).step(states, controls, np.random.default_rng(0))
    np.testing.assert_allclose(after.std(axis=0), 0.1, rtol=0.03)
    np.testing.assert_allclose(after.mean(axis=0), 0, atol=0.003)
    with pytest.raises(InputError, match="rng"):
        Pendulum(noise=0.1).step(states, controls)


def moments(frames):
    """Brightness in white pixels (N,), and centre of brightness (N, 2), right and up from the image's centre."""
    weights = frames[..., 0] / 255.0
    mass = weights.sum(axis=(1, 2))
    place = np.arange(48) + 0.5 - 24
    right = (weights.sum(axis=1) * place).sum(axis=1) / mass
    up = -(weights.sum(axis=2) * place).sum(axis=1) / mass
    return mass, np.stack((right, up), axis=1)


def test_the_image_has_the_size_and_place_of_the_rod():
    angles = np.linspace(-math.pi, math.pi, 721)
    mass, centre = moments(Pendulum().render(np.stack((angles, np.zeros(721)), axis=1)))
    np.testing.assert_allclose(mass, 22 * 4, rtol=0.002)
    np.testing.assert_allclose(centre, 11 * np.stack((np.sin(angles), np.cos(angles)), axis=1), atol=0.02)


def test_the_rate_can_be_read_from_two_images():
    rates = np.linspace(-3, 3, 61) * math.pi
    now, rng = np.random.default_rng(0).uniform(-math.pi, math.pi, 61), Pendulum()
    first, second = (moments(rng.render(np.stack((a, rates), axis=1)))[1] for a in (now, now + 0.02 * rates))
    turned = wrap(np.arctan2(second[:, 0], second[:, 1]) - np.arctan2(first[:, 0], first[:, 1]))
    np.testing.assert_allclose(turned / 0.02, rates, atol=0.3)


def test_the_image_turns_continuously():
    angles = np.arange(0, 2 * math.pi, 0.002)
    frames = Pendulum().render(np.stack((angles, 0 * angles), axis=1)).astype(int)
    change = np.abs(np.diff(frames, axis=0))
    assert change.max() <= 255 * 0.002 * 24 + 2  # the tip moves 0.002 * 24 pixels
    assert change.sum(axis=(1, 2, 3)).min() > 0


@pytest.mark.parametrize("name", ["torque_limit", "max_rate"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_wrong_limits(name, value):
    with pytest.raises(InputError, match=name):
        Pendulum(**{name: value})
