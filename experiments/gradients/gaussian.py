"""The talk's Gaussian example: F = z^2 + c, z ~ N(mu, sigma), by reparameterisation and by the score function.

Its four variances in closed form, and what is left of the score function's with the mean or the best constant as a
baseline, against the variance of samples, within 2 %:

    reparameterisation   4 sigma^2                                            4 mu^2 + 8 sigma^2
    score function       (mu^2 + c)^2 / sigma^2 + 15 sigma^2 + 14 mu^2 + 6 c
                         2 (mu^2 + c)^2 / sigma^2 + 74 sigma^2 + 60 mu^2 + 20 c
    with the mean        8 mu^2 + 10 sigma^2                                  40 mu^2 + 56 sigma^2
    with the optimum     8 mu^2 + 6 sigma^2                                   40 mu^2 + 24 sigma^2

The first column (or line) is for mu, the second for sigma. Without a baseline, variance grows with c, which no gradient
depends on; the picture shows it.

    python -m experiments.gradients.gaussian          # writes results/gaussian.{json,png}
    python -m experiments.gradients.gaussian --quick  # seconds, writes nothing
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from e2c_control import Estimator
from e2c_control.figures.canvas import BLUE, GREEN, INK, ORANGE, dress, new_figure, to_image
from e2c_control.gradients import Mean, OptimalConstant, Reparameterisation, ScoreFunction
from e2c_control.gradients.check import moments
from e2c_control.gradients.toys import gaussian
from e2c_control.tables import table
from experiments.runner import measure_whole

MU, SIGMA, C = 0.7, 1.3, 5.0
TOLERANCE = 0.02
COLOURS = {"reparameterisation": GREEN, "score function": ORANGE, "with the mean": BLUE, "with the optimum": INK}


def closed_forms(mu: float, sigma: float, c: float) -> dict[str, tuple[float, float]]:
    """Variances of single-sample estimates of the gradients in mu and sigma."""
    square, m, s = (mu**2 + c) ** 2 / sigma**2, mu**2, sigma**2
    return {
        "reparameterisation": (4 * s, 4 * m + 8 * s),
        "score function": (square + 15 * s + 14 * m + 6 * c, 2 * square + 74 * s + 60 * m + 20 * c),
        "with the mean": (8 * m + 10 * s, 40 * m + 56 * s),
        "with the optimum": (8 * m + 6 * s, 40 * m + 24 * s),
    }


def settled(baseline: Mean | OptimalConstant, toy: Any, samples: int, generator: torch.Generator) -> ScoreFunction:
    """A score function whose baseline has seen many samples."""
    estimator = ScoreFunction(baseline.double())
    for _ in range(max(samples // 50_000, 1)):
        estimator(toy.f, toy.distribution, 50_000, generator=generator)
        estimator.update()
    return estimator


def measure(samples: int, seed: int) -> list[dict[str, Any]]:
    """A row for each estimator: variances in closed form and of samples, and their ratio."""
    toy, generator = gaussian(MU, SIGMA, C), torch.Generator().manual_seed(seed)
    estimators: dict[str, Estimator] = {
        "reparameterisation": Reparameterisation(),
        "score function": ScoreFunction(),
        "with the mean": settled(Mean(), toy, samples, generator),
        "with the optimum": settled(OptimalConstant(), toy, samples, generator),
    }
    rows: list[dict[str, Any]] = []
    for name, estimator in estimators.items():
        mean, variance = moments(estimator, toy.f, toy.distribution, 1, samples, generator)
        for i, parameter in enumerate(("mu", "sigma")):
            formula = closed_forms(MU, SIGMA, C)[name][i]
            exact = 2 * (MU, SIGMA)[i]
            row = {"estimator": name, "parameter": parameter, "closed_form": formula, "sampled": float(variance[i])}
            rows.append(row | {"ratio": float(variance[i]) / formula, "mean": float(mean[i]), "exact_mean": exact})
    return rows


def picture() -> Any:
    """Variance for mu against c."""
    figure = new_figure(700, 430)
    axes = figure.subplots()
    constants = np.linspace(-10, 20, 200)
    for name, colour in COLOURS.items():
        axes.plot(constants, [closed_forms(MU, SIGMA, c)[name][0] for c in constants], color=colour, label=name)
    axes.set_yscale("log")
    axes.legend(frameon=False)
    dress(axes, f"gradient in mu of E[z² + c], mu = {MU}, sigma = {SIGMA}", "c", "variance of one sample's estimate")
    return to_image(figure)


@dataclass(frozen=True)
class Options:
    samples: int = 4_000_000
    seed: int = 0


def measure_all(quick: bool, samples: int, seed: int) -> dict[str, Any]:
    samples = 100_000 if quick else samples
    rows = measure(samples, seed)
    about = {"mu": MU, "sigma": SIGMA, "c": C, "samples": samples, "seed": seed}
    return {**about, "rows": rows, "largest_difference": max(abs(row["ratio"] - 1) for row in rows)}


def report(result: dict[str, Any]) -> None:
    lines = [("estimator", "parameter", "closed form", "sampled", "ratio")]
    for row in result["rows"]:
        numbers = (f"{row['closed_form']:.3f}", f"{row['sampled']:.3f}", f"{row['ratio']:.4f}")
        lines.append((row["estimator"], row["parameter"], *numbers))
    print(table(lines))
    print(f"largest difference: {result['largest_difference']:.2%} (to be within {TOLERANCE:.0%})")


if __name__ == "__main__":
    found = measure_whole(__file__, measure_all, report, lambda result: picture(), Options)
    if found["samples"] > 1_000_000 and found["largest_difference"] > TOLERANCE:
        raise SystemExit("The samples disagree with the closed forms.")
