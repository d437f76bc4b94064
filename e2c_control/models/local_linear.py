"""The locally linear step z' = A z + B u + o."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


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
        """Return A z + B u + o for latents (..., k) and actions (..., m)."""
        batch, (k, m) = latents.shape[:-1], self.B.shape[-2:]
        A, B, o = self.A.expand(*batch, k, k), self.B.expand(*batch, k, m), self.o.expand(*batch, k)
        actions = actions.expand(*batch, m)
        with torch.autocast(latents.device.type, enabled=False):  # bfloat16's eight bits are too few for positions
            moved = torch.baddbmm(o.reshape(-1, k, 1), A.reshape(-1, k, k), latents.reshape(-1, k, 1))
            return torch.baddbmm(moved, B.reshape(-1, k, m), actions.reshape(-1, m, 1)).reshape(latents.shape)

    def log_abs_det(self, floor: float) -> Tensor:
        """Return ln max(|det A|, floor), shape (...,); for A = I + v r', by the p x p determinant of I + r' v."""
        if self.v is None or self.r is None:
            core = self.A
        else:
            core = self.r.mT @ self.v
            core = core + torch.eye(core.shape[-1], dtype=core.dtype, device=core.device)
        determinant = core.squeeze(-1).squeeze(-1) if core.shape[-1] == 1 else torch.det(core)
        return determinant.abs().clamp(min=floor).log()
