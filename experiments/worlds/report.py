"""How well ways around walls are found, and both ways into stable-worldmodel, for their pages of the documentation.

python -m experiments.worlds.report          # the blocks between their markers, from experiments/worlds/results/*.json
python -m experiments.worlds.report --quick  # prints it, writes nothing
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from experiments.pages import ROOT, load, publish
from experiments.worlds.adapter import LOOP
from experiments.worlds.rooms import WORLDS

PAGE = ROOT / "e2c_control/docs/how-to/walls.md"
ADAPTER = ROOT / "e2c_control/docs/how-to/stable-worldmodel.md"


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


def mazes(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each other world."""
    lines = [
        "",
        "Other worlds, by the same commands: problems whose goal is reached, and time in goal as a share of that of "
        "the world's hand-made controller; in the mean, and on the worst seed.",
        "",
        "| world | transitions | reached | share | iLQR: reached | seeds | CPU-ms a step | training, CPU-s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for world in dict.fromkeys(row["world"] for row in rows):
        roads, local = (
            [row for row in rows if (row["world"], row["way"]) == (world, way)] for way in ("roadmap", "ilqr")
        )
        reached, shares = ([row[key] for row in roads] for key in ("reached", "share"))
        costs = [np.median([row[key] for row in roads]) for key in ("milliseconds", "training_cpu_seconds")]
        lines.append(
            f"| {world} | {roads[0]['transitions']:,} | {np.mean(reached):.0%}, {min(reached):.0%} | "
            f"{np.mean(shares):.3f}, {min(shares):.3f} | {np.mean([row['reached'] for row in local]):.0%} | "
            f"{len(roads)} | {costs[0]:.1f} | {costs[1]:.0f} |"
        )
    return [*lines, "", "50 problems a seed, 10 by iLQR (`experiments/worlds/mazes.py`)."]


def movers(rows: list[dict[str, Any]]) -> list[str]:
    """A sentence about two movers that are told apart."""
    reached, shares = ([row[key] for row in rows] for key in ("reached", "share"))
    return [
        "",
        f"Two discs with a roadmap for each, told apart by the data alone, on {len(rows)} seeds of the same data and "
        f"list: {np.mean(reached):.0%} reached, worst seed {min(reached):.0%}; {np.mean(shares):.3f} of the "
        f"hand-made controller's time in goal, worst seed {min(shares):.3f} (`experiments/worlds/movers.py`; no part "
        "of the recipe yet).",
    ]


def starts(rows: list[dict[str, Any]]) -> list[str]:
    """A sentence about iLQR that begins where the roadmap leads."""
    told = {row["way"]: f"{row['share']:.3f} ({row['blocked']:.0%} of its steps blocked)" for row in rows}
    return [
        "",
        f"iLQR that starts from the roadmap's own way of {rows[0]['horizon']} steps does not get around the walls, in "
        f"the map {told['map']} of the Navigator's time in goal, and under the model of blocked moves "
        f"{told['places']}; the roadmap alone, on the same {rows[0]['problems']} problems, "
        f"{told['roadmap alone']} (`experiments/worlds/starts.py`).",
    ]


def lines() -> list[str]:
    """The whole block."""
    kinds = {"walls": walls, "two_room": rooms, "mazes": mazes, "movers": movers, "starts": starts}
    found = [(load(f"worlds/{name}"), told) for name, told in kinds.items()]
    return [line for result, told in found if result is not None for line in told(result["rows"])]


def adapter(result: dict[str, Any]) -> list[str]:
    """A line for each list, planner and loop, and how often the loops differ."""
    rows = result["rows"]
    compared, different = sum(row["problems"] for row in rows if row["loop"] == LOOP), sum(result["differing"].values())
    table = [
        f"{name} | {row['planner']} | `{row['loop']}` | {100 * row['success']:.0f} | {row['milliseconds']:.1f}"
        for name in dict.fromkeys(row["list"] for row in rows)
        for row in rows
        if row["list"] == name
    ]
    return [
        f"`swm/TwoRoom-v1` of stable-worldmodel {rows[0]['peer']}, one map of this project, {rows[0]['problems']} "
        "problems of each list: success in percent.",
        "",
        "| problems | planner | driven by | success | CPU-ms a step |",
        "|---|---|---|---|---|",
        *(f"| {line} |" for line in table),
        "",
        f"By roadmap and iLQR, {different} of {compared} problems come out differently by the two loops "
        "(`experiments/worlds/adapter.py`).",
    ]


def front(rows: list[dict[str, Any]]) -> list[str]:
    """The row of two rooms for the README, beside what others publish."""
    found = [row for row in rows if (row["data"], row["way"], row["list"]) == ("expert", "roadmap", "25/50")]
    success = [100 * row["success"] for row in found]
    return [
        "| two rooms (stable-worldmodel), 25/50 | mean | worst seed | DINO-WM | PLDM | LeWM | seeds | CPU-s to train |",
        "|---|---|---|---|---|---|---|---|",
        f"| goals reached, in percent | {np.mean(success):.1f} | {min(success):.1f} | 100 | 97 | 87 | {len(found)} | "
        f"{np.median([row['training_cpu_seconds'] for row in found]):.0f} |",
    ]


def scenes(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each kind of data and number of walls."""
    lines = [
        "`E2C/Rooms-v0` of 65 x 65 pixels, start and goal in different rooms, layouts that no training saw: goals "
        "reached within 200 steps, in percent, in the mean and on the worst seed.",
        "",
        "| data | transitions | walls | reached | random actions | seeds | CPU-ms a step | training, CPU-s | says |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for world, walls in dict.fromkeys((row["world"], row["walls"]) for row in rows):
        found = [row for row in rows if (row["world"], row["walls"]) == (world, walls)]
        own, chance = ([row for row in found if row["way"] == way] for way in ("scene", "random"))
        success, none = ([100 * row["success"] for row in way] for way in (own, chance))
        costs = [np.median([row[key] for row in own]) for key in ("milliseconds", "training_cpu_seconds")]
        doubted = sum(row["doubt"] is not None for row in own)
        says = "nothing" if not doubted else f"doubt, {doubted} of {len(own)}"
        reached = f"{np.mean(success):.1f}, {min(success):.1f} | {np.mean(none):.1f} | {len(own)}"
        lines.append(
            f"| {world} | {WORLDS[world]:,} | {walls} | {reached} | {costs[0]:.1f} | {costs[1]:.0f} | {says} |"
        )
    return [
        *lines,
        "",
        "No training has two walls. `textured`: a background of grey squares, drawn anew with each layout; `two "
        "movers`: a second disc that goes its own way (`experiments/worlds/rooms.py`).",
    ]


def blocks() -> list[tuple[Path, str, list[str]]]:
    """Return all blocks."""
    found, drawn, others = load("worlds/adapter"), load("worlds/rooms"), load("worlds/two_room")
    return [
        (PAGE, "walls", lines()),
        *([] if others is None else [(ROOT / "README.md", "rooms", front(others["rows"]))]),
        *([] if drawn is None else [(PAGE, "scenes", scenes(drawn["rows"]))]),
        *([] if found is None else [(ADAPTER, "adapter", adapter(found))]),
    ]


if __name__ == "__main__":
    publish(__doc__, blocks())
