"""A JSON document that says what it is: a kind, the version of its format, and fields."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from e2c_control.errors import InputError
from e2c_control.runs.atomic import unreadable
from e2c_control.runs.typed_json import from_json


@dataclass(frozen=True)
class Kind:
    """A kind of JSON document, and what to do about one that cannot be used.

    Attributes:
        name: as its ``format`` says.
        version: the one that is read and written.
        fields: those that it must have, each with the annotation of its content; it may have others.
        remedy: what helps when it is damaged; ``{folder}`` in it stands for the document's folder.
        again: what helps, beside the version that wrote it, when its version is another one.
        damaged: what a document is that nothing can be read from.
    """

    name: str
    version: int
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    remedy: str = "restore the file"
    again: str | None = None
    damaged: str = "damaged"

    def text(self, fields: Mapping[str, Any]) -> str:
        """The text of a document with these fields."""
        return json.dumps({"format": self.name, "version": self.version, **fields}, indent=2) + "\n"

    def read(self, path: Path) -> dict[str, Any]:
        """The fields of the document ``path``.

        Raises:
            InputError: it is damaged, or of another kind or version.
        """
        try:
            content = cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
            name, version = content.pop("format"), content.pop("version")
        except PermissionError as error:
            raise unreadable(path, error) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self.damage(path) from error
        if (name, version) != (self.name, self.version):
            again = "" if self.again is None else f"{self.again} or "
            raise InputError(
                f"{path} has format {name!r} version {version}, this version of e2c-control reads {self.name!r} "
                f"version {self.version}: {again}install the version that wrote it."
            )
        try:
            return {**content, **{name: from_json(kind, content[name]) for name, kind in self.fields.items()}}
        except (KeyError, ValueError) as error:
            raise self.damage(path) from error

    def damage(self, path: Path) -> InputError:
        """What to say about a document, or a file that belongs to it, that cannot be read."""
        return InputError(f"{path} is {self.damaged}: {self.remedy.format(folder=path.parent)}.")
