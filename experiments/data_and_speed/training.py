"""Training speed: the project's trainer against a plain float64 port of the peers' loop, same networks and batch.

The port is what the public E2C implementations do: float64 throughout, a shuffling DataLoader over images that are
float64 in memory, the two images of a transition encoded and decoded one after the other, binary cross-entropy of a
sigmoid, torch's default Adam. The trainer takes its 128 transitions as 128 pairs of images, as E2C's recipes do, or
as 16 windows of eight steps, as the default recipe does, in which an image that ends one transition and begins the
next is encoded once; both with float32 products and with bfloat16 ones (`e2c train --precision bfloat16`), for which
a CPU has to have instructions. All sides train 1600-150-150-150-(2+2) encoders, 2-200-200-1600 decoders and 2-100-100
transitions with A = I + v r'. Rounds are interleaved in one process on one thread and compared by CPU time, so that a
busy machine slows all alike.

    python -m experiments.data_and_speed.training          # writes results/training.json
    python -m experiments.data_and_speed.training --quick  # a few seconds, writes nothing
"""

from __future__ import annotations

import itertools
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from e2c_control import EmbeddingConfig, Trainer, Transitions, collect, make_recipe, make_vector_env
from e2c_control.training.trainer import Precision
from experiments.runner import measure_whole

BATCH = 128
WAYS: dict[str, tuple[int, Precision]] = {  # steps of a window, precision of products
    "pairs, float32": (1, "float32"),
    "windows of 8, float32": (8, "float32"),
    "pairs, bfloat16": (1, "bfloat16"),
    "windows of 8, bfloat16": (8, "bfloat16"),
}
KINDS = ("float32", "bfloat16")
SIZES = EmbeddingConfig(latent_dim=2, encoder_hidden=(150, 150, 150), decoder_hidden=(200, 200), matrix_form="rank1")


def layers(*widths: int) -> nn.Sequential:
    """Linear layers with rectifiers between them."""
    made: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        made += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*made[:-1])


class PeerLoop(nn.Module):
    """One-step E2C in float64."""

    def __init__(self, images: Tensor, next_images: Tensor, actions: Tensor) -> None:
        super().__init__()
        self.encoder, self.decoder = layers(1600, 150, 150, 150, 4), layers(2, 200, 200, 1600)
        self.body, self.heads = nn.Sequential(layers(2, 100, 100), nn.ReLU()), nn.Linear(100, 2 + 2 + 4 + 2)
        self.double()
        data = TensorDataset(images, next_images, actions)
        self.loader = DataLoader(data, BATCH, shuffle=True, drop_last=True)
        self.batches = iter(self.loader)
        self.optimiser = torch.optim.Adam(self.parameters(), lr=1e-4)

    def step(self) -> None:
        """One optimiser step on the next batch."""
        try:
            x, x_next, u = next(self.batches)
        except StopIteration:
            self.batches = iter(self.loader)
            x, x_next, u = next(self.batches)
        mean, log_var = self.encoder(x).chunk(2, 1)
        mean_next, log_var_next = self.encoder(x_next).chunk(2, 1)
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        v, r, b, o = self.heads(self.body(z)).split((2, 2, 4, 2), 1)
        A = torch.eye(2, dtype=z.dtype) + v.unsqueeze(2) @ r.unsqueeze(1)
        B = b.view(-1, 2, 2)
        step: Callable[[Tensor], Tensor] = lambda s: (A @ s.unsqueeze(2) + B @ u.unsqueeze(2)).squeeze(2) + o  # noqa: E731
        bce = nn.functional.binary_cross_entropy
        loss = bce(torch.sigmoid(self.decoder(z)), x, reduction="sum") / BATCH
        loss = loss + bce(torch.sigmoid(self.decoder(step(z))), x_next, reduction="sum") / BATCH
        loss = loss + 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1).mean()
        spread = (A**2 * log_var.exp().unsqueeze(1)).sum(2)
        gap = (spread + (mean_next - step(mean)) ** 2) / log_var_next.exp() - 1
        log_det = log_var.sum(1) + 2 * (1 + (v * r).sum(1)).abs().log()
        loss = loss + 0.25 * 0.5 * (gap.sum(1) + log_var_next.sum(1) - log_det).mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()


def multiply_rate(seconds: float, kind: torch.dtype) -> float:
    """Operations a CPU-second of 1024 x 1024 matrix products."""
    a, b, count = torch.rand(1024, 1024).to(kind), torch.rand(1024, 1024).to(kind), 0
    begun = time.process_time()
    while time.process_time() - begun < seconds:
        a @ b
        count += 1
    return count * 2 * 1024**3 / (time.process_time() - begun)


def operations(trainer: Trainer, window: int) -> float:
    """Operations of the matrix products of one step: forward, and twice that backward.

    For each transition 1 + 1/window images are encoded, two latents decoded and the matrices evaluated once; the first
    layer needs no gradient of its input.
    """
    weights = {
        name: sum(p.numel() for p in trainer.embedding.get_submodule(name).parameters() if p.ndim == 2)
        for name in ("encoder", "decoder", "transition")
    }
    encoded = 1 + 1 / window
    products = 3 * (encoded * weights["encoder"] + 2 * weights["decoder"] + weights["transition"])
    products -= encoded * 1600 * SIZES.encoder_hidden[0]
    return 2.0 * BATCH * products


def make_trainer(data: Transitions, window: int, precision: Precision) -> Trainer:
    """One that trains E2C's objective on batches of as many transitions as the peer's."""
    recipe = make_recipe("e2c", SIZES)
    windows = {"steps": 10**6, "horizon": window, "batch_size": BATCH // window}
    recipe = replace(recipe, phases=tuple(replace(phase, **windows) for phase in recipe.phases))
    episodes = data.split(0.0)[0]
    return Trainer(recipe, data, episodes, seed=0, device=torch.device("cpu"), precision=precision)


def measured(peer: list[float], ours: list[float]) -> dict[str, Any]:
    """Speed and ratios of one way, from CPU seconds a step, round by round."""
    ratios = np.array(peer) / np.array(ours)
    return {
        "transitions_per_cpu_second": BATCH / float(np.median(ours)),
        "ratio_median": float(np.median(ratios)),
        "ratio_quartiles": np.percentile(ratios, [25, 75]).tolist(),
    }


def measure(quick: bool) -> dict[str, Any]:
    """Step all sides in turn, round by round."""
    rounds, steps = (2, 3) if quick else (30, 15)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        environments = make_vector_env("E2C/Planar-v0", 256, frame_stack=1)
        data: Transitions = collect(environments, Path(folder) / "data", 5_000, 8, starts="sampled", seed=0)
        trainers = {name: make_trainer(data, *way) for name, way in WAYS.items()}
        first = data.windows(1)
        images = torch.from_numpy(data.frames.reshape(-1, 1600) / 255.0)
        peer = PeerLoop(images[first], images[first + 1], torch.from_numpy(data.actions[first].astype(np.float64)))
        sides: dict[str, Callable[[], object]] = {"peer": peer.step}
        sides |= {name: trainer.advance for name, trainer in trainers.items()}
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(rounds):
            for name, step in sides.items():
                begun = time.process_time()
                for _ in range(steps):
                    step()
                seconds[name].append((time.process_time() - begun) / steps)
    rates = {kind: multiply_rate(0.2 if quick else 2.0, getattr(torch, kind)) for kind in KINDS}
    rows = {name: measured(seconds["peer"], seconds[name]) for name in WAYS}
    for name, (window, precision) in WAYS.items():
        needed = operations(trainers[name], window) / float(np.median(seconds[name]))
        rows[name]["share_of_multiply_rate"] = needed / rates[precision]
    return {
        "peer_transitions_per_cpu_second": BATCH / float(np.median(seconds["peer"])),
        "ours": rows,
        "multiply_rate_gflops": {kind: rate / 1e9 for kind, rate in rates.items()},
    }


if __name__ == "__main__":
    measure_whole(__file__, measure, lambda result: print(json.dumps(result, indent=1)))
