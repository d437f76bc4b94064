"""The sample-efficient cross-entropy method.

Source: Pinneri et al., "Sample-efficient cross-entropy method for real-time planning", CoRL 2020: noise that is
correlated in time, elites that are kept, and populations that shrink.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from e2c_control.fields import Bounds, Count, NotNegative, Share
from e2c_control.planners.checks import Array
from e2c_control.planners.plan import Plan
from e2c_control.planners.planner import PlanningProblem
from e2c_control.planners.sampling import CrossEntropy


@dataclass(frozen=True)
class ICEM(CrossEntropy):
    """Options of the planner, which is called like a function; a cost needs no derivatives.

    As CEM, but the noise has a power spectrum that falls as frequency to the power -``color`` (smooth controls reach
    further), some elites compete again in the next iteration, and iteration i draws ``samples * shrink ** -i``
    sequences, at least two for each elite. The last iteration tries the mean too.
    """

    samples: Count = 150
    elites: Count = 15
    color: NotNegative = 2.0
    kept: Share = 0.3  # share of the elites that competes again
    shrink: Annotated[float, Bounds(least=1)] = 1.25

    def plan(self, problem: PlanningProblem, rng: np.random.Generator) -> Plan:
        search, mean, deviation = self.begin(problem)
        kept = mean[:, None][:, :0]
        for iteration in range(self.iterations):
            size = max(int(self.samples * self.shrink**-iteration), 2 * self.elites)
            noise = colored_noise(self.color, size, mean.shape[1], mean.shape[2], rng)
            controls = search.draw(mean, deviation, noise)
            last = [problem.limits.clip(mean)[:, None]] if iteration == self.iterations - 1 else []
            controls = np.concatenate([controls, kept, *last], axis=1)
            best = self.select(controls, search.evaluate(controls))
            kept = best[:, : round(self.kept * self.elites)]
            mean, deviation = self.refit(best, mean, deviation)
        return search.plan(self.iterations)


def colored_noise(color: float, samples: int, horizon: int, control_dim: int, rng: np.random.Generator) -> Array:
    """Return normal noise (samples, T, m) of unit variance whose power falls as frequency ** -color.

    Timmer and König, "On generating power law noise", Astronomy and Astrophysics 300, 1995.
    """
    frequency = np.fft.rfftfreq(horizon)
    frequency[0] = 1.0 / horizon  # the mean gets the power of the slowest wave
    amplitude = frequency ** (-color / 2)
    shape = (samples, control_dim, len(frequency))
    phases = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    phases[..., 0] = phases[..., 0].real * np.sqrt(2)
    share = np.full(len(frequency), 2.0)  # each wave stands for a positive and a negative frequency, except the ends
    share[0] = 1.0
    if horizon % 2 == 0:
        share[-1] = 1.0
        phases[..., -1] = phases[..., -1].real * np.sqrt(2)
    scale = horizon / np.sqrt(2 * np.sum(share * amplitude**2))
    return scale * np.fft.irfft(amplitude * phases, n=horizon).swapaxes(1, 2)
