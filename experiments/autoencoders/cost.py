"""Cost: the MMD beside pythae's, an epoch with N passes beside one with one, and memory with the gradient cut.

1. Forward and backward of the penalty for codes of 8 numbers, n = 100, 250 and 1000, float32, one thread: both sides
   take turns in one process; CPU time, medians of 5 rounds; and by how much the two values and gradients differ.
2. An epoch of the recurrent auto-encoder of N passes over a plain one's, 3-128-6-128-3, 10,000 points in batches of
   500, both taking turns, medians of 61; it should be at most 0.9 N for N of 3 or more.
3. Bytes that autograd holds at most at once, for N = 1 to 8, with the gradient through all passes and cut.

The peer needs an environment of its own, into which torch must come first:

    python -m venv build/autoencoder-peers
    build/autoencoder-peers/bin/pip install -c constraints.txt torch numpy safetensors gymnasium "pydantic<3" \\
        cloudpickle imageio scikit-learn tqdm dill
    build/autoencoder-peers/bin/pip install --no-deps pythae==0.1.2

    python -m experiments.autoencoders.cost          # writes results/cost.json
    python -m experiments.autoencoders.cost --quick  # one round without the peer, writes nothing

`--peers PYTHON` names another interpreter that has it; without one, the rest is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "build" / "autoencoder-peers" / "bin" / "python"
BARS = {100: 4.0, 250: 8.0}


def timed(step: Callable[[], Any], least: float) -> float:
    """CPU milliseconds of a call, repeated for at least so many seconds."""
    calls, begun = 0, time.process_time()
    while calls == 0 or time.process_time() - begun < least:
        step()
        calls += 1
    return 1e3 * (time.process_time() - begun) / calls


def against_the_peer(rounds: int, least: float) -> dict[str, Any]:
    """Run in the peer's interpreter, with this package on the path."""
    from pythae.models import WAE_MMD, WAE_MMD_Config  # type: ignore[import-not-found]

    from e2c_control.autoencoders import mmd

    found: dict[str, Any] = {}
    for n in (100, 250, 1000):
        model: Any = WAE_MMD(WAE_MMD_Config(input_dim=(4,), latent_dim=8))
        g = torch.Generator().manual_seed(n)
        q, p = torch.randn(n, 8, generator=g).requires_grad_(), torch.randn(n, 8, generator=g)
        x = torch.zeros(n, 4)

        def theirs(q: Tensor = q, p: Tensor = p, x: Tensor = x, model: Any = model) -> tuple[Tensor, Tensor]:
            value = model.loss_function(x, x, q, p)[2]
            return value.detach(), torch.autograd.grad(value, q)[0]

        def ours(q: Tensor = q, p: Tensor = p) -> tuple[Tensor, Tensor]:
            value = mmd(q, p)
            return value.detach(), torch.autograd.grad(value, q)[0]

        (a, da), (b, db) = ours(), theirs()
        times: dict[str, list[float]] = {"ours": [], "pythae": []}
        for _ in range(rounds):
            times["ours"].append(timed(ours, least))
            times["pythae"].append(timed(theirs, least))
        found[str(n)] = {
            "difference": abs(float(a - b)),
            "gradient_difference": float((da - db).abs().max()),
            "ours_ms": median(times["ours"]),
            "pythae_ms": median(times["pythae"]),
            "times_as_fast": median(t / o for t, o in zip(times["pythae"], times["ours"], strict=True)),
        }
    return found


def epochs(rounds: int) -> dict[str, Any]:
    """CPU time of an epoch of N passes over a plain one's."""
    from e2c_control.autoencoders import (
        AutoEncoderConfig,
        AutoEncoderTrainer,
        TrainingOptions,
        make_autoencoder,
        parabola,
    )

    data = parabola(10_000, torch.Generator().manual_seed(0))

    def trainer(method: str, **options: Any) -> AutoEncoderTrainer:
        config = AutoEncoderConfig(method, (3,), 6, options=options)
        return AutoEncoderTrainer(make_autoencoder(config, torch.Generator().manual_seed(1)), TrainingOptions())

    plain = trainer("plain")
    plain.train(data, 1)
    found: dict[str, Any] = {}
    for passes in (1, 3, 5, 8):
        for cut in (False, True):
            recurrent = trainer("recurrent", passes=passes, cut=cut)
            recurrent.train(data, 1)
            ratios: list[float] = []
            for _ in range(rounds):
                one = timed(lambda: plain.train(data, 1), 0.0)
                ratios.append(timed(lambda model=recurrent: model.train(data, 1), 0.0) / one)
            found[f"{passes} passes{', cut' * cut}"] = {
                "ratio": median(ratios),
                "ratio_per_pass": median(ratios) / passes,
            }
    return found


def memory() -> dict[str, Any]:
    """Most bytes saved for a backward pass at once."""
    from e2c_control.autoencoders import RecurrentAutoEncoder, seeded, vector_networks

    found: dict[str, Any] = {}
    x = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    for cut in (False, True):
        for passes in (1, 2, 4, 8):
            networks = seeded(lambda: vector_networks(3, 6), torch.Generator().manual_seed(1))
            model = RecurrentAutoEncoder(networks, passes, cut=cut)
            held = {"now": 0, "most": 0}

            class Handle:
                """A saved tensor that is counted while it lives."""

                def __init__(self, tensor: Tensor, held: dict[str, int] = held) -> None:
                    self.tensor, self.size, self.held = tensor, tensor.numel() * tensor.element_size(), held
                    held["now"] += self.size
                    held["most"] = max(held["most"], held["now"])

                def __del__(self) -> None:
                    self.held["now"] -= self.size

            with torch.autograd.graph.saved_tensors_hooks(Handle, lambda handle: handle.tensor):
                for loss in model.losses(x, torch.Generator().manual_seed(2)):
                    loss.total.backward()
                    del loss
            found[f"{passes} passes{', cut' * cut}"] = held["most"]
    return found


def report(result: dict[str, Any]) -> None:
    for n, row in result.get("mmd", {}).items():
        bar = f" (at least {BARS[int(n)]:g})" if int(n) in BARS else ""
        print(f"MMD, n = {n}: {row['ours_ms']:.2f} ms, pythae {row['pythae_ms']:.2f} ms")
        print(f"  {row['times_as_fast']:.1f} times as fast{bar}")
        print(f"  values differ by {row['difference']:.1e}, gradients by {row['gradient_difference']:.1e}")
    for name, row in result["epochs"].items():
        print(f"epoch, {name}: {row['ratio']:.2f} of a plain one, {row['ratio_per_pass']:.2f} a pass")
    print("bytes held at most: " + ", ".join(f"{name} {size:,}" for name, size in result["memory"].items()), flush=True)


@dataclass(frozen=True)
class Options:
    peers: Path = PEERS
    """interpreter that has pythae"""


def measure(quick: bool, peers: Path) -> dict[str, Any]:
    """Measure all of it, the MMD in the peer's interpreter."""
    result: dict[str, Any] = {"epochs": epochs(1 if quick else 61), "memory": memory()}
    if not quick and peers.exists():
        command = [peers, "-m", "experiments.autoencoders.cost", "--serve"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        result["mmd"] = json.loads(done.stdout.splitlines()[-1])
    elif not quick:
        print(f"{peers} is not there: measured without the peer.")
    return result


if __name__ == "__main__":
    if "--serve" in sys.argv:  # in the peer's environment, which lacks what the runner needs
        torch.set_num_threads(1)
        print(json.dumps(against_the_peer(5, 0.2)))
    else:
        from experiments.runner import measure_whole

        measure_whole(__file__, measure, report, options=Options)
