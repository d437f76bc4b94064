"""The list of environments. A new one is a file with a function that makes its task, and a line here."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from reprlib import repr as short
from typing import Any, TypeAlias

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import SyncVectorEnv, VectorEnv

from e2c_control.envs.task import Task
from e2c_control.errors import InputError, in_a_sentence, of_class, only_options
from e2c_control.fields import Count, FrameStack, checked
from e2c_control.registry import Registry, import_name

TASKS: Registry[Callable[..., Task]] = Registry(
    "task",
    {
        "E2C/Planar-v0": "e2c_control.envs.planar_tasks:planar",
        "E2C/PlanarWalls-v0": "e2c_control.envs.planar_tasks:planar_walls",
        "E2C/Rooms-v0": "e2c_control.envs.maze_tasks:rooms",
        "E2C/UMaze-v0": "e2c_control.envs.maze_tasks:u_maze",
        "E2C/MediumMaze-v0": "e2c_control.envs.maze_tasks:medium_maze",
        "E2C/CoastingWalls-v0": "e2c_control.envs.maze_tasks:coasting_walls",
        "E2C/TwoDiscs-v0": "e2c_control.envs.maze_tasks:two_discs",
        "E2C/PendulumBalance-v0": "e2c_control.envs.pendulum_tasks:balance",
        "E2C/PendulumSwingUp-v0": "e2c_control.envs.pendulum_tasks:swing_up",
        "E2C/PendulumPump-v0": "e2c_control.envs.pendulum_tasks:pump",
        "E2C/CartPoleBalance-v0": "e2c_control.envs.cart_pole_tasks:balance",
        "E2C/ThreeLink-v0": "e2c_control.envs.three_link_tasks:three_link",
        "E2C/ThreeLinkFine-v0": "e2c_control.envs.three_link_tasks:three_link_fine",
    },
)

AnyEnv: TypeAlias = gymnasium.Env[Any, Any]


def task_ids() -> tuple[str, ...]:
    """Return the ids of all environments."""
    return tuple(TASKS)


@checked
def make_task(
    task: str | Task | Callable[..., Task],
    *,
    frame_stack: FrameStack | None = None,
    horizon: Count | None = None,
    **options: float,
) -> Task:
    """Return the task behind an environment id: ``make_task("E2C/Planar-v0", noise=0.5, horizon=60)``.

    Args:
        task: one of `task_ids`; an id that `register_task` made known, "my_package:My/World-v0" to import the module
            that does so first; "my_package:world", a function of your own, or
            the function itself; or a `Task`, which takes no options.
        frame_stack: frames in an observation, instead of the task's own number.
        horizon: steps in an episode, instead of the task's own number.
        options: what the function that makes the task takes. All of them take ``noise``, the standard deviation of
            the process noise in units of the state (default 0); the planar ones also ``max_step``, the largest
            displacement per axis in pixels (default 3, in the mazes 0.7), and some ``layout_seed``, ``size`` and
            ``walls``, see their page. ``goal`` and ``render_mode`` are arguments of the
            environments, see `e2c_control.envs.env.TaskEnv`.

    Raises:
        InputError: there is no such task, it has no such option, or the option cannot be such a number.
    """
    if isinstance(task, str):
        module, _, name = task.rpartition(":")
        if module and not name.isidentifier():  # an id, which its module registers
            import_name(f"{module}:__name__", "task")
            task = name
    if isinstance(task, str) and task not in TASKS and task in gymnasium.registry:
        given: dict[str, Any] = {"frame_stack": frame_stack, "horizon": horizon, **options}
        with in_a_sentence(f"{task} cannot be made"):
            env: AnyEnv = gymnasium.make(task, **{name: value for name, value in given.items() if value is not None})
        env.close()
        if (found := task_of(env)) is not None:
            return found
    if isinstance(task, Task):
        only_options("A Task of your own", options, ())
        about = task.about
    else:
        maker, name = TASKS.find(task), task if isinstance(task, str) else getattr(task, "__name__", short(task))
        with in_a_sentence(f"The task {name} cannot be made"):
            only_options(name, options, inspect.signature(maker).parameters)
            task = of_class(name, maker(**options), Task)
        about = task.about or inspect.getdoc(maker) or ""
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


def task_of(env: AnyEnv | VectorEnv[Any, Any, Any]) -> Task | None:
    """Return the task behind an environment, or behind the first one of a vector; none if it has none.

    What has one is *native*: it starts at sampled states, knows goals and scores, and stacks frames by itself. This is
    the only place that knows, and a task of the user's own counts as this project's do.
    """
    inner = env.unwrapped
    if isinstance(inner, SyncVectorEnv):
        return task_of(inner.envs[0])
    task = getattr(inner, "task", None)
    return task if hasattr(task, "system") else None


def register_task(env_id: str, task: str | Task | Callable[..., Task]) -> None:
    """Make a task known to `gymnasium.make` and `gymnasium.make_vec`, as all of this project's are.

    The spec has no ``max_episode_steps``: the environments truncate at the task's horizon by themselves, and a second
    time limit around them could only disagree.

    Args:
        env_id: "My/World-v0".
        task: function that makes the task, "my_package:world" for one that is imported when it is used, or a `Task`.
    """
    gymnasium.register(  # pyright: ignore[reportUnknownMemberType]
        env_id,
        entry_point="e2c_control.envs.env:TaskEnv",
        vector_entry_point="e2c_control.envs.vector_env:TaskVectorEnv",
        kwargs={"task": task},
    )


def register_all() -> None:
    """Register every task of this project that is not registered yet."""
    for task_id in TASKS:
        if task_id not in gymnasium.registry:
            register_task(task_id, task_id)
