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
        page: id of an environment; of one of your own, my_package:My/World-v0.
    """

    page: Positional[str | None] = None

    def __call__(self) -> None:
        """Print the list, or the page."""
        from e2c_control.cli.pages import show_list
        from e2c_control.data.specs import find_spec
        from e2c_control.envs import task_ids, task_page

        if self.page is None:
            return show_list("envs", task_ids(), task_page)
        module, _, name = self.page.rpartition(":")
        if module and not name.isidentifier():  # an id, which its module registers
            find_spec(self.page)
            return print(task_page(name))
        print(task_page(self.page))
