"""Gamma samples: z = F^-1(u; concentration) / rate, with F the regularised incomplete gamma function."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, Gamma

from e2c_control.gradients.laws.law import Axis, Continuous, Tensors, open_unit
from e2c_control.gradients.laws.quadrature import panels

NODES, HALVINGS = 161, 70
LARGE, FAR_TAIL = 150.0, 1e-8  # where the series of the slope is left to torch's


class GammaLaw(Continuous):
    """Gradients are taken at the concentration and the rate."""

    names = ("concentration", "rate")

    def _parameters(self, base: Distribution) -> Tensors:
        assert isinstance(base, Gamma)
        return base.concentration, base.rate

    def _mean(self) -> Tensor:
        return self.constants[0] / self.constants[1]

    def pull_mean(self, weight: Tensor) -> Tensors:
        concentration, rate = self.constants
        return weight / rate, -weight * concentration / rate.square()

    def score(self, code: Tensor) -> Tensors:
        concentration, rate = self.constants
        return rate.log() - torch.digamma(concentration) + code.log(), concentration / rate - code

    def new(self, parameters: Sequence[Tensor]) -> Distribution:
        return self._wrap(Gamma(parameters[0], parameters[1], validate_args=False))

    def draw_noise(self, n_samples: int, generator: torch.Generator | None) -> Tensor:
        return self._uniform(n_samples, generator)

    def draw_sample(self, n_samples: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """By torch's rejection sampler, which is faster than the quantile of a noise; the noise is found afterwards."""
        concentration, rate = self.constants
        many = concentration.expand(n_samples, *concentration.shape)
        standard = torch._standard_gamma(many, generator=generator).clamp_min(torch.finfo(rate.dtype).tiny)  # pyright: ignore
        return torch.igamma(many, standard), standard / rate

    def sample(self, noise: Tensor) -> Tensor:
        concentration, rate = self.constants
        return (quantile(open_unit(noise), concentration).to(rate.dtype) / rate).clamp_min(torch.finfo(rate.dtype).tiny)

    def slopes(self, sample: Tensor) -> Tensors:
        """The first one implicit, -(dF / d concentration) / p (Figurnov et al. 2018)."""
        concentration, rate = self.constants
        return implicit_slope(sample * rate, concentration) / rate, -sample / rate

    def standardised(self, sample: Tensor) -> tuple[Tensors, Tensors]:
        """With z = exp(s e + m) / rate, m = digamma, s^2 = trigamma of the concentration (Ruiz et al. 2016, section 3).

        h = z (e s' + m'), and the correction is d log p / d theta + (d log p / dz) h + d log |dz/de| / d theta. That
        of the rate, a mere scale, is 0.
        """
        concentration, rate = self.constants
        first, second = torch.polygamma(1, concentration), torch.polygamma(2, concentration)
        spread = first.sqrt()
        noise = ((sample * rate).log() - torch.digamma(concentration)) / spread
        relative = noise * second / (2 * spread) + first
        slope = sample * relative
        stretch = relative + second / (2 * first)
        correction = self.score(sample)[0] + ((concentration - 1) / sample - rate) * slope + stretch
        return (slope, -sample / rate), (correction, torch.zeros_like(correction))

    def fine_axis(self) -> Axis:
        ends = torch.stack([torch.zeros_like(self.mean), torch.ones_like(self.mean)])
        return Axis(*panels(ends, NODES))


def quantile(noise: Tensor, concentration: Tensor) -> Tensor:
    """z with F(z; concentration) = noise, by halving in log z: slower than rejection, but a function of the noise."""
    concentration = concentration.expand_as(noise).double()
    noise = noise.double()
    low = torch.full_like(noise, -740.0)
    high = (concentration + 50 * (concentration.sqrt() + 1) + 700).log()
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = torch.igamma(concentration, middle.exp()) > noise
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return ((low + high) / 2).exp()


def implicit_slope(sample: Tensor, concentration: Tensor) -> Tensor:
    """dz / d concentration of a standard gamma sample at a fixed noise.

    torch's own is right to about four digits, which shows as a bias. Differentiating the series of the incomplete gamma
    function term by term,

        F = z^a e^-z / Gamma(a + 1) S,  S = sum_n z^n / (a + 1)_n
        dz/da = -(dF/da) / p = -(z / a) (S (log z - digamma(a + 1)) - sum_n z^n / (a + 1)_n sum_{k<=n} 1 / (a + k))

    is right to rounding but cancels where 1 - F is tiny, and is long where z is large: there, torch's stands.
    """
    a, z = concentration.expand_as(sample).double(), sample.double()
    rough = torch._standard_gamma_grad(a, z)  # pyright: ignore
    fine = (z < LARGE) & (torch.igammac(a, z) > FAR_TAIL)
    if not fine.any():
        return rough.to(sample.dtype)
    reach = float(torch.where(fine, z, 0.0).max())
    term, harmonic = torch.ones_like(z), torch.zeros_like(z)
    total, slope = torch.ones_like(z), torch.zeros_like(z)
    for n in range(1, int(reach + 12 * reach**0.5 + 30)):
        term, harmonic = term * z / (a + n), harmonic + 1 / (a + n)
        total, slope = total + term, slope + term * harmonic
    exact = -(z / a) * (total * (z.log() - torch.digamma(a + 1)) - slope)
    return torch.where(fine, exact, rough).to(sample.dtype)
