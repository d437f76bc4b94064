"""Heads against autograd, and the costs of rewards against their definitions."""

import numpy as np
import pytest
import torch

from e2c_control import InputError
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.models.heads import Head
from e2c_control.models.reward_cost import HeadCopy, RewardCost, SurvivalCost, reward_cost
from e2c_control.planners.more_costs import convex

K, M, T = 3, 2, 5


@pytest.fixture
def head() -> Head:
    torch.manual_seed(0)
    made = Head(K, M).double()
    made.fit(-4.0, 2.5)
    return made


@pytest.fixture
def paths() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(4, T + 1, K)), rng.uniform(-1, 1, size=(4, T, M)), np.arange(4)


def by_torch(head: Head, z: np.ndarray, u: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return head(torch.from_numpy(z[:, :-1]), torch.from_numpy(u)).numpy()


def test_a_copy_has_the_values_gradients_and_hessians_of_autograd(head, paths) -> None:
    z, u, _ = paths
    pairs = torch.from_numpy(np.concatenate((z[:, :-1], u), -1).reshape(-1, K + M))

    def one(pair: torch.Tensor) -> torch.Tensor:
        return head(pair[:K], pair[K:])

    slopes = torch.stack([torch.autograd.functional.jacobian(one, pair) for pair in pairs]).numpy()
    bends = torch.stack([torch.autograd.functional.hessian(one, pair) for pair in pairs]).numpy()
    copy = HeadCopy(head)
    slope, bend = copy.curvature(z, u)
    np.testing.assert_allclose(copy.values(z, u), by_torch(head, z, u), atol=1e-12)
    np.testing.assert_allclose(slope, slopes, atol=1e-12)
    np.testing.assert_allclose(bend, bends, atol=1e-12)


def test_new_units_leave_what_a_head_tells(head, paths) -> None:
    z, u, _ = paths
    before = by_torch(head, z, u)
    head.fit(30.0, 0.1, keep=True)
    np.testing.assert_allclose(by_torch(head, z, u), before, atol=1e-9)
    head.fit(7.0, 0.0)
    assert not head.varies
    assert np.all(by_torch(head, z, u) == 7.0)
    assert torch.equal(head.standard(torch.tensor([7.0]).double()), torch.zeros(1).double())


def test_the_cost_is_the_discounted_sum_of_rewards(head, paths) -> None:
    z, u, problems = paths
    cost = RewardCost(HeadCopy(head), 0.9)
    expected = -(by_torch(head, z, u) * 0.9 ** np.arange(T)).sum(1)
    np.testing.assert_allclose(cost.value(z, u, problems), expected, atol=1e-12)
    expansion = cost.expand(z, u, problems)
    assert not expansion.q[:, -1].any()
    assert not expansion.Q[:, -1].any()
    step = 1e-6 * np.random.default_rng(1).normal(size=u.shape)
    change = cost.value(z, u + step, problems) - cost.value(z, u - step, problems)
    np.testing.assert_allclose((expansion.r * step).sum((1, 2)), change / 2, rtol=1e-4)
    whole = np.block([[expansion.Q[:, :-1], expansion.S.swapaxes(-1, -2)], [expansion.S, expansion.R]])
    np.testing.assert_allclose(convex(whole), whole, atol=1e-9)


def test_rewards_count_as_long_as_the_episode_is_likely_to_go_on(head, paths) -> None:
    z, u, problems = paths
    end = Head(K, M).double()
    rewards, goes_on = by_torch(head, z, u), 1.0 - 1.0 / (1.0 + np.exp(-by_torch(end, z, u)))
    expected = np.zeros(len(z))
    for i in range(len(z)):
        alive = 1.0
        for t in range(T):
            expected[i] -= 0.9**t * alive * rewards[i, t]
            alive *= goes_on[i, t]
    found = SurvivalCost(HeadCopy(head), HeadCopy(end), 0.9).value(z, u, problems)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_who_cannot_tell_says_so(head) -> None:
    bare = Embedding(EmbeddingConfig(latent_dim=K), (6, 6, 1), M, torch.Generator())
    with pytest.raises(InputError, match="knows no reward: train the recipe 'unfold-reward'"):
        reward_cost(bare, 0.9)
    with pytest.raises(InputError, match="of 5 numbers, latent and action, but the dynamics have 2 states"):
        RewardCost(HeadCopy(head)).check(1, 2, M)


def test_heads_leave_the_bits_of_all_other_networks() -> None:
    def made(*heads: str) -> dict[str, torch.Tensor]:
        config = EmbeddingConfig(latent_dim=K, heads=heads)
        return Embedding(config, (6, 6, 1), M, torch.Generator().manual_seed(3)).state_dict()

    bare, with_heads = made(), made("reward", "termination")
    assert {name.split(".")[0] for name in with_heads.keys() - bare.keys()} == {"reward", "termination"}
    assert all(torch.equal(bare[name], with_heads[name]) for name in bare)
