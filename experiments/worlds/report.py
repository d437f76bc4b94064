"""How well ways around walls are found, for their page of the documentation.

python -m experiments.worlds.report          # the block between its markers, from experiments/worlds/results/*.json
python -m experiments.worlds.report --quick  # prints it, writes nothing
"""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.pages import ROOT, load, publish

PAGE = ROOT / "e2c_control/docs/how-to/walls.md"


def walls(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each list of problems, by the roadmap, and a sentence about iLQR."""
    roads = [row for row in rows if row["way"] == "roadmap"]
    lines = [
        "`E2C/PlanarWalls-v0`, 20,000 random transitions: time in goal as a share of the Navigator's.",
        "",
        "| problems | mean | worst seed | reached | seeds | CPU-ms a step |",
        "|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["list"] for row in roads):
        found = [row for row in roads if row["list"] == name]
        shares, reached = [row["share"] for row in found], np.mean([row["reached"] for row in found])
        label = f"the protocol's {found[0]['problems']}" if name == 2020 else f"{found[0]['problems']}, list {name}"
        cost = np.median([row["milliseconds"] for row in found])
        figures = f"{np.mean(shares):.3f} | {min(shares):.3f} | {reached:.0%} | {len(found)} | {cost:.1f}"
        lines.append(f"| {label} | {figures} |")
    local = max(row["share"] for row in rows if row["way"] == "ilqr")
    training = np.median([row["training_cpu_seconds"] for row in roads])
    return [
        *lines,
        "",
        f"iLQR on the same maps has {local:.3f} at best. Training takes {training:.0f} CPU-s in the median, collecting "
        "included (`experiments/worlds/walls.py`).",
    ]


def rooms(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each kind of data, way and list of the two rooms."""
    lines = [
        "",
        "`swm/TwoRoom-v1` of stable-worldmodel 0.1.1, grey frames of 56 x 56, 20,000 transitions: success in percent.",
        "",
        "| data | planner | problems | mean | worst seed | seeds | CPU-ms a step |",
        "|---|---|---|---|---|---|---|",
    ]
    for key in dict.fromkeys((row["data"], row["way"], row["list"]) for row in rows):
        found = [row for row in rows if (row["data"], row["way"], row["list"]) == key]
        success = [100 * row["success"] for row in found]
        cost = np.median([row["milliseconds"] for row in found])
        data, way, name = key
        lines.append(
            f"| {data} | {way} | {found[0]['problems']} x {name} | {np.mean(success):.1f} | {min(success):.1f} | "
            f"{len(found)} | {cost:.1f} |"
        )
    return [
        *lines,
        "",
        "Published at 25/50: DINO-WM 100, PLDM 97, LeWM 87. `crossing`: the wall is between start and goal "
        "(`experiments/worlds/two_room.py`).",
    ]


def lines() -> list[str]:
    """The whole block."""
    found = [(load("worlds/walls"), walls), (load("worlds/two_room"), rooms)]
    return [line for result, told in found if result is not None for line in told(result["rows"])]


if __name__ == "__main__":
    publish(__doc__, [(PAGE, "walls", lines())])
