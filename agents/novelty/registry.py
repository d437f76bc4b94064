"""Novelty models by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from e2c_control.agents.novelty.forward_model import ForwardModel
from e2c_control.agents.novelty.model import NoveltyModel
from e2c_control.agents.novelty.random_network import RandomNetwork
from e2c_control.agents.novelty.reconstruction import PlainError, RecurrentError, VariationalError
from e2c_control.agents.novelty.remedies import LearningProgress, MinusNoise
from e2c_control.agents.novelty.windows import Layout
from e2c_control.errors import one_of, only_options

MODELS: dict[str, type[NoveltyModel]] = {
    "recurrent": RecurrentError,
    "plain": PlainError,
    "variational": VariationalError,
    "rnd": RandomNetwork,
    "icm": ForwardModel,
}
"""Models that score novelty; another one is a line more."""

REMEDIES: dict[str, Callable[..., NoveltyModel]] = {"learning_progress": LearningProgress, "minus_noise": MinusNoise}
"""What may stand around a model against the noisy TV."""


def make_model(
    name: str,
    layout: Layout,
    settings: Mapping[str, Any],
    remedy: str | None,
    remedy_settings: Mapping[str, Any],
    generator: torch.Generator,
) -> NoveltyModel:
    """A model, with its remedy around it, its weights drawn from a generator, on the CPU.

    Raises:
        InputError: there is no such model or remedy, or it has no such setting.
    """
    made = MODELS[one_of("novelty model", name, MODELS)]
    check_settings(name, made, settings)
    with torch.random.fork_rng(devices=[]):  # torch's initialisers read the global generator, which gets its state
        torch.set_rng_state(generator.get_state())
        model = made(layout, **settings)
        if remedy is not None:
            around = REMEDIES[one_of("remedy", remedy, REMEDIES)]
            check_settings(remedy, around, remedy_settings)
            model = around(model, **remedy_settings)
        generator.set_state(torch.get_rng_state())
    return model


def check_name(name: str, remedy: str | None) -> None:
    """Refuse names that nothing has."""
    one_of("novelty model", name, MODELS)
    if remedy is not None:
        one_of("remedy", remedy, REMEDIES)


def check_settings(name: str, made: Callable[..., Any], settings: Mapping[str, Any]) -> None:
    """Refuse settings that a model does not have."""
    parameters = inspect.signature(made).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    only_options(name, settings, [*parameters][1:])
