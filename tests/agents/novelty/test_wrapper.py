"""NoveltyReward as a wrapper: not learnt from while it is evaluated in, kept on the disk, several upon one another."""

import io
import json
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from e2c_control.agents.novelty import MODELS, NoveltyCallback, NoveltyOptions, NoveltyReplayBuffer, NoveltyReward
from e2c_control.errors import InputError
from e2c_control.runs.checkpoint import load_checkpoint, save_checkpoint

Walks = Callable[..., DummyVecEnv]
QUICK: dict[str, Any] = {"train_every": 16, "gradient_steps": 2, "batch_size": 8, "memory": 60}


def make(venv: Any, model: str = "rnd", **options: Any) -> NoveltyReward:
    return NoveltyReward(venv, NoveltyOptions(model, **QUICK, **options), seed=0, device="cpu", extrinsic_weight=0.5)


def drive(env: NoveltyReward, steps: int, seed: int = 0) -> list[Any]:
    """Rewards of random actions from a reset on, with the model trained whenever it is time to."""
    generator = np.random.default_rng(seed)
    env.seed(seed)
    env.reset()
    rewards: list[Any] = []
    for _ in range(steps):
        rewards.append(env.step(generator.integers(3, size=env.num_envs))[1].tolist())
        if env.due:
            env.train()
    return rewards


def content(env: NoveltyReward) -> list[Any]:
    """All that `state` gives, comparable."""
    tensors, meta = env.state()
    return [
        meta,
        {f"{group}/{name}": part.tolist() for group, named in tensors.items() for name, part in named.items()},
    ]


@pytest.mark.parametrize("remedy", [None, "minus_noise", "learning_progress"])
@pytest.mark.parametrize("model", MODELS)
def test_it_goes_on_from_the_disk_to_the_bit(walks: Walks, model: str, remedy: str | None, tmp_path: Path) -> None:
    env = make(walks(2), model, remedy=remedy, episodic=True)
    drive(env, 40)
    env.save(tmp_path / "novelty")
    assert {path.suffix for path in (tmp_path / "novelty").iterdir()} == {".json", ".safetensors"}
    again = NoveltyReward.load(tmp_path / "novelty", walks(2), device="cpu")
    assert (again.options, again.weights) == (env.options, env.weights)
    assert content(again) == content(env)
    assert drive(again, 40, seed=1) == drive(env, 40, seed=1)
    assert content(again) == content(env)


def test_what_does_not_fit_a_saved_one(walks: Walks, tmp_path: Path) -> None:
    make(walks(2)).save(tmp_path / "novelty")
    for venv, sentence in (
        (walks(3), "trained in 2 environments at once, not 3"),
        (walks(2, image=True), "trained with the observations"),
        (walks(2, actions="box"), "trained with the actions"),
        (VecNormalize(walks(2)), r"VecNormalize\(NoveltyReward\(env\)\)"),
    ):
        with pytest.raises(InputError, match=sentence):
            NoveltyReward.load(tmp_path / "novelty", venv)
    with pytest.raises(InputError, match="is not a checkpoint"):
        NoveltyReward.load(tmp_path, walks(2))


def test_sizes_that_its_weights_do_not_have(walks: Walks, tmp_path: Path) -> None:
    make(walks(1)).save(tmp_path / "novelty")
    path = tmp_path / "novelty" / "checkpoint.json"
    document = json.loads(path.read_text())
    document["meta"]["options"]["settings"] = {"hidden": [30_000, 30_000]}
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"names sizes that its .* bytes of weights do not have"):
        NoveltyReward.load(tmp_path / "novelty", walks(1), device="cpu")


def _statistics(name: str, number: float) -> Callable[[Any, Any], None]:
    return lambda tensors, meta: tensors["scale"].update({name: torch.full_like(tensors["scale"][name], number)})


DAMAGES: dict[str, Callable[[Any, Any], Any]] = {
    "steps are a text": lambda tensors, meta: meta["state"].update(steps="x"),
    "untrained steps are missing": lambda tensors, meta: meta["state"].pop("untrained_steps"),
    "updates are a fraction": lambda tensors, meta: meta["state"]["novelty"].update(updates=0.5),
    "more drawn than there is room for": lambda tensors, meta: meta["options"].update(gradient_steps=2**31 - 1),
    "windows larger than the weights": lambda tensors, meta: meta["options"].update(window=1_000_000),
    "a count below 0": _statistics("count", -1.0),
    "a variance below 0": _statistics("var", -1.0),
    "a mean without a square": _statistics("mean", 1e300),
    "returns that are not numbers": _statistics("returns", float("nan")),
    "complex statistics": lambda tensors, meta: tensors["statistics"].update(
        mean=torch.zeros(2, dtype=torch.complex64)
    ),
    "more frames counted than kept": lambda tensors, meta: tensors["memory"]["written"].add_(1_000),
    "ages below 0": lambda tensors, meta: tensors["memory"]["ages"].fill_(-1),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_refused(walks: Walks, damage: str, tmp_path: Path) -> None:
    env = make(walks(2))
    drive(env, 20)
    env.save(tmp_path / "novelty")
    saved = load_checkpoint(tmp_path / "novelty")
    tensors, meta = {group: dict(named) for group, named in saved.tensors.items()}, dict(saved.meta)
    DAMAGES[damage](tensors, meta)
    save_checkpoint(tmp_path / "novelty", tensors, meta)
    with pytest.raises(InputError):
        NoveltyReward.load(tmp_path / "novelty", walks(2), device="cpu")


@pytest.mark.parametrize(("side", "fits"), [(8, True), (64, False)])
def test_a_training_is_bounded_by_its_bytes(walks: Walks, side: int, fits: bool) -> None:
    """As many windows of small frames are taken as of large ones are refused."""
    options = NoveltyOptions("rnd", {"hidden": [4]}, batch_size=2**12, gradient_steps=2**7, memory=20)
    venv = walks(1)
    venv.observation_space = spaces.Box(-9, 9, (side * side,), np.float32)
    if fits:
        assert NoveltyReward(venv, options, device="cpu").options.batch_size == 2**12
        return
    with pytest.raises(InputError, match=r"524,288 windows of .* bytes are the most: lower one of them"):
        NoveltyReward(venv, options, device="cpu")


def test_nothing_of_it_is_pickled(walks: Walks) -> None:
    stands: Any = pickle.load(io.BytesIO(pickle.dumps(make(walks(1)))))
    with pytest.raises(InputError, match="keep it with its save"):
        stands.step(np.array([0]))


@pytest.mark.parametrize("window", [1, 3])
def test_an_evaluation_is_not_learnt_from(walks: Walks, window: int) -> None:
    """Memory, statistics, counts and sums are what they were; windows are those of the episodes that are evaluated."""
    env = make(VecMonitor(walks(2, length=4)), window=window)
    drive(env, 40)
    model, before = PPO("MlpPolicy", env, n_steps=4, batch_size=8, device="cpu"), content(env)
    env.training = False
    mean, _ = evaluate_policy(model, env, n_eval_episodes=4)
    assert mean == 10.0
    assert not env.due
    assert content(env) == before
    frames, _ = env.recent.newest()
    np.testing.assert_array_equal(env.novelty.score(*env.recent.newest()).shape, (2,))
    assert len(np.unique(frames[0, :, 2])) == 1, "of one episode"
    # Switched in the middle of an episode, no window reaches from one kind of steps to the other.
    env.reset()
    env.step(np.array([1, 1]))
    seen = env.recent.newest()[0][:, -1]
    env.training = True
    env.step(np.array([2, 2]))
    frames, actions = env.memory.newest()
    np.testing.assert_array_equal(frames[:, :-1], np.repeat(seen[:, None], window - 1, axis=1))
    assert (actions.sum(2)[:, :-1] == 0).all()
    assert content(env) != before


def test_nothing_is_paid_and_measured_before_the_model_is_trained(walks: Walks) -> None:
    env = make(walks(2))
    env.reset()
    for trained in (False, True):
        for _ in range(3):
            infos = env.step(np.array([0, 2]))[3]
            assert all((info["intrinsic"] > 0) == trained and info["novelty"] > 0 for info in infos)
        assert env.scale.observed == trained
        env.train()


@pytest.mark.parametrize("episodic", [False, True])
def test_sums_begin_anew_with_a_reset(walks: Walks, episodic: bool) -> None:
    """What was paid before is no part of the sums that the bonus is measured by, whether episodes part them or not."""
    env = make(walks(2, length=100), episodic=episodic)
    drive(env, 40)
    assert (env.scale.returns > 0).all()
    env.reset()
    _, _, _, infos = env.step(np.array([0, 2]))
    np.testing.assert_allclose(env.scale.returns, [info["novelty"] for info in infos])


def test_an_evaluation_pays_what_training_would(walks: Walks) -> None:
    """The same steps have the same score, whoever looks."""
    venv = walks(2)
    env = make(venv, window=2)
    drive(env, 40)
    paid: list[Any] = []
    for training in (False, True):
        env.training = training
        env.novelty.observe = lambda _: None  # type: ignore[method-assign]
        env.seed(5)
        venv.set_attr("episode", 0)
        env.reset()
        paid.append([[info["novelty"] for info in env.step(np.array([0, 2]))[3]] for _ in range(6)])
    assert paid[0] == paid[1]


def test_each_of_several_is_trained_and_logged(walks: Walks) -> None:
    inner = make(walks(2))
    outer = make(inner, "plain")
    logged: dict[str, Any] = {}

    class Listen(BaseCallback):
        def _on_step(self) -> bool:
            logged.update(self.logger.name_to_value)
            return True

    PPO("MlpPolicy", VecNormalize(outer), n_steps=8, batch_size=8, n_epochs=1, device="cpu").learn(
        64, [NoveltyCallback(), Listen()]
    )
    assert inner.novelty.updates == outer.novelty.updates == 8
    for place, reward in (("novelty", outer), ("novelty_2", inner)):
        assert logged[f"{place}/updates"] == reward.novelty.updates
        assert logged[f"{place}/score"] > 0


def test_a_model_that_nobody_trains_is_warned_of_once(walks: Walks) -> None:
    env = make(walks(2))
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=8, n_epochs=1, device="cpu")
    with pytest.warns(UserWarning, match=r"after 16 steps no bonus.*Give learn a NoveltyCallback") as heard:
        model.learn(64)
    assert len(heard) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.learn(64, NoveltyCallback())


@pytest.mark.parametrize("limited", [False, True])
def test_a_time_limit_is_no_end_when_it_is_replayed(walks: Walks, limited: bool) -> None:
    """Only where an episode ends by itself is nothing to come; each fifth step here."""
    env = make(walks(1, actions="box", length=5, limited=limited))
    model = replayed(env, walks)
    model.learn(50, NoveltyCallback())
    buffer: Any = model.replay_buffer
    rows = np.arange(1, buffer.pos)
    ends = buffer._get_samples(rows).dones[:, 0].numpy()
    np.testing.assert_array_equal(ends, (buffer.next_observations[rows, 0, 1] == 5) & (not limited))
    assert (buffer.next_observations[rows, 0, 1] == 5).sum() >= 9


@pytest.mark.parametrize("above", [False, True], ids=["bare", "normalised above"])
def test_a_transition_is_replayed_with_what_was_paid_for_it(walks: Walks, above: bool) -> None:
    """As long as the model stays as it is: extrinsic and bonus, and divided as VecNormalize divides what it is paid."""
    env = make(walks(2, actions="box", length=4), window=2)
    model = replayed(env, walks, VecNormalize(env, clip_obs=1e9, clip_reward=1e9) if above else env)
    model.learn(40, NoveltyCallback())
    env.training, paid = False, list[Any]()
    if above:
        model.env.training = False  # type: ignore[union-attr]

    class Listen(BaseCallback):
        def _on_step(self) -> bool:
            paid.append(self.locals["rewards"].copy())
            return True

    before = model.replay_buffer.pos  # type: ignore[union-attr]
    model.learn(24, Listen())
    buffer: Any = model.replay_buffer
    rows = np.arange(before + 2, buffer.pos)
    for row in rows:
        for _ in range(8):
            drawn = buffer._get_samples(np.array([row]), model._vec_normalize_env)
            assert np.isclose(float(drawn.rewards), paid[row - before], rtol=1e-3, atol=1e-4).any()


@pytest.mark.parametrize("back", [0, 1])
def test_windows_of_the_oldest_transitions_end_where_the_buffer_does(walks: Walks, back: int) -> None:
    """What was overwritten is filled up with the oldest frame that is left; the newest stands beside it in the ring."""
    env = make(walks(1, actions="box", length=100), window=3)
    model = replayed(env, walks, buffer_size=30)
    model.learn(47, NoveltyCallback())
    buffer: Any = model.replay_buffer
    assert buffer.full
    row = (buffer.pos + back) % 30
    frames, actions = buffer._windows(np.array([row]), np.array([0]))
    first = buffer.observations[buffer.pos, 0]
    earlier = [first, first] if back == 0 else [first, buffer.observations[row, 0]]
    np.testing.assert_array_equal(frames[0], [*earlier, buffer.next_observations[row, 0]])
    codes = buffer.actions[[buffer.pos, row], 0] * [[float(back)], [1.0]]
    np.testing.assert_allclose(actions[0], codes, rtol=1e-6)


def replayed(env: NoveltyReward, walks: Walks, around: Any = None, buffer_size: int = 500) -> SAC:
    return SAC(
        "MlpPolicy", around or env, buffer_size=buffer_size, learning_starts=10_000, seed=0, device="cpu",
        replay_buffer_class=NoveltyReplayBuffer, replay_buffer_kwargs={"source": env}, policy_kwargs={"net_arch": [8]},
    )  # fmt: skip


def test_numbers_of_numpy_are_numbers(walks: Walks, tmp_path: Path) -> None:
    """They are Python's from the first on, and so nothing fails when it is saved."""
    options = NoveltyOptions(
        "rnd", {"hidden": (np.int64(8),), "outputs": np.int32(4)}, "minus_noise", {"share": np.float32(0.5)},
        window=np.int8(2), learning_rate=np.float32(0.5), gamma=np.float64(0.5), train_every=np.uint8(9),  # type: ignore[arg-type]
        episodic=np.bool_(True), recall=None,  # type: ignore[arg-type]
    )  # fmt: skip
    assert options.settings == {"hidden": [8], "outputs": 4}
    env = NoveltyReward(walks(1), options, intrinsic_weight=np.float32(0.5), seed=np.int64(3), device="cpu")  # type: ignore[arg-type]
    env.save(tmp_path / "novelty")
    again = NoveltyReward.load(tmp_path / "novelty", walks(1), device="cpu")
    assert again.options == options
    assert again.weights == env.weights
    assert {type(value) for value in vars(again.weights).values()} == {float, str}


NO_CUDA = [] if torch.cuda.is_available() else [("cuda", "CUDA")]


@pytest.mark.parametrize(
    ("device", "sentence"),
    [("gpu", "no device 'gpu'"), (3.5, "device is 3.5: give one of class device or a text"), *NO_CUDA],
)
def test_devices_that_are_not_there(walks: Walks, device: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        NoveltyReward(walks(1), device=device)


def test_spaces_survive_the_disk(walks: Walks, tmp_path: Path) -> None:
    """Kinds of numbers too: what was saved fits the environments that it was saved from."""
    venv = walks(1)
    for space in (
        spaces.MultiDiscrete([3, 2], dtype=np.int32),
        spaces.MultiBinary([2, 2]),
        spaces.Box(-1, 1, (2, 1), np.float64),
        spaces.Discrete(4),
    ):
        venv.action_space = space
        make(venv).save(tmp_path / "novelty")
        assert NoveltyReward.load(tmp_path / "novelty", venv, device="cpu").action_space == space
