"""Things that are chosen by name: ours, loaded when they are first used, and the user's own as "module:Name"."""

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from difflib import get_close_matches
from pathlib import Path
from reprlib import repr as short
from typing import Any, Generic, TypeVar, cast

from e2c_control.errors import InputError, in_a_sentence, listed
from e2c_control.fields import are_items, is_named

T = TypeVar("T")


class _Reading:
    """A file that names are looked up for, and the first one that was refused."""

    def __init__(self, source: object) -> None:
        self.source, self.refused = source, list[InputError]()


_READING: ContextVar[_Reading | None] = ContextVar("_READING", default=None)
"""None while names come from the user."""
_TRUSTED: ContextVar[tuple[str, ...]] = ContextVar("_TRUSTED", default=())
"""Modules that the user named, each of which stands for what is inside it, too."""
_NAMED = set[str]()
"""Packages that the user named or trusted in this process."""
_CODE = re.compile(r"([A-Za-z_]\w*)(?:\.\w+)*:[A-Za-z_][\w./-]*")
"""Somebody's "module:Name", or "module:Id" of an environment."""


class Registry(Mapping[str, T], Generic[T]):
    """The things of one kind by name; listing their names imports nothing.

    Args:
        kind: what they are, for messages: "planner".
        entries: by name, an object, or "module:Name", which is imported when it is first looked up.
        fits: class that those from outside are derived from or of, or a test of them.
        wanted: what the test asks for, for messages.
        aliases: other names that the field has for an entry; case, spaces and hyphens never matter.
    """

    def __init__(
        self,
        kind: str,
        entries: Mapping[str, T | str],
        fits: type | Callable[[Any], bool] = callable,
        wanted: str = "a function or a class",
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.kind, self._entries, self._fits, self._wanted = kind, dict(entries), fits, wanted
        self._aliases = dict(aliases or {})
        self._named: dict[str, T] = {}  # "module:Name" that the user gave or trusted: files may name them, too

    def __getitem__(self, name: str) -> T:
        entry = self._entries[name]
        if isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            found: T = getattr(importlib.import_module(module), attribute)
            self._entries[name] = found
            return found
        return entry

    def __contains__(self, name: object) -> bool:
        return name in self._entries  # a Mapping would load it

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def known(self) -> list[T]:
        """Return all of them, and those that the user named as "module:Name" in this process."""
        return [*self.values(), *self._named.values()]

    def add(self, name: str, entry: T | str) -> None:
        """Give a thing a short name in this process; a name that is taken raises InputError."""
        if name in self._entries:
            raise InputError(f"There is a {self.kind} {name!r} already: choose another name.")
        self._entries[name] = entry

    def find(self, wanted: str | T) -> T:
        """Return what is meant by a name, by "module:Name", or by the object itself.

        Raises:
            InputError: there is no such name, its module cannot be imported, or stands in a file and is not trusted
                (`names_from`), or what it names is of another kind.
        """
        if not isinstance(wanted, str):
            return self._checked(wanted, short(wanted))
        if wanted in self._entries or ":" not in wanted:
            return self[self._known(wanted)]
        if _READING.get() is None or wanted not in self._named:
            self._named[wanted] = self._checked(import_name(wanted, self.kind), wanted)
        return self._named[wanted]

    def name_of(self, wanted: str | T) -> str:
        """Return the name by which `find` gives the object again, for writing it into a file.

        Raises:
            InputError: it is of another kind, or has no such name: made inside a function, or a lambda.
        """
        found = self.find(wanted)
        if isinstance(wanted, str):
            return wanted if ":" in wanted else self._known(wanted)
        module, attribute = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
        name = f"{module}:{attribute}"
        for known, entry in self._entries.items():
            if entry is found or entry == name:
                return known
        if getattr(sys.modules.get(str(module)), str(attribute), None) is not found:
            raise InputError(
                f"The {self.kind} {short(found)} cannot be found again by a name, which is what is saved of it: define "
                "it at the top of a module."
            )
        self._named[name] = found
        _NAMED.add(name.partition(".")[0].partition(":")[0])
        return name

    def _known(self, name: str) -> str:
        """Return the entry's own name, if there is one of that name, as it is written here or in the field."""
        if name in self._entries:
            return name
        said = {_plain(known): known for known in self._entries} | {_plain(a): own for a, own in self._aliases.items()}
        if (plain := _plain(name)) in said:
            return said[plain]
        near = get_close_matches(plain, said, n=1, cutoff=0.7)
        meant = f" (did you mean {said[near[0]]!r}?)" if near else ""
        raise InputError(f"There is no {self.kind} {short(name)}{meant}: choose {listed([*self])}.")

    def _checked(self, found: object, name: str) -> T:
        if isinstance(self._fits, type):
            fits = isinstance(found, self._fits) or (isinstance(found, type) and issubclass(found, self._fits))
        else:
            fits = self._fits(found)
        if not fits:
            wanted = f"a class derived from {self._fits.__name__}" if isinstance(self._fits, type) else self._wanted
            raise InputError(f"{name} is no {self.kind}: choose one of {', '.join(self)}, or give {wanted}.")
        return cast(T, found)


def parameters_of(found: Callable[..., object]) -> Mapping[str, inspect.Parameter]:
    """Return what a function or a class takes; nothing, where it is Python's own and does not say."""
    try:
        return inspect.signature(found).parameters
    except ValueError:
        return {}


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().lower())


@contextmanager
def trusting(modules: str | Sequence[str]) -> Generator[None]:
    """Let files name what is in these modules, which the user named: "my_package" stands for all that is inside it."""
    before = _TRUSTED.set((*_TRUSTED.get(), *((modules,) if isinstance(modules, str) else modules)))
    try:
        yield
    finally:
        _TRUSTED.reset(before)


@contextmanager
def names_from(source: object) -> Generator[None]:
    """Take names that are looked up inside for those of a file or folder: none imports a module that is not trusted.

    Inside that, None as the source marks what the user gives again.

    Raises:
        InputError: one would have, whatever error was made of that inside.
    """
    reading = None if source is None else _Reading(source)
    before = _READING.set(reading)
    try:
        yield
    except Exception:
        if reading is not None and reading.refused:
            raise reading.refused[0] from None
        raise
    finally:
        _READING.reset(before)


def import_name(name: str, kind: str) -> object:
    """Return what "module:Name" names, importing its module from the current folder if it is installed nowhere.

    Raises:
        InputError: it cannot be imported, has nothing of that name, or is not trusted.
    """
    module, _, attribute = name.partition(":")
    reading = _READING.get()
    if reading is not None and not is_trusted(module):
        package = module.partition(".")[0]
        reading.refused.append(
            InputError(
                f"{reading.source} names {name!r:.200}, and opening a folder imports no code of other packages: if you "
                f"trust that package, add --trust {package}, or trust=({package!r},) in Python."
            )
        )
        raise reading.refused[-1]
    look_here_for(module)
    before = _READING.set(None)  # what a module does while it is imported is its own affair
    try:
        remedy = "install its package, or correct the name"
        with in_a_sentence(f"The {kind} {name!r:.200} cannot be imported", remedy):
            return getattr(importlib.import_module(module), attribute)
    except InputError as failed:
        if reading is not None:
            reading.refused.append(failed)
        raise
    finally:
        _READING.reset(before)


def packages_named(document: object, own: bool) -> list[str]:
    """Return the packages whose code JSON names, for --trust in a command that is suggested.

    Args:
        document: of a folder.
        own: whether the user's own program wrote it, so that all code in it is what the user chose. Otherwise, as for
            the environment of a dataset, which may be somebody else's, those that were named in this process.
    """
    found = dict[str, None]()
    parts: list[tuple[str, object]] = [("", document)]
    for name, part in parts:
        if is_named(part):
            parts += part.items()
        elif are_items(part):
            parts += [(name, item) for item in part]
        elif isinstance(part, str) and (code := _CODE.fullmatch(part)):
            found |= {code[1]: None} if code[1] in _NAMED or (own and name != "environment") else {}
    return list(found)


def is_trusted(module: str) -> bool:
    """Return whether a module, or a package around it, is among those that the user named."""
    return any(f"{module}.".startswith(f"{named}.") for named in _TRUSTED.get())


def look_here_for(module: str) -> None:
    """Let a module that the user named be found in the current folder, if it is installed nowhere.

    The folder comes last on the path, so that nothing in it stands in for an installed module.
    """
    package = module.partition(".")[0]
    _NAMED.add(package)
    here = Path.cwd()
    if package and ((here / f"{package}.py").is_file() or (here / package).is_dir()):
        with suppress(ImportError, ValueError):
            if importlib.util.find_spec(package) is not None:
                return
        sys.path.append(str(here))
        importlib.invalidate_caches()
