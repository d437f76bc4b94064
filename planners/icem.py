"""The sample-efficient cross-entropy method.

Source: Pinneri et al., "Sample-efficient cross-entropy method for real-time planning", CoRL 2020: noise that is
correlated in time, elites that are kept, and populations that shrink.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from e2c_control.errors import check_fields, number, whole
from e2c_control.planners.checks import Array
from e2c_control.planners.costs import Cost
from e2c_control.planners.dynamics import Dynamics
from e2c_control.planners.plan import Limits, Plan
from e2c_control.planners.sampling import Population, elites


@dataclass(frozen=True)
class ICEM:
    """Options of the planner, which is called like a function; a cost needs no derivatives.

    As CEM, but the noise has a power spectrum that falls as frequency to the power -``color`` (smooth controls reach
    further), some elites compete again in the next iteration, and iteration i draws ``samples * shrink ** -i``
    sequences, at least two for each elite. The last iteration tries the mean too.
    """

    iterations: int = 5
    samples: int = 150
    elites: int = 15
    deviation: float = 0.5  # at the start, in halves of the allowed range
    momentum: float = 0.1
    color: float = 2.0
    kept: float = 0.3  # share of the elites that competes again
    shrink: float = 1.25

    def __post_init__(self) -> None:
        check_fields(self, whole, "iterations", least=0)
        check_fields(self, whole, "samples")
        check_fields(self, whole, "elites", most=self.samples)
        check_fields(self, number, "deviation", above=0)
        check_fields(self, number, "momentum", least=0, below=1)
        check_fields(self, number, "color", least=0)
        check_fields(self, number, "kept", least=0, most=1)
        check_fields(self, number, "shrink", least=1)

    def __call__(
        self,
        dynamics: Dynamics,
        cost: Cost,
        initial_states: ArrayLike,
        horizon: int,
        limits: Limits,
        warm_start: Plan | None = None,
        rng: np.random.Generator | None = None,
    ) -> Plan:
        """Plan N problems, from initial states (N, n), over ``horizon`` steps; see ``ILQR``."""
        rng = np.random.default_rng(0) if rng is None else rng
        search = Population.begin(dynamics, cost, initial_states, horizon, limits, warm_start)
        mean, deviation = search.mean, np.broadcast_to(self.deviation * search.width, search.mean.shape)
        kept = mean[:, None][:, :0]
        for iteration in range(self.iterations):
            size = max(int(self.samples * self.shrink**-iteration), 2 * self.elites)
            noise = colored_noise(self.color, size, mean.shape[1], mean.shape[2], rng)
            controls = limits.clip(mean[:, None] + deviation[:, None] * noise)
            last = [limits.clip(mean)[:, None]] if iteration == self.iterations - 1 else []
            controls = np.concatenate([controls, kept, *last], axis=1)
            best, _ = elites(controls, search.evaluate(controls), self.elites)
            kept = best[:, : round(self.kept * self.elites)]
            mean = self.momentum * mean + (1 - self.momentum) * best.mean(axis=1)
            deviation = self.momentum * deviation + (1 - self.momentum) * best.std(axis=1)
        return search.plan(self.iterations)


def colored_noise(color: float, samples: int, horizon: int, control_dim: int, rng: np.random.Generator) -> Array:
    """Normal noise (samples, T, m) of unit variance whose power falls as frequency ** -color.

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
