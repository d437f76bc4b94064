"""Encoders and decoders: from standardised images to a diagonal Gaussian over latents, and back to pixel logits."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from e2c_control.models.gaussian import DiagonalGaussian
from e2c_control.models.layers import last_linear, mlp
from e2c_control.registry import Registry

LOG_VAR_RANGE = (-10.0, 10.0)
"""Encoded log variances are clamped to this range: outside it, a single batch can ruin a run in float32."""


def _gaussian(parameters: Tensor) -> DiagonalGaussian:
    mean, log_var = parameters.chunk(2, dim=-1)
    return DiagonalGaussian(mean, log_var.clamp(*LOG_VAR_RANGE))


class Decoder(nn.Module, ABC):
    """Map latents to the Bernoulli logits of every pixel; made by ``kind(observation_shape, latent_dim, hidden)``."""

    @abstractmethod
    def start_at(self, mean_image: Tensor) -> None:
        """Initialise the decoder so that it decodes to the mean image (H, W, C), in [0, 1]."""

    @abstractmethod
    def forward(self, latents: Tensor) -> Tensor:
        """Return logits (..., H, W, C) of latents (..., k)."""


class MLPDecoder(Decoder):
    """Latents through hidden layers of the given widths.

    The last bias starts at the logits of the mean image, so that training begins with the background explained.
    """

    def __init__(self, observation_shape: tuple[int, int, int], latent_dim: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.observation_shape = observation_shape
        height, width, channels = observation_shape
        self.net = mlp(latent_dim, (*hidden, height * width * channels), nn.ReLU)

    def start_at(self, mean_image: Tensor) -> None:
        """Initialise the decoder so that every latent decodes to about the mean image (H, W, C), in [0, 1]."""
        last = last_linear(self.net)
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias.copy_(torch.logit(mean_image.flatten(), eps=1e-3))

    def forward(self, latents: Tensor) -> Tensor:
        """Return logits (..., H, W, C) of latents (..., k)."""
        return self.net(latents).unflatten(-1, self.observation_shape)


class Sine(nn.Module):
    """sin(x), as an activation."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return sines of the same shape."""
        return inputs.sin()


class SineDecoder(MLPDecoder):
    """An `MLPDecoder` whose first layer is sines of the latents, for pictures in which something small moves.

    Fully connected ReLU layers of two or three inputs learn smooth images first, and would need many times the steps
    to draw a square of three pixels that may be anywhere (Tancik et al. 2020, "Fourier features let networks learn
    high frequency functions in low dimensional domains"). Frequencies and phases are learnt. They start random: over
    a map whose latents have a deviation of `LATENT_DEVIATION`, as contrastive maps do, the arguments of the sines vary
    by about `SPREAD` radians.
    """

    SPREAD = 4.5
    LATENT_DEVIATION = 3.0

    def __init__(self, observation_shape: tuple[int, int, int], latent_dim: int, hidden: tuple[int, ...]) -> None:
        super().__init__(observation_shape, latent_dim, hidden)
        if hidden:
            first = self.net[0]
            assert isinstance(first, nn.Linear)
            # torch draws both uniformly from -1/sqrt(k) to 1/sqrt(k), with a deviation of 1/sqrt(3 k).
            with torch.no_grad():
                first.weight.mul_(math.sqrt(3) * self.SPREAD / self.LATENT_DEVIATION)
                first.bias.mul_(math.pi * math.sqrt(latent_dim))
            self.net[1] = Sine()


class ConvDecoder(Decoder):
    """A hidden layer, then nearest-neighbour upsampling and 5x5 convolutions, mirroring `ConvEncoder`."""

    def __init__(
        self,
        observation_shape: tuple[int, int, int],
        latent_dim: int,
        hidden: tuple[int, ...],
        channels: tuple[int, ...] = (32, 32, 16),
    ) -> None:
        super().__init__()
        height, width, out = observation_shape
        steps = len(channels)
        self._grid = (channels[0], -(-height // 2**steps), -(-width // 2**steps))
        self._size = (height, width)
        cells = self._grid[0] * self._grid[1] * self._grid[2]
        self.net = mlp(latent_dim, (*hidden, cells), nn.ReLU, final=True)
        layers: list[nn.Module] = []
        for inputs, outputs in zip(channels, (*channels[1:], out), strict=True):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 5, padding=2), nn.ReLU()]
        self.conv = nn.Sequential(*layers[:-1])
        self.bias = nn.Parameter(torch.zeros(observation_shape))

    def start_at(self, mean_image: Tensor) -> None:
        """Set the bias of every pixel to the logit of the mean image (H, W, C), in [0, 1]."""
        with torch.no_grad():
            self.bias.copy_(torch.logit(mean_image, eps=1e-3))

    def forward(self, latents: Tensor) -> Tensor:
        """Return logits (..., H, W, C) of latents (..., k)."""
        grid = self.net(latents.reshape(-1, latents.shape[-1])).unflatten(-1, self._grid)
        images = self.conv(grid)[..., : self._size[0], : self._size[1]].movedim(-3, -1)
        return images.reshape(*latents.shape[:-1], *images.shape[1:]) + self.bias


class Encoder(nn.Module, ABC):
    """Map views of images to Gaussians over latents; made by ``kind(view_shape, latent_dim, hidden)``.

    One of your own is given as ``EmbeddingConfig(network="my_package:MyEncoder")``, or as the class.
    """

    decoder: ClassVar[type[Decoder]] = MLPDecoder
    """Decoder of an embedding with this encoder."""
    pooled: ClassVar[bool] = True
    """Whether it sees the means of blocks of `EmbeddingConfig.pool` pixels, and not every pixel."""

    @abstractmethod
    def forward(self, views: Tensor) -> DiagonalGaussian:
        """Return the Gaussians (N, k) of views (N, h, w, C)."""

    def features(self, views: Tensor) -> Tensor:
        """Return what is known of views (N, h, w, C) before it is reduced to a latent, (N, f); the mean by default."""
        return self(views).mean


class MLPEncoder(Encoder):
    """Flattened pixels through hidden layers of the given widths.

    Args:
        view_shape: (h, w, C) of its input.
        latent_dim: k.
        hidden: widths of the hidden layers.
    """

    def __init__(self, view_shape: tuple[int, int, int], latent_dim: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.net = mlp(math.prod(view_shape), (*hidden, 2 * latent_dim), nn.ReLU)

    def forward(self, views: Tensor) -> DiagonalGaussian:
        """Return the Gaussians (N, k) of views (N, h, w, C)."""
        return _gaussian(self.net(views.flatten(1)))

    def features(self, views: Tensor) -> Tensor:
        """Return the last hidden layer (N, f) of views (N, h, w, C)."""
        return self.net[:-1](views.flatten(1))


class ConvEncoder(Encoder):
    """Four 5x5 convolutions of stride 2 and one hidden layer of the first width of `hidden`.

    Args:
        view_shape: (h, w, C) of its input.
        latent_dim: k.
        hidden: widths of the fully connected layers behind the convolutions.
        channels: feature maps of each convolution.
    """

    decoder = ConvDecoder
    pooled = False

    def __init__(
        self,
        view_shape: tuple[int, int, int],
        latent_dim: int,
        hidden: tuple[int, ...],
        channels: tuple[int, ...] = (16, 32, 32, 32),
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = view_shape[2]
        for width in channels:
            layers += [nn.Conv2d(inputs, width, 5, stride=2, padding=2), nn.ReLU()]
            inputs = width
        self.conv = nn.Sequential(*layers)
        height, width = (-(-side // 2 ** len(channels)) for side in view_shape[:2])
        self.net = mlp(height * width * inputs, (*hidden, 2 * latent_dim), nn.ReLU)

    def forward(self, views: Tensor) -> DiagonalGaussian:
        """Return the Gaussians (N, k) of views (N, h, w, C)."""
        return _gaussian(self.net(self.conv(views.movedim(-1, -3)).flatten(1)))

    def features(self, views: Tensor) -> Tensor:
        """Return the last hidden layer (N, f) of views (N, h, w, C)."""
        return self.net[:-1](self.conv(views.movedim(-1, -3)).flatten(1))


class JoinedEncoder(Encoder):
    """An encoder of images of another kind, whose features are joined by a vector: for views that hold both, flat.

    Args:
        images: sees the image, the first numbers of a view.
        view_shape: (h, w, C) of the image.
        vector: numbers of the vector, the last ones.
        latent_dim: k.
        hidden: width of the layer that sees both.
    """

    def __init__(
        self, images: Encoder, view_shape: tuple[int, int, int], vector: int, latent_dim: int, hidden: int = 128
    ) -> None:
        super().__init__()
        self.images, self._shape, self._pixels = images, view_shape, math.prod(view_shape)
        with torch.no_grad():
            seen = images.features(torch.zeros(1, *view_shape)).shape[-1]
        self.net = mlp(seen + vector, (hidden, 2 * latent_dim), nn.ReLU)

    def forward(self, views: Tensor) -> DiagonalGaussian:
        """Return the Gaussians (N, k) of views (N, 1, 1, D)."""
        return _gaussian(self.net(self._joined(views)))

    def features(self, views: Tensor) -> Tensor:
        """Return the layer that sees both, (N, f), of views (N, 1, 1, D)."""
        return self.net[:-1](self._joined(views))

    def _joined(self, views: Tensor) -> Tensor:
        flat = views.flatten(1)
        pixels, vector = flat[:, : self._pixels], flat[:, self._pixels :]
        return torch.cat([self.images.features(pixels.reshape(-1, *self._shape)), vector], dim=-1)


class BackwardEncoder(nn.Module):
    """q(z | z', u, x): the latent of image x from which action u led to latent z' (Levine et al. 2020).

    Args:
        view_shape: (h, w, C) of its input.
        latent_dim: k.
        action_dim: m.
        hidden: width of the two layers, the first of which sees the image alone.
    """

    def __init__(self, view_shape: tuple[int, int, int], latent_dim: int, action_dim: int, hidden: int = 100) -> None:
        super().__init__()
        self.look = mlp(math.prod(view_shape), (hidden,), nn.ReLU, final=True)
        self.join = mlp(hidden + latent_dim + action_dim, (hidden, 2 * latent_dim), nn.ReLU)

    def forward(self, next_latents: Tensor, actions: Tensor, views: Tensor) -> DiagonalGaussian:
        """Return the Gaussians (..., k) of next latents (..., k), actions (..., m) and views (..., h, w, C)."""
        joined = torch.cat([self.look(views.flatten(-3)), next_latents, actions], dim=-1)
        return _gaussian(self.join(joined))


NETWORKS: Registry[type[Encoder]] = Registry("network", {"mlp": MLPEncoder, "conv": ConvEncoder}, Encoder)

DECODERS: Registry[type[Decoder]] = Registry(
    "decoder", {"mlp": MLPDecoder, "sine": SineDecoder, "conv": ConvDecoder}, Decoder
)
