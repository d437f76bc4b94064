"""The locally linear step z' = A(z) z + B(z) u + o(z), and the network that gives its matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from e2c_control.models.layers import mlp

MatrixForm = Literal["rank1", "low_rank", "full"]


@dataclass(frozen=True)
class LocallyLinear:
    """Matrices of z' = A z + B u + o at some latents, any batch shape.

    Attributes:
        A: (..., k, k).
        B: (..., k, m).
        o: (..., k).
        v, r: (..., k, p) with A = I + v r', where A has that form; else none.
        noise_log_var: (k,) log variances of the process noise H, or none for H = 0.
    """

    A: Tensor
    B: Tensor
    o: Tensor
    v: Tensor | None = None
    r: Tensor | None = None
    noise_log_var: Tensor | None = None

    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        """A z + B u + o for latents (..., k) and actions (..., m)."""
        batch, (k, m) = latents.shape[:-1], self.B.shape[-2:]
        A, B, o = self.A.expand(*batch, k, k), self.B.expand(*batch, k, m), self.o.expand(*batch, k)
        actions = actions.expand(*batch, m)
        with torch.autocast(latents.device.type, enabled=False):  # positions need more than eight bits
            moved = torch.baddbmm(o.reshape(-1, k, 1), A.reshape(-1, k, k), latents.reshape(-1, k, 1))
            return torch.baddbmm(moved, B.reshape(-1, k, m), actions.reshape(-1, m, 1)).reshape(latents.shape)

    def log_abs_det(self, floor: float) -> Tensor:
        """ln max(|det A|, floor), shape (...,). For A = I + v r' it is the p x p determinant of I + r' v."""
        if self.v is None or self.r is None:
            core = self.A
        else:
            core = self.r.mT @ self.v
            core = core + torch.eye(core.shape[-1], dtype=core.dtype, device=core.device)
        determinant = core.squeeze(-1).squeeze(-1) if core.shape[-1] == 1 else torch.det(core)
        return determinant.abs().clamp(min=floor).log()


class LocallyLinearTransition(nn.Module):
    """A network from a latent to the matrices of its locally linear step (Watter et al. 2015, section 2.3).

    Args:
        latent_dim: k.
        action_dim: m.
        hidden: widths of the hidden layers.
        form: "rank1" for A = I + v r' as in the paper; "low_rank" for A = I + V R' with `rank` columns; "full" for
            A = I + M with every entry free. A rank-one A has k - 1 eigenvalues equal to 1, so it cannot rotate.
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
        a_size = latent_dim * latent_dim if form == "full" else 2 * latent_dim * self.rank
        self._sizes = [a_size, latent_dim * action_dim, latent_dim]
        self.head = nn.Linear(hidden[-1], sum(self._sizes))
        self.noise_log_var = nn.Parameter(torch.full((latent_dim,), -4.0)) if process_noise else None
        # Start near z' = z, where every later latent is a small step away.
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.zero_()
            if form != "full":  # v and r both zero would be a saddle from which neither moves
                nn.init.normal_(self.head.bias[:a_size], std=0.1)

    def forward(self, latents: Tensor) -> LocallyLinear:
        """Matrices at latents (..., k)."""
        k, batch = self.latent_dim, latents.shape[:-1]
        a, b, o = self.head(self.body(latents)).to(latents.dtype).split(self._sizes, dim=-1)
        identity = torch.eye(k, dtype=latents.dtype, device=latents.device)
        v = r = None
        if self.form == "full":
            A = identity + a.reshape(*batch, k, k)
        else:
            v, r = a.reshape(*batch, 2, k, self.rank).unbind(-3)
            A = identity + v @ r.mT
        return LocallyLinear(A, b.reshape(*batch, k, self.action_dim), o, v, r, self.noise_log_var)
