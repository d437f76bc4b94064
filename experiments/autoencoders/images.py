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

import argparse
import json
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
from e2c_control.figures import save_png
from e2c_control.figures.canvas import dress, new_figure, to_image
from e2c_control.runs.atomic import replace_text
from e2c_control.runs.versions import package_versions, source_commit
from e2c_control.tables import table

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
    from e2c_control.envs.registry import make_task

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


def measure(where: str, name: str, seed: int, steps: int) -> dict[str, Any]:
    known, unseen = SETS[where](torch.Generator().manual_seed(1000 + seed))
    mean, deviation = known[:-HELD].mean(0), known[:-HELD].std(0) + OFFSET
    known, unseen = (known - mean) / deviation, (unseen - mean) / deviation
    train, held = known[:-HELD], known[-HELD:]
    method, options = MODELS[name]
    shape: Any = tuple(train.shape[1:])
    config = AutoEncoderConfig(method, shape, 8, "image", (256,), options=options)
    model = make_autoencoder(config, torch.Generator().manual_seed(2000 + seed))
    epochs = max(steps * 100 // len(train), 1)
    begun = time.process_time()
    AutoEncoderTrainer(model, TrainingOptions(100, 1e-3, epochs, seed=seed)).train(train, epochs)
    row: dict[str, Any] = {"set": where, "model": name, "seed": seed, "cpu_seconds": time.process_time() - begun}
    generator = torch.Generator().manual_seed(3000 + seed)
    prior = name in ("variational", "wasserstein", "adversarial")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # explosions are counted
        start = model.prior_codes(HELD, generator) if prior else fit_codes(model, train).sample(HELD, generator)
        chains = resample(model, start, 30 if name == "recurrent" else 0, generator)
        row["auc"] = auc(model.error(held), model.error(unseen[:HELD]))
        row["error_known"] = float(model.error(held).mean())
        row["error_unseen"] = float(model.error(unseen[:HELD]).mean())
        row["energy"] = energy_distance(chains.samples, held)
        row["energy_of_truth"] = energy_distance(train[:HELD], held)
        if seed == 0:
            row["pictures"] = {
                key: (255 * (images[:5] * deviation + mean)[..., 0].clamp(0, 1)).round().int().tolist()
                for key, images in (("true", held), ("again", model.reconstruct(held[:5])), ("made up", chains.samples))
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


def report(found: dict[str, Any]) -> None:
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
        for name, e in found.items()
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--quick", action="store_true", help="seconds, writes nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.quick:
        report(summary([measure(where, "recurrent", 100, 5) for where in SETS]))
        return
    path = RESULTS / "images.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    for seed in options.seeds:
        for where in options.sets:
            for name in MODELS:
                if any((row["set"], row["model"], row["seed"]) == (where, name, seed) for row in rows):
                    continue  # remove the file to measure all again
                rows.append(measure(where, name, seed, STEPS))
                result = {"steps": STEPS, "commit": source_commit(), "versions": package_versions()}
                replace_text(path, json.dumps(result | {"summary": summary(rows), "rows": rows}) + "\n")
                print(f"{where}, {name}, seed {seed}: {rows[-1]['cpu_seconds']:.0f} CPU-s", flush=True)
    report(summary(rows))
    save_png(picture(rows), RESULTS / "images.png")


if __name__ == "__main__":
    main()
