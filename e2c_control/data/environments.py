"""Any Gymnasium environment as one that shows image observations and takes actions in [-1, 1].

Three kinds are told apart: native ones, which have a task and do all of it themselves; environments whose observation
is an image, in any layout that is beyond doubt (`image_layout`); and environments that render, whose picture becomes
their observation through Gymnasium's wrappers.
"""

import os
import warnings
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Any, TypeAlias, TypeGuard

import gymnasium
import numpy as np
from gymnasium import spaces, wrappers
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv, VectorWrapper
from numpy.typing import NDArray

from e2c_control.data.controls import with_unit_actions
from e2c_control.data.foreign import AnyEnv, Foreign, StateSize, Vectors
from e2c_control.data.layouts import Layout, has_images, has_pictures, image_layout
from e2c_control.data.pictures import grey, resized
from e2c_control.data.senses import (
    IMAGE,
    VECTOR,
    ImageSpace,
    Observation,
    OwnVector,
    Senses,
    VectorSpace,
    with_one_image,
)
from e2c_control.data.specs import an_id, check_arguments, find_spec, meant_elsewhere, own_id
from e2c_control.data.transitions import stack_frames
from e2c_control.envs import Task
from e2c_control.envs.registry import task_of
from e2c_control.errors import InputError, InputWarning, in_a_sentence
from e2c_control.fields import Count, FrameStack, ImageSize, Positive, Seed, Through, checked, is_mapping

ImageEnv: TypeAlias = gymnasium.Env[NDArray[np.uint8], NDArray[np.float32]]

_RENDERED_SIZE = 64
_MOST_ENVS = 1 << 16


@dataclass(frozen=True)
class Look:
    """What of an environment is shown, and how; see `make_image_env`."""

    image_size: int | None = None
    grayscale: bool | None = None
    observation: Observation = "image"
    camera: str | None = None
    action_limit: float | None = None

    def chosen(self) -> dict[str, Any]:
        """Return what is not as it is by default."""
        return {one.name: value for one in fields(self) if (value := getattr(self, one.name)) != one.default}


@checked
def make_image_env(
    env_id: Annotated[str, Through(an_id)],
    frame_stack: FrameStack | None = None,
    *,
    image_size: ImageSize | None = None,
    grayscale: bool | None = None,
    observation: Observation = "image",
    camera: str | None = None,
    action_limit: Positive | None = None,
    **kwargs: Any,
) -> ImageEnv:
    """Make an environment with (H, W, frame_stack * C) uint8 observations, oldest first, and actions in [-1, 1].

    Vectors are (frame_stack * v,) float32; with both it shows a dictionary of "image" and "vector". Of what an
    environment shows as a Dict, a vector is made of all that are no images, in their order, and choices are one-hot.
    Discrete and MultiDiscrete actions are vectors (m,) with a number for each choice, of which the largest is taken
    (`ChoiceSpace`).

    Args:
        env_id: Gymnasium id, or "module:Id" to import the module that registers it first.
        frame_stack: single frames in an observation; a reset repeats its first frame. Default: what the environment
            shows by itself.
        image_size: pixels per side to resize to. Default: 64 for a rendered picture, as it is for an image.
        grayscale: whether to drop colour. Default: yes for a rendered picture, no for an image.
        observation: what to show: an image, its own or rendered; the vector that the environment shows by itself; both.
        camera: of the images of a Dict, the one to show; default: all of them, joined in the channels.
        action_limit: largest action of an environment whose actions have no bounds.
        kwargs: passed to the environment.

    Raises:
        InputError: unknown environment, actions that are neither continuous and bounded nor choices, or nothing to see.
    """
    spec = find_spec(env_id)
    check_arguments(env_id, kwargs, allowed=("render_mode",))
    look = Look(image_size, grayscale, observation, camera, action_limit)
    env = _shown(spec, env_id, frame_stack, look, kwargs, StateSize())
    _tell_if_rendered(env, env_id)
    return env


@checked
def make_vector_env(
    env_id: Annotated[str, Through(an_id)],
    n_envs: Count,
    frame_stack: FrameStack | None = None,
    seed: Seed | None = None,
    *,
    image_size: ImageSize | None = None,
    grayscale: bool | None = None,
    observation: Observation = "image",
    camera: str | None = None,
    action_limit: Positive | None = None,
    processes: bool = False,
    **kwargs: Any,
) -> VectorEnv[NDArray[np.uint8], NDArray[np.float32], Any]:
    """Make N environments that show and take what `make_image_env`'s do, in batches.

    Args:
        env_id, frame_stack, image_size, grayscale, observation, camera, action_limit, kwargs: as for `make_image_env`.
        n_envs: N.
        seed: of a first reset, so that later resets without a seed are reproducible.
        processes: run each environment in a process of its own (this project's are one batch in any case).
    """
    if n_envs > _MOST_ENVS:
        raise InputError(f"Cannot run {n_envs} environments at once: give {_MOST_ENVS} or fewer.")
    spec = deepcopy(find_spec(env_id))
    check_arguments(env_id, kwargs, allowed=("render_mode",))
    vector_env: Vectors
    # The spec travels: another process need not have registered it.
    look = Look(image_size, grayscale, observation, camera, action_limit)
    maker = partial(_shown, deepcopy(spec), env_id, frame_stack, look, dict(kwargs), StateSize())
    trial = maker()  # a mistake shows here, not inside another process
    _tell_if_rendered(trial, env_id)
    if processes:
        trial.reset()  # so that they all know what a state is
    trial.close()
    if task_of(trial) is not None and spec.vector_entry_point is not None:
        given: dict[str, Any] = kwargs if frame_stack is None else {"frame_stack": frame_stack, **kwargs}
        with in_a_sentence(_cannot_be_made(env_id, kwargs)):
            vector_env = gymnasium.make_vec(spec, n_envs, "vector_entry_point", **given)
        vector_env.unwrapped.spec.id = own_id(env_id)  # pyright: ignore[reportOptionalMemberAccess]
    else:
        vector_env = AsyncVectorEnv([maker] * n_envs) if processes else SyncVectorEnv([maker] * n_envs)
        spec.kwargs = {**look.chosen(), **kwargs}
        spec.id = own_id(env_id)
        vector_env.spec = spec
    if seed is not None:
        vector_env.reset(seed=seed)
        vector_env.action_space.seed(seed)
    return vector_env


def layers(env: AnyEnv | Vectors) -> Iterator[AnyEnv | Vectors]:
    """Yield an environment or a vector, and what its wrappers are around, from the outermost to the innermost."""
    yield env
    while _is_wrapper(env):
        env = env.env
        yield env


def _is_wrapper(env: object) -> TypeGuard[gymnasium.Wrapper | VectorWrapper]:
    return isinstance(env, gymnasium.Wrapper | VectorWrapper)


def task_behind(env_id: str, **kwargs: object) -> Task | None:
    """Return the task of an environment id, made with these arguments, or none; `InputError` if it cannot be made."""
    env = _make(find_spec(env_id), env_id, kwargs)
    env.close()
    return task_of(env)


def _cannot_be_made(env_id: str, kwargs: Mapping[str, object]) -> str:
    return f"{env_id} cannot be made" + (f" with {dict(kwargs)}" if kwargs else "")


def _make(spec: EnvSpec, env_id: str, kwargs: Mapping[str, Any]) -> AnyEnv:
    given = {name: value for name, value in kwargs.items() if value is not None}
    with in_a_sentence(_cannot_be_made(env_id, given), meant_elsewhere(given)):
        return gymnasium.make(spec, **kwargs)


def _shown(
    spec: EnvSpec,
    env_id: str,
    frame_stack: int | None,
    look: Look,
    kwargs: Mapping[str, object],
    state_size: StateSize,
) -> ImageEnv:
    """Make an environment; one without a task is made to show images, or vectors, and to take actions in [-1, 1]."""
    made = _make(spec, env_id, kwargs)
    if (task := task_of(made)) is not None:
        if chosen := look.chosen():
            raise InputError(f"{env_id} draws its own small images: leave out {' and '.join(chosen)}.")
        if frame_stack in (None, task.frame_stack):
            return made
        made.close()
        return _make(spec, env_id, {**kwargs, "frame_stack": frame_stack})
    if look.observation == "vector":
        if unused := [name for name in ("image_size", "grayscale", "camera") if name in look.chosen()]:
            raise InputError(f"{env_id} is to show a vector and no image: leave out {' and '.join(unused)}.")
        own = OwnVector(with_unit_actions(Foreign(made, env_id, state_size), env_id, look.action_limit), env_id)
        return stacked(own.alone(), frame_stack or 1)
    made = _rendering(made, spec, env_id, kwargs)
    env = with_unit_actions(Foreign(made, env_id, state_size), env_id, look.action_limit)
    own = OwnVector(env, env_id) if look.observation == "both" else None
    env, cameras = with_one_image(env if own is None else own, env_id, look.camera)
    image_size, grayscale = look.image_size, look.grayscale
    layout = image_layout(env.observation_space)
    rendered = layout is None
    if layout is None:
        remedy = "its render() must return a picture, uint8 (H, W, 3), where its render_mode is 'rgb_array'"
        with in_a_sentence(f"{env_id} cannot be rendered", remedy), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Gymnasium's words on the same, before it fails
            env = wrappers.AddRenderObservation(env)
        layout = image_layout(env.observation_space)
        if layout is None:
            raise InputError(f"{env_id} renders {env.observation_space}, which is no image: wrap it so that it is one.")
    shape = layout.image_shape
    env = wrappers.TransformObservation(env, partial(_read, layout, env_id), spaces.Box(0, 255, shape, np.uint8))
    if rendered or image_size is not None:
        size = image_size or _RENDERED_SIZE
        small = spaces.Box(0, 255, (size, size, *shape[2:]), np.uint8)
        env = Shrunk(env, partial(resized, height=size, width=size), small)
    if grayscale and shape[2:] not in ((), (1,), (3,)):
        raise InputError(f"{env_id} shows images of {shape[2]} channels, which have no grey: leave out grayscale.")
    if (rendered if grayscale is None else grayscale) and shape[2:] == (3,):
        # Of the small picture: that of a large one costs more than a step.
        grey_space = spaces.Box(0, 255, shape_of(env)[:2], np.uint8)
        env = wrappers.TransformObservation(env, grey, grey_space)
    env = _with_channel_axis(env)
    image = ImageSpace(shape_of(env), cameras)
    shown = wrappers.TransformObservation(env, np.asarray, image) if own is None else own.beside(env, image)
    return stacked(shown, frame_stack or 1)


class Shrunk(wrappers.TransformObservation[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8]]):
    """Frames of other sides than those of what the environment draws."""


def shape_of(env: AnyEnv) -> tuple[int, ...]:
    """Return the shape of what an environment shows; none of a space that has no shape."""
    return env.observation_space.shape or ()


def drawn_shape(env: ImageEnv) -> tuple[int, ...]:
    """Return sides (h, w) of the pictures that an environment of `make_image_env` draws, before they are made small."""
    large = [layer.env for layer in layers(env) if isinstance(layer, Shrunk)]
    return shape_of((large or [env])[0])[:2]


def _rendering(env: AnyEnv, spec: EnvSpec, env_id: str, kwargs: Mapping[str, object]) -> AnyEnv:
    """Leave it as it is, or make one that renders arrays when it shows no image and nobody said how to render."""
    if has_images(env.observation_space) or env.render_mode is not None:
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


def _tell_if_rendered(env: ImageEnv, env_id: str) -> None:
    """Warn where what could be an image is not used as one, since its layout is in doubt."""
    for layer in layers(env):
        if isinstance(layer, wrappers.AddRenderObservation):
            own = layer.env.observation_space
            if has_pictures(own):
                warnings.warn(
                    f"{env_id} shows {own}, an image of doubtful layout: its rendered picture is used instead.",
                    InputWarning,
                    stacklevel=3,
                )
            return


def _with_channel_axis(env: AnyEnv) -> AnyEnv:
    """Return an array (H, W) as (H, W, 1)."""
    space = env.observation_space
    if space.shape is None or len(space.shape) == 3:
        return env
    return wrappers.TransformObservation(env, _add_channel_axis, spaces.Box(0, 255, (*space.shape, 1), np.uint8))


class ImageView(wrappers.TransformObservation[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8]]):
    """The outermost of what is put here around somebody else's environment."""


def stacked(env: AnyEnv, count: int) -> ImageEnv:
    """Return the environment with count frames in an observation (H, W, count * C); a reset repeats its first.

    Vectors are stacked likewise, (count * v,).
    """
    shown = Senses.of(env.observation_space)
    assert shown is not None, env.observation_space
    height, width, channels = shown.frame_shape
    image = ImageSpace((height, width, count * channels), shown.cameras)
    space: Any = image
    if shown.vector_dim is not None:
        vector = VectorSpace(count * shown.vector_dim, shown.parts or {})
        space = spaces.Dict({IMAGE: image, VECTOR: vector}) if shown.frame_shape[0] else vector
    return ImageView(wrappers.FrameStackObservation(env, count), _joined_stack, space)


def _joined_stack(stack: object) -> Any:
    """Join what was shown one after another, (count, ...), in one observation."""
    if is_mapping(stack):
        return {key: _joined_stack(part) for key, part in stack.items()}
    frames = np.asarray(stack)
    return stack_frames(frames) if frames.ndim == 4 else frames.reshape(-1)


def _read(layout: Layout, env_id: str, frame: object) -> NDArray[np.uint8]:
    """Return the frame as an image, if it is what the space says."""
    pixels = np.asarray(frame)
    if not layout.fits(pixels):
        raise bad_frames(env_id, pixels, layout.shape, layout.limits)
    return pixels if layout.is_plain else layout.read(pixels)


def bad_frames(
    env_id: str, frames: NDArray[np.generic], expected: tuple[int, ...], limits: tuple[float, float] | None = None
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
