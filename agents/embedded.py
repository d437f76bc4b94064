"""What agents share that see through an embedding: how they begin and are kept, and checks of what they are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from e2c_control.agents.learning import AfterStep, Callback, LearningOptions, Stopped, as_callback, device_of
from e2c_control.data.source import EnvLike, EnvSource
from e2c_control.errors import InputError, of_class, whole
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.runs.own import followed, sign
from e2c_control.runs.stateful import Groups, State, gather, loading, put_back, save

SAVED: Mapping[str, Any] = {
    "embedding": EmbeddingConfig,
    "observation_shape": tuple[int, int, int],
    "action_dim": int,
    "learning": LearningOptions | None,
    "frame_stack": int | None,
    "seed": int,
    "num_timesteps": int,
    "more": Mapping[str, Any],
}
"""What the JSON of a saved agent must have, beside its options."""


class EmbeddedAgent:
    """An agent of stable-baselines3's contract that sees through an embedding.

    Args:
        embedding: trained, for observations of the environments that will be shown.
        options: how it acts, of the class that its kind takes.
        seed: of everything.
    """

    kind: ClassVar[str]
    """By which its folders are known."""
    options_class: ClassVar[type[Any]]

    def __init__(self, embedding: Embedding, options: Any, seed: int) -> None:
        self._options = options
        self.embedding = of_class("embedding", embedding, Embedding).eval()
        self.seed = whole("seed", seed, least=0)
        self.num_timesteps = 0
        self.logger = Logger(None, [])
        self._world: EnvSource | None = None
        self._learning: LearningOptions | None = None

    def get_env(self) -> VecEnv | None:
        """The environments that it learns in, as stable-baselines3 sees them."""
        return None if self._world is None else self._world.own()

    def get_vec_normalize_env(self) -> None:
        """None: images are standardised inside the embedding."""

    def set_logger(self, logger: Logger) -> None:
        """Where `learn` reports the quality of the map."""
        self.logger = logger

    @classmethod
    def _untrained(cls, world: EnvSource, options: Any, learning: LearningOptions, seed: int) -> Self:
        """An agent with the fresh weights of its recipe, and a world to learn in."""
        weights = torch.Generator().manual_seed(seed)
        embedding = Embedding(learning.recipe.embedding, world.observation_shape, world.action_dim, weights)
        agent = cls(embedding, options, seed)
        agent._world, agent._learning = world, learning
        return agent

    def save(self, path: Path | str) -> None:
        """Write a folder of JSON and safetensors, with all that was learnt and seen; nothing is pickled.

        The goal of `set_goal` is written. Goals that are followed belong to episodes of environments, and are not.
        """
        embedding, learning = self.embedding, self._learning
        (tensors, _), (own, more) = gather({"embedding": embedding}), self._own_state()
        meta = {
            "embedding": embedding.config,
            "observation_shape": embedding.observation_shape,
            "action_dim": embedding.action_dim,
            "options": self._options,
            "learning": learning,
            "frame_stack": None if self._world is None else self._world.frame_stack,
            "seed": self.seed,
            "num_timesteps": self.num_timesteps,
            "more": more,
            "signature": sign(None if learning is None else str(learning.folder)),
        }
        save(path, State({**tensors, **own}, meta), self.kind)

    @classmethod
    def load(
        cls,
        path: Path | str,
        env: EnvLike | None = None,
        device: torch.device | str = "cpu",
        trust: Sequence[str] = (),
    ) -> Self:
        """Return an agent that `save` wrote, which goes on as it would have.

        One that followed goals needs to be told again whose.

        Args:
            path: the folder.
            env: where it may learn again, for an agent that learns.
            device: where it encodes.
            trust: modules whose code the folder may name, such as ``("my_package",)``.

        Raises:
            InputError: the folder is missing or damaged, or holds something else, or the environment does not fit it.
        """
        with loading(path, {**SAVED, "options": cls.options_class}, cls.kind, trust=trust) as (tensors, meta):
            shape: tuple[int, int, int] = meta["observation_shape"]
            embedding = Embedding(meta["embedding"], shape, meta["action_dim"], torch.Generator())
            put_back({"embedding": embedding}, tensors, meta)
            agent = cls(embedding.to(device_of(device)), meta["options"], meta["seed"])
            agent.num_timesteps, learning = meta["num_timesteps"], meta["learning"]
            if learning is not None and learning.folder is not None:
                folder = followed(str(learning.folder), meta.get("signature"), path)
                learning = replace(learning, folder=None if folder is None else Path(folder))
            agent._learning = learning
            agent._restore_own(tensors, meta)
        if env is not None:
            world = EnvSource.of(env)
            agent._settle(world if world.observation_shape == shape else EnvSource.of(env, meta["frame_stack"]), path)
        return agent

    def _own_state(self) -> State:
        """What this kind of agent has besides."""
        raise NotImplementedError

    def _restore_own(self, tensors: Groups, meta: Mapping[str, Any]) -> None:
        """Put back what `_own_state` returned, from among all groups; its JSON is `meta["more"]`."""
        raise NotImplementedError

    def _report(self, quality: Mapping[str, float]) -> None:
        """Tell the logger what was learnt."""
        for name, value in quality.items():
            self.logger.record(name, value)
        self.logger.dump(self.num_timesteps)

    def _settle(self, world: EnvSource, path: Path | str) -> None:
        """Learn in that world from now on; `InputError` if what the agent at `path` sees or does is not of it."""
        embedding = self.embedding
        known, shown = (embedding.observation_shape, embedding.action_dim), (world.observation_shape, world.action_dim)
        if known != shown:
            raise InputError(
                f"{path} was trained on observations {known[0]} and {known[1]} controls, and {world.name} has "
                f"{shown[0]} and {shown[1]}: give load an environment like that of its training."
            )
        self._world = world

    def _where(self) -> tuple[EnvSource, LearningOptions]:
        if self._world is None or self._learning is None:
            raise InputError(
                f"This agent has no environment to learn in: make it with {type(self).__name__}.create(env)."
            )
        return self._world, self._learning

    def _watched(
        self, callback: Callback, told: dict[str, Any], work: Callable[[AfterStep, Callable[[], None]], None]
    ) -> None:
        """Learn under the eyes of a callback, which may end it.

        Args:
            callback: as stable-baselines3 takes it.
            told: arguments of `learn`, for the callback.
            work: learns; calls what it is given after every step, and when the collection is over.
        """
        watcher = as_callback(callback)
        watcher.init_callback(self)  # pyright: ignore[reportArgumentType]
        watcher.on_training_start({"self": self, **told}, globals())
        watcher.on_rollout_start()

        def after_step(happened: dict[str, Any]) -> bool:
            self.num_timesteps += len(happened["dones"])
            watcher.update_locals(happened)
            return watcher.on_step()

        with suppress(Stopped):
            work(after_step, watcher.on_rollout_end)
        watcher.on_training_end()

    def _checked(self, given: Any, what: str) -> NDArray[np.uint8]:
        """Images (N, H, W, C), of one or of several; `InputError` if the embedding cannot read them."""
        shape = self.embedding.observation_shape
        try:
            images: NDArray[Any] = np.asarray(given)
        except ValueError as error:  # rows of different lengths
            raise InputError(f"{what} is no array: give uint8 of shape {shape} or (N, *{shape}).") from error
        if images.dtype != np.uint8 or images.shape[-3:] != shape or images.ndim not in (3, 4):
            raise InputError(
                f"{what} must be uint8 of shape {shape} or (N, *{shape}), not {images.dtype} of shape {images.shape}: "
                "make the environment with the frame stack and size that the embedding was trained with."
            )
        if images.size == 0:
            raise InputError(f"{what} has no images: give at least one.")
        return images.reshape(-1, *shape)

    @staticmethod
    def _fresh(count: int, before: int | None, episode_start: NDArray[Any] | None) -> NDArray[np.bool_]:
        """Which of the environments (count,) begin an episode.

        Args:
            count: observations.
            before: environments that the given state is of, or none without a state: then all begin.
            episode_start: what was given.

        Raises:
            InputError: they are of other numbers of environments.
        """
        started = np.zeros(count, np.bool_) if episode_start is None else np.asarray(episode_start, np.bool_)
        if started.shape != (count,):
            raise InputError(f"episode_start has shape {started.shape}: give one for each of {count} observations.")
        if before not in (None, count):
            raise InputError(
                f"The state is of {before} environments, but there are {count} observations: pass none at first."
            )
        return started if before is not None else np.ones(count, np.bool_)
