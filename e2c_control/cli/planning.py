"""How commands let a planner be chosen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from e2c_control.fields import AtOnce, AtOnceOrZero, PlanLength, TwoOrMoreAtOnce


@dataclass(frozen=True, kw_only=True)
class Planning:
    """Which planner, and how it plans.

    Attributes:
        planner: `e2c planners` says which suits what, `e2c planners NAME` has the options of each. One of your own:
            my_package:Mine. Default: roadmap where the run was trained with reachability, else ilqr.
        horizon: steps in a plan. Default: the task's; 10 in other environments; 1 of roadmap, which looks as far ahead
            as its landmarks, recorded images, reach.
        iterations: of one replan, of a planner that has this option. Default: 4 of ilqr and aico, the others' own.
        starts: control sequences to start from, beside the rest of the last plan, of a planner that has this option.
            Default: the planner's own.
        samples: control sequences in an iteration, of a planner that has this option. A tenth of them are the elites of
            one that has elites, unless --set settings.elites=N. Default: the planner's own numbers.
        linearization: follow the model's own A and B, as E2C does, or its exact Jacobian, which gets more out of a few
            iterations. Not for planners that sample. Default: jacobian.
        filter_frames: correct what the model predicted by each frame (a Kalman filter) instead of trusting the frame
            alone. Its variances are measured on the run's dataset. Measure what it does for you: in the planar world it
            gains nothing, with or without process noise.
        set: single settings of `PlanningOptions` as path=value, such as state_weight=20 disagreement=0.5, rate_weight=2
            for smoother actions, delay=3 where an action takes effect so many steps later, action_repeat=2 to hold each
            for two steps; and as settings.NAME=value any option of the planner, such as settings.color=1.0 of icem.
    """

    planner: str | None = None
    horizon: PlanLength | None = None
    iterations: AtOnceOrZero | None = None
    starts: AtOnce | None = None
    samples: TwoOrMoreAtOnce | None = None
    linearization: Literal["model", "jacobian"] | None = None
    filter_frames: bool = False
    set: tuple[str, ...] = ()

    def changes(self) -> dict[str, object]:
        """Return what is given, for `TrainedRun.agent`; refuse before anything is loaded what this planner ignores."""
        from e2c_control import PlanningOptions
        from e2c_control.runs.settings import change

        given = {name: value for name, value in vars(self).items() if value is not None}
        options = PlanningOptions(**{name: given[name] for name in given if name not in ("filter_frames", "set")})
        change(options, self.set)
        return given

    @property
    def label(self) -> str:
        """What is given of these options, for the names of files; empty if nothing is."""
        from e2c_control.planners import PLANNERS

        planner = None if self.planner is None else PLANNERS.name_of(PLANNERS.find(self.planner))
        parts = [] if planner is None else [planner.replace(":", "-")]
        for name, value in vars(self).items():
            if name not in ("planner", "set") and value is not None and value is not False:
                parts.append(name.replace("_", "-") if value is True else f"{name}-{value}")
        return "-".join([*parts, *(re.sub(r"[^\w.]+", "-", text) for text in self.set)])
