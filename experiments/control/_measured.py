"""What was measured beside time in goal, a sentence each, for the results page."""

from __future__ import annotations

from typing import Any

from experiments.pages import load

VARIANTS = {
    "one-step": "the default's terms look one step ahead instead of eight, and see an eighth of the predictions",
    "longer": "200 more steps of the default's own training",
    "hindsight": "the same steps with the term `hindsight` beside the others, which learns through the planner",
    "ensemble": "five transitions more, plans by the mean, disagreement as a cost",
}


def sentences() -> list[str]:
    """The other measurements, a sentence each."""
    lines: list[str] = []
    if data := load("data_and_speed/collecting"):
        rates = data["transitions_per_cpu_second"]
        lines.append(
            f"- Collecting, every frame rendered: {rates['E2C/Planar-v0']['median']:,.0f} planar, "
            f"{rates['E2C/PendulumSwingUp-v0']['median']:,.0f} pendulum and {rates['E2C/ThreeLink-v0']['median']:,.0f} "
            "three-link transitions a CPU-second (`data_and_speed/collecting.py`)."
        )
    if training := load("data_and_speed/training"):
        lines.append(
            "- Training, transitions a CPU-second over those of a plain float64 port of the public E2C loops "
            f"({training['peer_transitions_per_cpu_second']:,.0f}), and share of the machine's matrix rate: "
            + "; ".join(
                f"{name} {row['ratio_median']:.1f} times, {row['share_of_multiply_rate']:.0%}"
                for name, row in training["ours"].items()
            )
            + " (`data_and_speed/training.py`; bfloat16 is `--precision bfloat16`, on a CPU that multiplies it)."
        )
    if noise := load("control/latent_noise"):
        found = noise["gradient_variance_ratio"]
        parts = ", ".join(f"{part} {found[part]['median']:.2f}" for part in found)
        lines.append(
            "- Independent instead of shared noise multiplies the variance of the gradient by (medians): "
            f"{parts} ([both maps](control/results/latent_noise.png), `control/latent_noise.py`)."
        )
    if soon := load("control/time_to_control"):
        steps = "; ".join(
            f"{line['steps']} steps, {line['cpu_seconds_median']:.0f} CPU-s (at most {line['cpu_seconds_worst']:.0f}): "
            f"{line['mean']:.1f} % (worst seed {line['worst_seed']:.1f})"
            for line in soon["summary"]
        )
        lines.append(
            f"- The default recipe's planar map, cut short, {soon['summary'][0]['seeds']} seeds: {steps} "
            "(`control/time_to_control.py`; the authors' PC3, ported, took 126 CPU-s to 71.8 %)."
        )
    if own := load("control/own_environment"):
        lines.append(
            "- Pendulum-v1, Gymnasium's own, from pictures and never told the reward, mean return over the same ten "
            "resets: "
            + "; ".join(_returned(way, found) for way, found in own["summary"].items())
            + " (`control/own_environment.py`)."
        )
    if decoded := load("control/decoded"):
        lines.append(
            "- What the decoder draws of frames that training never saw, five seeds, mean (worst): every marker within "
            "a pixel, five steps ahead within two; in brackets what a network told from the same latents, trained for "
            "that alone: " + "; ".join(_drawn(world, decoded["rows"]) for world in _worlds(decoded["rows"])) + " "
            "(`control/decoded.py`). Five steps ahead the planar misses are moves that an obstacle blocked and the "
            "model took for free; the cart-pole's latents do not hold the cart's place to a pixel.",
        )
    if choice := load("control/model_choice"):
        lines.append(
            "- Choosing a model by images alone, as the command `choose` does: rank correlation of its practice drives "
            "with the protocol's score, and the score of the best of three by it (at random; by the score itself): "
            + "; ".join(_chosen(task, found) for task, found in choice["summary"].items())
            + " ([picture](control/results/model_choice.png), all numbers tried in `control/model_choice.py`)."
        )
    if hard := load("control/hard_tasks"):
        lines += ["", *_hard_tasks(hard["summary"])]
    return lines


def _worlds(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["world"] for row in rows))


def _drawn(world: str, rows: list[dict[str, Any]]) -> str:
    """Say how often a world's markers are drawn where they are."""

    def share(key: str) -> str:
        found = [100 * row[key] for row in rows if row["world"] == world]
        return f"{sum(found) / len(found):.0f} % ({min(found):.0f} %)"

    peak = (
        f"; the brightest pixel {share('peak_0')} and {share('peak_5')}"
        if "peak_0" in rows[0] and world == "planar"
        else ""
    )
    return (
        f"{world} {share('shown_0')} [{share('regression_0')}] and {share('shown_5')} [{share('regression_5')}]{peak}"
    )


def _hard_tasks(summary: dict[str, Any]) -> list[str]:
    """A line for each world and variant, and what they say."""
    lines = [
        "| task | variant | seeds | mean | worst seed | gain | gain by seed | errors |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for world, variants in summary.items():
        for variant, found in variants.items():
            error = found["gain_standard_error"]
            gain, by_seed = "", ""
            if variant != "default":
                gain = f"{found['gain']:+.1f}" + ("" if error is None else f" ± {error:.1f}")
                by_seed = ", ".join(f"{value:+.1f}" for value in found["gain_by_seed"])
            known = [found[f"{where}_error"] for where in ("training", "held_out", "driven")]
            errors = ", ".join("?" if value is None else f"{value:.2f}" for value in known)
            scores = f"{len(found['seeds'])} | {found['mean']:.1f} | {found['worst_seed']:.1f}"
            lines.append(f"| {world} | {variant} | {scores} | {gain} | {by_seed} | {errors} |")
    there = {variant for variants in summary.values() for variant in variants}
    meanings = "; ".join(f"`{variant}`: {said}" for variant, said in VARIANTS.items() if variant in there)
    return [
        *lines,
        "",
        "Steps beyond one-step training on the tasks that leave something to gain (`control/hard_tasks.py`): gains "
        "over the default of the same seed, with their standard error over seeds; the arm's one problem is driven with "
        f"five seeds of the planner. {meanings}. Errors: of predictions ten steps ahead, relative to the way gone, on "
        "training windows, held-out ones, and the agent's own drives to the goal. Looking several steps ahead decides. "
        "Learning through the planner is not shown to gain more than as many steps without it. On the arm the model is "
        "worst on its own drives, where random actions seldom lead; on the pump it is right enough, and fewer errors "
        "do not become more time in the goal.",
    ]


def _returned(way: str, found: dict[str, Any]) -> str:
    seeds = f" (worst of {found['seeds']} seeds {found['worst_seed']:,.0f})" if found["seeds"] > 1 else ""
    return f"{way} {found['mean']:,.0f}{seeds}, half of the episodes above {found['median_episode']:,.0f}"


def _chosen(task: str, found: dict[str, Any]) -> str:
    by = found["by"]["practice drives, by images"]
    return (
        f"{task.removeprefix('E2C/').removesuffix('-v0')}, {found['runs']} runs of {found['recipes']} recipes: "
        f"{by['rank_correlation']:.2f}, {by['best_of_three']:.1f} ({found['chosen at random']:.1f}; "
        f"{found['chosen by the score']:.1f})"
    )
