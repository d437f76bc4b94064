"""The one error that a user's mistake raises, wherever it is noticed."""

import operator
from typing import Any, SupportsIndex, cast


class InputError(ValueError):
    """One sentence that names the thing and the remedy; the command line prints it without a traceback, exit code 2."""


def whole(name: str, value: object, least: int = 1, most: int | None = None) -> int:
    """``value`` as an int, if it is a whole number from ``least`` to ``most``.

    NumPy's integers and floats without a fraction are whole numbers; bools and texts are none.

    Raises:
        InputError: it is none, or outside; the sentence begins with ``name``.
    """
    number = _integer(value)
    if number is None or number < least or (most is not None and number > most):
        wanted = f"of {least} or more" if most is None else f"from {least} to {most}"
        raise InputError(f"{name} is {value!r}: give a whole number {wanted}.")
    return number


def _integer(value: object) -> int | None:
    kind = type(value).__name__
    if kind in ("bool", "bool_"):
        return None
    if isinstance(value, float):  # NumPy's float64 is one
        return int(value) if value.is_integer() else None
    if hasattr(value, "is_integer") and hasattr(value, "dtype"):  # NumPy's other numbers
        return int(cast(Any, value)) if cast(Any, value).is_integer() else None
    try:
        return operator.index(cast(SupportsIndex, value))
    except TypeError:
        return None
