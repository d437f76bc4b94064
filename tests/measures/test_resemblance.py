"""Resemblance of images: 1 for the same, and exactly 0 on average for the images that the statistics are of."""

import numpy as np
import pytest
import torch

from e2c_control.measures import resemblance
from e2c_control.models.embedding import Embedding, EmbeddingConfig

SHAPE = (6, 5, 2)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, *SHAPE), dtype=np.uint8)


@pytest.fixture
def embedding(images: np.ndarray) -> Embedding:
    made = Embedding(EmbeddingConfig(2), SHAPE, 1, torch.Generator().manual_seed(0))
    pixels = torch.from_numpy(images).float() / 255
    made.fit_pixels(pixels.mean(0), pixels.std(0, correction=0))
    return made


def test_the_goal_itself_is_all_like_it(embedding: Embedding, images: np.ndarray) -> None:
    assert resemblance(embedding, images, images) == pytest.approx(np.ones(40))


def test_the_scale_is_the_mean_distance_of_training_images(embedding: Embedding, images: np.ndarray) -> None:
    goal = images[:1]
    flat = images.reshape(40, -1) / 255.0
    distance = ((flat - flat[0]) ** 2).sum(1)
    expected = np.maximum(1 - distance / distance.mean(), 0)
    assert resemblance(embedding, images, np.repeat(goal, 40, axis=0)) == pytest.approx(expected, abs=1e-4)


def test_halfway_is_three_quarters_of_the_way(embedding: Embedding) -> None:
    """Squared distances: half the contrast of a difference is a quarter of it."""
    low, high = np.zeros((1, *SHAPE), np.uint8), np.full((1, *SHAPE), 100, np.uint8)
    half = np.full((1, *SHAPE), 50, np.uint8)
    mean, deviation = embedding.pixels.statistics
    scale = float(((100 / 255 - mean) ** 2 + deviation**2).sum())
    far, near = (1 - resemblance(embedding, seen, high)[0] for seen in (low, half))
    assert near == pytest.approx((50 / 255) ** 2 * np.prod(SHAPE) / scale, rel=1e-3)
    assert far == pytest.approx(min(4 * near, 1.0), rel=1e-3)
