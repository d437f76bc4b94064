"""Novelty as what an auto-encoder cannot reconstruct.

With a policy that seeks it this is adversarial free energy: the model lowers its surprise, the policy raises it. As a
game of the two it is Schmidhuber's adversarial curiosity (1990; 2020, arXiv 1906.04493).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import ClassVar

import torch
from torch import Tensor

from e2c_control.agents.novelty.model import NoveltyModel
from e2c_control.agents.novelty.networks import check_network
from e2c_control.agents.novelty.windows import Layout, Windows
from e2c_control.autoencoders import AutoEncoderConfig, Loss, make_autoencoder


class ReconstructionError(NoveltyModel):
    """The error of an auto-encoder of windows, always without noise, whatever it is trained with.

    Args:
        layout: of the windows.
        code: numbers of the code; 16, or as many as a smaller window has.
        hidden: widths of the hidden layers of the encoder, and in turn of the decoder.
        network: mlp, or conv for images.
        options: of the auto-encoder, by name.
    """

    method: ClassVar[str]
    preset: ClassVar[Mapping[str, float | str]] = {}

    def __init__(
        self,
        layout: Layout,
        code: int | None = None,
        hidden: Sequence[int] = (128,),
        network: str = "mlp",
        **options: float | str,
    ) -> None:
        super().__init__(layout)
        shape = layout.joint_shape
        check_network(network, shape)
        config = AutoEncoderConfig(
            self.method,
            shape if network == "conv" else (prod(shape),),
            code or min(16, prod(shape)),
            networks="image" if network == "conv" else "vector",
            kind="conv" if network == "conv" else "mlp",
            hidden=tuple(hidden),
            options={**self.preset, **options},
        )
        generator = torch.Generator()
        generator.set_state(torch.get_rng_state())
        self.autoencoder = make_autoencoder(config, generator)

    def score(self, windows: Windows) -> Tensor:
        return self.autoencoder.error(self._data(windows))

    def losses(self, windows: Windows, generator: torch.Generator) -> Iterator[Loss]:
        return self.autoencoder.losses(self._data(windows), generator)

    def reconstruction(self, windows: Windows) -> Tensor:
        joint = self.autoencoder.reconstruct(self._data(windows)).reshape(-1, *self.layout.joint_shape)
        channels = self.layout.frame_shape[-1]
        return joint[..., (self.layout.window - 1) * channels : self.layout.window * channels]

    def _data(self, windows: Windows) -> Tensor:
        return windows.joint().reshape(-1, *self.autoencoder.data_shape)


class RecurrentError(ReconstructionError):
    """The N-pass error of a recurrent auto-encoder (`autoencoders.RecurrentAutoEncoder`)."""

    method = "recurrent"
    preset: ClassVar[Mapping[str, float | str]] = {"passes": 3, "noise": 0.1}


class PlainError(ReconstructionError):
    """The error of a plain auto-encoder."""

    method = "plain"


class VariationalError(ReconstructionError):
    """The error of a variational auto-encoder, from the means of its codes.

    Whitened data have variance 1: a likelihood as wide as that would be content with the mean of everything.
    """

    method = "variational"
    preset: ClassVar[Mapping[str, float | str]] = {"variance": 0.1}
