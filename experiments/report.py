"""What was measured of control and training, for the README and the results page, and the README's two pictures.

python experiments/report.py                                # the tables, from experiments/results/*.json
python experiments/report.py --run runs/Planar-v0/NAME      # and the pictures, from a run that `e2c quickstart` made
python experiments/report.py --quick                        # prints the tables, writes nothing
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from _pages import PAGE, README, RESULTS, load, write_block

PUBLISHED = {  # averages over trained models, from the README of the authors' PC3 repository
    "E2C/Planar-v0": "PC3 74.4, PCC 56.6",
    "E2C/PendulumBalance-v0": "PC3 99.1, PCC 91.9",
    "E2C/PendulumSwingUp-v0": "PC3 58.4, PCC 26.4",
}
LABELS = {
    "planar": "`unfold`, the default",
    "pendulum": "`unfold`, the default",
    "planar-e2c-warm": "`e2c-warm`: E2C's objective on an unfolded map",
    "planar-e2c": "`e2c`, as published",
}
ABLATIONS = {
    "planar-one-start": "`unfold`, no map given up",
    "planar-twist-only": "`unfold`, only twisted maps given up",
    "planar-three-starts": "tried: the best of three short starts",
    "pendulum-model-matrices": "`unfold`, plans follow the model's own A and B",
}


def control_table(labels: dict[str, str]) -> list[str]:
    """Time in goal, a line for each recipe and task."""
    lines = [
        "| task | recipe | mean | worst seed | oracle | seeds | CPU-s, worst | published averages |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for suite, label in labels.items():
        result = load(f"control_{suite}")
        if result is None:
            continue
        summary = result["summary"]
        for task, row in summary["tasks"].items():
            name = task.removeprefix("E2C/").removesuffix("-v0")
            lines.append(
                f"| {name} | {label} | {row['mean']:.1f} ± {row['standard_error']:.1f} | {row['worst_seed']:.1f} | "
                f"{row['oracle']:.1f} | {row['seeds']} | {summary['train_cpu_seconds_worst']:.0f} | {PUBLISHED[task]} |"
            )
    return lines


def sentences() -> list[str]:
    """The other measurements, a sentence each."""
    lines: list[str] = []
    if data := load("benchmark_data"):
        rates = data["transitions_per_cpu_second"]
        lines.append(
            f"- Collecting, every frame rendered: {rates['E2C/Planar-v0']['median']:,.0f} planar and "
            f"{rates['E2C/PendulumSwingUp-v0']['median']:,.0f} pendulum transitions a CPU-second (`benchmark_data.py`)."
        )
    if training := load("benchmark_training"):
        lines.append(
            f"- Training: {training['ours_transitions_per_cpu_second']:,.0f} transitions a CPU-second, "
            f"{training['ratio_median']:.1f} times a plain float64 port of the public E2C loops, at "
            f"{training['share_of_multiply_rate']:.0%} of the machine's float32 matrix rate (`benchmark_training.py`)."
        )
    if noise := load("latent_noise"):
        found = noise["gradient_variance_ratio"]
        parts = ", ".join(f"{part} {found[part]['median']:.2f}" for part in found)
        lines.append(
            "- Independent instead of shared noise multiplies the variance of the gradient by (medians): "
            f"{parts} ([both maps](results/latent_noise.png), `latent_noise.py`)."
        )
    return lines


def pictures(run: Path) -> None:
    """Take the newest map and film of a run."""
    plots, films = sorted(run.glob("plots/*map*.png")), sorted(run.glob("videos/*.gif"))
    if not plots or not films:
        raise SystemExit(f"{run} has no map or no film: run `e2c plan --run {run}` first.")
    shutil.copy(plots[-1], RESULTS / "planar_map.png")
    shutil.copy(films[-1], RESULTS / "planar_drive.gif")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="planar run to take the pictures from")
    parser.add_argument("--quick", action="store_true", help="print the tables, write nothing")
    options = parser.parse_args()
    table, more = control_table(LABELS), [*control_table(ABLATIONS), "", *sentences()]
    print("\n".join([*table, "", *more]))
    if options.quick:
        return
    write_block(README, "results", table)
    write_block(PAGE, "control", more)
    if options.run is not None:
        pictures(options.run)


if __name__ == "__main__":
    main()
