"""The free-energy agent: a model that lowers its surprise, and a policy that raises it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv, VecNormalize, unwrap_vec_wrapper

from e2c_control.agents.algorithms import AlgorithmState
from e2c_control.agents.arguments import log_folder, savable
from e2c_control.agents.callbacks import Callback, OfAgent, with_bar
from e2c_control.agents.free_energy.learners import (
    POLICIES,
    SIGHTS,
    algorithm_of,
    environments_at_once,
    is_image,
    settings_of,
)
from e2c_control.agents.free_energy.nowhere import Nowhere
from e2c_control.agents.free_energy.sight import SightCallback
from e2c_control.agents.novelty import NoveltyCallback, NoveltyOptions, NoveltyReward, Weights
from e2c_control.agents.novelty.novelty import WHITENED_LIMIT
from e2c_control.agents.novelty.scaling import Moments
from e2c_control.agents.novelty.weights import Objective
from e2c_control.agents.policy_gradient import PolicyGradient
from e2c_control.agents.randomness import later_seed, own_randomness
from e2c_control.agents.spaces import SPACES, check_fit, spaces_from, spaces_of, spaces_to
from e2c_control.data.source import EnvLike, vec_env_of
from e2c_control.errors import InputError, whole
from e2c_control.fields import Count, ListSeed, Named, Through, check, checked
from e2c_control.registry import names_from
from e2c_control.runs.own import followed, sign
from e2c_control.runs.stateful import Part, State, gather, loading, put_back, save
from e2c_control.runs.typed_json import fields_from
from e2c_control.training.run import resolve_device

KIND = "FreeEnergyAgent"
NOVELTY = "novelty_"
"""How the names of the model's files begin."""

KEPT: Mapping[str, object] = {"tensorboard_log": str | None, "verbose": int}


@dataclass(frozen=True)
class FreeEnergyOptions:
    """What a free-energy agent is.

    Attributes:
        policy: what its policy learns by: ppo, sac, relax, "my_package:Mine", or a class of stable-baselines3's kind,
            of which the name is kept.
        sight: how its policy sees images: whitened pixel by pixel, or plain, as they are; or, likewise, a features
            extractor.
        novelty: what is new to it, and how it learns that.
        weights: of novelty and of what the environment pays, and whether novelty is sought or avoided.
        policy_options: arguments of the policy's algorithm that are to be others than usual; numbers, texts, and lists
            and mappings of them.
    """

    policy: Annotated[str | type[BaseAlgorithm], Named(POLICIES)] = "ppo"
    sight: Annotated[str | type[BaseFeaturesExtractor], Named(SIGHTS)] = "whitened"
    novelty: NoveltyOptions = field(default_factory=NoveltyOptions)
    weights: Weights = field(default_factory=lambda: Weights(extrinsic=0.0))
    policy_options: Annotated[Mapping[str, object], Through(savable)] = field(default_factory=dict[str, object])

    def __post_init__(self) -> None:
        check(self)

    def arguments(self) -> dict[str, Any]:
        """Return them as arguments of `FreeEnergyAgent`."""
        return {
            "policy": self.policy,
            "novelty": self.novelty,
            "objective": self.weights.objective,
            "intrinsic_weight": self.weights.intrinsic,
            "extrinsic_weight": self.weights.extrinsic,
            "sight": self.sight,
            "policy_options": self.policy_options,
        }


META: Mapping[str, object] = {
    "options": FreeEnergyOptions,
    "seed": int,
    "kept": Mapping[str, object],
    "n_envs": int,
    **SPACES,
    "algorithm": Mapping[str, object],
    "novelty": Mapping[str, object],
}
"""What the JSON of a saved agent must have."""


class FreeEnergyAgent:
    """Adversarial free energy: a world model learns to reconstruct what the agent senses, and a policy seeks its error.

    With objective "minimise" the sign is turned round: the plain free-energy agent, which avoids surprise.

        agent = FreeEnergyAgent("MountainCar-v0").learn(60_000)
        agent.save("explorer")
        FreeEnergyAgent.load("explorer", env="MountainCar-v0").learn(60_000, reset_num_timesteps=False)

    `learn` always resets the environments, with a seed made of `seed` and the steps so far: on a CPU it goes on from a
    saved agent to the bit, as it would have without saving. It can be interrupted: the agent is then what it was after
    the last step, and can act, be saved and go on. Policies see vectors whitened, and images unless told otherwise.

    Attributes:
        options: what it is.
        model: the stable-baselines3 algorithm of its policy.
        reward: what pays it; `reward.novelty` is its world model.
        seed: of everything.

    Args:
        env: a Gymnasium id, a function that makes an environment, an environment, or a vector of stable-baselines3.
        policy: what the policy learns by: ppo; sac, for continuous actions, which scores what it replays anew; relax,
            which is LAX where actions are continuous.
        novelty: what is new, and how that is learnt; a recurrent auto-encoder's error unless told otherwise.
        objective: maximise novelty, or minimise it.
        intrinsic_weight: of novelty.
        extrinsic_weight: of what the environment pays.
        sight: how the policy sees images: "whitened" pixel by pixel, so that it sees the few that move, or "plain".
        policy_options: arguments of the policy's algorithm that are to be others than usual.
        n_envs: environments at once where they are made here: 32, 8 for relax, or one for sac.
        tensorboard_log, verbose: as in stable-baselines3.
        seed: of everything; without one, another one each time.
        device: where everything computes.

    Raises:
        InputError: an option that there is not, or an environment that policy or novelty cannot take.
    """

    @checked
    def __init__(
        self,
        env: EnvLike,
        policy: str | type[BaseAlgorithm] = "ppo",
        novelty: NoveltyOptions | None = None,
        *,
        objective: Objective = "maximise",
        intrinsic_weight: float = 1.0,
        extrinsic_weight: float = 0.0,
        sight: str | type[BaseFeaturesExtractor] = "whitened",
        policy_options: Mapping[str, object] | None = None,
        n_envs: Count | None = None,
        tensorboard_log: str | Path | None = None,
        verbose: int = 0,
        seed: ListSeed | None = None,
        device: torch.device | str = "auto",
    ) -> None:
        weights = Weights(intrinsic_weight, extrinsic_weight, objective)
        self.options = FreeEnergyOptions(
            policy,
            sight,
            NoveltyOptions() if novelty is None else novelty,
            weights,
            {} if policy_options is None else policy_options,
        )
        drawn = int(np.random.SeedSequence().generate_state(1)[0])
        self.seed = drawn if seed is None else seed
        self._kept: dict[str, str | int | None] = {
            "tensorboard_log": log_folder(tensorboard_log),
            "verbose": whole("verbose", verbose, least=0, most=2),
        }
        device = resolve_device(device)
        name = str(self.options.policy)
        venv = vec_env_of(env, n_envs, environments_at_once(name))
        if unwrap_vec_wrapper(venv, NoveltyReward) is not None:
            raise InputError("These environments pay for novelty already: give them without NoveltyReward.")
        kind = algorithm_of(name, spaces_of(venv)[1])
        self.reward = NoveltyReward(
            venv,
            self.options.novelty,
            intrinsic_weight=weights.intrinsic,
            extrinsic_weight=weights.extrinsic,
            objective=weights.objective,
            seed=self.seed,
            device=device,
        )
        settings = settings_of(kind, self.reward, str(self.options.sight), self.options.policy_options)
        self._whitening = None if is_image(spaces_of(venv)[0]) else _whitening(self.reward)
        with own_randomness(self.seed):
            self.model = kind(
                env=self._whitening or self.reward, seed=self.seed, device=device, **self._kept, **settings
            )

    @property
    def num_timesteps(self) -> int:
        """Environment steps that it has learnt from."""
        return self.model.num_timesteps

    @property
    def logger(self) -> Logger:
        """stable-baselines3's."""
        return self.model.logger

    def set_logger(self, logger: Logger) -> None:
        """Log to another of stable-baselines3's."""
        self.model.set_logger(logger)

    def set_random_seed(self, seed: int | None = None) -> None:
        """Set the seed of all that comes; without one nothing changes."""
        self.seed = self.seed if seed is None else whole("seed", seed, least=0, most=2**32 - 1)

    def get_env(self) -> VecEnv | None:
        """Return what it acts in, with the environment's own rewards; none if it was loaded without."""
        return None if isinstance(self.reward.venv, Nowhere) else self.reward.venv

    def get_vec_normalize_env(self) -> None:
        """None: it whitens what it is shown by itself."""

    def dump_logs(self) -> None:
        """Write what the logger has so far, as stable-baselines3's algorithms do."""
        cast(Any, self.model).dump_logs()

    def learn(
        self,
        total_timesteps: int,
        callback: Callback = None,
        log_interval: int = 4,
        tb_log_name: str | None = None,
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Explore for so many environment steps, and learn from them, as `learn` of stable-baselines3.

        A callback gets this agent, not the algorithm within: what it saves is what `load` reads, and what it evaluates
        sees as this agent does.

        Raises:
            InputError: it has no environment, or that gave what cannot be learnt from; all so far is kept.
        """
        if self.get_env() is None:
            raise InputError(f"This {KIND} has no environment to learn in: give load one.")
        steps = whole("total_timesteps", total_timesteps, least=0)
        model: Any = self.model
        # Where steps are counted anew, updates are not: every call explores from a seed of its own.
        begun = (0, model._n_updates) if reset_num_timesteps else (self.num_timesteps,)
        seed = later_seed(self.seed, *begun)
        callbacks: list[BaseCallback] = [SightCallback(self.reward), NoveltyCallback(), OfAgent(self, callback)]
        name = tb_log_name or f"{KIND}_{self.options.policy}"
        with own_randomness(seed), with_bar(callbacks, steps, progress_bar) as watched:
            # The state of environments cannot be saved: every `learn` starts from a fresh one that can be made again.
            model._last_obs = None
            model.env.seed(seed)
            model.action_space.seed(seed)
            model.learn(steps, watched, log_interval, name, reset_num_timesteps)
        return self

    def predict(
        self,
        observation: NDArray[np.generic],
        state: tuple[NDArray[np.generic], ...] | None = None,
        episode_start: NDArray[np.generic] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[np.generic], tuple[NDArray[np.generic], ...] | None]:
        """Return actions for one observation, or for several."""
        if self._whitening is not None:
            observation = cast(NDArray[np.generic], self._whitening.normalize_obs(np.asarray(observation)))
        return self.model.predict(observation, state, episode_start, deterministic)

    def save(self, path: str | Path) -> None:
        """Write a folder of JSON and safetensors; nothing is pickled, and an agent that is there is replaced.

        Everything but the environments is written: weights, optimisers, random generators, what was seen and counted.
        """
        bounds, both = spaces_to(self.reward)
        tensors, meta = gather(self._parts())
        own = {
            "options": self.options,
            "seed": self.seed,
            "kept": self._kept,
            "signature": sign(self._kept["tensorboard_log"]),
            "n_envs": self.reward.num_envs,
        }
        save(path, State({**tensors, "agent_spaces": bounds}, {**own, **both, **meta}), KIND)

    def _parts(self) -> dict[str, Part]:
        algorithm = self.model if isinstance(self.model, PolicyGradient) else AlgorithmState(self.model)
        whitening = {} if self._whitening is None else {"whitening": cast(Moments, self._whitening.obs_rms)}
        return {"algorithm": algorithm, NOVELTY: self.reward, **whitening}

    @classmethod
    def load(
        cls,
        path: str | Path,
        env: EnvLike | None = None,
        device: torch.device | str = "auto",
        trust: Sequence[str] = (),
    ) -> Self:
        """Load an agent that `save` wrote; `learn(..., reset_num_timesteps=False)` goes on where it was.

        Args:
            path: the folder.
            env: where it may learn again: the same observations and actions, and as many environments. Without one, it
                can act and be saved.
            device: where everything computes.
            trust: modules whose code the folder may name, such as ``("my_package",)``.

        Raises:
            InputError: the folder is missing, damaged or no agent's, or the environment does not fit it.
        """
        with loading(path, META, KIND, trust=trust) as (tensors, meta):
            known, count, options = spaces_from(tensors["agent_spaces"], meta), meta["n_envs"], meta["options"]
            if len(tensors[f"{NOVELTY}memory"]["ages"]) != count:
                raise InputError(f"{path} is damaged, it has not {count} environments: learn again.")
            kept = fields_from(KEPT, meta["kept"])
            if env is None:
                venv: VecEnv = Nowhere(count, *known)
            else:
                with names_from(None):  # the user's own words
                    venv = vec_env_of(env, None, count)
                check_fit(venv, known, count, path)
            agent = cls(
                venv,
                **options.arguments(),
                seed=meta["seed"],
                device=device,
                tensorboard_log=followed(kept["tensorboard_log"], meta.get("signature"), path),
                verbose=kept["verbose"],
            )
            put_back(agent._parts(), tensors, meta)
            return agent


def _whitening(venv: VecEnv) -> VecNormalize:
    """Return vectors as a policy can learn from them: with MountainCar's own numbers, it would hardly explore."""
    whitening = VecNormalize(venv, norm_reward=False, clip_obs=WHITENED_LIMIT, epsilon=0.0)
    whitening.obs_rms = Moments(venv.observation_space.shape or ())
    return whitening
