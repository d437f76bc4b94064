"""`e2c collect`."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from e2c_control.cli.console import Unset, check_seed, parse_arguments, say, suggest
from e2c_control.cli.workers import check_workers, run_jobs
from e2c_control.errors import InputError, whole
from e2c_control.training.presets import EPISODE_LENGTH, TRANSITIONS, default_environments, default_starts

if TYPE_CHECKING:
    from e2c_control.data.shards import Shard
    from e2c_control.data.transitions import Transitions
    from e2c_control.parallel.outcome import Failed

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

    Attributes:
        env: Gymnasium id; `module:Id` imports the module that registers it first.
        out: folder to write.
        transitions: how many steps to take.
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

    env: str
    out: Path
    transitions: int = TRANSITIONS
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
        describe(self.collect())
        suggest(f"e2c train --dataset {self.out}")

    def collect(self) -> Transitions:
        """The dataset, made."""
        check_seed(self.seed)
        whole("--transitions", self.transitions)
        if self.episode_length is not None:
            whole("--episode-length", self.episode_length)
        check_workers(self.jobs, self.ray)
        return self._collect_here(True) if self.jobs == 1 and self.ray is None else self._collect_in_parts()

    def _collect_in_parts(self) -> Transitions:
        from e2c_control.data.shards import join_shards
        from e2c_control.data.writer import check_writable

        check_writable(self.out, self.overwrite)
        with closing(run_jobs(collect_part, self._parts(), self.jobs, self.ray)) as done:
            return join_shards(self.out, _in_order(done), seed=self.seed, overwrite=self.overwrite)

    def _parts(self) -> list[tuple[int, Collect]]:
        """The parts, numbered: this command again, with fewer transitions and a seed for each."""
        import numpy as np

        sizes = [min(PART, self.transitions - done) for done in range(0, self.transitions, PART)]
        seeds = np.random.SeedSequence(self.seed).generate_state(len(sizes)).tolist()
        return [
            (i, replace(self, transitions=size, seed=seed, jobs=1, ray=None))
            for i, (size, seed) in enumerate(zip(sizes, seeds, strict=True))
        ]

    def collect_part(self) -> Shard:
        """The transitions, in memory."""
        from e2c_control.data.shards import Shard

        with TemporaryDirectory() as folder:
            path = Path(folder) / "part"
            replace(self, out=path)._collect_here(progress=False)
            return Shard.read(path)

    def _collect_here(self, progress: bool) -> Transitions:
        from e2c_control.data import UniformPolicy, collect, make_vector_env
        from e2c_control.data.environments import check_arguments, is_native

        arguments = parse_arguments(self.env_args)
        check_arguments(self.env, arguments)
        native = is_native(self.env)
        starts = default_starts(native) if self.starts == "auto" else self.starts
        length = EPISODE_LENGTH[starts] if self.episode_length is None else self.episode_length
        vector_env = make_vector_env(
            self.env,
            default_environments(native, self.transitions, length) if self.n_envs is None else self.n_envs,
            frame_stack=1,
            image_size=self.image_size,
            grayscale=None if self.colours == "auto" else self.colours == "grey",
            **arguments,
        )
        action_dim = (vector_env.single_action_space.shape or (0,))[0]
        try:
            return collect(
                vector_env,
                self.out,
                self.transitions,
                length,
                starts=starts,
                policy=UniformPolicy(action_dim, corner_share=self.corner_share),
                seed=self.seed,
                frame_stack=self.frame_stack,
                overwrite=self.overwrite,
                progress=progress,
            )
        finally:
            vector_env.close()


def collect_part(part: tuple[int, Collect]) -> Shard:
    """In another process: one part."""
    return part[1].collect_part()


def _in_order(done: Iterable[tuple[tuple[int, Collect], Shard | Failed]]) -> Generator[Shard]:
    """The parts by their numbers; those that come early wait in memory."""
    from e2c_control.parallel.outcome import Failed

    early: dict[int, Shard] = {}
    wanted = 0
    for (number, _), shard in done:
        if isinstance(shard, Failed):
            raise InputError(f"A part could not be collected: {shard.reason}")
        early[number] = shard
        while wanted in early:
            yield early.pop(wanted)
            wanted += 1


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
