"""Images: samples and reconstructions of each model, and whether its error tells frames that it has not seen.

Two sets. The planar world: 40 x 40 frames of positions in its left half, with frames of the right half as what was
never seen. scikit-learn's 8 x 8 digits: 0 to 4, with 5 to 9 as what was never seen. Pixels are standardised by
the training set's own means and deviations: what moves in the planar world is 4 pixels of 1,600, which no model learns
to see otherwise. Fully connected networks with one hidden layer of 256 and 8 numbers in the code, linear outputs, Adam
1e-3, batches of 100, 1,500 steps. Measured on 400 held-out
frames of what is known and 400 of what is not: the area under the curve of `error`, which is 1 if every unseen frame is
worse than every known one and 0.5 by chance, and the energy distance of 400 samples to held-out frames, beside that of
400 other true ones.

    python -m experiments.autoencoders.images          # writes results/images.{json,png}
    python -m experiments.autoencoders.images --quick  # seconds, writes nothing
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from e2c_control.autoencoders import (
    AutoEncoderConfig,
    AutoEncoderTrainer,
    TrainingOptions,
    fit_codes,
    make_autoencoder,
    resample,
)
from e2c_control.autoencoders.distances import auc, energy_distance
from e2c_control.figures.canvas import dress, new_figure, to_image
from e2c_control.tables import table
from experiments.runner import Experiment

RESULTS = Path(__file__).parent / "results"
STEPS, HELD, OFFSET = 1500, 400, 0.05
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("plain", {"penalty": 0.001}),
    "denoising": ("denoising", {"penalty": 0.001}),
    "variational": ("variational", {"variance": 0.02}),
    "wasserstein": ("wasserstein", {"weight": 10.0}),
    "adversarial": ("adversarial", {"weight": 1.0}),
    "recurrent": ("recurrent", {"passes": 3, "noise": 0.2, "penalty": 0.001}),
}


def planar(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Frames (n, 40, 40, 1) in [0, 1] of the left half, and of the right one."""
    from e2c_control import make_task

    system = make_task("E2C/Planar-v0").system
    states = system.sample_states(6000, np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator))))
    frames = torch.from_numpy(system.render(states)).float() / 255.0
    left = torch.from_numpy(states[:, 0] < np.median(states[:, 0]))
    return frames[left], frames[~left]


def digits(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images (n, 8, 8, 1) in [0, 1] of 0 to 4, and of 5 to 9."""
    from sklearn.datasets import load_digits

    loaded: Any = load_digits()
    images = torch.tensor(np.asarray(loaded.images), dtype=torch.float32).unsqueeze(-1) / 16.0
    order = torch.randperm(len(images), generator=generator)
    low = torch.tensor(np.asarray(loaded.target) < 5)[order]
    return images[order][low], images[order][~low]


SETS = {"planar": planar, "digits": digits}


def measure(seed: int, set: str, model: str, steps: int = STEPS) -> dict[str, Any]:
    known, unseen = SETS[set](torch.Generator().manual_seed(1000 + seed))
    mean, deviation = known[:-HELD].mean(0), known[:-HELD].std(0) + OFFSET
    known, unseen = (known - mean) / deviation, (unseen - mean) / deviation
    train, held = known[:-HELD], known[-HELD:]
    method, options = MODELS[model]
    shape: Any = tuple(train.shape[1:])
    config = AutoEncoderConfig(method, shape, 8, "image", (256,), options=options)
    trained = make_autoencoder(config, torch.Generator().manual_seed(2000 + seed))
    epochs = max(steps * 100 // len(train), 1)
    begun = time.process_time()
    AutoEncoderTrainer(trained, TrainingOptions(100, 1e-3, epochs, seed=seed)).train(train, epochs)
    row: dict[str, Any] = {"set": set, "model": model, "seed": seed, "cpu_seconds": time.process_time() - begun}
    generator = torch.Generator().manual_seed(3000 + seed)
    prior = model in ("variational", "wasserstein", "adversarial")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # explosions are counted
        start = trained.prior_codes(HELD, generator) if prior else fit_codes(trained, train).sample(HELD, generator)
        chains = resample(trained, start, 30 if model == "recurrent" else 0, generator)
        row["auc"] = auc(trained.error(held), trained.error(unseen[:HELD]))
        row["error_known"] = float(trained.error(held).mean())
        row["error_unseen"] = float(trained.error(unseen[:HELD]).mean())
        row["energy"] = energy_distance(chains.samples, held)
        row["energy_of_truth"] = energy_distance(train[:HELD], held)
        if seed == 0:
            row["pictures"] = {
                key: (255 * (images[:5] * deviation + mean)[..., 0].clamp(0, 1)).round().int().tolist()
                for key, images in (
                    ("true", held),
                    ("again", trained.reconstruct(held[:5])),
                    ("made up", chains.samples),
                )
            }
    return row


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for where in SETS:
        for name in MODELS:
            own = [row for row in rows if row["set"] == where and row["model"] == name]
            if not own:
                continue
            entry: dict[str, Any] = {"seeds": len(own)}
            for key in ("auc", "error_known", "error_unseen", "energy", "energy_of_truth"):
                values = [row[key] for row in own]
                entry[key] = {"mean": float(np.mean(values)), "least": min(values), "most": max(values)}
            found[f"{where}: {name}"] = entry
    return found


def report(rows: list[dict[str, Any]]) -> None:
    lines = [("set: model", "seeds", "AUC", "worst", "error, known", "unseen", "energy", "of true ones")]
    lines.extend(
        (
            name,
            str(e["seeds"]),
            f"{e['auc']['mean']:.3f}",
            f"{e['auc']['least']:.3f}",
            f"{e['error_known']['mean']:.5f}",
            f"{e['error_unseen']['mean']:.5f}",
            f"{e['energy']['mean']:.3f}",
            f"{e['energy_of_truth']['mean']:.3f}",
        )
        for name, e in summary(rows).items()
    )
    print(table(lines), flush=True)


def picture(rows: list[dict[str, Any]]) -> Any:
    """For each model and set: true frames, their reconstructions, and samples."""
    shown = {(row["set"], row["model"]): row["pictures"] for row in rows if "pictures" in row}
    figure = new_figure(1240, 84 * len(MODELS))
    panels = figure.subplots(len(MODELS), 2)
    for i, name in enumerate(MODELS):
        for j, where in enumerate(SETS):
            axes = panels[i][j]
            axes.axis("off")
            if (where, name) not in shown:
                continue
            parts = [np.concatenate(list(np.array(shown[where, name][key])), axis=1) for key in ("again", "made up")]
            true = np.concatenate(list(np.array(shown[where, name]["true"])), axis=1)
            gap = np.full((len(true), max(len(true) // 6, 1)), 255)
            axes.imshow(np.concatenate([true, gap, parts[0], gap, parts[1]], axis=1), cmap="gray", vmin=0, vmax=255)
            dress(axes, f"{name}: true, again, made up" if j == 0 else name)
            axes.title.set_fontsize(9)
    return to_image(figure)


EXPERIMENT = Experiment(
    __file__,
    {"seed": range(5), "set": SETS, "model": MODELS},
    measure,
    "{set}, {model}, seed {seed}: {cpu_seconds:.0f} CPU-s",
    lambda: report([measure(100, where, "recurrent", 5) for where in SETS]),
    summary,
    report,
    picture,
    about=lambda rows: {"steps": STEPS},
)


if __name__ == "__main__":
    EXPERIMENT.main()
