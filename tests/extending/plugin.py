"""Puts what `my_package` has under the name "mine" into the registries that contract tests go through."""

import my_package.gradients  # noqa: F401  registers its law

from e2c_control.agents.free_energy.learners import POLICIES
from e2c_control.agents.novelty.registry import MODELS
from e2c_control.autoencoders.registry import METHODS
from e2c_control.envs.registry import TASKS, register_task
from e2c_control.gradients.registry import ESTIMATORS
from e2c_control.models.embedding import TRANSITIONS
from e2c_control.models.networks import NETWORKS
from e2c_control.objectives.objective import TERMS
from e2c_control.objectives.recipes import RECIPES
from e2c_control.planners.registry import COSTS, PLANNERS

TASKS.add("Mine/Slider-v0", "plugin:mine")
register_task("Mine/Slider-v0", "Mine/Slider-v0")
PLANNERS.add("mine", "my_package.planning:Shooting")
COSTS.add("mine", "my_package.planning:Far")
TERMS.add("mine", "my_package.training:Spread")
RECIPES.add("mine", "my_package.training:recipe")
NETWORKS.add("mine", "my_package.training:Linear")
TRANSITIONS.add("mine", "my_package.training:Push")
ESTIMATORS.add("mine", "my_package.gradients:HalfScore")
METHODS.add("mine", "my_package.curiosity:Absolute")
MODELS.add("mine", "my_package.curiosity:Surprise")
POLICIES.add("mine", "my_package.curiosity:ShortA2C")


def mine(noise: float = 0.0):
    from dataclasses import replace

    from my_package.world import slider

    return replace(slider(noise), id="Mine/Slider-v0")
