"""The list of environments. A new one is a file with a function that makes its task, and a line here."""

import inspect
from collections.abc import Callable
from dataclasses import replace

import gymnasium
from gymnasium.envs.registration import EnvSpec

from e2c_control.envs.task import Task
from e2c_control.errors import InputError, only_options
from e2c_control.registry import Registry

TASKS: Registry[Callable[..., Task]] = Registry(
    "task",
    {
        "E2C/Planar-v0": "e2c_control.envs.planar_tasks:planar",
        "E2C/PlanarWalls-v0": "e2c_control.envs.planar_tasks:planar_walls",
        "E2C/PendulumBalance-v0": "e2c_control.envs.pendulum_tasks:balance",
        "E2C/PendulumSwingUp-v0": "e2c_control.envs.pendulum_tasks:swing_up",
        "E2C/PendulumPump-v0": "e2c_control.envs.pendulum_tasks:pump",
        "E2C/CartPoleBalance-v0": "e2c_control.envs.cart_pole_tasks:balance",
        "E2C/ThreeLink-v0": "e2c_control.envs.three_link_tasks:three_link",
        "E2C/ThreeLinkFine-v0": "e2c_control.envs.three_link_tasks:three_link_fine",
    },
)


def task_ids() -> tuple[str, ...]:
    """Ids of all environments."""
    return tuple(TASKS)


def make_task(
    task: str | Task, *, frame_stack: int | None = None, horizon: int | None = None, **options: float
) -> Task:
    """The task behind an environment id: ``make_task("E2C/Planar-v0", noise=0.5, horizon=60)``.

    Args:
        task: one of `task_ids`, or a `Task` of your own, which takes no options.
        frame_stack: frames in an observation, instead of the task's own number.
        horizon: steps in an episode, instead of the task's own number.
        options: what the function that makes the task takes. All of them take ``noise``, the standard deviation of
            the process noise in units of the state (default 0); the planar ones also ``max_step``, the largest
            displacement per axis in pixels (default 3). ``goal`` and ``render_mode`` are arguments of the
            environments, see `e2c_control.envs.env.TaskEnv`.

    Raises:
        InputError: there is no such task, it has no such option, or the option cannot be such a number.
    """
    if isinstance(task, str):
        maker = TASKS.find(task)
        only_options(task, options, inspect.signature(maker).parameters)
        task = maker(**options)
        about = task.about or inspect.getdoc(maker) or ""
    else:
        only_options("A Task of your own", options, ())
        about = task.about
    return replace(
        task,
        frame_stack=task.frame_stack if frame_stack is None else frame_stack,
        horizon=task.horizon if horizon is None else horizon,
        about=about,
    )


def check_spec(spec: EnvSpec | None) -> None:
    """Raise InputError if a registered id was made with another task than its own."""
    if spec is not None and spec.id in TASKS and spec.kwargs.get("task") != spec.id:
        raise InputError(f"The task of {spec.id} is fixed: leave out 'task', or make the id of that other task.")


def register_all() -> None:
    """Make every task known to `gymnasium.make` and `gymnasium.make_vec`.

    The specs have no ``max_episode_steps``: the environments truncate at the task's horizon by themselves, and a
    second time limit around them could only disagree.
    """
    for task_id in TASKS:
        if task_id not in gymnasium.registry:
            gymnasium.register(  # pyright: ignore[reportUnknownMemberType]
                task_id,
                entry_point="e2c_control.envs.env:TaskEnv",
                vector_entry_point="e2c_control.envs.vector_env:TaskVectorEnv",
                kwargs={"task": task_id},
            )
