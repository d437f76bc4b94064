"""A JSON document that says what it is: a kind, the version of its format, and fields."""

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as short
from typing import Any

from e2c_control.errors import InputError
from e2c_control.runs.atomic import unreadable
from e2c_control.runs.typed_json import JSON, fields_from

LARGEST = 16 << 20
"""Bytes of a document; ours have thousands, and what is read from one takes many times as much memory."""
DEEPEST = 40
"""Levels in a document; ours have ten, and what reads them goes down by recursion."""


@dataclass(frozen=True)
class Kind:
    """A kind of JSON document, and what to do about one that cannot be used.

    Attributes:
        name: as its ``format`` says.
        version: the one that is written.
        oldest: the first of those that are read; none if `version` is the only one.
        fields: those that it must have, each with the annotation of its content; it may have others.
        remedy: what helps when it is damaged; ``{folder}`` in it stands for the document's folder.
        again: what helps, beside the version that wrote it, when its version is another one.
        damaged: what a document is that nothing can be read from.
    """

    name: str
    version: int
    fields: Mapping[str, object] = field(default_factory=dict[str, object])
    remedy: str = "restore the file"
    again: str | None = None
    damaged: str = "damaged"
    oldest: int | None = None

    def text(self, fields: Mapping[str, object]) -> str:
        """Return the text of a document with these fields."""
        return json.dumps({"format": self.name, "version": self.version, **fields}, indent=2) + "\n"

    def read(self, path: Path) -> dict[str, Any]:
        """Read the fields of the document ``path``.

        Raises:
            InputError: it is damaged, or of another kind or version.
        """
        try:
            if not stat.S_ISREG((found := path.stat()).st_mode) or found.st_size > LARGEST:
                raise ValueError("no plain file, or too large")
            text = path.read_text(encoding="utf-8")
            content: dict[str, JSON] = json.loads(text, object_pairs_hook=_once)
            name, version = content.pop("format"), content.pop("version")
            _check_depth(content)
        except PermissionError as error:
            raise unreadable(path, error) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self.damage(path) from error
        oldest = self.version if self.oldest is None else self.oldest
        if name != self.name or type(version) is not int or not oldest <= version <= self.version:
            again = "" if self.again is None else f"{self.again} or "
            raise InputError(
                f"{path} has format {short(name)} version {short(version)}, this version of e2c-control reads "
                f"{self.name!r} version {self.version}: {again}install the version that wrote it."
            )
        try:
            return fields_from(self.fields, content)
        except (KeyError, ValueError) as error:
            raise self.damage(path) from error

    def damage(self, path: Path) -> InputError:
        """Say what is wrong with a document, or a file that belongs to it, that cannot be read."""
        return InputError(f"{path} is {self.damaged}: {self.remedy.format(folder=path.parent)}.")


def _once(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    """Return a JSON object; raise ValueError for a key that stands twice: two readers could believe two values."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _check_depth(value: JSON) -> None:
    """Raise ValueError for values nested deeper than `DEEPEST`."""
    level, depth = [value], 0
    while level:
        if depth > DEEPEST:
            raise ValueError(f"nested deeper than {DEEPEST} levels")
        below: list[JSON] = []
        for item in level:
            if isinstance(item, dict | list):
                below += item.values() if isinstance(item, dict) else item
        level, depth = below, depth + 1
