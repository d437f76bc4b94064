"""Novelty models by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

import torch

from e2c_control.agents.novelty.model import NoveltyModel
from e2c_control.agents.novelty.windows import Layout
from e2c_control.errors import only_options
from e2c_control.registry import Registry

MODELS: Registry[type[NoveltyModel]] = Registry(
    "novelty model",
    {
        "recurrent": "e2c_control.agents.novelty.reconstruction:RecurrentError",
        "plain": "e2c_control.agents.novelty.reconstruction:PlainError",
        "variational": "e2c_control.agents.novelty.reconstruction:VariationalError",
        "rnd": "e2c_control.agents.novelty.random_network:RandomNetwork",
        "icm": "e2c_control.agents.novelty.forward_model:ForwardModel",
    },
    NoveltyModel,
)
"""Models that score novelty; another one is a line more."""

REMEDIES: Registry[Callable[..., NoveltyModel]] = Registry(
    "remedy",
    {
        "learning_progress": "e2c_control.agents.novelty.remedies:LearningProgress",
        "minus_noise": "e2c_control.agents.novelty.remedies:MinusNoise",
    },
    NoveltyModel,
)
"""What may stand around a model against the noisy TV."""


def make_model(
    name: str | type[NoveltyModel],
    layout: Layout,
    settings: Mapping[str, object],
    remedy: str | Callable[..., NoveltyModel] | None,
    remedy_settings: Mapping[str, object],
    generator: torch.Generator,
) -> NoveltyModel:
    """Make a model, with its remedy around it, its weights drawn from a generator, on the CPU.

    Raises:
        InputError: there is no such model or remedy, or it has no such setting.
    """
    made = MODELS.find(name)
    check_settings(MODELS.name_of(name), made, settings)
    with torch.random.fork_rng(devices=[]):  # torch's initialisers read the global generator, which gets its state
        torch.set_rng_state(generator.get_state())
        model: NoveltyModel = made(layout, **settings)
        if remedy is not None:
            around = REMEDIES.find(remedy)
            check_settings(REMEDIES.name_of(remedy), around, remedy_settings)
            model = around(model, **remedy_settings)
        generator.set_state(torch.get_rng_state())
    return model


def check_settings(name: str, made: Callable[..., object], settings: Mapping[str, object]) -> None:
    """Refuse settings that a model does not have."""
    parameters = inspect.signature(made).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    only_options(name, settings, [*parameters][1:])
