"""Novelty as a reward: a wrapper around a vector of environments that any stable-baselines3 algorithm can stand on."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, NoReturn, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor, VecNormalize, is_vecenv_wrapped

from e2c_control.agents.novelty.memory import Memory
from e2c_control.agents.novelty.novelty import Novelty, NoveltyOptions
from e2c_control.agents.novelty.scaling import ReturnScale
from e2c_control.agents.novelty.weights import Objective, Weights
from e2c_control.agents.novelty.windows import ActionCode, FrameCode, Layout
from e2c_control.agents.spaces import SPACES, check_finite, check_fit, spaces_from, spaces_of, spaces_to
from e2c_control.errors import InputError, flag, of_class, whole
from e2c_control.fields import Seed, Through, checked
from e2c_control.runs.stateful import Groups, Part, State, gather, loading, put_back, save
from e2c_control.runs.typed_json import fields_from
from e2c_control.training.run import resolve_device

KIND = "NoveltyReward"
STATE: Mapping[str, object] = {"steps": int, "untrained_steps": int, "watching": bool, "novelty": Mapping[str, object]}
SAVED: Mapping[str, object] = {
    "options": NoveltyOptions,
    "weights": Weights,
    "training": bool,
    "n_envs": int,
    "state": Mapping[str, object],
    **SPACES,
}
"""What the JSON of a state, and of a saved one, must have."""

Step = tuple[NDArray[np.generic], NDArray[np.float32], NDArray[np.bool_], list[dict[str, object]]]


def _vectors(place: str, venv: object) -> VecEnv:
    if not isinstance(venv, VecEnv):
        raise InputError("NoveltyReward goes around stable-baselines3's vector environments: use make_vec_env.")
    return venv


class NoveltyReward(VecEnvWrapper):
    """Adds to each reward the novelty of the observation that the action led to.

    At an episode's end that is the terminal observation, not the one that the reset brought. The bonus is in the reward
    before any returns are computed, so it passes through them as every reward does. The model that scores novelty is
    trained by a `NoveltyCallback` within `learn`:

        env = NoveltyReward(make_vec_env("MountainCar-v0", 32))
        PPO("MlpPolicy", env, n_steps=16).learn(60_000, NoveltyCallback())

    A policy sees what the environment shows. Where numbers are small or of different size, as those of MountainCar, put
    stable-baselines3's `VecNormalize(env, norm_reward=False)` around it, or the policy cannot tell speeds apart. Below,
    it would change what is remembered and what off-policy algorithms are paid, and is refused.

    To evaluate in these environments without learning from it, set `training` to False and back, as for `VecNormalize`.
    stable-baselines3's `save` of an algorithm knows nothing of its wrappers: `save` and `load` keep this one.

    Episodes count with what the environment paid: below this wrapper there is a monitor, or it makes one. In every
    step's `info` are "extrinsic", what the environment paid; "intrinsic", the bonus in units of what it adds up to; and
    "novelty", the model's own score. The reward is their weighted sum.

    Args:
        venv: environments with vectors or images to see.
        options: what is new, and how that is learnt.
        intrinsic_weight: of the bonus.
        extrinsic_weight: of what the environment pays.
        objective: maximise novelty, or minimise it.
        seed: of the model; without one, another one each time.
        device: where the model computes.
        training: whether what is seen enters the memory and the statistics, and the model is trained on it.

    Raises:
        InputError: the observations or actions are none that can be scored, or a `VecNormalize` stands below.
    """

    @checked
    def __init__(
        self,
        venv: Annotated[VecEnv, Through(_vectors)],
        options: NoveltyOptions | None = None,
        *,
        intrinsic_weight: float = 1.0,
        extrinsic_weight: float = 1.0,
        objective: Objective = "maximise",
        seed: Seed | None = None,
        device: torch.device | str = "auto",
        training: bool = True,
    ) -> None:
        if is_vecenv_wrapped(venv, VecNormalize):
            raise InputError(
                "VecNormalize stands below NoveltyReward, which whitens by itself, and off-policy algorithms would not "
                "get the bonus: put it around, VecNormalize(NoveltyReward(env)), or leave it out."
            )
        super().__init__(venv if _is_monitored(venv) else VecMonitor(venv))
        self.options = NoveltyOptions() if options is None else of_class("options", options, NoveltyOptions)
        self.weights = Weights(intrinsic_weight, extrinsic_weight, objective)
        observed, done = spaces_of(venv)
        frames, actions = self.frame_code, self.action_code = FrameCode(observed), ActionCode(done)
        layout = Layout(frames.shape, actions.size, actions.choices, self.options.frames)
        given = np.random.SeedSequence(seed).generate_state(1)[0] if seed is None else seed
        self.novelty = Novelty(layout, self.options, int(given), resolve_device(device))
        self.memory, self._aside = (
            Memory(self.num_envs, capacity, layout.window, frames.shape, frames.dtype, actions.size)
            for capacity in (self.options.memory, 0)
        )
        self.options.check_drawn(self.memory.window_bytes)
        self.scale = ReturnScale(self.num_envs, self.options.gamma, self.options.episodic, self.options.recall)
        self.ages = np.zeros(self.num_envs, np.int64)
        """Actions since the episode's start, of the observations that were scored last."""
        self.score = self.paid = np.zeros(self.num_envs)
        """The model's scores of those, and the bonus that was paid for them."""
        self.steps = self.untrained_steps = 0
        self._training = flag("training", training)
        self._watching, self._warned = True, False
        self._actions = np.zeros((self.num_envs, actions.size), np.float32)

    def reset(self) -> NDArray[np.generic]:
        if self._watching and not self.options.running:
            raise InputError("The frames' statistics are to stay as they are without a warm-up: call warm_up first.")
        observations = cast(NDArray[np.generic], self.venv.reset())
        self.recent.begin(np.arange(self.num_envs), self.frame_code.encode(observations))
        if self._training:
            self.scale.begin()
        return observations

    @property
    def training(self) -> bool:
        """Whether what is seen enters the memory and the statistics, and the model is trained on it."""
        return self._training

    @training.setter
    def training(self, training: bool) -> None:
        before, self._training = self.recent, flag("training", training)
        if self.recent is not before and before.written.all():
            # What was seen last is where both go on, as if an episode began there.
            self.recent.begin(np.arange(self.num_envs), before.newest()[0][:, -1])

    @property
    def recent(self) -> Memory:
        """Holds what was seen last: `memory`, or, while this is not to be learnt from, another one that forgets it."""
        return self.memory if self._training else self._aside

    def step_async(self, actions: NDArray[np.number]) -> None:
        if self.due and not self.novelty.updates and not self._warned:
            self._warned = True
            warnings.warn(
                f"Nobody trains the novelty model: after {self.untrained_steps} steps no bonus was paid yet, and none "
                "ever will be. Give learn a NoveltyCallback().",
                stacklevel=2,
            )
        self._actions = self.action_code.encode(actions)
        self.venv.step_async(actions)

    def step_wait(self) -> Step:
        """Take a step of every environment; rewards have the bonus in them.

        Raises:
            InputError: a reward or an observation is not finite, or has another shape than was announced.
        """
        observations, extrinsic, dones, infos = self._stepped()
        check_finite("reward", extrinsic, self.steps)
        seen = self._next_frames(observations, dones, infos)
        score = self._score(seen)
        if self.novelty.updates and self._training:  # what an untrained model scores is no measure of anything
            self.scale.observe(score, dones)
        bonus = self.bonus(score)
        for i, info in enumerate(infos):
            info |= {"extrinsic": float(extrinsic[i]), "intrinsic": float(bonus[i]), "novelty": float(score[i])}
        if dones.any():
            ended = np.flatnonzero(dones)
            self.recent.begin(ended, self.frame_code.encode(observations[ended]))
        if self._training:
            self.steps += self.num_envs
            self.untrained_steps += self.num_envs
        self.score, self.paid = score, bonus
        return observations, self.weights.reward(extrinsic, bonus), dones, infos

    def bonus(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return scores of any shape in the units that are paid now."""
        return self.scale.scaled(score) if self.options.normalise else score

    @property
    def due(self) -> bool:
        """Whether it is time to train the model."""
        return self._training and self.untrained_steps >= self.options.train_every

    def train(self) -> dict[str, float]:
        """Train the model once, on what the memory holds; its mean losses by name."""
        self.untrained_steps = 0
        losses, ratio = self.novelty.update(self.memory)
        self.scale.remeasure(ratio)
        return losses

    def warm_up(self, steps: int, seed: int) -> None:
        """Take the frames' first statistics from actions drawn at random, so many in every environment.

        It resets the environments and leaves them somewhere: whoever learns resets them again. With `options.running`
        False, the statistics are fixed from then on.
        """
        space = deepcopy(spaces_of(self)[1])
        space.seed(whole("seed", seed, least=0))
        self.venv.reset()
        for _ in range(whole("steps", steps)):
            self.venv.step_async(np.stack([space.sample() for _ in range(self.num_envs)]))
            observations, _, dones, infos = self._stepped()
            self.novelty.observe(self._next_frames(observations, dones, infos))
        self._watching = self.options.running

    def _parts(self) -> dict[str, Part]:
        return {"memory": self.memory, "novelty": self.novelty, "scale": self.scale}

    def state(self) -> State:
        """Return all that the next reward depends on but the environments."""
        tensors, meta = gather(self._parts())
        own = {"steps": self.steps, "untrained_steps": self.untrained_steps, "watching": self._watching}
        return State(tensors, {**own, **meta})

    def restore(self, tensors: Groups, meta: Mapping[str, object], /) -> None:
        """Go on from what `state` returned.

        Raises:
            InputError: it belongs to another model, or to another number of environments.
            ValueError: a field of `meta` is missing, or cannot have such a value.
        """
        meta = fields_from(STATE, meta, "state")
        put_back(self._parts(), tensors, meta)
        self.steps, self.untrained_steps, self._watching = meta["steps"], meta["untrained_steps"], meta["watching"]

    def save(self, path: str | Path) -> None:
        """Write a folder of JSON and safetensors with all but the environments: model, optimiser, statistics, memory.

        Nothing is pickled, and such a folder that is there is replaced.
        """
        bounds, both = spaces_to(self)
        tensors, state = self.state()
        own = {"options": self.options, "weights": self.weights, "training": self.training, "n_envs": self.num_envs}
        save(path, State({**tensors, "spaces": bounds}, {**own, **both, "state": state}), KIND)

    @classmethod
    def load(
        cls, path: str | Path, venv: VecEnv, device: torch.device | str = "auto", trust: Sequence[str] = ()
    ) -> Self:
        """Return the wrapper that `save` wrote, around environments like those that it was around.

        It goes on to the bit.

        Args:
            path: the folder.
            venv: the environments.
            device: where the model computes.
            trust: modules whose code the folder may name, such as ``("my_package",)``.

        Raises:
            InputError: the folder is missing, damaged or another one's, or the environments do not fit it.
        """
        with loading(path, SAVED, KIND, trust=trust) as (tensors, meta):
            check_fit(venv, spaces_from(tensors["spaces"], meta), meta["n_envs"], path)
            weights: Weights = meta["weights"]
            reward = cls(
                venv,
                meta["options"],
                intrinsic_weight=weights.intrinsic,
                extrinsic_weight=weights.extrinsic,
                objective=weights.objective,
                seed=0,  # all that it decides is in what is restored
                device=device,
                training=meta["training"],
            )
            reward.restore(tensors, meta["state"])
            return reward

    def __reduce__(self) -> tuple[type[Elsewhere], tuple[()]]:
        """Nothing of it is pickled: stable-baselines3 does with all arguments of an algorithm, environments too."""
        return Elsewhere, ()

    def _score(self, seen: NDArray[np.generic]) -> NDArray[np.float64]:
        if self._watching and self._training:
            self.novelty.observe(seen)
        self.recent.add(seen, self._actions)
        self.ages = self.recent.newest_ages()
        return self.novelty.score(*self.recent.newest())

    def _next_frames(
        self, observations: NDArray[np.generic], dones: NDArray[np.bool_], infos: list[dict[str, object]]
    ) -> NDArray[np.generic]:
        """Return what the actions led to, (num_envs, *frame_shape): before the reset where an episode ended."""
        check_finite("observation", observations, self.steps)
        seen = self.frame_code.encode(observations).copy()
        for i in np.flatnonzero(dones):
            last = np.asarray(infos[i]["terminal_observation"])[None]
            check_finite("observation", last, self.steps)
            seen[i] = self.frame_code.encode(last)[0]
        return seen

    def _stepped(self) -> Step:
        try:
            return cast(Step, self.venv.step_wait())
        except ValueError as error:
            if "shape" not in str(error):
                raise
            raise InputError(
                f"The observations changed their shape after {self.steps} steps ({error}): repair the environment; "
                "what was learnt so far can be saved."
            ) from error


class Elsewhere:
    """Stands for a `NoveltyReward` in what stable-baselines3 pickled of an algorithm."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise InputError("A NoveltyReward is not pickled: keep it with its save, and read it with NoveltyReward.load.")


def rewards_of(model: Any) -> list[NoveltyReward]:
    """Return the `NoveltyReward`s, outermost first, that pay an algorithm of stable-baselines3 or an agent with one."""
    own = getattr(model, "reward", None)
    venv = own if isinstance(own, NoveltyReward) else model.get_env()
    found: list[NoveltyReward] = []
    while isinstance(venv, VecEnvWrapper):
        if isinstance(venv, NoveltyReward):
            found.append(venv)
        venv = venv.venv
    return found


def _is_monitored(venv: VecEnv) -> bool:
    return is_vecenv_wrapped(venv, VecMonitor) or all(venv.env_is_wrapped(Monitor))
