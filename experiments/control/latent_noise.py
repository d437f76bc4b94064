"""Shared against independent noise: the sampling mistake that the E2C blog post of April 2016 corrects.

E2C samples z ~ N(mu, Sigma) and needs a sample of the next latent, whose distribution given the image is
N(A mu + B u + o, A Sigma A'). Drawing it anew from that Gaussian (independent noise) has the right distribution and is
wrong all the same: the next state is a function of this state, so z' must be the affine image of the very sample z
(shared noise). Measured here, on the planar world with E2C's own objective:

- the variance of z' given z (none with shared noise, the trace of A Sigma A' with independent noise) and of z' - z;
- the variance of the gradient over the noise, for one batch and the same weights, for each part of the model at three
  stages of training. The post argues that it must be larger with independent noise;
- both latent maps after the same training, as a picture.

    python -m experiments.control.latent_noise          # writes results/latent_noise.{json,png}
    python -m experiments.control.latent_noise --quick  # half a minute, writes nothing
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from e2c_control import EmbeddingConfig, Trainer, Transitions, collect, make_recipe, make_vector_env
from e2c_control.data.sampler import Batch, WindowSampler
from e2c_control.figures import latent_map
from e2c_control.measures import encode_means, measure_map
from e2c_control.objectives.unrolled import LatentNoise, Noise, Unrolled
from experiments.runner import measure_whole

MODES: tuple[LatentNoise, ...] = ("shared", "independent")
PARTS = ("encoder", "decoder", "transition")


def ratio(row: Any, part: str) -> float:
    """How many times larger a part's gradient variance is with independent noise."""
    return row["independent"]["gradient_variance"][part] / row["shared"]["gradient_variance"][part]


def gradient_variance(trainer: Trainer, batch: Batch, mode: LatentNoise, draws: int) -> dict[str, float]:
    """Variance of the objective's gradient over the noise for one batch, summed over the parameters of each part."""
    noise = Noise(torch.Generator().manual_seed(1))
    named = [(name.split(".")[0], p) for name, p in trainer.embedding.named_parameters()]
    squares, mean = dict.fromkeys(PARTS, 0.0), [torch.zeros_like(p) for _, p in named]
    for _ in range(draws):
        unrolled = Unrolled(trainer.embedding, batch.frames, batch.actions, noise, mode)
        loss, _ = trainer.objective(unrolled, 1.0)
        for m, g, (part, _) in zip(mean, torch.autograd.grad(loss, [p for _, p in named]), named, strict=True):
            squares[part] += float(g.square().sum()) / draws
            m += g / draws
    for m, (part, _) in zip(mean, named, strict=True):
        squares[part] -= float(m.square().sum())
    variances = {part: value * draws / (draws - 1) for part, value in squares.items()}
    return variances | {"all": sum(variances.values())}


@torch.no_grad()
def latent_variances(trainer: Trainer, batch: Batch, mode: LatentNoise, draws: int = 256) -> dict[str, float]:
    """Variance over the noise, summed over dimensions, mean over the batch: of z' given z, and of the step z' - z."""
    noise = Noise(torch.Generator().manual_seed(2))
    residuals: list[torch.Tensor] = []
    moves: list[torch.Tensor] = []
    for _ in range(draws):
        unrolled = Unrolled(trainer.embedding, batch.frames, batch.actions, noise, mode)
        z, image = unrolled.latents[0], unrolled.local.predict(unrolled.latents[:-1], unrolled.actions)[0]
        # Given z, shared noise leaves nothing; independent noise leaves a draw around the image of the mean instead.
        centre = (
            image if mode == "shared" else unrolled.local.predict(unrolled.posterior.mean[:-1], unrolled.actions)[0]
        )
        residuals.append(unrolled.predicted[0] - centre)
        moves.append(unrolled.predicted[0] - z)
    return {
        "of_next_given_this": float(torch.stack(residuals).square().mean(0).sum(-1).mean()),
        "of_step": float(torch.stack(moves).var(0).sum(-1).mean()),
    }


def study(data: Transitions, mode: LatentNoise, seed: int, steps: int, draws: int) -> tuple[list[Any], Trainer]:
    """Train with one kind of noise; at three stages measure both kinds on the same weights and batch."""
    recipe = make_recipe("e2c", EmbeddingConfig(latent_dim=2))
    recipe = replace(recipe, latent_noise=mode, phases=tuple(replace(p, steps=steps) for p in recipe.phases))
    train, _ = data.split(0.05)
    trainer = Trainer(recipe, data, train, seed=seed, device=torch.device("cpu"))
    generator = torch.Generator().manual_seed(3)
    batch = WindowSampler(data, steps=1, stack=1, batch_size=128, device="cpu", generator=generator).draw()
    rows: list[Any] = []
    for stage in (steps // 10, steps // 2, steps):
        while trainer.step < stage:
            trainer.advance()
        rows.append({"trained_with": mode, "seed": seed, "step": stage})
        for measured in MODES:
            rows[-1][measured] = {
                "gradient_variance": gradient_variance(trainer, batch, measured, draws),
                "latent_variance": latent_variances(trainer, batch, measured),
            }
    return rows, trainer


def picture(trainer: Trainer, data: Transitions, title: str) -> NDArray[np.uint8]:
    """The map of two thousand frames, coloured by the true position."""
    rows = np.linspace(0, len(data.frames) - 1, 2000).astype(np.int64)
    latents = encode_means(trainer.embedding, data.frames[rows])
    states = None if data.states is None else np.asarray(data.states[rows])
    return latent_map(latents, states, names=("row", "column"), title=title)


@dataclass(frozen=True)
class Options:
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 3000


MAPS: list[NDArray[np.uint8]] = []
"""Pictures of the first seed's maps, as they come."""


def measure(quick: bool, seeds: tuple[int, ...], steps: int) -> dict[str, Any]:
    """Train with either noise, and compare the gradients' variances on the way."""
    steps, draws, seeds = (30, 4, (100,)) if quick else (steps, 64, seeds)
    rows: list[Any] = []
    MAPS.clear()
    with tempfile.TemporaryDirectory() as folder:
        environments = make_vector_env("E2C/Planar-v0", 256, frame_stack=1)
        data = collect(environments, Path(folder) / "data", 2_000 if quick else 20_000, 11, starts="sampled")
        for seed in seeds:
            for mode in MODES:
                found, trainer = study(data, mode, seed, steps, draws)
                quality = measure_map(trainer.embedding, data, data.split(0.05)[1]).scalars()
                rows += [row | ({"map": quality} if row["step"] == steps else {}) for row in found]
                for row in found:
                    ratios = ", ".join(f"{part} x{ratio(row, part):.2f}" for part in (*PARTS, "all"))
                    print(f"trained with {mode} noise, seed {seed}, step {row['step']}: gradient variance {ratios}")
                if seed == seeds[0]:
                    MAPS.append(picture(trainer, data, f"{mode} noise, {steps} steps"))
    return {
        "gradient_variance_ratio": {
            part: {
                "median": float(np.median([ratio(row, part) for row in rows])),
                "range": [min(ratio(row, part) for row in rows), max(ratio(row, part) for row in rows)],
            }
            for part in (*PARTS, "all")
        },
        "rows": rows,
    }


def report(result: dict[str, Any]) -> None:
    print(json.dumps(result["gradient_variance_ratio"], indent=1))


if __name__ == "__main__":
    measure_whole(__file__, measure, report, lambda result: np.concatenate(MAPS, axis=0), Options)
