"""What an environment shows beside one image, vectors and the images of a Dict, and the spaces it is shown in here.

An environment that was prepared here shows an image, a vector, or a Dict of "image" and "vector".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, SupportsFloat, TypeAlias

import gymnasium
import numpy as np
from gymnasium import spaces, wrappers
from numpy.typing import NDArray

from e2c_control.data.controls import Space, is_box
from e2c_control.data.foreign import AnyEnv
from e2c_control.data.layouts import Layout, image_layout, parts_of
from e2c_control.errors import InputError
from e2c_control.fields import is_mapping

Observation: TypeAlias = Literal["image", "vector", "both"]
IMAGE, VECTOR = "image", "vector"


class VectorSpace(spaces.Box):
    """Vectors of any finite numbers, put together of named parts.

    Args:
        size: numbers in one.
        parts: numbers in each part, in their order; none where the environment shows one vector.
    """

    def __init__(self, size: int, parts: Mapping[str, int]) -> None:
        super().__init__(-np.inf, np.inf, (size,), np.float32)
        self.parts = dict(parts)


class ImageSpace(spaces.Box):
    """Images (H, W, C), whose channels are those of several cameras, if there are names."""

    def __init__(self, shape: tuple[int, ...], cameras: tuple[str, ...] = ()) -> None:
        super().__init__(0, 255, shape, np.uint8)
        self.cameras = cameras


@dataclass(frozen=True)
class Senses:
    """What an environment, prepared here or not, shows.

    Attributes:
        frame_shape: (H, W, C), (0, 0, 0) without an image.
        vector_dim: v, none without a vector.
        cameras, parts: as `ImageSpace` and `VectorSpace` have them.
    """

    frame_shape: tuple[int, int, int]
    vector_dim: int | None
    cameras: tuple[str, ...] = ()
    parts: Mapping[str, int] | None = None

    @classmethod
    def of(cls, space: object) -> Senses | None:
        """Return what is shown in a space, if it is one in which environments are taken here."""
        found = parts_of(space)
        if found is not None:
            if found.keys() != {IMAGE, VECTOR}:
                return None
            image, vector = cls.of(found[IMAGE]), cls.of(found[VECTOR])
            if image is None or vector is None or image.vector_dim is not None or vector.vector_dim is None:
                return None
            return cls(image.frame_shape, vector.vector_dim, image.cameras, vector.parts)
        if not is_box(space):
            return None
        if space.dtype == np.uint8 and len(space.shape) == 3:
            cameras = space.cameras if isinstance(space, ImageSpace) else ()
            return cls((space.shape[0], space.shape[1], space.shape[2]), None, cameras)
        if space.dtype.kind == "f" and len(space.shape) == 1 and space.shape[0]:
            return cls((0, 0, 0), space.shape[0], (), space.parts if isinstance(space, VectorSpace) else {})
        return None

    def split(self, shown: object, count: int) -> tuple[NDArray[np.generic], NDArray[np.generic] | None]:
        """Return images and vectors of what so many environments show, unchecked."""
        if self.vector_dim is None:
            return np.asarray(shown), None
        if self.frame_shape[0]:
            found: Mapping[object, object] = shown if is_mapping(shown) else {}
            return np.asarray(found.get(IMAGE)), np.asarray(found.get(VECTOR))
        return np.zeros((count, 0, 0, 0), np.uint8), np.asarray(shown)


def vectors_in(name: str, space: Space) -> dict[str, Space]:
    """Return the parts of an environment's own space that make a vector; the name "" stands for all of it.

    Raises:
        InputError: there are none, or no vector can be made of one.
    """
    whole = parts_of(space)
    parts = {"": space} if whole is None else whole
    found = {key: part for key, part in parts.items() if image_layout(part) is None}
    if not found:
        raise InputError(f"{name} shows {space}, images alone: leave out the vector (observation, --observation).")
    odd = next((part for part in found.values() if not part.is_np_flattenable), None)
    if odd is not None:
        raise InputError(f"{name} shows {odd}, of which no vector can be made: wrap it so that it shows numbers.")
    return found


def flat_size(parts: Mapping[str, Space]) -> dict[str, int]:
    """Return how many numbers each part is; a choice is one-hot."""
    return {key: spaces.flatdim(part) for key, part in parts.items()}


def flattened(name: str, parts: Mapping[str, Space], shown: object) -> NDArray[np.float32]:
    """Return the vector (v,) of what an environment shows.

    Raises:
        InputError: a part is of another size than its space says, or not finite.
    """
    found: list[NDArray[np.float32]] = []
    for key, part in parts.items():
        what = f"{name} shows a vector" + f" '{key}'" * bool(key)
        try:
            with np.errstate(over="ignore"):
                value = shown[key] if key and is_mapping(shown) else shown
                flat = np.asarray(spaces.flatten(part, value), np.float64).astype(np.float32)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"{what} that is none of {part}: make it what its space says.") from error
        if flat.shape != (spaces.flatdim(part),):
            raise InputError(
                f"{what} of {flat.size} numbers instead of {spaces.flatdim(part)}: make it what its space says."
            )
        if not np.isfinite(flat).all():
            raise InputError(f"{what} that is not finite: repair its observations.")
        found.append(flat)
    return np.concatenate(found)


class OwnVector(gymnasium.Wrapper[object, object, object, object]):
    """Keeps the vector of an environment's own observation, whatever is made of that around it.

    Args:
        env: the environment.
        name: its name, for sentences.
    """

    def __init__(self, env: AnyEnv, name: str) -> None:
        super().__init__(env)
        self._name, self._parts = name, vectors_in(name, env.observation_space)
        sizes = flat_size(self._parts)
        self.space = VectorSpace(sum(sizes.values()), {key: size for key, size in sizes.items() if key})
        self.vector = np.zeros(self.space.shape, np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, object] | None = None
    ) -> tuple[object, dict[str, object]]:
        shown, info = self.env.reset(seed=seed, options=options)
        self.vector = flattened(self._name, self._parts, shown)
        return shown, info

    def step(self, action: object) -> tuple[object, SupportsFloat, bool, bool, dict[str, object]]:
        result = self.env.step(action)
        self.vector = flattened(self._name, self._parts, result[0])
        return result

    def alone(self) -> AnyEnv:
        """Return the environment that shows the vector."""
        # A function, since Gymnasium copies what it is given, and a method would be copied with its environment.
        return wrappers.TransformObservation(self, lambda _: self.vector, self.space)

    def beside(self, env: AnyEnv, image: ImageSpace) -> AnyEnv:
        """Return an environment around this one that shows images with the vector beside each."""
        both = spaces.Dict({IMAGE: image, VECTOR: self.space})
        return wrappers.TransformObservation(env, lambda shown: {IMAGE: shown, VECTOR: self.vector}, both)


def with_one_image(env: AnyEnv, name: str, camera: str | None) -> tuple[AnyEnv, tuple[str, ...]]:
    """Return an environment whose Dict has images as one that shows them joined in one, and their names.

    One that shows no Dict, or a Dict without images, stays as it is.

    Args:
        env: the environment.
        name: its name, for sentences.
        camera: of the one image to show.

    Raises:
        InputError: there is no such camera, or the images are of different sizes.
    """
    parts = parts_of(env.observation_space) or {}
    found = {key: layout for key, part in parts.items() if (layout := image_layout(part)) is not None}
    if camera is not None:
        if camera not in found:
            told = f"images {', '.join(found)}" if found else "no images by name"
            raise InputError(f"{name} shows {told}, and no {camera!r}: leave out camera, or name one of them.")
        found = {camera: found[camera]}
    if not found:
        return env, ()
    sides = {layout.image_shape[:2] for layout in found.values()}
    if len(sides) > 1:
        raise InputError(f"{name} shows images of different sizes, {', '.join(found)}: choose one (camera, --camera).")
    height, width = sides.pop()
    channels = sum((*layout.image_shape, 1)[2] for layout in found.values())
    space = ImageSpace((height, width, channels), tuple(found))
    return wrappers.TransformObservation(env, partial(_joined, name, found), space), tuple(found)


def _joined(name: str, cameras: Mapping[str, Layout], shown: Mapping[str, object]) -> NDArray[np.uint8]:
    images: list[NDArray[np.uint8]] = []
    for key, layout in cameras.items():
        pixels = np.asarray(shown.get(key))
        if not layout.fits(pixels):
            raise InputError(
                f"{name} shows {pixels.dtype} {pixels.shape} as '{key}' instead of {layout.shape}: make its "
                "observations what its observation space says."
            )
        image = layout.read(pixels)
        images.append(image[..., None] if image.ndim == 2 else image)
    return np.concatenate(images, axis=-1)
