"""`e2c collect`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from e2c_control.cli.console import Unset, check_seed, naming, parse_arguments, say, suggest
from e2c_control.cli.workers import check_workers, run_jobs
from e2c_control.errors import InputError, quoted, whole
from e2c_control.training.presets import EPISODE_LENGTH, TRANSITIONS, default_environments, default_starts

if TYPE_CHECKING:
    from e2c_control.data.shards import Shard
    from e2c_control.data.transitions import Transitions
    from e2c_control.data.unfinished import Unfinished

CONFIG = "config.json"
"""In the folder of an unfinished dataset: the command that began it."""

PART = 5_000
"""Transitions that are collected together where there are several processes; another number gives other data."""

Colours = Literal["auto", "grey", "rgb"]


@dataclass(frozen=True, kw_only=True)
class Collect:
    """Make a dataset from any Gymnasium environment that shows images, or that renders.

    Takes random actions and keeps single frames, as plain .npy files that numpy.load opens.
      e2c collect --env E2C/Planar-v0 --out datasets/planar
      e2c collect --env Pendulum-v1 --out datasets/pendulum --image-size 48 --frame-stack 2
      e2c collect --env my_package:My/Robot-v0 --out datasets/robot --env-args speed=2

    Stopped by Ctrl-C, a crash, a kill or an error of the environment, it goes on from its last whole round; so does the
    same command again:
      e2c collect --resume datasets/planar

    Attributes:
        env: Gymnasium id; `module:Id` imports the module that registers it first.
        out: folder to write.
        resume: instead, dataset to go on with, by its own options. Beside it only --transitions may be given (as many
            as there are makes a dataset of those), --overwrite, and --env, to confirm one of another module.
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
        env_args: arguments of the environment, as name=value.
        n_envs: environments that run at the same time. Default: 256 for E2C/*, 8 for others, and no
            more than there are episodes to collect.
        seed: of environments and actions.
        overwrite: replace a dataset that is there already.
        jobs: processes that collect at the same time, in parts of 5,000 transitions. Each part has a seed of its own:
            the data are the same with any number of them above one, and on a cluster.
        ray: instead, address of a Ray cluster to collect the parts on: auto, host:port or ray://host:port. It needs
            e2c-control[ray] here and this version of e2c-control, and the environment, on every machine.
    """

    BESIDE_RESUME = ("--transitions", "--overwrite", "--env")

    env: Unset[str] = None
    out: Unset[Path] = None
    resume: Unset[Path] = None
    transitions: Unset[int] = None
    episode_length: Unset[int] = None
    starts: Literal["auto", "reset", "sampled"] = "auto"
    corner_share: float = 0.0
    frame_stack: Unset[int] = None
    image_size: Unset[int] = None
    colours: Colours = "auto"
    env_args: tuple[str, ...] = ()
    n_envs: Unset[int] = None
    seed: int = 0
    overwrite: bool = False
    jobs: int = 1
    ray: Unset[str] = None

    def __call__(self) -> None:
        """Collect, and say what to do with it."""
        dataset = self.collect() if self.resume is None else self._resumed(self.resume)._collect(True)
        describe(dataset)
        suggest(f"e2c train --dataset {quoted(dataset.path)}")

    def collect(self) -> Transitions:
        """The dataset, made; what an earlier try of the same command left is gone on with."""
        if self.env is None or self.out is None:
            raise InputError("Give --env and --out, or --resume; see e2c collect --help.")
        from e2c_control.data.environments import look_here_for

        look_here_for(self.env)
        return self._collect(self._goes_on(self.out))

    def _collect(self, resume: bool) -> Transitions:
        from e2c_control.data.environments import find_spec
        from e2c_control.data.transitions import Transitions
        from e2c_control.data.unfinished import Unfinished
        from e2c_control.runs.config import write_config

        assert self.env is not None
        assert self.out is not None
        check_seed(self.seed)
        whole("--transitions", self._wanted)
        if self.episode_length is not None:
            whole("--episode-length", self.episode_length)
        check_workers(self.jobs, self.ray)
        find_spec(self.env)  # refused before there is a folder
        with Unfinished.open(self.out, overwrite=self.overwrite, resume=resume) as growing:
            write_config(growing.folder / CONFIG, self)
            hint = f"`e2c collect --resume {quoted(self.out)}{naming(self.env)}{' --overwrite' * self.overwrite}`"
            try:
                if growing.transitions:
                    say("Going on", f"after {growing.transitions:,} transitions that were collected before")
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
        return Transitions.open(self.out)

    @property
    def _wanted(self) -> int:
        return TRANSITIONS if self.transitions is None else self.transitions

    @property
    def _in_parts(self) -> bool:
        return self.jobs != 1 or self.ray is not None

    def _resumed(self, path: Path) -> Collect:
        """The command that was not finished, with what may be given anew."""
        from e2c_control.data.card import NAME
        from e2c_control.data.environments import check_file_arguments, look_here_for
        from e2c_control.data.unfinished import unfinished_folder
        from e2c_control.runs.config import is_own_config, read_config
        from e2c_control.runs.foreign import check_folder

        noted = unfinished_folder(path) / CONFIG
        if not noted.is_file():
            if (path / NAME).is_file():
                raise InputError(f"{path} is finished: nothing of it is left to collect.")
            raise InputError(f"Nothing of {path} was collected: begin with `e2c collect --env ENV --out PATH`.")
        check_folder(noted.parent)
        began = read_config(noted, Collect)
        if not is_own_config(noted):
            check_file_arguments(str(began.env), parse_arguments(began.env_args))
            if began.ray is not None:
                raise InputError(f"{path} was not begun here and names a cluster, {began.ray!r:.80}: collect anew.")
        if self.env not in (None, began.env):
            raise InputError(f"{path} is of {began.env}, not of {self.env}: leave --env out.")
        if self.env is not None:
            look_here_for(self.env)
        elif confirmed := naming(began.env):
            raise InputError(f"{path} is of {began.env}, which imports a module: if that is yours, add{confirmed}.")
        transitions = began.transitions if self.transitions is None else self.transitions
        return replace(began, out=path, transitions=transitions, overwrite=self.overwrite)

    def _goes_on(self, path: Path) -> bool:
        """Whether what is there of the dataset was begun by this command.

        Raises:
            InputError: it was begun by another one, and would be lost.
        """
        from e2c_control.data.unfinished import is_kept, unfinished_folder
        from e2c_control.runs.config import read_config

        folder = unfinished_folder(path)
        if not is_kept(folder):
            return False
        try:
            began = read_config(folder / CONFIG, Collect)
        except InputError:
            began = None
        if began is not None and self._alike(began) and self._in_parts == began._in_parts:
            return True
        if not self.overwrite:
            raise InputError(
                f"A part of {path} was collected with other options: go on with `e2c collect --resume {quoted(path)}"
                f"{naming(self.env)}`, give it up with --overwrite, or choose another path."
            )
        return False

    def _alike(self, other: Collect) -> bool:
        """Whether it collects the same; a resumed one may have been asked for another number of transitions."""
        free = {"out": None, "overwrite": False, "jobs": 1, "ray": None}
        return replace(self, **free) == replace(other, **free)

    def _collect_parts(self, growing: Unfinished) -> None:
        """The parts that are lacking, each kept as soon as it is there; those that come early wait on the disk."""
        from e2c_control.data.card import NAME
        from e2c_control.data.shards import append_shard
        from e2c_control.data.unfinished import PARTS
        from e2c_control.data.writer import TransitionsWriter
        from e2c_control.parallel.outcome import Failed

        if growing.transitions % PART and growing.transitions != self._wanted:
            raise InputError(f"{growing.path} ends with a smaller part: leave --transitions out, or collect anew.")
        folder = growing.folder / PARTS
        parts = self._parts(growing.folder)[growing.units :]
        lacking = [part for part in parts if not (folder / str(part[0]) / NAME).is_file()]
        with closing(run_jobs(collect_part, lacking, self.jobs, self.ray)) as done:
            self._join(growing, folder)
            for (number, _), shard in done:
                if isinstance(shard, Failed):
                    raise InputError(f"A part could not be collected: {shard.reason}")
                with TransitionsWriter.create(folder / str(number), shard.card) as writer:
                    append_shard(writer, shard)
                self._join(growing, folder)

    def _join(self, growing: Unfinished, folder: Path) -> None:
        """Append the parts that are next."""
        from shutil import rmtree

        from e2c_control.data.card import NAME
        from e2c_control.data.shards import Shard, append_shard

        while (part := folder / str(growing.units) / NAME).is_file():
            shard = Shard.read(part.parent)
            expected = len(shard.frames) * -(-self._wanted // PART)
            growing.describe(replace(shard.card, seed=self.seed), {"part": PART}, expected)
            append_shard(growing.writer, shard)
            growing.commit()
            rmtree(part.parent)

    def _parts(self, folder: Path) -> list[tuple[int, Collect]]:
        """The parts, numbered: this command again, with fewer transitions, a seed for each, and a folder to work in."""
        import numpy as np

        sizes = [min(PART, self._wanted - done) for done in range(0, self._wanted, PART)]
        seeds = np.random.SeedSequence(self.seed).generate_state(len(sizes)).tolist()
        return [
            (i, replace(self, out=folder, transitions=size, seed=seed, jobs=1, ray=None))
            for i, (size, seed) in enumerate(zip(sizes, seeds, strict=True))
        ]

    def collect_part(self) -> Shard:
        """The transitions, in memory."""
        from e2c_control.data.shards import Shard
        from e2c_control.data.unfinished import Unfinished

        # On another machine there is no such folder. Here it goes with the rest, should this process be killed.
        here = self.out if self.out is not None and self.out.is_dir() else None
        with TemporaryDirectory(dir=here) as folder:
            path = Path(folder) / "part"
            with Unfinished.open(path) as growing:
                self._collect_into(growing, progress=False)
            return Shard.read(path)

    def _collect_into(self, growing: Unfinished, progress: bool) -> None:
        from e2c_control.data import UniformPolicy, make_vector_env
        from e2c_control.data.collect import collect_into
        from e2c_control.data.environments import check_arguments, is_native

        assert self.env is not None
        arguments = parse_arguments(self.env_args)
        check_arguments(self.env, arguments)
        native = is_native(self.env)
        starts = default_starts(native) if self.starts == "auto" else self.starts
        length = EPISODE_LENGTH[starts] if self.episode_length is None else self.episode_length
        n_envs = default_environments(native, self._wanted, length) if self.n_envs is None else self.n_envs
        vector_env = make_vector_env(
            self.env,
            growing.request.get("n_envs", n_envs),  # which the default number of a resumed one need not be
            frame_stack=1,
            image_size=self.image_size,
            grayscale=None if self.colours == "auto" else self.colours == "grey",
            **arguments,
        )
        action_dim = (vector_env.single_action_space.shape or (0,))[0]
        try:
            collect_into(
                growing,
                vector_env,
                self._wanted,
                length,
                starts=starts,
                policy=UniformPolicy(action_dim, corner_share=self.corner_share),
                seed=self.seed,
                frame_stack=self.frame_stack,
                progress=progress,
            )
        finally:
            vector_env.close()


def collect_part(part: tuple[int, Collect]) -> Shard:
    """In another process: one part."""
    return part[1].collect_part()


def open_or_collect(env: str, folder: Path, remedy: str, seed: int = 0) -> Transitions:
    """The dataset of an environment: collected now with the defaults, unless it is there already.

    Args:
        env: Gymnasium id.
        folder: where it is, or is written to; another seed than 0 has a folder of its own beside it.
        remedy: what to do about another dataset that is there.
        seed: of the collection.

    Raises:
        InputError: what is there is of another environment.
    """
    from e2c_control.data.card import NAME
    from e2c_control.data.transitions import Transitions

    folder = seeded(folder, seed)
    if not (folder / NAME).is_file():
        dataset = Collect(env=env, out=folder, seed=seed).collect()
    else:
        dataset = Transitions.open(folder)
        found = dataset.card.environment
        if found.rpartition(":")[2] != env.rpartition(":")[2]:
            raise InputError(f"{folder} is of {found}, not of {env}: {remedy}.")
    describe(dataset)
    return dataset


def seeded(folder: Path, seed: int) -> Path:
    """The folder of the dataset that is collected with this seed."""
    return folder.with_name(f"{folder.name}-{seed}") if seed else folder


def describe(dataset: Transitions) -> None:
    """Say where a dataset is and what is in it."""
    height, width, channels = dataset.card.frame_shape
    megabytes = dataset.frames.nbytes / 1e6
    say("Dataset", dataset.path)
    say(
        "",
        f"{dataset.n_transitions:,} transitions of {dataset.card.environment} in {dataset.n_episodes:,} episodes, "
        f"frames {height} x {width} x {channels}, {megabytes:,.0f} MB",
    )
