"""The three-link arm against the formulas of the public simulators, its energy, and its image."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from e2c_control.envs import make_task
from e2c_control.envs.angles import wrap
from e2c_control.envs.extrapolation import extrapolate
from e2c_control.envs.reference import drive, reference_scores
from e2c_control.envs.three_link import HALF_TURNS, ThreeLink, leaning, stands
from e2c_control.envs.three_link_motion import accelerations, in_joints, on_rods, torques_for
from e2c_control.errors import InputError

seeds = st.integers(0, 2**32 - 1)
M, L, G = 0.1, 0.5, 9.81
INERTIA, LC = M * L**2 / 3, L / 2


def matrices(state):
    """H, C, gravity of the simulators in joint angles; the sines are those of the negated angles, as theirs are."""
    th1, w1, th2, w2, th3, w3 = state
    a1, a2, a3, a4 = INERTIA + 2 * M * L**2, INERTIA + M * L**2, (M * LC + M * L) * L, INERTIA
    a5 = a6 = M * L * LC
    c2, c3, c23 = math.cos(th2), math.cos(th3), math.cos(th2 + th3)
    s1, s2, s3, s12 = (-math.sin(angle) for angle in (th1, th2, th3, th1 + th2))
    s23, s123 = -math.sin(th2 + th3), -math.sin(th1 + th2 + th3)
    h12, h13, h23 = a2 + a4 + a3 * c2 + a5 * c23 + 2 * a6 * c3, a4 + a5 * c23 + a6 * c3, a4 + a6 * c3
    h11, h22 = a1 + a2 + a4 + 2 * a5 * c23 + 2 * a3 * c2 + 2 * a6 * c3, a2 + a4 + 2 * a6 * c3
    h = np.array([[h11, h12, h13], [h12, h22, h23], [h13, h23, a4]])
    c = np.array(
        [
            [
                a5 * (w2 + w3) * s23 + a3 * w2 * s2 + a6 * w3 * s3,
                a5 * (w1 + w2 + w3) * s23 + a3 * (w1 + w2) * s2 + a6 * w3 * s3,
                (w1 + w2 + w3) * (a5 * s23 + a6 * s3),
            ],
            [-a5 * w1 * s23 - a3 * w1 * s2 + a6 * w3 * s3, a6 * w3 * s3, a6 * (w1 + w2 + w3) * s3],
            [-a5 * w1 * s23 - a6 * (w1 + w2) * s3, -a6 * (w1 + w2) * s3, 0],
        ]
    )
    b1, b2, b3 = (M * LC + 2 * M * L) * G, (M * LC + M * L) * G, M * LC * G
    gravity = np.array([-b1 * s1 - b2 * s12 - b3 * s123, -b2 * s12 - b3 * s123, -b3 * s123])
    return h, c, gravity


def joint_accelerations(state, torques):
    h, c, gravity = matrices(state)
    return -np.linalg.inv(h + 1e-6 * np.eye(3)) @ (torques - c @ -state[1::2] - gravity)


def solve(state, torques):
    """A step by an adaptive method with tight tolerances, wrapped and clipped as in the simulators."""
    inside = all(abs(angle) <= math.radians(30) for angle in np.cumsum(state[::2]))

    def derivative(_, s):
        return np.stack((s[1::2], joint_accelerations(s, torques)), axis=1).ravel()

    seconds = 0.02 if inside else 0.05
    after = solve_ivp(derivative, (0, seconds), state, rtol=1e-11, atol=1e-12).y[:, -1]
    for joint, half in enumerate((math.pi, 2 * math.pi / 3, math.pi / 3)):
        while after[2 * joint] >= half:
            after[2 * joint] -= 2 * half
        while after[2 * joint] < -half:
            after[2 * joint] += 2 * half
    after[1::2] = np.clip(after[1::2], -math.pi / 2, math.pi / 2)
    return after


def some_states(n, rng):
    """States anywhere, every third one near upright."""
    states = ThreeLink().sample_states(n, rng)
    states[::3, ::2] *= [0.1, 0.2, 0.3]
    return states


def test_steps_agree_with_an_adaptive_integrator():
    rng, system = np.random.default_rng(0), ThreeLink()
    states, controls = some_states(120, rng), rng.uniform(-1.5, 1.5, (120, 3))
    assert 20 < stands(states).sum() < 60
    expected = np.array([solve(*row) for row in zip(states, np.clip(controls, -1, 1), strict=True)])
    difference = system.step(states, controls) - expected
    difference[:, ::2] = wrap(difference[:, ::2], HALF_TURNS.T)
    assert np.abs(difference).max() < 1e-6


@given(seed=seeds)
def test_equations_in_the_angles_of_the_rods_are_those_of_the_joints(seed):
    rng = np.random.default_rng(seed)
    states, torques = some_states(6, rng), rng.uniform(-1, 1, (6, 3))
    expected = np.array([joint_accelerations(*row) for row in zip(states, torques, strict=True)]).T
    angles, rates = np.cumsum(states[:, ::2].T, axis=0), np.cumsum(states[:, 1::2].T, axis=0)
    found = accelerations(angles, rates, on_rods(torques.T))
    np.testing.assert_allclose(found, np.cumsum(expected, axis=0), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(in_joints(torques_for(angles, rates, found)), torques.T, atol=1e-9)


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_energy_without_torques(seed):
    rng, none = np.random.default_rng(seed), np.zeros((3, 1, 4))

    def energy(motion):
        """Of three rods by their middles and turns, and of the ridge: 1e-6 for each joint."""
        angles, rates = motion
        x, y, across, up, total = 0.0, 0.0, 0.0, 0.0, 0.0
        for phi, rate in zip(angles, rates, strict=True):
            middle_speed = (across + L / 2 * rate * np.cos(phi), up - L / 2 * rate * np.sin(phi))
            total = total + M / 2 * (middle_speed[0] ** 2 + middle_speed[1] ** 2) + M * L**2 / 24 * rate**2
            total = total + M * G * (y + L / 2 * np.cos(phi))
            x, y = x + L * np.sin(phi), y + L * np.cos(phi)
            across, up = across + L * rate * np.cos(phi), up - L * rate * np.sin(phi)
        return total + 1e-6 / 2 * (np.diff(rates, axis=0, prepend=0.0) ** 2).sum(axis=0)

    def derivative(motion):
        return np.stack((motion[1], accelerations(*motion, none)))

    before = np.stack((rng.uniform(-math.pi, math.pi, (3, 4)), rng.uniform(-2, 2, (3, 4))))
    after = extrapolate(derivative, before, np.full(4, 0.2), 30)
    np.testing.assert_allclose(energy(after), energy(before), atol=1e-8)
    assert np.abs(after - before).max() > 0.1


def test_the_integrator_has_order_twelve():
    """On a swing with a known solution, halving the step divides the error by 2^12."""

    def derivative(motion):
        return np.stack((motion[1], -motion[0]))

    start, seconds = np.array([[1.0], [0.0]]), np.array([8.0])
    exact = np.array([[math.cos(8)], [-math.sin(8)]])
    errors = [np.abs(extrapolate(derivative, start, seconds, steps) - exact).max() for steps in (2, 4)]
    assert 2**11 < errors[0] / errors[1] < 2**14


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_the_mirror_image_moves_as_a_mirror_image(seed):
    system, rng = ThreeLink(), np.random.default_rng(seed)
    states, controls = some_states(12, rng), rng.uniform(-1, 1, (12, 3))
    np.testing.assert_allclose(system.step(-states, -controls), -system.step(states, controls), atol=1e-7)
    mirrored = system.render(-states)[:, :, ::-1].astype(int)
    assert np.abs(mirrored - system.render(states)).max() <= 1


def test_upright_at_rest_it_stays_and_hangs_where_it_hangs():
    system, none = ThreeLink(), np.zeros((2, 3))
    states = np.zeros((2, 6))
    states[1, 0] = -math.pi
    np.testing.assert_allclose(wrap(system.step(states, none)), states, atol=1e-12)


def test_joints_come_back_at_the_other_end():
    state = np.array([[math.pi - 0.01, 1.5, 2 * math.pi / 3 - 0.01, 1.5, math.pi / 3 - 0.01, 1.5]])
    after = ThreeLink().step(state, np.zeros((1, 3)))
    assert np.all(after[0, ::2] < [-3, -2, -0.9])
    assert ThreeLink().contains(after)[0]


@pytest.mark.parametrize(("task_id", "size"), [("E2C/ThreeLink-v0", 80), ("E2C/ThreeLinkFine-v0", 128)])
def test_the_image_shows_three_links(task_id, size):
    system = make_task(task_id).system
    states = system.sample_states(200, np.random.default_rng(0))
    states[:, 2], states[:, 4] = states[:, 2] / 4, states[:, 4] / 2  # links that cover each other little
    frames = system.render(states)[..., 0] / 255
    length, width = (80 / 6 - 2) * size / 80, 5 * size / 80
    mass = frames.sum(axis=(1, 2))
    assert np.all(mass <= 3 * length * width + 1)
    assert np.all(mass >= 0.9 * 3 * length * width)
    place = np.arange(size) + 0.5 - size / 2
    right, up = (frames.sum(axis=1) * place).sum(axis=1) / mass, -(frames.sum(axis=2) * place).sum(axis=1) / mass
    ends = np.cumsum(length * np.stack((np.sin(leaning(states.T)), np.cos(leaning(states.T)))), axis=1)
    starts = np.concatenate((np.zeros((2, 1, 200)), ends[:, :-1]), axis=1)
    np.testing.assert_allclose(np.stack((right, up)), ((starts + ends) / 2).mean(axis=1), atol=0.06 * length)


def test_both_sizes_are_the_same_arm():
    small, large = make_task("E2C/ThreeLink-v0"), make_task("E2C/ThreeLinkFine-v0")
    states = some_states(10, np.random.default_rng(0))
    controls = np.random.default_rng(1).uniform(-1, 1, (10, 3))
    np.testing.assert_array_equal(small.system.step(states, controls), large.system.step(states, controls))
    assert (small.observation_shape, large.observation_shape) == ((80, 80, 2), (128, 128, 2))
    np.testing.assert_allclose(np.degrees(small.evaluation_problems()[9].start), [171, 0, 117, 0, 59.4, 0])


def test_the_references_beat_the_best_published_model():
    """78 % is the best one of PC3. The fastest reference knows the start, the slowest one bears a little more noise."""
    task = make_task("E2C/ThreeLink-v0")
    problem = task.evaluation_problems(n=1)
    scores = [reference_scores(replace(task, references=(each,)), problem)[0] for each in task.references]
    np.testing.assert_allclose(scores, [0.91, 0.885, 0.85], atol=0.006)


def test_the_score_needs_what_is_lost_in_clipping():
    """Without it the first link could turn 4.5 degrees in a step, and would take 32 steps for 141 degrees."""
    task = make_task("E2C/ThreeLink-v0")
    states = drive(task, task.references[0], task.evaluation_problems(n=1))[:, 0]
    first = int(np.argmax(stands(states)))
    assert first == 19
    assert np.abs(states[:, 1::2]).max() <= math.pi / 2
    assert np.degrees(np.abs(np.diff(states[:first, 0]))).max() > 7


@pytest.mark.parametrize("size", [8, 0, 80.5])
def test_wrong_frame_size(size):
    with pytest.raises(InputError, match="frame_size"):
        ThreeLink(frame_size=size)
