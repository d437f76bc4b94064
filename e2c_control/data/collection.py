"""Datasets of random actions: in one go or in parts, going on where they were stopped."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np

from e2c_control.data.arguments import naming, parse_arguments
from e2c_control.data.card import NAME
from e2c_control.data.collect import collect_into
from e2c_control.data.defaults import EPISODE_LENGTH, TRANSITIONS, default_environments, default_starts
from e2c_control.data.doubts import doubts
from e2c_control.data.environments import Look
from e2c_control.data.policy import uniform_policy
from e2c_control.data.senses import Observation
from e2c_control.data.shards import Shard, append_shard
from e2c_control.data.source import EnvSource
from e2c_control.data.specs import check_arguments, check_file_arguments, find_spec
from e2c_control.data.transitions import Transitions
from e2c_control.data.unfinished import PARTS, Unfinished, is_kept, unfinished_folder
from e2c_control.data.writer import TransitionsWriter
from e2c_control.errors import InputError, InputWarning, quoted
from e2c_control.fields import Count, FrameStack, ImageSize, ListSeed, Positive, Share, check
from e2c_control.parallel.jobs import check_workers, run_jobs
from e2c_control.parallel.outcome import Failed
from e2c_control.registry import is_trusted
from e2c_control.runs.config import is_own_config, read_config, write_config
from e2c_control.runs.foreign import check_folder

CONFIG = "config.json"
"""In the folder of an unfinished dataset: the collection that began it."""

PART = 5_000
"""Transitions that are collected together where there are several processes; another number gives other data."""


@dataclass(frozen=True, kw_only=True)
class Collection:
    """All that a dataset of random actions depends on, and where the work is done.

    Attributes:
        env: Gymnasium id; `module:Id` imports the module that registers it first.
        transitions: how many steps to take. Default: 20,000; with --resume, as many as were asked for.
        episode_length: steps after which to start anew. Default: 12 from anywhere in the world, 40 from resets, which
            show nothing that is farther away than an episode.
        starts: where episodes begin: where a reset puts them, or anywhere in the world. auto: anywhere if the
            environment can (E2C/* can).
        corner_share: share of the actions that are as large as can be; helps where large actions are needed.
        frame_stack: frames that show a state, noted in the dataset: 2 where speed matters. Default: what the
            environment shows by itself.
        image_size: pixels per side to resize pictures to. Default: 64 for rendered ones.
        colours: grey or rgb. auto: grey for rendered pictures, as they are for images.
        observation: what to keep: an image, the environment's own or rendered; its own vector; or both.
        camera: of an environment that shows several images by name, the one to keep. Default: all, joined in the
            channels.
        action_limit: how large actions may be that have no bounds of their own. Default: such an environment is
            refused.
        env_args: arguments of the environment, as name=value.
        n_envs: environments that run at the same time. Default: 256 for E2C/*, 8 for others, and no
            more than there are episodes to collect.
        seed: of environments and actions.
        jobs: processes that collect at the same time, in parts of 5,000 transitions. Each part has a seed of its own:
            the data are the same with any number of them above one, and on a cluster.
        ray: instead, address of a Ray cluster to collect the parts on: auto, host:port or ray://host:port. It needs
            e2c-control[ray] here and this version of e2c-control, and the environment, on every machine.
    """

    env: str | None = None
    transitions: Count | None = None
    episode_length: Count | None = None
    starts: Literal["auto", "reset", "sampled"] = "auto"
    corner_share: Share = 0.0
    frame_stack: FrameStack | None = None
    image_size: ImageSize | None = None
    colours: Literal["auto", "grey", "rgb"] = "auto"
    observation: Observation = "image"
    camera: str | None = None
    action_limit: Positive | None = None
    env_args: tuple[str, ...] = ()
    n_envs: Count | None = None
    seed: ListSeed = 0
    jobs: Count = 1
    ray: str | None = None

    def __post_init__(self) -> None:
        check(self)

    def collect(
        self,
        out: Path,
        *,
        overwrite: bool = False,
        resume: bool | None = None,
        going_on: Callable[[int], object] | None = None,
    ) -> Transitions:
        """Collect a dataset, going on with what an earlier try left.

        Args:
            out: folder to write.
            overwrite: whether a dataset that is there may be replaced.
            resume: whether to go on; None if what was left was begun by the same collection.
            going_on: called with the number of transitions that were collected before, if there are any.

        Raises:
            InputError: it cannot be done, or another collection left a part, which would be lost.
        """
        if self.env is None:
            raise InputError("There is nothing to collect from: give an environment.")
        if resume is None:
            resume = self._goes_on(out, overwrite)
        check_workers(self.jobs, self.ray)
        find_spec(self.env)  # refused before there is a folder
        with Unfinished.open(out, overwrite=overwrite, resume=resume) as growing:
            write_config(growing.folder / CONFIG, self)
            hint = f"`e2c collect --resume {quoted(out)}{naming(self.env)}{' --overwrite' * overwrite}`"
            try:
                if growing.transitions and going_on is not None:
                    going_on(growing.transitions)
                if self._in_parts:
                    self._collect_parts(growing)
                else:
                    self._collect_into(growing, progress=True)
            except KeyboardInterrupt as stop:
                raise KeyboardInterrupt(*[f"go on with {hint}"] * bool(growing.transitions)) from stop
            except InputError as error:
                if not growing.transitions:
                    raise
                raise InputError(
                    f"{error} {growing.transitions:,} transitions are kept: go on with {hint}, or make a dataset of "
                    f"them with --transitions {growing.transitions} beside it."
                ) from error
        dataset = Transitions.open(out)
        # Parts note less of what they were asked for.
        length = growing.request.get("episode_length", self.episode_length or min(EPISODE_LENGTH.values()))
        for doubt in doubts(dataset, length, growing.request.get("starts", self.starts) == "reset"):
            warnings.warn(doubt, InputWarning, stacklevel=2)
        return dataset

    @classmethod
    def unfinished(cls, path: Path, *, env: str | None = None, transitions: int | None = None) -> Collection:
        """Return the collection that began a dataset and was not finished.

        Args:
            path: of the dataset.
            env: its environment, by which the user confirms that a module may be imported.
            transitions: as many instead.
        """
        noted = unfinished_folder(path) / CONFIG
        if not noted.is_file():
            if (path / NAME).is_file():
                raise InputError(f"{path} is finished: nothing of it is left to collect.")
            raise InputError(f"Nothing of {path} was collected: begin with `e2c collect --env ENV --out PATH`.")
        check_folder(noted.parent)
        began = read_config(noted, cls)
        if not is_own_config(noted):
            check_file_arguments(str(began.env), parse_arguments(began.env_args))
            if began.ray is not None:
                raise InputError(f"{path} was not begun here and names a cluster, {began.ray!r:.80}: collect anew.")
        if env not in (None, began.env):
            raise InputError(f"{path} is of {began.env}, not of {env}: leave --env out.")
        confirmed = naming(began.env)
        if env is None and confirmed and not is_trusted(str(began.env).rpartition(":")[0]):
            raise InputError(f"{path} is of {began.env}, which imports a module: if that is yours, add{confirmed}.")
        return began if transitions is None else replace(began, transitions=transitions)

    @property
    def _wanted(self) -> int:
        return TRANSITIONS if self.transitions is None else self.transitions

    @property
    def _in_parts(self) -> bool:
        return self.jobs != 1 or self.ray is not None

    def _goes_on(self, path: Path, overwrite: bool) -> bool:
        """Return whether what is there of the dataset was begun by this collection.

        Raises:
            InputError: it was begun by another one, and would be lost.
        """
        folder = unfinished_folder(path)
        if not is_kept(folder):
            return False
        try:
            began = read_config(folder / CONFIG, Collection)
        except InputError:
            began = None
        if began is not None and self._alike(began) and self._in_parts == began._in_parts:
            return True
        if not overwrite:
            raise InputError(
                f"A part of {path} was collected with other options: go on with `e2c collect --resume {quoted(path)}"
                f"{naming(self.env)}`, give it up with --overwrite, or choose another path."
            )
        return False

    def _alike(self, other: Collection) -> bool:
        """Return whether it collects the same, wherever."""
        return replace(self, jobs=1, ray=None) == replace(other, jobs=1, ray=None)

    def _collect_parts(self, growing: Unfinished) -> None:
        """Collect the parts that are lacking, each kept at once; those that come early wait on the disk."""
        if growing.transitions % PART and growing.transitions != self._wanted:
            raise InputError(f"{growing.path} ends with a smaller part: leave --transitions out, or collect anew.")
        folder = growing.folder / PARTS
        parts = self._parts(growing.folder)[growing.units :]
        lacking = [part for part in parts if not (folder / str(part[0]) / NAME).is_file()]
        with closing(run_jobs(_collect_part, lacking, self.jobs, self.ray)) as done:
            self._join(growing, folder)
            for (number, *_), shard in done:
                if isinstance(shard, Failed):
                    raise InputError(f"A part could not be collected: {shard.reason}")
                with TransitionsWriter.create(folder / str(number), shard.card) as writer:
                    append_shard(writer, shard)
                self._join(growing, folder)

    def _join(self, growing: Unfinished, folder: Path) -> None:
        """Append the parts that are next."""

        while (part := folder / str(growing.units) / NAME).is_file():
            shard = Shard.read(part.parent)
            expected = len(shard.frames) * -(-self._wanted // PART)
            growing.describe(replace(shard.card, seed=self.seed), {"part": PART}, expected)
            append_shard(growing.writer, shard)
            growing.commit()
            rmtree(part.parent)

    def _parts(self, folder: Path) -> list[tuple[int, Collection, Path]]:
        """Return the parts, numbered: this collection with fewer transitions, a seed for each, and a folder for it."""
        sizes = [min(PART, self._wanted - done) for done in range(0, self._wanted, PART)]
        seeds = np.random.SeedSequence(self.seed).generate_state(len(sizes)).tolist()
        return [
            (i, replace(self, transitions=size, seed=seed, jobs=1, ray=None), folder)
            for i, (size, seed) in enumerate(zip(sizes, seeds, strict=True))
        ]

    def collect_part(self, folder: Path) -> Shard:
        """Return the transitions, in memory, collected in a folder if it is there."""
        # On another machine there is no such folder. Here it goes with the rest, should this process be killed.
        with TemporaryDirectory(dir=folder if folder.is_dir() else None) as scratch:
            path = Path(scratch) / "part"
            with Unfinished.open(path) as growing:
                self._collect_into(growing, progress=False)
            return Shard.read(path)

    def _collect_into(self, growing: Unfinished, progress: bool) -> None:
        assert self.env is not None
        arguments = parse_arguments(self.env_args)
        check_arguments(self.env, arguments)
        colours = None if self.colours == "auto" else self.colours == "grey"
        looks = Look(self.image_size, colours, self.observation, self.camera, self.action_limit).chosen()
        source = EnvSource.of(self.env, self.frame_stack, **looks, **arguments)
        native = source.native
        starts = default_starts(native) if self.starts == "auto" else self.starts
        length = EPISODE_LENGTH[starts] if self.episode_length is None else self.episode_length
        n_envs = default_environments(native, self._wanted, length) if self.n_envs is None else self.n_envs
        # A resumed one need not have the default number.
        vector_env = source.vectors(growing.request.get("n_envs", n_envs))
        try:
            collect_into(
                growing,
                vector_env,
                self._wanted,
                length,
                starts=starts,
                policy=uniform_policy(source.action_dim, source.choices, self.corner_share),
                seed=self.seed,
                frame_stack=source.frame_stack,
                progress=progress,
            )
        finally:
            vector_env.close()


def _collect_part(part: tuple[int, Collection, Path]) -> Shard:
    """Collect one part in another process."""
    _, collection, folder = part
    return collection.collect_part(folder)


def open_or_collect(env: str, folder: Path, remedy: str, seed: int = 0) -> Transitions:
    """Return the dataset of an environment: collected now with the defaults, unless it is there already.

    Args:
        env: Gymnasium id.
        folder: where it is, or is written to; another seed than 0 has a folder of its own beside it.
        remedy: what to do about another dataset that is there.
        seed: of the collection.

    Raises:
        InputError: what is there is of another environment.
    """
    folder = seeded(folder, seed)
    if not (folder / NAME).is_file():
        return Collection(env=env, seed=seed).collect(folder)
    dataset = Transitions.open(folder)
    found = dataset.card.environment
    if found.rpartition(":")[2] != env.rpartition(":")[2]:
        raise InputError(f"{folder} is of {found}, not of {env}: {remedy}.")
    return dataset


def seeded(folder: Path, seed: int) -> Path:
    """Return the folder of the dataset that is collected with this seed."""
    return folder.with_name(f"{folder.name}-{seed}") if seed else folder
