"""The page of a world: its maker's words, and what the task says of itself in numbers."""

import inspect

from e2c_control.envs.registry import make_task
from e2c_control.envs.system import FloatArray
from e2c_control.envs.task import Task


def task_page(task: str | Task) -> str:
    """Return the page of a world, of an environment id or of a task: ``help(env.unwrapped)`` shows the same.

    Raises:
        InputError: there is no such id.
    """
    task = make_task(task)
    system = task.system
    height, width, channels = system.frame_shape
    ranges = zip(system.state_names, system.state_low, system.state_high, strict=True)
    facts = {
        "Observation": [f"Box(0, 255, {task.observation_shape}, uint8)",
                        f"{task.frame_stack} of the camera's {height} x {width} x {channels} images, the oldest first"],
        "State": [f"{name} in [{low:.4g}, {high:.4g}]" for name, low, high in ranges],
        "Action": [f"Box(-1, 1, ({system.control_size},), float32), as fractions of {_numbers(system.control_limit)}"],
        "Reward": ["1 in the goal region, else 0", f"goal region: {_first_line(task.in_goal)}"],
        "Goals": [_numbers(goal) for goal in task.goals],
        "Start": [f"uniform from {_numbers(task.start_low)} to {_numbers(task.start_high)}"
                  + ("" if task.counterpart is None else ", where nothing else is; the goal is drawn for it")],
        "Horizon": [f"{task.horizon} steps; plans look {task.planning_horizon} ahead"],
    }  # fmt: skip
    lines = [f"{f'{name}:' * (i == 0):12} {line}" for name, rows in facts.items() for i, line in enumerate(rows)]
    return "\n".join([task.about or task.id, "", "## In numbers", *lines])


def _numbers(values: FloatArray) -> str:
    return f"({', '.join(f'{value + 0.0:.4g}' for value in values)})"


def _first_line(thing: object) -> str:
    line = (inspect.getdoc(thing) or "as in_goal says").splitlines()[0]
    return line.removeprefix("Return which states are ").rstrip(".")
