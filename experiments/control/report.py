"""What was measured of control and training, for the README and the results page, and the README's pictures.

python -m experiments.control.report                            # the tables, from results/*.json
python -m experiments.control.report --run PLANAR --film PUMP    # and the README's pictures, from runs of `e2c plan`
python -m experiments.control.report --cells FOLDER             # and those of all worlds, from the --work of suites.py
python -m experiments.control.report --quick                    # prints the tables, writes nothing
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from e2c_control.benchmark.paper import EXPLANATION as PAPER_EXPLANATION
from e2c_control.benchmark.paper import paper_lines, paper_table
from e2c_control.benchmark.store import Stored, read_cells
from e2c_control.benchmark.table import Line, Scores, gather, summarise
from e2c_control.benchmark.text import BINS, EXPLANATION, markdown_table, table_csv, with_interval
from e2c_control.benchmark.worlds import WORLDS
from e2c_control.figures import save_png
from e2c_control.runs.atomic import replace_text
from e2c_control.training.presets import RECIPE
from experiments.control._concept import concept
from experiments.control._measured import sentences
from experiments.control.commands import BY_COMMANDS
from experiments.control.suites import SUITES
from experiments.pages import PAGE, README, load, write_block

RESULTS = Path(__file__).parent / "results"

PUBLISHED = {  # PC3 and PCC: averages over trained models, from the README of the authors' PC3 repository
    "Planar": (74.4, 56.6),
    "PendulumBalance": (99.1, 91.9),
    "PendulumSwingUp": (58.4, 26.4),
    "CartPoleBalance": (96.3, 94.4),
    "ThreeLink": (42.4, 14.2),
}
TRIED = {  # files of what is no recipe, or no longer one, by world
    "planar": ("bfloat16", "one-start", "twist-only", "three-starts"),
    "pendulum": ("ten-ahead", "model-matrices"),
    "cart-pole": ("ten-ahead",),
}
MEANINGS = (
    "`bfloat16`: `unfold` with `--precision bfloat16`; `one-start`: `unfold`, no map given up; `twist-only`: only "
    "twisted maps given up; `three-starts`: the best of three short starts; `model-matrices`: plans follow the model's "
    "own A and B; `e2c`: as published; `pcc`, `pc3`: their terms, shortened training, `pc3` not tuned; `unfold-noisy`: "
    "consistency counts a tenth; `e2c-warm`: E2C's objective on an unfolded map; `ten-ahead`: plans look 10 steps "
    "ahead, where the default's look 15 on the cart-pole and 20 in the swing-up. All other plans of the swing-up look "
    "10 steps ahead."
)


def scores_of(suites: Iterable[tuple[str, str, str]]) -> list[Scores]:
    """What the result files hold, from (file, world, recipe); files that are not there are left out."""
    found: list[Scores] = []
    for file, world, recipe in suites:
        result = load(f"control/suites_{file}")
        if result is not None:
            found += gather(WORLDS[world], recipe, result["rows"], result["problems"])
    order = list(dict.fromkeys(one.label for one in found))
    return sorted(found, key=lambda one: order.index(one.label))


def measures_of_the_paper(suites: Iterable[tuple[str, str, str]]) -> list[str]:
    """The E2C paper's own measures of every recipe, as a table."""
    results = [(WORLDS[world], recipe, load(f"control/suites_{file}")) for file, world, recipe in suites]
    lines = [line for world, recipe, found in results if found for line in paper_lines(world, recipe, found["rows"])]
    return [PAPER_EXPLANATION, "", *paper_table(lines)]


def by_commands() -> list[Scores]:
    """The default recipe as the README's own commands gave it, for the worlds that were measured so."""
    found = load("control/commands") or {"rows": []}
    worlds = dict.fromkeys(row["world"] for row in found["rows"])
    rows = {world: [row for row in found["rows"] if row["world"] == world] for world in worlds}
    return [one for world in worlds for one in gather(WORLDS[world], RECIPE, rows[world], found["problems"])]


def with_commands(scores: Sequence[Scores], commanded: Sequence[Scores]) -> list[Scores]:
    """Scores by the commands in place of the benchmark's of the default, unless those have more seeds."""
    benchmark = {(one.world, one.task): len(one.seeds) for one in scores if one.recipe == RECIPE}
    better = {(one.world, one.task): one for one in commanded}
    better = {which: one for which, one in better.items() if len(one.seeds) >= benchmark.get(which, 0)}
    kept = [one for one in scores if one.recipe != RECIPE or (one.world, one.task) not in better]
    order = list(dict.fromkeys(one.label for one in scores))
    return sorted([*kept, *better.values()], key=lambda one: (order.index(one.label), one.recipe != RECIPE))


def provenance(scores: Sequence[Scores], commanded: Sequence[Scores]) -> str:
    """Where the default's lines are from."""
    own = [one for one in scores if one.recipe == RECIPE and one.world in BY_COMMANDS]
    waiting = ", ".join(one.label for one in own if one not in commanded)
    but = f"; {waiting}: still by the benchmark, whose defaults are the same" if waiting else ""
    by = "By `collect`, `train` and `evaluate` with `--seed` and no other option (`experiments/control/commands.py`)"
    return f"{by}{but}."


def headline_table(lines: Sequence[Line]) -> list[str]:
    """Time in goal by the default recipe, a line for each task without noise."""
    table = [
        "| task | mean [95 %] | worst seed | oracle | PC3 | PCC | seeds | CPU-s to train |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        scores = line.scores
        if scores.recipe == RECIPE and "noise" not in scores.label:
            pc3, pcc = PUBLISHED.get(scores.label, ("", ""))
            table.append(
                f"| {scores.label} | {with_interval(line.mean, line.mean_interval)} | {100 * line.worst_seed[1]:.1f} | "
                f"{100 * line.oracle:.1f} | {pc3} | {pcc} | {len(scores.seeds)} | "
                f"{np.median(scores.train_cpu_seconds):.0f} |"
            )
    return table


def median_cell(cells: Sequence[Stored], world: str) -> Stored | None:
    """The default recipe's middle seed by its mean score, neither the luckiest nor the worst."""
    own = [one for one in cells if one.cell.world.name == world and one.cell.recipe.name == RECIPE]
    order = sorted(own, key=lambda one: sum(sum(task["scores"]) for task in one.row["tasks"].values()))
    return order[len(order) // 2] if order else None


def world_pictures(folder: Path) -> None:
    """Take the latent map and the worst drives of each world's median seed."""
    cells = read_cells(folder)
    for world in WORLDS:
        chosen = median_cell(cells, world)
        for label, path in chosen.pictures.items() if chosen else ():
            shutil.copy(path, RESULTS / f"suites_{world}_{label.rpartition('/')[2].removesuffix('-v0')}.png")


def gallery() -> list[str]:
    """The pictures that there are, world by world, the map first."""
    lines: list[str] = []
    for world in WORLDS:
        for path in sorted(RESULTS.glob(f"suites_{world}_*.png"), key=lambda path: not path.stem.endswith("_map")):
            shown = path.stem.rpartition("_")[2]
            what = f"latent map of the world {world}" if shown == "map" else f"{shown}, the worst of ten drives"
            lines.append(f"![{what}](control/results/{path.name})\n")
    return lines


def newest(run: Path, pattern: str) -> Path:
    """Return the newest file of a run, by its name."""
    found = sorted(run.glob(pattern))
    if not found:
        raise SystemExit(f"{run} has no {pattern}: run `e2c plan --run {run}` first.")
    return found[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="planar run to take the map and the concept from")
    parser.add_argument("--film", type=Path, help="run of the pump to take the film from")
    parser.add_argument("--cells", type=Path, help="folder of finished cells to take pictures of every world from")
    parser.add_argument("--quick", action="store_true", help="print the tables, write nothing")
    options = parser.parse_args()
    suites = [(file, world, recipe) for file, (world, recipe) in SUITES.items()]
    tried = [(f"{world}-{name}", world, name) for world, names in TRIED.items() for name in names]
    commanded = by_commands()
    scores = with_commands(scores_of([*suites, *tried]), commanded)
    lines = summarise(scores)
    table = [*headline_table(lines), "", provenance(scores, commanded)]
    if options.cells is not None and not options.quick:
        world_pictures(options.cells)
    more = [f"{EXPLANATION} {BINS} {MEANINGS}", "", *markdown_table(lines), "", *sentences(), ""]
    more += [*measures_of_the_paper(suites), "", *gallery()]
    print("\n".join([*table, "", *more]))
    if options.quick:
        return
    write_block(README, "results", table)
    write_block(PAGE, "control", more)
    replace_text(RESULTS / "control.csv", table_csv(lines))
    if options.run is not None:
        shutil.copy(newest(options.run, "plots/*map*.png"), RESULTS / "planar_map.png")
        save_png(concept(options.run), RESULTS / "concept.png")
    if options.film is not None:
        shutil.copy(newest(options.film, "videos/*.gif"), RESULTS / "pump_drive.gif")


if __name__ == "__main__":
    main()
