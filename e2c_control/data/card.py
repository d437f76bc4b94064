"""``dataset.json``: what a folder of transitions holds and where it comes from."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from e2c_control.data.arguments import trusting_again
from e2c_control.errors import InputError, quoted
from e2c_control.fields import Count, FrameStack, Seed, check
from e2c_control.runs.document import Kind
from e2c_control.runs.typed_json import from_json
from e2c_control.runs.versions import package_versions

CARD = Kind("e2c-control transitions", 1, remedy="collect the dataset again", again="collect the dataset again")
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
    frame_shape: tuple[Count, Count, Count]
    action_dim: Count
    state_dim: Count | None = None
    frame_stack: FrameStack = 1
    seed: Seed = 0
    versions: Mapping[str, str] = field(default_factory=package_versions)
    checksum: Seed | None = None

    def __post_init__(self) -> None:
        check(self)

    @property
    def frame_bytes(self) -> int:
        """On the disk, with the action and the state that go with it."""
        return math.prod(self.frame_shape) + 4 * self.action_dim + 8 * (self.state_dim or 0)

    def as_begun_by(self, begun: "DatasetCard") -> "DatasetCard":
        """Return this card with the version of this package that began the dataset: later ones go on with it."""
        ours = {name: version for name, version in begun.versions.items() if name == "e2c-control"}
        return replace(self, versions={**self.versions, **ours})

    def to_json(self) -> str:
        """Return the text of ``dataset.json``."""
        fields = asdict(self)
        if self.checksum is None:
            del fields["checksum"]
        return CARD.text(fields)


def read_card(folder: Path) -> DatasetCard:
    """Read ``dataset.json``.

    Raises:
        InputError: there is none, it cannot be read, or it is of another format version.
    """
    path = folder / NAME
    if not folder.is_dir():
        from e2c_control.data.unfinished import is_kept, unfinished_folder  # which writes cards itself

        growing = unfinished_folder(folder)
        if is_kept(growing):
            resume = f"{quoted(folder)}{trusting_again(growing)}"
            raise InputError(f"{folder} is not finished: go on with `e2c collect --resume {resume}`.")
        raise InputError(f"There is no dataset at {folder}: check the path, or make one with `e2c collect`.")
    if not path.is_file():
        raise InputError(f"{folder} is not a dataset, it has no {NAME}: check the path.")
    fields = CARD.read(path)
    try:
        return from_json(DatasetCard, {"type": DatasetCard.__name__, **fields})
    except ValueError as error:
        raise InputError(f"{path} is damaged, {error}: collect the dataset again.") from error
