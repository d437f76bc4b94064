"""A package of somebody's own, with one of everything that e2c-control can be extended by."""

from e2c_control.envs import register_task

register_task("My/Slider-v0", "my_package.world:slider")
