"""The embedding: an encoder, a decoder and a locally linear transition over one latent space."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from e2c_control.errors import InputError, of_class
from e2c_control.fields import Count, CountOrZero, Several, check
from e2c_control.models.gaussian import DiagonalGaussian
from e2c_control.models.heads import Head
from e2c_control.models.local_linear import LocallyLinear
from e2c_control.models.matrix_network import LocallyLinearTransition, MatrixForm
from e2c_control.models.networks import (
    DECODERS,
    NETWORKS,
    BackwardEncoder,
    Decoder,
    Encoder,
    JoinedEncoder,
    MLPEncoder,
)
from e2c_control.models.nonlinear import NonlinearTransition
from e2c_control.models.pixels import Standardise, StandardiseVectors, unit_pixels
from e2c_control.models.reachability import Passage, Reachability
from e2c_control.models.transition import Transition
from e2c_control.registry import Registry

HeadName = Literal["reward", "termination"]
"""What a `Head` of an embedding may tell of a step: what it pays, and the log odds that it ends the episode."""
Part = Literal["encoder", "decoder", "transition", "ensemble", "backward_encoder", "reachability", "passage", HeadName]
"""Parts of an embedding; a training phase names those that it trains."""


@dataclass(frozen=True)
class EmbeddingConfig:
    """Sizes and kinds of an embedding's networks.

    Attributes:
        latent_dim: k; 2 for a position in the plane, 3 or more for anything that turns.
        network: kind of encoder: mlp, conv, "my_package:MyEncoder", or a class derived from `Encoder`, of
            which the name is kept.
        decoder: kind of decoder: mlp, sine, conv, "my_package:MyDecoder", or a class derived from `Decoder`; None for
            the encoder's own.
        encoder_hidden: widths of the encoder's fully connected layers.
        decoder_hidden: widths of the decoder's fully connected layers.
        transition_hidden: widths of the transition's hidden layers.
        matrix_form: form of A, see `LocallyLinearTransition`; "nonlinear" for a `NonlinearTransition`, whose A and B
            are its exact Jacobian; or, likewise, a transition of your own, see `TRANSITIONS`.
        rank: columns of V and R for the form "low_rank".
        process_noise: whether the transition learns a diagonal process noise H.
        pool: side of the blocks of pixels whose mean encoders of fully connected layers see, or (rows, columns) of
            oblong ones; 1 keeps every pixel.
        ensemble: number of further transitions, whose disagreement estimates the model's uncertainty.
        backward_encoder: whether there is a network for q(z | z', u, x), which some objectives learn through.
        reachability: dimensions of the embedding whose distances tell how many steps apart two images are, see
            `Reachability`; 0 has none.
        heads: what is read off a latent and an action besides: reward, termination.
        vectors: whether vectors are seen beside images, where a dataset has both. Vectors alone always are.
    """

    latent_dim: Count = 2
    network: str | type[Encoder] = "mlp"
    encoder_hidden: tuple[Count, ...] = (300, 300)
    decoder_hidden: tuple[Count, ...] = (200, 200)
    transition_hidden: Several[Count] = (100, 100)
    matrix_form: str | Callable[[EmbeddingConfig, int], Transition] = "full"
    rank: Count = 2
    process_noise: bool = False
    pool: Count | tuple[Count, Count] = 1
    ensemble: CountOrZero = 0
    backward_encoder: bool = False
    decoder: str | type[Decoder] | None = None
    reachability: CountOrZero = 0
    heads: tuple[HeadName, ...] = ()
    vectors: bool = False

    def __post_init__(self) -> None:
        check(self)
        object.__setattr__(self, "network", NETWORKS.name_of(self.network))
        if self.decoder is not None:
            object.__setattr__(self, "decoder", DECODERS.name_of(self.decoder))
        object.__setattr__(self, "matrix_form", TRANSITIONS.name_of(self.matrix_form))


def _locally_linear(form: MatrixForm, config: EmbeddingConfig, action_dim: int) -> Transition:
    k, hidden = config.latent_dim, config.transition_hidden
    return LocallyLinearTransition(k, action_dim, hidden, form, config.rank, config.process_noise)


def _nonlinear(config: EmbeddingConfig, action_dim: int) -> Transition:
    return NonlinearTransition(config.latent_dim, action_dim, config.transition_hidden, config.process_noise)


TRANSITIONS: Registry[Callable[[EmbeddingConfig, int], Transition]] = Registry(
    "form of transition",
    {
        "rank1": partial(_locally_linear, "rank1"),
        "low_rank": partial(_locally_linear, "low_rank"),
        "full": partial(_locally_linear, "full"),
        "global": partial(_locally_linear, "global"),
        "nonlinear": _nonlinear,
    },
)
"""Classes and functions that make a transition from a config and m."""


Observed = Tensor | Mapping[str, Tensor]
"""Images (..., H, W, C) uint8, vectors (..., d) of floats, or both, by the names "image" and "vector"."""


class Embedding(nn.Module):
    """Encoder, decoder and latent dynamics of images, of vectors, or of both together.

    Args:
        config: sizes and kinds of the networks.
        observation_shape: (H, W, C) of a stacked observation; (0, 0, 0) where there is no image.
        action_dim: m.
        generator: draws the initial weights.
        vector_dim: d, numbers of a stacked vector observation; 0 where there is none.
    """

    def __init__(
        self,
        config: EmbeddingConfig,
        observation_shape: tuple[int, int, int],
        action_dim: int,
        generator: torch.Generator,
        vector_dim: int = 0,
    ) -> None:
        super().__init__()
        self.config = of_class("config", config, EmbeddingConfig)
        self.observation_shape, self.action_dim, self.vector_dim = observation_shape, action_dim, vector_dim
        k = config.latent_dim
        # torch's initialisers read the global generator: lend it our state and give the caller's back afterwards.
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(generator.get_state())
            kind, images = NETWORKS.find(config.network), math.prod(observation_shape) > 0
            if not images and config.network != "mlp":
                raise InputError(f"The network {config.network!r} sees images, and there are none: take 'mlp'.")
            self.pixels = Standardise(observation_shape, config.pool if kind.pooled and images else 1)
            seen = self.pixels.view_shape
            if vector_dim:  # an image and a vector lie flat, one after the other
                seen = (1, 1, math.prod(seen) + vector_dim)
            self.view_shape = seen
            if vector_dim and images and kind is not MLPEncoder:
                image = self.pixels.view_shape
                self.encoder = JoinedEncoder(kind(image, k, config.encoder_hidden), image, vector_dim, k)
            else:
                self.encoder = kind(seen, k, config.encoder_hidden)
            decoder = kind.decoder if config.decoder is None else DECODERS.find(config.decoder)
            self.decoder = decoder(observation_shape, k, config.decoder_hidden) if images else None
            self.vectors = StandardiseVectors(vector_dim) if vector_dim else None
            self.transition = _transition(config, action_dim)
            self.ensemble = nn.ModuleList(_transition(config, action_dim) for _ in range(config.ensemble))
            back = BackwardEncoder(seen, k, action_dim) if config.backward_encoder else None
            self.backward_encoder = back
            self.reachability = self.passage = None
            if config.reachability:
                with torch.no_grad():
                    features = self.encoder.features(torch.zeros(1, *seen)).shape[-1]
                self.reachability = Reachability(features, config.reachability, k)
                self.passage = Passage(config.reachability, action_dim)
            self.reward, self.termination = (
                Head(k, action_dim) if name in config.heads else None for name in get_args(HeadName)
            )
            generator.set_state(torch.get_rng_state())

    def fit_pixels(self, mean: Tensor, deviation: Tensor) -> None:
        """Take the training set's pixel statistics, each (H, W, C) in [0, 1]."""
        self.pixels.fit(mean, deviation)
        if self.decoder is not None:
            self.decoder.start_at(mean)

    def encode(self, observations: Observed) -> DiagonalGaussian:
        """Return q(z | x) of observations."""
        return self.encode_views(self._views(observations))

    def place(self, observations: Observed) -> Tensor:
        """Return the places (..., d) of observations, see `Reachability`."""
        return self.place_features(self.features(self._views(observations)))

    def _views(self, observations: Observed) -> Tensor:
        images, vectors = self._parted(observations)
        if images is not None and tuple(images.shape[-3:]) != self.observation_shape:
            raise InputError(
                f"The embedding reads observations of shape {self.observation_shape}, not {tuple(images.shape[-3:])}: "
                "make the environment with the frame stack and size of its training."
            )
        if images is not None and images.dtype != torch.uint8:
            raise InputError(f"The embedding reads observations of torch.uint8, not {images.dtype}: do not scale them.")
        if vectors is not None and vectors.shape[-1] != self.vector_dim:
            raise InputError(
                f"The embedding reads vectors of {self.vector_dim} numbers, not {vectors.shape[-1]}: make the "
                "environment with the frame stack of its training."
            )
        dtype = self.pixels.scale.dtype
        seen = None if images is None else self.pixels(unit_pixels(images, dtype))
        return self.joined(seen, None if vectors is None or self.vectors is None else self.vectors(vectors.to(dtype)))

    def _parted(self, observations: Observed) -> tuple[Tensor | None, Tensor | None]:
        """Return the images and the vectors of observations, each where the embedding sees any."""
        images, vectors = 0 not in self.observation_shape, self.vector_dim > 0
        if isinstance(observations, Tensor):
            if images and vectors:
                raise InputError("The embedding reads images and vectors together: give a mapping of image and vector.")
            return (observations, None) if images else (None, observations)
        wanted = [name for name, there in (("image", images), ("vector", vectors)) if there]
        if sorted(observations) != wanted:
            raise InputError(f"The embedding reads {' and '.join(wanted)}, not {', '.join(sorted(observations))}.")
        return observations.get("image"), observations.get("vector")

    def joined(self, images: Tensor | None, vectors: Tensor | None) -> Tensor:
        """Return what the encoder sees, (..., *view_shape), of standardised images and vectors, where there are any."""
        if vectors is None:
            assert images is not None
            return images
        flat = vectors if images is None else torch.cat([images.flatten(-3), vectors], dim=-1)
        return flat[..., None, None, :]

    def encode_views(self, views: Tensor) -> DiagonalGaussian:
        """Return q(z | x) of views (..., *view_shape), what `joined` returns."""
        q = self.encoder(views.reshape(-1, *self.view_shape))
        shape = (*views.shape[:-3], self.config.latent_dim)
        return DiagonalGaussian(q.mean.reshape(shape).to(views.dtype), q.log_var.reshape(shape).to(views.dtype))

    def features(self, views: Tensor) -> Tensor:
        """Return the encoder's features (..., f) of views (..., *view_shape)."""
        return self.encoder.features(views.reshape(-1, *self.view_shape)).reshape(*views.shape[:-3], -1)

    def place_features(self, features: Tensor) -> Tensor:
        """Return the places (..., d) of features (..., f)."""
        if self.reachability is None:
            raise InputError(
                "The embedding knows no reachability: train the recipe 'unfold-roadmap', or set its size above 0."
            )
        return self.reachability(features).float()

    def encode_back(self, next_latents: Tensor, actions: Tensor, views: Tensor) -> DiagonalGaussian:
        """Return q(z | z', u, x) of next latents (..., k), actions (..., m) and views (..., h, w, C)."""
        assert self.backward_encoder is not None
        return self.backward_encoder(next_latents, actions, views)

    def decode(self, latents: Tensor) -> Tensor:
        """Return Bernoulli logits (..., H, W, C) of latents (..., k)."""
        if self.decoder is None:
            raise InputError("The embedding sees vectors alone, and has nothing to draw: leave out terms of pixels.")
        return self.decoder(latents)

    def parts(self) -> dict[str, nn.Module]:
        """Return the networks by the names of `Part`."""
        found = {name: getattr(self, name) for name in get_args(Part)}
        return {name: part for name, part in found.items() if part is not None}

    @property
    def members(self) -> list[Transition]:
        """The transitions of the ensemble, without the one that predicts."""
        return [member for member in self.ensemble if isinstance(member, Transition)]

    def step(self, latents: Tensor, actions: Tensor) -> LocallyLinear:
        """Return the local models A, B, o at latents (..., k) and actions (..., m)."""
        return self.transition(latents, actions)


def _transition(config: EmbeddingConfig, action_dim: int) -> Transition:
    return of_class("The transition", TRANSITIONS.find(config.matrix_form)(config, action_dim), Transition)
