"""How well rewards are told, against a world in which that is known."""

from pathlib import Path

import numpy as np
import pytest
import torch

from e2c_control import Embedding, EmbeddingConfig, Transitions, TransitionsWriter
from e2c_control.data import DatasetCard
from e2c_control.measures.rewards import AHEAD, reward_r2


def made(folder: Path, rewards: np.ndarray) -> Transitions:
    n, length = rewards.shape
    rng = np.random.default_rng(1)
    card = DatasetCard("Own-v0", {}, (0, 0, 0), 1, vector_dim=2, rewards=True)
    with TransitionsWriter.create(folder, card) as writer:
        actions = rng.uniform(-1, 1, (n, length, 1)).astype(np.float32)
        vectors = rng.normal(size=(n, length, 2)).astype(np.float32)
        writer.append(np.zeros((n, length, 0, 0, 0), np.uint8), actions, rewards=rewards, vectors=vectors)
    return Transitions.open(folder)


@pytest.fixture
def embedding() -> Embedding:
    config = EmbeddingConfig(latent_dim=2, heads=("reward",))
    return Embedding(config, (0, 0, 0), 1, torch.Generator().manual_seed(0), vector_dim=2)


def test_the_error_is_a_share_of_the_variance_of_all_rewards(embedding: Embedding, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rewards = rng.normal(size=(6, 20)) * np.where(np.arange(6) == 5, 0.01, 10.0)[:, None]
    transitions, told = made(tmp_path / "data", rewards), embedding.reward
    assert told is not None
    told.fit(0.5, 0.0)  # the same number always
    found = reward_r2(embedding, transitions, np.array([5]))
    assert list(found) == [f"reward/r2_{ahead}" for ahead in AHEAD]
    paid = np.asarray(transitions.rewards)[transitions.windows(1)].astype(np.float64)
    last = np.asarray(transitions.rewards)[transitions.windows(1, episodes=np.array([5]))].astype(np.float64)
    assert found["reward/r2_0"] == pytest.approx(1 - ((last - 0.5) ** 2).mean() / paid.var(), abs=1e-9)
    assert found["reward/r2_0"] > 0.99  # though nothing is told of the last episode's own variance


def test_rewards_that_never_change_are_left_out(embedding: Embedding, tmp_path: Path) -> None:
    assert reward_r2(embedding, made(tmp_path / "data", np.ones((3, 20))), np.array([2])) == {}
