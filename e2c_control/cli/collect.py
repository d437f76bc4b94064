"""`e2c collect`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from e2c_control import InputError
from e2c_control.cli.console import filled, say, suggest
from e2c_control.data.arguments import as_option
from e2c_control.data.collection import Collection
from e2c_control.data.defaults import EPISODE_LENGTH

if TYPE_CHECKING:
    from e2c_control import Transitions

LARGE = 8_000
"""Numbers in an observation from which on training takes many minutes of a core."""


@dataclass(frozen=True, kw_only=True)
class Collect(Collection):
    """Make a dataset from any Gymnasium environment that shows images or vectors, or that renders.

    Takes random actions and keeps single frames, rewards and ends, as plain .npy files that numpy.load opens.
      e2c collect --env E2C/Planar-v0 --out datasets/planar
      e2c collect --env Pendulum-v1 --out datasets/pendulum --image-size 48 --frame-stack 2
      e2c collect --env CartPole-v1 --out datasets/pole --observation vector
      e2c collect --env my_package:My/Robot-v0 --out datasets/robot --env-args speed=2

    Stopped by Ctrl-C, a crash, a kill or an error of the environment, it goes on from its last whole round; so does the
    same command again:
      e2c collect --resume datasets/planar

    Attributes:
        out: folder to write.
        resume: instead, dataset to go on with, by its own options. Beside it only --transitions may be given (as many
            as there are makes a dataset of those), --overwrite, and --env, to confirm one of another module.
        overwrite: replace a dataset that is there already.
    """

    BESIDE_RESUME = ("--transitions", "--overwrite", "--env")

    out: Path | None = None
    resume: Path | None = None
    overwrite: bool = False

    def __call__(self) -> None:
        """Collect, and say what to do with it."""
        if self.resume is not None:
            began = Collection.unfinished(self.resume, env=self.env, transitions=self.transitions)
            dataset = began.collect(self.resume, overwrite=self.overwrite, resume=True, going_on=_going_on)
        elif self.env is None or self.out is None:
            raise InputError("Give --env and --out, or --resume; see e2c collect --help.")
        else:
            own = filled(Collection, self)
            dataset = own.collect(self.out, overwrite=self.overwrite, going_on=_going_on)
        describe(dataset)
        if dataset.n_episodes > 1:
            suggest(f"e2c train --dataset {as_option(dataset.path)}")
        else:
            say("Note", "one episode is too few to train on, since some are held out: collect more --transitions")


def _going_on(transitions: int) -> None:
    say("Going on", f"after {transitions:,} transitions that were collected before")


def describe(dataset: Transitions) -> None:
    """Say where a dataset is and what is in it."""
    height, width, channels = dataset.card.frame_shape
    frames = [f"frames {height} x {width} x {channels}"] * dataset.card.has_frames
    vectors = [] if dataset.vectors is None else [f"vectors of {dataset.card.vector_dim} numbers"]
    megabytes = (dataset.frames.nbytes + (0 if dataset.vectors is None else dataset.vectors.nbytes)) / 1e6
    say("Dataset", dataset.path)
    longest = int(np.diff(dataset.episodes).max()) - 1
    say(
        "",
        f"{dataset.n_transitions:,} transitions of {dataset.card.environment} in {dataset.n_episodes:,} episodes of up "
        f"to {longest} steps, {', '.join([*frames, *vectors])}, {megabytes:,.0f} MB",
    )
    if longest == EPISODE_LENGTH["reset"]:
        say(
            "Note",
            f"an episode was begun anew after {longest} steps, the default: --episode-length if yours are longer",
        )
    numbers = height * width * channels * dataset.card.frame_stack
    if numbers >= LARGE:
        say(
            "Note",
            f"{numbers:,} numbers in an observation ({height} x {width} x {channels} x {dataset.card.frame_stack}): "
            "training takes time in proportion. A smaller --image-size or --colours grey is faster, and so is "
            "e2c train --set embedding.pool=2",
        )
