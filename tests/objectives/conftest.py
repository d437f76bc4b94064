from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.objectives.unrolled import Noise, Unrolled


@pytest.fixture
def unroll() -> Callable[..., Unrolled]:
    """Unroll random images through a tiny embedding."""

    def make(
        steps: int = 3,
        stack: int = 1,
        count: int = 6,
        latent_noise: Any = "shared",
        embedding: Embedding | None = None,
        seed: int = 0,
        **options: Any,
    ) -> Unrolled:
        if embedding is None:
            sizes = dict.fromkeys(("encoder_hidden", "decoder_hidden", "transition_hidden"), (8,))
            parts: dict[str, object] = {
                "ensemble": 2,
                "backward_encoder": True,
                "process_noise": True,
                "reachability": 3,
            }
            parts["heads"] = ("reward", "termination")
            config = EmbeddingConfig(2, **(sizes | parts | options))
            embedding = Embedding(config, (6, 5, stack), 2, torch.Generator().manual_seed(0))
        rng = np.random.default_rng(0)
        frames = torch.from_numpy(rng.integers(0, 256, (count, stack + steps, 6, 5, 1), np.uint8))
        actions = torch.from_numpy(rng.uniform(-1, 1, (count, steps, 2)).astype(np.float32))
        noise = Noise(torch.Generator().manual_seed(seed))
        rewards, ends = (torch.from_numpy(rng.integers(0, 2, (count, steps)).astype(np.float32)) for _ in range(2))
        return Unrolled(embedding, frames, actions, noise, latent_noise, rewards=rewards, terminations=ends)

    return make
