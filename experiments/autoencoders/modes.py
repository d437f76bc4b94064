"""Eight Gaussians in the plane: who makes points that belong to a mode, and finds all of them?

10,000 points around eight centres on a circle of radius 2, deviation 0.1; 2-128-6-128-2, 1,600 steps of 500 points (80
epochs), Adam 2e-3 and a tenth of it after three quarters. Of 5,000 made-up points: the share within four deviations
of a centre, the centres that hold more than 2 % of them, and the energy distance of 2,000 to fresh true ones.

    python -m experiments.autoencoders.modes          # writes results/modes.{json,png}
    python -m experiments.autoencoders.modes --quick  # seconds, writes nothing
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
from e2c_control.figures import save_png
from e2c_control.figures.canvas import BLUE, FAINT, dress, new_figure, to_image
from e2c_control.runs.atomic import replace_text
from e2c_control.runs.versions import package_versions, source_commit
from e2c_control.tables import table

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


def measure(name: str, seed: int, epochs: int) -> list[dict[str, Any]]:
    """Train one model and judge what each way of sampling gives."""
    method, options, ways = MODELS[name]
    data = gaussians(10_000, torch.Generator().manual_seed(1000 + seed))
    truth = gaussians(2000, torch.Generator().manual_seed(2000 + seed))
    model = make_autoencoder(
        AutoEncoderConfig(method, (2,), 6, options=options), torch.Generator().manual_seed(3000 + seed)
    )
    begun = time.process_time()
    AutoEncoderTrainer(model, TrainingOptions(epochs=epochs, seed=seed)).train(data, epochs)
    seconds, generator = time.process_time() - begun, torch.Generator().manual_seed(4000 + seed)
    rows: list[dict[str, Any]] = []
    for start, cycles in ways:
        codes = (
            model.prior_codes(5000, generator) if start == "prior" else fit_codes(model, data).sample(5000, generator)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # explosions are counted
            chains = resample(model, codes, cycles, generator)
        share, found = mode_share(chains.samples, modes())
        row = {"name": label(name, start, cycles), "seed": seed, "on_a_mode": share, "modes": found}
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


def report(found: dict[str, dict[str, Any]]) -> None:
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
        for name, entry in found.items()
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--quick", action="store_true", help="seconds, writes nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.quick:
        report(summary([*measure("plain", 100, 1), *measure("recurrent", 100, 1)]))
        return
    path = RESULTS / "modes.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    for seed in options.seeds:
        for name in MODELS:
            first = label(name, *MODELS[name][2][0])
            if any(row["name"] == first and row["seed"] == seed for row in rows):
                continue  # remove the file to measure all again
            rows += measure(name, seed, EPOCHS)
            result = {"epochs": EPOCHS, "commit": source_commit(), "versions": package_versions()}
            replace_text(path, json.dumps(result | {"summary": summary(rows), "rows": rows}, indent=1) + "\n")
            print(f"{name}, seed {seed}: {rows[-1]['train_cpu_seconds']:.0f} CPU-s", flush=True)
    report(summary(rows))
    save_png(picture(rows, summary(rows)), RESULTS / "modes.png")


if __name__ == "__main__":
    main()
