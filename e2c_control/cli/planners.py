"""`e2c planners`."""

from __future__ import annotations

from dataclasses import dataclass

from tyro.conf import Positional


@dataclass(frozen=True, kw_only=True)
class Planners:
    """List the planners, or show the page of one: what it does, its source, and its options.

      e2c planners
      e2c planners icem
      e2c planners my_package:Mine

    Attributes:
        page: name of a planner, or "module:Name" of one of your own.
    """

    page: Positional[str | None] = None

    def __call__(self) -> None:
        """Print the list, or the page."""
        from e2c_control.cli.pages import defaults_of, show_list, show_settings, text_of
        from e2c_control.planners import PLANNERS

        if self.page is None:
            return show_list("planners", PLANNERS, lambda name: text_of(PLANNERS[name]))
        planner = PLANNERS.find(self.page)
        print(f"{self.page}: {text_of(planner)}")
        options = "Options, as `e2c plan` and `e2c evaluate` take them by --set settings.NAME=value:"
        show_settings(options, defaults_of(planner) if isinstance(planner, type) else {})
