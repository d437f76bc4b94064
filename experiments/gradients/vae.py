"""A discrete VAE on real images: the evidence bound that each estimator reaches, in training and on held-out digits.

scikit-learn's 1797 handwritten digits, 8 x 8, binarised at half brightness; 1400 for training, 397 held out. Encoder
64-100-32 (tanh), 32 Bernoulli latents with a learned factorised prior, decoder 32-100-64 (tanh), batches of 50.

    ELBO = E_q[log p(x | b)] - KL(q || p)

The divergence is exact and differentiated by torch; the estimators handle f(b) = log p(x | b), whose own parameters,
the decoder's, get their gradient from the same surrogate. Each estimator is one line; everything else is the same.
Surrogates and eta, tau are trained on the variance of the gradient at the logits, ten times as fast as the rest. Each
estimator has the better of two learning rates, by its training bound with seed 100 after half the steps. Gradient
variance is that of the encoder's weights, from moving averages.

    python -m experiments.gradients.vae                              # writes results/vae.{json,png}
    python -m experiments.gradients.vae --methods REBAR RELAX        # these alone
    python -m experiments.gradients.vae --quick                      # seconds, writes nothing
    python -m experiments.gradients.vae --logdir runs/gradients_vae  # with curves for TensorBoard, too
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

from e2c_control import Estimator
from e2c_control.figures.canvas import dress, new_figure, to_image
from e2c_control.gradients import (
    NVIL,
    REBAR,
    RELAX,
    RLOO,
    Concrete,
    DisARM,
    GradientMonitor,
    MuProp,
    StraightThrough,
    SurrogateNetwork,
)
from e2c_control.tables import table
from experiments.runner import Experiment

PIXELS, LATENTS, HIDDEN, BATCH, TRAINING = 64, 32, 100, 50, 1400
RATES, FACTOR = (1e-3, 3e-3), 10.0
TUNING_SEED = 100


def surrogate(generator: torch.Generator) -> SurrogateNetwork:
    """c(z, x)."""
    return SurrogateNetwork(LATENTS, (HIDDEN,), context_size=PIXELS, generator=generator)


class Baseline(nn.Module):
    """C(x) of NVIL."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 1), nn.Flatten(0))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


METHODS: dict[str, tuple[Callable[[torch.Generator], Estimator], int]] = {
    "RLOO, 2": (lambda g: RLOO(), 2),
    "MuProp": (lambda g: MuProp(), 1),
    "REBAR": (lambda g: REBAR(), 1),
    "RELAX": (lambda g: RELAX(surrogate(g)), 1),
    "RELAX with f": (lambda g: RELAX(surrogate(g), relaxed_f=True), 1),
    "Concrete (biased)": (lambda g: Concrete(0.5), 1),
    "ST (biased)": (lambda g: StraightThrough(), 1),
    "DisARM, 2": (lambda g: DisARM(), 2),
    "NVIL": (lambda g: NVIL(Baseline()), 1),
    "RLOO, 4": (lambda g: RLOO(), 4),
}


class VAE(nn.Module):
    """Encoder, prior, decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, LATENTS))
        self.decoder = nn.Sequential(nn.Linear(LATENTS, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, PIXELS))
        self.prior = nn.Parameter(torch.zeros(LATENTS))

    def posterior(self, x: Tensor) -> Independent:
        return Independent(Bernoulli(logits=self.encoder(x), validate_args=False), 1)

    def divergence(self, q: Independent) -> Tensor:
        """KL(q || p), (N,)."""
        p = Bernoulli(logits=self.prior.expand(q.batch_shape + q.event_shape), validate_args=False)
        return kl_divergence(q, Independent(p, 1))

    def log_likelihood(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """f: (S, N, latents) -> (S, N)."""

        def f(b: Tensor) -> Tensor:
            logits = self.decoder(2 * b - 1)
            target = x.expand_as(logits)
            return -binary_cross_entropy_with_logits(logits, target, reduction="none").sum(-1)

        return f

    @torch.no_grad()
    def bound(self, x: Tensor, samples: int, generator: torch.Generator) -> float:
        """Mean ELBO with hard samples, nats per image."""
        q = self.posterior(x)
        p = torch.sigmoid(self.encoder(x)).expand(samples, -1, -1)
        b = torch.bernoulli(p, generator=generator)
        return float((self.log_likelihood(x)(b).mean(0) - self.divergence(q)).mean())


def digits() -> tuple[Tensor, Tensor]:
    """Training and held-out images (N, 64), 0 or 1."""
    from sklearn.datasets import load_digits

    images: Any = load_digits()
    pixels = torch.tensor(np.asarray(images.data) > 7.5, dtype=torch.float32)
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
    return pixels[order[:TRAINING]], pixels[order[TRAINING:]]


def initialise(model: nn.Module, generator: torch.Generator) -> None:
    """The same weights for all methods of a seed, from the generator."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear):
                bound = module.in_features**-0.5
                module.weight.uniform_(-bound, bound, generator=generator)
                module.bias.zero_()


def run(method: str, rate: float, seed: int, steps: int, every: int, logdir: Path | None = None) -> dict[str, Any]:
    """Train one VAE; curves of both bounds and of the gradient's variance."""
    train, held_out = digits()
    make, samples = METHODS[method]
    generator = torch.Generator().manual_seed(seed)
    model = VAE()
    initialise(model, generator)
    estimator = make(generator)
    if isinstance(estimator, NVIL):
        initialise(estimator, generator)
    optimizer = torch.optim.Adam(model.parameters(), rate)
    own = list(estimator.parameters())
    learner = torch.optim.Adam(own, FACTOR * rate) if own else None
    monitor, events = GradientMonitor(), open_events(logdir, method, seed)
    tags = {"elbo/train": "train", "elbo/held_out": "held_out", "gradient/variance": "variance"}
    curve: dict[str, list[float]] = {"step": [], "train": [], "held_out": [], "variance": []}
    spent, loss, variance = 0.0, 0.0, 0.0
    for step in range(steps + 1):
        if step % every == 0:
            measuring = torch.Generator().manual_seed(seed + 10_000)
            curve["step"].append(step)
            curve["train"].append(model.bound(train, 5, measuring))
            curve["held_out"].append(model.bound(held_out, 50, measuring))
            curve["variance"].append(variance)
            if events is not None:
                for tag, value in tags.items():
                    events.add_scalar(tag, curve[value][-1], step)
                events.add_scalar("surrogate/loss", loss, step)
        if step == steps:
            break
        begun = time.process_time()
        x = train[torch.randint(len(train), (BATCH,), generator=generator)]
        q = model.posterior(x)
        estimate = estimator(model.log_likelihood(x), q, samples, generator=generator, context=x)
        optimizer.zero_grad()
        (model.divergence(q).mean() - estimate.surrogate).backward()
        loss = estimator.update(learner)
        optimizer.step()
        spent += time.process_time() - begun
        variance = monitor.observe(p.grad for p in model.encoder.parameters() if p.grad is not None)
    if events is not None:
        events.close()
    options = {"method": method, "rate": rate, "seed": seed}
    return options | {"evaluations": estimator.evaluations(samples), "cpu_seconds": spent, "curve": curve}


def tune(method: str, steps: int, tuning: list[dict[str, Any]]) -> float:
    """Learning rates by the training bound; all that were tried are written down."""
    half = max(steps // 2, 1)
    for rate in RATES:
        found = run(method, rate, TUNING_SEED, half, half)
        tuning.append({"method": method, "rate": rate, "train": found["curve"]["train"][-1]})
    return max(tuning, key=lambda row: row["train"])["rate"]


def open_events(logdir: Path | None, method: str, seed: int) -> Any:
    """A TensorBoard writer, if a folder is given."""
    if logdir is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(logdir / f"{method.split(' (')[0].replace(', ', '-').replace(' ', '-')}-{seed}"))


def summarise(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard error over a method's seeds: the bounds, the best held-out one, the variance."""
    row: dict[str, Any] = {key: runs[0][key] for key in ("method", "rate", "evaluations")}
    values = {name: [run["curve"][name][-1] for run in runs] for name in ("train", "held_out", "variance")}
    values["best_held_out"] = [max(run["curve"]["held_out"]) for run in runs]
    for name, found in values.items():
        row[name] = float(np.mean(found))
        row[f"{name}_error"] = float(np.std(found, ddof=1) / len(found) ** 0.5) if len(found) > 1 else 0.0
    row["seeds"] = len(runs)
    row["cpu_milliseconds"] = 1e3 * float(np.mean([run["cpu_seconds"] / run["curve"]["step"][-1] for run in runs]))
    return row


def report(rows: list[dict[str, Any]]) -> str:
    """The table as text, best training bound first."""
    lines = [("method", "evaluations", "training ELBO", "held-out ELBO", "best held-out", "variance", "CPU ms", "rate")]
    lines.extend(
        (
            row["method"],
            str(row["evaluations"]),
            f"{row['train']:.2f} ± {row['train_error']:.2f}",
            f"{row['held_out']:.2f} ± {row['held_out_error']:.2f}",
            f"{row['best_held_out']:.2f} ± {row['best_held_out_error']:.2f}",
            f"{row['variance']:.3g}",
            f"{row['cpu_milliseconds']:.2f}",
            f"{row['rate']:g}",
        )
        for row in sorted(rows, key=lambda row: -row["train"])
    )
    return table(lines)


def picture(runs: list[dict[str, Any]]) -> Any:
    """Curves: mean over seeds."""
    figure = new_figure(1300, 480)
    panels = figure.subplots(1, 3)
    titles = (("train", "training ELBO, nats"), ("held_out", "held-out ELBO, nats"), ("variance", "gradient variance"))
    for number, method in enumerate(METHODS):
        mine = [run["curve"] for run in runs if run["method"] == method]
        if not mine:
            continue
        style = "--" if "biased" in method else "-"
        for axes, (name, _) in zip(panels, titles, strict=True):
            mean = np.mean([curve[name] for curve in mine], axis=0)
            steps = np.array(mine[0]["step"])
            first = 1 if name == "variance" else 0
            axes.plot(steps[first:], mean[first:], style, color=f"C{number}", label=method, linewidth=1.3)
    for axes, (name, title) in zip(panels, titles, strict=True):
        dress(axes, title, "step")
        if name == "variance":
            axes.set_yscale("log")
        else:
            low = np.median([run["curve"][name][2 if len(run["curve"][name]) > 2 else 0] for run in runs])
            axes.set_ylim(bottom=float(low))
    panels[0].legend(frameon=False, fontsize=8)
    return to_image(figure)


@dataclass(frozen=True)
class Options:
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 2000
    logdir: Path | None = None
    """folder for TensorBoard"""


def measure(
    method: str, seeds: tuple[int, ...], steps: int, logdir: Path | None = None, every: int | None = None
) -> dict[str, Any]:
    """Tune a method's learning rate, and train with it."""
    tuning: list[dict[str, Any]] = []
    rate = tune(method, steps, tuning)
    runs: list[dict[str, Any]] = []
    for seed in seeds:
        runs.append(run(method, rate, seed, steps, every or steps // 15, logdir))
        last = {name: values[-1] for name, values in runs[-1]["curve"].items()}
        name = f"{method}, seed {seed}, rate {rate:g}"
        print(f"{name}: ELBO {last['train']:.2f}, held out {last['held_out']:.2f}", flush=True)
    how = {"steps": steps, "batch": BATCH, "latents": LATENTS, "hidden": HIDDEN}
    return {"method": method, "row": summarise(runs), "runs": runs, "tuning": tuning, **how}


def tell(rows: list[dict[str, Any]]) -> None:
    print(report([row["row"] for row in rows]))


EXPERIMENT = Experiment(
    __file__,
    {"method": METHODS},
    measure,
    "{method} is done",
    lambda: tell([measure(method, (101,), 6, every=3) for method in ("RLOO, 2", "RELAX with f")]),
    report=tell,
    picture=lambda rows: picture([run for row in rows for run in row["runs"]]),
    options=Options,
)


if __name__ == "__main__":
    EXPERIMENT.main()
