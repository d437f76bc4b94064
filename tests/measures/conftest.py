"""A world whose frames show its state exactly, and embeddings of it with a known map."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from e2c_control.data import DatasetCard, Transitions, TransitionsWriter
from e2c_control.models.embedding import Embedding, EmbeddingConfig

SIDE = 16
A = np.array([[0.9, 0.1], [-0.1, 0.9]])
B = np.array([[0.1, 0.02], [0.0, 0.08]])


def draw(states: np.ndarray) -> np.ndarray:
    """States (N, 2) in [0, 1] to frames (N, 16, 16, 1): a blob at the state, so that near states look alike."""
    grid = np.linspace(0, 1, SIDE)
    ramps = [np.exp(-((grid - states[:, i : i + 1]) ** 2) / 0.02) for i in range(2)]
    return np.rint(255 * ramps[0][:, :, None] * ramps[1][:, None, :]).astype(np.uint8)[..., None]


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., Transitions]:
    """Make episodes of the linear system A, B, whose states wander over the unit square."""

    def make(episodes: int = 60, length: int = 10, states: bool = True, stack: int = 1) -> Transitions:
        rng = np.random.default_rng(0)
        path = [rng.uniform(0, 1, (episodes, 2))]
        actions = rng.uniform(-1, 1, (episodes, length + 1, 2)).astype(np.float32)
        for t in range(length):
            path.append(0.5 + (path[-1] - 0.5) @ A.T + actions[:, t] @ B.T)
        visited = np.stack(path, axis=1)
        card = DatasetCard("Test-v0", {}, (SIDE, SIDE, 1), 2, 2 if states else None, frame_stack=stack)
        frames = draw(visited.reshape(-1, 2)).reshape(episodes, length + 1, SIDE, SIDE, 1)
        with TransitionsWriter.create(tmp_path / "world", card, overwrite=True) as writer:
            writer.append(frames, actions, visited if states else None)
        return Transitions.open(tmp_path / "world")

    return make


class KnownMap(torch.nn.Module):
    """Encodes a frame to a function of the state that it shows, read from the frame itself."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor], states: torch.Tensor) -> None:
        super().__init__()
        self.function, self.states = function, states
        self.frames = torch.from_numpy(draw(states.numpy())).flatten(1).float()

    def forward(self, images: torch.Tensor):
        from e2c_control.models.gaussian import DiagonalGaussian

        rows = torch.cdist(images.flatten(1) * 255.0, self.frames).argmin(1)
        mean = self.function(self.states[rows]).float()
        return DiagonalGaussian(mean, torch.zeros_like(mean))


@pytest.fixture
def embedding_of() -> Callable[..., Embedding]:
    """Make an embedding whose encoder is a given function of the state and whose step is the true one."""

    def make(transitions: Transitions, states: np.ndarray, function: Callable[[torch.Tensor], torch.Tensor]):
        embedding = Embedding(EmbeddingConfig(2), (SIDE, SIDE, 1), 2, torch.Generator().manual_seed(0))
        embedding.encoder = KnownMap(function, torch.from_numpy(states))  # type: ignore[assignment]
        with torch.no_grad():
            embedding.transition.head.weight.zero_()
            constant = np.concatenate([(A - np.eye(2)).ravel(), B.ravel(), 0.5 - A @ [0.5, 0.5]])
            embedding.transition.head.bias.copy_(torch.from_numpy(constant))
        return embedding

    return make
