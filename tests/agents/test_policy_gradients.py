"""RELAX, LAX and their baseline through one contract, and what each update does."""

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
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import DummyVecEnv

from e2c_control.agents import LAX, RELAX, A2CBaseline
from e2c_control.agents.policy_gradient import PolicyGradient, Rollout, episode_gradients
from e2c_control.agents.policy_gradient.actions import look, sample
from e2c_control.errors import InputError
from e2c_control.gradients import ScoreFunction
from e2c_control.gradients.laws import Discrete, law_of
from e2c_control.runs import progress as bars

SMALL: dict[str, Any] = {"seed": 5, "n_steps": 16, "device": "cpu", "policy_kwargs": {"net_arch": [8]}}


class World(gymnasium.Env[Any, Any]):
    """A walk on a line, in any spaces: episodes of seven steps, ended by themselves or by a limit."""

    def __init__(
        self, actions: str = "discrete", sees: str = "vector", limited: bool = False, poison: int = -1
    ) -> None:
        self.action_space = {
            "discrete": spaces.Discrete(3),
            "binary": spaces.MultiBinary(2),
            "box": spaces.Box(-2, 2, (2,), np.float32),
            "shifted": spaces.Discrete(3, start=1),
            "several": spaces.MultiDiscrete([2, 3]),
            "endless": spaces.Box(-np.inf, np.inf, (1,), np.float32),
        }[actions]
        vector, image = spaces.Box(-9, 9, (2,), np.float32), spaces.Box(0, 255, (36, 36, 1), np.uint8)
        every = {"vector": vector, "image": image, "both": spaces.Dict({"vector": vector, "image": image})}
        self.observation_space = every[sees]
        self.sees, self.limited, self.poison, self.steps = sees, limited, poison, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.time, self.place = 0, float(self.np_random.uniform(-1, 1))
        return self.seen(), {}

    def step(self, action: Any) -> Any:
        self.time += 1
        self.steps += 1
        self.place += float(np.sum(action)) / 2 - 0.5 + 0.1 * float(self.np_random.standard_normal())
        over = self.time == 7
        reward = float("nan") if self.steps == self.poison else -abs(self.place)
        return self.seen(), reward, over and not self.limited, over and self.limited, {}

    def seen(self) -> Any:
        vector = np.clip([self.place, self.time / 7], -9, 9).astype(np.float32)
        image = np.full((36, 36, 1), np.clip(128 + 40 * self.place, 0, 255), np.uint8)
        return {"vector": vector, "image": image, "both": {"vector": vector, "image": image}}[self.sees]


KINDS: list[tuple[type[PolicyGradient], str]] = [
    (RELAX, "discrete"),
    (RELAX, "binary"),
    (LAX, "box"),
    (A2CBaseline, "discrete"),
    (A2CBaseline, "binary"),
    (A2CBaseline, "box"),
]
each_kind = pytest.mark.parametrize(("kind", "actions"), KINDS, ids=lambda x: x if isinstance(x, str) else x.__name__)


def make(kind: type[PolicyGradient], actions: str, copies: int = 1, **options: Any) -> Any:
    env: Any = World(actions) if copies == 1 else DummyVecEnv([lambda: World(actions)] * copies)
    return kind("MlpPolicy", env, **{**SMALL, **options})


def weights(model: Any) -> dict[str, torch.Tensor]:
    parts = {"policy": model.policy, "estimator": model.estimator}
    return {f"{n}.{k}": v.clone() for n, part in parts.items() for k, v in part.state_dict().items()}


def same(first: Any, second: Any) -> bool:
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@each_kind
@pytest.mark.parametrize("copies", [1, 3])
def test_contract(kind: type[PolicyGradient], actions: str, copies: int, tmp_path: Path) -> None:
    """Learns, is deterministic, predicts, is evaluated, and goes on from the disk as it would have without."""
    model = make(kind, actions, copies, n_episodes=2).learn(60)
    assert same(model, make(kind, actions, copies, n_episodes=2).learn(60))
    assert not same(model, make(kind, actions, copies, n_episodes=2, seed=6).learn(60))
    model.save(tmp_path / "model")
    assert {path.suffix for path in (tmp_path / "model").iterdir()} == {".json", ".safetensors"}
    again = kind.load(tmp_path / "model", env=model.get_env(), device="cpu")
    assert same(model, again)
    assert list(again.ep_info_buffer or ()) == list(model.ep_info_buffer)
    observation, _ = World(actions).reset(seed=1)
    expected, _ = model.predict(observation, deterministic=True)
    np.testing.assert_array_equal(kind.load(tmp_path / "model").predict(observation, deterministic=True)[0], expected)
    for one in (model, again):
        one.learn(40, reset_num_timesteps=False)
    assert same(model, again)
    assert model.num_timesteps == again.num_timesteps >= 100
    mean, _ = evaluate_policy(model, model.get_env(), n_eval_episodes=2, warn=False)
    assert np.isfinite(mean)


@pytest.mark.parametrize(("sees", "policy"), [("image", "CnnPolicy"), ("both", "MultiInputPolicy")])
@pytest.mark.parametrize("kind", [RELAX, LAX])
def test_images_and_mappings(kind: type[PolicyGradient], sees: str, policy: str, tmp_path: Path) -> None:
    env = World("discrete" if kind is RELAX else "box", sees)
    model = kind(policy, env, n_steps=8, n_episodes=None, seed=0, device="cpu").learn(16)
    model.save(tmp_path / "model")
    assert same(model, kind.load(tmp_path / "model", env=env, device="cpu"))


@each_kind
def test_noise_of_the_rollout_makes_its_actions(kind: type[PolicyGradient], actions: str) -> None:
    model = make(kind, actions, 2, learning_rate=0.0, surrogate_learning_rate=0.0) if kind is not A2CBaseline else make(
        kind, actions, 2, learning_rate=0.0
    )  # fmt: skip
    model.learn(32)
    rollout = model.rollout_buffer.whole()
    seen = look(model.policy, rollout.observations)
    law: Any = law_of(seen.distribution)
    noise = rollout.noise.unsqueeze(0)
    made = law.present(law.hard(law.relaxed(noise))) if isinstance(law, Discrete) else law.sample(noise)
    torch.testing.assert_close(made[0], rollout.actions)


class Heard(KVWriter):
    """The last value of every scalar."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        self.values |= key_values

    def close(self) -> None: ...


@each_kind
def test_scalars(kind: type[PolicyGradient], actions: str) -> None:
    model, heard = make(kind, actions), Heard()
    model.set_logger(Logger(None, [heard]))
    model.learn(64, log_interval=1)
    shared = {"policy_loss", "value_loss", "entropy_loss", "explained_variance", "gradient_variance", "learning_rate"}
    shared |= {"surrogate_loss"} if kind is not A2CBaseline else set()
    shared |= {"std"} if actions == "box" else set()
    assert {f"train/{name}" for name in shared} <= set(heard.values)
    assert {"rollout/ep_rew_mean", "rollout/ep_len_mean", "time/fps"} <= set(heard.values)
    assert np.isfinite([heard.values[f"train/{name}"] for name in shared - {"explained_variance"}]).all()


@pytest.mark.parametrize("actions", ["discrete", "binary", "box"])
@pytest.mark.parametrize("coupling", [{"vf_coef": 0.0}, {"vf_coef": 0.5, "ent_coef": 0.01}])
def test_the_baseline_is_stable_baselines_a2c(actions: str, coupling: dict[str, float]) -> None:
    """One update on the same rollout, to 1e-6; with the couplings that an update may have, too."""
    shared: dict[str, Any] = {**coupling, "seed": 1, "learning_rate": 1e-3, "device": "cpu", "gamma": 0.9}
    ours = A2CBaseline("MlpPolicy", World(actions, limited=True), n_steps=20, n_episodes=None, **shared)
    theirs = A2C("MlpPolicy", World(actions, limited=True), n_steps=20, gae_lambda=1.0, **shared)
    for a, b in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        assert torch.equal(a, b)
    before = weights(ours)

    class Lend(BaseCallback):
        def _on_step(self) -> bool:
            return True

        def _on_rollout_end(self) -> None:
            names = ("observations", "actions", "rewards", "episode_starts", "values", "log_probs")
            for name in (*names, "advantages", "returns"):
                setattr(theirs.rollout_buffer, name, np.array(getattr(ours.rollout_buffer, name)))
            theirs.rollout_buffer.full, theirs.rollout_buffer.pos = True, 20
            again = theirs.rollout_buffer
            again.compute_returns_and_advantage(
                ours.policy.predict_values(torch.as_tensor(self.locals["last"])).detach(), self.locals["starts"]
            )
            np.testing.assert_allclose(again.returns, ours.rollout_buffer.returns, atol=1e-6)

    theirs.set_logger(Logger(None, []))
    ours.learn(20, callback=Lend())
    theirs.train()
    for (name, a), b in zip(ours.policy.state_dict().items(), theirs.policy.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
        if "action" in name:
            assert not torch.equal(a, before[f"policy.{name}"])


@pytest.mark.parametrize("limited", [False, True])
def test_returns_with_an_end_in_them(limited: bool) -> None:
    """Ten steps: an episode of seven and three of the next, which the value of where it is cut completes."""
    model = A2CBaseline(
        "MlpPolicy", World(limited=limited), gamma=0.5, n_steps=10, n_episodes=None, seed=2, device="cpu"
    )
    paid: list[float] = []
    last: dict[str, Any] = {}

    class Listen(BaseCallback):
        def _on_step(self) -> bool:
            paid.append(float(self.locals["rewards"][0]))
            if self.locals["dones"][0]:
                last["terminal"] = self.locals["infos"][0]["terminal_observation"]
            last["cut"] = self.locals["new_obs"][0]
            return True

        def _on_rollout_end(self) -> None:
            last["returns"] = model.rollout_buffer.returns[:, 0].copy()
            for name in ("terminal", "cut"):
                with torch.no_grad():
                    value = model.policy.predict_values(torch.as_tensor(last[name]).unsqueeze(0))
                last[f"value of {name}"] = float(value)

    model.learn(10, callback=Listen())
    expected = np.zeros(11)
    expected[10] = last["value of cut"]
    for t in reversed(range(10)):
        after = (last["value of terminal"] if limited else 0.0) if t == 6 else expected[t + 1]
        expected[t] = paid[t] + 0.5 * after
    np.testing.assert_allclose(last["returns"], expected[:10], atol=1e-5)
    assert [(rows.start, rows.stop) for rows in model.rollout_buffer.whole().episodes] == [(0, 7), (7, 10)]


def test_a_rollout_ends_with_its_episodes() -> None:
    model = A2CBaseline("MlpPolicy", World(), n_steps=100, n_episodes=2, seed=2, device="cpu").learn(1)
    assert model.num_timesteps == 14
    rollout = model.rollout_buffer.whole()
    assert [(rows.start, rows.stop) for rows in rollout.episodes] == [(0, 7), (7, 14)]
    assert make(A2CBaseline, "discrete", 3, n_steps=100, n_episodes=2).learn(1).num_timesteps == 3 * 14
    model.learn(1)
    assert len(model.rollout_buffer.whole().advantages) == 14, "the buffer has all its room again"


@pytest.mark.parametrize(("kind", "actions"), [(RELAX, "discrete"), (RELAX, "binary"), (LAX, "box")])
def test_policy_and_surrogate_give_each_other_no_gradient(kind: Any, actions: str, monkeypatch: Any) -> None:
    model = make(kind, actions, n_episodes=None).learn(48)
    seen = look(model.policy, model.rollout_buffer.whole().observations)
    for part in (*model.policy.parameters(), *model.estimator.parameters()):
        part.grad = None
    rollout = model.rollout_buffer.whole()
    estimate = model._estimate(rollout, seen)
    estimate.surrogate.backward(retain_graph=True)
    assert all(phi.grad is None for phi in model.estimator.parameters())
    actor = {name: w.grad.clone() for name, w in model.policy.named_parameters() if w.grad is not None}
    assert {"action_net.weight"} <= set(actor)
    assert not any("value" in name for name in actor)
    before = weights(model)
    model.surrogate_optimizer.zero_grad()
    model._improve(rollout, estimate)
    after = weights(model)
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.startswith("estimator") for name in moved)
    for name, weight in model.policy.named_parameters():
        kept = actor.get(name)
        assert weight.grad is None if kept is None else torch.equal(weight.grad, kept)


@pytest.mark.parametrize(("kind", "actions"), [(RELAX, "discrete"), (RELAX, "binary"), (LAX, "box")])
def test_no_bias_whatever_the_surrogate(kind: Any, actions: str) -> None:
    """On the same actions as the score function, each an episode: the difference has mean 0, and is not 0."""
    model, generator = make(kind, actions, surrogate_arch=(8,)), torch.Generator().manual_seed(0)
    model.advantage_square, model.advantage_weight = 4.0, 1.0
    with torch.no_grad():
        for weight in (*model.estimator.parameters(), *model.policy.action_net.parameters()):
            weight += 0.5 * torch.randn(weight.shape, generator=generator)
    seen = look(model.policy, torch.tensor([[0.5, -1.0]]).expand(8_000, -1))
    acted, noise = sample(seen.distribution, generator)
    value = torch.sin(2.0 * acted.float()).reshape(len(acted), -1).sum(1) + 0.7
    rollout = Rollout(torch.zeros(0), acted, noise, value, value, ())
    ours = model._estimate(rollout, seen).gradients
    model.estimator, units = ScoreFunction(), model.units
    plain = model._estimate(rollout, seen).gradients
    for name in ours:
        difference = units * (ours[name] - plain[name]).double()
        error = difference.std(0) / len(difference) ** 0.5
        assert (error > 1e-4).all()
        assert ((difference.mean(0).abs() / error) < 4.5).all()


@pytest.mark.parametrize(("kind", "actions"), [(RELAX, "discrete"), (RELAX, "binary"), (LAX, "box")])
def test_the_surrogate_descends_the_square_of_the_episodes_gradient(kind: Any, actions: str) -> None:
    """Its step is that of E|G|^2, by differences: G of a whole episode, in the actor's weights."""
    model = make(kind, actions, 2, n_episodes=None, surrogate_arch=(6,), surrogate_learning_rate=1e-2)
    model.learn(96)
    rollout, found = model.rollout_buffer.whole(), {}
    network = model.estimator.network
    state = model.generators[1].get_state()

    def objective() -> float:
        model.generators[1].set_state(state)
        estimate = model._estimate(rollout, look(model.policy, rollout.observations))
        found["estimate"] = estimate
        each = episode_gradients(model.policy, rollout, list(estimate.gradients.values()))
        return float(each.double().square().sum(1).mean())

    base = objective()
    for phi in network.parameters():
        phi.grad = None
    # The optimiser keeps the gradient that it used.
    model.surrogate_optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    units = (model.advantage_square, model.advantage_weight)
    model._improve(rollout, found["estimate"])
    model.advantage_square, model.advantage_weight = units
    gradients = [phi.grad.clone() for phi in network.parameters()]
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        along = [torch.randn(phi.shape, generator=generator) for phi in network.parameters()]
        expected = float(sum((g * d).sum() for g, d in zip(gradients, along, strict=True)))
        step, ends = 2e-3, []
        for sign in (1, -1):
            with torch.no_grad():
                for phi, d in zip(network.parameters(), along, strict=True):
                    phi += sign * step * d
            ends.append(objective())
            with torch.no_grad():
                for phi, d in zip(network.parameters(), along, strict=True):
                    phi -= sign * step * d
        assert base > 0
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(expected, rel=0.02, abs=1e-3 * base)


@pytest.mark.parametrize(("kind", "actions"), [(RELAX, "discrete"), (LAX, "box")])
def test_advantages_are_measured_by_their_size_so_far(kind: Any, actions: str) -> None:
    """The root mean square of the rollouts before, the latest of them counting most; losses are in units of rewards."""
    model, squares = make(kind, actions, n_episodes=None), list[float]()
    assert model.units == 1.0
    for _ in range(3):
        model.learn(16, reset_num_timesteps=False)
        squares.append(float(model.rollout_buffer.whole().advantages.square().mean()))
        weights = 0.99 ** np.arange(len(squares))[::-1]
        assert model.units == pytest.approx(np.average(squares, weights=weights) ** 0.5)
    model.advantage_square, model.advantage_weight = 4.0, 1.0
    rollout = model.rollout_buffer.whole()
    estimate = model._estimate(rollout, look(model.policy, rollout.observations))
    each = episode_gradients(model.policy, rollout, list(estimate.gradients.values()))
    model._improve(rollout, estimate)
    expected = float((2.0 * each).square().sum(1).mean())
    assert model.logger.name_to_value["train/surrogate_loss"] == pytest.approx(expected, rel=1e-4)


def test_bad_input(tmp_path: Path) -> None:
    for kind, actions, sentence in (
        (RELAX, "box", "RELAX takes Discrete and MultiBinary actions.*LAX takes Box"),
        (LAX, "discrete", "LAX takes Box actions.*RELAX takes"),
        (RELAX, "several", "wrap the environment"),
        (A2CBaseline, "several", "wrap the environment"),
        (RELAX, "shifted", "start at 1"),
        (LAX, "endless", "RescaleAction"),
    ):
        with pytest.raises(InputError, match=sentence):
            kind("MlpPolicy", World(actions))
    for options, sentence in (
        ({"n_steps": 0}, "n_steps is 0"),
        ({"n_episodes": 0.5}, "n_episodes is 0.5"),
        ({"gamma": 1.5}, "gamma is 1.5"),
        ({"surrogate_learning_rate": -1.0}, "surrogate_learning_rate is -1.0"),
        ({"surrogate_arch": (0,)}, r"surrogate_arch\[0\] is 0"),
    ):
        with pytest.raises(InputError, match=sentence):
            make(RELAX, "discrete", **options)
    place = World()
    place.observation_space = spaces.Dict({"room": spaces.Discrete(3, start=2)})
    with pytest.raises(InputError, match="observations 'room' start at 2"):
        RELAX("MultiInputPolicy", place)
    with pytest.raises(InputError, match="no policy 'Mlp'"):
        RELAX("Mlp", World())


def test_rewards_that_are_not_numbers() -> None:
    """One sentence, and the model is what the last update left."""
    poisoned = RELAX("MlpPolicy", World(poison=30), n_episodes=2, **SMALL)
    with pytest.raises(InputError, match="Environment 0 gave a reward that is not finite after 29 steps"):
        poisoned.learn(100)
    assert same(poisoned, make(RELAX, "discrete", n_episodes=2).learn(28))


def test_what_does_not_fit_a_saved_model(tmp_path: Path) -> None:
    path = tmp_path / "model"
    make(RELAX, "discrete").save(path)
    with pytest.raises(InputError, match="was trained with the observations"):
        RELAX.load(path, env=World("discrete", "image"))
    with pytest.raises(InputError, match="holds RELAX, no LAX"):
        LAX.load(path)
    with pytest.raises(InputError, match="has no argument 'learning_speed'"):
        RELAX.load(path, learning_speed=1)
    with pytest.raises(InputError, match="no environment to learn in"):
        RELAX.load(path).learn(10)
    with pytest.raises(InputError, match="is not a checkpoint"):
        RELAX.load(tmp_path)
    content = (path / "policy.safetensors").read_bytes()
    (path / "policy.safetensors").write_bytes(content[:-8])
    with pytest.raises(InputError, match="truncated or damaged"):
        RELAX.load(path)
    (path / "policy.safetensors").write_bytes(content)
    meta = json.loads((path / "checkpoint.json").read_text())
    meta["meta"]["policy_kwargs"] = {"value": {"mapping": {"activation_fn": {"class": "os.system"}}}}
    (path / "checkpoint.json").write_text(json.dumps(meta))
    with pytest.raises(InputError, match=r"names os.system"):
        RELAX.load(path)


class Bent(torch.nn.Tanh):
    """A user's own activation."""


def test_schedules_and_the_users_own_code(tmp_path: Path) -> None:
    make(RELAX, "discrete", learning_rate=LinearSchedule(0.1, 0.0, 1.0)).save(tmp_path / "linear")
    again = RELAX.load(tmp_path / "linear")
    assert again.lr_schedule(0.5) == pytest.approx(0.05)
    own: dict[str, Any] = {"learning_rate": lambda left: 0.1 * left}
    make(RELAX, "discrete", **own).save(tmp_path / "own")
    with pytest.raises(InputError, match="learning_rate that is code of its own"):
        RELAX.load(tmp_path / "own")
    assert RELAX.load(tmp_path / "own", **own).lr_schedule(1.0) == pytest.approx(0.1)
    kwargs = {"policy_kwargs": {"net_arch": [8], "activation_fn": Bent}}
    model = make(RELAX, "discrete", **kwargs).learn(30)
    model.save(tmp_path / "bent")
    with pytest.raises(InputError, match="policy_kwargs"):
        RELAX.load(tmp_path / "bent")
    assert same(model, RELAX.load(tmp_path / "bent", **kwargs, device="cpu"))


def test_parameters_from_a_folder(tmp_path: Path) -> None:
    model, other = make(LAX, "box").learn(32), make(LAX, "box", seed=9)
    model.save(tmp_path / "model")
    other.set_parameters(tmp_path / "model")
    assert same(model, other)
    third = make(LAX, "box", seed=10)
    third.set_parameters(model.get_parameters())
    assert same(model, third)


ELSEWHERE = """
import pickle, sys
import numpy as np, torch
import torch._dynamo  # derives a class from the Unpickler

from e2c_control.agents import RELAX

def refuse(*args, **kwargs):
    raise AssertionError("unpickled")

pickle.load = pickle.loads = pickle.Unpickler = torch.load = refuse
model = RELAX.load(sys.argv[1], device="cpu")
print([int(model.predict(np.array([place, 0.5], np.float32), deterministic=True)[0]) for place in (-2, -1, 0, 1, 2)])
"""


def test_a_fresh_process_acts_the_same(tmp_path: Path) -> None:
    model = make(RELAX, "discrete", learning_rate=0.05).learn(200)
    model.save(tmp_path / "model")
    command = [sys.executable, "-P", "-c", ELSEWHERE, str(tmp_path / "model")]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=True)
    here = [model.predict(np.array([p, 0.5], np.float32), deterministic=True)[0] for p in (-2, -1, 0, 1, 2)]
    assert json.loads(done.stdout) == [int(action) for action in here]


@each_kind
def test_paths_and_numbers_of_numpy_are_taken_as_they_are_meant(
    kind: type[PolicyGradient], actions: str, tmp_path: Path
) -> None:
    small = {"learning_rate", "gamma", "gae_lambda", "ent_coef", "vf_coef", "max_grad_norm", "rms_prop_eps"}
    given: dict[str, Any] = {name: np.float32(0.5) for name in small}
    given |= {"n_steps": np.int64(8), "n_episodes": np.int8(1), "verbose": np.int64(0), "use_rms_prop": np.bool_(True)}
    given |= {"policy_kwargs": {"net_arch": [np.int64(8)]}, "seed": np.int64(5), "tensorboard_log": tmp_path / "curves"}
    model = make(kind, actions, **given).learn(np.int64(16))
    model.save(tmp_path / "model")
    assert list((tmp_path / "curves").rglob("events*"))
    again = kind.load(tmp_path / "model", env=model.get_env(), device="cpu")
    assert {type(getattr(again, name)) for name in small} == {float}
    for one in (model, again):
        one.learn(16, reset_num_timesteps=False)
    assert same(model, again)


def test_what_saving_and_loading_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever stable-baselines3 has there is used, or refused where it means nothing."""
    model = make(RELAX, "discrete")
    for options in ({"exclude": ["policy"]}, {"include": ["env"]}):
        with pytest.raises(InputError, match="leave exclude and include out"):
            model.save(tmp_path / "model", **options)
    model.save(tmp_path / "model")
    again = RELAX.load(tmp_path / "model", custom_objects={"gamma": 0.5}, print_system_info=True)
    assert again.gamma == 0.5
    assert "Python" in capsys.readouterr().out
    with pytest.raises(InputError, match="leave force_reset out"):
        RELAX.load(tmp_path / "model", force_reset=False)


def test_the_bar_of_learn_needs_no_other_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for missing in ("rich", "tqdm.rich"):
        monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr(bars, "LOG_SECONDS", 0.0)
    make(RELAX, "discrete").learn(14, progress_bar=True)
    assert " 14/14 " in capsys.readouterr().err.replace("?", "")


def test_a_callback_may_stop_it() -> None:
    model = make(A2CBaseline, "discrete")
    model.learn(100, callback=lambda _locals, _globals: model.num_timesteps < 20)
    assert model.num_timesteps == 20
