"""The free-energy agent through one contract, whatever its policy learns by."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv

from e2c_control.agents import LAX, RELAX, FreeEnergyAgent
from e2c_control.agents.free_energy.learners import POLICIES
from e2c_control.agents.free_energy.sight import SightCallback, WhitenedImages
from e2c_control.agents.novelty import NoveltyOptions
from e2c_control.errors import InputError
from e2c_control.runs import progress as bars


class World(gymnasium.Env[Any, Any]):
    """A walk on a line, in episodes of nine steps; a reward of one for every step."""

    def __init__(self, actions: str = "discrete", image: bool = False, poison: int = -1) -> None:
        self.action_space = {
            "discrete": spaces.Discrete(3),
            "binary": spaces.MultiBinary(2),
            "box": spaces.Box(-2, 2, (2,), np.float32),
            "several": spaces.MultiDiscrete([2, 3]),
            "held": spaces.Box(np.array([-1, 0.5], np.float32), np.array([1, 0.5], np.float32)),
            "endless": spaces.Box(-np.inf, np.inf, (1,), np.float32),
            "shifted": spaces.Discrete(3, start=1),
            "shifted several": spaces.MultiDiscrete([3, 2], start=[1, 5]),
        }[actions]
        vector, picture = spaces.Box(-9, 9, (2,), np.float32), spaces.Box(0, 255, (36, 36, 1), np.uint8)
        self.observation_space = picture if image else vector
        self.image, self.poison, self.steps = image, poison, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.time, self.place = 0, float(self.np_random.uniform(-1, 1))
        return self.seen(), {}

    def step(self, action: Any) -> Any:
        self.time += 1
        self.steps += 1
        self.place += 0.2 * float(np.sum(action)) - 0.2 + 0.1 * float(self.np_random.standard_normal())
        reward = float("nan") if self.steps == self.poison else 1.0
        return self.seen(), reward, False, self.time == 9, {}

    def seen(self) -> Any:
        if self.image:
            return np.full((36, 36, 1), np.clip(128 + 40 * self.place, 0, 255), np.uint8)
        return np.clip([self.place, self.time / 9], -9, 9).astype(np.float32)


NOVELTY = NoveltyOptions(settings={"hidden": [8]}, train_every=16, gradient_steps=2, batch_size=8, memory=60)
OFF_POLICY = [name for name in POLICIES if issubclass(POLICIES[name], OffPolicyAlgorithm)]
ON_POLICY = [name for name in POLICIES if name not in OFF_POLICY]
NETS: dict[str, Any] = {"policy_kwargs": {"net_arch": [8]}}
FEW: dict[str, dict[str, Any]] = {
    **{name: {"n_steps": 8, **NETS} for name in ON_POLICY},
    **{name: {"learning_starts": 12, "batch_size": 8, "buffer_size": 70, **NETS} for name in OFF_POLICY},
    "ppo": {"n_steps": 8, "n_epochs": 1, **NETS},
}
KINDS = [
    *((policy, actions, copies) for policy in ON_POLICY for actions, copies in (("discrete", 2), ("box", 1))),
    *((policy, "box", copies) for policy in OFF_POLICY for copies in (1, 2)),
    *(("relax", "discrete", 1), ("relax", "box", 2)),
]
"""Every algorithm of the registry, with actions that it takes."""
each_kind = pytest.mark.parametrize(("policy", "actions", "copies"), KINDS)
each_policy = pytest.mark.parametrize("policy", POLICIES)


def make(policy: str, actions: str, copies: int = 2, image: bool = False, **options: Any) -> FreeEnergyAgent:
    env: Any = World(actions, image) if copies == 1 else DummyVecEnv([lambda: World(actions, image)] * copies)
    novelty = NoveltyOptions(**{**vars(NOVELTY), **options.pop("novelty", {})})
    shared: dict[str, Any] = {"policy_options": FEW[policy], "seed": 4, "device": "cpu"}
    return FreeEnergyAgent(env, policy, novelty, **{**shared, **options})


def weights(agent: FreeEnergyAgent) -> dict[str, torch.Tensor]:
    both = {"policy": agent.model.policy, "novelty": agent.reward.novelty.model}
    return {f"{n}.{k}": v.clone() for n, part in both.items() for k, v in part.state_dict().items()}


def same(first: FreeEnergyAgent, second: FreeEnergyAgent) -> bool:
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Paid(BaseCallback):
    """All rewards, as the policy got them."""

    def __init__(self) -> None:
        super().__init__()
        self.rewards: list[Any] = []

    def _on_step(self) -> bool:
        self.rewards.append(np.array(self.locals["rewards"]).tolist())
        return True


@each_kind
def test_contract(policy: str, actions: str, copies: int, tmp_path: Path) -> None:
    """Learns, is deterministic, predicts, is evaluated, and goes on from the disk as it would have without."""
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    agent = make(policy, actions, copies).learn(48)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    twin = make(policy, actions, copies).learn(48)
    assert same(agent, twin)
    assert not same(agent, make(policy, actions, copies, seed=5).learn(16))
    agent.save(tmp_path / "agent")
    assert {path.suffix for path in (tmp_path / "agent").iterdir()} == {".json", ".safetensors"}
    again = FreeEnergyAgent.load(tmp_path / "agent", env=DummyVecEnv([lambda: World(actions)] * copies), device="cpu")
    assert same(agent, again)
    assert agent.options == again.options
    observation, _ = World(actions).reset(seed=1)
    expected, _ = agent.predict(observation, deterministic=True)
    homeless = FreeEnergyAgent.load(tmp_path / "agent", device="cpu")
    np.testing.assert_array_equal(homeless.predict(observation, deterministic=True)[0], expected)
    homeless.save(tmp_path / "moved")
    moved = FreeEnergyAgent.load(tmp_path / "moved", env=DummyVecEnv([lambda: World(actions)] * copies), device="cpu")

    curves: list[Any] = []
    for one in (agent, again, moved):
        curves.append(Paid())
        one.learn(32, curves[-1], reset_num_timesteps=False)
    assert curves[0].rewards == curves[1].rewards == curves[2].rewards
    assert same(agent, again)
    assert same(agent, moved)
    assert agent.num_timesteps == again.num_timesteps == 80
    assert [row["r"] for row in again.model.ep_info_buffer or ()] == [9.0] * len(agent.model.ep_info_buffer or ())
    mean, _ = evaluate_policy(agent, agent.get_env(), n_eval_episodes=2)  # type: ignore[arg-type]
    assert mean == 9.0


@each_policy
def test_images(policy: str, tmp_path: Path) -> None:
    actions = "box" if policy in OFF_POLICY else "binary"
    agent = make(policy, actions, 1, image=True, novelty={"window": 2}).learn(32)
    agent.save(tmp_path / "agent")
    again = FreeEnergyAgent.load(tmp_path / "agent", env=World(actions, image=True), device="cpu")
    assert same(agent, again)
    image, _ = World(actions, image=True).reset(seed=0)
    action, _ = again.predict(image, deterministic=True)
    np.testing.assert_array_equal(action, agent.predict(image, deterministic=True)[0])
    assert agent.model.policy.__class__.__name__.endswith("CnnPolicy")
    for one in (agent, again):
        one.learn(16, reset_num_timesteps=False)
    assert same(agent, again)


def sights(agent: FreeEnergyAgent) -> list[WhitenedImages]:
    return [part for part in agent.model.policy.modules() if isinstance(part, WhitenedImages)]


@each_policy
@pytest.mark.parametrize("side", [36, 8])
def test_what_policies_see_of_images(policy: str, side: int) -> None:
    """Of a still scene nothing, of a pixel that moves, how far it is from its usual value; small images as well."""

    class Scene(World):
        observation_space = spaces.Box(0, 255, (side, side, 1), np.uint8)

        def seen(self) -> Any:
            image = np.full(self.observation_space.shape, 200, np.uint8)
            image[0, self.time % 2] = 0
            return image

    env: Any = Scene("box")
    env.observation_space = Scene.observation_space
    agent = FreeEnergyAgent(env, policy, NOVELTY, policy_options=FEW[policy], seed=0, device="cpu").learn(64)
    callback = SightCallback(agent.reward)
    callback.init_callback(agent.model)
    callback.on_rollout_start()
    found = sights(agent)
    assert len(found) == (3 if policy in OFF_POLICY else 1)  # actor, critic and its target
    for sight in found:
        seen: list[torch.Tensor] = []
        sight.net.register_forward_pre_hook(lambda _, given, seen=seen: seen.append(given[0]))
        sight(torch.as_tensor(env.seen()).movedim(-1, 0)[None] / 255)
        whitened = seen[0][0, 0]
        dark, light = env.time % 2, 1 - env.time % 2
        np.testing.assert_allclose([whitened[0, dark], whitened[0, light]], [-1, 1], atol=0.3)
        assert whitened[1:].abs().max() < 0.01


def test_policies_see_no_further_than_five_deviations() -> None:
    """Of images and of vectors alike: what was never seen before must not saturate the network."""
    sight = WhitenedImages(spaces.Box(0, 255, (1, 36, 36), np.uint8), convolutions=False)
    sight.whiten(torch.full((1, 36, 36), 0.5), torch.full((1, 36, 36), 100.0))
    shown = torch.full((1, 1, 36, 36), 0.5)
    shown[0, 0, 0, :3] = torch.tensor([0.0, 1.0, 0.51])
    torch.testing.assert_close(sight(shown)[0, :4], torch.tensor([-5.0, 5.0, 1.0, 0.0]))
    agent = make("ppo", "discrete").learn(32)
    venv: Any = agent.model.get_env()
    np.testing.assert_array_equal(venv.normalize_obs(np.array([[1e9, -1e9]], np.float32)), [[5.0, -5.0]])


def test_plain_sight_stays_with_a_saved_agent(tmp_path: Path) -> None:
    agent = make("ppo", "box", image=True, sight="plain")
    assert not sights(agent)
    agent.save(tmp_path / "agent")
    assert not sights(FreeEnergyAgent.load(tmp_path / "agent", device="cpu"))
    with pytest.raises(InputError, match="There is no sight 'blurred': choose whitened or plain"):
        make("ppo", "box", image=True, sight="blurred")


@pytest.mark.parametrize("policy", ON_POLICY)
def test_vectors_far_from_0_are_seen_whitened(policy: str) -> None:
    """What reaches the policy's network has mean 0 and deviation 1, wherever the world's origin is."""

    class Far(World):
        def __init__(self) -> None:
            super().__init__()
            self.observation_space = spaces.Box(0, 2e5, (2,), np.float64)

        def seen(self) -> Any:
            return 1e5 + self.np_random.random(2)

    options = {"n_steps": 128, "policy_kwargs": {"net_arch": [8]}}
    agent = FreeEnergyAgent(Far(), policy, NOVELTY, policy_options=options, seed=0, device="cpu")
    agent.learn(512)
    seen = np.asarray(agent.model.rollout_buffer.observations).reshape(-1, 2)  # type: ignore[attr-defined]
    np.testing.assert_allclose(seen.std(0), 1.0, rtol=0.15)
    assert np.abs(seen.mean(0)).max() < 0.3


def test_options_of_what_policies_see() -> None:
    """An extractor's own arguments reach it, and a policy without convolutions sees whitened pixels."""
    wider: Any = {"policy_kwargs": {"features_extractor_kwargs": {"features_dim": 9}}, "n_steps": 8}
    assert sights(make("ppo", "box", image=True, policy_options=wider))[0].features_dim == 9
    flat = make("ppo", "box", image=True, policy_options={"policy": "MlpPolicy", "n_steps": 8})
    assert sights(flat)[0].features_dim == 36 * 36


def test_algorithms_and_what_they_get() -> None:
    assert type(make("ppo", "several").model) is PPO
    sac: Any = make("sac", "box").model
    assert type(sac) is SAC
    assert sac.target_entropy == -2.0, "less one for each number of an action (Haarnoja et al. 2018)"
    assert type(make("relax", "binary").model) is RELAX
    assert type(make("relax", "box").model) is LAX
    agent = FreeEnergyAgent("MountainCar-v0", seed=0, device="cpu")
    model: Any = agent.model
    assert (model.n_envs, model.n_steps, model.batch_size, model.n_epochs, model.ent_coef) == (32, 16, 128, 4, 0.01)
    assert agent.reward.weights.extrinsic == 0.0
    assert FreeEnergyAgent(lambda: World("box"), "sac", device="cpu").reward.num_envs == 1


@pytest.mark.parametrize(("objective", "sign"), [("maximise", 1.0), ("minimise", -1.0)])
def test_objective(objective: str, sign: float) -> None:
    """What the policy is paid is the bonus with its sign, and nothing of what the environment pays."""
    found: list[tuple[float, float]] = []

    class Listen(BaseCallback):
        def _on_step(self) -> bool:
            found.append((float(self.locals["rewards"][0]), self.locals["infos"][0]["intrinsic"]))
            return True

    make("ppo", "discrete", objective=objective).learn(32, Listen())
    paid, bonus = np.array(found).T
    np.testing.assert_allclose(paid, sign * bonus, rtol=1e-5)
    assert (bonus > 0).any()


class Corridor(gymnasium.Env[Any, Any]):
    """From the middle, left into a room where nothing happens, or right, where every step looks different."""

    action_space = spaces.Discrete(2)
    observation_space = spaces.Box(-2, 2, (4,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.place = self.time = 0
        return self.seen(), {}

    def step(self, action: Any) -> Any:
        self.place = int(np.clip(self.place + (1 if action else -1), -3, 3))
        self.time += 1
        return self.seen(), 0.0, False, self.time == 20, {}

    def seen(self) -> Any:
        busy = self.np_random.uniform(-1, 1, 3) if self.place > 0 else np.zeros(3)
        return np.array([self.place / 3, *busy], np.float32)


@pytest.mark.slow
def test_the_sign_decides_where_it_goes() -> None:
    """Sought, novelty leads to the busy room; avoided, to the dark one."""
    shares: dict[str, float] = {}
    for objective in ("maximise", "minimise"):
        places: list[float] = []
        env = DummyVecEnv([Corridor] * 8)
        novelty = NoveltyOptions(
            "plain", {"code": 1, "hidden": (16,)}, train_every=128, gradient_steps=4, batch_size=64
        )
        agent = FreeEnergyAgent(
            env, novelty=novelty, objective=objective, policy_options={"n_steps": 16}, seed=0, device="cpu"
        )

        def note(inside: dict[str, Any], _: Any, places: list[float] = places, agent: Any = agent) -> bool:
            places.extend(agent.reward.memory.newest()[0][:, -1, 0])
            return True

        agent.learn(2_560, note)
        shares[objective] = float(np.mean(np.array(places[len(places) // 2 :]) > 0))
    assert shares["maximise"] > 0.7
    assert shares["minimise"] < 0.3


@each_policy
def test_an_interrupted_learn_leaves_a_usable_agent(policy: str, tmp_path: Path) -> None:
    """Wherever it comes: within a callback, or within a step of the environment."""
    agent = make(policy, "box")

    def interrupt(inside: Any, _: Any) -> bool:
        if agent.num_timesteps == 40:
            raise KeyboardInterrupt
        return True

    before = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        agent.learn(100, interrupt)
    assert torch.equal(torch.get_rng_state(), before)
    assert agent.num_timesteps == 40
    agent.save(tmp_path / "agent")
    again = FreeEnergyAgent.load(tmp_path / "agent", env=DummyVecEnv([lambda: World("box")] * 2), device="cpu")
    assert same(agent, again)
    world: Any = agent.get_env().envs[1].unwrapped  # type: ignore[union-attr]
    original, world.step = world.step, lambda action: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        agent.learn(20, reset_num_timesteps=False)
    world.step = original
    agent.learn(40, reset_num_timesteps=False)
    assert agent.num_timesteps >= 80
    assert all(bool(weight.isfinite().all()) for weight in weights(agent).values())


def test_rewards_that_are_not_numbers() -> None:
    """One sentence, and what was learnt before is there."""
    agent = make("ppo", "discrete", 1)
    env: Any = agent.get_env()
    agent.learn(32)
    learnt = weights(agent)
    env.envs[0].unwrapped.poison = 35
    with pytest.raises(InputError, match="reward that is not finite"):
        agent.learn(6, reset_num_timesteps=False)
    assert all(torch.equal(learnt[name], weight) for name, weight in weights(agent).items())
    env.envs[0].unwrapped.poison = -1
    agent.learn(16, reset_num_timesteps=False)


def test_bad_input() -> None:
    for arguments, options, sentence in (
        ((World(), "a2c"), {}, "no policy 'a2c': choose one of ppo, sac, relax"),
        ((World(), "sac"), {}, "sac takes continuous actions.*choose ppo or relax"),
        ((World("several"), "relax"), {}, "relax takes Discrete, MultiBinary and Box.*choose ppo"),
        ((World(), "ppo", NoveltyOptions("icm", window=1)), {}, "window is 2, not 1"),
        ((World(),), {"objective": "minimize"}, "objective is 'minimize'"),
        ((World(),), {"n_envs": 3}, "1 environments were given and 3 asked for"),
        ((World(),), {"seed": -1}, "seed is -1"),
        ((World(),), {"policy_options": {"n_step": 3}}, "'n_step' is no option of PPO"),
        ((World(),), {"policy_options": {"device": "cpu"}}, "'device' is no option of PPO"),
        ((World(),), {"tensorboard_log": 3}, "tensorboard_log is 3: give a text or a path"),
        ((World(),), {"verbose": "all"}, "verbose is 'all'"),
        ((World(),), {"device": "gpu"}, "no device 'gpu'"),
        ((World(),), {"novelty": "rnd"}, "novelty is 'rnd': give one of class NoveltyOptions"),
        (
            (World(),),
            {"policy_options": {"learning_rate": lambda left: left}},
            "policy_options has 'learning_rate', a function",
        ),
        ((3,), {}, "not a int"),
        (("Nowhere-v0",), {}, "Nowhere-v0"),
        ((World("held"), "sac"), {}, "sac takes actions between two bounds that differ.*choose ppo or relax"),
        ((World("endless"), "sac"), {}, "sac takes actions between two bounds that differ"),
        *(((World("shifted"), kind), {}, "actions start at 1") for kind in ("ppo", "relax")),
        ((World("shifted several"), "ppo"), {}, r"actions start at \[1 5\]: wrap .* start at 0"),
        (("FrozenLake-v1",), {}, "FlattenObservation"),
    ):
        with pytest.raises(InputError, match=sentence):
            FreeEnergyAgent(*arguments, **options)


def test_what_does_not_fit_a_saved_agent(tmp_path: Path) -> None:
    path = tmp_path / "agent"
    make("ppo", "discrete").save(path)
    with pytest.raises(InputError, match="trained with the observations"):
        FreeEnergyAgent.load(path, env=DummyVecEnv([lambda: World(image=True)] * 2))
    with pytest.raises(InputError, match="trained with the actions"):
        FreeEnergyAgent.load(path, env=DummyVecEnv([lambda: World("box")] * 2))
    with pytest.raises(InputError, match="trained in 2 environments at once, not 1"):
        FreeEnergyAgent.load(path, env=World())
    with pytest.raises(InputError, match="no environment to learn in: give load one"):
        FreeEnergyAgent.load(path).learn(10)
    with pytest.raises(InputError, match="is not a checkpoint"):
        FreeEnergyAgent.load(tmp_path)
    content = (path / "policy.safetensors").read_bytes()
    (path / "policy.safetensors").write_bytes(content[:-8])
    with pytest.raises(InputError, match="truncated or damaged"):
        FreeEnergyAgent.load(path)
    (path / "policy.safetensors").write_bytes(content)
    meta = json.loads((path / "checkpoint.json").read_text())
    del meta["meta"]["options"]["novelty"]["model"]
    meta["meta"]["options"]["novelty"]["modell"] = "recurrent"
    (path / "checkpoint.json").write_text(json.dumps(meta))
    with pytest.raises(InputError, match="another version"):
        FreeEnergyAgent.load(path)
    meta["meta"]["agent"] = "E2CAgent"
    (path / "checkpoint.json").write_text(json.dumps(meta))
    with pytest.raises(InputError, match="holds E2CAgent, no FreeEnergyAgent"):
        FreeEnergyAgent.load(path)


ELSEWHERE = """
import pickle, sys
import numpy as np, torch
import torch._dynamo  # derives a class from the Unpickler

from e2c_control.agents import FreeEnergyAgent

def refuse(*args, **kwargs):
    raise AssertionError("unpickled")

pickle.load = pickle.loads = pickle.Unpickler = torch.load = refuse
agent = FreeEnergyAgent.load(sys.argv[1], device="cpu")
print([agent.predict(np.array([p, 0.5], np.float32), deterministic=True)[0].tolist() for p in (-2, -1, 0, 1, 2)])
"""


def test_a_fresh_process_acts_the_same(tmp_path: Path) -> None:
    agent = make("sac", "box").learn(60)
    agent.save(tmp_path / "agent")
    command = [sys.executable, "-P", "-c", ELSEWHERE, str(tmp_path / "agent")]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=True)
    here = [agent.predict(np.array([p, 0.5], np.float32), deterministic=True)[0] for p in (-2, -1, 0, 1, 2)]
    np.testing.assert_array_equal(json.loads(done.stdout), np.array(here).astype(float))


@each_policy
def test_paths_and_numbers_of_numpy_are_taken_as_they_are_meant(policy: str, tmp_path: Path) -> None:
    """Curves go where the path says, and what was learnt with them is saved, with options that mean the same again."""
    frequency = {"train_freq": (2, "step")} if policy in OFF_POLICY else {"gamma": np.float32(0.5)}
    agent = make(
        policy, "box", tensorboard_log=tmp_path / "curves", intrinsic_weight=np.float32(0.5), verbose=np.int64(0),
        extrinsic_weight=np.int64(2), seed=np.int64(3), policy_options={**FEW[policy], **frequency},
    ).learn(np.int64(32))  # type: ignore[arg-type]  # fmt: skip
    agent.save(tmp_path / "agent")
    again = FreeEnergyAgent.load(tmp_path / "agent", env=DummyVecEnv([lambda: World("box")] * 2), device="cpu")
    assert again.options == agent.options
    assert list((tmp_path / "curves").rglob("events*"))
    for one in (agent, again):
        one.learn(16, reset_num_timesteps=False)
    assert same(agent, again)


def test_what_a_monitor_keeps_of_an_episode_is_saved(tmp_path: Path) -> None:
    """Numbers and texts of `info`; what has no place in a file is no part of the agent."""

    class Told(World):
        def step(self, action: Any) -> Any:
            seen, reward, over, cut, _ = super().step(action)
            return seen, reward, over, cut, {"way": "left", "map": np.zeros(3), "is_success": np.bool_(True)}

    agent = FreeEnergyAgent(
        DummyVecEnv([lambda: Monitor(Told(), info_keywords=("way", "map"))]), "ppo", NOVELTY,
        policy_options=FEW["ppo"], seed=0, device="cpu",
    ).learn(32)  # fmt: skip
    agent.save(tmp_path / "agent")
    again = FreeEnergyAgent.load(tmp_path / "agent", device="cpu").model
    assert [row["way"] for row in again.ep_info_buffer or ()] == ["left"] * 3
    assert list(again.ep_success_buffer or ()) == [1.0] * 3


@each_policy
def test_the_bar_of_learn_needs_no_other_package(
    policy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for missing in ("rich", "tqdm.rich"):
        monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr(bars, "LOG_SECONDS", 0.0)
    make(policy, "box").learn(32, progress_bar=True)
    assert " 32/32 " in capsys.readouterr().err.replace("?", "")
    make(policy, "box").learn(32)
    assert capsys.readouterr().err == ""


def test_scalars_in_stable_baselines_own_groups(tmp_path: Path) -> None:
    agent = make("ppo", "discrete")
    agent.set_logger(configure(str(tmp_path), ["json"]))
    agent.learn(64, log_interval=1)
    agent.logger.close()
    last = json.loads((tmp_path / "progress.json").read_text().splitlines()[-1])
    assert {"novelty/score", "novelty/bonus", "novelty/loss", "train/value_loss", "rollout/ep_rew_mean"} <= set(last)
    assert last["rollout/ep_rew_mean"] == 9.0


class Seeded(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Notes the seeds that it was reset by."""

    seeds: list[int] = []  # noqa: RUF012

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            self.seeds.append(seed)
        return self.env.reset(seed=seed, options=options)


@pytest.mark.parametrize("policy", ON_POLICY)
def test_every_call_explores_from_a_seed_of_its_own(policy: str) -> None:
    """Also where steps are counted anew."""
    Seeded.seeds.clear()
    options = {**FEW[policy], "n_steps": 16}
    venv = DummyVecEnv([lambda: Seeded(gymnasium.make("CartPole-v1"))])
    agent = FreeEnergyAgent(venv, policy, policy_options=options, seed=0)
    agent.learn(16).learn(16).learn(16)
    assert len(Seeded.seeds) == len(set(Seeded.seeds)) == 3
