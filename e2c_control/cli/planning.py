"""How commands let a planner be chosen."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from e2c_control.cli.console import Unset
from e2c_control.errors import whole

if TYPE_CHECKING:
    from e2c_control.agents import E2CAgent, FrameFilter, PlanningOptions
    from e2c_control.evaluation.trained import TrainedRun


@dataclass(frozen=True, kw_only=True)
class Planning:
    """Which planner, and how it plans.

    Attributes:
        planner: ilqr suits smooth models such as learnt ones: it plans within the limits, from several starts, in about
            three milliseconds. lqr is four times faster and often as good: it linearises once a replan, about the
            present state at first and along the rest of the last plan later, and does not look again. aico is the
            planner of the E2C paper, counts with process noise, and takes twice as long. icem, cem and mppi only try
            control sequences, and take four to eight times as long: compare with icem, the fastest of them, where the
            derivatives are in doubt.
        horizon: steps in a plan. Default: the task's; 10 in other environments.
        iterations: of one replan; not for lqr. Default: 4 of ilqr and aico, 5 of those that sample.
        starts: control sequences to start from, beside the rest of the last plan. Only for ilqr. Default: 5.
        samples: control sequences in an iteration. Only for cem, icem and mppi. Default: 200, of icem 150.
        linearization: follow the model's own A and B, as E2C does, or its exact Jacobian, which gets more out of a few
            iterations. Not for those that sample. Default: jacobian.
        filter_frames: correct what the model predicted by each frame (a Kalman filter) instead of trusting the frame
            alone. Its variances are measured on the run's dataset. Measure what it does for you: in the planar world it
            gains nothing, with or without process noise.
    """

    planner: str = "ilqr"
    horizon: Unset[int] = None
    iterations: Unset[int] = None
    starts: Unset[int] = None
    samples: Unset[int] = None
    linearization: Unset[Literal["model", "jacobian"]] = None
    filter_frames: bool = False

    def check(self) -> None:
        """Refuse, before anything is loaded, what no planner can do or this one does not take."""
        from e2c_control.agents import PlanningOptions

        for name, least in (("horizon", 1), ("iterations", 0), ("starts", 1), ("samples", 2)):
            if getattr(self, name) is not None:
                whole(f"--{name}", getattr(self, name), least)
        self._chosen(PlanningOptions())

    def equip(self, agent: E2CAgent, trained: TrainedRun) -> E2CAgent:
        """The agent, with these options in place of its own."""
        agent.options = self._chosen(agent.options)
        if self.filter_frames:
            agent.options = replace(agent.options, frame_filter=_measured_filter(trained))
        return agent

    @property
    def label(self) -> str:
        """What tells these options from the defaults, for the names of files; empty if nothing does."""
        given = [(field.name, getattr(self, field.name)) for field in fields(self) if field.name != "planner"]
        parts = [self.planner] if self.planner != "ilqr" else []
        for name, value in given:
            if value not in (None, False):
                parts.append(name.replace("_", "-") if value is True else f"{name}-{value}")
        return "-".join(parts)

    def _chosen(self, options: PlanningOptions) -> PlanningOptions:
        return replace(
            options,
            planner=self.planner,
            horizon=options.horizon if self.horizon is None else self.horizon,
            iterations=self.iterations,
            starts=self.starts,
            samples=self.samples,
            linearization=self.linearization,
        )


PlanningFlags = Annotated[Planning, tyro.conf.arg(name="")]
"""The options of `Planning` among those of a command, without a prefix."""


def _measured_filter(trained: TrainedRun) -> FrameFilter:
    """Measured on the episodes that the run was not trained on."""
    from e2c_control.agents import FrameFilter
    from e2c_control.data import Transitions
    from e2c_control.training.run import TrainConfig

    config = trained.folder.config(TrainConfig)
    trained.folder.require_own(config.dataset, "leave out --filter-frames, which is measured on the dataset there")
    transitions = Transitions.open(config.dataset)
    _, held_out = transitions.split(config.held_out, seed=0)
    return FrameFilter.measured(trained.embedding, transitions, held_out)
