"""Eight Gaussians in the plane: who makes points that belong to a mode, and finds all of them?

10,000 points around eight centres on a circle of radius 2, deviation 0.1; 2-128-6-128-2, 1,600 steps of 500 points (80
epochs), Adam 2e-3 and a tenth of it after three quarters. Of 5,000 made-up points: the share within four deviations
of a centre, the centres that hold more than 2 % of them, and the energy distance of 2,000 to fresh true ones.

    python -m experiments.autoencoders.modes          # writes results/modes.{json,png}
    python -m experiments.autoencoders.modes --quick  # seconds, writes nothing
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from e2c_control.autoencoders import (
    AutoEncoderConfig,
    AutoEncoderTrainer,
    TrainingOptions,
    fit_codes,
    make_autoencoder,
    resample,
)
from e2c_control.autoencoders.distances import energy_distance
from e2c_control.autoencoders.toys import gaussians, mode_share, modes
from e2c_control.figures.canvas import BLUE, FAINT, dress, new_figure, to_image
from e2c_control.tables import table
from experiments.runner import Experiment

RESULTS = Path(__file__).parent / "results"
EPOCHS = 80
MODELS: dict[str, tuple[str, dict[str, Any], tuple[tuple[str, int], ...]]] = {
    "plain": ("plain", {}, (("fitted", 0), ("fitted", 10), ("prior", 100))),
    "variational": ("variational", {}, (("prior", 0), ("prior", 10))),
    "variational, variance 0.01": ("variational", {"variance": 0.01}, (("prior", 0), ("prior", 10))),
    "wasserstein": ("wasserstein", {"weight": 10.0}, (("prior", 0), ("prior", 10))),
    "recurrent": ("recurrent", {}, (("prior", 0), ("prior", 10), ("prior", 100))),
    "recurrent, cut": ("recurrent", {"cut": True}, (("prior", 10), ("prior", 100))),
    "recurrent, one pass": ("recurrent", {"passes": 1}, (("prior", 10), ("prior", 100))),
}
SHOWN = (
    "plain, fitted codes",
    "plain, 100 cycles",
    "variational, variance 0.01, prior",
    "variational, variance 0.01, 10 cycles",
    "wasserstein, prior",
    "recurrent, 10 cycles",
)


def label(model: str, start: str, cycles: int) -> str:
    origin = "prior" if start == "prior" else "fitted codes"
    if not cycles:
        return f"{model}, {origin}"
    return f"{model}, {cycles} cycles" + (" from fitted codes" if start == "fitted" else "")


def measure(seed: int, model: str, epochs: int = EPOCHS) -> list[dict[str, Any]]:
    """Train one model and judge what each way of sampling gives."""
    method, options, ways = MODELS[model]
    data = gaussians(10_000, torch.Generator().manual_seed(1000 + seed))
    truth = gaussians(2000, torch.Generator().manual_seed(2000 + seed))
    trained = make_autoencoder(
        AutoEncoderConfig(method, (2,), 6, options=options), torch.Generator().manual_seed(3000 + seed)
    )
    begun = time.process_time()
    AutoEncoderTrainer(trained, TrainingOptions(epochs=epochs, seed=seed)).train(data, epochs)
    seconds, generator = time.process_time() - begun, torch.Generator().manual_seed(4000 + seed)
    rows: list[dict[str, Any]] = []
    for start, cycles in ways:
        from_prior = start == "prior"
        codes = trained.prior_codes(5000, generator) if from_prior else fit_codes(trained, data).sample(5000, generator)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # explosions are counted
            chains = resample(trained, codes, cycles, generator)
        share, found = mode_share(chains.samples, modes())
        row = {"model": model, "name": label(model, start, cycles), "seed": seed, "on_a_mode": share, "modes": found}
        row |= {"energy": energy_distance(chains.samples[:2000], truth), "train_cpu_seconds": seconds}
        row["exploded"] = float((~chains.kept).float().mean())
        if seed == 0:
            row["points"] = [[round(float(v), 2) for v in point] for point in chains.samples[:500]]
        rows.append(row)
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(row["name"] for row in rows):
        own = [row for row in rows if row["name"] == name]
        found[name] = {"seeds": len(own)}
        for key in ("on_a_mode", "modes", "energy", "exploded"):
            values = [row[key] for row in own]
            found[name][key] = {"mean": float(np.mean(values)), "least": min(values), "most": max(values)}
    return found


def report(rows: list[dict[str, Any]]) -> None:
    lines = [("model, sampled from", "seeds", "on a mode", "worst", "modes", "fewest", "energy", "left")]
    lines.extend(
        (
            name,
            str(entry["seeds"]),
            f"{entry['on_a_mode']['mean']:.1%}",
            f"{entry['on_a_mode']['least']:.1%}",
            f"{entry['modes']['mean']:.1f}",
            str(entry["modes"]["least"]),
            f"{entry['energy']['mean']:.4f}",
            f"{entry['exploded']['mean']:.1%}",
        )
        for name, entry in summary(rows).items()
    )
    print(table(lines), flush=True)


def picture(rows: list[dict[str, Any]], found: dict[str, dict[str, Any]]) -> Any:
    points = {row["name"]: row["points"] for row in rows if "points" in row}
    figure = new_figure(1080, 760)
    truth = gaussians(500, torch.Generator().manual_seed(5))
    for axes, name in zip(figure.subplots(2, 3, sharex=True, sharey=True).flat, SHOWN, strict=True):
        own = np.array(points[name])
        axes.scatter(truth[:, 0], truth[:, 1], s=5, color=FAINT, linewidths=0)
        axes.scatter(own[:, 0], own[:, 1], s=5, color=BLUE, linewidths=0)
        axes.set_xlim(-3.2, 3.2)
        axes.set_ylim(-3.2, 3.2)
        axes.set_aspect("equal")
        entry = found[name]
        dress(axes, f"{name}\n{entry['on_a_mode']['mean']:.0%} on a mode, {entry['modes']['mean']:.1f} modes")
        axes.title.set_fontsize(10)
    figure.suptitle("made-up points (blue) and true ones (grey); numbers are means over seeds", fontsize=11)
    return to_image(figure)


EXPERIMENT = Experiment(
    __file__,
    {"seed": range(5), "model": MODELS},
    measure,
    "{name}, seed {seed}: {train_cpu_seconds:.0f} CPU-s",
    lambda: report([*measure(100, "plain", 1), *measure(100, "recurrent", 1)]),
    summary,
    report,
    lambda rows: picture(rows, summary(rows)),
    about=lambda rows: {"epochs": EPOCHS},
)


if __name__ == "__main__":
    EXPERIMENT.main()
