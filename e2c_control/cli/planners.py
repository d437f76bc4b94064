"""`e2c planners`."""

from __future__ import annotations

from dataclasses import dataclass

from tyro.conf import Positional


@dataclass(frozen=True, kw_only=True)
class Planners:
    """List the planners, or show the page of one: what it does, its source, and its options.

      e2c planners
      e2c planners icem

    Attributes:
        page: name of a planner.
    """

    page: Positional[str | None] = None

    def __call__(self) -> None:
        """Print the list, or the page."""
        from e2c_control.cli.pages import defaults_of, show_list, show_settings, text_of
        from e2c_control.errors import one_of
        from e2c_control.planners import PLANNERS

        if self.page is None:
            return show_list("planners", PLANNERS, lambda name: text_of(PLANNERS[name]))
        planner = PLANNERS[one_of("planner", self.page, PLANNERS)]
        print(f"{self.page}: {text_of(planner)}")
        show_settings("Options:", defaults_of(planner))
