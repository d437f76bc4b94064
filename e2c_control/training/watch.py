"""Watching a run: the map measured on episodes that it does not train on, and pictures of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from e2c_control.data.sampler import Batch
from e2c_control.data.transitions import Transitions
from e2c_control.figures import latent_map, predictions, save_png
from e2c_control.figures.latent_map import seen_places
from e2c_control.figures.projection import kept_projection, project
from e2c_control.measures import HeldOut, Recorded, encode_means, hold_out, measure, measure_ways
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.logger import RunLogger
from e2c_control.training.run import Features, TrainConfig
from e2c_control.training.trainer import Trainer

PICTURED = 8
"""Windows whose reconstructions and predictions are shown."""
HORIZON = 5
"""Steps ahead that they show, where episodes are long enough."""
SEEN = ("row of what moves, px", "column of what moves, px")
"""By which latents are coloured where no true state is known."""
DRAWN = ("map/state_loss", "map/next_state_loss")
"""Measures of what a decoder draws, which say nothing before one is trained, as its pictures do."""


class MapWatcher:
    """What `train` calls between steps: writes map/... scalars and pictures, and keeps the newest pictures as PNG.

    Latents of held-out frames are kept in the run's folder, by which drives say how far a goal is from them.

    All pictures of a run are drawn by one projection, which follows the map and is kept in the run's folder.

    It reads and draws nothing at random, so that a watched run and an unwatched one have the same weights.

    Args:
        run: where the pictures go.
        config: of the run; its held-out episodes are measured on.
        features: true states (N, n) to coordinates in which distance makes sense, as `System.features`; without it
            the states themselves.
        names: of the state variables.
    """

    def __init__(
        self,
        run: RunFolder,
        config: TrainConfig,
        features: Features | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        self._run, self._names = run, names
        transitions = Transitions.open(config.dataset)
        _, episodes = transitions.split(config.held_out, seed=0)
        held_out = hold_out(transitions, episodes)
        self._states, self._true = held_out.features, held_out.features is not None
        if held_out.features is None:
            newest = held_out.observations[..., -transitions.card.frame_shape[2] :]
            self._states, self._names = seen_places(newest.astype(np.float64)), SEEN
        self._held_out: HeldOut = held_out
        if features is not None and held_out.features is not None:
            self._held_out = replace(held_out, features=features(held_out.features))
        self._windows = _windows(transitions, episodes)
        self._projection = kept_projection(run.path, config.recipe.embedding.latent_dim)

    def __call__(self, trainer: Trainer, logger: RunLogger) -> None:
        """Measure and draw the trainer's embedding as it is now."""
        step, draws = trainer.step, trainer.recipe.decodes(trainer.step - trainer.extra_steps)
        measured = measure(trainer.embedding, self._held_out).scalars()
        logger.scalars(step, {tag: value for tag, value in measured.items() if draws or tag not in DRAWN})
        Recorded.measured(trainer.embedding, self._held_out, draws).keep(self._run.path)
        ways = measure_ways(trainer.embedding, self._held_out)
        if ways is not None:
            logger.scalars(step, ways[0])
        for name, image in self._pictures(trainer, draws, None if ways is None else ways[1]).items():
            logger.image(step, f"images/{name}", image)
            save_png(image, self._run.plots / f"{name}.png")

    def _pictures(
        self, trainer: Trainer, draws: bool, steps: NDArray[np.float64] | None
    ) -> dict[str, NDArray[np.uint8]]:
        title = f"step {trainer.step:,} of {trainer.total_steps:,}, held-out episodes"
        latents = encode_means(trainer.embedding, self._held_out.observations)
        self._projection = projection = project(latents, like=self._projection)
        if latents.shape[1] > 2:
            projection.keep(self._run.path)
        drawn = latent_map(
            latents, self._states, names=self._names, title=title, projection=projection, true=self._true
        )
        shown = {"latent_map": drawn}
        if steps is not None:
            joined = np.isfinite(steps)
            shown["ways"] = latent_map(
                latents[joined],
                steps[joined, None],
                names=["steps to one of the frames"],
                title=title,
                projection=projection,
            )
        if draws:
            windows = Batch(self._windows.frames.to(trainer.device), self._windows.actions.to(trainer.device))
            shown["predictions"] = predictions(trainer.embedding, windows, count=PICTURED, title=title)
        return shown


def _windows(transitions: Transitions, episodes: NDArray[np.int64]) -> Batch:
    """Return a few windows, spread over the episodes."""
    stack = transitions.card.frame_stack
    starts = {k: transitions.windows(k, stack, episodes=episodes, repeat_first=False) for k in range(1, HORIZON + 1)}
    steps = max(k for k, rows in starts.items() if len(rows))
    chosen = starts[steps][np.linspace(0, len(starts[steps]) - 1, PICTURED).round().astype(np.int64)]
    frames = transitions.frames_at(transitions.window_rows(chosen, steps, stack))
    return Batch(torch.as_tensor(frames), torch.as_tensor(transitions.actions[chosen[:, None] + np.arange(steps)]))
