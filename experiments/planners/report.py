"""Which planner to choose when, for their own page, and what else was measured, for the results page.

python -m experiments.planners.report          # the blocks between their markers, from experiments/*/results/*.json
python -m experiments.planners.report --quick  # prints them, writes nothing
"""

from __future__ import annotations

from typing import Any

from experiments.pages import PAGE, ROOT, load, publish

CHOICE = {
    "ilqr": "the default: smooth models, limits, several valleys",
    "lqr": "every microsecond counts, and the last plan is nearly right; linearises once a replan",
    "aico": "as the E2C paper plans; process noise is known",
    "icem": "a cost or model without derivatives",
    "cem": "the same, to compare with others' work",
    "mppi": "the same, where a mean over plans is wanted",
    "adam": "gradients of rolled-out plans alone, to compare with others' work on learned models",
    "grasp": "the same, by noisy steps on controls and intermediate states together (arXiv:2602.00475)",
    "roadmap": "walls are in the way; the run was trained by `unfold-roadmap`",
}


def table(result: dict[str, Any]) -> list[str]:
    """A line for each planner."""
    lines = [
        "| planner | choose it when | ms a replan (95 %) | in the network | learned model | true simulator |",
        "|---|---|---|---|---|---|",
    ]
    for name, when in CHOICE.items():
        if (row := result["planners"].get(name)) is None:
            lines.append(f"| `{name}` | {when} |  |  |  |  |")
            continue
        lines.append(
            f"| `{name}` | {when} | {row['milliseconds_median']:.1f} ({row['milliseconds_95_percent']:.1f}) | "
            f"{row['network_share']:.0%} | {row['on_the_model']:.1f} | {row['on_the_simulator']:.1f} |"
        )
    return [
        *lines,
        "",
        "CPU milliseconds of one problem on one thread, median and 95 % quantile: z = 2, horizon 10, limits on. "
        "Time in goal on the protocol's ten planar problems: from images with the learned model, from states with the "
        f"true simulator as the model; the oracle has {result['oracle']:.1f} (`planners/replan.py`). Empty: not "
        "measured there.",
    ]


def sentences() -> list[str]:
    """The other measurements, a sentence each."""
    lines: list[str] = []
    if speed := load("planners/speed"):
        ratios, pendulum = speed["ratios"], speed["pendulum"]
        one, many = (ratios[f"crocoddyl, n <= 8, batch {size}"] for size in (1, 64))
        alone, together = (ratios[f"mpc, n <= 8, batch {size}"] for size in (1, 64))
        lines += [
            f"- Backward and forward pass, up to 8 states: {one['geometric_mean']:.1f} times as fast as Crocoddyl "
            f"(worst cell {one['least']:.1f}) and {alone['geometric_mean']:.0f} times as mpc.pytorch; 64 problems at "
            f"once {many['geometric_mean']:.1f} and {together['geometric_mean']:.0f} times. That is the compiled pass; "
            f"{called(speed)} (`planners/speed.py`).",
            f"- Swing-up of the pendulum above: cost {pendulum['cost_of_first_start']:.4f}, "
            f"{pendulum['solved']:.0%} of 64 random starts solved, {pendulum['milliseconds_each_of_64']:.1f} ms each.",
        ]
    if before := load("planners/before"):
        replan, first = before["replan"], before["first_plan_seconds"]["now"]
        lines.append(
            f"- A replan of iLQR on a latent model takes {replan['ratio']:.2f} of the CPU time of commit "
            f"{before['before']}, {replan['milliseconds']['now']:.1f} ms, timed in turns on the same drives, with "
            f"equal costs. The first plan of a process takes {first['with_cache']:.1f} CPU-s, and "
            f"{first['empty_cache']:.1f} "
            "where that number of states and controls was never compiled on the machine; in plain Python, without "
            f"numba, {first['plain_python']:.2f} (`planners/before.py`)."
        )
    if noise := load("planners/filter"):
        pixels = ", ".join(f"{row['noise_pixels']:.0f}" for row in noise["noises"])
        lines.append(
            "- A Kalman filter between frames and planner (`--filter-frames`, off by default), at process noise of "
            f"{pixels} px: {gains(noise, 'filter')} points of time in goal; with frames trusted ten times more "
            f"{gains(noise, 'filter_frames_trusted_tenfold')}. A frame says nearly all here, and what map and model "
            "get wrong, they get wrong in the same way at each step, which a filter takes for chance "
            "(`planners/filter.py`)."
        )
    if known := load("planners/ensemble"):
        hole, few = known["means"]["hole"], known["means"]["few_data"]
        lines.append(
            "- Five more transitions (`unfold-ensemble`) disagree off the map (ROC area "
            f"{hole['off_map_roc_area']:.2f}), but not about images from a hole in the data, whose codes look familiar "
            f"({hole['hole_roc_area']:.2f}). As a cost, disagreement leaves the time in goal as it is: across the hole "
            f"{hole['0']['time_in_goal']:.1f} without and {hole['1000']['time_in_goal']:.1f} with a weight of 1000; "
            f"trained on few data {few['0']['time_in_goal']:.1f} and {few['1000']['time_in_goal']:.1f} "
            "(`planners/ensemble.py`)."
        )
    if compared := load("planners/comparison"):
        lines += comparison(compared)
    return lines


def comparison(compared: dict[str, Any]) -> list[str]:
    """Every planner on the same maps, as a table."""
    from experiments.planners.comparison import cells  # loads torch

    heading, *rows = (f"| {' | '.join(row)} |" for row in cells(compared["summary"]))
    return [
        "- Every planner on the same frozen maps, from images: time in goal as a share of the oracle's, and CPU-ms a "
        "step, encoding and planning ([picture](planners/results/comparison.png), `planners/comparison.py`):",
        "",
        heading,
        "|---|---|---|" + "---:|" * 6,
        *rows,
    ]


def called(speed: dict[str, Any]) -> str:
    """How long the public call takes, over the cells of one small problem."""
    cells = [row for row in speed["riccati_microseconds"] if row["batch"] == 1 and row["n"] <= 8]
    ratios = {
        row["T"]: [one["crocoddyl"] / one["ours_called"] for one in cells if one["T"] == row["T"]] for row in cells
    }
    shares = ", ".join(f"{min(found):.1f} to {max(found):.1f} (T = {steps})" for steps, found in ratios.items())
    least = min(cells, key=lambda row: row["ours_called"])
    beside_mpc = min(row["mpc"] / row["ours_called"] for row in cells if row.get("mpc"))
    return (
        f"the public `lqr` checks what it is given, and takes {least['ours_called']:.0f} µs for one problem of n = "
        f"{least['n']}, T = {least['T']} where Crocoddyl takes {least['crocoddyl']:.0f}: over these cells it is "
        f"{shares} times as fast as Crocoddyl, and at least {beside_mpc:.0f} times as mpc.pytorch"
    )


def gains(noise: dict[str, Any], way: str) -> str:
    """Mean and standard error at each level of noise."""
    found = [row["gain"][way] for row in noise["noises"]]
    return ", ".join(f"{gain['mean']:+.2f} ± {gain['standard_error']:.2f}" for gain in found)


def main() -> None:
    result = load("planners/replan")
    choice = ROOT / "planners" / "README.md"
    publish(__doc__, [(choice, "planners", table(result) if result else []), (PAGE, "planners", sentences())])


if __name__ == "__main__":
    main()
