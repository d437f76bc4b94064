"""The training loop of all auto-encoders: over a data set in epochs, or one given batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import torch
from torch import Tensor

from e2c_control.autoencoders.autoencoder import AutoEncoder, Loss
from e2c_control.errors import InputError
from e2c_control.fields import Count, NotNegative, Positive, Seed, check
from e2c_control.runs.stateful import Groups, Part, State, gather, loading, put_back, save
from e2c_control.runs.typed_json import from_json


@dataclass(frozen=True)
class TrainingOptions:
    """Options of training an auto-encoder.

    Attributes:
        batch_size: samples in a step; the last batch of an epoch may be smaller.
        learning_rate: Adam's.
        epochs: after which the training counts as finished, for the schedule alone; `train` may go on.
        decay_after: share of the epochs after which the learning rate is a tenth; none keeps it.
        weight_decay: L2 penalty on all weights.
        seed: of batches and noise.
    """

    batch_size: Count = 500
    learning_rate: Positive = 2e-3
    epochs: Count = 400
    decay_after: NotNegative | None = 0.75
    weight_decay: NotNegative = 0.0
    seed: Seed = 0

    def __post_init__(self) -> None:
        check(self)


class AutoEncoderTrainer:
    """Trainer of an auto-encoder. `state` holds everything that the next step depends on.

    On a CPU, N + N epochs give bitwise the same weights as 2 N, whether or not the trainer was saved and restored
    between.

    Args:
        model: is trained in place, on its device.
        options: of training.
    """

    def __init__(self, model: AutoEncoder, options: TrainingOptions | None = None) -> None:
        self.model, self.options = model, options or TrainingOptions()
        self.device = next(model.parameters()).device
        self.step = self.epoch = 0
        self.optimiser = torch.optim.Adam(
            model.parameter_groups(self.options.learning_rate), weight_decay=self.options.weight_decay, fused=True
        )
        self._rates = [float(group["lr"]) for group in self.optimiser.param_groups]
        self._order = torch.Generator().manual_seed(self.options.seed)
        self._noise = torch.Generator(self.device).manual_seed(self.options.seed + 1)

    def update(self, batch: Tensor) -> dict[str, Tensor]:
        """Take one optimiser step on a batch (N, *data_shape); return its losses by name, detached scalars.

        "total" is the sum that was differentiated.
        """
        self.optimiser.zero_grad(set_to_none=True)
        report: dict[str, Tensor] = {}
        for loss in self.model.losses(batch, self._noise):
            loss.total.backward()
            for name, value in _named(loss).items():
                report[name] = report[name] + value if name in report else value
            del loss  # with its graph, before the next one is made
        self.optimiser.step()
        self.step += 1
        return report

    def train(self, data: Tensor, epochs: int) -> dict[str, float]:
        """Train for `epochs` epochs on data (N, *data_shape), each in a new order; return the last one's mean losses.

        Raises:
            InputError: the model cannot be trained on the data, or the loss is no longer finite.
        """
        self.model.check_data(data)
        data = data.to(self.device)
        means: dict[str, float] = {}
        for _ in range(epochs):
            means = self._through(data)
            if not all(value == value and abs(value) < float("inf") for value in means.values()):
                raise InputError(
                    f"The loss is not finite any more after {self.step} steps: lower the learning rate "
                    f"{self.options.learning_rate:g}, or scale the data."
                )
        return means

    def _through(self, data: Tensor) -> dict[str, float]:
        rate = 1.0 if self._young() else 0.1
        for group, base in zip(self.optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * base
        order = torch.randperm(len(data), generator=self._order).to(self.device)
        sums: dict[str, Tensor] = {}
        parts = order.tensor_split(ceil(len(data) / self.options.batch_size))  # alike in size: none is left with one
        for rows in parts:
            for name, value in self.update(data[rows]).items():
                sums[name] = sums[name] + value if name in sums else value
        self.epoch += 1
        return {name: float(value) / len(parts) for name, value in sums.items()}

    def _young(self) -> bool:
        after = self.options.decay_after
        return after is None or self.epoch < after * self.options.epochs

    def _parts(self) -> dict[str, Part]:
        generators = {"order": self._order, "noise": self._noise}
        return {"model": self.model, "optimiser": self.optimiser, "generators": generators}

    def state(self) -> State:
        """Return all that the next step depends on but the data."""
        tensors, meta = gather(self._parts())
        return State(tensors, {**meta, "step": self.step, "epoch": self.epoch})

    def restore(self, tensors: Groups, meta: Mapping[str, object], /) -> None:
        """Go on from what `state` returned.

        Raises:
            InputError: it belongs to a model of other sizes.
        """
        put_back(self._parts(), tensors, meta)
        self.step, self.epoch = from_json(int, meta["step"], "step"), from_json(int, meta["epoch"], "epoch")

    def save(self, path: Path | str) -> None:
        """Write a checkpoint folder: JSON and safetensors."""
        save(path, self.state())

    def resume(self, path: Path | str) -> None:
        """Resume from a checkpoint that `save` wrote."""
        with loading(path, {"step": int, "epoch": int, "optimiser": Mapping[str, object]}) as state:
            self.restore(*state)


def _named(loss: Loss) -> dict[str, Tensor]:
    return {"total": loss.total.detach(), **loss.parts}
