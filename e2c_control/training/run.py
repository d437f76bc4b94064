"""A training run: the trainer with a folder around it, for curves, checkpoints, pictures and resuming."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from reprlib import repr as short
from typing import Literal, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from e2c_control.data.arguments import as_option
from e2c_control.data.card import NAME, read_card
from e2c_control.data.sampler import check_batch
from e2c_control.data.specs import names_none
from e2c_control.data.transitions import Transitions
from e2c_control.envs.task import PROTOCOL_SEED
from e2c_control.errors import LARGEST_COUNT, InputError, InputWarning, whole
from e2c_control.fields import MOST_AT_ONCE, Count, Seed, ShareBelowOne, Threads, check, checked
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.objectives.recipe import Recipe
from e2c_control.runs.atomic import replace_text
from e2c_control.runs.checkpoint import latest
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.logger import RunLogger
from e2c_control.runs.session import Session, interrupt_flag, resumed
from e2c_control.runs.stateful import Groups, Part, State, gather, loading, put_back
from e2c_control.runs.threads import threads
from e2c_control.runs.typed_json import from_json, to_json
from e2c_control.training.distributed import ALONE, Job, JobEnded, check_devices
from e2c_control.training.presets import HELD_OUT
from e2c_control.training.trainer import Judgement, Precision, Trainer
from e2c_control.training.window import Window

Features = Callable[[NDArray[np.float64]], NDArray[np.float64]]
Watcher = Callable[[Trainer, RunLogger], None]


META: Mapping[str, object] = {
    "trainer": Mapping[str, object],
    "observation_shape": tuple[int, int, int],
    "action_dim": int,
}
"""What the JSON of a run's checkpoint must have."""


@dataclass(frozen=True)
class TrainConfig:
    """All that a training run depends on; its `config.json`.

    Attributes:
        dataset: folder of transitions.
        environment: id of the environment that they come from.
        recipe: what to train.
        seed: of weights, batches and noise.
        device: where to train; "auto" takes CUDA where it is.
        compile: whether to compile the networks.
        precision: of matrix products, see `Trainer`.
        threads: CPU threads; none leaves torch's own number. Another number may change the last bits.
        held_out: share of the episodes that is only measured on.
        log_every: steps between points of the curves.
        measure_every: steps between measurements of the map, with pictures.
        checkpoint_every: steps between checkpoints.
        keep: checkpoints kept.
    """

    dataset: Path
    environment: str
    recipe: Recipe
    seed: Seed = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compile: bool = False
    precision: Precision = "auto"
    threads: Threads | None = 1
    held_out: ShareBelowOne = HELD_OUT
    log_every: Count = 25
    measure_every: Count = 300
    checkpoint_every: Count = 300
    keep: Count = 2

    def __post_init__(self) -> None:
        check(self)


def resolve_device(device: torch.device | str) -> torch.device:
    """Return the device that is meant, where torch would take the CPU for one that is not there.

    Args:
        device: auto takes CUDA where it is.

    Raises:
        InputError: there is no such device here.
    """
    if isinstance(device, str) and device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"There is no device {short(device)}: choose auto, cpu or cuda.") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InputError("There is no CUDA device here: choose the device cpu (--device cpu).")
    return found


@checked
def start_run(root: Path | str, config: TrainConfig, name: str | None = None, *, job: Job = ALONE) -> RunFolder:
    """Make a run folder, if the dataset, the device and the job can do what the config asks for."""
    transitions = Transitions.open(config.dataset)
    check_devices(resolve_device(config.device))
    episodes, _ = transitions.split(config.held_out, seed=0)
    if not transitions.card.has_frames and any("decoder" in phase.train for phase in config.recipe.phases):
        raise InputError(
            f"{transitions.path} holds vectors alone, and the recipe '{config.recipe.name}' is trained on images: "
            "collect them beside the vectors, with --observation both, or learn a reward (`E2CAgent`)."
        )
    for phase in config.recipe.phases:
        check_batch(phase.batch_size, job.world_size)
    for horizon in sorted({phase.horizon for phase in config.recipe.phases}):
        stack = transitions.card.frame_stack
        if not len(transitions.windows(horizon, stack, episodes=episodes, repeat_first=False)):
            raise InputError(
                f"{transitions.path} has no window of {horizon} steps with {stack} frames in an observation to train "
                "on: collect longer episodes."
            )
    return RunFolder.create(root, config.environment, config, name)


@checked
def train(
    run: RunFolder,
    config: TrainConfig,
    *,
    watch: Watcher | None = None,
    progress: bool = False,
    job: Job = ALONE,
) -> Embedding:
    """Train to the end of the recipe, from the run's newest checkpoint if it has one.

    Ctrl-C finishes the step, writes a checkpoint and raises `KeyboardInterrupt`.

    Args:
        run: folder that the run lives in.
        config: what to train on what.
        watch: called every `measure_every` steps and at the end, to measure and to draw.
        progress: whether to show a progress bar with the time left.
        job: the processes that call this together; all but the first only help it, and touch no file of the run.

    Raises:
        InputError: the dataset or the checkpoint does not fit, another process trains in the run, the loss is no
            longer finite, or a process of the job is lost.
    """
    try:
        if job.rank:
            return _help(run, config, job)
        return _train(run, config, watch, progress, job)
    except JobEnded as error:
        raise InputError(
            f"A process of this job ended, or the job was stopped: `e2c train --resume {as_option(run.path)}` goes on "
            "from the last checkpoint, with any number of processes."
        ) from error


def _train(run: RunFolder, config: TrainConfig, watch: Watcher | None, progress: bool, job: Job) -> Embedding:
    with Session.open(run, config.keep) as session, threads(config.threads):
        transitions = Transitions.open(config.dataset)
        _note_dataset(run, transitions)
        training = _resumed(run, config, transitions, job)
        trainer = training.trainer
        session.begin(trainer.step, config.recipe.steps, "step", progress=progress)
        if trainer.step == 0:
            session.logger.hyperparameters(*_compared(config))
        with interrupt_flag() as pressed:
            _loop(training, session, config, watch, lambda: job.any(pressed()))
    if pressed():
        raise KeyboardInterrupt
    return trainer.embedding


def _help(run: RunFolder, config: TrainConfig, job: Job) -> Embedding:
    """Train as a rank above 0: the same optimiser steps as rank 0, no files, no logging."""
    with threads(config.threads), interrupt_flag() as pressed:
        trainer = _resumed(run, config, Transitions.open(config.dataset), job).trainer
        while not trainer.finished:
            if job.any(pressed()):
                raise KeyboardInterrupt
            trainer.advance()
    return trainer.embedding


class _Training:
    """A trainer and the window of its curves, as a checkpoint has them."""

    def __init__(self, run: RunFolder, trainer: Trainer) -> None:
        self.run, self.trainer, self.window = run, trainer, Window()

    def _parts(self) -> dict[str, Part]:
        return {"trainer": self.trainer, "window": self.window}

    def state(self) -> State:
        """Return it, with what the embedding can be made of by itself."""
        self.window.check(self.trainer)  # weights that are no longer numbers must not push out the last good ones
        tensors, meta = gather(self._parts())
        embedding = self.trainer.embedding
        shape = {
            "observation_shape": embedding.observation_shape,
            "action_dim": embedding.action_dim,
            "vector_dim": embedding.vector_dim,
        }
        return State(tensors, {**meta, **shape, "networks": to_json(embedding.config)})

    def restore(self, tensors: Groups, meta: Mapping[str, object], /) -> None:
        """Go on from what `state` returned; version 0.1.0 wrote none of the window."""
        _check_networks(self.run, self.trainer.recipe, meta)
        put_back(self._parts(), tensors, {"window": {}, **meta})


def _resumed(run: RunFolder, config: TrainConfig, transitions: Transitions, job: Job) -> _Training:
    """Return the training as the run's newest checkpoint left it."""
    episodes, _ = transitions.split(config.held_out, seed=0)
    device = resolve_device(config.device)
    check_devices(device)

    def make() -> _Training:
        trainer = Trainer(
            config.recipe,
            transitions,
            episodes,
            seed=config.seed,
            device=device,
            compile=config.compile,
            precision=config.precision,
            job=job,
        )
        return _Training(run, trainer)

    return resumed(run, make, META, transitions.frames.nbytes)


def _check_networks(run: RunFolder, recipe: Recipe, meta: Mapping[str, object]) -> None:
    """Refuse a checkpoint of other networks than the config names, even where their weights have the same shapes."""
    trained = meta.get("networks")
    try:  # as a dataclass: a version that wrote it may have known fewer fields
        same = trained is None or from_json(EmbeddingConfig, trained) == recipe.embedding
    except ValueError:
        same = False
    if not same:
        raise InputError(
            f"The newest checkpoint of {run.path} was trained with other networks than its config.json names: restore "
            "the run's own files."
        )


def _compared(config: TrainConfig) -> tuple[dict[str, str | float], list[tuple[str, str]]]:
    """Return what runs are compared by in TensorBoard: settings by name, and parts and tags of what came out."""
    recipe, sizes = config.recipe, config.recipe.embedding
    values: dict[str, str | float] = {
        "environment": config.environment,
        "dataset": config.dataset.name,
        "recipe": recipe.name,
        "seed": config.seed,
        "latent_dim": sizes.latent_dim,
        "network": str(sizes.network),
        "matrix_form": str(sizes.matrix_form),
        "latent_noise": recipe.latent_noise,
        "precision": config.precision,
    }
    for setting in ("steps", "batch_size", "horizon", "learning_rate"):
        values[setting] = ", ".join(f"{phase.name} {getattr(phase, setting):g}" for phase in recipe.phases)
    published = f"evaluations/{config.environment.rpartition('/')[2]}-{PROTOCOL_SEED}"
    shown = ("map/step_rank", "map/prediction_error_5", "map/neighbour_overlap", "map/far_distance_rank")
    ways = ("ways/step_rank", "ways/passed_told") if sizes.reachability else ()
    scored = [] if names_none(config.environment) else [(published, "evaluate/time_in_goal")]
    return values, [*scored, *(("", tag) for tag in (*shown, *ways))]


def _note_dataset(run: RunFolder, transitions: Transitions) -> None:
    """Keep the card of the dataset in the run, which can then be used without the dataset; refuse another one."""
    note, card = run.path / NAME, replace(transitions.card, checksum=transitions.checksum())
    if not note.is_file():
        replace_text(note, card.to_json())
        return
    noted = read_card(run.path)
    checksum = card.checksum if noted.checksum is None else noted.checksum  # a run may be older than checksums
    if replace(noted, checksum=checksum, versions={}) != replace(card, versions={}):
        raise InputError(
            f"{transitions.path} is not the dataset that {run.path} began with, see its {NAME}: restore that one, or "
            "start a new run."
        )


def _loop(
    training: _Training,
    session: Session,
    config: TrainConfig,
    watch: Watcher | None,
    interrupted: Callable[[], bool],
) -> None:
    trainer, window, logger, bar = training.trainer, training.window, session.logger, session.bar
    window.resume()
    while not trainer.finished:
        # Between two steps, and in all processes alike: no step is left half done, and none is done twice.
        if interrupted():
            session.save(trainer.step, training)
            raise KeyboardInterrupt
        report = trainer.advance()
        window.add(report, trainer.phase.batch_size * max(trainer.phase.horizon, 1))
        step = trainer.step
        if report.judgement is not None:
            _announce(report.judgement, step, logger, bar)
        if step % config.log_every == 0 or trainer.finished:
            values = window.close(trainer)
            logger.scalars(step, values)
            bar.set_description(f"{report.phase} {values[f'loss/total/{report.phase}']:.3f}", refresh=False)
        if watch is not None and (step % config.measure_every == 0 or trainer.finished):
            window.pause()  # measuring and drawing are no training time
            watch(trainer, logger)
            window.resume()
        if step % config.checkpoint_every == 0 or trainer.finished:
            session.save(step, training)
        bar.total = trainer.total_steps
        bar.update()


def _announce(judgement: Judgement, step: int, logger: RunLogger, bar: tqdm[NoReturn]) -> None:
    """Announce a restart, or that the last attempt is kept; the latter also where no bar is shown."""
    if judgement.sentence is None:
        return
    logger.text(step, "train/restarts", judgement.sentence)
    if not bar.disable:
        bar.write(judgement.sentence, file=sys.stderr)
    elif judgement.last:
        warnings.warn(judgement.sentence, stacklevel=2)


def load_embedding(run: RunFolder, device: torch.device | str = "cpu", trust: Sequence[str] = ()) -> Embedding:
    """Return the embedding of a run's newest checkpoint.

    Args:
        run: the folder.
        device: where it computes.
        trust: modules whose code the run's config may name, such as ``("my_package",)``.

    Raises:
        InputError: the run has none, or it is damaged.
    """
    newest = latest(run.checkpoints)
    if newest is None:
        raise InputError(
            f"{run.path} has no checkpoint yet: finish it with `e2c train --resume {as_option(run.path)}`."
        )
    config = run.config(TrainConfig, trust)
    with loading(newest, META) as (tensors, meta):
        _check_networks(run, config.recipe, meta)
        shape = meta["observation_shape"]
        vectors = whole("vector_dim", meta.get("vector_dim", 0), least=0, most=MOST_AT_ONCE)
        embedding = Embedding(config.recipe.embedding, shape, meta["action_dim"], torch.Generator(), vectors)
        put_back({"embedding": embedding}, tensors, meta)
    done, total = steps_done(run, trust)
    if done < total:
        warnings.warn(
            f"{run.path} is not trained to its end: this is its checkpoint of step {done:,} of {total:,}.",
            InputWarning,
            stacklevel=3,
        )
    return embedding.to(device).eval()


def steps_done(run: RunFolder, trust: Sequence[str] = ()) -> tuple[int, int]:
    """Return the step of a run's newest checkpoint, and the step at which the run ends."""
    newest, steps = latest(run.checkpoints), run.config(TrainConfig, trust).recipe.steps
    if newest is None:
        return 0, steps
    with loading(newest, META) as (_, meta):
        extra = whole("extra_steps", meta["trainer"].get("extra_steps", 0), least=0, most=LARGEST_COUNT)
    return int(newest.name[5:]), steps + extra
