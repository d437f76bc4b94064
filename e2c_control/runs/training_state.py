"""Optimisers as tensors and JSON, to the bit."""

from collections.abc import Callable, Mapping
from reprlib import repr as short
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from e2c_control.errors import InputError
from e2c_control.fields import are_items, is_mapping, is_named
from e2c_control.runs.typed_json import JSON, to_json

_LARGEST = torch.finfo(torch.float32).max


def optimizer_to_tensors(optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, JSON]]:
    """State of an optimiser: named tensors, and JSON for all that is none."""
    tensors: dict[str, Tensor] = {}
    content = {name: _flatten(item, f"/{name}", tensors) for name, item in optimizer.state_dict().items()}
    return tensors, content


def optimizer_from_tensors(optimizer: Optimizer, tensors: Mapping[str, Tensor], content: Mapping[str, object]) -> None:
    """Restore what `optimizer_to_tensors` gave into an optimiser of the same parameters.

    Raises:
        InputError: the optimiser has other parameters.
    """
    try:
        state = _restore(content, tensors)
        # JSON knows no integer keys.
        state["state"] = {int(index): slots for index, slots in state["state"].items()}
        _check_groups(optimizer.state_dict()["param_groups"], state["param_groups"])
        _check_slots(optimizer, state["state"])
        optimizer.load_state_dict(state)
    except (LookupError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"The optimiser of the checkpoint does not fit this model ({error}): use its config."
        ) from error


def _check_groups(own: list[dict[str, object]], saved: list[dict[str, object]]) -> None:
    """Raise ValueError unless the groups have the same settings, each of the same kind and finite."""
    for mine, theirs in zip(own, saved, strict=True):
        if set(mine) != set(theirs):
            raise ValueError(f"its settings are {sorted(theirs)}, not {sorted(mine)}")
        for name, value in mine.items():
            if not _alike(value, theirs[name]):
                raise ValueError(f"its {name} is {short(theirs[name])}")


def _alike(one: object, other: object) -> bool:
    """Return whether both are of the same kind; switches the same, numbers of float32, lists of the same length."""
    if are_items(one) and are_items(other):
        return type(other) is type(one) and len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, bool):
        return one is other
    if isinstance(one, int | float):
        return isinstance(other, int | float) and not isinstance(other, bool) and abs(other) <= _LARGEST
    return type(one) is type(other)


def _check_slots(optimizer: Optimizer, state: Mapping[int, Mapping[str, object]]) -> None:
    """Raise ValueError unless each parameter's slots are those that the optimiser makes, of the parameter's shape."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    made = _slots_of(optimizer)
    for index, slots in state.items():
        if made is not None and set(slots) != set(made):
            raise ValueError(f"parameter {index} has {sorted(slots)}, not {sorted(made)}")
        for name, slot in slots.items():
            whole, single = parameters[index].shape, torch.Size()
            shapes = (whole, single) if made is None else (single,) if made[name] == single else (whole,)
            if not isinstance(slot, Tensor) or slot.shape not in shapes:
                raise ValueError(f"{name} of parameter {index} has another shape")


def _slots_of(optimizer: Optimizer) -> dict[str, torch.Size] | None:
    """Return what the optimiser keeps for a parameter, with shapes, as one step on a parameter of shape (1,) shows."""
    probe = torch.nn.Parameter(torch.zeros(1))
    probe.grad = torch.zeros(1)
    made: Callable[..., Optimizer] = type(optimizer)
    try:
        twin = made([probe], **optimizer.defaults)
        twin.step()
    except (TypeError, ValueError, RuntimeError):  # it takes other arguments, or a closure: its slots are unknown
        return None
    return {name: slot.shape for name, slot in twin.state[probe].items() if isinstance(slot, Tensor)}


def _flatten(value: object, name: str, tensors: dict[str, Tensor]) -> JSON:
    """JSON in which a tensor is {"tensor": its name} and a tuple {"tuple": [...]}."""
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if is_mapping(value):
        return {str(key): _flatten(item, f"{name}/{key}", tensors) for key, item in value.items()}
    if are_items(value):
        flat: JSON = [_flatten(item, f"{name}/{i}", tensors) for i, item in enumerate(value)]
        return {"tuple": flat} if isinstance(value, tuple) else flat
    return to_json(value)


def _restore(value: object, tensors: Mapping[str, Tensor]) -> Any:
    if is_named(value):
        if set(value) == {"tensor"}:
            return tensors[str(value["tensor"])].clone()
        if set(value) == {"tuple"}:
            return tuple(_restore(value["tuple"], tensors))
        return {key: _restore(item, tensors) for key, item in value.items()}
    if are_items(value):
        return [_restore(item, tensors) for item in value]
    return value
