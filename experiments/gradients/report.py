"""Which gradient estimator to choose when, for their own page, and all that was measured, for the results page.

    python -m experiments.gradients.report          # writes the blocks between their markers
    python -m experiments.gradients.report --quick  # prints them, writes nothing

What is recommended is computed: the unbiased method of least variance times evaluations of f, by the geometric mean
over the problems that are not degenerate, among those that can be used in a situation.
"""

from __future__ import annotations

import math
from typing import Any

from experiments.pages import PAGE, ROOT, load, publish

BITS, CHOICE, CONTINUOUS = ("ten bits", "three bits"), ("four choices",), ("normal", "gamma")
DISCRETE = BITS + CHOICE

# name in the toys: label, name in the cost table, names in the VAE
METHODS: dict[str, tuple[str, str | None, str | None]] = {
    "score-function": ("`ScoreFunction()`", "ScoreFunction", None),
    "sf-moving-average": ("`ScoreFunction(MovingAverage())`", None, None),
    "nvil": ("`NVIL`", None, "NVIL"),
    "rloo": ("`RLOO`, 2 samples", "RLOO, 2 samples", "RLOO, 2"),
    "rloo-4": ("`RLOO`, 4 samples", None, "RLOO, 4"),
    "disarm": ("`DisARM`, 2 samples", "DisARM, 2 samples", "DisARM, 2"),
    "arm": ("`ARM`, 2 samples", "ARM, 2 samples", None),
    "relax": ("`RELAX`", "RELAX + variance", "RELAX"),
    "relax-f": ("`RELAX`, with f", None, "RELAX with f"),
    "rebar": ("`REBAR`", "REBAR + variance", "REBAR"),
    "muprop": ("`MuProp`", "MuProp", "MuProp"),
    "concrete": ("`Concrete`, **biased**", "Concrete", "Concrete (biased)"),
    "straight-through": ("`StraightThrough`, **biased**", "StraightThrough", "ST (biased)"),
    "reparameterisation": ("`Reparameterisation`", None, None),
    "g-rep": ("`GeneralisedReparameterisation`", None, None),
    "lax": ("`LAX`", None, None),
}
BEST = 3
"""Methods that are named for a situation."""

SITUATIONS: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
    ("bits; f a black box, several evaluations", ("rloo", "rloo-4", "arm", "disarm"), BITS),
    ("choices; f a black box, several evaluations", ("rloo", "rloo-4"), CHOICE),
    ("discrete; f a black box, one evaluation", ("score-function", "sf-moving-average", "nvil", "relax"), DISCRETE),
    (
        "discrete; f can be differentiated",
        ("sf-moving-average", "nvil", "rloo", "rloo-4", "relax", "relax-f", "rebar", "muprop"),
        DISCRETE,
    ),
    ("continuous; f a black box", ("score-function", "sf-moving-average", "rloo", "lax"), CONTINUOUS),
    ("continuous; f can be differentiated", ("reparameterisation", "g-rep", "muprop", "lax", "rloo"), CONTINUOUS),
]


def relative(toys: dict[str, Any], problem: str, name: str) -> float | None:
    """Variance times evaluations, with the score function's as the unit."""
    rows = {row["estimator"]: row for row in toys.get(problem, {}).get("rows", [])}
    if name not in rows:
        return None
    return rows[name]["variance_times_evaluations"] / rows["score-function"]["variance_times_evaluations"]


def overall(toys: dict[str, Any], name: str, problems: tuple[str, ...]) -> float | None:
    """Geometric mean over the problems that the method can take; None if there is none."""
    found = [value for problem in problems if (value := relative(toys, problem, name)) is not None]
    return math.exp(sum(math.log(max(value, 1e-12)) for value in found) / len(found)) if found else None


def number(value: float | None) -> str:
    return (
        "" if value is None else f"{value:.1e}" if value < 0.001 else f"{value:.2g}" if value < 10 else f"{value:.0f}"
    )


def spread(row: dict[str, Any]) -> str:
    return " to ".join(f"{value:.1f}" for value in row["quartiles"])


def choices(toys: dict[str, Any]) -> list[str]:
    """For each situation the best of the methods that can be used."""
    lines = ["| you have | choose (variance x evaluations of f, score function = 1) |", "|---|---|"]
    for situation, names, problems in SITUATIONS:
        scores = {name: overall(toys, name, problems) for name in names}
        ranked = sorted((score, name) for name, score in scores.items() if score is not None)
        text = ", ".join(f"{METHODS[name][0]} {number(score)}" for score, name in ranked[:BEST])
        lines.append(f"| {situation} | {text} |")
    return lines


def everything(toys: dict[str, Any], cost: dict[str, Any], vae: dict[str, Any]) -> list[str]:
    """All methods: cost, variance, and what a VAE reaches."""
    lines = [
        "| method | CPU | ten bits | three bits | four choices | normal | gamma | VAE: training, held-out ELBO |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, (label, priced, trained) in METHODS.items():
        ratio = cost.get("float32", {}).get(priced, {}).get("ratio") if priced else None
        cells = [number(ratio), *(number(relative(toys, problem, name)) for problem in (*DISCRETE, *CONTINUOUS))]
        row = vae.get(trained, {}).get("row") if trained else None
        bound = "" if row is None else f"{row['train']:.2f} ± {row['train_error']:.2f}, {row['best_held_out']:.2f}"
        lines.append("| " + " | ".join([label, *cells, bound]) + " |")
    return lines


def sentences(toys: dict[str, Any], cost: dict[str, Any], vae: dict[str, Any], gaussian: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    if "bit, t = .499" in toys:
        rows = {row["estimator"]: row for row in toys["bit, t = .499"]["rows"]}
        worst = max(rows["relax"]["variances"]) / rows["score-function"]["variance"]
        rloo = rows["rloo"]["variance"] / rows["score-function"]["variance"]
        lines.append(
            f"- E (b - t)², t = .499, one bit: trained RELAX has {worst:.0e} of the score function's variance (worst "
            f"of {len(rows['relax']['variances'])} seeds), RLOO with two samples and nothing to train {rloo:.0e}; a "
            "constant baseline or DisARM leaves none, since one bit is a degenerate problem "
            "([all problems](gradients/results/toys.png), `gradients/toys.py`)."
        )
    if vae:
        ranked = sorted((found["row"] for found in vae.values()), key=lambda row: -row["best_held_out"])
        order = ", ".join(f"{row['method']} ({row['evaluations']})" for row in ranked)
        lines.append(
            f"- The VAE's held-out bound after {next(iter(vae.values()))['steps']} steps, best first, with evaluations "
            f"of the decoder in a step: {order} (`gradients/vae.py`, [curves](gradients/results/vae.png))."
        )
    if gaussian:
        lines.append(
            f"- The talk's Gaussian: eight variances in closed form, found in samples within "
            f"{gaussian['largest_difference']:.1%} (`gradients/gaussian.py`)."
        )
    if "float32" in cost:
        rows = cost["float32"]
        names = ("REBAR", "RELAX", "RELAX + variance")
        mine = ", ".join(f"{name} {rows[name]['ratio']:.1f} ({spread(rows[name])})" for name in names)
        double = ", ".join(f"{cost['float64'][name]['ratio']:.1f}" for name in names)
        peers = ", ".join(f"{name} {row['ratio']:.1f}" for name, row in rows.items() if name.startswith(("pyd", "sto")))
        lines.append(
            "- CPU time of a step in score-function steps through torch.distributions, 24 x 200 bits, float32, with "
            f"quartiles on a busy machine: {mine}; in float64 {double}"
            + (f"; peers in the same run: {peers}" if peers else "")
            + " (`gradients/cost.py`)."
        )
    return lines


def main() -> None:
    toys, cost, vae, gaussian = (load(f"gradients/{name}") or {} for name in ("toys", "cost", "vae", "gaussian"))
    toys = {row["problem"]: row for row in toys.get("rows", [])}
    vae = {row["method"]: row for row in vae.get("rows", [])}
    notes = [
        "Variance times evaluations of f, the score function's = 1, less is better; CPU in score-function steps, with",
        "training where there is something to train. Three seeds, medians; baselines and surrogates are trained at",
        "fixed parameters, which is their best case. The VAE has 32 bits and scikit-learn's digits, nats, and the",
        "held-out bound is the best one on the way: there the parameters move.",
    ]
    more = [*everything(toys, cost, vae), "", *notes, "", *sentences(toys, cost, vae, gaussian)]
    choice = ROOT / "e2c_control" / "gradients" / "README.md"
    publish(__doc__, [(choice, "gradients", choices(toys)), (PAGE, "gradients", more)])


if __name__ == "__main__":
    main()
