"""DisARM: ARM with its noise integrated out (Rao-Blackwellised).

ARM's gradient (f(b) - f(b')) (u - 1/2) depends on u beyond what the pair (b, b') shows. Its conditional mean given the
pair is in closed form: 0 where b_i = b'_i, and otherwise the factor below. So DisARM never has more variance than ARM,
at the same cost of two evaluations (Dong, Mnih and Tucker, 2020, equation 5).
"""

from __future__ import annotations

import torch
from torch import Tensor

from e2c_control.gradients.arm import Antithetic
from e2c_control.gradients.estimator import Draw, Estimate, Function, surrogates


class DisARM(Antithetic):
    """g_i = (f(b) - f(b')) (b_i - b'_i) sigmoid(|l_i|) / 2: ARM given both samples, so never of more variance.

    Unbiased. Takes Bernoulli, never differentiates f, costs two evaluations a noise. Dong, Mnih and Tucker, 2020,
    equation 5; Yin et al. 2020 call it U2G.
    """

    def combine(self, draw: Draw, values: Tensor, f: Function | None, context: Tensor | None) -> Estimate:
        first, second = values.detach().tensor_split(2)
        b, twin = draw.code.tensor_split(2)
        spread = (b - twin) * torch.sigmoid(draw.law.constants[0].abs())
        gradient = (draw.law.lift((first - second) / 2) * spread).mean(0)
        return Estimate(draw.law, draw.samples, surrogates(draw.law, values.mean(0), (gradient,)))
