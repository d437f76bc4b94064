"""Any Gymnasium environment as one that shows image observations and takes actions in [-1, 1].

Three kinds are told apart: this project's own (`E2C/...`), which do all of it themselves; environments whose
observation is an image; and environments that render, whose picture becomes their observation through Gymnasium's
wrappers.
"""

import difflib
import importlib
import json
import os
from collections.abc import Container, Generator, Iterable, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from reprlib import repr as short
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium import error, spaces, wrappers
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from e2c_control.data.transitions import stack_frames
from e2c_control.errors import InputError, whole

ImageEnv = gymnasium.Env[Any, Any]

_NATIVE = "E2C/"
_RENDERED_SIZE = 64
_MOST_ENVS = 1 << 16
_MOST_PIXELS = 1 << 12
_OTHER_OPTION = "give {0} itself, not among the arguments of the environment"
# Names that mean something else than an argument of the environment, and what to do instead.
_OPTIONS = {
    "num_envs": _OTHER_OPTION.format("n_envs"),
    "n_envs": _OTHER_OPTION.format("n_envs"),
    "frame_stack": _OTHER_OPTION.format("frame_stack"),
    "image_size": _OTHER_OPTION.format("image_size"),
    "grayscale": "give the colours themselves, not among the arguments of the environment",
    "seed": _OTHER_OPTION.format("seed"),
    "processes": "leave it out",
    "vectorization_mode": "leave it out",
    "render_mode": "leave it out, what cannot be seen otherwise is rendered in any case",
}
# What `gymnasium.make_vec` notes among the arguments, and what is the observer's choice and not the environment's.
_NOT_KWARGS = ("num_envs", "vectorization_mode", "max_episode_steps", "frame_stack", "render_mode")


def make_image_env(
    env_id: str,
    frame_stack: int | None = None,
    *,
    image_size: int | None = None,
    grayscale: bool | None = None,
    **kwargs: Any,
) -> ImageEnv:
    """One environment with (H, W, frame_stack * C) uint8 observations, oldest first, and actions in [-1, 1].

    Args:
        env_id: Gymnasium id, or "module:Id" to import the module that registers it first.
        frame_stack: single frames in an observation; a reset repeats its first frame. Default: what the environment
            shows by itself.
        image_size: pixels per side to resize to. Default: 64 for a rendered picture, as it is for an image.
        grayscale: whether to drop colour. Default: yes for a rendered picture, no for an image.
        kwargs: passed to the environment.

    Raises:
        InputError: unknown environment, actions that are not continuous and bounded, or nothing to see.
    """
    spec = find_spec(env_id)
    _check_looks(frame_stack, image_size)
    check_arguments(env_id, kwargs, allowed=("render_mode",))
    if is_native(spec):
        _refuse_resizing(env_id, image_size, grayscale)
        return _make(spec, {"frame_stack": frame_stack, **kwargs})
    env = _with_unit_actions(_make_foreign(spec, kwargs), env_id)
    rendered = not _is_image(env.observation_space)
    if rendered:
        env = wrappers.AddRenderObservation(env)
    env = wrappers.TransformObservation(env, partial(_checked, env.observation_space, env_id), env.observation_space)
    shape = cast(tuple[int, ...], env.observation_space.shape)
    if rendered or image_size is not None:
        size = image_size or _RENDERED_SIZE
        env = wrappers.ResizeObservation(env, (size, size))
    if (rendered if grayscale is None else grayscale) and shape[2:] == (3,):
        env = wrappers.GrayscaleObservation(env)  # of the small picture: that of a large one costs more than a step
    return _join_stack(wrappers.FrameStackObservation(_with_channel_axis(env), frame_stack or 1))


def make_vector_env(
    env_id: str,
    n_envs: int,
    frame_stack: int | None = None,
    seed: int | None = None,
    *,
    image_size: int | None = None,
    grayscale: bool | None = None,
    processes: bool = False,
    **kwargs: Any,
) -> VectorEnv[NDArray[np.uint8], NDArray[np.float32], Any]:
    """N environments that show and take what `make_image_env`'s do, in batches.

    Args:
        env_id, frame_stack, image_size, grayscale, kwargs: as for `make_image_env`.
        n_envs: N.
        seed: of a first reset, so that later resets without a seed are reproducible.
        processes: run each environment in a process of its own (this project's are one batch in any case).
    """
    n_envs = whole("n_envs", n_envs)
    if n_envs > _MOST_ENVS:
        raise InputError(f"Cannot run {n_envs} environments at once: give {_MOST_ENVS} or fewer.")
    seed = None if seed is None else whole("seed", seed, least=0)
    spec = deepcopy(find_spec(env_id))
    _check_looks(frame_stack, image_size)
    check_arguments(env_id, kwargs, allowed=("render_mode",))
    vector_env: VectorEnv[Any, Any, Any]
    if is_native(spec):
        _refuse_resizing(env_id, image_size, grayscale)
        with _arguments_of(env_id, kwargs):
            vector_env = gymnasium.make_vec(spec, n_envs, "vector_entry_point", frame_stack=frame_stack, **kwargs)
    else:
        looks = {"image_size": image_size, "grayscale": grayscale}
        spec.kwargs = {**{name: look for name, look in looks.items() if look is not None}, **kwargs}
        makers = [partial(make_image_env, env_id, frame_stack, **spec.kwargs)] * n_envs
        makers[0]().close()  # a mistake shows here, not inside another process
        vector_env = AsyncVectorEnv(makers) if processes else SyncVectorEnv(makers)
        spec.id = env_id
        vector_env.spec = spec
    if seed is not None:
        vector_env.reset(seed=seed)
        cast(Any, vector_env).action_space.seed(seed)
    return vector_env


def check_arguments(env_id: str, names: Iterable[str], allowed: Container[str] = ()) -> None:
    """Raise `InputError` for an argument of an environment that is an option of something else.

    Args:
        env_id: whose arguments.
        names: of the arguments that a user gave.
        allowed: options that may be among them.
    """
    for name in names:
        if name in _OPTIONS and name not in allowed:
            raise InputError(f"{env_id} cannot take {name!r} as an argument: {_OPTIONS[name]}.")


def find_spec(env_id: str) -> EnvSpec:
    """The registered `EnvSpec` of "Id" or "module:Id"; `InputError` if there is none."""
    module, _, name = env_id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        return gymnasium.spec(name)
    except (error.Error, ImportError) as unknown:
        close = difflib.get_close_matches(name, gymnasium.registry, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else "`gymnasium.pprint_registry()` lists what there is."
        raise InputError(f"Unknown environment {env_id!r} (another package's is 'module:Id'): {hint}") from unknown


def named_in_a_file(environment: str, option: str = "--env") -> str:
    """Return the id under which an environment can be made that a file names, without importing anything.

    "module:Id" stands for code of another package, and a file may come from anywhere. So that module is not imported:
    what it registers must be known already, because the user named it.

    Args:
        environment: "Id" or "module:Id", as a dataset's card or an exploration's config has it.
        option: by which the user can name it.

    Raises:
        InputError: it is not registered.
    """
    module, _, name = environment.rpartition(":")
    if module and name not in gymnasium.registry:
        raise InputError(
            f"{short(environment)} is named in a folder, and opening a folder imports no code of other packages: if "
            f"you trust that module, name it with {option} {short(environment)[1:-1]}."
        )
    return name


def import_named(env: str, environment: str, folder: object) -> None:
    """Import the module of the environment that the user names, if it is the one that a folder was made in.

    Args:
        env: "Id" or "module:Id", from the user.
        environment: the same from the folder.
        folder: for the sentence.

    Raises:
        InputError: it is another environment, or there is none of that name.
    """
    if env.rpartition(":")[2] != environment.rpartition(":")[2]:
        raise InputError(f"{folder} is of {short(environment)}, not of {env}: leave out --env, or name that one.")
    find_spec(env)


def check_file_arguments(environment: str, kwargs: Mapping[str, Any]) -> None:
    """Refuse arguments of an environment that a file gives and that may be paths: they lead out of its folder.

    Raises:
        InputError: one holds a text that looks like a path.
    """
    for name, value in kwargs.items():
        if isinstance(value, str) and (value.startswith((".", "~")) or any(mark in value for mark in "/\\\0")):
            raise InputError(
                f"{short(environment)} gets {name}={short(value)} from a folder, which may be a path out of it: make "
                "the environment in Python, where you name the path yourself."
            )


def environment_identity(vector_env: VectorEnv[Any, Any, Any]) -> tuple[str, dict[str, Any]]:
    """Id and arguments with which `make_vector_env` makes these environments again."""
    spec = vector_env.unwrapped.spec
    if spec is None:
        return type(vector_env.unwrapped).__name__, {}
    registered = gymnasium.registry[spec.id].kwargs if spec.id in gymnasium.registry else {}
    given = {name: value for name, value in spec.kwargs.items() if repr(value) != repr(registered.get(name))}
    return spec.id, {
        name: value if _is_plain(value) else repr(value) for name, value in given.items() if name not in _NOT_KWARGS
    }


def own_frame_stack(vector_env: VectorEnv[Any, Any, Any]) -> int:
    """How many frames an environment shows when nobody asks for a number; 1 for those that are not this project's."""
    name, kwargs = environment_identity(vector_env)
    if not is_native(vector_env.unwrapped.spec):
        return 1
    own, single = (make_image_env(name, stack, **kwargs).observation_space.shape for stack in (None, 1))
    return cast(tuple[int, ...], own)[-1] // cast(tuple[int, ...], single)[-1]


def is_native(environment: str | EnvSpec | None) -> bool:
    """Whether an environment is this project's: it has a task, starts at sampled states and stacks frames by itself.

    This is the one place that knows. Environments that nobody registered have no spec, and are nobody's.

    Args:
        environment: Gymnasium id, with or without the module that registers it, or spec.
    """
    env_id = environment.id if isinstance(environment, EnvSpec) else environment or ""
    return env_id.rpartition(":")[2].startswith(_NATIVE)


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


@contextmanager
def _arguments_of(env_id: str, kwargs: Mapping[str, Any]) -> Generator[None]:
    """Around the making of an environment: what it says against its arguments becomes an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except (TypeError, ValueError, AssertionError, ImportError, error.Error) as refusal:
        raise InputError(f"{env_id} cannot be made with {dict(kwargs)}: {refusal}") from refusal


def _make(spec: EnvSpec, kwargs: Mapping[str, Any]) -> ImageEnv:
    with _arguments_of(spec.id, kwargs):
        return gymnasium.make(spec, **kwargs)


def _make_foreign(spec: EnvSpec, kwargs: dict[str, Any]) -> ImageEnv:
    """Make it as it is, or so that it renders arrays when it shows no image and nobody said how to render."""
    env = _make(spec, kwargs)
    if _is_image(env.observation_space) or env.render_mode is not None:
        return env
    modes = env.metadata.get("render_modes", ())
    env.close()
    if "rgb_array" not in modes:
        raise InputError(
            f"{spec.id} shows {env.observation_space}, which is no uint8 image (H, W, C), and cannot render one "
            "(no render mode 'rgb_array'): wrap it so that its observation is an image."
        )
    # Many draw with SDL, which would take SIGTERM for a wish to close a window, and swallow it.
    os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")
    return _make(spec, {**kwargs, "render_mode": "rgb_array"})


def _is_image(space: Any) -> bool:
    """(H, W) or (H, W, C) uint8 with at most 4 channels."""
    if not isinstance(space, spaces.Box) or cast(Any, space).dtype != np.uint8:
        return False
    return len(space.shape) == 2 or (len(space.shape) == 3 and space.shape[-1] <= 4)


def _with_unit_actions(env: Any, env_id: str) -> ImageEnv:
    space: Any = env.action_space
    if not isinstance(space, spaces.Box):
        raise InputError(
            f"{env_id} takes {space}: only continuous actions (Box) can be planned, choose such a variant."
        )
    if len(space.shape) != 1 or not space.is_bounded():
        raise InputError(f"{env_id} takes {space}: wrap it so that its actions are one bounded vector.")
    if np.all(cast(Any, space).low == -1) and np.all(cast(Any, space).high == 1):
        return env
    return wrappers.RescaleAction(env, np.float32(-1), np.float32(1))


def _with_channel_axis(env: ImageEnv) -> ImageEnv:
    """(H, W) → (H, W, 1)."""
    space = env.observation_space
    if space.shape is None or len(space.shape) == 3:
        return env
    return wrappers.TransformObservation(env, _add_channel_axis, spaces.Box(0, 255, (*space.shape, 1), np.uint8))


def _join_stack(env: ImageEnv) -> ImageEnv:
    """(stack, H, W, C) → (H, W, stack * C)."""
    stack, height, width, channels = cast(tuple[int, ...], env.observation_space.shape)
    space = spaces.Box(0, 255, (height, width, stack * channels), np.uint8)
    return wrappers.TransformObservation(env, stack_frames, space)


def _checked(space: Any, env_id: str, frame: Any) -> NDArray[np.uint8]:
    """The frame, if it is what the space says."""
    pixels: NDArray[Any] = np.asarray(frame)
    if pixels.dtype == np.uint8 and pixels.shape == space.shape:
        return pixels
    raise bad_frames(env_id, pixels, space.shape)


def bad_frames(env_id: str, frames: NDArray[Any], expected: tuple[int, ...]) -> InputError:
    """What is wrong with frames that are not uint8 of the expected shape."""
    if np.issubdtype(frames.dtype, np.inexact) and not np.isfinite(frames).all():
        return InputError(f"{env_id} shows pixels that are not finite: repair its observations.")
    return InputError(
        f"{env_id} shows {frames.dtype} {frames.shape} instead of uint8 {expected}: make its observations what its "
        "observation space says."
    )


def _add_channel_axis(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return frame[..., None]


def _check_looks(frame_stack: int | None, image_size: int | None) -> None:
    if frame_stack is not None:
        whole("frame_stack", frame_stack)
    if image_size is not None:
        whole("image_size", image_size, most=_MOST_PIXELS)


def _refuse_resizing(env_id: str, *looks: object) -> None:
    if any(look is not None for look in looks):
        raise InputError(f"{env_id} draws its own small images: leave out image_size and grayscale.")
