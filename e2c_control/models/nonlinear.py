"""A transition that is any smooth function of latent and action, with its exact Jacobian as the local model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from e2c_control.models.layers import mlp
from e2c_control.models.local_linear import LocallyLinear
from e2c_control.models.transition import Transition


class NonlinearTransition(Transition):
    """z' = z + g(z, u): the Non-linear E2C of Watter et al. 2015, and the dynamics of PCC and PC3.

    Args:
        latent_dim: k.
        action_dim: m.
        hidden: widths of g's hidden layers.
        process_noise: whether z' has a learnt diagonal covariance H of its own.
    """

    def __init__(self, latent_dim: int, action_dim: int, hidden: tuple[int, ...], process_noise: bool = False) -> None:
        super().__init__()
        self.latent_dim, self.action_dim = latent_dim, action_dim
        self.body = mlp(latent_dim + action_dim, hidden, nn.SiLU, final=True)
        self.head = nn.Linear(hidden[-1], latent_dim)
        # The variance that codes begin with: were z' far less noisy, codes would shrink until they can be predicted.
        self.noise_log_var = nn.Parameter(torch.zeros(latent_dim)) if process_noise else None
        with torch.no_grad():  # near z' = z, as the locally linear transition
            self.head.weight.mul_(0.1)
            self.head.bias.zero_()

    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        joined = torch.cat([latents, actions], dim=-1)
        return latents + self.head(self.body(joined)).to(latents.dtype)

    def forward(self, latents: Tensor, actions: Tensor) -> LocallyLinear:
        """Return the tangent at latents (..., k) and actions (..., m): A = df/dz, B = df/du, o = f - A z - B u."""
        k, x = self.latent_dim, torch.cat([latents, actions], dim=-1)
        tangents = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)  # [input coordinate, unit]
        for layer in self.body:
            if isinstance(layer, nn.Linear):
                x, tangents = layer(x), tangents @ layer.weight.mT
            else:  # SiLU: x s(x), with slope s(x) (1 + x (1 - s(x)))
                s = torch.sigmoid(x)
                tangents = tangents * (s * (1.0 + x * (1.0 - s))).unsqueeze(-2)
                x = x * s
        moved = latents + self.head(x).to(latents.dtype)
        jacobian = (tangents @ self.head.weight.mT).mT.to(latents.dtype)
        A = torch.eye(k, dtype=latents.dtype, device=latents.device) + jacobian[..., :k]
        B = jacobian[..., k:]
        o = moved - (A @ latents.unsqueeze(-1) + B @ actions.unsqueeze(-1)).squeeze(-1)
        return LocallyLinear(A, B, o, noise_log_var=self.noise_log_var)
