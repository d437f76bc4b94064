"""`e2c envs`."""

from __future__ import annotations

from dataclasses import dataclass

from tyro.conf import Positional


@dataclass(frozen=True, kw_only=True)
class Envs:
    """List this project's environments, or show the page of one: its world, reward, goals, and options.

      e2c envs
      e2c envs E2C/PendulumSwingUp-v0

    Attributes:
        page: id of an environment.
    """

    page: Positional[str | None] = None

    def __call__(self) -> None:
        """Print the list, or the page."""
        from e2c_control.cli.pages import show_list
        from e2c_control.envs import task_ids, task_page

        if self.page is None:
            return show_list("envs", task_ids(), task_page)
        print(task_page(self.page))
