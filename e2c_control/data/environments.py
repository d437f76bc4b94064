"""Any Gymnasium environment as one that shows image observations and takes actions in [-1, 1].

Three kinds are told apart: those that have a task, which do all of it themselves; environments whose
observation is an image, in any layout that is beyond doubt (`image_layout`); and environments that render, whose
picture becomes their observation through Gymnasium's wrappers.
"""

import difflib
import importlib
import json
import os
import warnings
from collections.abc import Container, Iterable, Mapping
from copy import deepcopy
from functools import partial
from reprlib import repr as short
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium import error, spaces, wrappers
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv, VectorWrapper
from numpy.typing import NDArray

from e2c_control.data.controls import with_unit_actions
from e2c_control.data.foreign import Foreign, StateSize, in_a_sentence
from e2c_control.data.layouts import Layout, has_pictures, image_layout
from e2c_control.data.pictures import grey, resized
from e2c_control.data.transitions import stack_frames
from e2c_control.envs.registry import is_task
from e2c_control.errors import InputError, InputWarning, whole
from e2c_control.registry import is_trusted, look_here_for

ImageEnv = gymnasium.Env[Any, Any]

_RENDERED_SIZE = 64
_UNCHANGING = ("PassiveEnvChecker", "OrderEnforcing", "Monitor")
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
        return _make(spec, env_id, {"frame_stack": frame_stack, **kwargs})
    env = _shown(spec, env_id, frame_stack, image_size, grayscale, kwargs, StateSize())
    _tell_if_rendered(env, env_id)
    return env


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
        with in_a_sentence(_cannot_be_made(env_id, kwargs)):
            vector_env = gymnasium.make_vec(spec, n_envs, "vector_entry_point", frame_stack=frame_stack, **kwargs)
        if not spec.id.startswith("E2C/") and vector_env.unwrapped.spec is not None:
            vector_env.unwrapped.spec.id = env_id  # with the module that registers it
    else:
        # The spec travels: another process need not have registered it.
        maker = partial(_shown, deepcopy(spec), env_id, frame_stack, image_size, grayscale, dict(kwargs), StateSize())
        trial = maker()  # a mistake shows here, not inside another process
        _tell_if_rendered(trial, env_id)
        if processes:
            trial.reset()  # so that they all know what a state is
        trial.close()
        vector_env = AsyncVectorEnv([maker] * n_envs) if processes else SyncVectorEnv([maker] * n_envs)
        looks = {"image_size": image_size, "grayscale": grayscale}
        spec.kwargs = {**{name: look for name, look in looks.items() if look is not None}, **kwargs}
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
    if not isinstance(env_id, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"{short(env_id)} is no id: give 'Id' or 'module:Id', and an object to the agent itself.")
    module, _, name = env_id.rpartition(":")
    if module:
        look_here_for(module)
        with in_a_sentence(f"{env_id} cannot be made, the import of {module} fails"):
            try:
                importlib.import_module(module)
            except ModuleNotFoundError as missing:
                if not missing.name or not f"{module}.".startswith(f"{missing.name}."):
                    raise  # it is there, and what it imports is not
                raise InputError(
                    f"Unknown environment {env_id!r}: {missing}, install it or check its name."
                ) from missing
    try:
        return gymnasium.spec(name)
    except error.Error as unknown:
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
    import_trusted(environment)
    if module and name not in gymnasium.registry:
        raise InputError(
            f"{short(environment)} is named in a folder, and opening a folder imports no code of other packages: if "
            f"you trust that module, name it with {option} {short(environment)[1:-1]}, or add --trust "
            f"{module.partition('.')[0]}."
        )
    return name


def import_trusted(environment: str) -> None:
    """Import the module of the "module:Id" that a file names, if the user trusts it: see `registry.trusting`."""
    module = environment.rpartition(":")[0]
    if module and is_trusted(module):
        find_spec(environment)


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
    """Refuse arguments of an environment that a file gives and that may be paths, or names of code, as "module:Name".

    Raises:
        InputError: one holds a text that looks like that.
    """
    for name, value in kwargs.items():
        if isinstance(value, str) and (value.startswith((".", "~")) or any(mark in value for mark in "/\\\0:")):
            raise InputError(
                f"{short(environment)} gets {name}={short(value)} from a folder, which may lead out of it: make "
                "the environment in Python, where you name the path or the code yourself."
            )


def environment_identity(vector_env: VectorEnv[Any, Any, Any]) -> tuple[str, dict[str, Any]]:
    """Id and arguments with which `make_vector_env` makes these environments again.

    Those with wrappers of the user's cannot be made again: their name, "Wrapper-Id", is no id.
    """
    spec, inner = vector_env.unwrapped.spec, cast(Any, vector_env.unwrapped)
    around = user_wrappers(vector_env)
    if isinstance(inner, SyncVectorEnv):
        around += user_wrappers(inner.envs[0])
        inner = inner.envs[0].unwrapped
        spec = inner.spec if spec is None and is_native(inner.spec) else spec
    if spec is None or around:
        own_name = type(inner).__name__ if spec is None else spec.id.rpartition("/")[2]
        return "-".join([*around, own_name]), {}
    known = gymnasium.registry.get(spec.id.rpartition(":")[2])
    registered = {} if known is None else known.kwargs
    given = {name: value for name, value in spec.kwargs.items() if repr(value) != repr(registered.get(name))}
    return spec.id, {
        name: value if _is_plain(value) else repr(value) for name, value in given.items() if name not in _NOT_KWARGS
    }


def own_frame_stack(vector_env: VectorEnv[Any, Any, Any]) -> int:
    """How many frames an environment shows when nobody asks for a number; 1 for those that are not this project's."""
    name, kwargs = environment_identity(vector_env)
    if not is_native(name):
        return 1
    own, single = (make_image_env(name, stack, **kwargs).observation_space.shape for stack in (None, 1))
    return cast(tuple[int, ...], own)[-1] // cast(tuple[int, ...], single)[-1]


def is_native(environment: str | EnvSpec | None) -> bool:
    """Whether an environment has a task: then it starts at sampled states and stacks frames by itself.

    So it is with all of this project's, and with what a user's module registers by `e2c_control.envs.register_task`.

    Args:
        environment: spec, or id, with or without the module that registers it. An id that nobody registered yet has
            none.
    """
    spec = gymnasium.registry.get(environment.rpartition(":")[2]) if isinstance(environment, str) else environment
    return spec is not None and is_task(spec)


def task_of(env: Any) -> Any:
    """The task behind an environment, or behind the first one of a vector; none if it is not of a task's kind."""
    inner = env.unwrapped
    if isinstance(inner, SyncVectorEnv):
        return task_of(inner.envs[0])
    task = getattr(inner, "task", None)
    return task if hasattr(task, "system") else None


def user_wrappers(env: Any) -> list[str]:
    """Names of the wrappers that a user put around an environment or a vector, outermost first.

    What `gymnasium.make` adds by itself changes nothing, nor does stable-baselines3's Monitor, nor what is put around
    environments here.
    """
    found = list[str]()
    while isinstance(env, gymnasium.Wrapper | VectorWrapper) and not isinstance(env, ImageView):
        kind = cast(Any, type(env))
        if kind.__name__ not in _UNCHANGING and not kind.__module__.startswith("e2c_control."):
            found.append(kind.__name__)
        env = cast(Any, env).env
    return found


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _cannot_be_made(env_id: str, kwargs: Mapping[str, Any]) -> str:
    return f"{env_id} cannot be made" + (f" with {dict(kwargs)}" if kwargs else "")


def _make(spec: EnvSpec, env_id: str, kwargs: Mapping[str, Any]) -> ImageEnv:
    given = {name: value for name, value in kwargs.items() if value is not None}
    with in_a_sentence(_cannot_be_made(env_id, given)):
        return gymnasium.make(spec, **kwargs)


def _shown(
    spec: EnvSpec,
    env_id: str,
    frame_stack: int | None,
    image_size: int | None,
    grayscale: bool | None,
    kwargs: Mapping[str, Any],
    state_size: StateSize,
) -> ImageEnv:
    """Somebody else's environment, made to show images and to take actions in [-1, 1]."""
    env = with_unit_actions(Foreign(_make_foreign(spec, env_id, kwargs), env_id, state_size), env_id)
    layout = image_layout(env.observation_space)
    rendered = layout is None
    if layout is None:
        with in_a_sentence(f"{env_id} cannot be rendered"):
            env = wrappers.AddRenderObservation(env)
        layout = image_layout(env.observation_space)
        if layout is None:
            raise InputError(f"{env_id} renders {env.observation_space}, which is no image: wrap it so that it is one.")
    shape = layout.image_shape
    read = wrappers.TransformObservation(env, partial(_read, layout, env_id), spaces.Box(0, 255, shape, np.uint8))
    env = cast(ImageEnv, read)
    if rendered or image_size is not None:
        size = image_size or _RENDERED_SIZE
        small = spaces.Box(0, 255, (size, size, *shape[2:]), np.uint8)
        env = Shrunk(env, partial(resized, height=size, width=size), small)
    if grayscale and shape[2:] not in ((), (1,), (3,)):
        raise InputError(f"{env_id} shows images of {shape[2]} channels, which have no grey: leave out grayscale.")
    if (rendered if grayscale is None else grayscale) and shape[2:] == (3,):
        grey_space = spaces.Box(0, 255, cast(tuple[int, ...], env.observation_space.shape)[:2], np.uint8)
        env = wrappers.TransformObservation(
            env, grey, grey_space
        )  # of the small picture: that of a large one costs more than a step
    return stacked(_with_channel_axis(env), frame_stack or 1)


class Shrunk(wrappers.TransformObservation[Any, Any, Any]):
    """Frames of other sides than those of what the environment draws."""


def drawn_shape(env: Any) -> tuple[int, int]:
    """Sides (h, w) of the pictures that an environment of `make_image_env` draws, before they are made small."""
    height, width = env.observation_space.shape[:2]
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, Shrunk):
            height, width = cast(Any, env).env.observation_space.shape[:2]
        env = cast(Any, env).env
    return height, width


def _make_foreign(spec: EnvSpec, env_id: str, kwargs: Mapping[str, Any]) -> ImageEnv:
    """Make it as it is, or so that it renders arrays when it shows no image and nobody said how to render."""
    env = _make(spec, env_id, kwargs)
    if image_layout(env.observation_space) is not None or env.render_mode is not None:
        return env
    modes = env.metadata.get("render_modes", ())
    shown = env.observation_space
    env.close()
    if "rgb_array" not in modes:
        raise InputError(
            f"{env_id} shows {shown}, which is no image (uint8 (H, W, C), or another layout that is beyond doubt), and "
            "cannot render one (no render mode 'rgb_array'): wrap it so that its observation is an image."
        )
    # Many draw with SDL, which would take SIGTERM for a wish to close a window, and swallow it.
    os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")
    return _make(spec, env_id, {**kwargs, "render_mode": "rgb_array"})


def _tell_if_rendered(env: Any, env_id: str) -> None:
    """Warn where what could be an image is not used as one, since its layout is in doubt."""
    while isinstance(env, gymnasium.Wrapper):
        env = cast(Any, env).env
        if isinstance(env, wrappers.AddRenderObservation):
            own = cast(Any, env).env.observation_space
            if has_pictures(own):
                warnings.warn(
                    f"{env_id} shows {own}, an image of doubtful layout: its rendered picture is used instead.",
                    InputWarning,
                    stacklevel=3,
                )
            return


def _with_channel_axis(env: ImageEnv) -> ImageEnv:
    """(H, W) → (H, W, 1)."""
    space = env.observation_space
    if space.shape is None or len(space.shape) == 3:
        return env
    return wrappers.TransformObservation(env, _add_channel_axis, spaces.Box(0, 255, (*space.shape, 1), np.uint8))


class ImageView(wrappers.TransformObservation[Any, Any, Any]):
    """The outermost of what is put here around somebody else's environment."""


def stacked(env: ImageEnv, count: int) -> ImageEnv:
    """The environment with so many frames (H, W, C) in an observation (H, W, count * C); a reset repeats its first."""
    height, width, channels = cast(tuple[int, ...], env.observation_space.shape)
    space = spaces.Box(0, 255, (height, width, count * channels), np.uint8)
    return ImageView(wrappers.FrameStackObservation(env, count), stack_frames, space)


def _read(layout: Layout, env_id: str, frame: Any) -> NDArray[np.uint8]:
    """The frame as an image, if it is what the space says."""
    pixels: NDArray[Any] = np.asarray(frame)
    if not layout.fits(pixels):
        raise bad_frames(env_id, pixels, layout.shape, layout.limits)
    return pixels if layout.is_plain else layout.read(pixels)


def bad_frames(
    env_id: str, frames: NDArray[Any], expected: tuple[int, ...], limits: tuple[float, float] | None = None
) -> InputError:
    """Return the error for frames that are not of the expected shape, or neither uint8 nor within the limits."""
    if np.issubdtype(frames.dtype, np.inexact) and not np.isfinite(frames).all():
        return InputError(f"{env_id} shows pixels that are not finite: repair its observations.")
    wanted = "uint8" if limits is None else f"numbers from {limits[0]:g} to {limits[1]:g},"
    return InputError(
        f"{env_id} shows {frames.dtype} {frames.shape} instead of {wanted} {expected}: make its observations what its "
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
