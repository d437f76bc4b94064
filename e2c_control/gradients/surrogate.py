"""A small network for control variates, with derivatives in closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from e2c_control.errors import InputError, whole


@dataclass(frozen=True, eq=False)
class Trace:
    """Intermediate results of a forward pass, kept for `parameter_gradients`; rows (N, ...), constant."""

    inputs: Tensor  # (N, size + context_size)
    hidden: list[Tensor]  # tanh of each layer
    bends: list[Tensor]  # 1 - tanh^2
    sensitivities: list[Tensor]  # dc / d(output of each hidden layer)


class SurrogateNetwork(nn.Module):
    """Map codes (..., size), and a context (..., context_size) if there is one, to one number each, by tanh layers.

    `RELAX` and `LAX` take any module of this signature, but the closed-form derivatives of this one cost a third. A
    smooth network is the safe choice: the variance depends on its slope, which is trained, and the slope of a piecewise
    linear network changes in jumps.

    Args:
        size: numbers in the code of an event. hidden: sizes of hidden layers. context_size: numbers in a context.
        generator: of the weights, uniform within 1 / sqrt(inputs). The last layer starts at 0: training begins at
            the plain score-function estimator, not at a random control variate, which can be far worse.
        dtype: of the weights.
    """

    def __init__(
        self,
        size: int,
        hidden: Sequence[int] = (10,),
        context_size: int = 0,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.size, self.context_size = whole("size", size), whole("context_size", context_size, least=0)
        sizes = (self.size + self.context_size, *(whole("a size in hidden", width) for width in hidden))
        self.layers = nn.ModuleList(nn.Linear(inputs, outputs, dtype=dtype) for inputs, outputs in pairwise(sizes))
        self.last = nn.Linear(sizes[-1], 1, dtype=dtype)
        with torch.no_grad():
            for layer in self._hidden():
                bound = 1 / math.sqrt(layer.in_features)
                for weight in (layer.weight, layer.bias):
                    weight.uniform_(-bound, bound, generator=generator)
            self.last.weight.zero_()
            self.last.bias.zero_()

    def _hidden(self) -> list[nn.Linear]:
        return [cast(nn.Linear, layer) for layer in self.layers]

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self._join(x, context)
        for layer in self._hidden():
            x = torch.tanh(layer(x))
        return self.last(x).squeeze(-1)

    @torch.no_grad()
    def value_and_slope(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor, Trace]:
        """Return c (...), dc/dx (..., size), and the trace for `parameter_gradients`.

        a_k = W_k h_{k-1} + b_k,  h_k = tanh(a_k),  c = w' h + b,  d_K = w,  d_{k-1} = W_k' ((1 - h_k^2) d_k)
        """
        joined = self._join(x, context)
        rows = joined.reshape(-1, joined.shape[-1])
        hidden: list[Tensor] = []
        h = rows
        for layer in self._hidden():
            h = torch.addmm(layer.bias, h, layer.weight.t()).tanh_()
            hidden.append(h)
        value = torch.addmv(self.last.bias, h, self.last.weight[0])
        d = self.last.weight.expand(len(rows), -1)
        bends: list[Tensor] = []
        sensitivities: list[Tensor] = []
        for layer, h in zip(reversed(self._hidden()), reversed(hidden), strict=True):
            bend = (h * h).neg_().add_(1)
            bends.append(bend)
            sensitivities.append(d)
            d = (bend * d) @ layer.weight
        slope = d[:, : self.size].reshape(x.shape)
        return value.reshape(x.shape[:-1]), slope, Trace(rows, hidden, bends[::-1], sensitivities[::-1])

    @torch.no_grad()
    def parameter_gradients(self, trace: Trace, weight: Tensor, directions: Tensor) -> list[Tensor]:
        """Return d/d phi of sum(weight c) + sum(<directions, dc/dx>), in the order of `parameters()`.

        Tangents t_0 = direction, t_k = (1 - h_k^2) W_k t_{k-1} make the sum weight' c + w' t_K; what follows is reverse
        differentiation of both sequences. With A_k, T_k the derivatives of the sum in a_k and in W_k t_{k-1},

            dW_k = A_k' h_{k-1} + T_k' t_{k-1},  db_k = sum A_k

        Args:
            trace: of the forward pass.
            weight: (...), one for each row.
            directions: (..., size).
        """
        layers = self._hidden()
        weight, t = weight.reshape(-1), directions.reshape(-1, self.size)
        tangents: list[Tensor] = [t]
        pushed: list[Tensor] = []
        for k, layer in enumerate(layers):
            matrix = layer.weight[:, : self.size] if k == 0 else layer.weight
            s = t @ matrix.t()
            t = trace.bends[k] * s
            pushed.append(s)
            tangents.append(t)
        top = trace.hidden[-1] if layers else trace.inputs
        last = weight @ top
        last[: t.shape[1]] += t.sum(0)
        found = [weight.sum().reshape(1), last.unsqueeze(0)]
        # dT: derivative in the tangent t_k; dH: in h_k.
        d_t, d_h = self.last.weight, weight.unsqueeze(1) * self.last.weight
        for k in reversed(range(len(layers))):
            h, bend = trace.hidden[k], trace.bends[k]
            before = trace.hidden[k - 1] if k else trace.inputs
            in_s = bend * d_t
            in_a = bend * torch.addcmul(d_h, h * pushed[k], d_t.expand_as(h), value=-2)
            gradient = in_a.t() @ before
            gradient[:, : tangents[k].shape[1]].addmm_(in_s.t(), tangents[k])
            found += [in_a.sum(0), gradient]
            if k:
                d_t, d_h = in_s @ layers[k].weight, in_a @ layers[k].weight
        return found[::-1]

    def _join(self, x: Tensor, context: Tensor | None) -> Tensor:
        given = 0 if context is None else context.shape[-1]
        if given != self.context_size or x.shape[-1] != self.size:
            raise InputError(
                f"The surrogate looks at codes of {self.size} numbers and a context of {self.context_size}, not of "
                f"{x.shape[-1]} and {given}: make it with those sizes, or give such a context."
            )
        if context is None:
            return x
        return torch.cat([x, context.expand(*x.shape[:-1], context.shape[-1])], dim=-1)
