"""`e2c collect`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from e2c_control.cli.console import Unset, check_seed, parse_arguments, say, suggest
from e2c_control.errors import InputError
from e2c_control.training.presets import AT_ONCE, EPISODE_LENGTH

if TYPE_CHECKING:
    from e2c_control.data.transitions import Transitions

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
        episode_length: steps after which to start anew; short episodes see more of the world.
        starts: where episodes begin: where a reset puts them, or anywhere in the world. auto: anywhere if the
            environment can (E2C/* can).
        corner_share: share of the actions that are as large as can be; helps where large actions are needed.
        frame_stack: frames that show a state, noted in the dataset: 2 where speed matters. Default: what the
            environment shows by itself.
        image_size: pixels per side to resize pictures to. Default: 64 for rendered ones.
        colours: grey or rgb. auto: grey for rendered pictures, as they are for images.
        env_args: arguments of the environment, as name=value.
        n_envs: environments that run at the same time. Default: 100 for E2C/*, 8 for others.
        seed: of environments and actions.
        overwrite: replace a dataset that is there already.
    """

    env: str
    out: Path
    transitions: int = 20_000
    episode_length: int = EPISODE_LENGTH
    starts: Literal["auto", "reset", "sampled"] = "auto"
    corner_share: float = 0.0
    frame_stack: Unset[int] = None
    image_size: Unset[int] = None
    colours: Colours = "auto"
    env_args: tuple[str, ...] = ()
    n_envs: Unset[int] = None
    seed: int = 0
    overwrite: bool = False

    def __call__(self) -> None:
        """Collect, and say what to do with it."""
        describe(self.collect())
        suggest(f"e2c train --dataset {self.out}")

    def collect(self) -> Transitions:
        """The dataset, made."""
        from e2c_control.data import UniformPolicy, collect, make_vector_env
        from e2c_control.data.environments import check_arguments, is_native

        check_seed(self.seed)
        arguments = parse_arguments(self.env_args)
        check_arguments(self.env, arguments)
        native = is_native(self.env)
        vector_env = make_vector_env(
            self.env,
            AT_ONCE[native] if self.n_envs is None else self.n_envs,
            frame_stack=1,
            image_size=self.image_size,
            grayscale=None if self.colours == "auto" else self.colours == "grey",
            **arguments,
        )
        action_dim = (vector_env.single_action_space.shape or (0,))[0]
        starts = self.starts
        if starts == "auto":
            starts = "sampled" if native else "reset"
        try:
            return collect(
                vector_env,
                self.out,
                self.transitions,
                self.episode_length,
                starts=starts,
                policy=UniformPolicy(action_dim, corner_share=self.corner_share),
                seed=self.seed,
                frame_stack=self.frame_stack,
                overwrite=self.overwrite,
                progress=True,
            )
        finally:
            vector_env.close()


def open_or_collect(env: str, folder: Path, remedy: str) -> Transitions:
    """The dataset of an environment in a folder: collected now with the defaults, unless it is there already.

    Raises:
        InputError: what is there is of another environment; `remedy` says what to do then.
    """
    from e2c_control.data.card import NAME
    from e2c_control.data.transitions import Transitions

    if not (folder / NAME).is_file():
        dataset = Collect(env=env, out=folder).collect()
    else:
        dataset = Transitions.open(folder)
        found = dataset.card.environment
        if found.rpartition(":")[2] != env.rpartition(":")[2]:
            raise InputError(f"{folder} is of {found}, not of {env}: {remedy}.")
    describe(dataset)
    return dataset


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
