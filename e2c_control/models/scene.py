"""A scene and the one thing that moves in it, told apart: where it is, where it can be, and where an action leads it.

What the networks see of the scene are patches around a place. So what they learnt holds in scenes that they never saw,
as far as these are made of the same patches.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from e2c_control.fields import AtOnce, Count, NotNegative, check
from e2c_control.models.layers import mlp

OPEN = -2.0
"""Log odds of visited against random places from which on a place counts as open."""


@dataclass(frozen=True)
class SceneConfig:
    """Sizes of a `Scene`.

    Attributes:
        frame_shape: (H, W, C).
        action_dim: m.
        reach: pixels from the mover's centre to the edge of the patch around it.
        blank: pixels from a pixel to the furthest that tells whether it is background.
        contrast: difference to the background, of 1, from which on a pixel is of the mover.
        hidden: width of the networks of patches.
        channels: of the network of the background.
    """

    frame_shape: tuple[Count, Count, Count]
    action_dim: Count
    reach: AtOnce
    blank: AtOnce
    contrast: NotNegative = 0.05
    hidden: AtOnce = 128
    channels: AtOnce = 16

    def __post_init__(self) -> None:
        check(self)


class Scene(nn.Module):
    """Backgrounds, places, and what a patch of background says of moves from its middle.

    Frames are (N, H, W, C) uint8, backgrounds (N, H, W, C) in [0, 1], places (..., 2): row and column in pixels.
    """

    def __init__(self, config: SceneConfig) -> None:
        super().__init__()
        self.config = config
        colours, hidden = config.frame_shape[2], config.hidden
        side = 2 * config.reach + 1
        layers: list[nn.Module] = []
        inputs = colours + 1
        for dilation in dilations(config.blank):
            layers += [nn.Conv2d(inputs, config.channels, 3, dilation=dilation), nn.SiLU()]
            inputs = config.channels
        self.painter = nn.Sequential(*layers, nn.Conv2d(inputs, colours + 1, 1))
        patch = side * side * (colours + 1)
        self.seen, self.done = nn.Linear(patch, hidden), nn.Linear(config.action_dim, hidden, bias=False)
        self.outcome = nn.Sequential(nn.SiLU(), *mlp(hidden, (hidden, 3), nn.SiLU))
        self.room = mlp(patch, (hidden // 2, hidden // 2, 1), nn.SiLU)
        self.gain = nn.Parameter(torch.eye(2, config.action_dim))
        self.register_buffer("scale", torch.ones(()))
        offsets = torch.arange(-config.reach, config.reach + 1.0)
        self.register_buffer("offsets", torch.cartesian_prod(offsets, offsets), persistent=False)

    @property
    def margin(self) -> int:
        """Pixels around a frame that the network of the background wants."""
        return sum(dilations(self.config.blank))

    def paint(self, framed: Tensor) -> tuple[Tensor, Tensor]:
        """Return backgrounds (N, C, h, w) of what `framed` returned, or of windows of it, and shares (N, 1, h, w).

        The share is how much of a pixel is painted over, for the mover is there.
        """
        gate, fill = self.painter(framed).split((1, self.config.frame_shape[2]), dim=1)
        m, share = self.margin, torch.sigmoid(gate)
        seen = framed[:, :-1, m : framed.shape[2] - m, m : framed.shape[3] - m]
        return seen + share * (fill - seen), share

    def framed(self, frames: Tensor) -> Tensor:
        """Return frames as (N, C + 1, H + 2 margin, W + 2 margin), of which the last channel is 1 within the frame."""
        seen = frames.permute(0, 3, 1, 2).float() / 255
        return nn.functional.pad(torch.cat((seen, torch.ones_like(seen[:, :1])), dim=1), (self.margin,) * 4)

    def backgrounds(self, frames: Tensor, *others: Tensor) -> Tensor:
        """Return the backgrounds of frames, and where the mover is in these, of others of the same scenes, (N, ...)."""
        painted = [self.paint(self.framed(some)) for some in (frames, *others)]
        weights = [1.0 + 1e-3 - share for _, share in painted]
        mixed = sum((w * paint for w, (paint, _) in zip(weights, painted, strict=True)), torch.zeros(()))
        return (mixed / sum(weights, torch.zeros(()))).permute(0, 2, 3, 1)

    def places(self, frames: Tensor, backgrounds: Tensor) -> Tensor:
        """Return the centroids (N, 2) of what differs from the backgrounds, NaN where nothing does.

        All of the difference counts that exceeds the least contrast, summed over colours.
        """
        weights = ((frames.float() / 255 - backgrounds).abs() - self.config.contrast).clamp(min=0).sum(3)
        middles = [torch.arange(side) + 0.5 for side in weights.shape[1:]]
        sums = [weights.sum(3 - axis) @ middles[axis - 1] for axis in (1, 2)]
        return torch.stack(sums, dim=1) / weights.sum((1, 2))[:, None]

    def patches(self, backgrounds: Tensor, places: Tensor) -> Tensor:
        """Return what backgrounds show around places (N, 2) or (N, K, 2): (..., patch), between pixels interpolated.

        Besides the colours, each pixel has a number that is 0 where the picture ends.
        """
        many = places if places.dim() == 3 else places[:, None]
        h, w = backgrounds.shape[1:3]
        whole = torch.cat((backgrounds, torch.ones_like(backgrounds[..., :1])), dim=3)
        flat = nn.functional.pad(whole, (0, 0, 1, 1, 1, 1)).reshape(len(whole), (h + 2) * (w + 2), -1)
        where = many[:, :, None] + self.get_buffer("offsets") + 0.5  # a ring of nothing around; middles are at .5
        first = where.floor()
        rest, total = where - first, torch.zeros(())
        for i in (0, 1):
            for j in (0, 1):
                row, column = (first[..., 0] + i).clamp(0, h + 1), (first[..., 1] + j).clamp(0, w + 1)
                share = (rest[..., 0] if i else 1 - rest[..., 0]) * (rest[..., 1] if j else 1 - rest[..., 1])
                index = (row * (w + 2) + column).long().flatten(1)
                found = flat.gather(1, index[..., None].expand(-1, -1, flat.shape[2]))
                total = total + share[..., None] * found.reshape(*share.shape, -1)
        return total.flatten(2).reshape(*places.shape[:-1], -1)

    def moves(self, patches: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Return log odds (...) that actions (..., m) move from patches (..., patch), and displacements (..., 2)."""
        out = self.outcome(self.seen(patches) + self.done(actions))
        return out[..., 0], actions @ self.gain.T + out[..., 1:]

    def odds(self, patches: Tensor) -> Tensor:
        """Return log odds (...) that places with these patches were visited against drawn at random."""
        return self.room(patches)[..., 0]

    def open_places(self, backgrounds: Tensor) -> Tensor:
        """Return in which pixels (N, H, W) the mover's centre may be: `odds` of all of them, as a convolution."""
        config, first = self.config, self.room[0]
        side, colours = 2 * config.reach + 1, config.frame_shape[2] + 1
        assert isinstance(first, nn.Linear)
        whole = torch.cat((backgrounds, torch.ones_like(backgrounds[..., :1])), dim=3).permute(0, 3, 1, 2)
        kernel = first.weight.reshape(-1, side, side, colours).permute(0, 3, 1, 2)
        hidden = nn.functional.conv2d(whole, kernel, first.bias, padding=config.reach).permute(0, 2, 3, 1)
        return self.room[1:](hidden)[..., 0] > OPEN


def dilations(blank: int) -> list[int]:
    """Return dilations 1, 2, 4, ... of 3 x 3 convolutions that together see so many pixels around, or more."""
    found = [1]
    while sum(found) < blank:
        found.append(2 * found[-1])
    return found
