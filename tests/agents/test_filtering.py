"""The filter between the frames and the planner: variances that are found again, beliefs that travel in the state."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from e2c_control.agents import E2CAgent, FrameFilter
from e2c_control.agents.filtering import LEAST
from e2c_control.data import Transitions, collect, make_vector_env
from e2c_control.envs import make_task
from e2c_control.errors import InputError
from e2c_control.planners import LinearDynamics

FILTER = FrameFilter((0.2, 0.3), (0.1, 0.05))


def images(count: int, seed: int = 0) -> np.ndarray:
    task = make_task("E2C/Planar-v0")
    return task.observe_at_rest(task.system.sample_states(count, np.random.default_rng(seed)))


@pytest.fixture
def filtering(agent: E2CAgent) -> E2CAgent:
    agent.options = replace(agent.options, horizon=3, frame_filter=FILTER)
    agent.set_goal(images(1, seed=9)[0])
    return agent


def test_one_step_is_the_product_of_two_gaussians() -> None:
    A = np.array([[1.0, 0.1], [0.0, 0.9]])
    model = LinearDynamics(A, np.eye(2))
    after = FILTER.next(FILTER.first(np.array([[1.0, 2.0]])), np.array([[0.5, 0.0]]), np.array([[1.5, 2.2]]), model)
    C = A @ np.diag([0.2, 0.3]) @ A.T + np.diag([0.1, 0.05])
    precision = np.linalg.inv(C) + np.diag([1 / 0.2, 1 / 0.3])
    predicted = A @ [1.0, 2.0] + [0.5, 0.0]
    mean = np.linalg.solve(precision, np.linalg.solve(C, predicted) + np.array([1.5 / 0.2, 2.2 / 0.3]))
    np.testing.assert_allclose(after.mean[0], mean, rtol=1e-12)
    np.testing.assert_allclose(after.covariance[0], np.linalg.inv(precision), rtol=1e-12)


def test_variances_are_found_again(tmp_path: Path, agent: E2CAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Latents that walk at random by C and are seen with an error E, under a model that predicts no motion."""
    rng, C, E = np.random.default_rng(0), np.array([0.04, 0.01]), np.array([0.02, 0.09])
    collect(make_vector_env("E2C/Planar-v0", 50), tmp_path / "data", 10_000, 10, seed=0)
    transitions = Transitions.open(tmp_path / "data")
    walk = rng.normal(size=(len(transitions.frames), 2)) @ np.diag(np.sqrt(C))
    seen = walk.cumsum(0) + rng.normal(size=walk.shape) * np.sqrt(E)
    starts = transitions.windows(2, 1, episodes=np.arange(1000), repeat_first=False)
    chosen = iter([seen[starts + t] for t in range(3)])
    monkeypatch.setattr("e2c_control.agents.filtering.WINDOWS", len(starts))
    monkeypatch.setattr("e2c_control.agents.filtering.encode_means", lambda *_: next(chosen))
    still = LinearDynamics(np.eye(2), np.zeros((2, 2)))
    monkeypatch.setattr("e2c_control.agents.filtering.planning_model", lambda *_: still)
    found = FrameFilter.measured(agent.embedding, transitions, np.arange(1000))
    np.testing.assert_allclose(found.process_variance, C, rtol=0.15)
    np.testing.assert_allclose(found.frame_variance, E, rtol=0.15)


def test_variances_of_a_real_embedding_are_positive(tmp_path: Path, agent: E2CAgent) -> None:
    collect(make_vector_env("E2C/Planar-v0", 4), tmp_path / "data", 60, 5, seed=0)
    transitions = Transitions.open(tmp_path / "data")
    found = FrameFilter.measured(agent.embedding, transitions, np.arange(transitions.n_episodes))
    assert min(found.frame_variance + found.process_variance) >= LEAST
    collect(make_vector_env("E2C/Planar-v0", 4), tmp_path / "short", 60, 1, seed=0)
    with pytest.raises(InputError, match="no episodes of two steps"):
        FrameFilter.measured(agent.embedding, Transitions.open(tmp_path / "short"), np.arange(60))


def test_the_belief_travels_in_the_state(filtering: E2CAgent) -> None:
    observations, later = images(3, seed=1), images(3, seed=2)
    _, first = filtering.predict(observations)
    assert first.belief is not None
    np.testing.assert_array_equal(first.belief.mean, first.plan.states[:, 0])
    _, second = filtering.predict(later, first)
    _, alone = filtering.predict(later)
    assert second.belief is not None
    np.testing.assert_array_equal(second.plan.states[:, 0], second.belief.mean)
    assert (np.abs(second.belief.mean - alone.plan.states[:, 0]) > 1e-9).any(axis=1).all(), "the past counts"
    assert (np.trace(second.belief.covariance, axis1=1, axis2=2) < np.sum(FILTER.frame_variance)).all()


def test_each_environment_has_its_own_belief(filtering: E2CAgent) -> None:
    observations, later = images(3, seed=1), images(3, seed=2)
    _, state = filtering.predict(observations)
    _, together = filtering.predict(later, state, np.array([False, True, False]))
    fresh = filtering.predict(later[1:2])[1]
    assert together.belief is not None
    assert fresh.belief is not None
    np.testing.assert_allclose(together.belief.mean[1], fresh.belief.mean[0], rtol=1e-5, atol=1e-6)
    for i in (0, 2):
        _, before = filtering.predict(observations[i])
        before.plan.controls[:, 0] = state.plan.controls[i, 0]
        _, alone = filtering.predict(later[i], before)
        assert alone.belief is not None
        np.testing.assert_allclose(together.belief.mean[i], alone.belief.mean[0], rtol=1e-5, atol=1e-6)


def test_a_frame_that_encodes_to_nothing_leaves_the_prediction(
    filtering: E2CAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encode(*_: object, finite: bool = True) -> np.ndarray:
        assert not finite
        return next(seen)

    seen = iter([np.array([[np.nan, 0.0]]), np.ones((1, 2)), np.array([[np.nan, 0.0]])])
    monkeypatch.setattr("e2c_control.agents.planning.encode_means", encode)
    _, blind = filtering.predict(images(1))
    assert filtering.last_replan is not None
    assert filtering.last_replan.fallback.all(), "nothing is known yet: a safe plan"
    _, first = filtering.predict(images(1), blind)
    np.testing.assert_array_equal(first.plan.states[0, 0], [1.0, 1.0])
    _, second = filtering.predict(images(1), first)
    assert second.belief is not None
    assert not filtering.last_replan.fallback.any()
    np.testing.assert_allclose(second.belief.mean[0], first.plan.states[0, 1], rtol=1e-9)


def test_without_a_filter_a_frame_that_encodes_to_nothing_gets_the_last_plan(
    agent: E2CAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.set_goal(images(1, seed=9)[0])
    _, state = agent.predict(images(1))
    monkeypatch.setattr("e2c_control.agents.planning.encode_means", lambda *_, **__: np.full((1, 2), np.nan))
    action, _ = agent.predict(images(1), state)
    assert agent.last_replan is not None
    assert agent.last_replan.fallback.all()
    np.testing.assert_allclose(action[0], state.plan.controls[0, 1], rtol=1e-6)


def test_the_filter_is_saved_with_the_agent(filtering: E2CAgent, tmp_path: Path) -> None:
    filtering.save(tmp_path / "kept")
    assert E2CAgent.load(tmp_path / "kept").options == filtering.options


@pytest.mark.parametrize(
    "variances", [((0.1,), (0.1, 0.2)), ((-0.1,), (0.1,)), ((np.nan,), (0.1,)), ((0.1,), (np.inf,))]
)
def test_variances_that_no_filter_has(variances: tuple[tuple[float, ...], tuple[float, ...]]) -> None:
    with pytest.raises(
        InputError,
        match=r"two variances for each latent|variance\[0\] is (-0.1|nan|inf): give a (finite )?number of 0 or more",
    ):
        FrameFilter(*variances)


def test_a_filter_of_another_embedding(agent: E2CAgent) -> None:
    agent.options = replace(agent.options, frame_filter=FrameFilter((0.1,) * 3, (0.1,) * 3))
    with pytest.raises(InputError, match="The filter has 3 dimensions, the embedding 2"):
        agent.set_goal(images(1)[0])
