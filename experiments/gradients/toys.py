"""Every estimator on problems with exact gradients: bias, variance, cost, and the ranking at equal evaluations of f.

The toy of REBAR and RELAX, E (b - t)^2, at even odds with t = 0.45, 0.49, 0.499 and at p = 0.119 with t = 0.49; the
mean over ten such bits; three bits that interact; a choice among four; the talk's normal and a gamma, for the
continuous methods. Control variates and baselines are trained at fixed parameters first, each with three seeds; the
table has the median variance and all of them are written. Bias and variance are exact sums, by enumeration or
quadrature, where they can be ("exact"), and otherwise over many draws.

One bit is a degenerate problem: a constant baseline can leave no variance at all there, and at even odds biased
estimators look harmless. The other problems are the ones to choose by.

    python -m experiments.gradients.toys                        # writes results/toys.{json,png}
    python -m experiments.gradients.toys --problems "ten bits"  # this problem alone
    python -m experiments.gradients.toys --quick                # seconds, writes nothing
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from e2c_control import Estimator, check_unbiased
from e2c_control.figures.canvas import BLUE, ORANGE, dress, new_figure, to_image
from e2c_control.gradients import Concrete, Toy, estimators_for, exact_gradient, make_estimator, train_estimator
from e2c_control.gradients.exact import all_points
from e2c_control.gradients.statistics import cpu_microseconds, step_of
from e2c_control.gradients.toys import bit, bits, choice, gamma, gaussian, interacting
from e2c_control.tables import table
from experiments.runner import Experiment

PROBLEMS: dict[str, Callable[[], Toy]] = {
    "bit, t = .45": lambda: bit(0.45),
    "bit, t = .49": lambda: bit(0.49),
    "bit, t = .499": lambda: bit(0.499),
    "bit, t = .49, p = .119": lambda: bit(0.49, 0.119),
    "ten bits": bits,
    "three bits": interacting,
    "four choices": choice,
    "normal": gaussian,
    "gamma": gamma,
}
CONTINUOUS = ("normal", "gamma")
HEADLINE = 1e-4  # of the score function's variance, for trained RELAX at t = 0.499


def contestants(toy: Toy, seed: int) -> dict[str, tuple[Estimator, int]]:
    """Estimators with the number of samples that each takes."""
    generator = torch.Generator().manual_seed(seed)
    found = {
        name: (estimator, estimator.least)
        for name, estimator in estimators_for(toy.distribution, generator).items()
        if not estimator.many_samples
    }
    found["rloo-4"] = (make_estimator("rloo", toy.distribution), 4)
    if "concrete" in found:
        found["rebar-untrained"] = (make_estimator("rebar", toy.distribution), 1)
        found |= {f"concrete-{temperature:g}": (Concrete(temperature), 1) for temperature in (0.1, 1.0)}
    return found


def train(estimator: Estimator, name: str, toy: Toy, steps: int, seed: int) -> None:
    """Control variates and baselines learn; `rebar-untrained` does not."""
    if not estimator.state_dict() or name.endswith("untrained"):
        return
    generator = torch.Generator().manual_seed(1000 + seed)
    steps = steps if list(estimator.parameters()) else max(steps // 5, 1)
    train_estimator(estimator, toy.f, toy.distribution, steps, generator=generator)


def measure(toy: Toy, steps: int, draws: int, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """A row for each estimator."""
    rows: list[dict[str, Any]] = []
    truth = exact_gradient(toy.f, toy.distribution)
    assert truth is not None
    steps_to_time: dict[str, Callable[[], None]] = {}
    for name in contestants(toy, 0):
        variances: list[float] = []
        checks: list[Any] = []
        for seed in seeds:
            estimator, n = contestants(toy, seed)[name]
            train(estimator, name, toy, steps, seed)
            generator = torch.Generator().manual_seed(2000 + seed)
            checks.append(check_unbiased(estimator, toy.f, toy.distribution, n, draws=draws, generator=generator))
            variances.append(float(checks[-1].variance.sum()))
            if not estimator.state_dict():
                break  # nothing that another seed would change but noise
        median = float(np.median(variances))
        check = checks[int(np.argmin(np.abs(np.array(variances) - median)))]
        evaluations = estimator.evaluations(n)
        steps_to_time[name] = step_of(estimator, toy.f, toy.distribution, n)
        bias = float((check.mean - check.exact).square().sum().sqrt())
        rows.append(
            {
                "estimator": name,
                "claims_unbiased": estimator.unbiased,
                "found_unbiased": all(check.unbiased for check in checks),
                "method": "exact" if all_points(estimator, toy.distribution, n) is not None else "draws",
                "samples": n,
                "evaluations": evaluations,
                "bias": bias,
                "relative_bias": bias / float(check.exact.square().sum().sqrt()),
                "z": check.z,
                "variance": median,
                "variances": variances,
                "variance_times_evaluations": median * evaluations,
            }
        )
    costs = cpu_microseconds(steps_to_time)
    base = next(row for row in rows if row["estimator"] == "score-function")
    for row in rows:
        row["variance_ratio"] = row["variance"] / base["variance"]
        row["cpu_microseconds"] = costs[row["estimator"]]
        row["cost_ratio"] = costs[row["estimator"]] / costs["score-function"]
    return rows


def report(problem: str, rows: list[dict[str, Any]]) -> None:
    """A table, best first: variance times evaluations of f, biased ones last."""
    print(f"\n{problem}")
    lines = [("estimator", "biased", "bias/|g|", "variance", "evaluations", "var x eval", "CPU / SF", "by")]
    best_first = sorted(rows, key=lambda row: (not row["claims_unbiased"], row["variance_times_evaluations"]))
    lines.extend(
        (
            row["estimator"],
            "no" if row["claims_unbiased"] else "BIASED",
            f"{row['relative_bias']:.1e}",
            f"{row['variance']:.2e}",
            str(row["evaluations"]),
            f"{row['variance_times_evaluations']:.2e}",
            f"{row['cost_ratio']:.1f}",
            row["method"],
        )
        for row in best_first
    )
    print(table(lines), flush=True)


def picture(problems: dict[str, list[dict[str, Any]]]) -> Any:
    """Variance times evaluations for each problem, relative to the score function."""
    names = [row["estimator"] for row in max(problems.values(), key=len)]
    figure = new_figure(1400, 640)
    panels = figure.subplots(1, len(problems), sharey=True)
    floor = 1e-10  # what is less, 0 included, is drawn to the edge
    for axes, (problem, rows) in zip(np.atleast_1d(panels), problems.items(), strict=True):
        by_name = {row["estimator"]: row for row in rows}
        base = by_name["score-function"]["variance_times_evaluations"]
        for place, name in enumerate(reversed(names)):
            if name not in by_name:
                continue
            row = by_name[name]
            value = max(row["variance_times_evaluations"] / base, floor)
            axes.plot([floor, value], [place, place], color="#dddddd", linewidth=1, zorder=1)
            axes.scatter([value], [place], color=BLUE if row["claims_unbiased"] else ORANGE, s=28, zorder=2)
        axes.axvline(1, color="#999999", linewidth=0.8)
        axes.set_xscale("log")
        axes.set_xlim(floor, 1e2)
        dress(axes, problem)
        axes.title.set_fontsize(9)
    np.atleast_1d(panels)[0].set_yticks(range(len(names)), list(reversed(names)))
    figure.suptitle("variance x evaluations of f, relative to the score function   (orange: biased)", fontsize=12)
    return to_image(figure)


@dataclass(frozen=True)
class Options:
    steps: int = 1500
    draws: int = 100_000
    seeds: tuple[int, ...] = (0, 1, 2)


def measure_problem(problem: str, steps: int, draws: int, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Measure all estimators on a problem, and tell what was found."""
    rows = measure(PROBLEMS[problem](), steps, draws, seeds)
    report(problem, rows)
    wrong = [row["estimator"] for row in rows if row["claims_unbiased"] and not row["found_unbiased"]]
    if wrong:
        print(f"biased against their claim: {', '.join(wrong)}")
    if problem == "bit, t = .499":
        headline = max(next(row for row in rows if row["estimator"] == "relax")["variances"]) / rows[0]["variance"]
        print(f"trained RELAX, worst seed: {headline:.1e} of the score function's variance (at most {HEADLINE:.0e})")
    how = {"steps": steps, "draws": draws, "seeds": seeds, "biased_against_claim": wrong}
    return {"problem": problem, "rows": rows, **how}


def discrete(rows: list[dict[str, Any]]) -> Any:
    """Draw the problems without continuous variables."""
    found = {row["problem"]: row["rows"] for row in rows}
    return picture({name: found[name] for name in PROBLEMS if name in found and name not in CONTINUOUS})


EXPERIMENT = Experiment(
    __file__,
    {"problem": PROBLEMS},
    measure_problem,
    "{problem} is done",
    lambda: [measure_problem(problem, 10, 500, (100,)) for problem in ("bit, t = .499", "normal")],
    picture=discrete,
    options=Options,
)


if __name__ == "__main__":
    EXPERIMENT.main()
