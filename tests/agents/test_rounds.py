"""Agents that learn a reward: gather where plans lead, train on all of it, go on."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from e2c_control.agents import E2CAgent, PlanningOptions
from e2c_control.agents.learning import RoundOptions
from e2c_control.agents.rounds import Exploring
from e2c_control.data import Choices, make_image_env
from e2c_control.data.policy import UniformPolicy
from e2c_control.errors import InputError

LENGTH = 20


class Well(gym.Env[np.ndarray, np.ndarray]):
    """A dot on a line of 12 pixels that is paid for being near the ninth, and pays for what it does."""

    action_space = spaces.Box(-1, 1, (1,), np.float32)
    observation_space = spaces.Box(0, 255, (6, 12, 1), np.uint8)
    metadata = {"render_modes": []}  # noqa: RUF012

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.place, self.steps = self.np_random.uniform(0, 11), 0
        return self.picture(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        reward = -((self.place - 9.0) ** 2) / 10 - 0.01 * float(action[0]) ** 2
        self.place, self.steps = float(np.clip(self.place + action[0], 0, 11)), self.steps + 1
        return self.picture(), reward, False, self.steps == LENGTH, {}

    def picture(self) -> np.ndarray:
        columns = np.clip(1 - abs(np.arange(12) - self.place), 0, 1)  # drawn between two pixels: places are seen
        return np.repeat((255 * columns).astype(np.uint8)[None, :, None], 6, axis=0)


ROUNDS = RoundOptions(first=120, size=40, first_share=0.02, share=0.01)
Quick = Callable[..., E2CAgent]


@pytest.fixture
def learner() -> Quick:
    def make(**options: object) -> E2CAgent:
        given = {"objective": "reward", "episode_length": LENGTH, "rounds": ROUNDS, "latent_dim": 2, **options}
        return E2CAgent(Well, **given)  # type: ignore[arg-type]

    return make


class Rollouts(BaseCallback):
    """Notes at how many steps a rollout begins, and what the agent then does at a frame."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[int] = []

    def _on_rollout_start(self) -> None:
        self.begun.append(self.model.num_timesteps)

    def _on_step(self) -> bool:
        return True


def test_a_random_round_comes_first_and_shorter_ones_follow(learner: Quick) -> None:
    rollouts = Rollouts()
    agent = learner().learn(210, callback=rollouts)
    assert rollouts.begun == [0, 120, 160, 200]
    assert agent._gathered is not None
    assert len(agent._gathered.actions) - len(agent._gathered.episodes) + 1 == 210
    assert agent.num_timesteps >= 210


def test_stopped_and_loaded_it_goes_on_to_the_bit(learner: Quick, tmp_path: Path) -> None:
    whole = learner().learn(200)
    learner().learn(120).save(tmp_path / "agent")
    rest = E2CAgent.load(tmp_path / "agent", env=Well).learn(80, reset_num_timesteps=False)
    assert rest.num_timesteps == whole.num_timesteps
    for name, value in whole.embedding.state_dict().items():
        assert torch.equal(value, rest.embedding.state_dict()[name]), name


def test_each_round_is_logged_by_what_the_environment_paid(learner: Quick, tmp_path: Path) -> None:
    agent = learner(tensorboard_log=tmp_path).learn(160)
    events = EventAccumulator(str(next(tmp_path.iterdir()))).Reload()
    paid, told = (events.Scalars(tag) for tag in ("rollout/ep_rew_mean", "reward/r2_0"))
    gathered = agent._gathered
    assert gathered is not None
    assert gathered.rewards is not None
    ends = gathered.episodes
    returns = [gathered.rewards[a:b].sum() for a, b in itertools.pairwise(ends)]
    assert [point.value for point in paid] == pytest.approx([np.mean(returns[:6]), np.mean(returns[6:])], rel=1e-5)
    assert len(told) == 2
    assert {len(agent._gathered.actions[a:b]) - 1 for a, b in itertools.pairwise(ends)} == {LENGTH}


def test_planned_rounds_differ_from_random_ones(learner: Quick) -> None:
    def last_actions(**options: object) -> np.ndarray:
        gathered = learner(**options).learn(160)._gathered
        assert gathered is not None
        return gathered.actions[-41:]

    calm = last_actions(rounds=replace(ROUNDS, noise=0.0))
    assert not np.array_equal(calm, last_actions(rounds=replace(ROUNDS, noise=0.5)))


def test_it_is_an_agent_of_stable_baselines3_that_needs_no_goal(learner: Quick) -> None:
    agent = learner().learn(120)
    env = agent.get_env()
    assert env is not None
    mean, _ = evaluate_policy(agent, env, n_eval_episodes=2, warn=False)  # type: ignore[arg-type]
    assert np.isfinite(mean)


@pytest.mark.slow
def test_it_learns_to_be_paid(learner: Quick) -> None:
    rounds = RoundOptions(first=800, size=200)
    agent = learner(rounds=rounds, steps_scale=0.5).learn(1_200)
    env = agent.get_env()
    assert env is not None
    env.seed(5)
    returns, _ = evaluate_policy(agent, env, n_eval_episodes=20, return_episode_rewards=True, warn=False)  # type: ignore[arg-type]
    assert np.mean(returns) > 1.15 * best_return()


def best_return() -> float:
    """Return the mean of walking straight to the place that pays, over starts drawn evenly: less than 0."""
    totals = list[float]()
    for start in np.linspace(0, 11, 101):
        place, total = start, 0.0
        for _ in range(LENGTH):
            action = float(np.clip(9.0 - place, -1, 1))
            total -= (place - 9.0) ** 2 / 10 + 0.01 * action**2
            place += action
        totals.append(total)
    return float(np.mean(totals))


class Noting:
    """An agent that keeps what it is shown."""

    def __init__(self) -> None:
        self.shown, self.fresh = list[np.ndarray](), list[np.ndarray]()

    def predict(self, observation: np.ndarray, state: object = None, episode_start: object = None) -> tuple:
        self.shown.append(observation)
        self.fresh.append(np.asarray(episode_start))
        return np.zeros((len(observation), 1), np.float32), len(self.shown)


def test_an_episodes_stack_begins_with_its_own_first_frame() -> None:
    agent = Noting()
    explore, rng = Exploring(agent, 2, 0.0), np.random.default_rng(0)

    def frames(*values: int) -> np.ndarray:
        return np.array(values, np.uint8)[:, None, None, None] * np.ones((6, 12, 1), np.uint8)

    for shown, fresh in (((1, 2), (True, True)), ((3, 4), (False, False)), ((5, 6), (False, True))):
        explore.begin(np.array(fresh))
        explore(frames(*shown), rng)
    stacks = [observation[:, 0, 0].tolist() for observation in agent.shown]
    assert stacks == [[[1, 1], [2, 2]], [[1, 3], [2, 4]], [[3, 5], [6, 6]]]
    assert [fresh.tolist() for fresh in agent.fresh] == [[True, True], [False, False], [False, True]]


def test_noise_comes_from_the_generator_alone() -> None:
    agent = Noting()
    frame = np.zeros((3, 6, 12, 1), np.uint8)
    once, again = (Exploring(agent, 1, 0.3)(frame, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(once, again)
    assert 0 < abs(once).max() < 2
    assert UniformPolicy(1)(frame, np.random.default_rng(4)).shape == once.shape


def test_choices_are_planned_as_what_they_are(tmp_path: Path) -> None:
    env = make_image_env("CartPole-v1", observation="vector")
    rounds = RoundOptions(first=300, size=100, first_share=0.02, share=0.01, noise=0.5)
    agent = E2CAgent(env, objective="reward", episode_length=60, rounds=rounds).learn(400)
    assert agent.options.choices == Choices((2,), (0,), single=True)
    gathered = agent._gathered
    assert gathered is not None
    assert gathered.card.choices is not None
    acted = np.delete(gathered.actions, gathered.episodes[1:] - 1, axis=0)
    assert gathered.card.choices.are_chosen(acted).all()
    assert agent.embedding.termination is not None
    assert agent.embedding.termination.varies  # random actions let the pole fall
    shown, _ = env.reset(seed=0)
    action, _ = agent.predict(shown)
    assert sorted(action.tolist()) == [0.0, 1.0]
    agent.save(tmp_path / "agent")
    assert E2CAgent.load(tmp_path / "agent").options == agent.options
    with pytest.raises(InputError, match="and the environment's is Choices"):
        E2CAgent(env, objective="reward", options=PlanningOptions.for_reward())
    with pytest.raises(InputError, match="take a planner that samples"):
        PlanningOptions(choices=Choices((2,), (0,), single=True))


def test_of_choices_a_share_is_drawn_evenly() -> None:
    choices, frame = Choices((3, 2), (0, 0)), np.zeros((1000, 1, 1, 1), np.uint8)

    class Same(Noting):
        def predict(self, observation: object, state: object = None, episode_start: object = None) -> tuple:
            return choices.one_hot(np.zeros((1000, 2), np.int64)), None

    acted = Exploring(Same(), 1, 0.4, choices)(frame, np.random.default_rng(0))
    assert choices.are_chosen(acted).all()
    first, second = choices.indices(acted).T
    # Of 1,000, 400 are drawn: two thirds, and a half of them differ. Five deviations of a binomial are 70 and 63.
    assert abs((first > 0).sum() - 267) < 70
    assert abs((second > 0).sum() - 200) < 63


@pytest.mark.parametrize("observation", ["vector", "both"])
def test_vectors_are_seen_alone_and_beside_images(observation: str, tmp_path: Path) -> None:
    size = {"image_size": 16} if observation == "both" else {}
    env = make_image_env("Pendulum-v1", 2, observation=observation, **size)  # type: ignore[arg-type]
    rounds = RoundOptions(first=90, size=40, first_share=0.02, share=0.01)
    agent = E2CAgent(env, objective="reward", episode_length=30, rounds=rounds).learn(130)
    assert agent.embedding.vector_dim == 6
    shown, _ = env.reset(seed=0)
    action, _ = agent.predict(shown)
    assert action.shape == (1,)
    agent.save(tmp_path / "agent")
    again, _ = E2CAgent.load(tmp_path / "agent").predict(shown)
    assert np.array_equal(action, again)
    wrong = shown[:3] if observation == "vector" else {"image": shown["image"]}  # type: ignore[index]
    with pytest.raises(InputError, match=r"numbers of shape|a mapping of image and vector"):
        agent.predict(wrong)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"options": PlanningOptions()}, "options plan for a goal, and objective is 'reward'"),
        ({"recipe": "unfold"}, "The recipe learns no reward: leave it out"),
        ({"objective": "goal"}, "rounds are of an agent that plans for a reward"),
        ({"objective": "joy"}, "objective"),
    ],
)
def test_what_does_not_fit_is_said(learner: Quick, options: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        learner(**options)


def test_planning_options_of_a_reward() -> None:
    with pytest.raises(InputError, match="discount is of rewards"):
        PlanningOptions(discount=0.9)
    with pytest.raises(InputError, match="A reward is planned for in the map"):
        replace(PlanningOptions.for_reward(), planner="roadmap", horizon=1, samples=None, iterations=None)
