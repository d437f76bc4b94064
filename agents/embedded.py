"""What agents share that see through an embedding: how they begin and are kept, and checks of what they are shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from reprlib import repr as short
from typing import Any, ClassVar, Literal, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.utils import configure_logger
from stable_baselines3.common.vec_env import VecEnv

from e2c_control.agents.arguments import log_folder
from e2c_control.agents.callbacks import AfterStep, Callback, Stopped, as_callback, describe_curves
from e2c_control.agents.learning import (
    LearningOptions,
    RoundOptions,
    first_free,
    joined,
    place_of,
    shard_from,
    train_on,
    work_folder,
)
from e2c_control.agents.learning import gather as gather_from
from e2c_control.agents.randomness import later_seed
from e2c_control.data import Transitions
from e2c_control.data.policy import Policy
from e2c_control.data.shards import Shard
from e2c_control.data.source import EnvLike, EnvSource
from e2c_control.data.stepper import Starts
from e2c_control.errors import LARGEST_COUNT, InputError, of_class, whole
from e2c_control.fields import MOST_AT_ONCE, conform
from e2c_control.measures.encoded import Observations
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.objectives.recipe import Recipe
from e2c_control.objectives.recipes import Make, make_recipe
from e2c_control.runs.own import followed, sign
from e2c_control.runs.stateful import Groups, State, gather, loading, put_back, save
from e2c_control.runs.tags import map_verdict
from e2c_control.runs.typed_json import fields_from
from e2c_control.training.presets import default_embedding, default_recipe
from e2c_control.training.run import resolve_device

SAVED: Mapping[str, object] = {
    "embedding": EmbeddingConfig,
    "observation_shape": tuple[int, int, int],
    "action_dim": int,
    "learning": LearningOptions | None,
    "frame_stack": int | None,
    "seed": int,
    "num_timesteps": int,
    "more": Mapping[str, object],
}
"""What the JSON of a saved agent must have, beside its options."""
KEPT: Mapping[str, object] = {"tensorboard_log": str | None, "verbose": int}
Device = Literal["auto", "cpu", "cuda"]


class EmbeddedAgent:
    """An agent of stable-baselines3's contract that sees through an embedding, made of an environment or of that."""

    kind: ClassVar[str]
    """By which its folders are known."""
    options_class: ClassVar[type[object]]

    def _begin(self, embedding: Embedding, options: Any, seed: int) -> None:
        """Set up an agent that sees through this embedding.

        Args:
            embedding: for observations of the environments that will be shown.
            options: how it acts, of the class that its kind takes; none for its defaults.
            seed: of everything.
        """
        kind = self.options_class
        self.embedding = of_class("embedding", embedding, Embedding).eval()
        self._options: Any = of_class("options", self._usual_options(None) if options is None else options, kind)
        self.seed = whole("seed", seed, least=0)
        self.num_timesteps = self._steps_taken = 0
        self.logger = Logger(None, [])
        self._world: EnvSource | None = None
        self._learning: LearningOptions | None = None
        self._gathered: Shard | None = None
        self._kept: Mapping[str, Any] = {"tensorboard_log": None, "verbose": 0}
        self._logger_given = False

    @classmethod
    def from_embedding(cls, embedding: Embedding, options: object = None, seed: int = 0) -> Self:
        """Return an agent that acts at once, and has nowhere to learn.

        Args:
            embedding: trained, for observations of the environments that will be shown.
            options: how it acts; default: those of its class.
            seed: of its planner.
        """
        agent = cls.__new__(cls)
        agent._begin(embedding, options, seed)
        return agent

    def _begin_untrained(
        self,
        env: EnvLike,
        recipe: str | Make | Recipe | None,
        options: object,
        *,
        latent_dim: int | None = None,
        frame_stack: int | None,
        steps_scale: float,
        episode_length: int | None,
        folder: Path | str | None,
        tensorboard_log: str | Path | None,
        verbose: int,
        seed: int,
        device: Device,
        anything: bool = False,
        rounds: RoundOptions | None = None,
    ) -> None:
        """Set up an agent that has learnt nothing yet: the fresh weights of a recipe, and where to learn.

        Whether it takes `anything`, vectors and choices too, depends on what it is for: a goal is an image.
        """
        if isinstance(env, Embedding):
            name = type(self).__name__
            raise InputError(f"{name} takes an environment: {name}.from_embedding takes an embedding.")
        kept = {"tensorboard_log": log_folder(tensorboard_log), "verbose": whole("verbose", verbose, least=0, most=2)}
        resolve_device(device)
        world = EnvSource.of(env, frame_stack)
        if not anything and (world.choices is not None or world.vector_dim is not None):
            raise InputError(
                f"{world.name} takes choices or shows vectors: this agent takes images and continuous actions alone, "
                "choose such a variant, or learn its reward."
            )
        length = self._usual_length(world) if episode_length is None else episode_length
        if latent_dim is not None and isinstance(recipe, Recipe):
            raise InputError("latent_dim belongs to a recipe given by name: this one has sizes of its own.")
        recipe = default_recipe(world.task) if recipe is None else recipe
        if not isinstance(recipe, Recipe):
            recipe = self._own_recipe(make_recipe(recipe, default_embedding(world.frame_shape, latent_dim, world.task)))
        recipe = replace(recipe.scaled(steps_scale), embedding=replace(recipe.embedding, vectors=anything))
        weights = torch.Generator().manual_seed(seed)
        sees = (world.observation_shape, world.action_dim, weights, _vector_size(world))
        embedding = Embedding(recipe.embedding, *sees)
        self._begin(embedding, options, seed)
        if options is None:
            self._options = self._usual_options(world)
        self._world, self._kept = world, kept
        place = None if folder is None else Path(folder)
        self._learning = LearningOptions(recipe, length, device, place, rounds or RoundOptions())

    def _usual_length(self, world: EnvSource) -> int:
        """Return the steps after which a collection starts anew, where nobody says."""
        raise NotImplementedError

    def _usual_options(self, world: EnvSource | None) -> object:
        """Return how it acts where nobody says."""
        return self.options_class()

    def _own_recipe(self, recipe: Recipe) -> Recipe:
        """Return what it trains of a recipe that was given by name."""
        return recipe

    def get_env(self) -> VecEnv | None:
        """Return the environments that it learns in, as stable-baselines3 sees them."""
        return None if self._world is None else self._world.own()

    def get_vec_normalize_env(self) -> None:
        """None: images are standardised inside the embedding."""

    def set_logger(self, logger: Logger) -> None:
        """Set where `learn` reports the quality of the map, in place of `tensorboard_log`."""
        self.logger, self._logger_given = logger, True

    def set_random_seed(self, seed: int | None = None) -> None:
        """Set the seed of everything that comes; without one nothing changes."""
        self.seed = self.seed if seed is None else whole("seed", seed, least=0, most=2**32 - 1)

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
            "vector_dim": embedding.vector_dim,
            "options": self._options,
            "learning": learning,
            "frame_stack": None if self._world is None else self._world.frame_stack,
            "seed": self.seed,
            "num_timesteps": self.num_timesteps,
            "more": more,
            "signature": sign(None if learning is None else str(learning.folder)),
            "kept": self._kept,
            "log_signature": sign(self._kept["tensorboard_log"]),
        }
        if (gathered := self._gathered) is not None:
            own = {**own, "gathered": {name: torch.from_numpy(array) for name, array in gathered.arrays.items()}}
            meta["card"] = gathered.card
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
            vectors = whole("vector_dim", meta.get("vector_dim", 0), least=0, most=MOST_AT_ONCE)
            embedding = Embedding(meta["embedding"], shape, meta["action_dim"], torch.Generator(), vectors)
            put_back({"embedding": embedding}, tensors, meta)
            agent = cls.from_embedding(embedding.to(resolve_device(device)), meta["options"], meta["seed"])
            agent.num_timesteps, learning = meta["num_timesteps"], meta["learning"]
            if learning is not None and learning.recipe.embedding != agent.embedding.config:
                # Learning again makes networks by the recipe, whose sizes no weights in the folder account for.
                raise InputError(f"{path} is damaged, its recipe is for other networks than its own: learn again.")
            if learning is not None and learning.folder is not None:
                folder = followed(str(learning.folder), meta.get("signature"), path)
                learning = replace(learning, folder=None if folder is None else Path(folder))
            agent._learning = learning
            if "kept" in meta:
                agent._kept = fields_from(KEPT, meta["kept"])
                log = followed(agent._kept["tensorboard_log"], meta.get("log_signature"), path)
                agent._kept["tensorboard_log"] = log
            if (gathered := tensors.get("gathered")) is not None:
                agent._gathered = shard_from(gathered, meta.get("card") or meta["more"]["card"])
            agent._restore_own(tensors, meta)
        if env is not None:
            world = EnvSource.of(env)
            agent._settle(world if world.observation_shape == shape else EnvSource.of(env, meta["frame_stack"]), path)
        return agent

    def _own_state(self) -> State:
        """Return what this kind of agent has besides."""
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
        if embedding.vector_dim != _vector_size(world):
            raise InputError(
                f"{path} was trained on vectors of {embedding.vector_dim} numbers, and {world.name} shows "
                f"{_vector_size(world)}: give load an environment like that of its training."
            )
        gathered = self._gathered
        if gathered is not None and world.native and gathered.card.environment != world.name:
            raise InputError(
                f"{path} gathered in {gathered.card.environment}, not in {world.name}: give load that environment."
            )
        self._world = world

    def _where(self) -> tuple[EnvSource, LearningOptions]:
        if self._world is None or self._learning is None:
            raise InputError(
                f"This agent has no environment to learn in: give one to load, or make it with {self.kind}(env)."
            )
        return self._world, self._learning

    def _learn(
        self,
        total_timesteps: int,
        callback: Callback,
        tb_log_name: str,
        reset_num_timesteps: bool,
        progress_bar: bool,
        *,
        starts: Starts,
    ) -> Self:
        """Gather transitions, train on them and on all that were gathered before, and again, by rounds if it has any.

        Args:
            total_timesteps, callback, tb_log_name, reset_num_timesteps, progress_bar: as `learn` of stable-baselines3.
            starts: where episodes begin.
        """
        world, learning = self._where()
        total_timesteps = whole("total_timesteps", total_timesteps)
        if not self._logger_given and any(self._kept.values()):
            log = (self._kept["verbose"], self._kept["tensorboard_log"], tb_log_name)
            self.logger = configure_logger(*log, reset_num_timesteps)
            describe_curves(self.logger)
        self.num_timesteps = 0 if reset_num_timesteps else self.num_timesteps

        def work(after_step: AfterStep, watcher: BaseCallback) -> None:
            left = total_timesteps
            with work_folder(learning) as folder:
                while left:
                    watcher.on_rollout_start()
                    before, seed, size = self._gathered, self._round_seed(), min(self._round_size(), left)
                    dataset = place_of(before, folder)
                    path = dataset if before is None else first_free(folder / "round")
                    policy = self._gathering_policy()
                    gathered = (path, size, seed, after_step, progress_bar)
                    new = gather_from(world, learning, *gathered, starts=starts, policy=policy)
                    watcher.on_rollout_end()
                    everything = new if before is None else joined(dataset, before, new, seed)
                    embedding, quality = self._trained(everything, folder, seed, progress_bar)
                    self._adopt(embedding.cpu().eval(), everything)
                    self._gathered, left = Shard.read(dataset), left - size
                    self._report(quality)
                    if progress_bar and (verdict := map_verdict(quality)):
                        print(f"The map {verdict.text}.", file=sys.stderr)

        self._watched(callback, {"total_timesteps": total_timesteps, "progress_bar": progress_bar}, work)
        return self

    def _round_seed(self) -> int:
        """Return the seed of what is gathered next and of the training on it: another one in every round."""
        return later_seed(self.seed, 0 if self._gathered is None else len(self._gathered.frames))

    def _round_size(self) -> int:
        """Return the transitions to gather before training: all of them."""
        return LARGEST_COUNT

    def _gathering_policy(self) -> Policy | None:
        """Return what gathers; random actions without one."""
        return None

    def _trained(
        self, transitions: Transitions, folder: Path, seed: int, progress: bool
    ) -> tuple[Embedding, dict[str, float]]:
        """Return an embedding trained on all that was gathered, and measures of it."""
        return train_on(*self._where(), transitions, folder, seed, progress)

    def _adopt(self, embedding: Embedding, seen: Transitions) -> None:
        """See through this embedding from now on, which was trained on all that was seen."""
        raise NotImplementedError

    def _watched(
        self, callback: Callback, told: dict[str, object], work: Callable[[AfterStep, BaseCallback], None]
    ) -> None:
        """Learn under the eyes of a callback, which may end it.

        Args:
            callback: as stable-baselines3 takes it.
            told: arguments of `learn`, for the callback.
            work: learns; calls what it is given after every step, and tells the callback of rollouts.
        """
        watcher = as_callback(callback)
        watcher.init_callback(self)  # pyright: ignore[reportArgumentType]
        watcher.on_training_start({"self": self, **told}, globals())

        def after_step(happened: dict[str, Any]) -> bool:
            self.num_timesteps += len(happened["dones"])
            self._steps_taken += len(happened["dones"])
            watcher.update_locals(happened)
            return watcher.on_step()

        with suppress(Stopped):
            work(after_step, watcher)
        watcher.on_training_end()

    def _checked(self, given: object, what: str) -> NDArray[np.uint8]:
        """Return images (N, H, W, C), of one or of several; raise `InputError` if the embedding cannot read them."""
        shape = self.embedding.observation_shape
        try:
            images = np.asarray(given)
        except ValueError as error:  # rows of different lengths
            several = ("N", *shape)
            raise InputError(f"{what} is no array: give uint8 of shape {shape} or {_shown(several)}.") from error
        if images.dtype != np.uint8 or images.shape[-3:] != shape or images.ndim not in (3, 4):
            raise InputError(
                f"{what} must be uint8 of shape {shape}, or {_shown(('N', *shape))} of several, not {images.dtype} of "
                f"shape {images.shape}: {_mended(images, shape)}."
            )
        if images.size == 0:
            raise InputError(f"{what} has no images: give at least one.")
        return images.reshape(-1, *shape)

    def _observed(self, given: object, what: str) -> tuple[Observations, int, bool]:
        """Return N observations of what the embedding sees, N, and whether one was given that is not in a batch."""
        embedding = self.embedding
        if not embedding.vector_dim:
            images = self._checked(given, what)
            return images, len(images), np.ndim(cast(NDArray[np.uint8], given)) == 3
        if embedding.decoder is None:
            vectors, one = self._checked_vectors(given, what)
            return vectors, len(vectors), one
        if not isinstance(given, Mapping):
            raise InputError(f"{what} is {short(given)}: the agent sees a mapping of image and vector.")
        parts = cast(Mapping[str, object], given)
        if sorted(parts) != ["image", "vector"]:
            raise InputError(f"{what} has {', '.join(sorted(parts))}: the agent sees a mapping of image and vector.")
        images, (vectors, one) = self._checked(parts["image"], what), self._checked_vectors(parts["vector"], what)
        if len(images) != len(vectors):
            raise InputError(f"{what} has {len(images)} images and {len(vectors)} vectors: give as many of both.")
        return {"image": images, "vector": vectors}, len(images), one

    def _checked_vectors(self, given: object, what: str) -> tuple[NDArray[np.float32], bool]:
        size = self.embedding.vector_dim
        vectors = conform(NDArray[np.float64], given, what)
        if vectors.shape[-1:] != (size,) or vectors.ndim not in (1, 2) or not vectors.size:
            raise InputError(f"{what} must be numbers of shape ({size},) or (N, {size}), not {vectors.shape}.")
        if not np.isfinite(vectors).all():
            raise InputError(f"{what} is not finite: give numbers.")
        return vectors.reshape(-1, size).astype(np.float32), vectors.ndim == 1


def _vector_size(world: EnvSource) -> int:
    """Return the numbers of a stacked vector observation; 0 where there is none."""
    return (world.vector_dim or 0) * world.frame_stack


def _shown(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def _mended(given: NDArray[np.generic], shape: tuple[int, int, int]) -> str:
    """Return what makes images of this shape of what was given."""
    height, width, channels = shape
    if given.dtype.kind not in "biuf":
        return (
            "read a picture's file first, as the page on goal images says, or drive with `e2c plan --goal picture.png`"
        )
    if given.dtype != np.uint8 and given.shape[-3:] == shape:
        ones = given.dtype.kind == "b" or (given.size > 0 and given.min() >= 0 and given.max() <= 1)
        made = "(255 * images).round()" if ones else "images.round()"
        return f"its numbers are to be from 0 to 255, so give {made}.astype(np.uint8)"
    if channels == 1 and given.shape == (height, width):
        return "give it an axis of channels, image[..., None]"
    if given.shape[-3:] == (channels, height, width):
        return "its channels come first, so give np.moveaxis(images, -3, -1)"
    if given.shape[-3:-1] == (height, width) and given.shape[-1] < channels and channels % given.shape[-1] == 0:
        count = channels // given.shape[-1]
        return (
            f"it is one frame, and the agent sees {count}, oldest first: where all is at rest that is "
            f"np.concatenate([image] * {count}, axis=-1), or take agent.get_env(), which stacks frames"
        )
    return (
        "make the environment with the frame stack, size and colours that the embedding was trained with, or take "
        "agent.get_env(), which stacks frames as the agent's frame_stack says"
    )
