"""Whatever learns can be saved at any step and evaluated on the way, by stable-baselines3's own callbacks.

Every algorithm that novelty pays, in every order of wrappers that can work; the others are refused before work starts.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecMonitor, VecNormalize, VecTransposeImage

from e2c_control.agents import LAX, RELAX, A2CBaseline, FreeEnergyAgent
from e2c_control.agents.free_energy import SightCallback, WhitenedImages
from e2c_control.agents.free_energy.learners import POLICIES
from e2c_control.agents.novelty import NoveltyCallback, NoveltyOptions, NoveltyReplayBuffer, NoveltyReward
from e2c_control.errors import InputError

NOVELTY = NoveltyOptions("rnd", {"hidden": [8]}, train_every=16, gradient_steps=1, batch_size=8, memory=60)
SMALL: dict[str, Any] = {"seed": 0, "device": "cpu"}
STEPS, SAVED_AT = 40, 24


class World(gymnasium.Env[Any, Any]):
    """A walk on a line in episodes of five steps, cut off by a limit; a reward of one for every step."""

    def __init__(self, actions: str, image: bool) -> None:
        self.action_space = spaces.Box(-2, 2, (2,), np.float32) if actions == "box" else spaces.Discrete(3)
        vector, picture = spaces.Box(-9, 9, (2,), np.float32), spaces.Box(0, 255, (36, 36, 1), np.uint8)
        self.observation_space, self.image = picture if image else vector, image

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.time, self.place = 0, float(self.np_random.uniform(-1, 1))
        return self.seen(), {}

    def step(self, action: Any) -> Any:
        self.time += 1
        self.place += 0.2 * float(np.sum(action)) - 0.2
        return self.seen(), 1.0, False, self.time == 5, {}

    def seen(self) -> Any:
        if self.image:
            return np.full((36, 36, 1), np.clip(128 + 40 * self.place, 0, 255), np.uint8)
        return np.clip([self.place, self.time / 5], -9, 9).astype(np.float32)


def worlds(actions: str = "discrete", image: bool = False, copies: int = 2) -> VecEnv:
    return make_vec_env(partial(World, actions, image), copies, seed=0)


def rewarded(venv: VecEnv, **options: Any) -> NoveltyReward:
    return NoveltyReward(venv, NOVELTY, **SMALL, **options)


def normalised(venv: VecEnv) -> VecNormalize:
    """What is whitened is no image any more to stable-baselines3, which then leaves the channels where they are."""
    return VecNormalize(VecTransposeImage(venv) if len(venv.observation_space.shape or ()) == 3 else venv)


ORDERS: dict[str, Callable[[Callable[[VecEnv], VecEnv], VecEnv], VecEnv]] = {
    "bare": lambda novel, venv: novel(venv),
    "normalised above": lambda novel, venv: normalised(novel(venv)),
    "stacked above": lambda novel, venv: VecFrameStack(novel(venv), 2),
    "stacked below": lambda novel, venv: novel(VecFrameStack(venv, 2)),
    "monitored above": lambda novel, venv: VecMonitor(novel(venv)),
    "monitored below": lambda novel, venv: novel(VecMonitor(venv)),
    "everything": lambda novel, venv: normalised(VecFrameStack(novel(VecFrameStack(VecMonitor(venv), 2)), 2)),
    "twice": lambda novel, venv: novel(novel(venv)),
}
"""Wrappers around a vector of environments, `novel` the one that puts NoveltyReward around another."""

ALGORITHMS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "PPO": (PPO, "discrete", {"n_steps": 8, "batch_size": 8, "n_epochs": 1}),
    "A2C": (A2C, "box", {"n_steps": 8}),
    "SAC": (SAC, "box", {"learning_starts": 8, "batch_size": 4, "buffer_size": 50}),
    "TD3": (TD3, "box", {"learning_starts": 8, "batch_size": 4, "buffer_size": 50}),
    "DQN": (DQN, "discrete", {"learning_starts": 8, "batch_size": 4, "buffer_size": 50}),
    "RELAX": (RELAX, "discrete", {"n_steps": 8}),
    "LAX": (LAX, "box", {"n_steps": 8}),
    "A2CBaseline": (A2CBaseline, "box", {"n_steps": 8}),
}
REPLAYED = {f"{name}, replayed": ALGORITHMS[name] for name in ("SAC", "TD3", "DQN")}
CASES = [
    pytest.param(name, policy, order, marks=[] if quick else pytest.mark.slow)
    for name in (*ALGORITHMS, *REPLAYED)
    for policy in ("MlpPolicy", "CnnPolicy")
    for order in ORDERS
    # The others of the same kinds by `make slow`.
    for quick in [
        (policy == "MlpPolicy" or name in ("PPO", "SAC, replayed"))
        and (name in ("PPO", "SAC", "SAC, replayed", "LAX") or order in ("bare", "normalised above"))
    ]
    # What an unscored stack above would be replayed as is refused, see below.
    if not (name in REPLAYED and order in ("stacked above", "everything"))
]


def dressed(order: str, venv: VecEnv, **options: Any) -> VecEnv:
    return ORDERS[order](partial(rewarded, **options), venv)  # type: ignore[call-arg, arg-type]


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in model.policy.state_dict().items()}


class Kept(BaseCallback):
    """The weights at one step, to compare a checkpoint with."""

    def _on_step(self) -> bool:
        if self.num_timesteps == SAVED_AT:
            self.weights = weights(self.model)
        return True


@pytest.mark.filterwarnings("ignore:The environment is already wrapped")
@pytest.mark.filterwarnings("ignore:.* replays what it stored")  # it does, which is not what is looked at here
@pytest.mark.filterwarnings("ignore:Training and eval env are not of the same type")
@pytest.mark.parametrize(("name", "policy", "order"), CASES)
def test_saved_and_evaluated_while_it_learns(name: str, policy: str, order: str, tmp_path: Path) -> None:
    """A checkpoint in the middle is what the algorithm was then; read again, it goes on in the novelty of then."""
    kind, actions, options = (ALGORITHMS | REPLAYED)[name]
    image = policy == "CnnPolicy"
    venv = dressed(order, worlds(actions, image))
    # What is whitened already is not brightness any more.
    network = {"normalize_images": order not in ("normalised above", "everything")} if image else {"net_arch": [8]}
    given = {**options, **SMALL, "policy_kwargs": network}
    if name in REPLAYED:
        given |= {"replay_buffer_class": NoveltyReplayBuffer, "replay_buffer_kwargs": {"source": outermost(venv)}}
    model = kind(policy, venv, **given)
    judged = dressed(order, worlds(actions, image), training=False)
    kept = Kept()
    watching: list[BaseCallback] = [
        NoveltyCallback(),
        CheckpointCallback(SAVED_AT // 2, str(tmp_path), "model"),
        EvalCallback(judged, n_eval_episodes=2, eval_freq=10, best_model_save_path=str(tmp_path), verbose=0),
        kept,
    ]
    model.learn(STEPS, watching)
    assert outermost(venv).novelty.updates > 0
    assert outermost(judged).novelty.updates == 0
    assert watching[2].best_mean_reward > -np.inf  # type: ignore[attr-defined]

    outermost(venv).save(tmp_path / "novelty")
    again = kind.load(tmp_path / f"model_{SAVED_AT}_steps.zip", env=venv, device="cpu")
    assert all(torch.equal(weight, kept.weights[name]) for name, weight in weights(again).items())
    kind.load(tmp_path / f"best_model{'' if (tmp_path / 'best_model').is_dir() else '.zip'}", device="cpu")
    seen = outermost(venv).novelty.updates
    again.learn(STEPS, NoveltyCallback(), reset_num_timesteps=False)
    assert again.num_timesteps >= SAVED_AT + STEPS
    assert outermost(venv).novelty.updates > seen
    read = NoveltyReward.load(tmp_path / "novelty", outermost(venv).venv, device="cpu")
    assert read.novelty.updates == seen


def outermost(venv: Any) -> NoveltyReward:
    while not isinstance(venv, NoveltyReward):
        venv = venv.venv
    return venv


OFF_POLICY = ("box", {"learning_starts": 8, "batch_size": 4, "buffer_size": 50})
AGENTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        name: OFF_POLICY if issubclass(POLICIES[name], OffPolicyAlgorithm) else ("discrete", {"n_steps": 8})
        for name in POLICIES
    },
    "ppo": ("discrete", {"n_steps": 8, "n_epochs": 1}),
    "lax": ("box", {"n_steps": 8}),
}
BELOW: dict[str, Callable[[VecEnv], VecEnv]] = {
    "bare": lambda venv: venv,
    "stacked": lambda venv: VecFrameStack(venv, 2),
    "monitored": VecMonitor,
    "turned": VecTransposeImage,
}


@pytest.mark.filterwarnings("ignore:The environment is already wrapped")
@pytest.mark.filterwarnings("ignore:.* replays what it stored")  # it does, which is not what is looked at here
@pytest.mark.parametrize(
    ("below", "image"),
    [(below, image) for below in BELOW for image in (False, True) if image or below != "turned"],  # which turns images
)
@pytest.mark.parametrize("name", AGENTS)
def test_agents_are_saved_and_evaluated_while_they_learn(name: str, below: str, image: bool, tmp_path: Path) -> None:
    """Callbacks get the agent: `load` reads what they saved, and what they evaluate sees as the agent does."""
    actions, options = AGENTS[name]
    policy = "relax" if name == "lax" else name
    given = options if image else {**options, "policy_kwargs": {"net_arch": [8]}}
    agent = FreeEnergyAgent(BELOW[below](worlds(actions, image)), policy, NOVELTY, policy_options=given, **SMALL)
    kept, shown = Kept(), np.stack([World(actions, image).reset(seed=i)[0] for i in range(3)])
    shown = np.concatenate([shown] * 2, axis=-1) if below == "stacked" else shown
    shown = np.moveaxis(shown, -1, 1) if below == "turned" else shown
    acted: list[Any] = []

    class Asked(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps == SAVED_AT:
                acted.append(self.model.predict(shown, deterministic=True)[0])
            return True

    class Inner(Kept):
        def _on_step(self) -> bool:
            if self.num_timesteps == SAVED_AT:
                self.weights = weights(agent.model)
            return True

    kept = Inner()
    judge = EvalCallback(
        BELOW[below](worlds(actions, image)), n_eval_episodes=2, eval_freq=10, best_model_save_path=str(tmp_path),
        verbose=0,
    )  # fmt: skip
    saver = CheckpointCallback(SAVED_AT // 2, str(tmp_path), "agent", save_replay_buffer=True, save_vecnormalize=True)
    agent.learn(STEPS, [saver, judge, kept, Asked()])
    assert judge.last_mean_reward == 5.0
    assert agent.reward.steps == agent.num_timesteps, "evaluation is not learnt from"
    assert not [
        path for path in tmp_path.rglob("*") if path.suffix == ".pkl" or (path.suffix == ".zip" and path.is_file())
    ]
    again = FreeEnergyAgent.load(
        tmp_path / f"agent_{SAVED_AT}_steps.zip", env=BELOW[below](worlds(actions, image)), device="cpu"
    )
    assert all(torch.equal(weight, kept.weights[name]) for name, weight in weights(again.model).items())
    np.testing.assert_array_equal(again.predict(shown, deterministic=True)[0], acted[0])
    again.learn(STEPS, reset_num_timesteps=False)
    assert FreeEnergyAgent.load(tmp_path / "best_model", device="cpu").num_timesteps in (20, 40)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: rewarded(VecNormalize(worlds())), r"VecNormalize\(NoveltyReward\(env\)\)"),
        (lambda: rewarded(VecFrameStack(VecNormalize(worlds()), 2)), r"VecNormalize\(NoveltyReward\(env\)\)"),
        (lambda: FreeEnergyAgent(VecNormalize(worlds()), **SMALL), "or leave it out"),
        (lambda: FreeEnergyAgent(rewarded(worlds()), **SMALL), "give them without NoveltyReward"),
        (lambda: replayed(VecFrameStack(rewarded(worlds("box")), 2)), r"NoveltyReward\(VecFrameStack\(env, 4\)\)"),
        (
            lambda: replayed(rewarded(worlds("box")), source=worlds("box")),
            "source .* is a NoveltyReward, not a Dummy",
        ),
    ],
)
def test_what_cannot_work_is_refused_at_construction(make: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make()


def replayed(venv: VecEnv, **options: Any) -> SAC:
    shared = {**ALGORITHMS["SAC"][2], **SMALL}
    source = options.get("source") or outermost(venv)
    return SAC(
        "MlpPolicy", venv, replay_buffer_class=NoveltyReplayBuffer, replay_buffer_kwargs={"source": source}, **shared
    )


def test_a_replay_buffer_is_saved_without_its_source_and_finds_it_again(tmp_path: Path) -> None:
    """stable-baselines3's own save, the buffer's too, in a process where the environments have been made anew."""
    venv = rewarded(worlds("box"))
    model = replayed(venv).learn(STEPS, NoveltyCallback())
    model.save(tmp_path / "model.zip")
    model.save_replay_buffer(tmp_path / "buffer.pkl")
    venv.save(tmp_path / "novelty")
    other = NoveltyReward.load(tmp_path / "novelty", worlds("box"), device="cpu")
    again = SAC.load(tmp_path / "model.zip", env=other, device="cpu")
    again.load_replay_buffer(tmp_path / "buffer.pkl")
    buffer: Any = again.replay_buffer
    with pytest.raises(InputError, match="give learn a NoveltyCallback"):
        buffer.sample(4)
    buffer.settle(other)
    rows = np.arange(buffer.pos)
    np.random.seed(0)  # noqa: NPY002
    expected = model.replay_buffer._get_samples(rows)  # type: ignore[union-attr]
    np.random.seed(0)  # noqa: NPY002
    for found, had in zip(buffer._get_samples(rows), expected, strict=True):
        if had is not None:
            torch.testing.assert_close(found, had)
    again.learn(STEPS, NoveltyCallback(), reset_num_timesteps=False)
    assert again.num_timesteps == 2 * STEPS
    model.set_env(other)
    with pytest.raises(InputError, match=r"set model\.replay_buffer\.source"):
        model.learn(8, NoveltyCallback(), reset_num_timesteps=False)


def test_whitened_sight_of_an_algorithm_of_ones_own(tmp_path: Path) -> None:
    venv = rewarded(worlds("box", image=True))
    model = PPO(
        "CnnPolicy", venv, n_steps=8, batch_size=8, n_epochs=1, **SMALL,
        policy_kwargs={"features_extractor_class": WhitenedImages},
    )  # fmt: skip
    saver = CheckpointCallback(SAVED_AT // 2, str(tmp_path), "model")
    model.learn(STEPS, [SightCallback(venv), NoveltyCallback(), saver])
    again = PPO.load(tmp_path / f"model_{SAVED_AT}_steps.zip", env=venv, device="cpu")
    again.learn(STEPS, [SightCallback(venv), NoveltyCallback()], reset_num_timesteps=False)
