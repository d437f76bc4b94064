"""What a policy sees of images: every pixel in units of how much it varies.

In a still scene all that tells states apart may be a few pixels that move. Convolutions that are fed plain brightness
answer to the scene, which is always the same, and PPO learns too little of the rest in the steps that curiosity has
(`experiments/agents/walls.py`).
"""

from __future__ import annotations

from math import prod

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, NatureCNN
from torch import Tensor, nn

from e2c_control.agents.novelty import NoveltyReward
from e2c_control.agents.novelty.novelty import WHITENED_LIMIT
from e2c_control.agents.novelty.scaling import deviation

STILL = 1e-4
"""Least deviation of a pixel, in grey levels: less is the rounding of float32, in which policies see."""


class WhitenedImages(BaseFeaturesExtractor):
    """stable-baselines3's convolutions, or none, behind images (N, C, H, W) that are whitened pixel by pixel.

    Args:
        observation_space: of images.
        features_dim: of the convolutions; without them features are the pixels.
        convolutions: whether there are any.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, observation_space: spaces.Box, features_dim: int = 512, convolutions: bool = True) -> None:
        super().__init__(observation_space, features_dim if convolutions else prod(observation_space.shape))
        self.net: nn.Module = NatureCNN(observation_space, features_dim) if convolutions else nn.Flatten()
        self.register_buffer("mean", torch.zeros(observation_space.shape))
        self.register_buffer("scale", torch.ones(observation_space.shape))

    def forward(self, observations: Tensor) -> Tensor:
        whitened = (observations - self.mean) * self.scale
        return self.net(whitened.clamp(-WHITENED_LIMIT, WHITENED_LIMIT))

    def whiten(self, mean: Tensor, scale: Tensor) -> None:
        """Take off this mean and multiply by this scale from now on, both (C, H, W)."""
        self.mean.copy_(mean)
        self.scale.copy_(scale)


class SightCallback(BaseCallback):
    """Gives the policy's `WhitenedImages` the statistics that the novelty model has, before every rollout.

    They stay the same within it: actions are weighed by what the policy saw when it chose them. Before anything was
    seen, images are as they are.
    """

    def __init__(self, reward: NoveltyReward) -> None:
        super().__init__()
        self.reward = reward

    def _on_rollout_start(self) -> None:
        moments, policy = self.reward.novelty.moments, self.model.policy
        if moments.count < 1:
            return
        unit = 255.0 if policy.normalize_images else 1.0
        varies = np.maximum(deviation(moments), STILL)
        statistics = (np.asarray(moments.mean) / unit, unit / varies)
        mean, scale = (torch.from_numpy(np.moveaxis(values, -1, 0)) for values in statistics)
        for part in policy.modules():
            if isinstance(part, WhitenedImages):
                part.whiten(mean, scale)

    def _on_step(self) -> bool:
        return True
