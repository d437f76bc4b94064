"""`e2c recipes`."""

from __future__ import annotations

from dataclasses import dataclass

from tyro.conf import Positional


@dataclass(frozen=True, kw_only=True)
class Recipes:
    """List the recipes of `e2c train`, or show the page of one: what it does, its source, and all its settings.

      e2c recipes
      e2c recipes unfold

    Attributes:
        page: name of a recipe, or "my_package:mine".
    """

    page: Positional[str | None] = None

    def __call__(self) -> None:
        """Print the list, or the page."""
        from e2c_control import EmbeddingConfig, make_recipe
        from e2c_control.cli.pages import show_list, show_settings, text_of
        from e2c_control.objectives.recipes import RECIPES
        from e2c_control.runs.settings import settings

        if self.page is None:
            return show_list("recipes", RECIPES, lambda name: text_of(RECIPES[name]))
        recipe = make_recipe(self.page, EmbeddingConfig())
        print(f"{self.page}: {text_of(RECIPES.find(self.page))}")
        show_settings("Settings, for two latents (e2c train --set PATH=VALUE):", settings(recipe))
