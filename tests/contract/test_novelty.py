"""Every argument of what pays novelty, and of the agents that seek it, changes rewards, weights or what is written."""

import contextlib
import inspect
import io
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import DummyVecEnv

from e2c_control.agents import (
    LAX,
    RELAX,
    A2CBaseline,
    FreeEnergyAgent,
    NoveltyCallback,
    NoveltyOptions,
    NoveltyReplayBuffer,
    NoveltyReward,
)
from e2c_control.agents.novelty.registry import MODELS, REMEDIES

from .mechanism import Excused, Refused, Row, Seen, Thing, contract, print_of

ACTIONS: dict[str, spaces.Space[Any]] = {"discrete": spaces.Discrete(3), "box": spaces.Box(-1, 1, (1,), np.float32)}


class Walk(gymnasium.Env[Any, Any]):
    """A walk on a line in short episodes; it pays its place."""

    def __init__(self, actions: str = "discrete", image: bool = False, reward: float = 1.0) -> None:
        self.action_space = ACTIONS[actions]
        vector, picture = spaces.Box(-9, 9, (3,), np.float32), spaces.Box(0, 255, (36, 36, 1), np.uint8)
        self.observation_space = picture if image else vector
        self.image, self.reward = image, reward

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.time, self.place = 0, float(self.np_random.uniform(-1, 1))
        return self.seen(), {}

    def step(self, action: Any) -> Any:
        self.time += 1
        self.place += 0.2 * float(np.sum(action)) - 0.2
        return self.seen(), self.reward * self.place, self.time == 5, False, {}

    def seen(self) -> Any:
        if self.image:
            return np.full((36, 36, 1), np.clip(128 + 40 * self.place, 0, 255), np.uint8)
        return np.clip([self.place, self.time, self.place**2], -9, 9).astype(np.float32)


def walks(copies: int = 2, **options: Any) -> DummyVecEnv:
    return DummyVecEnv([lambda: Walk(**options)] * copies)


SMALL = NoveltyOptions(model="plain", settings={"hidden": (4,)}, batch_size=4, gradient_steps=1, train_every=8)
SHAPE: dict[str, Any] = {"model": "plain", "batch_size": 4, "gradient_steps": 1, "train_every": 8}


def paid(reward: NoveltyReward, steps: int = 12) -> Seen:
    """Rewards under fixed actions; the model is trained when it is due."""
    generator = np.random.default_rng(0)
    reward.seed(0)
    reward.reset()
    rewards: list[Any] = []
    for _ in range(steps):
        space: Any = reward.action_space
        actions = (
            generator.integers(0, 3, 2) if isinstance(space, spaces.Discrete) else generator.uniform(-1, 1, (2, 1))
        )
        rewards.append(reward.step(actions)[1])
        if reward.due:
            reward.train()
    return {"rewards": print_of(rewards), "weights": print_of(reward.novelty.model)}


def rewarded(folder: Path, /, **changes: Any) -> Seen:
    given: dict[str, Any] = {"options": SMALL, "seed": 0, **changes}
    given["venv"] = walks(**changes.get("venv", {}))
    return paid(NoveltyReward(**given))


def options(folder: Path, /, **changes: Any) -> Seen:
    reward = NoveltyReward(walks(), NoveltyOptions(**{**SHAPE, **changes}), seed=0)
    if not reward.options.running:
        reward.warm_up(3, 0)
    return paid(reward)


def settled(name: str, remedy: bool) -> Any:
    """Runs a model, or a remedy around a plain model, with its own settings."""

    def run(folder: Path, /, **changes: Any) -> Seen:
        image = changes.get("network") == "conv"
        kind: Any = {"remedy": name, "remedy_settings": changes} if remedy else {"model": name, "settings": changes}
        return paid(NoveltyReward(walks(image=image), NoveltyOptions(**{**SHAPE, **kind}), seed=0))

    return run


NETWORK: list[Row | Refused] = [Row("weights", "conv"), Refused("cnn", "no network 'cnn'")]
RECONSTRUCTION: dict[str, Any] = {"code": Row("weights", 2), "hidden": Row("weights", (5,)), "network": NETWORK}
MODEL: dict[str, dict[str, Any]] = {
    "recurrent": {**RECONSTRUCTION, "options": Refused({"passes": 3}, "options")},
    "plain": {**RECONSTRUCTION, "options": Refused({"penalty": 3}, "options")},
    "variational": {**RECONSTRUCTION, "options": Refused({"beta": 3}, "options")},
    "rnd": {"outputs": Row("weights", 4), "hidden": Row("weights", (5,)), "network": NETWORK},
    "icm": {
        "size": Row("weights", 4),
        "hidden": Row("weights", (5,)),
        "beta": [Row("weights", 0.9), Refused(2.0, "beta")],
        "network": NETWORK,
    },
}
REMEDY: dict[str, dict[str, Any]] = {
    "learning_progress": {"memory": [Row("rewards", 0.1), Refused(1.0, "memory")]},
    "minus_noise": {
        "share": [Row("rewards", 0.1), Refused(-1.0, "share")],
        "hidden": Row("weights", (5,)),
        "network": NETWORK,
    },
}
OPTIONS: dict[str, Any] = {
    "model": [Row("rewards", "rnd"), Refused("rmd", "no novelty model 'rmd'")],
    "settings": [Row("weights", {"hidden": (5,)}), Refused({"hiden": (5,)}, "hiden")],
    "remedy": [Row("rewards", "minus_noise"), Refused("hope", "no remedy 'hope'")],
    "remedy_settings": [
        Row("rewards", {"share": 0.1}, beside={"remedy": "minus_noise"}),
        Refused({"share": 0.1}, "remedy"),
    ],
    "window": [Row("weights", 4), Refused(0, "window")],
    "learning_rate": [Row("weights", 0.1), Refused("x", "learning_rate")],
    "batch_size": Row("weights", 8),
    "gradient_steps": Row("weights", 2),
    "train_every": Row("weights", 4),
    "memory": Row("weights", 4),
    "gamma": [Row("rewards", 0.1), Refused(1.0, "gamma")],
    "episodic": Row("rewards", True),
    "recall": [Row("rewards", 4), Row("rewards", None, first=4)],
    "normalise": [Row("rewards", False), Refused("no", "normalise")],
    "limit": Row("weights", 0.2),
    "running": Row("weights", False),
}
COMMON: dict[str, Any] = {
    "intrinsic_weight": [Row("rewards", 0.3), Refused(-1.0, "intrinsic_weight"), Refused("x", "intrinsic_weight")],
    "extrinsic_weight": [Row("rewards", 0.3), Refused(float("nan"), "extrinsic_weight")],
    "objective": [Row("rewards", "minimise"), Refused("both", "objective is 'both'")],
    "seed": [Row("weights", 1), Refused(-1, "seed")],
}
VERBOSE = "It is stable-baselines3's own argument of every callback, and this one has nothing more to say."
DEVICE = Refused("tpu!", "tpu")


def called_back(folder: Path, /, **changes: Any) -> Seen:
    reward = NoveltyReward(walks(), SMALL, seed=0)
    PPO("MlpPolicy", reward, n_steps=8, batch_size=8, n_epochs=1, seed=0).learn(16, NoveltyCallback(**changes))
    return {"weights": print_of(reward.novelty.model)}


def replayed(folder: Path, /, **changes: Any) -> Seen:
    """A buffer of stable-baselines3 as SAC makes it, and what it draws."""
    reward = NoveltyReward(walks(actions="box"), SMALL, seed=0)
    buffer = changes.pop("buffer_size", 64)
    kwargs = {"source": reward, **changes}
    if kwargs["source"] == "other":
        kwargs["source"] = NoveltyReward(walks(actions="box"), SMALL, seed=1)
        paid(kwargs["source"])
    frugal = kwargs.pop("optimize_memory_usage", False)
    made: Any = {
        "replay_buffer_class": NoveltyReplayBuffer,
        "replay_buffer_kwargs": kwargs,
        "buffer_size": buffer,
        "optimize_memory_usage": frugal,
    }
    model = SAC("MlpPolicy", reward, learning_starts=10_000, seed=0, **made)
    model.learn(40, NoveltyCallback())
    replay: Any = model.replay_buffer
    np.random.seed(0)  # noqa: NPY002, as stable-baselines3 draws
    return {"rewards": print_of(replay.sample(8).rewards), "size": replay.buffer_size}


PPO_SMALL: Any = {"n_steps": 8, "batch_size": 8, "n_epochs": 1}


def free_energy(folder: Path, /, **changes: Any) -> Seen:
    given: dict[str, Any] = {"novelty": SMALL, "policy_options": PPO_SMALL, "seed": 0, "device": "cpu", **changes}
    if changes.get("policy", "ppo") != "ppo":
        given["policy_options"] = {}
    env = given.pop("env", {})
    given["env"] = env if isinstance(env, str) else walks(given.get("n_envs") or 2, **env)
    if "n_envs" in changes:
        given["env"] = lambda: Walk()
    said = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(said):
        agent = FreeEnergyAgent(**given).learn(16)
    return {
        "policy": print_of(agent.model.policy),
        "weights": print_of(agent.reward.novelty.model),
        "rewards": print_of(agent.model.policy),
        "names": sorted(path.name for path in folder.glob("*")),
        "prints": bool(said.getvalue()),
    }


class Stopping(BaseCallback):
    def _on_step(self) -> bool:
        return self.num_timesteps < 8


def explored(folder: Path, /, **changes: Any) -> Seen:
    """Learns a second time, and says what it does."""
    given: dict[str, Any] = {"policy_options": PPO_SMALL, "seed": 0, "device": "cpu"}
    bar, said = io.StringIO(), io.StringIO()
    bar.isatty = lambda: True  # type: ignore[method-assign]
    with contextlib.chdir(folder), contextlib.redirect_stdout(said), contextlib.redirect_stderr(bar):
        agent = FreeEnergyAgent(walks(), novelty=SMALL, tensorboard_log="curves", verbose=1, **given).learn(16)
        said.truncate(0)
        agent.learn(**{"total_timesteps": 16, "callback": None, **changes})
    return {
        "policy": print_of(agent.model.policy),
        "steps": agent.num_timesteps,
        "names": sorted(path.name for path in (folder / "curves").iterdir()),
        "reports": said.getvalue().count("total_timesteps"),
        "bar": bool(bar.getvalue()),
    }


def acted(folder: Path, /, **changes: Any) -> Seen:
    """Acts after a moment of learning; what is drawn at random is drawn alike."""
    given: dict[str, Any] = {"policy_options": PPO_SMALL, "seed": 0, "device": "cpu"}
    agent = FreeEnergyAgent(walks(actions="box"), novelty=SMALL, **given).learn(16)
    torch.manual_seed(1)
    observation = np.linspace(-1, 1, 48, dtype=np.float32).reshape(16, 3)
    return {"actions": print_of(agent.predict(**{"observation": observation, **changes})[0])}


class Quiet(ActorCriticPolicy):
    """A policy of the user's own: its logits are halved."""

    def _get_action_dist_from_latent(self, latent_pi: Any) -> Any:
        return super()._get_action_dist_from_latent(0.5 * latent_pi)


RECURRENT = "Recurrent policies alone keep a state, and stable-baselines3's own algorithms have none."
EXPLORE: dict[str, Any] = {
    "total_timesteps": [Row("policy", 32), Refused(-1, "total_timesteps")],
    "callback": Row("steps", Stopping()),
    "log_interval": Row("reports", 1, beside={"total_timesteps": 64}),
    "tb_log_name": Row("names", "other"),
    "reset_num_timesteps": Row("steps", False),
    "progress_bar": Row("bar", True),
}
ACT: dict[str, Any] = {
    "observation": Row("actions", np.ones((16, 3), np.float32)),
    "state": Excused(RECURRENT),
    "episode_start": Excused(RECURRENT),
    "deterministic": Row("actions", True),
}
FREE: dict[str, Any] = {
    "env": [Row("policy", {"reward": 5.0}, beside={"extrinsic_weight": 1.0}), Refused("Nowhere-v0", "Nowhere-v0")],
    "policy": [Row("policy", "relax"), Refused("a2c", "no policy 'a2c'"), Refused("sac", "sac takes continuous")],
    "novelty": Row("weights", NoveltyOptions(**{**SHAPE, "model": "rnd"})),
    **{name: rows for name, rows in COMMON.items() if name != "extrinsic_weight"},
    "extrinsic_weight": Row("policy", 1.0),
    "sight": [Row("policy", "plain", beside={"env": {"image": True}}), Refused("blurred", "no sight 'blurred'")],
    "policy_options": [Row("policy", {**PPO_SMALL, "n_epochs": 2}), Refused({"n_epoch": 2}, "n_epoch")],
    "n_envs": Row("policy", 3, first=2),
    "tensorboard_log": Row("names", "curves"),
    "verbose": Row("prints", 1),
    "device": DEVICE,
}


def gradients(kind: Any) -> Any:
    """Learns for two small rollouts."""
    actions = "box" if kind is LAX else "discrete"

    def run(folder: Path, /, **changes: Any) -> Seen:
        given: dict[str, Any] = {"policy": "MlpPolicy", "n_steps": 8, "n_episodes": None, "seed": 0, **changes}
        given["env"] = walks(actions=actions, **given.get("env", {}))
        said = io.StringIO()
        with contextlib.chdir(folder), contextlib.redirect_stdout(said):
            model = kind(**given).learn(48, log_interval=1)
        return {
            "policy": print_of(model.policy),
            "surrogate": print_of(model.estimator),
            "names": sorted(path.name for path in folder.glob("*")),
            "prints": bool(said.getvalue()),
            "window": model.ep_info_buffer.maxlen,
        }

    return run


def kept(kind: Any) -> Any:
    """Saves two models, and loads one of them, to say what it is and does; `into` is the folder that was saved to."""
    actions = "box" if kind is LAX else "discrete"

    def make(seed: int) -> Any:
        venv = walks(actions=actions)
        if kind is NoveltyReward:
            reward = NoveltyReward(venv, SMALL, seed=seed)
            paid(reward)
            return reward
        if kind is FreeEnergyAgent:
            return kind(venv, novelty=SMALL, policy_options=PPO_SMALL, seed=seed, device="cpu").learn(16)
        return kind("MlpPolicy", venv, n_steps=8, n_episodes=None, seed=seed, device="cpu").learn(16)

    def run(folder: Path, /, **changes: Any) -> Seen:
        into, model = changes.pop("into", "a"), changes.pop("model", "plain")
        with contextlib.chdir(folder):
            make(0).save(into)
            make(1).save("b")
            if model != "plain":
                text = (folder / "a" / "checkpoint.json").read_text()
                (folder / "a" / "checkpoint.json").write_text(text.replace('"model": "plain"', f'"model": "{model}"'))
            given: dict[str, Any] = {"path": into, "device": "cpu", **changes.pop("changes", {}), **changes}
            if kind is NoveltyReward:
                given["venv"] = walks(**given.get("venv", {}))
            elif "env" in given:
                given["env"] = walks(actions=actions)
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                loaded = kind.load(**given)
        whole = loaded if kind is NoveltyReward else loaded.reward if kind is FreeEnergyAgent else None
        return {
            "names": sorted(path.name for path in folder.glob("*")),
            "weights": print_of(whole.novelty.model if whole else loaded.policy),
            "learns": loaded.get_env() is not None if kind is not NoveltyReward else True,
            "rewards": print_of(paid(loaded)) if kind is NoveltyReward else "",
            "prints": bool(said.getvalue()),
            "gamma": getattr(loaded, "gamma", None),
        }

    return run


OPENED: dict[str, Any] = {
    "path": [Row("weights", "b"), Refused("nowhere", "is not a checkpoint"), Refused(3, "path is 3")],
    "device": DEVICE,
}
TRUST = {"trust": Row("refused", ("bisect",), beside={"model": "bisect:bisect"})}
"""Not imported, or imported and no model."""
LOADED: dict[str, Any] = {
    **OPENED,
    "env": Row("learns", True),
    "custom_objects": [Row("gamma", {"gamma": 0.5}), Refused({"gama": 0.5}, "no argument 'gama'")],
    "print_system_info": Row("prints", True),
    "force_reset": Refused(False, "leave force_reset out"),
    "changes": Row("gamma", {"gamma": 0.5}),
}
SAVED: dict[str, Any] = {"into": [Row("names", "c"), Refused("x\0y", "path is"), Refused(3, "path is 3")]}
GRADIENT: dict[str, Any] = {
    "policy": [Row("policy", Quiet), Refused("MlPolicy", "MlPolicy")],
    "env": Row("policy", {"reward": 5.0}),
    "learning_rate": [Row("policy", 0.1), Refused(-1.0, "learning_rate")],
    "n_steps": Row("policy", 6),
    "n_episodes": Row("policy", 1),
    "gamma": [Row("policy", 0.5), Refused(2.0, "gamma")],
    "gae_lambda": Row("policy", 0.5),
    "ent_coef": Row("policy", 0.5),
    "vf_coef": Row("policy", 0.1),
    "max_grad_norm": Row("policy", 0.01, beside={"use_rms_prop": False}),
    "rms_prop_eps": Row("policy", 0.1),
    "use_rms_prop": Row("policy", False),
    "stats_window_size": Row("window", 3),
    "tensorboard_log": Row("names", "curves"),
    "policy_kwargs": Row("policy", {"net_arch": [4]}),
    "verbose": Row("prints", 1),
    "seed": [Row("policy", 1), Refused(-1, "seed")],
    "device": DEVICE,
}
SURROGATE: dict[str, Any] = {
    "surrogate_learning_rate": [Row("surrogate", 0.1), Refused(-1.0, "surrogate_learning_rate")],
    "surrogate_arch": Row("surrogate", (5,)),
}


def own(made: Any) -> list[str]:
    """Settings of a model or a remedy: all but what it is made for."""
    return [*inspect.signature(made).parameters][1:]


def every(kind: Any) -> list[str]:
    """Arguments of a policy gradient: its own, and those that it hands on."""
    makers = [
        vars(part)["__init__"]
        for part in kind.__mro__
        if part.__module__.startswith("e2c") and "__init__" in vars(part)
    ]
    named = [
        p.name
        for maker in makers
        for p in inspect.signature(maker).parameters.values()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    return [name for name in dict.fromkeys(named) if name != "self" and not name.startswith("_")]


THINGS = [
    Thing(
        "NoveltyReward",
        NoveltyReward,
        rewarded,
        {
            "venv": Row("rewards", {"reward": 5.0}),
            "options": Row("rewards", NoveltyOptions(**{**SHAPE, "model": "rnd"})),
            **COMMON,
            "device": DEVICE,
            "training": Row("weights", False),
        },
    ),
    Thing("NoveltyOptions", NoveltyOptions, options, OPTIONS),
    *(Thing(f"novelty model {name}", own(MODELS[name]), settled(name, False), MODEL[name]) for name in MODEL),
    *(Thing(f"remedy {name}", own(REMEDIES[name]), settled(name, True), REMEDY[name]) for name in REMEDY),
    Thing("NoveltyCallback", NoveltyCallback, called_back, {"verbose": Excused(VERBOSE)}),
    Thing(
        "NoveltyReplayBuffer",
        ["buffer_size", "source", "optimize_memory_usage"],
        replayed,
        {
            "buffer_size": Row("size", 32),
            "source": Refused("other", "outermost"),
            "optimize_memory_usage": Refused(True, "optimize_memory_usage"),
        },
    ),
    Thing("FreeEnergyAgent", FreeEnergyAgent, free_energy, FREE),
    Thing("FreeEnergyAgent.learn", FreeEnergyAgent.learn, explored, EXPLORE),
    Thing("FreeEnergyAgent.predict", FreeEnergyAgent.predict, acted, ACT),
    *(
        Thing(kind.__name__, every(kind), gradients(kind), {**GRADIENT, **({} if kind is A2CBaseline else SURROGATE)})
        for kind in (RELAX, LAX, A2CBaseline)
    ),
]

THINGS += [
    *(
        Thing(f"{kind.__name__}.save", ["into"], kept(kind), SAVED)
        for kind in (RELAX, LAX, A2CBaseline, FreeEnergyAgent, NoveltyReward)
    ),
    *(Thing(f"{kind.__name__}.load", kind.load, kept(kind), LOADED) for kind in (RELAX, LAX, A2CBaseline)),
    Thing(
        "FreeEnergyAgent.load",
        FreeEnergyAgent.load,
        kept(FreeEnergyAgent),
        {**OPENED, **TRUST, "env": Row("learns", True)},
    ),
    Thing(
        "NoveltyReward.load",
        NoveltyReward.load,
        kept(NoveltyReward),
        {
            **OPENED,
            **TRUST,
            "venv": [Row("rewards", {"reward": 5.0}), Refused({"image": True}, "was trained with the")],
        },
    ),
]

test_every_argument_has_a_row, test_alike, test_every_argument_counts = contract(THINGS)


def test_every_model_is_here() -> None:
    assert (set(MODEL), set(REMEDY)) == (set(MODELS), set(REMEDIES)), "add it to tests/contract/test_novelty.py"
