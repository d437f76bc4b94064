"""A novelty model with all that it takes to train it: whitening, optimiser, batches, generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from e2c_control.agents.arguments import savable
from e2c_control.agents.novelty.memory import Cut, Memory
from e2c_control.agents.novelty.model import NoveltyModel
from e2c_control.agents.novelty.registry import MODELS, REMEDIES, make_model
from e2c_control.agents.novelty.scaling import Moments, deviation
from e2c_control.agents.novelty.windows import Layout, Windows
from e2c_control.errors import InputError
from e2c_control.fields import Count, Named, Positive, ShareBelowOne, Through, check
from e2c_control.runs.stateful import Groups, Part, State, gather, put_back
from e2c_control.runs.typed_json import fields_from

WHITENED_LIMIT, IMAGE_LIMIT = 5.0, 50.0
"""Whitened numbers are cut off here, vectors as in random network distillation. Something small that moves is in each
pixel of an image at a share p of the time, and is then about 1 / sqrt(p) deviations from usual: cut off sooner, what
was often seen looks as new as what never was (`experiments/agents/walls.py`)."""

MOST_DRAWN_BYTES = 1 << 30
"""Of the windows of one training, which are all in memory at once."""

Settings = Mapping[str, object]


@dataclass(frozen=True)
class NoveltyOptions:
    """What is new, and how that is learnt.

    Attributes:
        model: a name in `MODELS`, "my_package:Mine", or a class of your own, of which the name is kept.
        settings: of the model, by name.
        remedy: against the noisy TV: learning_progress, minus_noise, or none.
        remedy_settings: of the remedy, by name.
        window: frames that the model sees at once, with the actions between them; none for as many as it needs.
        learning_rate: Adam's.
        batch_size: windows in a step of the optimiser.
        gradient_steps: of the optimiser, each time that the model is trained.
        train_every: environment steps, of all environments together, between two trainings.
        memory: frames that are kept to train on. A short one forgets where it began.
        gamma: discount of the sums that the bonus is measured against.
        episodic: whether those begin anew with every episode.
        recall: environment steps that this measure looks back; none for all.
        normalise: whether the bonus is measured so.
        limit: deviations at which whitened numbers are cut off; none for 5, or 50 in images.
        running: whether the frames' statistics go on after `NoveltyReward.warm_up`; without a warm-up they must.
    """

    model: Annotated[str | type[NoveltyModel], Named(MODELS)] = "recurrent"
    settings: Annotated[Settings, Through(savable)] = field(default_factory=dict[str, object])
    remedy: Annotated[str | type[NoveltyModel], Named(REMEDIES)] | None = None
    remedy_settings: Annotated[Settings, Through(savable)] = field(default_factory=dict[str, object])
    window: Count | None = None
    learning_rate: Positive = 1e-3
    batch_size: Count = 256
    gradient_steps: Count = 8
    train_every: Count = 512
    memory: Count = 20_000
    gamma: ShareBelowOne = 0.99
    episodic: bool = False
    recall: Count | None = 4_000
    normalise: bool = True
    limit: Positive | None = None
    running: bool = True

    def __post_init__(self) -> None:
        check(self)
        if self.remedy is None and self.remedy_settings:
            raise InputError("remedy_settings are of a remedy, and there is none: choose one, or leave them out.")

    def check_drawn(self, window_bytes: int) -> None:
        """Refuse trainings whose windows, of so many bytes each, take more than `MOST_DRAWN_BYTES`."""
        drawn = self.gradient_steps * self.batch_size
        if drawn * window_bytes > MOST_DRAWN_BYTES:
            raise InputError(
                f"gradient_steps x batch_size draws {drawn:,} windows of {window_bytes:,} bytes for a training, where "
                f"{MOST_DRAWN_BYTES:,} bytes are the most: lower one of them."
            )

    @property
    def frames(self) -> int:
        """k, given or the model's own."""
        return MODELS.find(self.model).window if self.window is None else self.window


class Novelty:
    """Scores windows of what was sensed and done, and learns them.

    Args:
        layout: of the windows.
        options: what the model is, and how it learns.
        seed: of weights, batches and noise.
        device: where it computes.
    """

    def __init__(self, layout: Layout, options: NoveltyOptions, seed: int, device: torch.device) -> None:
        self.layout, self.options, self.device = layout, options, device
        weights = torch.Generator().manual_seed(seed)
        model = make_model(options.model, layout, options.settings, options.remedy, options.remedy_settings, weights)
        self.model = model.to(device)
        self.moments = Moments(layout.frame_shape)
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimiser = torch.optim.Adam(trained, options.learning_rate, fused=True)
        usual = IMAGE_LIMIT if len(layout.frame_shape) == 3 else WHITENED_LIMIT
        self.limit = usual if options.limit is None else options.limit
        self.updates = 0
        self._order = torch.Generator().manual_seed(seed + 1)
        self._noise = torch.Generator(device).manual_seed(seed + 2)

    def observe(self, frames: NDArray[np.generic]) -> None:
        """Take frames (N, *frame_shape) into the running statistics."""
        self.moments.update(frames)

    def windows(self, frames: NDArray[np.generic], actions: NDArray[np.float32]) -> Windows:
        """Return frames (N, k, *frame_shape) and codes of actions (N, k - 1, a), whitened and on the device."""
        return self._whitening()(*self._on_device(frames, actions))

    def score(self, frames: NDArray[np.generic], actions: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the novelty (N,) of frames (N, k, *frame_shape) and codes of actions (N, k - 1, a)."""
        with torch.no_grad():
            return self.model.score(self.windows(frames, actions)).cpu().double().numpy()

    def reconstruct(self, frames: NDArray[np.generic], actions: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """Return the newest frames (N, *frame_shape) of windows as the model makes them again, in the data's units.

        None if the model makes no frames.
        """
        with torch.no_grad():
            made = self.model.reconstruction(self.windows(frames, actions))
        return None if made is None else made.cpu().numpy() * deviation(self.moments) + self.moments.mean

    def update(self, memory: Memory) -> tuple[dict[str, float], float]:
        """Take the optimiser's steps of one training, on windows of the memory.

        Nothing is read from the device between the steps: whether all went well is asked once, at the end.

        Returns:
            Mean losses by name, and how many times as large scores are as before, on windows of the memory.

        Raises:
            InputError: a loss is no longer finite; weights and optimiser are then what they were before.
        """
        options, sums = self.options, dict[str, Tensor]()
        probe = memory.draw(options.batch_size, self._order)
        before, kept = self._size_of_scores(probe), deepcopy((self.model.state_dict(), self.optimiser.state_dict()))
        drawn, whiten = memory.draw(options.gradient_steps * options.batch_size, self._order), self._whitening()
        frames, actions = (torch.split(part, options.batch_size) for part in self._on_device(*drawn))
        for batch in zip(frames, actions, strict=True):
            self.optimiser.zero_grad(set_to_none=True)
            for loss in self.model.losses(whiten(*batch), self._noise):
                loss.total.backward()
                for name, value in {**loss.parts, "total": loss.total.detach()}.items():
                    sums[name] = sums[name] + value if name in sums else value
            self.optimiser.step()
            self.model.after_update()
        after = self._size_of_scores(probe)
        means = {name: float(value) / options.gradient_steps for name, value in sums.items()}
        if not np.isfinite([means["total"], after]).all():
            self.model.load_state_dict(kept[0])
            self.optimiser.load_state_dict(kept[1])
            raise InputError(
                f"The novelty model's loss is not finite any more after {self.updates} steps: lower its learning "
                f"rate {options.learning_rate:g}."
            )
        self.updates += options.gradient_steps
        return means, after / before if before > 0 else 1.0

    def _on_device(self, frames: NDArray[np.generic], actions: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        return torch.as_tensor(frames, device=self.device), torch.as_tensor(actions, device=self.device)

    def _whitening(self) -> Callable[[Tensor, Tensor], Windows]:
        """Return a function that whitens frames as they were seen, with the statistics of now.

        In float64: a mean far from 0, and what is left without it, have no place in one float32.
        """
        mean = torch.as_tensor(self.moments.mean, device=self.device)
        scale = torch.as_tensor(1.0 / deviation(self.moments), device=self.device)

        def whiten(frames: Tensor, actions: Tensor) -> Windows:
            whitened = (frames.double() - mean) * scale
            return Windows(whitened.clamp(-self.limit, self.limit).float(), actions)

        return whiten

    def _size_of_scores(self, windows: Cut) -> float:
        return float(np.abs(self.score(*windows)).mean())

    def _parts(self) -> dict[str, Part]:
        generators = {"order": self._order, "noise": self._noise}
        own: dict[str, Part] = {"model": self.model, "optimiser": self.optimiser, "generators": generators}
        return {**own, "statistics": self.moments}

    def state(self) -> State:
        """Return all that the next score and update depend on but the memory."""
        tensors, meta = gather(self._parts())
        return State(tensors, {**meta, "updates": self.updates})

    def restore(self, tensors: Groups, meta: Mapping[str, object], /) -> None:
        """Go on from what `state` returned.

        Raises:
            InputError: it belongs to a model of other sizes.
            ValueError: a field of `meta` is missing, or cannot have such a value.
        """
        meta = fields_from({"updates": int, "optimiser": Mapping[str, object]}, meta, "novelty")
        put_back(self._parts(), tensors, meta)
        self.updates = meta["updates"]
