"""The interface of latent transitions."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from e2c_control.models.local_linear import LocallyLinear


class Transition(nn.Module):
    """z' = f(z, u) with a local model A, B, o at every point, such that A z + B u + o = f(z, u) there."""

    latent_dim: int
    action_dim: int

    @abstractmethod
    def forward(self, latents: Tensor, actions: Tensor) -> LocallyLinear:
        """Return the local models A, B, o at latents (..., k) and actions (..., m)."""

    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Return f(z, u), (..., k)."""
        local: LocallyLinear = self(latents, actions)
        return local.predict(latents, actions)
