"""The training core: one optimiser step after another, by a recipe, on a dataset. It knows no folders and no logs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from e2c_control.data.sampler import Batch, WindowSampler
from e2c_control.data.store import open_store
from e2c_control.data.transitions import Transitions
from e2c_control.errors import LARGEST_COUNT, whole
from e2c_control.fields import Seed, checked
from e2c_control.models.embedding import Embedding
from e2c_control.objectives.objective import Objective
from e2c_control.objectives.recipe import Phase, Recipe
from e2c_control.objectives.unrolled import Noise, Unrolled, UnrolledFeatures
from e2c_control.runs.stateful import Groups, Part, State, gather, put_back
from e2c_control.training.distributed import ALONE, Job
from e2c_control.training.features import Features
from e2c_control.training.statistics import fit_statistics, vectors_seen
from e2c_control.training.survey import survey

Precision = Literal["auto", "float32", "bfloat16"]
"""Of the products in the networks while they train; weights, latents and their predictions are float32."""

COUNTERS = ("step", "phase_begin", "extra_steps", "attempts")
"""Of a saved trainer."""

ALIKE, NEAR = 3, 0.1
"""Attempts of which it is told that their signs are near each other, by this share of the largest: other weights would
seldom mend what comes out the same so often."""

WARM_UP = 0.1
"""Share of a phase over which the learning rate rises."""


@dataclass(frozen=True)
class Judgement:
    """The verdict on a phase's early signs.

    Attributes:
        phase: its name.
        too_much: terms whose means are above what is allowed, with both numbers.
        attempt: of the phase, counted from 1.
        last: whether it may not begin anew once more.
        alike: whether these means came out much the same in all attempts so far, each from other weights.
    """

    phase: str
    too_much: Mapping[str, tuple[float, float]]
    attempt: int
    last: bool
    alike: bool = False

    @property
    def sentence(self) -> str | None:
        """The verdict in words; None if all is well."""
        if not self.too_much:
            return None
        signs = " and ".join(f"{name} {mean:.3g} (at most {most:g})" for name, (mean, most) in self.too_much.items())
        data = ""
        if self.alike and (self.last or self.attempt >= ALIKE):
            data = (
                f" All {self.attempt} attempts came out alike: the data are at fault more often than the weights. Does "
                "an action move anything in one step (repeat actions, or take longer steps)? Does a picture show the "
                "speed (a frame stack of 2)?"
            )
        if self.last:
            return (
                f"Attempt {self.attempt} at phase '{self.phase}' looks no better, {signs}, and was the last: training "
                "goes on with a map that may be folded. Drive with it before you try another seed or more transitions."
                f"{data}"
            )
        return (
            f"Attempt {self.attempt} at phase '{self.phase}' leads to a misshapen map, {signs}: it begins anew with "
            f"other weights.{data}"
        )


@dataclass(frozen=True)
class StepReport:
    """What one optimiser step measured; tensors stay on the device until somebody reads them.

    Attributes:
        phase: name of the phase.
        loss: the weighted sum, scalar.
        terms: every term before weighting, scalars.
        learning_rate: of this step.
        judgement: where the phase's early signs were looked at after this step.
    """

    phase: str
    loss: Tensor
    terms: dict[str, Tensor]
    learning_rate: float
    judgement: Judgement | None = None


def learning_rate_at(phase: Phase, step: int) -> float:
    """Return the learning rate at step `step` of the phase, counted from 0: a linear rise, then a cosine to zero."""
    progress = (step + 1) / phase.steps
    if progress < WARM_UP:
        return phase.learning_rate * progress / WARM_UP
    return phase.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (progress - WARM_UP) / (1.0 - WARM_UP)))


class Trainer:
    """Train an embedding by a recipe, one optimiser step after another.

    `state` returns everything that the next step depends on. After `restore` the same steps follow, on a CPU to the
    bit.

    How the early-restart criterion works: depending on the initial weights, some maps come out twisted or collapsed,
    and no later step mends them. Two terms of the objective show it early, without any true state (`Retry`): their
    means over the last quarter of the first `Retry.steps` steps. If one is above its bound, the trained parts get new
    initial weights and the phase begins anew, up to `Retry.attempts` times.

    Args:
        recipe: what to train.
        transitions: the dataset.
        episodes: those of its episodes to train on.
        seed: of weights, batches and noise.
        device: where to train.
        compile: whether to compile the networks.
        precision: of matrix products; "auto" is bfloat16 on CUDA and float32 elsewhere.
        job: the processes that share each batch; the same steps follow however many they are, but for rounding.
        initial: weights to begin with, of an embedding of the same sizes; default: fresh ones.
    """

    @checked
    def __init__(
        self,
        recipe: Recipe,
        transitions: Transitions,
        episodes: NDArray[np.int64],
        *,
        seed: Seed,
        device: torch.device,
        compile: bool = False,
        precision: Precision = "auto",
        job: Job = ALONE,
        initial: Embedding | None = None,
    ) -> None:
        self.recipe = recipe
        self.device, self.step, self._job = device, 0, job
        self._transitions, self._episodes = transitions, episodes
        self._half = precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
        # Three independent streams, so that a change in how noise is drawn leaves batches and weights as they were.
        weights_seed, batch_seed, noise_seed = (int(s) for s in np.random.SeedSequence(seed).generate_state(3))
        weights = torch.Generator().manual_seed(weights_seed)
        stack = transitions.card.frame_stack
        height, width, channels = transitions.card.frame_shape
        self.embedding = Embedding(
            recipe.embedding,
            (height, width, channels * stack),
            transitions.card.action_dim,
            weights,
            vectors_seen(recipe.embedding, transitions.card) * stack,
        )
        if initial is not None:
            self.embedding.load_state_dict(initial.state_dict())
        fit_statistics(self.embedding, transitions, episodes, go_on=initial is not None)
        self.embedding.to(device)
        if compile:
            for part in (self.embedding.encoder, self.embedding.decoder, self.embedding.transition):
                if part is not None:
                    part.compile()
        self._weights = weights
        self.extra_steps = self._attempts = 0
        self._telltale: list[Tensor] = []
        self._judged: list[Tensor] = []
        self._batches = torch.Generator().manual_seed(batch_seed)
        self._noise = torch.Generator(device).manual_seed(noise_seed)
        self._store = open_store(transitions, device)
        self._enter_phase()

    def _enter_phase(self) -> None:
        """Make a fresh objective, optimiser and sampler for the phase of the current step."""
        phase, begin = self.recipe.phase_at(self.step - self.extra_steps)
        self._phase_begin = begin + self.extra_steps
        self.phase = phase
        self.objective = Objective(phase.terms).to(self.device)
        # Frozen parts get no gradient: neither time nor weight decay is spent on them.
        for name, part in self.embedding.parts().items():
            part.requires_grad_(name in phase.train)
        # What such a phase sees of an image never changes.
        seen_by_features = "encoder" not in phase.train and self.objective.of_features
        features = Features(self.embedding, self._transitions, self._store) if seen_by_features else None
        self._features = features if features is not None and features.fit() else None
        self._parameters = [p for p in [*self.embedding.parameters(), *self.objective.parameters()] if p.requires_grad]
        self.optimiser = torch.optim.Adam(
            self._parameters, lr=phase.learning_rate, weight_decay=phase.weight_decay, fused=True
        )
        self._sampler = WindowSampler(
            self._transitions,
            steps=phase.horizon,
            stack=self._transitions.card.frame_stack,
            batch_size=phase.batch_size,
            device=self.device,
            generator=self._batches,
            episodes=self._episodes,
            store=self._features or self._store,
            repeat_first=False,
            rank=self._job.rank,
            world_size=self._job.world_size,
        )

    def _look_at(self, terms: Mapping[str, Tensor], within: int) -> Judgement | None:
        """Judge the phase at its step `within`, and begin it anew if a restart criterion is above its bound."""
        retry = self.phase.judged_by
        if retry is None or within >= retry.steps:
            return None
        if within >= 3 * retry.steps // 4:
            self._telltale.append(torch.stack([terms[name].detach() for name in retry.above]))
        if within < retry.steps - 1:
            return None
        # The only time that the loop waits for the device: once in an attempt.
        means = torch.stack(self._telltale).mean(0).cpu()
        self._telltale, self._judged = [], [*self._judged, means]
        found = {name: float(mean) for name, mean in zip(retry.above, means, strict=True)}
        too_much = {name: (mean, retry.above[name]) for name, mean in found.items() if mean > retry.above[name]}
        every = torch.stack(self._judged)[:, [name in too_much for name in found]]
        least, most = every.amin(0), every.amax(0)
        alike = len(every) == self.attempt > 1 and bool((most - least <= NEAR * most.abs()).all())
        judgement = Judgement(self.phase.name, too_much, self.attempt, self._attempts >= retry.attempts, alike)
        if too_much and not judgement.last:
            self._attempts += 1
            self.extra_steps += retry.steps  # given up, but counted: the steps of a run only grow
            self._renew(self.phase.train)
            self._enter_phase()
        return judgement

    def _renew(self, parts: tuple[str, ...]) -> None:
        """Draw new initial weights for some parts of the embedding."""
        shape, actions = self.embedding.observation_shape, self.embedding.action_dim
        fresh = Embedding(self.recipe.embedding, shape, actions, self._weights, self.embedding.vector_dim)
        for name, part in self.embedding.parts().items():
            if name in parts:
                part.load_state_dict(fresh.get_submodule(name).state_dict())

    @property
    def attempt(self) -> int:
        """At the present phase, counted from 1."""
        return self._attempts + 1

    @property
    def finished(self) -> bool:
        return self.step >= self.total_steps

    @property
    def total_steps(self) -> int:
        """Steps of the recipe, and those of attempts that were given up."""
        return self.recipe.steps + self.extra_steps

    def advance(self) -> StepReport:
        """Take one optimiser step."""
        if self.step >= self._phase_begin + self.phase.steps:
            self._attempts, self._judged = 0, []
            self._enter_phase()
        within = self.step - self._phase_begin
        rate = learning_rate_at(self.phase, within)
        # A schedule that is a function of the step alone needs no state of its own in a checkpoint.
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss, terms = self._losses(self._sampler.draw(), within / self.phase.steps)
        for parameter in self._parameters:
            parameter.grad = None
        loss.backward()
        # Everything that decides anything is averaged over processes in one message: see `Job.average`.
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        self._job.average([*gradients, loss, *terms.values()])
        self.optimiser.step()
        self.step += 1
        if within == self.phase.steps - 1 and "reachability" in self.phase.train:
            survey(self.embedding, self._transitions, self._episodes)
        judgement = self._look_at(terms, within)
        detached = {name: value.detach() for name, value in terms.items()}
        return StepReport(self.phase.name, loss.detach(), detached, rate, judgement)

    def gradient_norm(self) -> Tensor:
        """Return the norm of the newest step's gradient, a scalar that stays on the device."""
        return nn.utils.get_total_norm([p.grad for p in self._parameters if p.grad is not None])

    def _losses(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, Tensor]]:
        # bfloat16 is for the products inside the networks; latents move in float32 (`local_linear.py`).
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
            noise, gather = Noise(self._noise, self._job.rank, self._job.world_size), self._job.gather
            mode = self.recipe.latent_noise
            kind = Unrolled if self._features is None else UnrolledFeatures
            told = batch.rewards, batch.terminations, batch.vectors
            unrolled = kind(self.embedding, batch.frames, batch.actions, noise, mode, gather, *told)
            return self.objective(unrolled, progress)

    def _parts(self) -> dict[str, Part]:
        return {
            "embedding": self.embedding,
            "objective": self.objective,
            "optimiser": self.optimiser,
            "generators": {"weights": self._weights, "batches": self._batches, "noise": self._noise},
        }

    def state(self) -> State:
        """Return all that the next step depends on."""
        tensors, meta = gather(self._parts())
        where = {"phase_begin": self._phase_begin, "extra_steps": self.extra_steps, "attempts": self._attempts}
        seen = {"telltale": self._telltale, "judged": self._judged}
        noted = {name: {str(i): value for i, value in enumerate(values)} for name, values in seen.items()}
        return State({**tensors, **noted}, {**meta, "step": self.step, **where})

    def restore(self, tensors: Groups, meta: Mapping[str, object], /) -> None:
        """Go on from what `state` returned.

        Raises:
            InputError: it belongs to another recipe.
        """
        # A checkpoint at a border holds the state of the phase that ended; `advance` begins the next one.
        counts = {name: whole(name, meta[name], least=0, most=LARGEST_COUNT) for name in COUNTERS}
        self.extra_steps, self._attempts = counts["extra_steps"], counts["attempts"]
        self.step = counts["phase_begin"]
        self._enter_phase()
        self.step = counts["step"]
        put_back(self._parts(), tensors, meta)
        noted, judged = tensors["telltale"], tensors.get("judged", {})  # 0.2.0 kept none of the latter
        self._telltale = [noted[str(i)].to(self.device) for i in range(len(noted))]
        self._judged = [judged[str(i)].cpu() for i in range(len(judged))]
