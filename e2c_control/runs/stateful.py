"""What can be saved and go on, and the one saver of all agents, models and trainers.

A `Stateful` object tells its state as groups of named tensors and JSON. `gather` makes such a state of an object's
parts, `put_back` is its inverse; `save` writes one into a folder (`runs/checkpoint.py`: a file for each group, complete
or not there), and `loading` reads it back as something that a stranger may have written.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.optim import Optimizer

from e2c_control.errors import InputError, path_of
from e2c_control.registry import trusting
from e2c_control.runs.checkpoint import load_checkpoint, save_checkpoint
from e2c_control.runs.restoring import restoring
from e2c_control.runs.training_state import optimizer_from_tensors, optimizer_to_tensors
from e2c_control.runs.typed_json import fields_from, from_json, to_json

if TYPE_CHECKING:
    from typing_extensions import TypeIs

Groups = Mapping[str, Mapping[str, Tensor]]


class State(NamedTuple):
    """All that an object's future depends on.

    Attributes:
        tensors: groups of named tensors.
        meta: JSON.
    """

    tensors: Groups
    meta: Mapping[str, Any]


@runtime_checkable
class Stateful(Protocol):
    """What goes on from its state as if it had never stopped."""

    def state(self) -> State:
        """Return all that the next step depends on."""
        ...

    def restore(self, tensors: Groups, meta: Mapping[str, object], /) -> None:
        """Go on from what `state` returned; raise InputError where that is of another object."""
        ...


class HasTensors(Protocol):
    """One group of tensors, as torch's modules have it."""

    def state_dict(self) -> Mapping[str, Tensor]: ...

    def load_state_dict(self, state_dict: Mapping[str, Tensor], /) -> object: ...


Part = Stateful | HasTensors | Optimizer | Mapping[str, torch.Generator]


def gather(parts: Mapping[str, Part]) -> State:
    """Return the state of the named parts.

    Each has one group of tensors under its name, with underscores for dots. A `Stateful` part has its own groups: under
    their own names, or behind the part's name where that ends in an underscore ("novelty_"). JSON is kept by name.
    """
    tensors: dict[str, Mapping[str, Tensor]] = {}
    meta: dict[str, object] = {}
    for name, part in parts.items():
        group = name.replace(".", "_")
        if isinstance(part, Optimizer):
            tensors[group], meta[name] = optimizer_to_tensors(part)
        elif isinstance(part, Stateful):
            groups, meta[name.rstrip("_")] = part.state()
            tensors |= {_prefix(name) + own: named for own, named in groups.items()}
        elif _are_generators(part):
            tensors[group] = {key: generator.get_state() for key, generator in part.items()}
        else:
            tensors[group] = dict(part.state_dict())
    return State(tensors, meta)


def put_back(parts: Mapping[str, Part], tensors: Groups, meta: Mapping[str, object]) -> None:
    """Restore what `gather` returned into parts alike.

    The state of another kind of device's random generator is no use: such a generator keeps its seed.

    Raises:
        InputError: a part is of other sizes.
    """
    for name, part in parts.items():
        group = name.replace(".", "_")
        if isinstance(part, Optimizer):
            optimizer_from_tensors(part, tensors[group], from_json(dict[str, object], meta[name], name))
        elif isinstance(part, Stateful):
            prefix = _prefix(name)
            own = {key.removeprefix(prefix): named for key, named in tensors.items() if key.startswith(prefix)}
            kept = name.rstrip("_")
            part.restore(own, from_json(dict[str, object], meta[kept], kept))
        elif _are_generators(part):
            for key, generator in part.items():
                if generator.get_state().shape == tensors[group][key].shape:
                    generator.set_state(tensors[group][key])
        else:
            try:
                part.load_state_dict(dict(tensors[group]))
            except RuntimeError as error:
                raise InputError(
                    f"What was saved as {name!r} is of other sizes: make the object with the settings that it was "
                    "saved with."
                ) from error


def save(path: object, state: State, kind: str | None = None) -> None:
    """Write the folder `path` of JSON and safetensors; one that such a `save` wrote before is replaced.

    Args:
        path: the folder.
        state: to write.
        kind: name of the class of the object, by which `loading` knows it.

    Raises:
        InputError: `path` is no path, the disk is full or forbids it, or something else is there.
    """
    named = {} if kind is None else {"agent": kind}
    meta = {name: to_json(item) for name, item in {**named, **state.meta}.items()}
    save_checkpoint(path_of("path", path), state.tensors, meta)


@contextmanager
def loading(
    path: object,
    fields: Mapping[str, object],
    kind: str | None = None,
    *,
    data_bytes: int = 0,
    trust: Sequence[str] = (),
) -> Generator[State]:
    """Read what `save` wrote, for a context in which an object is made of it.

    Whatever goes wrong in the context because the folder is damaged, or names sizes that it does not have, becomes an
    `InputError` (see `restoring`).

    Args:
        path: the folder.
        fields: those that the JSON must have, each with the annotation that its content is read by.
        kind: name of the class of the object.
        data_bytes: of other files that it may take into memory as well.
        trust: modules whose code the folder may name, such as ``("my_package",)``.

    Raises:
        InputError: the folder is missing, damaged or of another kind, or does not fit what is made of it.
    """
    checkpoint = load_checkpoint(path_of("path", path))
    found = checkpoint.meta.get("agent")
    if kind is not None and found != kind:
        what = found if isinstance(found, str) else "no agent"
        raise InputError(f"{path} holds {what:.80}, no {kind}: give the folder that {kind}.save wrote.")
    with trusting(trust), restoring(checkpoint.path, checkpoint.tensors, data_bytes):
        yield State(checkpoint.tensors, fields_from(fields, checkpoint.meta, "meta"))


def _prefix(name: str) -> str:
    return name if name.endswith("_") else ""


def _are_generators(part: Part) -> TypeIs[Mapping[str, torch.Generator]]:
    return isinstance(part, Mapping)
