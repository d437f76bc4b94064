"""Array types of this room, and the checks at its doors."""

from math import isfinite
from reprlib import repr as short
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from e2c_control.errors import InputError

Array: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]


def real(name: str, value: ArrayLike, shape: tuple[int | None, ...], *, finite: bool = True) -> Array:
    """Return ``value`` as a contiguous float64 array of ``shape`` (``None``: any length there).

    Raises InputError, naming the thing, when the shape differs or a number is not finite.
    """
    if type(value) is np.ndarray and value.dtype == np.float64 and value.flags.c_contiguous:
        array, given = value, value.shape
    else:
        try:
            if np.iscomplexobj(value):
                raise TypeError("complex")
            array = np.ascontiguousarray(value, dtype=np.float64)
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # the last of a tensor with a gradient
            raise InputError(f"{name} must be an array of real numbers, but is {short(value)}.") from error
        given = np.shape(value)
    if given != shape and (
        len(given) != len(shape) or any(w not in (None, g) for g, w in zip(given, shape, strict=True))
    ):
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        raise InputError(f"{name} must have shape ({wanted}), but has {given}.")
    # A sum of squares takes a third of the time of isfinite, which decides where the sum is too large.
    if finite and not isfinite(np.vdot(array, array)) and not np.isfinite(array).all():
        raise InputError(f"{name} must be finite, but holds NaN or infinity.")
    return array


def weight(name: str, value: ArrayLike, size: int | None = None) -> Array:
    """Return ``value`` as a symmetric positive semidefinite matrix (size, size); any other raises InputError."""
    matrix = real(name, value, (size, size))
    if matrix.shape[0] != matrix.shape[1] or matrix.shape[0] == 0:
        raise InputError(f"{name} must be a square matrix, but has shape {matrix.shape}.")
    scale = float(np.abs(matrix).max())
    if np.abs(matrix - matrix.T).max() > 1e-9 * scale:
        raise InputError(f"{name} must be symmetric: use (W + W.T) / 2, which has the same quadratic form.")
    if np.linalg.eigvalsh(matrix)[0] < -1e-9 * scale:
        raise InputError(f"{name} must be positive semidefinite, but has a negative eigenvalue.")
    return matrix


def in_float32(values: Array) -> bool:
    """Return whether all values are float32's numbers: then what computed them has rounded them to that precision."""
    with np.errstate(over="ignore"):
        return bool(((values == values.astype(np.float32)) | np.isnan(values)).all())
