"""Mazes, noise, velocity, two movers and other obstacles: how far the roadmap reaches beyond two walls.

In each world, `unfold-roadmap` is trained on random transitions from starts all over it, and drives 50 problems by
the roadmap, and 10 of them by iLQR on the same map: the share of problems whose goal is reached, and the time in goal
as a share of that of the world's hand-made controller, which sees the true state. `E2C/MediumMaze-v0` and
`E2C/UMaze-v0` have goals up to 100 steps away and 200 steps; the others are `E2C/PlanarWalls-v0` with process noise
of 1 px, a disc with a velocity (`E2C/CoastingWalls-v0`), two discs with four actions (`E2C/TwoDiscs-v0`), and
`E2C/Planar-v0` with its six obstacles elsewhere, a layout a seed. The list of problems is drawn from the word
"mazes". Tuning saw list 100 alone and the seed 100 of data and training; the seeds begin at 0.

    python -m experiments.worlds.mazes          # 3 seeds of 6 worlds: two hours
    python -m experiments.worlds.mazes --quick  # half a minute, to see it work; writes nothing
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import numpy as np

from experiments.runner import Experiment, Row
from experiments.worlds._roads import WAYS, measure_world

WORLDS: dict[str, tuple[str, dict[str, int | float], int]] = {
    "medium maze": ("E2C/MediumMaze-v0", {}, 40_000),
    "U-maze": ("E2C/UMaze-v0", {}, 20_000),
    "walls, noise of 1 px": ("E2C/PlanarWalls-v0", {"noise": 1.0}, 20_000),
    "walls, a disc that coasts": ("E2C/CoastingWalls-v0", {}, 40_000),
    "walls, two discs": ("E2C/TwoDiscs-v0", {}, 100_000),
    "obstacles elsewhere": ("E2C/Planar-v0", {}, 20_000),
}
"""Id, arguments and number of transitions; a layout has the number of the seed."""
LIST = int(np.random.default_rng(list(b"mazes")).integers(1_000, 1_000_000))
PROBLEMS = {"roadmap": 50, "ilqr": 10}


def measure(
    seed: int, world: str, transitions: int | None = None, steps_scale: float = 1.0, problems: int = 50
) -> list[Row]:
    """Train one seed in one world and drive its list both ways."""
    name, arguments, usual = WORLDS[world]
    if world == "obstacles elsewhere":
        arguments = arguments | {"layout_seed": seed}
    count = transitions or usual
    lists = {way: [(LIST if seed < 100 else 100, min(problems, PROBLEMS[way]))] for way in WAYS}
    return [
        {"world": world, "transitions": count} | row
        for row in measure_world(name, arguments, seed, count, lists, steps_scale)
    ]


def report(rows: list[Row]) -> None:
    """Print the mean and the worst seed of each world and way."""
    for world in WORLDS:
        for way in WAYS:
            found = [row for row in rows if (row["world"], row["way"]) == (world, way)]
            if found:
                shares, reached = ([row[key] for row in found] for key in ("share", "reached"))
                print(
                    f"{world}, {way}, {len(found)} seeds: reached {np.mean(reached):.0%}, worst {min(reached):.0%}; "
                    f"{np.mean(shares):.3f} of the oracle's, worst {min(shares):.3f}"
                )


def quick() -> None:
    for world in ("U-maze", "walls, a disc that coasts"):
        for row in measure(100, world, 600, 0.02, 2):
            print(TOLD.format(**row))


TOLD = (
    "seed {seed}, {world}, {way}: reached {reached:.0%}, {share:.3f} of the oracle's, {milliseconds:.1f} CPU-ms a "
    "step, trained in {training_cpu_seconds:.0f} CPU-s"
)
EXPERIMENT = Experiment(__file__, {"seed": range(3), "world": list(WORLDS)}, measure, TOLD, quick, report=report)

if __name__ == "__main__":
    EXPERIMENT.main()
