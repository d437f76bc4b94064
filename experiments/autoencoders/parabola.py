"""The parabola: does the recurrent auto-encoder learn a sharp model of the right distribution, and why?

10,000 points with x, y ~ N(0, 1) and z = x² + y²; 3-128-6-128-3, ReLU, codes and output linear, penalty 0.03, Adam 2e-3
and a tenth of it after three quarters, 8,000 steps of 500 points (400 epochs; the Wasserstein one 8,000 of 200). Each
way of sampling makes 5,000 points, which are judged twice: by how far they are from the surface, |z - x² - y²|, and by
the energy distance from 2,000 of them to as many fresh true ones. One sees what is wrong with each point, the other
what is wrong with all of them together, and they rank the models differently.

What the blog post that proposed the model says is printed beside what is measured. Variants tell what makes it sharp:
one pass instead of five, the gradient cut between passes, no noise.

    python -m experiments.autoencoders.parabola                                     # writes results/parabola.{json,png}
    python -m experiments.autoencoders.parabola --models recurrent cut --seeds 5 6  # adds these, keeps the others
    python -m experiments.autoencoders.parabola --quick                             # seconds, writes nothing
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from e2c_control import AutoEncoder
from e2c_control.autoencoders import (
    AutoEncoderConfig,
    AutoEncoderTrainer,
    TrainingOptions,
    fit_codes,
    make_autoencoder,
    parabola,
    resample,
)
from e2c_control.autoencoders.distances import energy_distance
from e2c_control.autoencoders.toys import parabola_residual
from e2c_control.figures.canvas import BLUE, FAINT, dress, new_figure, to_image
from e2c_control.tables import table
from experiments.runner import Experiment

RESULTS = Path(__file__).parent / "results"
STEPS, POINTS = 8000, 10_000
MODELS: dict[str, tuple[str, dict[str, Any], int]] = {  # method, its options, batch size
    "plain": ("plain", {}, 500),
    "variational": ("variational", {}, 500),
    "wasserstein": ("wasserstein", {"weight": 10.0}, 200),
    "recurrent": ("recurrent", {}, 500),
    "cut": ("recurrent", {"cut": True}, 500),
    "one pass": ("recurrent", {"passes": 1}, 500),
    "no noise": ("recurrent", {"noise": 0.0}, 500),
    "no noise, cut": ("recurrent", {"noise": 0.0, "cut": True}, 500),
}
POST = {
    "plain: N(0, I)": "nothing to do with the distribution",
    "plain: 30 cycles from fitted codes": "much better, not converging to the distribution",
    "variational: N(0, I)": "some sense of it; too much weight at the vertex, biased",
    "recurrent: 30 cycles from N(0, I)": "a very sharp model of the correct distribution",
}
SHOWN = ("plain: N(0, I)", "plain: fitted codes", "plain: 30 cycles from fitted codes", "variational: N(0, I)",
         "wasserstein: N(0, I)", "recurrent: 30 cycles from N(0, I)")  # fmt: skip


def ways(name: str, model: AutoEncoder, data: Tensor, generator: torch.Generator) -> dict[str, Callable[[], Any]]:
    """How samples are drawn from a model: (samples, share of chains that left) by name."""
    n = 5000

    def chain(start: Tensor, cycles: int) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # explosions are counted
            chains = resample(model, start, cycles, generator)
        return chains.samples, float((~chains.kept).float().mean())

    def prior() -> Tensor:
        return model.prior_codes(n, generator)

    def fitted() -> Tensor:
        return fit_codes(model, data).sample(n, generator)

    if name in ("variational", "wasserstein"):
        return {"N(0, I)": lambda: chain(prior(), 0), "10 cycles from N(0, I)": lambda: chain(prior(), 10)}
    found: dict[str, Callable[[], Any]] = {
        "N(0, I)": lambda: chain(prior(), 0),
        "fitted codes": lambda: chain(fitted(), 0),
    }
    for cycles in (10, 30, 100):
        found[f"{cycles} cycles from fitted codes"] = lambda cycles=cycles: chain(fitted(), cycles)
        if name != "plain":
            found[f"{cycles} cycles from N(0, I)"] = lambda cycles=cycles: chain(prior(), cycles)
    return found


def measure(seed: int, model: str, steps: int = STEPS) -> dict[str, Any]:
    """Train one model and judge all that can be drawn from it."""
    method, options, batch = MODELS[model]
    data = parabola(POINTS, torch.Generator().manual_seed(1000 + seed))
    truth = parabola(2000, torch.Generator().manual_seed(2000 + seed))
    config = AutoEncoderConfig(method, (3,), 6, options=options)
    trained = make_autoencoder(config, torch.Generator().manual_seed(3000 + seed))
    epochs = max(steps * batch // POINTS, 1)
    trainer = AutoEncoderTrainer(trained, TrainingOptions(batch_size=batch, epochs=epochs, seed=seed))
    begun = time.process_time()
    losses = trainer.train(data, epochs)
    row: dict[str, Any] = {"model": model, "seed": seed, "train_cpu_seconds": time.process_time() - begun}
    with torch.no_grad():
        row |= {"losses": losses, "ways": {}, "reconstruction_rmse": float(trained.error(truth).mean().sqrt())}
    row["code_deviation"] = fit_codes(trained, data).deviation
    generator = torch.Generator().manual_seed(4000 + seed)
    for way, draw in ways(model, trained, data, generator).items():
        samples, exploded = draw()
        residual = parabola_residual(samples)
        row["ways"][way] = {
            "residual": float(residual.abs().mean()),
            "residual_median": float(residual.abs().median()),
            "bias": float(residual.mean()),
            "energy": energy_distance(samples[:2000], truth),
            "mean_z": float(samples[:, 2].mean()),
            "deviation_x": float(samples[:, 0].std()),
            "exploded": exploded,
        }
        if seed == 0:
            row["ways"][way]["points"] = [[round(float(v), 2) for v in point] for point in samples[:400, [0, 2]]]
    return row


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Mean, least and greatest over seeds, by model and way."""
    found: dict[str, dict[str, Any]] = {}
    for name in MODELS:
        own = [row for row in rows if row["model"] == name]
        for way in own[0]["ways"] if own else ():
            entry: dict[str, Any] = {"seeds": len(own)}
            for key in ("residual", "residual_median", "bias", "energy", "mean_z", "deviation_x", "exploded"):
                values = [row["ways"][way][key] for row in own]
                entry[key] = {"mean": float(np.mean(values)), "least": min(values), "most": max(values)}
            found[f"{name}: {way}"] = entry
    return found


def report(rows: list[dict[str, Any]]) -> None:
    lines = [
        ("model: sampled from", "seeds", "residual", "[least, most]", "energy", "[least, most]", "left", "the post")
    ]
    for name, entry in summary(rows).items():
        residual, energy = entry["residual"], entry["energy"]
        lines.append(
            (
                name,
                str(entry["seeds"]),
                f"{residual['mean']:.3f}",
                f"[{residual['least']:.3f}, {residual['most']:.3f}]",
                f"{energy['mean']:.3f}",
                f"[{energy['least']:.3f}, {energy['most']:.3f}]",
                f"{entry['exploded']['mean']:.1%}",
                POST.get(name, ""),
            )
        )
    print(table(lines), flush=True)


def picture(rows: list[dict[str, Any]], found: dict[str, dict[str, Any]]) -> Any:
    """Points of seed 0 seen from the side, x to the right and z up, over the true ones."""
    points = {f"{r['model']}: {way}": w["points"] for r in rows for way, w in r["ways"].items() if "points" in w}
    shown = [name for name in SHOWN if name in points]
    figure = new_figure(1260, 760)
    truth = parabola(600, torch.Generator().manual_seed(5))
    for axes, name in zip(figure.subplots(2, 3, sharex=True, sharey=True).flat, shown, strict=False):
        axes.scatter(truth[:, 0], truth[:, 2], s=5, color=FAINT, linewidths=0)
        own = np.array(points[name])
        axes.scatter(own[:, 0], own[:, 1], s=6, color=BLUE, linewidths=0)
        axes.set_xlim(-4, 4)
        axes.set_ylim(-6, 14)
        entry = found[name]
        dress(
            axes,
            f"{name}\nresidual {entry['residual']['mean']:.2f}, energy distance {entry['energy']['mean']:.3f}",
            "x",
            "z",
        )
        axes.title.set_fontsize(10)
    figure.suptitle(
        "made-up points (blue) and true ones (grey), from the side; numbers are means over seeds", fontsize=11
    )
    return to_image(figure)


EXPERIMENT = Experiment(
    __file__,
    {"seed": range(5), "model": MODELS},
    measure,
    "{model}, seed {seed}: {train_cpu_seconds:.0f} CPU-s",
    lambda: report([measure(100, name, 20) for name in ("plain", "recurrent")]),
    summary,
    report,
    lambda rows: picture(rows, summary(rows)),
    about=lambda rows: {"points": POINTS, "steps": STEPS},
    order=lambda row: (list(MODELS).index(row["model"]), row["seed"]),
)


if __name__ == "__main__":
    EXPERIMENT.main()
