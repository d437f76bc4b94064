"""What was measured of exploring, for the agents' own page.

python -m experiments.agents.report          # the block, from results/*.json
python -m experiments.agents.report --quick  # prints the block, writes nothing
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from experiments.pages import ROOT, load, publish

WAYS = {
    "random": "random actions",
    "no reward": "PPO, paid nothing",
    "recurrent": "recurrent auto-encoder's error",
    "rnd": "RND",
    "icm": "ICM",
}
WORLDS = {"mountain": "mountain car", "walls": "walls, from images", "pump": "pump, from images"}

DATA = {
    "random": "random actions",
    "explored": "`e2c explore --sight plain --limit 5`",
    "whitened, interrupted": "the same by a policy that sees images whitened, with a checkpoint half-way",
    "limit 50, interrupted": "so too with the usual limit of 50",
    "sampled": "states sampled everywhere",
}


def block() -> list[str]:
    """The table of coverage, and a sentence for each of the other measurements."""
    coverage = (load("agents/coverage") or {}).get("summary", {})
    worlds = [world for world in WORLDS if any(name.startswith(f"{world}: ") for name in coverage)]
    lines = [
        "| paid for | " + " | ".join(f"{WORLDS[world]}: cells, arrived" for world in worlds) + " |",
        "|---" * (1 + len(worlds)) + "|",
    ]
    for way, label in WAYS.items():
        found = [coverage.get(f"{world}: {way}") for world in worlds]
        lines.append(f"| {label} | " + " | ".join(cell(entry) for entry in found) + " |")
    walls = load("agents/walls")
    return [*lines, "", *sentences(coverage), *(behind_walls(walls) if walls else [])]


def cell(entry: dict[str, Any] | None) -> str:
    """Median share of cells with its interval, and in how many seeds the hard place was reached when."""
    if entry is None:
        return ""
    share = entry["cells"]
    first = f" at {int(np.median(entry['first_arrivals'])):,}" if entry["first_arrivals"] else ""
    interval = f"[{share['low']:.2f}, {share['high']:.2f}]"
    return f"{share['median']:.2f} {interval}, {entry['arrived']} of {entry['seeds']}{first}"


def sentences(coverage: dict[str, Any]) -> list[str]:
    """The other measurements, a sentence each."""
    lines: list[str] = []
    if loop := (load("agents/loop") or {}).get("summary", {}):
        scores = "; ".join(
            "{} {median:.1f} % [{low:.1f}, {high:.1f}], ".format(DATA[way], **entry["score"])
            + f"having seen {entry['cells']['median']:.0f} % of the cells"
            for way, entry in loop.items()
        )
        by_hand = next(iter(loop.values()))["oracle"]
        lines.append(
            "- The loop: the pump's planner on an embedding of 20,000 transitions, share of steps upright, median of "
            f"{min(e['seeds'] for e in loop.values())} seeds: {scores}. By hand, from the state, {by_hand:.1f} % "
            "([picture](../experiments/agents/results/loop.png), `agents/loop.py`)."
        )
    if planned := load("agents/planned_curiosity"):
        shares = ", ".join(
            f"{way.replace('_', ' ')} {found['coverage']['median']:.0f} % (far room in {found['entered_far_room']})"
            for way, found in planned["summary"].items()
        )
        lines.append(
            f"- Planned instead of learnt, share of the free cells behind the walls after {planned['steps']:,} steps, "
            f"median of {min(Counter(row['way'] for row in planned['rows']).values())} seeds: {shares} "
            "([picture](../experiments/agents/results/planned_curiosity.png), `agents/planned_curiosity.py`)."
        )
    slope = {way: coverage.get(f"slope: {way}") for way in ("random", "no reward", "recurrent")}
    if all(slope.values()):
        shares = ", ".join(
            f"{way} {entry['cells']['median']:.2f} (flag in {entry['arrived']} of {entry['seeds']})"
            for way, entry in slope.items()
            if entry
        )
        lines.append(
            "- SAC, which scores what it replays anew, share of cells on the continuous mountain car after 10,240 "
            f"steps: {shares.replace('no reward', 'paid nothing')} (`agents/coverage.py --worlds slope`)."
        )
    if television := (load("agents/noisy_tv") or {}).get("summary", {}):
        stuck = ", ".join(f"{way} {entry['at_the_panel']['median']:.0%}" for way, entry in television.items())
        seeds = min(entry["seeds"] for entry in television.values())
        lines.append(
            f"- The noisy TV, share of time in front of it, median of {seeds} seeds: {stuck} "
            "([picture](../experiments/agents/results/noisy_tv.png), `agents/noisy_tv.py`)."
        )
    if dark := (load("agents/dark_room") or {}).get("summary", {}):
        shares = ", ".join(f"{way} {entry['dark']:.2f}" for way, entry in dark.items())
        lines.append(
            f"- Share of time in a dark room at the end, median of {min(e['seeds'] for e in dark.values())} seeds: "
            f"{shares} ([picture](../experiments/agents/results/dark_room.png), `agents/dark_room.py`)."
        )
    return lines


def behind_walls(walls: dict[str, Any]) -> list[str]:
    """What kept agents from the last room, and what it took: a table and what it means."""
    lines = [
        "",
        "Why agents did not come to the last room before, each part in turn replaced by one without fault:",
        "",
    ]
    lines += ["| paid for, policy sees | share of cells, median (least to most) | last room |", "|---|---|---|"]
    for found in walls["summary"].values():
        shares = "{median:.2f} ({least:.2f} to {most:.2f})".format(**found["cells"])
        lines.append(f"| {found['label']} | {shares} | {found['arrived']} of {found['seeds']} |")
    contrast = "; ".join(f"{name}: {said['contrast']:.1f}" for name, said in walls["heard"].items())
    return [
        *lines,
        "",
        "Even paid for an exact count of visits, policies hardly ever got around by images as they are: they did not",
        "see the few pixels that move. Nor did those that see, paid for the auto-encoder's error as that was: whitened",
        "numbers were cut off at 5 deviations, and what was often seen looked as new as what never was. The bonus at",
        f"cells never visited, over that at those visited most, a quarter into the counted run: {contrast}.",
        "Now policies see whitened images, and novelty models see them up to 50 deviations",
        "([picture](../experiments/agents/results/walls.png), `agents/walls.py`).",
    ]


def main() -> None:
    publish(__doc__, [(ROOT / "agents" / "README.md", "agents", block())])


if __name__ == "__main__":
    main()
