"""How an agent is curious."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from e2c_control.agents.planning import PlanningOptions, takes
from e2c_control.errors import InputError
from e2c_control.fields import AtOnce, AtOnceOrZero, Named, PlanLength, Positive, check
from e2c_control.planners import PLANNERS


@dataclass(frozen=True)
class CuriosityOptions:
    """How an agent is curious.

    Attributes:
        seek: "novelty", the distance to known latents, or "disagreement" of an ensemble of transitions, for an
            embedding that was trained with one.
        horizon: steps in a plan: what lies farther is not seen.
        planner: one that samples, since neither has derivatives to follow: a name, "my_package:Mine", or a class of
            your own, of which the name is kept.
        iterations, samples: of the planner in a replan.
        spacing: how far apart latents are that count as different; none for half of a step under random actions.
        reach: distance, in spacings, beyond which all is equally new.

    Raises:
        InputError: an option is out of its range.
    """

    seek: Literal["novelty", "disagreement"] = "novelty"
    horizon: PlanLength = 12
    planner: Annotated[str | Callable[..., Any], Named(PLANNERS)] = "icem"
    iterations: AtOnceOrZero = 3
    samples: AtOnce = 60
    spacing: Positive | None = None
    reach: Positive = 4.0

    def __post_init__(self) -> None:
        check(self)
        if "samples" not in takes(self.planner):
            sampling = ", ".join(name for name in PLANNERS if "samples" in takes(name))
            raise InputError(f"The planner {self.planner!r} cannot seek, it does not sample: choose one of {sampling}.")
        self.planning.make_planner()

    @property
    def planning(self) -> PlanningOptions:
        """The planner's part of them."""
        return PlanningOptions(planner=self.planner, iterations=self.iterations, samples=self.samples)
