"""Gamma samples: z = F^-1(u; concentration) / rate, with F the regularised incomplete gamma function.

Their code is log z, in double precision: at a concentration of 0.01 its mean is -100, and e^-100 underflows in
float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.distributions import Distribution, Gamma

from e2c_control.gradients.laws.attach import follow
from e2c_control.gradients.laws.law import Axis, Continuous, Tensors, open_unit
from e2c_control.gradients.laws.quadrature import panels

HALVINGS = 70
SERIES = -40.0  # log z below which F is the first term of its series
LARGE, FAR_TAIL = 150.0, 1e-8  # beyond these, torch's derivative replaces the series


class GammaLaw(Continuous):
    """Gamma, with gradients in the concentration and the rate.

    The pathwise derivative in the concentration is implicit: u = F(z; a) is held fixed, so differentiating both sides
    gives dz/da = -(dF/da) / p(z; a), without inverting F (Figurnov et al. 2018). See `implicit_slope`.
    """

    names = ("concentration", "rate")

    def _parameters(self, base: Distribution) -> Tensors:
        assert isinstance(base, Gamma)
        return base.concentration, base.rate

    @cached_property
    def _doubles(self) -> Tensors:
        return tuple(parameter.double() for parameter in self.constants)

    def _mean(self) -> Tensor:
        return self.constants[0] / self.constants[1]

    def pull_mean(self, weight: Tensor) -> Tensors:
        concentration, rate = self.constants
        return weight / rate, -(weight / rate) * (concentration / rate)  # the square of a rate may be no float32

    def present(self, code: Tensor) -> Tensor:
        """Return exp(code), but at least the dtype's least normal number: 2 of 5 samples of Gamma(0.01) are smaller."""
        return code.exp().to(self.mean.dtype).clamp_min(torch.finfo(self.mean.dtype).tiny)

    def read(self, sample: Tensor) -> Tensor:
        return sample.double().log()

    def score(self, code: Tensor) -> Tensors:
        concentration, rate = self._doubles
        first = rate.log() - torch.digamma(concentration) + code
        return first.to(self.mean.dtype), (concentration / rate - code.exp()).to(self.mean.dtype)

    def log_prob(self, code: Tensor) -> Tensor:
        concentration, rate = (parameter.double() for parameter in self.parameters)
        base = concentration * rate.log() + (concentration - 1) * code - rate * code.exp() - concentration.lgamma()
        return self.sum_event(base)

    def new(self, parameters: Sequence[Tensor]) -> Distribution:
        return self._wrap(Gamma(parameters[0], parameters[1], validate_args=False))

    def draw_noise(self, n_samples: int, generator: torch.Generator | None) -> Tensor:
        return self._uniform(n_samples, generator)

    def draw_code(self, n_samples: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Sample by torch's rejection sampler, then compute the noise u = F(z): faster than the quantile of a noise.

        log z(a) = log z(a + 1) + log(u) / a, u uniform (Marsaglia and Tsang, 2000), which cannot underflow.
        """
        concentration, rate = self._doubles
        many = concentration.expand(n_samples, *concentration.shape)
        larger = torch._standard_gamma(many + 1, generator=generator)  # pyright: ignore
        uniform = torch.rand(many.shape, generator=generator, dtype=many.dtype, device=many.device)
        log_standard = larger.log() + open_unit(uniform).log() / many
        noise = torch.igamma(many, log_standard.exp())
        noise = torch.where(log_standard < SERIES, (many * log_standard - (many + 1).lgamma()).exp(), noise)
        return noise.to(self.mean.dtype), log_standard - rate.log()

    def code(self, noise: Tensor) -> Tensor:
        concentration, rate = self._doubles
        return log_quantile(open_unit(noise), concentration) - rate.log()

    def slopes(self, code: Tensor) -> Tensors:
        """Return dz / d concentration = -(dF / d concentration) / p (Figurnov et al. 2018), and dz / d rate."""
        concentration, rate = self._doubles
        least = torch.finfo(self.mean.dtype).tiny
        sample = code.exp()
        shown = sample.clamp_min(least)
        slopes = implicit_slope(shown * rate, concentration) / rate, -shown / rate
        # A sample clamped to the least number does not move with the parameters.
        first, second = (slope.masked_fill(sample < least, 0.0) for slope in slopes)
        return first, second

    def standardised(self, code: Tensor) -> tuple[Tensors, Tensors]:
        """Standardise by z = exp(s e + m) / rate, m = digamma, s^2 = trigamma of the concentration.

        Ruiz et al. 2016, section 3: h = z (e s' + m'), and the correction is d log p / d theta + (d log p / dz) h + d
        log |dz/de| / d theta. The correction of the rate, a mere scale, is 0.
        """
        concentration, rate = self._doubles
        first, second = torch.polygamma(1, concentration), torch.polygamma(2, concentration)
        spread, sample = first.sqrt(), code.exp()
        noise = (code + rate.log() - torch.digamma(concentration)) / spread
        relative = noise * second / (2 * spread) + first
        stretch = relative + second / (2 * first)
        score = rate.log() - torch.digamma(concentration) + code
        correction = score + (concentration - 1 - rate * sample) * relative + stretch
        correction = correction.to(self.mean.dtype)
        return (sample * relative, -sample / rate), (correction, torch.zeros_like(correction))

    def attached(self, code: Tensor) -> Tensor:
        """Return z as a function of the parameters, to first order: the slopes are constants (see `attach`)."""
        return follow(self.present(code), self.slopes(code), self.parameters)

    def fine_axis(self, nodes: int) -> Axis:
        ends = torch.stack([torch.zeros_like(self.mean), torch.ones_like(self.mean)])
        return Axis(*panels(ends, nodes))


def log_quantile(noise: Tensor, concentration: Tensor) -> Tensor:
    """Return log z with F(z; concentration) = noise, by bisection: slower than rejection, but a function of the noise.

    Bisection starts at F(z; a) < z^a / Gamma(a + 1), which for tiny z is an equality up to rounding.
    """
    concentration = concentration.expand_as(noise).double()
    noise = noise.double()
    low = start = (noise.log() + (concentration + 1).lgamma()) / concentration
    high = (concentration + 50 * (concentration.sqrt() + 1) + 700).log()
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = torch.igamma(concentration, middle.exp()) > noise
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return torch.where(start < SERIES, start, (low + high) / 2)


def implicit_slope(sample: Tensor, concentration: Tensor) -> Tensor:
    """Return dz / d concentration of a standard gamma sample at fixed noise.

    torch's own is accurate to about four digits, a measurable bias. Differentiating the series of the incomplete gamma
    function term by term,

        F = z^a e^-z / Gamma(a + 1) S,  S = sum_n z^n / (a + 1)_n
        dz/da = -(dF/da) / p = -(z / a) (S (log z - digamma(a + 1)) - sum_n z^n / (a + 1)_n sum_{k<=n} 1 / (a + k))

    is accurate to rounding, but cancels where 1 - F is tiny and needs many terms where z is large: there, torch's
    serves.
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
