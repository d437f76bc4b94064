"""A tiny dataset and a recipe whose phases end after a few steps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from e2c_control.data import DatasetCard, Transitions, TransitionsWriter
from e2c_control.models.embedding import EmbeddingConfig
from e2c_control.objectives.recipe import Recipe
from e2c_control.objectives.recipes import make_recipe

SIZES = EmbeddingConfig(encoder_hidden=(16,), decoder_hidden=(16,), transition_hidden=(8,))


@pytest.fixture(scope="session")
def transitions(tmp_path_factory: pytest.TempPathFactory) -> Transitions:
    """40 episodes of a dot on 8 x 8 pixels that moves by its action; a third of them end, and a third are cut short."""
    rng = np.random.default_rng(0)
    n, length = 40, 8
    actions = rng.uniform(-1, 1, (n, length + 1, 2)).astype(np.float32)
    states = np.empty((n, length + 1, 2))
    states[:, 0] = rng.uniform(1, 6, (n, 2))
    for t in range(length):
        states[:, t + 1] = np.clip(states[:, t] + actions[:, t], 0, 7)
    grid = np.arange(8)
    ramps = [np.exp(-((grid - states[..., i, None]) ** 2)) for i in range(2)]
    frames = np.rint(255 * ramps[0][..., :, None] * ramps[1][..., None, :]).astype(np.uint8)[..., None]
    path = tmp_path_factory.mktemp("dots") / "data"
    card, rewards = DatasetCard("Dots-v0", {}, (8, 8, 1), 2, state_dim=2, rewards=True), -abs(states - 4).sum(-1)
    with TransitionsWriter.create(path, card) as writer:
        writer.append(frames, actions, states, rewards=rewards, endings=np.arange(n) % 3)
    return Transitions.open(path)


@pytest.fixture
def dataset(transitions: Transitions) -> Path:
    return transitions.path


@pytest.fixture(params=["unfold", "unfold-roadmap", "e2c", "e2c-warm"])
def recipe(request: pytest.FixtureRequest) -> Recipe:
    """Each recipe that ships, 6 steps of a phase at most, in batches of 16."""
    made = make_recipe(request.param, SIZES)
    return replace(made, phases=tuple(replace(phase, steps=6, batch_size=16) for phase in made.phases))
