"""The embedding: an encoder, a decoder and a locally linear transition over one latent space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from e2c_control.errors import InputError, of_class
from e2c_control.fields import Count, CountOrZero, Several, check
from e2c_control.models.gaussian import DiagonalGaussian
from e2c_control.models.local_linear import LocallyLinear
from e2c_control.models.matrix_network import LocallyLinearTransition, MatrixForm
from e2c_control.models.networks import DECODERS, NETWORKS, BackwardEncoder, Decoder, Encoder
from e2c_control.models.nonlinear import NonlinearTransition
from e2c_control.models.pixels import Standardise, unit_pixels
from e2c_control.models.reachability import Passage, Reachability
from e2c_control.models.transition import Transition
from e2c_control.registry import Registry

Part = Literal["encoder", "decoder", "transition", "ensemble", "backward_encoder", "reachability", "passage"]
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


class Embedding(nn.Module):
    """Encoder, decoder and latent dynamics of images.

    Args:
        config: sizes and kinds of the networks.
        observation_shape: (H, W, C) of a stacked observation.
        action_dim: m.
        generator: draws the initial weights.
    """

    def __init__(
        self,
        config: EmbeddingConfig,
        observation_shape: tuple[int, int, int],
        action_dim: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.config = of_class("config", config, EmbeddingConfig)
        self.observation_shape, self.action_dim = observation_shape, action_dim
        k = config.latent_dim
        # torch's initialisers read the global generator: lend it our state and give the caller's back afterwards.
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(generator.get_state())
            kind = NETWORKS.find(config.network)
            self.pixels = Standardise(observation_shape, config.pool if kind.pooled else 1)
            seen = self.pixels.view_shape
            self.encoder = kind(seen, k, config.encoder_hidden)
            decoder = kind.decoder if config.decoder is None else DECODERS.find(config.decoder)
            self.decoder = decoder(observation_shape, k, config.decoder_hidden)
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
            generator.set_state(torch.get_rng_state())

    def fit_pixels(self, mean: Tensor, deviation: Tensor) -> None:
        """Take the training set's pixel statistics, each (H, W, C) in [0, 1]."""
        self.pixels.fit(mean, deviation)
        self.decoder.start_at(mean)

    def encode(self, observations: Tensor) -> DiagonalGaussian:
        """Return q(z | x) of uint8 observations (..., H, W, C)."""
        return self.encode_views(self._views(observations))

    def place(self, observations: Tensor) -> Tensor:
        """Return the places (..., d) of uint8 observations (..., H, W, C), see `Reachability`."""
        return self.place_features(self.features(self._views(observations)))

    def _views(self, observations: Tensor) -> Tensor:
        if tuple(observations.shape[-3:]) != self.observation_shape:
            raise InputError(
                f"The embedding reads observations of shape {self.observation_shape}, not "
                f"{tuple(observations.shape[-3:])}: make the environment with the frame stack and size of its training."
            )
        if observations.dtype != torch.uint8:
            raise InputError(
                f"The embedding reads observations of torch.uint8, not {observations.dtype}: do not scale them."
            )
        return self.pixels(unit_pixels(observations, self.pixels.scale.dtype))

    def encode_views(self, views: Tensor) -> DiagonalGaussian:
        """Return q(z | x) of views (..., h, w, C), the standardised pixels that `pixels` returns."""
        q = self.encoder(views.reshape(-1, *self.pixels.view_shape))
        shape = (*views.shape[:-3], self.config.latent_dim)
        return DiagonalGaussian(q.mean.reshape(shape).to(views.dtype), q.log_var.reshape(shape).to(views.dtype))

    def features(self, views: Tensor) -> Tensor:
        """Return the encoder's features (..., f) of views (..., h, w, C)."""
        return self.encoder.features(views.reshape(-1, *self.pixels.view_shape)).reshape(*views.shape[:-3], -1)

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
