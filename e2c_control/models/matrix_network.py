"""Networks from a latent to the matrices of its locally linear step (Watter et al. 2015, section 2.3)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from e2c_control.models.layers import mlp
from e2c_control.models.local_linear import LocallyLinear
from e2c_control.models.transition import Transition

MatrixForm = Literal["rank1", "low_rank", "full", "global"]


class LocallyLinearTransition(Transition):
    """z' = A(z) z + B(z) u + o(z).

    Args:
        latent_dim: k.
        action_dim: m.
        hidden: widths of the hidden layers.
        form: "rank1" for A = I + v r' as in the paper; "low_rank" for A = I + V R' with `rank` columns; "full" for
            A = I + M with every entry free; "global" for one full A, one B and one o everywhere, the paper's Global
            E2C. A rank-one A has k - 1 eigenvalues equal to 1, so it cannot rotate.
        process_noise: whether z' has a learnt diagonal covariance H of its own.
    """

    def __init__(
        self,
        latent_dim: int,
        action_dim: int,
        hidden: tuple[int, ...] = (100, 100),
        form: MatrixForm = "full",
        rank: int = 2,
        process_noise: bool = False,
    ) -> None:
        super().__init__()
        self.latent_dim, self.action_dim, self.form = latent_dim, action_dim, form
        self.rank = 1 if form == "rank1" else rank
        self.body = mlp(latent_dim, hidden, nn.SiLU, final=True)
        a_size = latent_dim * latent_dim if self.free else 2 * latent_dim * self.rank
        self._sizes = [a_size, latent_dim * action_dim, latent_dim]
        self.head = nn.Linear(hidden[-1], sum(self._sizes))
        # The variance that codes begin with: were z' far less noisy, codes would shrink until they can be predicted.
        self.noise_log_var = nn.Parameter(torch.zeros(latent_dim)) if process_noise else None
        # Start near z' = z, where every later latent is a small step away.
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.zero_()
            if not self.free:  # v and r both zero would be a saddle from which neither moves
                nn.init.normal_(self.head.bias[:a_size], std=0.1)

    @property
    def free(self) -> bool:
        """Whether every entry of A is a free output of the network."""
        return self.form in ("full", "global")

    def forward(self, latents: Tensor, actions: Tensor) -> LocallyLinear:
        """Return the matrices at latents (..., k); they do not depend on the actions."""
        k, batch = self.latent_dim, latents.shape[:-1]
        # The global form takes the matrices at the origin for every latent.
        seen = torch.zeros_like(latents) if self.form == "global" else latents
        a, b, o = self.head(self.body(seen)).to(latents.dtype).split(self._sizes, dim=-1)
        identity = torch.eye(k, dtype=latents.dtype, device=latents.device)
        v = r = None
        if self.free:
            A = identity + a.reshape(*batch, k, k)
        else:
            v, r = a.reshape(*batch, 2, k, self.rank).unbind(-3)
            A = identity + v @ r.mT
        return LocallyLinear(A, b.reshape(*batch, k, self.action_dim), o, v, r, self.noise_log_var)
