"""MMD for codes with channels: may they be summed? And why does a kernel that is widely copied swing between signs?

Both questions come from one thread on the authors' repository, about codes of 1024 channels of 8 numbers, compared with
N(0, I). Here 16 channels of 8, batches of 100, means and deviations over 200 batches (4 for the last way):

1. Four sets of codes - each number drawn from the prior by itself, 16 copies of one channel, all of them 0, and all
   twice too large - judged in three ways: flattened to 128 numbers, summed over channels to 8, and with channels as
   further rows of the batch. A penalty is right if it is 0 for the first and well above 0 for the others.
2. A form of the kernel that was copied between repositories until 2020 computes norms from sums of coordinates instead
   of sums of squares, and one inner product for the whole batch, so that "distances" are negative and the kernel has
   poles. Values and gradients of it and of the right one, for codes of deviation 0.05 to 1.

    python -m experiments.autoencoders.mmd          # writes results/mmd.{json,png}
    python -m experiments.autoencoders.mmd --quick  # seconds, writes nothing
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from e2c_control.autoencoders import mmd
from e2c_control.autoencoders.kernels import SCALES
from e2c_control.figures.canvas import BLUE, ORANGE, dress, new_figure, to_image
from e2c_control.tables import table
from experiments.runner import measure_whole

RESULTS = Path(__file__).parent / "results"
ROWS, CHANNELS, LENGTH = 100, 16, 8
DEVIATIONS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)

CODES: dict[str, Callable[[torch.Generator], Tensor]] = {
    "drawn from the prior": lambda g: torch.randn(ROWS, CHANNELS, LENGTH, generator=g),
    "copies of one channel": lambda g: torch.randn(ROWS, 1, LENGTH, generator=g).expand(-1, CHANNELS, -1),
    "all zero": lambda g: torch.zeros(ROWS, CHANNELS, LENGTH),
    "twice too large": lambda g: 2.0 * torch.randn(ROWS, CHANNELS, LENGTH, generator=g),
}
FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "flattened": lambda z: z.flatten(1),
    "summed over channels": lambda z: z.sum(1),
    "channels as rows": lambda z: z.flatten(0, 1),
}


def judged(form: str, codes: str, batches: int, seed: int) -> dict[str, float]:
    """The penalty of a form, over batches; draws have the shape that the form gives, and deviation 1."""
    generator = torch.Generator().manual_seed(seed)
    values: list[float] = []
    for _ in range(max(batches // (50 if form == "channels as rows" else 1), 2)):  # 256 times as many pairs
        z = FORMS[form](CODES[codes](generator))
        values.append(float(mmd(z, torch.randn(z.shape, generator=generator))))
    return {"mean": float(np.mean(values)), "deviation": float(np.std(values))}


def broken(q: Tensor, p: Tensor) -> Tensor:
    """The copied form: |x|² is the sum of x's coordinates, x·y one number for the whole batch, and y's sums are x's."""
    base, total = 2.0 * q.shape[1], q.new_zeros(())
    sums = q.sum(1, keepdim=True)
    squared = sums + sums.T - 2.0 * sums.T @ sums
    n = len(q)
    for scale in SCALES:
        k = scale * base / (scale * base + squared)
        total = total + 2.0 * (k * (1 - torch.eye(n))).sum() / (n * (n - 1)) - 2.0 * k.mean()
    return total


def swing(form: Callable[[Tensor, Tensor], Tensor], deviation: float, draws: int, seed: int) -> dict[str, Any]:
    """Values and gradient norms over batches of 8 numbers."""
    generator = torch.Generator().manual_seed(seed)
    values: list[float] = []
    norms: list[float] = []
    for _ in range(draws):
        q = (deviation * torch.randn(ROWS, LENGTH, generator=generator)).requires_grad_()
        value = form(q, torch.randn(ROWS, LENGTH, generator=generator))
        (gradient,) = torch.autograd.grad(value, q)
        values.append(float(value.detach()))
        norms.append(float(gradient.double().norm()))
    return {
        "least": min(values),
        "most": max(values),
        "negative": float(np.mean(np.array(values) < 0)),
        "values": values[:40],
        "gradient_median": float(np.median(norms)),
        "gradient_most": max(norms),
    }


def measure(batches: int, draws: int, seed: int) -> dict[str, Any]:
    forms = {form: {codes: judged(form, codes, batches, seed) for codes in CODES} for form in FORMS}
    kernels = {"as published": mmd, "as copied": broken}
    swings = {name: {str(s): swing(form, s, draws, seed) for s in DEVIATIONS} for name, form in kernels.items()}
    return {"forms": forms, "swings": swings}


def report(result: dict[str, Any]) -> None:
    lines = [("penalty: mean ± deviation", *CODES)]
    lines.extend(
        (form, *(f"{entry['mean']:+.4f} ± {entry['deviation']:.4f}" for entry in row.values()))
        for form, row in result["forms"].items()
    )
    print(table(lines))
    lines = [("kernel, deviation of codes", "least", "most", "negative", "gradient", "largest")]
    for name, row in result["swings"].items():
        lines.extend(
            (
                f"{name}, {deviation}",
                f"{e['least']:.3g}",
                f"{e['most']:.3g}",
                f"{e['negative']:.0%}",
                f"{e['gradient_median']:.2g}",
                f"{e['gradient_most']:.2g}",
            )
            for deviation, e in row.items()
        )
    print(table(lines), flush=True)


def picture(result: dict[str, Any]) -> Any:
    figure = new_figure(1180, 470)
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    places = np.arange(len(CODES))
    for i, (form, row) in enumerate(result["forms"].items()):
        means = [row[codes]["mean"] for codes in CODES]
        errors = [row[codes]["deviation"] for codes in CODES]
        colour = (BLUE, ORANGE, "#999999")[i]
        left.bar(places + 0.26 * (i - 1), means, 0.24, yerr=errors, color=colour, label=form, error_kw={"linewidth": 1})
    left.axhline(0, color="#222222", linewidth=0.8)
    left.set_xticks(places, [name.replace(" from ", "\nfrom ").replace(" of ", "\nof ") for name in CODES], fontsize=9)
    dress(left, "right: 0 for the first, clearly more for the others", "codes of 16 channels of 8 numbers", "MMD²")
    left.legend(fontsize=9, frameon=False)
    for name, colour in (("as copied", ORANGE), ("as published", BLUE)):
        for deviation, entry in result["swings"][name].items():
            x = np.full(len(entry["values"]), float(deviation))
            right.scatter(
                x, entry["values"], s=12, color=colour, linewidths=0, label=name if deviation == "0.05" else None
            )
    right.set_yscale("symlog", linthresh=0.1)
    right.set_xscale("log")
    right.set_xticks(DEVIATIONS, [f"{d:g}" for d in DEVIATIONS])
    right.minorticks_off()
    right.axhline(0, color="#222222", linewidth=0.8)
    dress(right, "the same penalty by two kernels, 40 batches each", "deviation of the codes (1 is right)", "MMD²")
    right.legend(fontsize=9, frameon=False)
    return to_image(figure)


def measure_all(quick: bool) -> dict[str, Any]:
    if quick:
        return measure(2, 2, 100)
    return measure(200, 200, 0) | {"rows": ROWS, "channels": CHANNELS, "length": LENGTH, "seed": 0}


if __name__ == "__main__":
    measure_whole(__file__, measure_all, report, picture)
