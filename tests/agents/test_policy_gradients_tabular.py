"""Policy gradients on a tabular problem whose exact gradient is a sum over all episodes."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from e2c_control.agents import RELAX, A2CBaseline
from e2c_control.agents.policy_gradient import PolicyGradient, Rollout, episode_gradients
from e2c_control.agents.policy_gradient.actions import look
from e2c_control.gradients import Estimate

STATES, ACTIONS, HORIZON = 3, 2, 3
PLACES = STATES * HORIZON
RNG = np.random.default_rng(1)
NEXT = RNG.dirichlet(np.ones(STATES), (STATES, ACTIONS))
REWARD = 2 * RNG.standard_normal((STATES, ACTIONS))


class Tabular(VecEnv):
    """Many copies of three states, two actions and three steps, side by side.

    What is seen is the place, a state at a time, as a one-hot vector.
    """

    def __init__(self, copies: int) -> None:
        super().__init__(copies, spaces.Box(0, 1, (PLACES,), np.float32), spaces.Discrete(ACTIONS))
        self.rng = np.random.default_rng(0)

    def seed(self, seed: int | None = None) -> list[int | None]:
        self.rng = np.random.default_rng(seed)
        return [seed] * self.num_envs

    def reset(self) -> Any:
        self.states, self.time = np.zeros(self.num_envs, int), 0
        return self.seen()

    def seen(self) -> Any:
        return np.eye(PLACES, dtype=np.float32)[STATES * self.time + self.states]

    def step_async(self, actions: Any) -> None:
        self.actions = actions

    def step_wait(self) -> Any:
        rewards = REWARD[self.states, self.actions].astype(np.float32)
        below = self.rng.random((self.num_envs, 1)) > NEXT[self.states, self.actions].cumsum(-1)
        self.states = below.sum(-1).clip(max=STATES - 1)
        self.time += 1
        over = np.full(self.num_envs, self.time == HORIZON)
        observations = self.reset() if over[0] else self.seen()
        return observations, rewards, over, [{} for _ in over]

    def close(self) -> None: ...

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None: ...

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        return []

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


def model_of(kind: type[PolicyGradient], copies: int, **options: Any) -> Any:
    """Linear in what is seen: a table of logits. It learns nothing unless told to."""
    options = {"learning_rate": 0.0, "gamma": 1.0, "seed": 3, "n_steps": HORIZON, **options}
    model = kind("MlpPolicy", Tabular(copies), policy_kwargs={"net_arch": []}, **options)
    table = torch.randn(PLACES, ACTIONS, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        model.policy.action_net.weight.copy_(table.T)
    return model


def log_probs(model: PolicyGradient) -> Tensor:
    return model.policy.get_distribution(torch.eye(PLACES)).distribution.logits.double()  # type: ignore[union-attr]


def exact_values(model: PolicyGradient) -> list[float]:
    """Of each place."""
    p = log_probs(model).exp().detach().numpy().reshape(HORIZON, STATES, ACTIONS)
    later, values = np.zeros(STATES), []
    for t in reversed(range(HORIZON)):
        later = (p[t] * (REWARD + NEXT @ later)).sum(-1)
        values.append(later)
    return np.concatenate(values[::-1]).tolist()


def exact_gradient(model: PolicyGradient) -> np.ndarray:
    """By enumeration, in the weights of the actor."""
    log_p = log_probs(model)
    total = torch.zeros((), dtype=torch.float64)
    for actions in itertools.product(range(ACTIONS), repeat=HORIZON):
        for later in itertools.product(range(STATES), repeat=HORIZON - 1):
            states = (0, *later)
            path = list(zip(states, actions, strict=True))
            chance = torch.stack([log_p[STATES * t + s, a] for t, (s, a) in enumerate(path)]).sum().exp()
            for (s, a), (after, _) in itertools.pairwise(path):
                chance = chance * NEXT[s, a, after]
            total = total + chance * sum(REWARD[s, a] for s, a in path)
    net: Any = model.policy.action_net
    parts = torch.autograd.grad(total, [net.weight, net.bias])
    return torch.cat([part.flatten() for part in parts]).double().numpy()


class Keep(BaseCallback):
    """The last rollout's estimate, as `train` would make it."""

    estimate: Estimate
    rollout: Rollout

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        model: Any = self.model
        self.rollout = model.rollout_buffer.whole()
        self.estimate = model._estimate(self.rollout, look(model.policy, self.rollout.observations))


def episodes_of(model: PolicyGradient) -> tuple[Rollout, Tensor]:
    """A rollout, and each step's gradient at the logits in the units of the rewards."""
    kept = Keep()
    model.learn(model.n_envs * HORIZON, callback=kept, reset_num_timesteps=False)
    return kept.rollout, model.units_then * kept.estimate.gradients["logits"]  # type: ignore[attr-defined]


def gradients_of(model: PolicyGradient) -> np.ndarray:
    """Gradient of each of many episodes in the actor's weights, (E, 20); it is linear, so that no loop is needed."""
    model.units_then = model.units  # type: ignore[attr-defined]
    rollout, steps = episodes_of(model)
    assert isinstance(rollout.observations, Tensor)
    seen = rollout.observations.reshape(-1, HORIZON, PLACES)
    steps = steps.reshape(-1, HORIZON, ACTIONS)
    weights = torch.einsum("eta,ets->eas", steps, seen).flatten(1)
    found = torch.cat([weights, steps.sum(1)], dim=1)
    few = 5
    small = Rollout(rollout.observations, rollout.actions, rollout.noise, rollout.returns, rollout.advantages,
                    rollout.episodes[:few])  # fmt: skip
    by_autograd = episode_gradients(model.policy, small, [steps.flatten(0, 1)])
    torch.testing.assert_close(found[:few], by_autograd, rtol=1e-4, atol=1e-5)
    return found.double().numpy()


def statistics(gradients: np.ndarray, exact: np.ndarray) -> tuple[float, float]:
    """Largest bias in standard errors, and the variance of one episode's gradient, summed."""
    error = gradients.std(0, ddof=1) / len(gradients) ** 0.5 + 1e-9
    return float((np.abs(gradients.mean(0) - exact) / error).max()), float(gradients.var(0, ddof=1).sum())


def with_values(model: PolicyGradient, values: Sequence[float]) -> PolicyGradient:
    """A critic that says so for each state, whatever the time."""
    value_net: Any = model.policy.value_net
    with torch.no_grad():
        value_net.weight.copy_(torch.tensor([values], dtype=torch.float32))
        value_net.bias.zero_()
    return model


def with_surrogate(model: Any, trained: Any) -> PolicyGradient:
    model.estimator.load_state_dict(trained.estimator.state_dict())
    model.advantage_square, model.advantage_weight = trained.advantage_square, trained.advantage_weight
    return model


EPISODES = 30_000
STILL = {"surrogate_learning_rate": 0.0, "surrogate_arch": (16,)}


def test_all_are_unbiased_and_relax_varies_least() -> None:
    """The order that must come out: reward to go, the same less exact values, RELAX upon the same values."""
    plain = with_values(model_of(A2CBaseline, EPISODES), [0.0] * PLACES)
    values = exact_values(plain)
    critic = with_values(model_of(A2CBaseline, EPISODES), values)
    untrained = with_values(model_of(RELAX, EPISODES, **STILL), values)
    trained = with_values(model_of(RELAX, 32, surrogate_learning_rate=0.03, surrogate_arch=(16,)), values)
    trained.learn(32 * HORIZON * 80)
    relax = with_surrogate(with_values(model_of(RELAX, EPISODES, **STILL), values), trained)
    models = {"reward to go": plain, "critic": critic, "untrained": untrained, "relax": relax}
    exact = exact_gradient(plain)
    found = {name: statistics(gradients_of(model), exact) for name, model in models.items()}
    assert all(z < 4.5 for z, _ in found.values()), found
    variance = {name: v for name, (_, v) in found.items()}
    assert variance["critic"] < variance["reward to go"]
    assert variance["relax"] < 0.8 * variance["critic"]
    assert variance["untrained"] == pytest.approx(variance["critic"], rel=1e-4), "c begins at 0"
