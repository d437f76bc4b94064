"""The recurrent auto-encoder: N passes of encoding and decoding, each compared with the original data.

It makes the Monte-Carlo resampling of auto-encoders (Creswell et al. 2016) a part of training. ("RAE" elsewhere is the
regularised auto-encoder of Ghosh et al. 2020.) With x_0 = x and n = 1..N,

    z_n = E(x_{n-1}),   x_n = D(z_n + noise),   loss = sum_n [ |x - x_n|² + penalty |z_n|² ].

Differentiated through all passes, it is a recurrent network. With the gradient cut between passes, x_{n-1} is a given
corrupted input, and this is the walk-back training of generative stochastic networks (Bengio et al. 2013).

How sampling works: training teaches a pass to move a code that noise has displaced back towards codes of data. `sample`
starts at z ~ N(0, I), where there need be no data, and repeats z <- E(D(z)) + noise, a Markov chain that these passes
pull towards the data. The last pass adds no noise, so that the sample is not blurred.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from e2c_control.autoencoders.autoencoder import (
    AutoEncoder,
    Loss,
    check_reduction,
    lengths,
    normal_like,
    not_negative,
    squared_error,
)
from e2c_control.autoencoders.networks import Networks
from e2c_control.errors import flag, one_of, whole


class RecurrentAutoEncoder(AutoEncoder):
    """An auto-encoder trained through N passes of encoding, adding noise and decoding.

    Args:
        networks: encoder and decoder; of a random encoder the means are used, since this class adds the noise.
        passes: N.
        noise: deviation of the normal noise on every code, in training.
        penalty: weight of the code's norm.
        norm: "square", the mean square of the code's entries, or "length", the Euclidean norm of the code.
        cut: whether the gradient is cut between passes. Each pass is then a loss of its own, so that memory does not
            grow with N.
        cycles: of decoding, encoding and adding noise before the final decoding of a sample.
        reduction: of the squared error over the numbers of a sample.
    """

    def __init__(
        self,
        networks: Networks,
        passes: int = 5,
        noise: float = 0.2,
        penalty: float = 0.03,
        norm: str = "square",
        cut: bool = False,
        cycles: int = 30,
        reduction: str = "mean",
    ) -> None:
        super().__init__(networks)
        check_reduction(reduction)
        not_negative(noise=noise, penalty=penalty)
        one_of("norm", norm, ("square", "length"))
        self.passes, self.cycles = whole("passes", passes), whole("cycles", cycles, least=0)
        self.noise, self.penalty, self.norm, self.cut, self.reduction = (
            noise,
            penalty,
            norm,
            flag("cut", cut),
            reduction,
        )

    def losses(self, x: Tensor, generator: torch.Generator) -> Iterator[Loss]:
        """Yield one loss, or one for each pass where the gradient is cut; "reconstruction" adds up over passes."""
        if not self.cut:
            yield self._through_all(x, generator)
            return
        seen = x
        for _ in range(self.passes):
            codes = self.encode(seen)
            noisy = codes if self.noise == 0 else codes + self.noise * normal_like(codes, generator)
            output = self.decode(noisy)
            error, norm = squared_error(output, x, self.reduction), self._norm(codes)
            loss = Loss(error + self.penalty * norm, {"reconstruction": error.detach(), "norm": norm.detach()})
            seen = output.detach()
            del codes, noisy, output, error, norm  # or their graph would stay in memory through the next pass
            yield loss

    def _through_all(self, x: Tensor, generator: torch.Generator) -> Loss:
        """Return the loss of all passes in one graph; noise and errors are computed for all at once, for speed."""
        every = x.new_empty(self.passes, len(x), *self.code_shape)
        noise = normal_like(every, generator) if self.noise else None
        seen, outputs, found = x, list[Tensor](), list[Tensor]()
        for number in range(self.passes):
            codes = self.encode(seen)
            found.append(codes)
            seen = self.decode(codes if noise is None else torch.add(codes, noise[number], alpha=self.noise))
            outputs.append(seen)
        targets = x.expand(self.passes, *x.shape)
        numbers = 1 if self.reduction == "mean" else x[0].numel()
        error = torch.nn.functional.mse_loss(torch.stack(outputs), targets) * (self.passes * numbers)
        norm = self._norm(torch.cat(found)) * self.passes
        return Loss(error + self.penalty * norm, {"reconstruction": error.detach(), "norm": norm.detach()})

    def error(self, x: Tensor) -> Tensor:
        """Return the N-pass error of each of the data (N, *data_shape): mean over all passes, without noise, (N,)."""
        seen, total = x, x.new_zeros(len(x))
        for _ in range(self.passes):
            seen = self.reconstruct(seen)
            total = total + (seen - x).square().flatten(1).mean(1)
        return total / self.passes

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw samples (n, *data_shape): start at N(0, I), decode, encode and add noise `cycles` times, and decode.

        The last cycle adds no noise.
        """
        with torch.no_grad():
            codes = self.prior_codes(n, generator)
            for cycle in range(self.cycles):
                codes = self.encode(self.decode(codes))
                if cycle < self.cycles - 1:
                    codes = codes + self.noise * normal_like(codes, generator)
            return self.decode(codes)

    def _norm(self, codes: Tensor) -> Tensor:
        return codes.square().mean() if self.norm == "square" else lengths(codes).mean()
