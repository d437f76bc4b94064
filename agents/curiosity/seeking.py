"""What is new, as costs that planners minimise.

Novelty is looked for among latents. Decoded frames cannot tell it: a decoder turns every latent into something like the
frames that it was trained on, so that what a plan would show looks familiar by construction, however far it leads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2c_control.agents.curiosity.experience import STEP, Experience, distance_to
from e2c_control.planners import Cost

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LatentNovelty(Cost):
    """-Σ_t min(d(z_t), reach): the distance to the nearest known latent, as in Lehman and Stanley, "Abandoning
    objectives", 2011, with one neighbour, up to a reach beyond which all is equally new.

    Without that bound the plan that diverges first would be the best. The sum over time prefers what is soon reached.
    A plan gets nothing from where it comes within a step of a blocked latent, and nearer than it began: what lies
    behind a wall is not reached on this way, and away from one every way is open.

    Attributes:
        experience: what is known.
        reach: in latent units.
    """

    experience: Experience
    reach: float

    def value(self, states: Array, controls: Array, problems: Ints) -> Array:
        novelty = np.minimum(distance_to(self.experience.known, states[:, 1:]), self.reach)
        clearance = distance_to(self.experience.blocked, states)
        least = np.minimum(clearance[:, :1], STEP * self.experience.spacing)
        stopped = np.cumsum(clearance[:, 1:] < least, axis=1) > 0
        return -np.where(stopped, 0.0, novelty).sum(axis=1)


@dataclass(frozen=True, eq=False)
class Sought(Cost):
    """-J: what another cost avoids is sought. Has no derivatives: -J's curvature is none that descent could use.

    With `DisagreementCost` it is the exploration by disagreement of Pathak, Gandhi and Gupta (ICML 2019), planned
    instead of learnt: transitions that saw the same data agree where there were data.

    Attributes:
        avoided: the cost J.
    """

    avoided: Cost

    def check(self, problems: int, state_dim: int, control_dim: int) -> None:
        self.avoided.check(problems, state_dim, control_dim)

    def value(self, states: Array, controls: Array, problems: Ints) -> Array:
        return -self.avoided.value(states, controls, problems)
