"""A batch encoded and rolled forward, as the terms of an objective see it.

Every quantity is a cached property: it is computed when the first term asks for it and shared by the others, so that an
objective pays only for what its terms use. Time is the first axis and the window the second everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from e2c_control.models.bernoulli import bernoulli_nats
from e2c_control.models.embedding import Embedding
from e2c_control.models.gaussian import DiagonalGaussian, affine_image, cholesky
from e2c_control.models.local_linear import LocallyLinear
from e2c_control.models.pixels import unit_pixels
from e2c_control.models.transition import Transition

LatentNoise = Literal["shared", "independent"]


Gather = Callable[[Tensor, int], Tensor]
"""Map this process's slice of a tensor, and the axis of its windows, to the tensor of the global batch."""


class Noise:
    """Draw standard normal noise for a batch, on the device of a passed generator.

    Args:
        generator: of the same state in every process that shares a batch.
        rank, world_size: this process's place: it gets the rank-th slice of the noise of the global batch.
    """

    def __init__(self, generator: torch.Generator, rank: int = 0, world_size: int = 1) -> None:
        self._generator, self._rank, self._world_size = generator, rank, world_size

    def normal(self, *shape: int) -> Tensor:
        """Return noise (..., N, d) for the N windows of this process."""
        # Every process draws the noise of the global batch and keeps its slice, so that the generators stay in step and
        # the noise of a window does not depend on how many processes share the batch.
        *times, windows, size = shape
        whole = (*times, windows * self._world_size, size)
        noise = torch.randn(whole, generator=self._generator, device=self._generator.device)
        return noise.chunk(self._world_size, -2)[self._rank]


def alone(values: Tensor, dim: int) -> Tensor:
    """Return the values: `Gather` for a single process."""
    return values


class Unrolled:
    """A batch of K-step windows seen through an embedding. Time is the first axis of everything it returns.

    Args:
        embedding: the model.
        frames: (N, stack + K, H, W, C) uint8, single frames.
        actions: (N, K, m).
        noise: source of every random number of this batch.
        latent_noise: how the next latent is sampled. "shared": z' is the affine image of the very sample z. The next
            state is a deterministic function of this one, and z' inherits the randomness of z. "independent": z' is
            drawn anew from the same Gaussian, which adds gradient noise and decouples z' from z; kept for comparison.
        gather: collects the windows of all processes, for terms that compare windows with each other.
        rewards, terminations: (N, K) of the steps, where the dataset has them.
        vectors: (N, stack + K, v), those of single frames, where it has them.
    """

    def __init__(
        self,
        embedding: Embedding,
        frames: Tensor,
        actions: Tensor,
        noise: Noise,
        latent_noise: LatentNoise = "shared",
        gather: Gather = alone,
        rewards: Tensor | None = None,
        terminations: Tensor | None = None,
        vectors: Tensor | None = None,
    ) -> None:
        self.embedding, self.noise, self.latent_noise, self.gather = embedding, noise, latent_noise, gather
        self.actions = actions.transpose(0, 1)
        self.rewards, self.terminations, self._vectors = (
            None if told is None else told.transpose(0, 1) for told in (rewards, terminations, vectors)
        )
        self.steps = len(self.actions)
        self._frames = frames

    @cached_property
    def _unit_frames(self) -> Tensor:
        return unit_pixels(self._frames.transpose(0, 1))

    @cached_property
    def pixels(self) -> Tensor:
        """Return the stacked observations in [0, 1], (K + 1, N, H, W, stack * C)."""
        return self._stacked(self._unit_frames)

    @cached_property
    def views(self) -> Tensor:
        """Return the encoder's input, standardised and pooled, (K + 1, N, h, w, stack * C)."""
        # Consecutive stacks share frames: preprocess each frame once, then stack.
        embedding, vectors = self.embedding, self._vectors
        if embedding.vectors is None or vectors is None:
            return self._stacked(embedding.pixels(self._unit_frames))
        images = self._stacked(embedding.pixels(self._unit_frames)) if embedding.decoder is not None else None
        return embedding.joined(images, self._stacked(embedding.vectors(vectors)))

    def _stacked(self, frames: Tensor) -> Tensor:
        stack = len(frames) - self.steps
        return frames if stack == 1 else torch.cat([frames[i : i + self.steps + 1] for i in range(stack)], dim=-1)

    @cached_property
    def posterior(self) -> DiagonalGaussian:
        """Return q(z_t | x_t) for t = 0..K, batch shape (K + 1, N)."""
        return self.embedding.encode_views(self.views)

    @cached_property
    def features(self) -> Tensor:
        """Return the encoder's features of x_t for t = 0..K, (K + 1, N, f)."""
        return self.embedding.features(self.views)

    @cached_property
    def places(self) -> Tensor:
        """Return the places of x_t for t = 0..K, (K + 1, N, d), see `Reachability`."""
        return self.embedding.place_features(self.features)

    @cached_property
    def latents(self) -> Tensor:
        """Return samples z_t ~ q(z_t | x_t), (K + 1, N, k)."""
        return self.posterior.sample(self.noise.normal(*self.posterior.mean.shape))

    @cached_property
    def local(self) -> LocallyLinear:
        """Return the local models A, B, o at the samples z_0..z_{K-1}, batch shape (K, N)."""
        return self.embedding.step(self.latents[:-1], self.actions)

    @cached_property
    def predicted(self) -> Tensor:
        """Return samples of z_1..z_K, each predicted one step ahead from the sample before it, (K, N, k)."""
        if self.latent_noise == "shared":
            return self.local.predict(self.latents[:-1], self.actions)
        # Independent noise: N(A mu + B u + o, A Sigma A' + H), sampled anew.
        mean, covariance = affine_image(self.posterior[:-1], self.local, self.actions)
        factor = cholesky(covariance + 1e-6 * torch.eye(mean.shape[-1], device=mean.device))
        return mean + (factor @ self.noise.normal(*mean.shape).unsqueeze(-1)).squeeze(-1)

    @cached_property
    def rolled(self) -> Tensor:
        """Return samples of z_1..z_K, all rolled forward from the sample z_0, (K, N, k)."""
        return self._after(self.predicted[0], self.embedding.transition)

    @cached_property
    def pixel_nats(self) -> Tensor:
        """Return the means of -log p(x_t | z_t), t < K, and of -log p(x_t | predicted z_t), t > 0, (2,) nats."""
        # One call of the decoder for both halves: a batch twice as large costs less than two calls.
        logits = self.embedding.decode(torch.stack([self.latents[:-1], self.predicted]))
        return bernoulli_nats(logits, self.pixels[:-1], self.pixels[1:])

    @cached_property
    def mean_step(self) -> LocallyLinear:
        """Return the local model at the mean of q(z_0 | x_0) and the first actions."""
        return self.embedding.step(self.posterior.mean[0], self.actions[0])

    @cached_property
    def predicted_mean(self) -> Tensor:
        """Return the predicted latents z_1..z_K, rolled forward from the mean of q(z_0 | x_0), (K, N, k)."""
        first = self.mean_step.predict(self.posterior.mean[0], self.actions[0])
        return self._after(first, self.embedding.transition)

    @cached_property
    def before(self) -> Tensor:
        """Return the latents in which the K actions were taken, (2, K, N, k): the means encoded, and those rolled."""
        encoded = self.posterior.mean[:-1]
        return torch.stack([encoded, torch.cat([encoded[:1], self.predicted_mean[:-1]])])

    def roll(self, latents: Tensor, transition: Transition) -> Tensor:
        """Roll latents (N, k) forward by a transition and return the latents 1..K, (K, N, k)."""
        return self._after(transition.predict(latents, self.actions[0]), transition)

    def _after(self, first: Tensor, transition: Transition) -> Tensor:
        path = [first]
        for actions in self.actions[1:]:
            path.append(transition.predict(path[-1], actions))
        return torch.stack(path)


class UnrolledFeatures(Unrolled):
    """A batch of which frames are not given but the encoder's features (N, stack + K, f), for terms `of_features`."""

    @cached_property
    def features(self) -> Tensor:
        return self._frames.transpose(0, 1)[-(self.steps + 1) :]
