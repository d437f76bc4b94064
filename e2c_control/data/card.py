"""``dataset.json``: what a folder of transitions holds and where it comes from."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from e2c_control.errors import InputError
from e2c_control.runs.config import from_json
from e2c_control.runs.versions import package_versions

FORMAT = "e2c-control transitions"
VERSION = 1
NAME = "dataset.json"


@dataclass(frozen=True)
class DatasetCard:
    """What the arrays of a dataset mean.

    Attributes:
        environment: Gymnasium id.
        environment_kwargs: arguments that, with the id, make the environment again.
        frame_shape: (H, W, C) of a single frame.
        action_dim: m.
        state_dim: n of the true states that ride along, or None.
        frame_stack: how many frames an observation needs to show the state.
        seed: of the collection.
        versions: of the packages that made it.
        checksum: of the episodes, see `Transitions.checksum`; a training run notes it, a dataset itself does not.
    """

    environment: str
    environment_kwargs: Mapping[str, Any]
    frame_shape: tuple[int, int, int]
    action_dim: int
    state_dim: int | None = None
    frame_stack: int = 1
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=package_versions)
    checksum: int | None = None

    def to_json(self) -> str:
        """The text of ``dataset.json``."""
        fields = asdict(self)
        if self.checksum is None:
            del fields["checksum"]
        return json.dumps({"format": FORMAT, "version": VERSION, **fields}, indent=2) + "\n"


def read_card(folder: Path) -> DatasetCard:
    """Read ``dataset.json``.

    Raises:
        InputError: there is none, it cannot be read, or it is of another format version.
    """
    path = folder / NAME
    if not folder.is_dir():
        raise InputError(f"There is no dataset at {folder}: check the path, or make one with `e2c collect`.")
    if not path.is_file():
        raise InputError(f"{folder} is not a dataset, it has no {NAME}: check the path.")
    try:
        fields = cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
        name, version = fields.pop("format"), fields.pop("version")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged: collect the dataset again.") from error
    if (name, version) != (FORMAT, VERSION):
        raise InputError(
            f"{path} has format {name!r} version {version}, this version of e2c-control reads {FORMAT!r} version "
            f"{VERSION}: collect the dataset again or install the version that wrote it."
        )
    try:
        return from_json(DatasetCard, {"type": DatasetCard.__name__, **fields})
    except ValueError as error:
        raise InputError(
            f"{path} lacks fields, or has unknown ones or ones of another kind ({error}): collect the dataset again."
        ) from error
