"""Novelty search on a data set: find samples that an auto-encoder describes badly, yet that have structure.

The six steps of the post that proposed it ("adversarial free energy" on a static data set):

1. begin with a data set;
2. train an auto-encoder on it, for the recurrent one on the N-pass error;
3. pick codes;
4. compute the gradient of |z - E(D(z))|², the distance between a code and the encoding of its own decoding, normalise
   it and add it to the code;
5. repeat 4;
6. decode, put the samples in the place of a share of the data, and go on with 2.

One thing is added: each sample is scaled to the data's amplitude before it is put in, since its shape is what should be
new. Otherwise the amplitude falls over the cycles, or under long steps grows: codes between those of data decode to
mixtures of small amplitude, and the penalty on the norm pulls their codes farther in; codes far out decode to large
ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from e2c_control.autoencoders.autoencoder import AutoEncoder, lengths
from e2c_control.autoencoders.sampling import fit_codes
from e2c_control.autoencoders.training import AutoEncoderTrainer, TrainingOptions
from e2c_control.errors import InputError, whole
from e2c_control.fields import Count, CountOrZero, NotNegative, NotNegativeOrInfinite, Positive, ShareAboveZero, check
from e2c_control.runs.stateful import Groups, State, gather, put_back
from e2c_control.runs.typed_json import from_json


@dataclass(frozen=True)
class SearchOptions:
    """Options of a novelty search.

    Attributes:
        share: of the data that a cycle replaces.
        warm_epochs: of training before the first cycle.
        epochs: of training in a cycle.
        ascent_steps: normalised gradient steps on |z - E(D(z))|²; 0 is the control without the gradient.
        step_size: length of a step, as a share of the typical distance of a code from the mean of all.
        start: where codes begin: at codes of data, or at draws of a normal distribution fitted to them.
        floor: deviation that a quieter sample's numbers are amplified to, as a multiple of the original data's median.
        ceiling: deviation that a louder sample's numbers are damped to; from 0 to infinity takes all as found.
        gain: the most that a sample is amplified by: what is nearly silent has no shape to speak of.
    """

    share: ShareAboveZero = 0.025
    warm_epochs: CountOrZero = 150
    epochs: Count = 50
    ascent_steps: CountOrZero = 30
    step_size: Positive = 0.1
    start: Literal["data", "fitted"] = "fitted"
    floor: NotNegative = 1.0
    ceiling: NotNegativeOrInfinite = 1.0
    gain: NotNegative = 10.0

    def __post_init__(self) -> None:
        check(self)
        if self.ceiling < self.floor:
            raise InputError(f"ceiling is {self.ceiling}: give a multiple of the amplitude, {self.floor} or more.")


@dataclass(frozen=True)
class Found:
    """Results of one cycle of a novelty search.

    Attributes:
        cycle: counted from 1.
        losses: mean losses of the last epoch before, by name.
        samples: new data, (m, *data_shape), as they were put in.
        rows: of the data that they replaced, (m,) int64.
        codes: that they were decoded from, (m, *code_shape).
        gap_before: mean of |z - E(D(z))|² before the ascent.
        gap_after: after it.
    """

    cycle: int
    losses: Mapping[str, float]
    samples: Tensor
    rows: Tensor
    codes: Tensor
    gap_before: float
    gap_after: float


def gap(model: AutoEncoder, codes: Tensor) -> Tensor:
    """Return |z - E(D(z))|² of codes (N, *code_shape), (N,): 0 at the fixed points of decoding and encoding."""
    return (codes - model.encode(model.decode(codes))).square().flatten(1).sum(1)


def ascend(model: AutoEncoder, codes: Tensor, steps: int, length: float) -> Tensor:
    """Return codes (N, *code_shape) after `steps` steps of the given length along each code's own gradient of `gap`."""
    for _ in range(steps):
        codes = codes.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(gap(model, codes).sum(), codes)
        scale = length / lengths(gradient).clamp(min=1e-30)  # where the gradient is zero, a code stays
        codes = codes + scale.reshape(-1, *[1] * (codes.ndim - 1)) * gradient
    return codes.detach()


def amplitude(x: Tensor) -> Tensor:
    """Return the standard deviation of the numbers of each sample (N, ...) about their own mean, (N,)."""
    return x.flatten(1).std(1, correction=0)


class NoveltySearch:
    """A novelty search, one cycle at a time. `state` holds everything that the next cycle depends on.

    Args:
        model: is trained in place; the method was proposed with a recurrent one.
        data: (N, *data_shape) to begin with; copied, never changed.
        options: of the search.
        training: batch size, learning rate, seed; its schedule, none unless given, counts the epochs of all cycles.

    Attributes:
        data: as it is now.
        original: as it was.
        born: cycle in which each row of the data was made, 0 for an original one, (N,) int64.
    """

    def __init__(
        self,
        model: AutoEncoder,
        data: Tensor,
        options: SearchOptions | None = None,
        training: TrainingOptions | None = None,
    ) -> None:
        self.model, self.options = model, options or SearchOptions()
        settings = training or TrainingOptions(batch_size=100, learning_rate=5e-4, decay_after=None)
        model.check_data(data)
        self.trainer = AutoEncoderTrainer(model, settings)
        self.original: Tensor = data
        self.data: Tensor = data.clone()
        self.device: torch.device = self.trainer.device
        self.born = torch.zeros(len(data), dtype=torch.int64)
        self.cycle = 0
        self._generator = torch.Generator().manual_seed(settings.seed + 2)

    def warm_up(self) -> dict[str, float]:
        """Train before the first cycle, unless that is done already; return the mean losses by name."""
        missing = self.options.warm_epochs - self.trainer.epoch
        return self.trainer.train(self.data, missing) if self.cycle == 0 and missing > 0 else {}

    def advance(self) -> Found:
        """Run one cycle: train, search for novel samples, put them in the place of data."""
        self.warm_up()
        losses = self.trainer.train(self.data, self.options.epochs)
        count = max(round(self.options.share * len(self.data)), 1)
        starts = self._starts(count)
        ends = ascend(self.model, starts, self.options.ascent_steps, self.options.step_size * self._radius())
        with torch.no_grad():
            before, after, decoded = gap(self.model, starts), gap(self.model, ends), self.model.decode(ends)
        if not bool(decoded.isfinite().all()):
            raise InputError("The search left the region of codes: make step_size or ascent_steps smaller.")
        rows = torch.randperm(len(self.data), generator=self._generator)[:count]
        self.cycle += 1
        self.data[rows] = self._as_loud_as_data(decoded).to(self.data.device, self.data.dtype)
        self.born[rows] = self.cycle
        return Found(self.cycle, losses, self.data[rows].clone(), rows, ends, float(before.mean()), float(after.mean()))

    def _starts(self, count: int) -> Tensor:
        data = self.data.to(self.device)
        if self.options.start == "fitted":
            return fit_codes(self.model, data).sample(count, self._generator)
        rows = torch.randint(len(data), (count,), generator=self._generator)
        with torch.no_grad():
            return self.model.encode(data[rows])

    @torch.no_grad()
    def _radius(self) -> float:
        codes = self.model.encode(self.data.to(self.device)).flatten(1)
        return float((codes - codes.mean(0)).square().sum(1).mean().sqrt())

    def _as_loud_as_data(self, x: Tensor) -> Tensor:
        """Scale samples about their own mean to a deviation from floor to ceiling, clamped to the decoder's range."""
        own, typical = amplitude(x).clamp(min=1e-12), amplitude(self.original).median().to(x)
        wanted = own.clamp(self.options.floor * typical, self.options.ceiling * typical)
        factor = (wanted / own).clamp(max=max(self.options.gain, 1.0))
        flat = x.flatten(1)
        mean = flat.mean(1, keepdim=True)
        low, high = self.model.data_range
        return (mean + factor.unsqueeze(1) * (flat - mean)).clamp(low, high).reshape(x.shape)

    def state(self) -> State:
        """Return all that the next cycle depends on."""
        tensors, meta = gather({"trainer": self.trainer})
        own = {"data": self.data, "original": self.original, "born": self.born}
        own["generator"] = self._generator.get_state()
        return State({**tensors, "search": own}, {**meta, "cycle": self.cycle})

    def restore(self, tensors: Groups, meta: Mapping[str, object], /) -> None:
        """Go on from what `state` returned.

        Raises:
            InputError: it belongs to other data or another model.
        """
        own = tensors.get("search", dict[str, Tensor]())
        if "data" not in own or own["data"].shape != self.data.shape:
            raise InputError("The checkpoint is of a search on other data: begin a new run.")
        put_back({"trainer": self.trainer}, tensors, meta)
        self.data, self.original = own["data"].clone(), own["original"].clone()
        self.born, self.cycle = own["born"].clone(), from_json(int, meta["cycle"], "cycle")
        self._generator.set_state(own["generator"])


Callback = Callable[[NoveltySearch, Found], None]


def novelty_search(
    model: AutoEncoder,
    data: Tensor,
    cycles: int,
    options: SearchOptions | None = None,
    training: TrainingOptions | None = None,
    callback: Callback | None = None,
) -> NoveltySearch:
    """Run `cycles` cycles of a search and return it; `callback` is called after each.

    The samples found are in the search's `data`, the cycles that they were found in in `born`.
    """
    search = NoveltySearch(model, data, options, training)
    for _ in range(whole("cycles", cycles, least=0)):
        found = search.advance()
        if callback is not None:
            callback(search, found)
    return search
