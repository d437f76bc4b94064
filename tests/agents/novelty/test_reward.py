"""Novelty as a reward: what is scored, what is paid, and how it passes through real algorithms."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.wrappers import TransformReward
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecTransposeImage
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from e2c_control.agents.novelty import (
    Memory,
    NoveltyCallback,
    NoveltyModel,
    NoveltyOptions,
    NoveltyReplayBuffer,
    NoveltyReward,
    ReturnScale,
)
from e2c_control.agents.novelty.windows import ActionCode
from e2c_control.autoencoders import Loss
from e2c_control.errors import InputError, InputWarning

Walks = Callable[..., DummyVecEnv]


class Sum(NoveltyModel):
    """Scores a window by the sum of its last frame's first two whitened numbers and of its actions: easy to foresee."""

    def __init__(self, layout: Any) -> None:
        super().__init__(layout)
        self.weight = torch.nn.Parameter(torch.ones(()))

    def score(self, windows: Any) -> torch.Tensor:
        return self.weight * (windows.frames[:, -1].flatten(1)[:, :2].sum(1) + windows.actions.flatten(1).sum(1))

    def losses(self, windows: Any, generator: torch.Generator) -> Any:
        yield Loss(self.score(windows).square().mean())


@pytest.fixture
def plainly() -> Callable[..., NoveltyReward]:
    """Rewards that can be computed by hand: the place plus the time, neither whitened nor normalised."""

    def make(venv: DummyVecEnv, **options: Any) -> NoveltyReward:
        given = NoveltyOptions(Sum, **{"normalise": False, "limit": 1e9, **options})
        reward = NoveltyReward(venv, given, seed=0, extrinsic_weight=0.0, device="cpu")
        reward._watching = False
        return reward

    return make


def test_the_next_observation_is_scored_and_at_an_end_the_terminal_one(
    walks: Walks, plainly: Callable[..., NoveltyReward]
) -> None:
    env = plainly(walks(2, length=3))
    seen = env.reset()
    assert list(env.memory.ages[:, 0]) == [0, 0]
    for t in range(1, 8):
        observations, rewards, dones, infos = env.step(np.array([1, 2]))
        last = [
            info.get("terminal_observation", observation) for info, observation in zip(infos, observations, strict=True)
        ]
        assert bool(dones.all()) == (t % 3 == 0)
        np.testing.assert_allclose(rewards, [frame[0] + frame[1] for frame in last], rtol=1e-5)
        assert [frame[1] for frame in last] == [(t - 1) % 3 + 1] * 2, "the reset one would have time 0"
        assert [info["extrinsic"] for info in infos] == [(t - 1) % 3 + 1.0] * 2
        np.testing.assert_allclose([info["novelty"] for info in infos], rewards)
    assert seen.shape == observations.shape == (2, 3)


def test_three_steps_through_gae_with_an_end_in_them(walks: Walks, plainly: Callable[..., NoveltyReward]) -> None:
    """PPO's own buffer after steps of which the second ends an episode, against the formula by hand."""
    env = plainly(walks(1, length=2))
    model = PPO("MlpPolicy", env, n_steps=3, batch_size=3, gamma=0.5, gae_lambda=0.8, seed=1, device="cpu")
    frames: list[Any] = []

    class Listen(BaseCallback):
        def _on_step(self) -> bool:
            frames.append(self.locals["infos"][0].get("terminal_observation", self.locals["new_obs"][0]))
            return True

        def _on_rollout_end(self) -> None:
            buffer = model.rollout_buffer
            bonus = [float(frame[0] + frame[1]) for frame in frames]
            value = buffer.values[:, 0]
            with torch.no_grad():
                after = float(model.policy.predict_values(torch.as_tensor(frames[2])[None]))
            delta = [bonus[0] + 0.5 * value[1] - value[0], bonus[1] - value[1], bonus[2] + 0.5 * after - value[2]]
            expected = [delta[0] + 0.5 * 0.8 * delta[1], delta[1], delta[2]]
            np.testing.assert_allclose(buffer.rewards[:, 0], bonus, rtol=1e-5)
            np.testing.assert_allclose(buffer.advantages[:, 0], expected, rtol=1e-4, atol=1e-5)

    model.learn(3, Listen())
    assert len(frames) == 3


def test_the_bonus_is_divided_by_the_deviation_of_its_discounted_sum() -> None:
    """Against NumPy on all sums, episodic or not; the mean is not taken off."""
    generator = np.random.default_rng(0)
    bonus, dones = generator.exponential(3.0, (300, 4)), generator.random((300, 4)) < 0.1
    for episodic in (False, True):
        scale, sums, kept = ReturnScale(4, 0.9, episodic, recall=None), np.zeros(4), []
        for row, ended in zip(bonus, dones, strict=True):
            scale.observe(row, ended)
            sums = 0.9 * sums + row
            kept.append(sums.copy())
            sums = np.where(ended & episodic, 0.0, sums)
        deviation = float(np.std(kept))
        assert scale.deviation == pytest.approx(deviation, rel=1e-4)
        np.testing.assert_allclose(scale.scaled(bonus), np.clip(bonus / deviation, -10, 10), rtol=1e-4)
        assert scale.scaled(bonus).mean() > 0.2


def test_the_measure_of_the_bonus_follows_it_down() -> None:
    """A bonus that falls a thousandfold while it is learnt is paid alike in the end; with all of the past, it fades."""
    generator = np.random.default_rng(0)
    follows, remembers = ReturnScale(8, 0.9, False, recall=300), ReturnScale(8, 0.9, False, recall=None)
    for t in range(1_000):
        bonus = generator.exponential(1.0, 8) * 10.0 ** (-3.0 * min(t, 500) / 500)
        for scale in (follows, remembers):
            scale.observe(bonus, np.zeros(8, np.bool_))
    usual = np.std(np.convolve(generator.exponential(1e-3, 4_000), 0.9 ** np.arange(200), "valid"))
    assert follows.deviation == pytest.approx(usual, rel=0.35)
    assert remembers.deviation > 100 * usual


def test_windows_never_reach_across_an_episodes_start(walks: Walks) -> None:
    """Around the ring, too, each window has consecutive times of one episode, or its first frame again."""
    env = NoveltyReward(walks(2, length=4), NoveltyOptions("rnd", window=3, memory=26), seed=0, device="cpu")
    env.reset()
    generator = np.random.default_rng(0)
    for t in range(40):
        actions = generator.integers(3, size=2)
        env.step(actions)
        frames, codes = env.memory.newest()
        if t % 4 < 3:  # or they end with the next episode's first frame
            np.testing.assert_array_equal(codes[:, -1].argmax(1), actions)
        drawn, done = env.memory.draw(200, torch.Generator().manual_seed(t))
        times, episodes = drawn[..., 1], drawn[..., 2]
        assert (episodes == episodes[:, :1]).all()
        assert (np.diff(times, axis=1) == (times[:, 1:] > 0)).all()
        assert (times[:, -1] > 0).all(), "a first frame is nothing that an action led to"
        assert ((done.sum(2) == 1) == (times[:, 1:] > 0)).all(), "no action before the first"
    assert frames.shape == (2, 3, 3)
    assert len(env.memory) < 26


def test_memory_goes_on_from_its_state(walks: Walks) -> None:
    def made(copies: int = 2) -> NoveltyReward:
        return NoveltyReward(walks(copies), NoveltyOptions("icm", memory=30), seed=0, device="cpu")

    env, again = made(), made()
    env.reset()
    for _ in range(20):
        env.step(np.array([0, 1]))
    again.memory.load_state_dict(env.memory.state_dict())
    for one, two in zip(env.memory.draw(50, torch.Generator()), again.memory.draw(50, torch.Generator()), strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(InputError, match="of 2 environments, not of 3"):
        made(3).memory.load_state_dict(env.memory.state_dict())


def test_a_memory_takes_room_for_what_it_holds() -> None:
    """Windows are found among the frames that there are, in as much time; what no machine could hold is refused."""
    large = Memory(2, 200_000_000, 2, (3,), np.dtype(np.float32), 1)
    large.begin(np.arange(2), np.zeros((2, 3), np.float32))
    tracemalloc.start()
    for t in range(1, 5):
        large.add(np.full((2, 3), t, np.float32), np.zeros((2, 1), np.float32))
        assert len(large) == 2 * t
        assert set(large.draw(200, torch.Generator())[0][:, 1, 0]) == set(range(1, t + 1))
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()
    with pytest.raises(InputError, match="no room here for a memory of"):
        Memory(1, 2**31 - 1, 2, (10_000, 10_000, 3), np.dtype(np.float64), 1)


def test_the_oldest_frames_give_way() -> None:
    memory = Memory(1, 5, 1, (1,), np.dtype(np.float32), 1)
    memory.begin(np.array([0]), np.zeros((1, 1), np.float32))
    for t in range(1, 9):
        memory.add(np.full((1, 1), t, np.float32), np.zeros((1, 1), np.float32))
    assert set(memory.draw(500, torch.Generator())[0].flatten()) == {4, 5, 6, 7, 8}


@pytest.mark.parametrize("image", [False, True])
@pytest.mark.parametrize("actions", ["discrete", "several", "binary", "box"])
def test_ppo_with_everything(walks: Walks, actions: str, image: bool, tmp_path: Any) -> None:
    """Any spaces; logs, honest episodes, and a model that is trained every so many steps."""
    options = NoveltyOptions("icm", train_every=16, gradient_steps=2, batch_size=16)
    env = NoveltyReward(walks(4, actions=actions, image=image, length=6), options, seed=0, device="cpu")
    model = PPO("CnnPolicy" if image else "MlpPolicy", env, n_steps=8, batch_size=16, n_epochs=1, seed=0, device="cpu")
    model.set_logger(configure(str(tmp_path), ["tensorboard"]))
    model.learn(64, NoveltyCallback())
    assert env.novelty.updates == 8
    assert [row["r"] for row in model.ep_info_buffer] == [21.0] * 8, "what the environment paid"
    assert {row["l"] for row in model.ep_info_buffer} == {6}
    model.logger.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    expected = {f"novelty/{name}" for name in ("score", "bonus", "deviation", "loss", "loss_forward", "updates")}
    assert expected | {"rollout/ep_rew_mean"} <= set(events.Tags()["scalars"])


def test_policy_and_novelty_give_each_other_no_gradient(walks: Walks) -> None:
    options = NoveltyOptions("plain", train_every=10**6)
    env = NoveltyReward(walks(2), options, seed=0, device="cpu")
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=16, seed=0, device="cpu")
    before = {name: weight.clone() for name, weight in env.novelty.model.state_dict().items()}
    model.learn(16)
    assert all(torch.equal(before[name], weight) for name, weight in env.novelty.model.state_dict().items())
    assert all(weight.grad is None for weight in env.novelty.model.parameters())
    policy = {name: weight.clone() for name, weight in model.policy.state_dict().items()}
    for weight in model.policy.parameters():
        weight.grad = None
    env.train()
    assert all(torch.equal(policy[name], weight) for name, weight in model.policy.state_dict().items())
    assert all(weight.grad is None for weight in model.policy.parameters())
    assert not torch.equal(
        *(state["autoencoder.decoder.0.2.bias"] for state in (before, env.novelty.model.state_dict()))
    )


@pytest.mark.parametrize(("objective", "sign"), [("maximise", 1.0), ("minimise", -1.0)])
def test_weights_and_objective(walks: Walks, objective: Any, sign: float) -> None:
    env = NoveltyReward(walks(2), objective=objective, intrinsic_weight=3.0, extrinsic_weight=0.5, seed=0, device="cpu")
    env.reset()
    env.step(np.array([0, 2]))
    env.train()
    for _ in range(7):
        _, rewards, _, infos = env.step(np.array([0, 2]))
        expected = [0.5 * info["extrinsic"] + sign * 3.0 * info["intrinsic"] for info in infos]
        np.testing.assert_allclose(rewards, expected, rtol=1e-5)
    assert infos[0]["intrinsic"] == pytest.approx(np.clip(infos[0]["novelty"] / env.scale.deviation, -10, 10))


def test_warm_up(walks: Walks) -> None:
    """Statistics of random actions, from a generator of their own; fixed from then on if asked to be."""
    env = NoveltyReward(walks(4), NoveltyOptions(running=False), seed=0, device="cpu")
    state, seed = np.random.get_state()[1].copy(), env.action_space.np_random.bit_generator.state  # noqa: NPY002
    env.warm_up(50, seed=3)
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert env.action_space.np_random.bit_generator.state == seed
    statistics = env.novelty.moments
    assert statistics.count == pytest.approx(200, abs=1)
    mean = statistics.mean.copy()
    env.reset()
    env.step(np.zeros(4, np.int64))
    np.testing.assert_array_equal(env.novelty.moments.mean, mean)
    with pytest.raises(InputError, match="without a warm-up"):
        NoveltyReward(walks(4), NoveltyOptions(running=False), seed=0, device="cpu").reset()


@pytest.mark.parametrize(
    ("poison", "sentence"),
    [
        ({"reward": 3}, "Environment 0 gave a reward that is not finite"),
        ({"frame": 3}, "Environment 0 gave a observation that is not finite"),
        ({"frame": 5}, "gave a observation that is not finite"),
        ({"shape": 3}, "changed their shape after 2 steps"),
        ({"shape": 5}, "changed their shape|has the shape"),
    ],
)
def test_what_environments_may_not_do(walks: Walks, poison: dict[str, int], sentence: str) -> None:
    env = NoveltyReward(walks(1, poison=poison), seed=0, device="cpu")
    env.reset()
    with pytest.raises(InputError, match=sentence):  # noqa: PT012
        for _ in range(6):
            env.step(np.array([1]))


def test_what_cannot_be_scored(walks: Walks) -> None:
    with pytest.raises(InputError, match="use make_vec_env"):
        NoveltyReward("MountainCar-v0")  # type: ignore[arg-type]
    for options in ("curious", {}):
        with pytest.raises(InputError, match="give one of class NoveltyOptions"):
            NoveltyReward(walks(1), options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="FlattenObservation"):
        NoveltyReward(make_vec_env("FrozenLake-v1", 1))
    odd = walks(1)
    odd.action_space = spaces.Text(3)
    with pytest.raises(InputError, match="no actions like"):
        NoveltyReward(odd)
    for space in (spaces.Discrete(3, start=1), spaces.MultiDiscrete([3, 2], start=[1, 5])):
        odd.action_space = space
        with pytest.raises(InputError, match="wrap the environment so that they start at 0"):
            NoveltyReward(odd)
    for options, sentence in (
        ({"objective": "max"}, "objective is 'max'"),
        ({"intrinsic_weight": -1.0}, "intrinsic_weight is -1.0"),
        ({"extrinsic_weight": float("nan")}, "extrinsic_weight is nan"),
        ({"seed": -1}, "seed is -1"),
    ):
        with pytest.raises(InputError, match=sentence):
            NoveltyReward(walks(1), **options)
    model = PPO("MlpPolicy", walks(1), n_steps=4, batch_size=4, device="cpu")
    with pytest.raises(InputError, match="wrap the environments in NoveltyReward"):
        model.learn(4, NoveltyCallback())


def test_replaying_bonuses_of_long_ago_is_told(walks: Walks) -> None:
    env = NoveltyReward(walks(1, actions="box"), seed=0, device="cpu")
    model = SAC("MlpPolicy", env, buffer_size=60, learning_starts=100, seed=0, device="cpu")
    with pytest.warns(InputWarning, match="SAC replays what it stored, .* replay_buffer_class=NoveltyReplayBuffer"):
        model.learn(4, NoveltyCallback())


def test_processes_of_their_own() -> None:
    """Environments in other processes give the same rewards as in this one."""
    found: list[Any] = []
    for kind in (DummyVecEnv, SubprocVecEnv):
        venv = make_vec_env("CartPole-v1", 1, seed=0, vec_env_cls=kind)
        env = NoveltyReward(venv, seed=0, device="cpu")
        env.reset()
        found.append([env.step(np.array([1]))[1] for _ in range(15)])
        env.close()
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize(("kind", "actions"), [(SAC, "box"), (DQN, "discrete")])
@pytest.mark.parametrize("window", [1, 3])
def test_replayed_bonus_is_that_of_now(walks: Walks, kind: Any, actions: str, window: int) -> None:
    """What is drawn has the reward that the wrapper would pay if the same window came again, around the ring, too."""
    options = NoveltyOptions("plain", window=window, train_every=40, batch_size=8, gradient_steps=2)
    env = NoveltyReward(walks(2, actions=actions, length=4), options, extrinsic_weight=0.5, seed=0, device="cpu")
    model = kind(
        "MlpPolicy", env, buffer_size=60, learning_starts=20, batch_size=8, seed=0, device="cpu",
        replay_buffer_class=NoveltyReplayBuffer, replay_buffer_kwargs={"source": env}, policy_kwargs={"net_arch": [8]},
    )  # fmt: skip
    model.learn(140, NoveltyCallback())
    buffer: Any = model.replay_buffer
    assert buffer.full
    frames, actions_between = env.memory.draw(4_000, torch.Generator().manual_seed(0))
    score = env.novelty.score(frames, actions_between)
    paid = {tuple(np.round(frame.flatten(), 4)): value for frame, value in zip(frames, env.bonus(score), strict=True)}
    # But for the oldest two, whose windows the buffer has no longer whole.
    rows = (buffer.pos + np.random.default_rng(0).integers(2, buffer.buffer_size, 400)) % buffer.buffer_size
    drawn, found = buffer._get_samples(rows), 0
    for at, after, reward in zip(drawn.observations, drawn.next_observations, drawn.rewards, strict=True):
        assert float(after[1]) == float(at[1]) + 1, "the terminal one, not the reset one"
        rest = {key: value for key, value in paid.items() if key[-3:] == tuple(np.round(after.numpy(), 4))}
        if rest:
            found += 1
            bonus = np.array([*rest.values()])
            assert np.abs(0.5 * float(after[1]) + bonus - float(reward)).min() < 1e-4
    assert found > 300


def test_replayed_images_whose_channels_were_put_first(walks: Walks) -> None:
    env = NoveltyReward(walks(1, actions="box", image=True), NoveltyOptions("rnd", window=2), seed=0, device="cpu")
    buffer = NoveltyReplayBuffer(20, VecTransposeImage(env).observation_space, env.action_space, "cpu", source=env)
    turned = VecTransposeImage(env)
    last = turned.reset()
    for _ in range(4):
        action = np.full((1, 2), 0.5, np.float32)
        new, reward, done, infos = turned.step(action)
        buffer.add(last, new, action / 2.0, reward, done, infos)
        last = new
    expected = env.novelty.score(*env.memory.newest())
    np.testing.assert_allclose(env.novelty.score(*buffer._windows(np.array([3]), np.array([0]))), expected, rtol=1e-6)
    with pytest.raises(InputError, match="leave optimize_memory_usage out"):
        NoveltyReplayBuffer(9, env.observation_space, env.action_space, source=env, optimize_memory_usage=True)


def test_codes_of_actions() -> None:
    """Choices as ones among zeros; numbers between their bounds, what is held fast as 0, what has no bounds as is."""
    several = ActionCode(spaces.MultiDiscrete([3, 2]))
    np.testing.assert_array_equal(several.encode(np.array([[2, 0], [1, 1]])), [[0, 0, 1, 1, 0], [0, 1, 0, 0, 1]])
    held = ActionCode(spaces.Box(np.array([-1, 0.5], np.float32), np.array([3, 0.5], np.float32)))
    np.testing.assert_array_equal(held.encode(np.array([[0.0, 0.5], [3.0, 0.5]], np.float32)), [[-0.5, 0], [1, 0]])
    for bound in (np.inf, 3e38):
        free = ActionCode(spaces.Box(-bound, bound, (1,), np.float32))
        np.testing.assert_array_equal(free.encode(np.array([[7.0]], np.float32)), [[7.0]])


def test_the_same_seed_pays_the_same(walks: Walks) -> None:
    def curve(seed: int) -> list[Any]:
        env = NoveltyReward(walks(2), NoveltyOptions("variational", train_every=8), seed=seed, device="cpu")
        env.seed(3)
        env.reset()
        rewards: list[Any] = []
        for _ in range(10):
            rewards.append(env.step(np.array([0, 2]))[1].tolist())
            if env.due:
                env.train()
        return rewards

    assert curve(1) == curve(1) != curve(2)


def test_a_scaled_bonus_is_cut_off_at_ten() -> None:
    """Usual sums have a deviation of 1: of a bonus that is far above all others, ten are left, with either sign."""
    scale, never = ReturnScale(2, 0.0, False, recall=None), np.zeros(2, np.bool_)
    for _ in range(10):
        scale.observe(np.array([-1.0, 1.0]), never)
    np.testing.assert_allclose(scale.scaled(np.array([9.0, 11.0, 1e6, -1e6])), [9.0, 10.0, 10.0, -10.0])


def test_sums_are_expressed_in_the_errors_of_now() -> None:
    rng = np.random.default_rng(0)
    bonus, never = rng.random((50, 4)), np.zeros(4, np.bool_)
    told, small = ReturnScale(4, 0.9, False, recall=None), ReturnScale(4, 0.9, False, recall=None)
    for row in bonus[:25]:
        told.observe(row, never)
        small.observe(row / 100.0, never)
    told.remeasure(0.01)
    for row in bonus[25:]:
        told.observe(row / 100.0, never)
        small.observe(row / 100.0, never)
    np.testing.assert_allclose(told.returns, small.returns)
    assert told.deviation == pytest.approx(small.deviation, rel=0.05)


def test_nothing_is_paid_before_anything_was_measured() -> None:
    assert not ReturnScale(2, 0.9, False, recall=None).scaled(np.ones(2)).any()


@pytest.mark.parametrize("unit", [1e-120, 1e-30, 1e-9, 1e30, 1e120])
def test_a_bonus_has_no_unit(unit: float) -> None:
    """Scores of 1e-30 are measured as those of 1 are, and whitened numbers, too."""
    generator = np.random.default_rng(0)
    scores, never, paid = generator.exponential(1.0, (60, 3)), np.zeros(3, np.bool_), []
    for factor in (1.0, unit):
        scale = ReturnScale(3, 0.9, False, recall=20)
        for row in scores:
            scale.observe(factor * row, never)
        scale.remeasure(0.5)
        paid.append(scale.scaled(factor * scores[:5]))
    np.testing.assert_allclose(paid[1], paid[0], rtol=1e-9)
    assert 0 < np.abs(paid[1]).max() < 10


def test_scores_whose_squares_overflow_are_refused_and_leave_no_trace() -> None:
    scale = ReturnScale(2, 0.9, False, recall=None)
    scale.observe(np.array([1.0, 2.0]), np.zeros(2, np.bool_))
    before = scale.state_dict()
    with pytest.raises(InputError, match="squares of what is measured overflow float64: divide"):
        scale.observe(np.array([1e300, 2e300]), np.zeros(2, np.bool_))
    assert all(torch.equal(value, before[name]) for name, value in scale.state_dict().items())


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize(("pays", "weight"), [(1e-30, 1.0), (1e300, 1.0), (1.0, 1e300), (1e30, 1e20)])
def test_rewards_of_any_size_are_paid_or_refused(walks: Walks, pays: float, weight: float) -> None:
    """stable-baselines3 keeps rewards in float32."""
    paying = [lambda: TransformReward(walks(1).envs[0], lambda reward: pays)] * 2
    env = NoveltyReward(DummyVecEnv(paying), extrinsic_weight=weight, seed=0, device="cpu")
    env.reset()
    actions = np.zeros(2, np.int64)
    if pays * weight < 1e38:
        _, rewards, _, infos = env.step(actions)
        np.testing.assert_allclose(rewards, pays * weight, rtol=1e-6)
        assert infos[0]["extrinsic"] == pytest.approx(pays, rel=1e-6)
        return
    with pytest.raises(InputError, match=r"reward that is not finite after 0 steps|too large for float32: lower"):
        env.step(actions)
