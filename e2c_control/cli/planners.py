"""`e2c planners`."""

from __future__ import annotations

from dataclasses import dataclass

from tyro.conf import Positional


@dataclass(frozen=True, kw_only=True)
class Planners:
    """List the planners, or show the page of one: what it does, its source, and its options.

    ilqr suits smooth models such as learnt ones: it plans within the limits, from several starts, in about three
    milliseconds. lqr is four times faster and often as good: it linearises once a replan, about the present state at
    first and along the rest of the last plan later, and does not look again. aico is the planner of the E2C paper,
    counts with process noise, and takes twice as long. icem, cem and mppi only try control sequences, and take four
    to eight times as long: compare with icem, the fastest of them, where the derivatives are in doubt.
    adam and grasp follow gradients alone, as planners of other world models do: compare with them.
    roadmap knows ways around walls, by the steps between landmarks, recorded images that lie all over what was seen, of
    a run that was trained with --recipe unfold-roadmap.

      e2c planners
      e2c planners icem
      e2c planners my_package:Mine

    Attributes:
        page: name of a planner, or "module:Name" of one of your own.
    """

    page: Positional[str | None] = None

    def __call__(self) -> None:
        """Print the list, or the page."""
        from e2c_control.cli.console import say
        from e2c_control.cli.pages import defaults_of, show_list, show_settings, text_of
        from e2c_control.planners import PLANNERS

        if self.page is None:
            show_list("planners", PLANNERS, lambda name: text_of(PLANNERS[name]))
            return say("Which", "e2c planners --help")
        planner = PLANNERS.find(self.page)
        print(f"{self.page}: {text_of(planner)}")
        options = "Options, as `e2c plan` and `e2c evaluate` take them by --set settings.NAME=value:"
        show_settings(options, defaults_of(planner) if isinstance(planner, type) else {})
