"""What all policy gradients share, whatever estimator they use: rollouts with their noise, one update, saving."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from reprlib import repr as short
from typing import Any, ClassVar, Self, cast

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import maybe_make_env
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import (
    ActorCriticCnnPolicy,
    ActorCriticPolicy,
    BasePolicy,
    MultiInputActorCriticPolicy,
)
from stable_baselines3.common.type_aliases import GymEnv, Schedule, TensorDict
from stable_baselines3.common.utils import explained_variance, get_system_info
from stable_baselines3.common.vec_env import VecEnv

from e2c_control.agents.algorithms import LEARNT, AlgorithmState
from e2c_control.agents.arguments import log_folder
from e2c_control.agents.callbacks import Callback, as_callback, describe_curves, with_bar
from e2c_control.agents.policy_gradient.actions import Seen, check_actions, look
from e2c_control.agents.policy_gradient.arguments import ARGUMENTS, arguments_from, arguments_to
from e2c_control.agents.policy_gradient.collecting import SURROGATE, TRAINING, collect
from e2c_control.agents.policy_gradient.rollout import DictNoiseBuffer, NoiseBuffer, Rollout
from e2c_control.agents.randomness import later_seed
from e2c_control.agents.spaces import SPACES, Space, check_fit, check_starts, spaces_from, spaces_of, spaces_to
from e2c_control.data.specs import find_spec
from e2c_control.errors import InputError, flag, number, whole
from e2c_control.gradients import Estimate, Estimator, GradientMonitor
from e2c_control.runs.stateful import Groups, State, loading, put_back, save
from e2c_control.runs.typed_json import fields_from
from e2c_control.training.run import resolve_device

_MOST_STEPS = 1_000_000
"""Of a rollout, which is in memory."""
SCALES = ("advantage_square", "advantage_weight")
STATE: Mapping[str, object] = {**LEARNT, "scales": Mapping[str, float], "monitor_weight": float}
SAVED: Mapping[str, object] = {**STATE, **ARGUMENTS, **SPACES, "n_envs": int}
"""What the JSON of a state, and of a saved model, must have."""


class PolicyGradient(OnPolicyAlgorithm):
    """An on-policy algorithm of stable-baselines3 whose gradient is one of `e2c_control.gradients`.

    One update is one step of the optimiser on all that a rollout brought. A rollout lasts `n_steps` steps of every
    environment, or ends before, as soon as `n_episodes` episodes for each environment have ended. With `gae_lambda` 1
    an episode that ends by itself within its rollout has its whole return; what is cut off is worth the value of where
    it was cut, as is an episode that its time limit ends. `learn` always resets the environments, with a seed made of
    `seed` and the steps so far: it goes on from a saved model to the bit, as it would have without saving.

    TensorBoard: "train/gradient_variance" is that of the update's policy gradient over the last hundred updates or
    so, summed over all weights; other scalars are those of stable-baselines3's `A2C`.

    Args:
        policy: "MlpPolicy", "CnnPolicy", "MultiInputPolicy", or a class.
        env: Gymnasium id, environment, or stable-baselines3 vector.
        learning_rate: of actor and critic; a number, or a function of the share of the training that remains.
        n_steps: most steps of an environment in a rollout.
        n_episodes: ended episodes for each environment that end a rollout; None for rollouts of `n_steps`.
        gamma: discount.
        gae_lambda: below 1, values stand in for rewards; less variance, but biased.
        ent_coef, vf_coef: weights of the entropy and of the critic's loss.
        max_grad_norm: longer gradients are shortened to it.
        rms_prop_eps, use_rms_prop: RMSprop as in `A2C`, unless `policy_kwargs` names an optimiser; or Adam.
        stats_window_size, tensorboard_log, policy_kwargs, verbose, seed, device: as in stable-baselines3.

    Raises:
        InputError: the algorithm cannot take the environment's actions, or an argument is out of its range.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": ActorCriticPolicy,
        "CnnPolicy": ActorCriticCnnPolicy,
        "MultiInputPolicy": MultiInputActorCriticPolicy,
    }
    takes: ClassVar[tuple[type[Space], ...]]
    remembered: ClassVar[tuple[str, ...]] = (
        *("n_steps", "n_episodes", "gamma", "gae_lambda", "ent_coef", "vf_coef", "max_grad_norm", "rms_prop_eps"),
        *("use_rms_prop", "verbose", "seed", "tensorboard_log"),
    )
    """Arguments that a saved model has, beside policy and learning rate."""

    rollout_buffer: NoiseBuffer  # pyright: ignore[reportIncompatibleVariableOverride]
    estimator: Estimator
    units: float = 1.0
    """What advantages are divided by on their way through the estimator."""

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy],
        env: GymEnv | str | None,
        learning_rate: float | Schedule = 1e-3,
        n_steps: int = 1000,
        n_episodes: int | None = 1,
        gamma: float = 0.99,
        gae_lambda: float = 1.0,
        ent_coef: float = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float = 0.5,
        rms_prop_eps: float = 1e-5,
        use_rms_prop: bool = True,
        stats_window_size: int = 100,
        tensorboard_log: str | Path | None = None,
        policy_kwargs: dict[str, object] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        name = type(self).__name__
        if isinstance(policy, str) and policy not in self.policy_aliases:
            raise InputError(f"{name} knows no policy {policy!r}: give one of {', '.join(self.policy_aliases)}.")
        own = cast(object, policy)
        if not isinstance(own, str) and not (isinstance(own, type) and issubclass(own, ActorCriticPolicy)):
            raise InputError(f"{name} has the policy {short(policy)}: give a name, or a class of ActorCriticPolicy.")
        verbose = whole("verbose", verbose, least=0, most=2)
        if isinstance(env, str):
            find_spec(env)
        elif not isinstance(env, gymnasium.Env | VecEnv) and (env is not None or _init_setup_model):
            raise InputError(f"{name} got {short(env)}: give the id of an environment, an environment, or a vector.")
        if env is not None:
            env = self._wrap_env(maybe_make_env(env, verbose), verbose, True)
            check_actions(name, spaces_of(env)[1], self.takes)
            check_starts("observations", spaces_of(env)[0])
        super().__init__(
            policy,
            cast(GymEnv, env),
            learning_rate=learning_rate if callable(learning_rate) else number("learning_rate", learning_rate, least=0),
            n_steps=whole("n_steps", n_steps, most=_MOST_STEPS),
            gamma=number("gamma", gamma, least=0, most=1),
            gae_lambda=number("gae_lambda", gae_lambda, least=0, most=1),
            ent_coef=number("ent_coef", ent_coef),
            vf_coef=number("vf_coef", vf_coef),
            max_grad_norm=number("max_grad_norm", max_grad_norm, above=0),
            use_sde=False,
            sde_sample_freq=-1,
            stats_window_size=whole("stats_window_size", stats_window_size),
            tensorboard_log=log_folder(tensorboard_log),
            policy_kwargs=dict(policy_kwargs or {}),
            verbose=verbose,
            seed=None if seed is None else whole("seed", seed, least=0, most=2**32 - 1),
            device=resolve_device(device),
            _init_setup_model=False,
        )
        self.policy_name = policy if isinstance(policy, str) else None
        self.n_episodes = None if n_episodes is None else whole("n_episodes", n_episodes)
        self.rms_prop_eps = number("rms_prop_eps", rms_prop_eps, above=0)
        self.use_rms_prop = flag("use_rms_prop", use_rms_prop)
        if self.use_rms_prop and "optimizer_class" not in self.policy_kwargs:
            self.policy_kwargs["optimizer_class"] = torch.optim.RMSprop
            self.policy_kwargs["optimizer_kwargs"] = {"alpha": 0.99, "eps": self.rms_prop_eps, "weight_decay": 0}
        if _init_setup_model:
            self._setup_model()

    @abstractmethod
    def _make_estimator(self) -> Estimator:
        """Make the estimator, once the policy is there."""

    def _setup_model(self) -> None:
        several = isinstance(self.observation_space, spaces.Dict)
        self.rollout_buffer_class = DictNoiseBuffer if several else NoiseBuffer
        super()._setup_model()
        base = int(torch.randint(2**31, ()).item()) if self.seed is None else self.seed
        seeds = np.random.SeedSequence(base).generate_state(3, np.uint64) >> np.uint64(1)
        self._seeds = [int(number) for number in seeds]
        self.generators = [torch.Generator(self.device).manual_seed(number) for number in self._seeds[:SURROGATE]]
        self.monitor = GradientMonitor()
        self.estimator = self._make_estimator().to(self.device)

    # Rollouts

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: Callback = None,
        reset_num_timesteps: bool = True,
        tb_log_name: str = "run",
        progress_bar: bool = False,
    ) -> tuple[int, BaseCallback]:
        if self.env is None:
            raise InputError(f"This {type(self).__name__} has no environment to learn in: give load one, or set_env.")
        # The state of environments cannot be saved, so every `learn` starts from a fresh one that can be made again.
        self._last_obs = None
        if self.seed is not None:
            # Where steps are counted anew, updates are not: every call starts elsewhere.
            begun = (0, self._n_updates) if reset_num_timesteps else (self.num_timesteps,)
            self.env.seed(later_seed(self.seed, *begun) if any(begun) else self.seed)
        ready = super()._setup_learn(total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar)
        describe_curves(self.logger)
        return ready

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        """Fill the buffer by acting, and keep the noise of every action.

        Returns:
            Whether to go on: False where a callback asked to stop.

        Raises:
            InputError: the environment gave a reward or an observation that is not finite.
        """
        assert isinstance(rollout_buffer, NoiseBuffer)
        return collect(self, env, callback, rollout_buffer, n_rollout_steps)

    # Updates

    def train(self) -> None:
        """Take one step of actor and critic on the last rollout, then one of what else the estimator learns."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        rollout = self.rollout_buffer.whole()
        seen = look(self.policy, rollout.observations)
        estimate = self._estimate(rollout, seen)
        entropy = seen.distribution.entropy()
        value_loss = torch.nn.functional.mse_loss(rollout.returns, seen.values)
        entropy_loss = -entropy.mean()

        weights = list(self.policy.parameters())
        parts: tuple[torch.Tensor | None, ...] = cast(
            Any, torch.autograd.grad(-self.units * estimate.surrogate, weights, retain_graph=True, allow_unused=True)
        )
        variance = self.monitor.observe(part for part in parts if part is not None)
        # At the weights that acted, before they move.
        self._improve(rollout, estimate)
        self.policy.optimizer.zero_grad()
        (self.ent_coef * entropy_loss + self.vf_coef * value_loss).backward()  # type: ignore[no-untyped-call]
        for weight, part in zip(weights, parts, strict=True):
            if part is not None:
                weight.grad = part if weight.grad is None else weight.grad + part
        torch.nn.utils.clip_grad_norm_(weights, self.max_grad_norm)
        self.policy.optimizer.step()

        self._n_updates += 1
        with torch.no_grad():
            policy_loss = -(rollout.advantages * seen.distribution.log_prob(rollout.actions)).mean()
        explained = explained_variance(self.rollout_buffer.values.flatten(), self.rollout_buffer.returns.flatten())
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/explained_variance", float(explained))
        self.logger.record("train/entropy_loss", entropy_loss.item())
        self.logger.record("train/policy_loss", policy_loss.item())
        self.logger.record("train/value_loss", value_loss.item())
        self.logger.record("train/gradient_variance", variance)
        if isinstance(self.action_space, spaces.Box):
            self.logger.record("train/std", self.policy.log_std.detach().exp().mean().item())

    def _estimate(self, rollout: Rollout, seen: Seen) -> Estimate:
        """Estimate every step's part of the gradient, from the noise that its action was made of; batch shape (M,)."""
        noise = {"u": rollout.noise.unsqueeze(0)}
        draw = self.estimator.draw(seen.distribution, noise=noise, generator=self.generators[TRAINING])
        # The action that was taken, should rounding have made another one of the same noise.
        code = draw.law.read(rollout.actions.unsqueeze(0))
        draw = replace(draw, code=code, samples=draw.law.present(code))
        return self.estimator.estimate(draw, (rollout.advantages / self.units).unsqueeze(0), context=seen.features)

    def _improve(self, rollout: Rollout, estimate: Estimate) -> None:
        """Take a step of what the estimator learns, if it learns."""

    def learn(
        self,
        total_timesteps: int,
        callback: Callback = None,
        log_interval: int = 100,
        tb_log_name: str | None = None,
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Learn as in stable-baselines3; `log_interval` counts updates."""
        name = type(self).__name__ if tb_log_name is None else tb_log_name
        steps = whole("total_timesteps", total_timesteps, least=0)
        with with_bar([as_callback(callback)], steps, progress_bar) as watched:
            return super().learn(steps, watched, log_interval, name, reset_num_timesteps)

    # Saving

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        names = ["policy", "policy.optimizer"]
        return [*names, *(["estimator"] if self.estimator.state_dict() else [])], []

    def state(self) -> State:
        """Return all that the next step depends on but the environments."""
        tensors, meta = AlgorithmState(self).state()
        own = {f"generator.{i}": generator.get_state() for i, generator in enumerate(self.generators)}
        own |= {f"mean.{i}": mean for i, mean in enumerate(self.monitor.mean)}
        own |= {f"variance.{i}": variance for i, variance in enumerate(self.monitor.variance)}
        scales = {name: getattr(self, name) for name in SCALES if hasattr(self, name)}
        return State({**tensors, "state": own}, {**meta, "scales": scales, "monitor_weight": self.monitor.weight})

    def restore(self, tensors: Groups, meta: Mapping[str, object], /) -> None:
        """Go on from what `state` returned.

        Raises:
            InputError: it is of a model of other sizes.
            ValueError: a field of `meta` is missing, or cannot have such a value.
        """
        AlgorithmState(self).restore(tensors, meta)
        meta, state = fields_from(STATE, meta), tensors["state"]
        for i, generator in enumerate(self.generators):
            # The state of another kind of device's generator is no use: it keeps its seed.
            if generator.get_state().shape == state[f"generator.{i}"].shape:
                generator.set_state(state[f"generator.{i}"])
        count, weight = sum(name.startswith("mean.") for name in state), meta["monitor_weight"]
        mean, square, variance = (
            [state[f"{name}.{i}"].double().to(self.device) for i in range(count) if f"{name}.{i}" in state]
            for name in ("mean", "square", "variance")
        )
        if square:  # version 0.1.0 wrote sums of gradients and of their squares, both weighted
            mean = [part / weight for part in mean]
            pairs = zip(square, mean, strict=True)
            variance = [(part / weight - centre.square()).clamp_min(0) for part, centre in pairs]
        self.monitor.weight, self.monitor.mean, self.monitor.variance = weight, mean, variance
        for name in SCALES:
            if hasattr(self, name):
                setattr(self, name, float(meta["scales"][name]))

    def save(
        self,
        path: str | Path | io.BufferedIOBase,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """Write a folder of JSON and safetensors; nothing is pickled, and a folder that is there is replaced.

        Everything but the environments is written: weights, optimisers, random generators, counters. So nothing can be
        named to `exclude` or `include`.
        """
        if exclude or include:
            raise InputError("All of a model is saved: leave exclude and include out.")
        tensors, meta = self.state()
        bounds, both = spaces_to(self)
        made = {**arguments_to(self), **both, "n_envs": self.n_envs}
        save(path, State({**tensors, "spaces": bounds}, {**made, **meta}), type(self).__name__)

    @classmethod
    def load(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls,
        path: str | Path | io.BufferedIOBase,
        env: GymEnv | None = None,
        device: torch.device | str = "auto",
        custom_objects: dict[str, object] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        **changes: Any,
    ) -> Self:
        """Return a model that `save` wrote; `learn(..., reset_num_timesteps=False)` goes on where it was.

        Args:
            path: the folder.
            env: where it may learn again; its observations and actions must be those of the saved model.
            device: where it computes.
            custom_objects: as `changes`.
            print_system_info: whether to print the versions of this machine.
            force_reset: True, since `learn` always resets the environments.
            changes: arguments of the algorithm that are to be others. A policy class, a learning rate or parts of
                `policy_kwargs` that are the user's own code are not in the folder, and must be given again.

        Raises:
            InputError: the folder is missing, damaged or another algorithm's, the environment does not fit it, or
                something must be given again.
        """
        if not force_reset:
            raise InputError("The state of environments is not saved: leave force_reset out.")
        if print_system_info:
            get_system_info()
        with loading(path, SAVED, cls.__name__) as (tensors, meta):
            given = arguments_from(cls, meta, {**(custom_objects or {}), **changes}, path)
            known, venv = spaces_from(tensors["spaces"], meta), None
            if env is not None:
                venv = cls._wrap_env(env, given["verbose"])
                check_fit(venv, known, None, path)
            model = cls(env=venv, device=device, _init_setup_model=False, **given)
            model.observation_space, model.action_space = known
            model.n_envs = meta["n_envs"] if venv is None else venv.num_envs
            model._setup_model()
            model.restore(tensors, meta)
            return model

    def set_parameters(
        self, load_path_or_dict: str | Path | TensorDict, exact_match: bool = True, device: torch.device | str = "auto"
    ) -> None:
        """Take over weights of a folder that `save` wrote, or of what `get_parameters` returned."""
        if isinstance(load_path_or_dict, dict):
            super().set_parameters(load_path_or_dict, exact_match, device)
            return
        with loading(load_path_or_dict, SAVED, type(self).__name__) as (tensors, meta):
            put_back(AlgorithmState(self).parts(), tensors, meta["optimizers"])
