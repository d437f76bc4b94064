"""An environment, in any of the ways that users have one, as whatever takes one needs it.

Imports stable-baselines3 only when a vector of it is asked for.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeGuard, cast

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import SyncVectorEnv, VectorEnv
from gymnasium.wrappers import FrameStackObservation

from e2c_control.data.card import DatasetCard
from e2c_control.data.choices import Choices, choices_of
from e2c_control.data.controls import check_unit_actions, single_spaces
from e2c_control.data.environments import ImageView, layers, make_image_env, make_vector_env, stacked
from e2c_control.data.foreign import AnyEnv, Vectors
from e2c_control.data.senses import Senses
from e2c_control.data.specs import by_id, find_spec
from e2c_control.envs import Task
from e2c_control.envs.env import TaskEnv
from e2c_control.envs.registry import task_of
from e2c_control.envs.vector_env import TaskVectorEnv
from e2c_control.errors import InputError, in_a_sentence, whole

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
    from typing_extensions import TypeIs

EnvLike: TypeAlias = "str | Task | AnyEnv | Callable[[], AnyEnv] | Vectors | VecEnv"
"""A Gymnasium id ("Id" or "module:Id"), a task, an environment or a function that makes one, or a vector of them."""

_UNCHANGING = ("PassiveEnvChecker", "OrderEnforcing", "Monitor")
# What `gymnasium.make_vec` notes among the arguments, and what is the observer's choice and not the environment's.
_NOT_KWARGS = ("num_envs", "vectorization_mode", "max_episode_steps", "frame_stack", "render_mode")
# What an environment is made with and a dataset does not depend on.
_NOT_PHYSICS = ("frame_stack", "render_mode", "goal", "num_envs")


@dataclass(frozen=True, eq=False)
class EnvSource:
    """An environment that shows images and takes actions in [-1, 1], as a source of transitions.

    Attributes:
        name: Gymnasium id, or the class of an environment that has none.
        frame_shape: (H, W, C) of a single frame.
        frame_stack: frames in an observation.
        action_dim: m.
        task: the task behind it, if it has one.
        vectors: make so many environments that show single frames.
        own: the environments that the user gave, as stable-baselines3 sees them.
        senses: what a single one of them shows: `frame_shape` and vectors, and what these are made of.
        choices: what its actions choose among; none where they are continuous.
    """

    name: str
    frame_shape: tuple[int, int, int]
    frame_stack: int
    action_dim: int
    task: Task | None
    vectors: Callable[[int], Vectors]
    own: Callable[[], VecEnv]
    senses: Senses
    choices: Choices | None = None

    @classmethod
    def of(cls, env: EnvLike, frame_stack: int | None = None, **arguments: Any) -> EnvSource:
        """Return the source behind whatever a user gives.

        An id, a task, or a native environment with nothing around it, is made anew and collected from as single
        frames, many at once. Any other environment is used as it is, with all its wrappers: what it shows counts as one
        frame, of which `frame_stack` are joined. A function is called for each environment.

        Args:
            env: the environment.
            frame_stack: frames in an observation; default: what the environment shows by itself.
            arguments: of `make_image_env`, for an id.

        Raises:
            InputError: unknown, nothing that shows images and takes actions in [-1, 1], or it stacks frames by itself,
                other than `frame_stack`.
        """
        frame_stack = None if frame_stack is None else whole("frame_stack", frame_stack)
        if isinstance(env, str):
            return _from_id(env, frame_stack, arguments)
        if arguments:
            raise InputError(f"Arguments ({', '.join(arguments)}) belong to an id: make the environment with them.")
        if isinstance(env, Task):
            return _from_task(env, frame_stack)
        if _is_env(env):
            return _from_envs([env], lambda: _dummy([lambda: env]), frame_stack)
        if _is_vector(env):
            return _as_it_is(env, frame_stack, _no_vec_env)
        if _is_dummy(env):
            return _from_envs(env.envs, lambda: env, frame_stack)
        if callable(env):
            return _from_function(env, frame_stack)
        raise InputError(f"Cannot collect from a {type(env).__name__}: give an id, an environment or a DummyVecEnv.")

    @property
    def observation_shape(self) -> tuple[int, int, int]:
        """(H, W, stack * C)."""
        height, width, channels = self.frame_shape
        return height, width, channels * self.frame_stack

    @property
    def vector_dim(self) -> int | None:
        """v of the vectors that it shows, beside images or alone; none without them."""
        return self.senses.vector_dim

    @property
    def native(self) -> bool:
        """Whether there is a task behind it, so that it can start anywhere."""
        return self.task is not None

    def card(self, vec_env: VecEnv, seed: int) -> DatasetCard:
        """Describe what a dataset of it holds, from the first reset of its environments."""
        single = self.vectors(1)
        name, kwargs = environment_identity(single)
        single.close()
        vec_env.reset()
        state = vec_env.reset_infos[0].get("state")
        size = None if state is None else len(state)
        return DatasetCard(
            name,
            kwargs,
            self.frame_shape,
            self.action_dim,
            size,
            self.frame_stack,
            seed,
            rewards=True,
            vector_dim=self.vector_dim,
            choices=self.choices,
            vector_parts=self.senses.parts or {},
            cameras=self.senses.cameras,
        )


def vec_env_of(env: EnvLike, n_envs: int | None, usual: int = 1, seed: int | None = None) -> VecEnv:
    """Return a vector of stable-baselines3 of whatever a user gives, which need not show images.

    Args:
        env: anything but a Gymnasium vector.
        n_envs: how many; must be what a given environment or vector has.
        usual: how many where that was left open.
        seed: of environments that are made here.

    Raises:
        InputError: nothing that environments can be made of, or not as many.
    """
    from stable_baselines3.common.env_util import make_vec_env

    n_envs = None if n_envs is None else whole("n_envs", n_envs)
    if (venv := _given_vec_env(env)) is not None:
        if n_envs not in (None, venv.num_envs):
            raise InputError(f"{venv.num_envs} environments were given and {n_envs} asked for: give an id, or as many.")
        return venv
    if isinstance(env, str):
        find_spec(env)
    elif not callable(env) and not isinstance(env, Task):
        raise InputError(
            f"An environment is an id, an environment, a vector or a function, not a {type(env).__name__}."
        )
    with in_a_sentence(f"{env if isinstance(env, str) else 'The environment'} cannot be made"):
        return make_vec_env(partial(TaskEnv, env) if isinstance(env, Task) else cast(Any, env), n_envs or usual, seed)


def environment_identity(vector_env: Vectors) -> tuple[str, dict[str, Any]]:
    """Return the id and the arguments with which `make_vector_env` makes these environments again.

    Those with wrappers of the user's cannot be made again: their name, "Wrapper-Id", is no id.
    """
    inner: AnyEnv | Vectors = vector_env.unwrapped
    spec = inner.spec
    around = user_wrappers(vector_env)
    if isinstance(inner, SyncVectorEnv):
        around += user_wrappers(inner.envs[0])
        inner = inner.envs[0].unwrapped
        spec = inner.spec if spec is None and task_of(inner) is not None else spec
    if spec is None or around:
        own_name = type(inner).__name__ if spec is None else spec.id.rpartition("/")[2]
        return "-".join([*around, own_name]), {}
    entry = gymnasium.registry.get(spec.id.rpartition(":")[2])
    registered = {} if entry is None else entry.kwargs
    return spec.id, {
        name: value if _is_plain(value) else repr(value)
        for name, value in spec.kwargs.items()
        if name not in _NOT_KWARGS and not isinstance(value, Task) and repr(value) != repr(registered.get(name))
    }


def own_frame_stack(vector_env: Vectors) -> int:
    """Return how many frames a native environment shows when nobody asks for a number; 1 for any other."""
    name, kwargs = environment_identity(vector_env)
    if task_of(vector_env) is None or name.rpartition(":")[2] not in gymnasium.registry:
        return 1
    task = task_of(make_image_env(name, **kwargs))
    return 1 if task is None else task.frame_stack


def user_wrappers(env: AnyEnv | Vectors) -> list[str]:
    """Return the names of the wrappers that a user put around an environment or a vector, outermost first.

    What `gymnasium.make` adds by itself changes nothing, nor does stable-baselines3's Monitor, nor what is put around
    environments here.
    """
    found = list[str]()
    for layer in [*layers(env)][:-1]:
        if isinstance(layer, ImageView):
            break
        kind = type(layer)
        if kind.__name__ not in _UNCHANGING and not kind.__module__.startswith("e2c_control."):
            found.append(kind.__name__)
    return found


class _Kept(gymnasium.Wrapper[object, object, object, object]):
    """A user's environment in a vector of ours, which must not close it."""

    def close(self) -> None:
        pass


def _from_id(env_id: str, frame_stack: int | None, arguments: dict[str, Any]) -> EnvSource:
    vectors = partial(make_vector_env, env_id, frame_stack=1, **arguments)
    single, shown = vectors(1), make_image_env(env_id, frame_stack, **arguments)
    source = _as_it_is(single, None, _no_vec_env)
    single.close()
    stacks = Senses.of(shown.observation_space)
    assert stacks is not None, shown.observation_space
    stack = _numbers(stacks) // _numbers(source.senses)
    own = partial(_dummy, [lambda: shown])
    return replace(source, frame_stack=stack, task=task_of(shown), vectors=vectors, own=own)


def _numbers(senses: Senses) -> int:
    """Return the channels of images, or else the numbers of vectors: those grow with a stack."""
    return senses.frame_shape[2] or senses.vector_dim or 0


def _from_task(
    task: Task, frame_stack: int | None, spec: EnvSpec | None = None, own: Callable[[], VecEnv] | None = None
) -> EnvSource:
    """Make as many environments of a task as are asked for.

    Args:
        task: this project's, or the user's own.
        frame_stack: instead of the task's.
        spec: of the id that the task stands behind, with what a dataset depends on.
        own: the environments that the user gave; others stand in their place if they show something else.
    """
    task = task if frame_stack is None else replace(task, frame_stack=frame_stack)

    def vectors(count: int) -> Vectors:
        made = TaskVectorEnv(replace(task, frame_stack=1), count)
        made.spec = spec
        return made

    def given() -> VecEnv:
        if own is not None and (venv := own()).observation_space.shape == task.observation_shape:
            return venv
        return _dummy([partial(TaskEnv, task)])

    name = TaskEnv.__name__ if spec is None else spec.id
    shape, controls = task.system.frame_shape, task.system.control_size
    return EnvSource(name, shape, task.frame_stack, controls, task, vectors, given, Senses(shape, None))


def _from_envs(envs: Sequence[AnyEnv], own: Callable[[], DummyVecEnv], frame_stack: int | None) -> EnvSource:
    natives = [native for env in envs if (native := _native(env)) is not None]
    if len(natives) == len(envs):
        first = natives[0]
        made = [None if env.spec is None else (env.spec.id, _physics(env.spec)) for env in envs]
        if len(envs) == 1 or (made[0] is not None and all(other == made[0] for other in made)):
            spec = None if first.spec is None else replace(first.spec, kwargs=_physics(first.spec))
            return _from_task(first.task, frame_stack, spec, own)
    return _as_it_is(SyncVectorEnv([partial(_Kept, env) for env in envs]), frame_stack, own)


def _native(env: AnyEnv) -> TaskEnv | None:
    """Return a task with nothing around it, of which others can be made; none of anything else."""
    inner = env.unwrapped
    return inner if type(inner) is TaskEnv and not user_wrappers(env) else None


def _physics(spec: EnvSpec) -> dict[str, object]:
    return {name: value for name, value in spec.kwargs.items() if name not in _NOT_PHYSICS}


def _from_function(make: Callable[[], AnyEnv], frame_stack: int | None) -> EnvSource:
    with in_a_sentence("The environment cannot be made"):
        trial = make()
    if not isinstance(trial, gymnasium.Env):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"The function made a {type(trial).__name__}: give one that makes a Gymnasium environment.")
    source = _from_envs([trial], lambda: _dummy([make]), frame_stack)

    def vectors(count: int) -> Vectors:
        return SyncVectorEnv([make] * count)

    return replace(source, vectors=vectors) if _native(trial) is None else source


def _as_it_is(env: Vectors, frame_stack: int | None, own: Callable[[], DummyVecEnv]) -> EnvSource:
    space, actions = single_spaces(env)
    senses = Senses.of(space)
    maker = f"make_image_env, to which give {by_id(single_of(env))}"
    if senses is None:
        raise InputError(
            f"The environment shows {space} instead of uint8 (H, W, C) or a vector of floats: make it with {maker}, or "
            "wrap it."
        )
    controls = check_unit_actions("The environment", actions, maker)
    shows = _frames_shown(env)
    if shows > 1 and frame_stack not in (None, shows):
        raise InputError(
            f"The environment shows {shows} frames in an observation already, and frame_stack is {frame_stack}: leave "
            "it out, or make the environment show one."
        )
    stack = frame_stack if frame_stack is not None and shows == 1 else 1
    name, one = environment_identity(env)[0], partial(_stacking, own, stack)
    shape, choices = senses.frame_shape, choices_of(actions)
    return EnvSource(name, shape, stack, controls, task_of(env), lambda _: env, one, senses, choices)


def single_of(env: Vectors) -> object:
    """Return the first environment of a vector that runs them one after another; none of others."""
    inner = env.unwrapped
    return inner.envs[0] if isinstance(inner, SyncVectorEnv) else None


def _frames_shown(env: Vectors) -> int:
    """Return how many frames the environments of a vector join by themselves, as far as one can see."""
    inner = env.unwrapped
    for layer in layers(inner.envs[0] if isinstance(inner, SyncVectorEnv) else inner):
        if isinstance(layer, FrameStackObservation):
            return layer.stack_size
    task = task_of(inner)
    return 1 if task is None else task.frame_stack


def _stacking(own: Callable[[], DummyVecEnv], stack: int) -> DummyVecEnv:
    given = own()
    return given if stack == 1 else _dummy([partial(stacked, env, stack) for env in given.envs])


def _dummy(makers: Sequence[Callable[[], AnyEnv]]) -> DummyVecEnv:
    from stable_baselines3.common.vec_env import DummyVecEnv

    return DummyVecEnv(list(makers))


def _given_vec_env(env: EnvLike) -> VecEnv | None:
    """Return a vector as it is, one environment as a vector, and none for what environments are yet to be made of."""
    from stable_baselines3.common.monitor import Monitor

    if _is_env(env):
        return _dummy([lambda: Monitor(env)])
    return env if _is_vec_env(env) else None


def _is_env(env: EnvLike) -> TypeIs[AnyEnv]:
    return isinstance(env, gymnasium.Env)


def _is_vector(env: EnvLike) -> TypeIs[Vectors]:
    return isinstance(env, VectorEnv)


def _is_vec_env(env: object) -> TypeGuard[VecEnv]:
    module = sys.modules.get("stable_baselines3.common.vec_env")  # whoever has one has imported it
    return module is not None and isinstance(env, module.VecEnv)


def _is_dummy(env: object) -> TypeGuard[DummyVecEnv]:
    module = sys.modules.get("stable_baselines3.common.vec_env")
    return module is not None and isinstance(env, module.DummyVecEnv)


def _no_vec_env() -> NoReturn:
    raise InputError("A Gymnasium vector has no stable-baselines3 face: make the agent from an id to use callbacks.")


def _is_plain(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
