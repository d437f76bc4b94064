"""Estimators of a policy's gradient on a tabular problem, whose exact gradient is a sum over all episodes.

This is how an agent uses them: noise is kept from the rollout, returns come out of a black box, the draw is made again
for all steps at once with the policy's graph, and the surrogate learns the variance of a whole episode's gradient.
"""

import itertools

import pytest
import torch
from torch.distributions import Categorical

from e2c_control.gradients import RELAX, RLOO, ScoreFunction, SurrogateNetwork

D = torch.float64
STATES, ACTIONS, HORIZON, EPISODES = 3, 2, 3, 20_000


class Tabular:
    """Random transitions and rewards, undiscounted; episodes start in state 0."""

    def __init__(self):
        generator = torch.Generator().manual_seed(1)
        self.next = torch.rand(STATES, ACTIONS, STATES, generator=generator, dtype=D)
        self.next /= self.next.sum(-1, keepdim=True)
        self.reward = 2 * torch.randn(STATES, ACTIONS, generator=generator, dtype=D)
        self.policy = torch.randn(STATES, ACTIONS, generator=generator, dtype=D)

    def exact_gradient(self):
        policy = self.policy.clone().requires_grad_()
        log_p = policy.log_softmax(-1)
        total = torch.zeros((), dtype=D)
        for actions in itertools.product(range(ACTIONS), repeat=HORIZON):
            for later in itertools.product(range(STATES), repeat=HORIZON - 1):
                states = (0, *later)
                chance = sum(log_p[s, a] for s, a in zip(states, actions, strict=True)).exp()
                for t in range(HORIZON - 1):
                    chance = chance * self.next[states[t], actions[t], states[t + 1]]
                total = total + chance * sum(self.reward[s, a] for s, a in zip(states, actions, strict=True))
        return torch.autograd.grad(total, policy)[0]

    def rollout(self, estimator, episodes, generator):
        """States (T, R), noise of the actions (1, T, R, A), rewards to go (1, T, R)."""
        state = torch.zeros(episodes, dtype=torch.long)
        states, noises, rewards = [], [], []
        for _ in range(HORIZON):
            with torch.no_grad():
                draw = estimator.draw(Categorical(logits=self.policy[state]), 1, generator=generator)
            action = draw.samples[0]
            states.append(state)
            noises.append(draw.noise["u"])
            rewards.append(self.reward[state, action])
            state = torch.multinomial(self.next[state, action], 1, generator=generator).squeeze(-1)
        to_go = torch.stack(rewards).flip(0).cumsum(0).flip(0)
        return torch.stack(states), torch.stack(noises, 1), to_go.unsqueeze(0)


def episode_gradients(world, estimator, episodes, generator):
    """Gradient of each episode at the policy's table, (R, S, A), and what training needs."""
    states, noise, to_go = world.rollout(estimator, episodes, generator)
    logits = world.policy[states].requires_grad_()
    draw = estimator.draw(Categorical(logits=logits), noise={"u": noise}, generator=generator)
    seen = torch.nn.functional.one_hot(states, STATES).to(D)
    estimate = estimator.estimate(draw, to_go, context=seen)
    (steps,) = torch.autograd.grad(estimate.surrogates.sum(), logits)
    return torch.einsum("trs,tra->rsa", seen, steps), seen


def gradient_statistics(world, estimator, generator):
    gradients, _ = episode_gradients(world, estimator, EPISODES, generator)
    error = (gradients.var(0) / EPISODES).sqrt() + 1e-12
    z = float(((gradients.mean(0) - world.exact_gradient()).abs() / error).max())
    return z, float(gradients.var(0).sum())


def test_relax_in_a_tabular_problem(generator):
    world = Tabular()
    z, reward_to_go = gradient_statistics(world, ScoreFunction(), generator)
    assert z < 4.5
    network = SurrogateNetwork(ACTIONS, (8,), context_size=STATES, generator=generator, dtype=D)
    estimator = RELAX(network)
    optimizer = torch.optim.Adam(estimator.parameters(), 0.02)
    for _ in range(300):
        gradients, seen = episode_gradients(world, estimator, 64, generator)
        # d|G|^2 of an episode, averaged over episodes; `update` averages over steps, too.
        direction = HORIZON * torch.einsum("trs,rsa->tra", seen, gradients).unsqueeze(0)
        estimator.update(optimizer, direction=(direction,))
    z, trained = gradient_statistics(world, estimator, generator)
    assert z < 4.5
    assert trained < 0.8 * reward_to_go


def test_the_actions_of_a_rollout_come_back_from_its_noise(generator):
    world, estimator = Tabular(), RELAX(SurrogateNetwork(ACTIONS, dtype=D))
    states, noise, to_go = world.rollout(estimator, 100, generator)
    draw = estimator.draw(Categorical(logits=world.policy[states]), noise={"u": noise}, generator=generator)
    rewards = to_go[0].diff(dim=0, append=torch.zeros(1, 100, dtype=D)).neg()
    torch.testing.assert_close(world.reward[states, draw.samples[0]], rewards)


def test_leave_one_out_needs_a_second_action():
    with pytest.raises(ValueError, match="at least 2"):
        RLOO().draw(Categorical(logits=torch.zeros(3)), 1)
