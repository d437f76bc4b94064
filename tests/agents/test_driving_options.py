"""Delay, held actions and rates of actions, in a linear world whose best actions are known in closed form."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from e2c_control.agents import E2CAgent, PlanningOptions, planning
from e2c_control.errors import InputError
from e2c_control.planners import (
    LQR,
    ControlRateCost,
    Cost,
    Limits,
    LinearDynamics,
    QuadraticCost,
    RememberControl,
    RepeatControl,
)

Array = NDArray[np.float64]
Drive = Callable[..., tuple[Array, Array]]

T, GOAL = 12, np.array([0.3, -0.2])
WORLD = LinearDynamics([[1.0, 0.1], [-0.1, 0.9]], [[0.0, 0.05], [0.2, 0.0]])
STARTS = np.array([[0.0, 0.0], [0.2, 0.1], [-0.3, 0.2]])
FRAMES = np.zeros((3, 40, 40, 1), np.uint8)
KICK = np.array([0.05, 0.1])


def best(dynamics: Any, cost: Cost, states: Array, horizon: int) -> Array:
    return LQR()(dynamics, cost, states, horizon, Limits.symmetric(1.0, 2)).controls


def quadratic(control: float = 0.1) -> QuadraticCost:
    return QuadraticCost(GOAL, 10 * np.eye(2), control * np.eye(2))


@pytest.fixture
def linear(agent: E2CAgent, monkeypatch: pytest.MonkeyPatch) -> Drive:
    """Drives that world, which is kicked once, with images that say where it is; returns states and actions."""

    def drive(delay: int = 0, **options: Any) -> tuple[Array, Array]:
        now, pending = STARTS.copy(), [np.zeros((3, 2))] * delay
        monkeypatch.setattr(planning, "planning_model", lambda *_: WORLD)
        monkeypatch.setattr(PlanningOptions, "encode", lambda self, embedding, frames, finite=True: now)
        agent.options = PlanningOptions(
            planner="lqr", horizon=T, action_weight=(0.1,), episode_steps=T, delay=delay, **options
        )
        now = GOAL[None]
        agent.set_goal(FRAMES[0])
        now, state, states, actions = STARTS.copy(), None, [], []
        for t in range(T):
            if t == 5:
                now = now + KICK
            action, state = agent.predict(FRAMES, state)
            assert agent.shown(state).shape[2] == 2
            states.append(now)
            actions.append(state.plan.controls[:, 0])
            np.testing.assert_allclose(action, actions[-1], atol=1e-6)
            pending = [*pending, actions[-1]]
            now = WORLD.step(now, pending.pop(0))
        return np.stack(states), np.stack(actions)

    return drive


@pytest.mark.parametrize("delay", [0, 1, 4])
def test_a_delayed_system_is_driven_as_well_as_can_be(linear: Drive, delay: int) -> None:
    """Every action is the first of the best for what is left after the actions that are on their way."""
    states, actions = linear(delay)
    given = np.concatenate((np.zeros((delay, 3, 2)), actions))
    for t in range(T - delay):
        then = states[t]
        for action in given[t : t + delay]:
            then = WORLD.step(then, action)
        np.testing.assert_allclose(actions[t], best(WORLD, quadratic(), then, T - delay - t)[:, 0], atol=1e-8)


def test_to_know_the_delay_pays(linear: Drive) -> None:
    """Against an agent that does not know it: the cost of what happens in the delayed world."""
    delay = 4
    _, known = linear(delay)
    _, unknown = linear(0)

    def cost(actions: Array) -> float:
        controls = np.concatenate((np.zeros((delay, 3, 2)), actions))[:T].swapaxes(0, 1)
        return float(quadratic().value(WORLD.rollout(STARTS, controls), controls, np.arange(3)).sum())

    assert cost(known) < cost(unknown)


def test_an_action_is_held_and_planned_for_as_long(linear: Drive) -> None:
    states, actions = linear(action_repeat=3)
    slow = RepeatControl(WORLD, 3)
    for t in range(0, T, 3):
        np.testing.assert_array_equal(actions[t], actions[t + 1])
        np.testing.assert_array_equal(actions[t], actions[t + 2])
        np.testing.assert_allclose(actions[t], best(slow, quadratic(), states[t], (T - t) // 3)[:, 0], atol=1e-8)


def test_a_rate_weight_counts_from_the_action_before(linear: Drive) -> None:
    states, actions = linear(rate_weight=2.0)
    cost, before = ControlRateCost(quadratic(), 2 * np.eye(2)), np.zeros((3, 2))
    for t in range(T):
        known = np.concatenate((states[t], before), axis=1)
        before = best(RememberControl(WORLD), cost, known, T - t)[:, 0]
        np.testing.assert_allclose(actions[t], before, atol=1e-8)
    _, rough = linear()
    assert np.abs(np.diff(actions, axis=0)[:4]).max() < np.abs(np.diff(rough, axis=0)[:4]).max()


def test_all_three_go_together(linear: Drive) -> None:
    states, actions = linear(2, action_repeat=2, rate_weight=1.0)
    dynamics, cost = RememberControl(RepeatControl(WORLD, 2)), ControlRateCost(quadratic(), np.eye(2))
    given = np.concatenate((np.zeros((2, 3, 2)), actions))
    for t in range(0, T - 2, 2):
        then = WORLD.step(WORLD.step(states[t], given[t]), given[t + 1])
        known = np.concatenate((then, given[t + 1]), axis=1)
        np.testing.assert_allclose(actions[t], best(dynamics, cost, known, (T - 2 - t) // 2)[:, 0], atol=1e-8)


def test_environments_at_other_steps_hold_their_own_actions(agent: E2CAgent) -> None:
    """Together as alone: an episode that begins anew in the middle of another's action."""
    frames = np.random.default_rng(0).integers(0, 256, (4, 2, 40, 40, 1), np.uint8)
    agent.options = PlanningOptions(horizon=4, action_repeat=3, delay=1, rate_weight=0.5, episode_steps=9)
    agent.set_goal(frames[0, 0])
    starts = np.array([[True, True], [False, False], [False, True], [False, False]])

    def driven(columns: list[int]) -> Array:
        state, actions = None, []
        for frame, fresh in zip(frames, starts, strict=True):
            action, state = agent.predict(frame[columns], state, fresh[columns])
            actions.append(action)
        return np.stack(actions)

    both = driven([0, 1])
    for column in (0, 1):
        np.testing.assert_allclose(both[:, column], driven([column])[:, 0], atol=1e-4)
    np.testing.assert_array_equal(both[0, 0], both[2, 0])
    assert (both[3, 0] != both[2, 0]).any()
    np.testing.assert_array_equal(both[0, 1], both[1, 1])
    assert (both[2, 1] != both[1, 1]).any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"delay": -1}, "delay is -1: give a whole number from 0"),
        ({"action_repeat": 0}, "action_repeat is 0: give a whole number from 1"),
        ({"rate_weight": -1.0}, "rate_weight is -1.0: give a number of 0 or more"),
        ({"planner": "roadmap", "action_repeat": 2}, "action_repeat is of latents"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        PlanningOptions(**options)
