"""Training of a `Scene` from images and actions, and the signs that tell where it does not hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from e2c_control.data.transitions import Transitions
from e2c_control.errors import InputError
from e2c_control.fields import Count, Positive, Seed, check, checked
from e2c_control.models.layers import last_linear
from e2c_control.models.scene import Scene, SceneConfig
from e2c_control.training.presets import HELD_OUT

SHOWN = 31
"""Frames of an episode of which the median is taken."""
MOVED = 0.25
"""Share of a free displacement from which on a move counts as one; smaller actions than that of the largest tell no
move from none."""
ROWS_AT_ONCE = 1_000


@dataclass(frozen=True)
class SceneTraining:
    """How a `Scene` is trained: optimiser steps of its three parts, windows or transitions in each, learning rate."""

    background_steps: Count = 1_200
    move_steps: Count = 4_000
    room_steps: Count = 1_000
    windows: Count = 48
    batch: Count = 512
    rate: Positive = 2e-3

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class SceneSigns:
    """Whether what a `Scene` takes for granted is so, measured on episodes that training did not see.

    Attributes:
        mover_share: share of the change between frames that is around the places before and after; 1 where one thing
            moves.
        displacement_error: root mean square of the error of displacements, over that of the displacements; 1 where
            actions tell nothing.
        background_error: the difference of backgrounds painted from one picture to the median of the episode, over
            what the mover differs by.
        place_error: pixels between the places by these two backgrounds, root mean square.
    """

    mover_share: float
    displacement_error: float
    background_error: float
    place_error: float

    @property
    def doubt(self) -> str | None:
        """One sentence where the method does not hold, None where it does."""
        if self.mover_share < 0.9:
            return (
                f"Only {self.mover_share:.0%} of what changes between frames is around one moving thing: several "
                "things move, or the background does; a scene with one mover does not hold here."
            )
        if self.background_error > 0.25:
            return (
                f"From one picture, background and mover are told apart with an error of {self.background_error:.0%} "
                "of the mover: the background looks too much like it, or takes more scenes to learn."
            )
        if self.displacement_error > 0.25:
            return (
                f"Displacements are predicted with an error of {self.displacement_error:.0%} of them: where the mover "
                "is and what is done does not say where it goes, as where it has a velocity or moves by itself."
            )
        return None


@dataclass(eq=False)
class _Told:
    """Episodes told apart: backgrounds (E, H, W, C), and of each frame the episode (F,) and place (F, 2)"""

    data: Transitions
    backgrounds: Tensor
    episode: Tensor
    places: Tensor

    def frames(self, rows: Tensor) -> Tensor:
        """Return the frames (N, H, W, C) uint8 in rows (N,)."""
        return torch.from_numpy(self.data.frames_at(rows.numpy()))


@checked
def learn_scene(
    transitions: Transitions, seed: Seed = 0, training: SceneTraining | None = None
) -> tuple[Scene, SceneSigns]:
    """Learn to tell scene and mover apart, where the mover can be, and where actions lead it.

    Args:
        transitions: single frames and actions; the more scenes they are of, the more is learnt about other ones. A
            scene stays as it is for an episode.
        seed: of weights and batches.
        training: how long.

    Raises:
        InputError: nothing moves, or no action moves it.
    """
    training = SceneTraining() if training is None else training
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return _learn(transitions, training, generator)


def _learn(data: Transitions, training: SceneTraining, generator: torch.Generator) -> tuple[Scene, SceneSigns]:
    shape, m = data.card.frame_shape, data.actions.shape[1]
    known, held_out = data.split(HELD_OUT, seed=0)
    told = _tell(data, Scene(SceneConfig(shape, m, 1, 1)))
    rows = torch.from_numpy(data.windows(1))
    actions = torch.from_numpy(np.array(data.actions))
    train = torch.isin(told.episode[rows], torch.from_numpy(known)) & told.places[rows].isfinite().all(1)
    train &= told.places[rows + 1].isfinite().all(1)
    rows, held_rows = rows[train], rows[torch.isin(told.episode[rows], torch.from_numpy(held_out))]
    shift = told.places[rows + 1] - told.places[rows]
    gain, moved = _free(shift, actions[rows])
    extent = _extent(told, rows, SceneConfig.contrast, generator)
    limit = gain.abs().sum(1).max().item()
    scene = Scene(SceneConfig(shape, m, reach=int(np.ceil(limit + extent)), blank=int(np.ceil(2 * extent)) + 1))
    scene.gain.data.copy_(gain)
    scene.get_buffer("scale").copy_(_length(shift[moved]).median())
    _learn_background(scene, told, rows, training, generator)
    _learn_moves(scene, told, rows, actions[rows], shift, training, generator)
    _learn_room(scene, told, rows, training, generator)
    scene.eval().requires_grad_(False)
    return scene, _signs(scene, told, held_rows if len(held_rows) else rows, actions, extent)


def _tell(data: Transitions, scene: Scene) -> _Told:
    """Tell scenes and mover apart by each episode's median."""
    first, last = data.episodes[:-1], data.episodes[1:] - 1
    medians = list[NDArray[np.uint8]]()
    for start, end in zip(first.tolist(), last.tolist(), strict=True):
        rows = np.unique(np.rint(np.linspace(float(start), float(end), SHOWN)).astype(np.int64))
        medians.append(np.partition(data.frames[rows], len(rows) // 2, axis=0)[len(rows) // 2])
    backgrounds = torch.from_numpy(np.stack(medians)).float() / 255
    episode = torch.from_numpy(np.repeat(np.arange(data.n_episodes), np.diff(data.episodes)))
    told = _Told(data, backgrounds, episode, torch.empty(0))
    parts = _parts(torch.arange(len(episode)))
    told.places = torch.cat([scene.places(told.frames(part), backgrounds[episode[part]]) for part in parts])
    if told.places.isfinite().all(1).float().mean() < 0.5:
        raise InputError(
            f"{data.path} has no mover to be found: in most frames nothing differs from the median of their episode. "
            "Collect episodes in which something moves, or longer ones."
        )
    return told


def _parts(rows: Tensor) -> Iterator[Tensor]:
    for i in range(0, len(rows), ROWS_AT_ONCE):
        yield rows[i : i + ROWS_AT_ONCE]


def _length(vectors: Tensor) -> Tensor:
    return (vectors**2).sum(1).sqrt()


def _free(shift: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gain (2, m) of displacements where nothing blocks, and which moves are free (N,).

    Least squares over the moves that came out as more than half of what the gain says, from all of them on.
    """
    free, gain = torch.ones(len(shift), dtype=torch.bool), torch.zeros(2, actions.shape[1])
    for _ in range(10):
        solved = np.linalg.lstsq(actions[free].numpy(), shift[free].numpy(), rcond=None)[0]
        gain = torch.from_numpy(np.ascontiguousarray(solved.T, np.float32))
        hoped = actions @ gain.T
        free = (shift * hoped).sum(1) > 0.5 * (hoped**2).sum(1)
    if not gain.abs().max() > 0.1 or not free.any():
        raise InputError("No action moves what is seen to move: a scene is learnt where the actions move one thing.")
    return gain, free


def _extent(told: _Told, rows: Tensor, contrast: float, generator: torch.Generator) -> float:
    """Return the pixels from the mover's centre to its edge: those of 99 % of it in the median frame.

    No more than a compact thing has that covers as many pixels, or several things would pass for one.
    """
    some = rows[torch.randint(len(rows), (200,), generator=generator)]
    away = (told.frames(some).float() / 255 - told.backgrounds[told.episode[some]]).abs().sum(3)
    middles = torch.cartesian_prod(*(torch.arange(side) + 0.5 for side in away.shape[1:]))
    distance = (middles - told.places[some, None]).abs().amax(2)
    order = distance.argsort(1)
    share = away.flatten(1).gather(1, order).cumsum(1)
    reached = (share < 0.99 * share[:, -1:]).sum(1, keepdim=True).clamp(max=share.shape[1] - 1)
    covered = (away > contrast).flatten(1).sum(1).float()
    measured = distance.gather(1, order).gather(1, reached)[:, 0]
    return torch.minimum(measured, 0.75 * covered.sqrt()).median().item() + 0.5


def _optimise(parts: list[nn.Parameter], steps: int, rate: float, loss: Callable[[], Tensor]) -> None:
    optimizer = torch.optim.Adam(parts, lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2 * rate, total_steps=steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        schedule.step()


def _draw(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(len(rows), (count,), generator=generator)


def _learn_background(
    scene: Scene, told: _Told, rows: Tensor, training: SceneTraining, generator: torch.Generator
) -> None:
    """Let the painter give the median of an episode from one of its frames: windows around the mover, and others."""
    margin, (height, width, _) = scene.margin, scene.config.frame_shape
    side = min(2 * scene.config.blank + 1, height, width)
    window = torch.arange(side + 2 * margin)

    def loss() -> Tensor:
        some = rows[_draw(rows, training.windows, generator)]
        elsewhere = torch.rand(len(some), 2, generator=generator) * torch.tensor([height, width])
        jitter = scene.config.blank * (2 * torch.rand(len(some), 2, generator=generator) - 1)
        near = torch.rand(len(some), 1, generator=generator) < 0.5
        middle = torch.where(near, told.places[some] + jitter, elsewhere)
        corner = (middle - side / 2).round().long().clamp(min=0)
        corner = torch.minimum(corner, torch.tensor([height - side, width - side]))
        row, column = corner[:, :1] + window, corner[:, 1:] + window
        index = (torch.arange(len(some))[:, None, None], slice(None), row[:, :, None], column[:, None, :])
        seen = scene.framed(told.frames(some))[index].permute(0, 3, 1, 2)
        truth = scene.framed(255 * told.backgrounds[told.episode[some]])[index].permute(0, 3, 1, 2)
        truth = truth[:, :-1, margin:-margin, margin:-margin]
        return ((scene.paint(seen)[0] - truth) ** 2).mean()

    _optimise(list(scene.painter.parameters()), training.background_steps, training.rate, loss)


def _learn_moves(
    scene: Scene,
    told: _Told,
    rows: Tensor,
    actions: Tensor,
    shift: Tensor,
    training: SceneTraining,
    generator: torch.Generator,
) -> None:
    """Let the patch around a place say by what chance an action moves from it, and where to if it does."""
    with torch.no_grad():
        patches = _patches(scene, told, rows)
    size = _length(actions @ scene.gain.data.T)
    tells = size > MOVED * size.max()
    moved = _length(shift) > MOVED * size
    parts = [scene.gain, *scene.seen.parameters(), *scene.done.parameters(), *scene.outcome.parameters()]
    last = last_linear(scene.outcome)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)

    def loss() -> Tensor:
        some = _draw(rows, training.batch, generator)
        odds, hoped = scene.moves(patches[some], actions[some])
        free = moved[some].float()
        surprise = nn.functional.binary_cross_entropy_with_logits(odds, free, tells[some].float())
        error = nn.functional.smooth_l1_loss(hoped, shift[some], reduction="none", beta=0.2).sum(1)
        return surprise + (free * error).mean()

    _optimise(parts, training.move_steps, training.rate, loss)


def _patches(scene: Scene, told: _Told, rows: Tensor) -> Tensor:
    """Return the patches (R, patch) around the places of frames."""
    return torch.cat([
        scene.patches(told.backgrounds[told.episode[part]], told.places[part]) for part in _parts(rows)
    ])  # fmt: skip


def _learn_room(scene: Scene, told: _Told, rows: Tensor, training: SceneTraining, generator: torch.Generator) -> None:
    """Let a patch say whether the mover is seen in its middle, against places drawn at random in the same scenes."""
    extent = torch.tensor(scene.config.frame_shape[:2])

    def loss() -> Tensor:
        some = rows[_draw(rows, training.batch // 2, generator)]
        drawn = torch.rand(len(some), 2, generator=generator) * extent
        both = torch.stack((told.places[some], drawn), dim=1)
        odds = scene.odds(scene.patches(told.backgrounds[told.episode[some]], both))
        truth = torch.tensor([1.0, 0.0]).expand_as(odds)
        return nn.functional.binary_cross_entropy_with_logits(odds, truth)

    _optimise(list(scene.room.parameters()), training.room_steps, training.rate, loss)


@torch.no_grad()
def _signs(scene: Scene, told: _Told, rows: Tensor, actions: Tensor, extent: float) -> SceneSigns:
    rows = rows[torch.linspace(0, len(rows) - 1, min(500, len(rows))).round().long()]
    before, after = told.frames(rows).float() / 255, told.frames(rows + 1).float() / 255
    changed = (after - before).abs().sum(3)
    middles = torch.stack(torch.meshgrid(*(torch.arange(s) + 0.5 for s in changed.shape[1:]), indexing="ij"), dim=2)
    near = torch.zeros_like(changed, dtype=torch.bool)
    for places in (told.places[rows], told.places[rows + 1]):
        near |= (middles - places[:, None, None]).abs().amax(3) <= extent + 1
    share = (changed * near).sum() / changed.sum().clamp(min=1e-9)
    truth = told.backgrounds[told.episode[rows]]
    painted = scene.backgrounds(told.frames(rows))
    residue = (painted - truth).abs().sum() / (before - truth).abs().sum().clamp(min=1e-9)
    apart = _length(scene.places(told.frames(rows), painted) - told.places[rows]).nan_to_num(torch.inf)
    odds, hoped = scene.moves(scene.patches(truth, told.places[rows]), actions[rows])
    shift = told.places[rows + 1] - told.places[rows]
    error = torch.where(odds[:, None] > 0, hoped, 0.0) - shift
    rms = ((error**2).nanmean() / (shift**2).nanmean()).sqrt()
    return SceneSigns(*(float(value) for value in (share, rms, residue, (apart**2).mean().sqrt())))
