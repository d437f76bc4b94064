"""RELAX and LAX against a baseline that differs in the estimator alone: episodes to solve, returns, gradient variance.

CartPole-v1 with at most 200 steps (RELAX; solved when the last 100 episodes average above 195, at most 1,200 episodes,
one in an update) and Pendulum-v1 (LAX; 1,000 episodes, 200,000 steps, four side by side in an update). Networks as
published (Grathwohl et al. 2018): two layers of 10 for CartPole, of 64 for Pendulum. Both methods are tuned over the
same three learning rates on seeds 100 and 101, by the mean return of 400 episodes, each for itself, and then run on
seeds 0 to 9. What only RELAX and LAX have, the surrogate's learning rate and size, stays as it is by default.

Variance is that of one episode's gradient in the actor's weights, within windows of 20 consecutive episodes of the
training. In each window the score function is measured on the very episodes, returns and values of the method: the
ratio is paired, and below 1 where the surrogate helps. What the method learnt from an episode is used only after it.

    python -m experiments.agents.relax                      # hours; goes on where it was stopped
    python -m experiments.agents.relax --problems cartpole  # one of the two; another process may do the other
    python -m experiments.agents.relax --quick              # seconds, writes nothing
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize
from torch import nn

from e2c_control import LAX, RELAX, Estimator
from e2c_control.agents import A2CBaseline
from e2c_control.agents.policy_gradient import PolicyGradient, episode_gradients
from e2c_control.agents.policy_gradient.actions import look
from e2c_control.figures.canvas import BLUE, ORANGE, dress, new_figure, to_image
from e2c_control.gradients import ScoreFunction
from e2c_control.tables import table
from experiments.runner import Experiment, Row

torch.distributions.Distribution.set_default_validate_args(False)  # a fifth of the time, in networks this small

TUNING_SEEDS, SEEDS = (100, 101), tuple(range(10))
RATES, TUNING_EPISODES = (1e-3, 3e-3, 1e-2), 400
WINDOW = 20
COLOURS = {"baseline": BLUE, "controlled": ORANGE}


@dataclass(frozen=True)
class Problem:
    """What is learnt, and how it is judged."""

    name: str
    environment: str
    method: type[PolicyGradient]
    hidden: int
    activation: type[nn.Module]
    options: dict[str, Any]
    side_by_side: int
    episodes: int
    solved: float | None  # mean return of 100 episodes

    def vectors(self) -> VecEnv:
        """Environments; rewards and observations are scaled where they are large."""

        def one() -> Monitor[Any, Any]:
            return Monitor(gymnasium.make(self.environment, max_episode_steps=200))

        vectors = DummyVecEnv([one] * self.side_by_side)
        return vectors if self.solved is not None else VecNormalize(vectors, gamma=self.options["gamma"])

    def model(self, method: str, rate: float, seed: int) -> PolicyGradient:
        """A model that has learnt nothing."""
        kind = A2CBaseline if method == "baseline" else self.method
        nets = {"net_arch": [self.hidden, self.hidden], "activation_fn": self.activation}
        return kind(
            "MlpPolicy",
            self.vectors(),
            learning_rate=rate,
            n_steps=200,
            n_episodes=1,
            policy_kwargs=nets,
            seed=seed,
            device="cpu",
            **self.options,
        )


PROBLEMS = {
    "cartpole": Problem(
        "cartpole", "CartPole-v1", RELAX, 10, nn.ReLU, {"gamma": 0.99, "ent_coef": 0.01}, 1, 1200, solved=195.0
    ),
    "pendulum": Problem("pendulum", "Pendulum-v1", LAX, 64, nn.Tanh, {"gamma": 0.95}, 4, 1000, solved=None),
}


class Watch(BaseCallback):
    """Counts episodes, keeps returns and gradients, and stops where the problem is solved."""

    def __init__(self, problem: Problem, episodes: int) -> None:
        super().__init__()
        self.problem, self.most = problem, episodes
        self.returns: list[float] = []
        self.windows: list[dict[str, float]] = []
        self.solved_at: int | None = None
        self.gradients: dict[str, list[torch.Tensor]] = {"own": [], "score": []}
        self.generator = torch.Generator().manual_seed(0)  # its own: watching changes nothing

    def _on_step(self) -> bool:
        self.returns += [float(info["episode"]["r"]) for info in self.locals["infos"] if "episode" in info]
        full = len(self.returns) >= 100
        if self.problem.solved is not None and full and np.mean(self.returns[-100:]) > self.problem.solved:
            self.solved_at = len(self.returns)
        return self.solved_at is None and len(self.returns) < self.most

    def _on_rollout_end(self) -> None:
        model: Any = self.model
        for name, estimator in (("own", model.estimator), ("score", ScoreFunction())):
            self.gradients[name] += list(self._gradients(model, estimator, model.units))
        if len(self.gradients["own"]) < WINDOW:
            return
        row: dict[str, float] = {"episode": len(self.returns)}
        for name, kept in self.gradients.items():
            row[name] = float(torch.stack(kept).var(0).sum())
            row[f"{name}_second_moment"] = float(torch.stack(kept).square().sum(1).mean())
            kept.clear()
        self.windows.append(row)

    def _gradients(self, model: PolicyGradient, estimator: Estimator, units: float) -> torch.Tensor:
        """Of each episode, (E, weights), in the units of the rewards."""
        rollout = model.rollout_buffer.whole()
        seen = look(model.policy, rollout.observations)
        noise = {"u": rollout.noise.unsqueeze(0)}
        draw = estimator.draw(seen.distribution, noise=noise, generator=self.generator)
        values = (rollout.advantages / units).unsqueeze(0)
        estimate = estimator.estimate(draw, values, context=seen.features)
        return units * episode_gradients(model.policy, rollout, list(estimate.gradients.values()))


def run(problem: Problem, method: str, rate: float, seed: int, episodes: int) -> Row:
    """One training, as a row."""
    begun = time.process_time()
    model, watch = problem.model(method, rate, seed), Watch(problem, episodes)
    model.learn(10**9 if problem.solved is not None else 200 * episodes, callback=watch, log_interval=10**9)
    returns = np.array(watch.returns)
    blocks = [float(block.mean()) for block in np.split(returns, range(20, len(returns), 20))]
    return {
        "problem": problem.name,
        "method": method,
        "rate": rate,
        "seed": seed,
        "most_episodes": episodes,
        "episodes": len(returns),
        "mean_return": float(returns.mean()),
        "solved_at": watch.solved_at,
        "last_return": float(returns[-100:].mean()),
        "returns_by_20": [round(block, 2) for block in blocks],
        "variance": watch.windows,
        "cpu_seconds": round(time.process_time() - begun, 1),
    }


def of(rows: list[Row], **values: Any) -> list[Row]:
    """Those of the rows that have these values."""
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def tuning(rows: list[Row], problem: str, method: str) -> dict[float, list[float]]:
    """Mean returns on the seeds of the tuning so far, by learning rate."""
    own = of(rows, problem=problem, method=method)
    return {rate: [row["mean_return"] for s in TUNING_SEEDS for row in of(own, rate=rate, seed=s)] for rate in RATES}


def best_rate(rows: list[Row], problem: str, method: str) -> float | None:
    """The learning rate that is best on the tuning seeds, none if one of them is missing."""
    found = tuning(rows, problem, method)
    if any(len(values) < len(TUNING_SEEDS) for values in found.values()):
        return None
    return max(found, key=lambda rate: float(np.mean(found[rate])))


def measure(problem: str, seed: int, rate: float, method: str, rows: list[Row]) -> Row | list[Row]:
    """Train, on a fresh seed with the best learning rate alone."""
    tuned = seed in TUNING_SEEDS
    if not tuned and rate != best_rate(rows, problem, method):
        return []
    return run(PROBLEMS[problem], method, rate, seed, TUNING_EPISODES if tuned else PROBLEMS[problem].episodes)


def score(problem: Problem, row: Row) -> float:
    """What is judged, larger is better: minus episodes to solve, or the return of the last 100 episodes."""
    if problem.solved is None:
        return row["last_return"]
    return -float(row["most_episodes"] if row["solved_at"] is None else row["solved_at"])


def interval(values: list[float], seed: int = 0, draws: int = 10_000) -> dict[str, Any]:
    """Median, and the middle 95 % of medians of resampled values."""
    array = np.array(values)
    rng = np.random.default_rng(seed)
    medians = np.median(array[rng.integers(0, len(array), (draws, len(array)))], axis=1)
    low, high = np.quantile(medians, (0.025, 0.975))
    return {"median": float(np.median(array)), "low": float(low), "high": float(high), "values": values}


def variance_ratios(row: dict[str, Any]) -> float:
    """Geometric mean over the windows of a training: own variance by the score function's."""
    ratios = [w["own"] / w["score"] for w in row["variance"] if w["own"] > 0 and w["score"] > 0]
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else float("nan")


def final(rows: list[Row], problem: str, method: str) -> list[Row]:
    """Rows on the fresh seeds, in their order."""
    own = of(rows, problem=problem, method=method, rate=best_rate(rows, problem, method))
    return [row for seed in SEEDS for row in of(own, seed=seed)]


def summary(rows: list[Row]) -> dict[str, Any]:
    """Of the problems that both methods have finished."""
    done = (name for name in PROBLEMS if all(len(final(rows, name, method)) == len(SEEDS) for method in COLOURS))
    return {name: summary_of(rows, PROBLEMS[name]) for name in done}


def summary_of(rows: list[Row], problem: Problem) -> dict[str, Any]:
    """How both methods were tuned, and what came of it."""
    found: dict[str, Any] = {"tuning_seeds": TUNING_SEEDS, "seeds": SEEDS}
    for method in COLOURS:
        tuned = tuning(rows, problem.name, method)
        found[f"{method}_tuning"] = [{"rate": rate, "mean_returns": values} for rate, values in tuned.items()]
    return found | {method: judged(problem, final(rows, problem.name, method)) for method in COLOURS}


def judged(problem: Problem, rows: list[Row]) -> dict[str, Any]:
    """Of the rows of one method."""
    return {
        "rate": rows[0]["rate"],
        "score": interval([score(problem, row) for row in rows]),
        "mean_return": interval([row["mean_return"] for row in rows]),
        "solved": sum(row["solved_at"] is not None for row in rows),
        "variance_by_score_function": interval([variance_ratios(row) for row in rows]),
        "cpu_seconds_per_episode": float(np.median([row["cpu_seconds"] / row["episodes"] for row in rows])),
    }


def report(rows: list[Row]) -> None:
    """A line for each method, problem by problem."""
    for name, found in summary(rows).items():
        tell(PROBLEMS[name], found)


def tell(problem: Problem, found: Mapping[str, Any]) -> None:
    """A line for each method."""
    what = "episodes to solve" if problem.solved is not None else "last 100 returns"
    lines = [("method", what, "95 %", "solved", "variance / score function", "learning rate")]
    for method in COLOURS:
        row, sign = found[method], -1 if problem.solved is not None else 1
        s, v = row["score"], row["variance_by_score_function"]
        ends = sorted((sign * s["low"], sign * s["high"]))
        name = method if method == "baseline" else problem.method.__name__
        lines.append(
            (
                name,
                f"{sign * s['median']:.0f}",
                f"{ends[0]:.0f} to {ends[1]:.0f}",
                f"{row['solved']} of {len(s['values'])}" if problem.solved is not None else "-",
                f"{v['median']:.2f} ({v['low']:.2f} to {v['high']:.2f})",
                f"{row['rate']:g}",
            )
        )
    print(f"\n{problem.environment}\n{table(lines)}", flush=True)


def picture(rows: list[Row]) -> Any:
    """Returns and variance over episodes, medians and middle halves of the seeds."""
    names = list(summary(rows))
    figure = new_figure(1100, 380 * max(len(names), 1))
    panels = figure.subplots(max(len(names), 1), 2, squeeze=False)
    for name, (left, right) in zip(names, panels, strict=False):
        problem = PROBLEMS[name]
        for method, colour in COLOURS.items():
            own = final(rows, name, method)
            label = "baseline" if method == "baseline" else problem.method.__name__
            returns = [row["returns_by_20"] for row in own]
            ratios = [[w["own"] / w["score"] for w in row["variance"] if w["score"] > 0] for row in own]
            band(left, returns, colour, label)
            band(right, ratios, colour, label)
        dress(left, f"{problem.environment}: return", "episodes", "mean of 20 episodes")
        dress(right, "variance of an episode's gradient", "episodes", "relative to the score function")
        right.set_yscale("log")
        left.legend(frameon=False)
    return to_image(figure)


def band(axes: Any, curves: list[list[float]], colour: str, label: str) -> None:
    """Median and quartiles where at least half of the runs still go on; those that ended keep their last value."""
    lengths = sorted(len(curve) for curve in curves)
    length = lengths[len(lengths) // 2]
    if not length:
        return
    kept = np.array([[*curve, *[curve[-1]] * length][:length] for curve in curves if curve])
    x = WINDOW * (1 + np.arange(length))
    low, middle, high = np.quantile(kept, (0.25, 0.5, 0.75), axis=0)
    axes.plot(x, middle, color=colour, label=label)
    axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)


def quick() -> None:
    """Two seeds of a few episodes, without tuning."""
    for problem in PROBLEMS.values():
        found = {m: judged(problem, [run(problem, m, RATES[0], seed, 6) for seed in SEEDS[:2]]) for m in COLOURS}
        tell(problem, found)


EXPERIMENT = Experiment(
    __file__,
    # Methods in turns: what is stopped early is still a comparison.
    {"problem": list(PROBLEMS), "seed": (*TUNING_SEEDS, *SEEDS), "rate": RATES, "method": list(COLOURS)},
    measure,
    "{problem}, {method}, rate {rate:g}, seed {seed}: {episodes} episodes, the last 100 return {last_return:.0f}",
    quick,
    summary,
    report,
    picture,
    adaptive=True,
)

if __name__ == "__main__":
    EXPERIMENT.main()
