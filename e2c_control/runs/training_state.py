"""Optimisers and random generators as tensors and JSON, to the bit."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim import Optimizer

from e2c_control.errors import InputError


def optimizer_to_tensors(optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """State of an optimiser: named tensors, and JSON for all that is none."""
    tensors: dict[str, Tensor] = {}
    content = cast(dict[str, Any], _flatten(optimizer.state_dict(), "", tensors))
    return tensors, content


def optimizer_from_tensors(optimizer: Optimizer, tensors: Mapping[str, Tensor], content: Mapping[str, Any]) -> None:
    """Restore what `optimizer_to_tensors` gave into an optimiser of the same parameters.

    Raises:
        InputError: the optimiser has other parameters.
    """
    state = _restore(content, tensors)
    # JSON knows no integer keys.
    state["state"] = {int(index): slots for index, slots in state["state"].items()}
    try:
        optimizer.load_state_dict(state)
    except (ValueError, KeyError) as error:
        raise InputError(
            f"The optimiser of the checkpoint does not fit this model ({error}): use its config."
        ) from error


def generator_to_tensor(generator: torch.Generator) -> Tensor:
    """State of a torch generator, uint8."""
    return generator.get_state()


def generator_from_tensor(state: Tensor, device: torch.device | str = "cpu") -> torch.Generator:
    """The generator that `generator_to_tensor` described."""
    generator = torch.Generator(device)
    generator.set_state(state.cpu())
    return generator


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """JSON in which a tensor is {"tensor": its name} and a tuple {"tuple": [...]}."""
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, Mapping):
        items = cast(Mapping[Any, Any], value).items()
        return {str(key): _flatten(item, f"{name}/{key}", tensors) for key, item in items}
    if isinstance(value, list | tuple):
        flat = [_flatten(item, f"{name}/{i}", tensors) for i, item in enumerate(cast(list[Any], value))]
        return {"tuple": flat} if isinstance(value, tuple) else flat
    return value


def _restore(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, Mapping):
        content = cast(Mapping[str, Any], value)
        if set(content) == {"tensor"}:
            return tensors[content["tensor"]].clone()
        if set(content) == {"tuple"}:
            return tuple(_restore(item, tensors) for item in content["tuple"])
        return {key: _restore(item, tensors) for key, item in content.items()}
    if isinstance(value, list):
        return [_restore(item, tensors) for item in cast(list[Any], value)]
    return value
