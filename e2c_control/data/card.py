"""``dataset.json``: what a folder of transitions holds and where it comes from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from e2c_control.data.arguments import trusting_again
from e2c_control.data.choices import Choices
from e2c_control.errors import InputError, quoted
from e2c_control.fields import Count, CountOrZero, FrameStack, Seed, check
from e2c_control.runs.document import Kind
from e2c_control.runs.typed_json import from_json, to_json
from e2c_control.runs.versions import package_versions

_AGAIN = "collect the dataset again"
CARD = Kind("e2c-control transitions", 2, remedy=_AGAIN, again=_AGAIN, oldest=1)
NAME = "dataset.json"

STOPPED, TERMINATED, TRUNCATED = range(3)
"""How an episode ended: recording stopped, or nobody knows; by termination, of which nothing follows; by truncation."""


class Column(NamedTuple):
    """What a file of a dataset holds: rows of one shape and dtype."""

    row: tuple[int, ...]
    dtype: type[np.number]


@dataclass(frozen=True)
class DatasetCard:
    """What the arrays of a dataset mean.

    Attributes:
        environment: Gymnasium id.
        environment_kwargs: arguments that, with the id, make the environment again.
        frame_shape: (H, W, C) of a single frame; (0, 0, 0) where vectors are all that is observed.
        action_dim: m.
        state_dim: n of the true states that ride along, or None.
        frame_stack: how many frames an observation needs to show the state.
        seed: of the collection.
        versions: of the packages that made it.
        checksum: of the episodes, see `Transitions.checksum`; a training run notes it, a dataset itself does not.
        rewards: whether it has rewards, and how its episodes ended.
        vector_dim: v of the vectors that are observed, or None.
        choices: what the actions choose among, which are one-hot then; None for continuous ones.
        vector_parts: numbers in each part of a vector that was put together of several, by their names, in their order.
        cameras: names of the images that are joined in a frame's channels, where the environment shows several.
    """

    environment: str
    environment_kwargs: Mapping[str, Any]
    frame_shape: tuple[CountOrZero, CountOrZero, CountOrZero]
    action_dim: Count
    state_dim: Count | None = None
    frame_stack: FrameStack = 1
    seed: Seed = 0
    versions: Mapping[str, str] = field(default_factory=package_versions)
    checksum: Seed | None = None
    rewards: bool = False
    vector_dim: Count | None = None
    choices: Choices | None = None
    vector_parts: Mapping[str, Count] = field(default_factory=dict[str, int])
    cameras: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check(self)
        if not self.has_frames and (any(self.frame_shape) or self.vector_dim is None):
            raise InputError(
                f"frame_shape is {self.frame_shape}: give sides and channels of 1 or more, or (0, 0, 0) beside a "
                "vector_dim."
            )
        if self.choices is not None and self.choices.size != self.action_dim:
            raise InputError(f"choices among {self.choices.size} do not fit action_dim={self.action_dim}: repair one.")

    @property
    def has_frames(self) -> bool:
        """Whether its frames have pixels."""
        return min(self.frame_shape) > 0

    @property
    def columns(self) -> dict[str, Column]:
        """What its files hold that have a row for each frame, by their names."""
        made = {"frames": Column(self.frame_shape, np.uint8), "actions": Column((self.action_dim,), np.float32)}
        if self.rewards:
            made["rewards"] = Column((), np.float32)
        if self.vector_dim is not None:
            made["vectors"] = Column((self.vector_dim,), np.float32)
        if self.state_dim is not None:
            made["states"] = Column((self.state_dim,), np.float64)
        return made

    @property
    def frame_bytes(self) -> int:
        """On the disk, with all that goes with it."""
        return sum(math.prod(column.row) * np.dtype(column.dtype).itemsize for column in self.columns.values())

    def without(self, *, states: bool = False, rewards: bool = False) -> "DatasetCard":
        """Return this card without these columns."""
        return replace(self, state_dim=None if states else self.state_dim, rewards=self.rewards and not rewards)

    def as_far_as(self, other: "DatasetCard") -> "DatasetCard":
        """Return this card without the states and the rewards that another does not have."""
        return self.without(states=other.state_dim is None, rewards=not other.rewards)

    def as_begun_by(self, begun: "DatasetCard") -> "DatasetCard":
        """Return this card with the version of this package that began the dataset: later ones go on with it."""
        ours = {name: version for name, version in begun.versions.items() if name == "e2c-control"}
        return replace(self, versions={**self.versions, **ours})

    def to_json(self) -> str:
        """Return the text of ``dataset.json``."""
        content = {one.name: to_json(getattr(self, one.name)) for one in fields(self)}
        if self.checksum is None:
            del content["checksum"]
        return CARD.text(content)


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
    content = CARD.read(path)
    try:
        return from_json(DatasetCard, {"type": DatasetCard.__name__, **content})
    except ValueError as error:
        raise InputError(f"{path} is damaged, {error}: collect the dataset again.") from error
