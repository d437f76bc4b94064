"""The one error that a user's mistake raises, wherever it is noticed, and the checks of single values."""

import difflib
import math
import operator
import os
import shlex
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from reprlib import repr as short
from typing import Any, SupportsIndex, TypeVar, cast

Kind = TypeVar("Kind")

LARGEST_COUNT = 2**31 - 1

_LONGEST = 300


def printable(text: str) -> str:
    """Return a text as any terminal shows it, in one line: what is not printable is escaped."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


class InputError(ValueError):
    """One sentence that names the thing and the remedy; the command line prints it without a traceback, exit code 2.

    It is one line that any terminal shows as it is: what is not printable in a name or a path is escaped.
    """

    def __str__(self) -> str:
        return printable(self.sentence())

    def sentence(self) -> str:
        """Return it as it was written."""
        return super().__str__()


class Unfit(InputError):
    """A value that what it is for cannot have.

    Args:
        place: what has it: "--steps", "Phase.steps", "recipe.phases[0].steps".
        found: the value, as text.
        wanted: what belongs there.
    """

    def __init__(self, place: str, found: str, wanted: str) -> None:
        super().__init__(place, found, wanted)  # all three, or the error could not be sent between processes
        self.place, self.found, self.wanted = place or "its content", found, wanted

    def sentence(self) -> str:
        return f"{self.place} is {self.found}: give {self.wanted}."

    @property
    def in_file(self) -> str:
        """The mistake as a clause, for a file, which one restores rather than gives other values."""
        return printable(f"{self.place} is {self.found}, where {self.wanted} belongs")


class InputWarning(UserWarning):
    """One sentence about something that a user gave and that is used otherwise than expected, or may be a mistake."""


@contextmanager
def in_a_sentence(what: str, remedy: str = "") -> Generator[None]:
    """Turn whatever a user's code raises, an exit included, into an `InputError` that begins with ``what``.

    Ctrl-C stays what it is, and so do Gymnasium's word that an environment was not reset, which is its caller's, and
    what this project raises to stop, such as a callback's wish.
    """
    try:
        yield
    except (InputError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        kind = type(error)
        if kind.__name__ == "ResetNeeded" or kind.__module__.startswith("e2c_control."):
            raise
        said = f"{what}: {_words_of(error)}"
        raise InputError(f"{said.removesuffix('.')}: {remedy}." if remedy else said) from error


def _words_of(error: BaseException) -> str:
    """Return what an exception says, on one line."""
    kind = type(error).__name__
    try:
        words = " ".join(str(error).split())
    except Exception:  # an exception of the user's own may fail to say anything
        words = ""
    said = f"{kind}: {words[:_LONGEST]}" if words else kind
    return said if said.endswith((".", "!", "?")) else f"{said}."


def whole(name: str, value: object, least: int | None = 1, most: int | None = None) -> int:
    """Return ``value`` as an int, if it is a whole number from ``least`` to ``most``.

    NumPy's integers and floats without a fraction are whole numbers; bools and texts are none.

    Raises:
        InputError: it is none, or outside; the sentence begins with ``name``.
    """
    number = _integer(value)
    too_large = number is not None and most is not None and number > most
    if number is None or too_large or (least is not None and number < least):
        wanted = "a whole number" + ("" if least is None else f" of {least} or more")
        if most is not None and (too_large or most != LARGEST_COUNT):
            wanted = f"a whole number from {least} to {most}"
        raise Unfit(name, short(value), wanted)
    return number


def number(
    name: str,
    value: object,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    infinite: bool = False,
) -> float:
    """Return ``value`` as a float, if it is a finite number within the bounds: ``above`` and ``below`` exclude theirs.

    NumPy's numbers are numbers; bools, texts, NaN and, unless ``infinite``, the infinities are none.

    Raises:
        InputError: it is none, or outside; the sentence begins with ``name``.
    """
    found = _real(value)
    if (
        found is None
        or not (math.isfinite(found) or infinite)
        or (least is not None and found < least)
        or (most is not None and found > most)
        or (above is not None and found <= above)
        or (below is not None and found >= below)
    ):
        bounds = _bounds(least, most, above, below)
        unsaid = not bounds or (found is not None and math.isinf(found))
        raise Unfit(name, short(value), f"a {'finite ' if unsaid and not infinite else ''}number{bounds}")
    return found


def flag(name: str, value: object) -> bool:
    """Return ``value`` as a bool, if it is True or False, also NumPy's; numbers and texts raise InputError."""
    if type(value).__name__ not in ("bool", "bool_"):
        raise Unfit(name, short(value), "True or False")
    return bool(value)


def one_of(kind: str, value: object, choices: Iterable[str]) -> str:
    """Return ``value``, if it is one of the ``choices``.

    Raises:
        InputError: it is none: "There is no <kind> 'ilrq' (did you mean 'ilqr'?): choose one of aico, ilqr."
    """
    known = list(choices)
    if not isinstance(value, str) or value not in known:
        raise InputError(f"There is no {kind} {short(value)}{near_miss(value, known)}: choose {listed(known)}.")
    return value


def of_class(name: str, value: object, kind: type[Kind]) -> Kind:
    """Return ``value``, if it is of that class; anything else raises InputError."""
    if not isinstance(value, kind):
        raise Unfit(name, short(value), f"one of class {kind.__name__}")
    return value


def path_of(name: str, value: object) -> Path:
    """Return ``value`` as a path, if it is a text or a path; anything else, and what no file can be called, raises."""
    text = os.fspath(cast("os.PathLike[str]", value)) if isinstance(value, str | os.PathLike) else ""
    if not isinstance(cast(object, text), str) or not text or "\0" in text:
        raise InputError(f"{name} is {short(cast(object, value))}: give the path of a file or folder.")
    return Path(text)


def only_options(owner: str, given: Iterable[str], known: Iterable[str], what: str = "option") -> None:
    """Raise InputError for the first ``given`` name that the ``owner`` ("The planner 'cem'") does not take."""
    names = list(known)
    for name in given:
        if name not in names:
            takes = f"it takes {', '.join(names)}" if names else "it takes none"
            raise InputError(f"{owner} has no {what} {name!r}{near_miss(name, names)}: {takes}.")


def quoted(word: object) -> str:
    """Return a path or a name as a shell reads it back, for commands that are suggested: "e2c plan --run 'my run'"."""
    return shlex.quote(str(word))


def near_miss(value: object, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the known name that is most like the value, or nothing."""
    close = difflib.get_close_matches(value, known, n=1, cutoff=0.7) if isinstance(value, str) else []
    return f" (did you mean {close[0]!r}?)" if close else ""


def listed(names: Sequence[str]) -> str:
    """Return "a or b", or "one of a, b, c"."""
    return " or ".join(names) if len(names) <= 2 else f"one of {', '.join(names)}"


def _bounds(least: float | None, most: float | None, above: float | None, below: float | None) -> str:
    """Return them as they stand behind "number", with a space in front, or nothing."""
    if least is not None and most is None and below is None:
        return f" of {least:,.9g} or more"
    if least is not None:
        return f" from {least:,.9g} to " + (f"{most:,.9g}" if below is None else f"below {below:,.9g}")
    ends = {"above": above, "up to": most, "below": below}
    given = [f"{word} {end:,.9g}" for word, end in ends.items() if end is not None]
    return f" {' and '.join(given)}" if given else ""


def _real(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return None if math.isnan(found) else found


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
