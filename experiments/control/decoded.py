"""How well the decoder of the default recipe draws what moves: on frames that training never saw, and five steps ahead.

Each world is collected and trained by the defaults of `e2c`, then 400 windows of another collection are decoded. A
decoded picture shows the state whose rendering is nearest to it (least squares over a grid of states); it is right if
every marker of that state is within a pixel of where it truly is, or within two pixels, five steps ahead. Planar: the
agent; pendulum: the tip of the rod; cart-pole: the cart and the tip of the pole. `peak` is for the planar world: where
the picture is brightest above the background, within a pixel.

`regression` is a network that was trained to tell the true markers from the latents: what it cannot tell, the map has
lost or predicted wrongly.

    python -m experiments.control.decoded          # about an hour
    python -m experiments.control.decoded --quick
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from e2c_control import Embedding
from e2c_control.data import Transitions
from e2c_control.envs import make_task
from e2c_control.envs.cart_pole import PIXELS_PER_METRE, POLE_LENGTH
from e2c_control.envs.pendulum import ROD_LENGTH
from e2c_control.evaluation import TrainedRun
from e2c_control.models.layers import mlp
from experiments.control.commands import QUICK, More, collected, train
from experiments.runner import Experiment, Row

Array = NDArray[np.float64]
AHEAD, WINDOWS = 5, 400
TOLERANCE = {0: 1.0, AHEAD: 2.0}  # pixels


@dataclass(frozen=True)
class Marked:
    """A world's markers.

    Attributes:
        places: states (N, n) to places (N, d) in pixels.
        grid: states (N, n) on a lattice that covers the given ones.
    """

    places: Callable[[Array], Array]
    grid: Callable[[Array], Array]


def lattice(states: Array, sizes: tuple[int, ...]) -> Array:
    """Return a lattice of that many points a dimension; a size of 1 stands for zero, as speeds do not show."""
    low, high = states.min(0), states.max(0)
    axes = [np.linspace(a, b, n) if n > 1 else np.zeros(1) for a, b, n in zip(low, high, sizes, strict=True)]
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], 1)


def pole(states: Array) -> Array:
    """Return columns of the cart and the tip of the pole, and the row of the tip, (N, 3)."""
    cart, angle = PIXELS_PER_METRE * states[:, 2], states[:, 0]
    return np.stack([cart, cart + POLE_LENGTH * np.sin(angle), POLE_LENGTH * np.cos(angle)], 1)


def rod(states: Array) -> Array:
    """Return column and row of the tip, (N, 2)."""
    return ROD_LENGTH * np.stack([np.sin(states[:, 0]), np.cos(states[:, 0])], 1)


MARKED = {
    "planar": Marked(lambda states: states, lambda states: lattice(states, (75, 75))),
    "pendulum": Marked(rod, lambda states: lattice(states, (721, 1))),
    "cart-pole": Marked(pole, lambda states: lattice(states, (161, 1, 121, 1))),
}


def unit(frames: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(frames).float() / 255


def observed(data: Transitions, rows: NDArray[np.int64]) -> torch.Tensor:
    """Return observations (N, H, W, stack * C) that end at the frames of the last column."""
    frames = data.frames_at(rows.reshape(-1)).reshape(*rows.shape, *data.card.frame_shape)
    return torch.from_numpy(np.concatenate(list(frames.swapaxes(0, 1)), -1))


def spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64)]


@torch.no_grad()
def latents(embedding: Embedding, data: Transitions, stack: int, most: int) -> tuple[dict[int, torch.Tensor], dict]:
    """Return the latents of some windows, encoded and AHEAD steps later predicted, and the true states there."""
    rows = data.window_rows(spread(data.windows(AHEAD + stack - 1), most), AHEAD + stack - 1)
    z = embedding.encode(observed(data, rows[:, :stack])).mean
    found = {0: z}
    for ahead in range(AHEAD):
        actions = torch.from_numpy(np.asarray(data.actions[rows[:, ahead + stack - 1]], np.float32))
        z = embedding.step(z, actions).predict(z, actions)
    states = np.asarray(data.states, np.float64)
    return {**found, AHEAD: z}, {ahead: states[rows[:, ahead + stack - 1]] for ahead in (0, AHEAD)}


def regression(inputs: torch.Tensor, places: Array, seed: int, steps: int) -> Callable[[torch.Tensor], Array]:
    """Return a network from latents to places, trained on them."""
    targets = torch.from_numpy(places).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = mlp(inputs.shape[1], (256, 256, targets.shape[1]), torch.nn.ReLU)
    centre, scale, mean, deviation = inputs.mean(0), inputs.std(0), targets.mean(0), targets.std(0)
    optimiser = torch.optim.Adam(net.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    draws = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        some = torch.randint(len(inputs), (256,), generator=draws)
        error = net((inputs[some] - centre) / scale) - (targets[some] - mean) / deviation
        optimiser.zero_grad()
        error.square().mean().backward()
        optimiser.step()
        schedule.step()
    return lambda z: (net((z - centre) / scale) * deviation + mean).detach().double().numpy()


def share(found: Array, true: Array, tolerance: float) -> float:
    return float(np.mean(np.abs(found - true).max(1) <= tolerance))


def measured(world: str, seed: int, work: Path, frames: int = 20_000, more: More = None) -> Row:
    """Collect, train, decode frames of another collection."""
    marked = MARKED[world]
    path, spent = train(world, seed, work, more)
    run = TrainedRun.open(path)
    embedding, stack, channels = run.embedding.eval(), run.frame_stack, run.card.frame_shape[2]
    seen = Transitions.open(collected(world, seed, work, more))
    fresh = Transitions.open(collected(world, seed + 1000, work, more))
    system = make_task(run.card.environment).system
    grid = marked.grid(np.asarray(seen.states, np.float64))
    rendered = torch.cat([unit(system.render(some)) for some in np.array_split(grid, 1 + len(grid) // 500)]).flatten(1)
    z, states = latents(embedding, fresh, stack, WINDOWS)
    known, at = latents(embedding, seen, stack, frames)
    tell = regression(known[0], marked.places(at[0]), seed, frames // 5)
    row: Row = {"world": world, "seed": seed, **spent}
    for ahead, tolerance in TOLERANCE.items():
        with torch.no_grad():
            pictures = torch.sigmoid(embedding.decode(z[ahead]))[..., -channels:].flatten(1)
        nearest = grid[(rendered.square().sum(1) - 2 * pictures @ rendered.T).argmin(1).numpy()]
        true = marked.places(states[ahead])
        row[f"shown_{ahead}"] = share(marked.places(nearest), true, tolerance)
        row[f"regression_{ahead}"] = share(tell(z[ahead]), true, tolerance)
        if world == "planar":
            background = system.background(system.state_low)
            above = pictures - unit(background).flatten()
            height, width = background.shape[:2]
            middle = np.stack(np.unravel_index(above.argmax(1).numpy(), (height, width)), 1) + 0.5
            # The square covers 3 pixels, and its brightest is any of these.
            row[f"peak_{ahead}"] = share(middle, true, tolerance + 1.0)
    return row


def told(row: Row) -> str:
    return f"{row['world']} seed {row['seed']}: " + ", ".join(
        f"{name.replace('_', ' at step ')} {row[name]:.1%}"
        for name in row
        if name.rpartition("_")[2] in ("0", str(AHEAD))
    )


@dataclass(frozen=True)
class Options:
    work: Path = Path("runs/commands")
    """datasets and run folders, shared with `experiments.control.commands`"""
    frames: int = 20_000
    """training frames that the regression sees, five for each of its steps"""


def quick() -> None:
    with tempfile.TemporaryDirectory() as work:
        print(told(measured("planar", 100, Path(work), 500, QUICK)))


EXPERIMENT = Experiment(
    __file__,
    {"world": tuple(MARKED), "seed": range(5)},
    measured,
    told,
    quick,
    options=Options,
    shared=("frames",),
    threads=1,
)


if __name__ == "__main__":
    EXPERIMENT.main()
