"""Actions that are choices: one-hot in the data, the largest number of each choice in the environment."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.env_util import make_vec_env

from e2c_control.agents.exploration import Recorder
from e2c_control.data import DatasetCard, Transitions, TransitionsWriter, collect, make_image_env, make_vector_env
from e2c_control.data.choices import Choices, ChoiceSpace, choices_in, choices_of
from e2c_control.data.collection import Collection
from e2c_control.data.source import EnvSource
from e2c_control.errors import InputError

sizes_and_starts = st.lists(st.tuples(st.integers(1, 5), st.integers(-3, 9)), min_size=1, max_size=4)


@given(pairs=sizes_and_starts, seed=st.integers(0, 99))
def test_there_and_back(pairs: list[tuple[int, int]], seed: int) -> None:
    sizes, starts = zip(*pairs, strict=True)
    choices, rng = Choices(sizes, starts), np.random.default_rng(seed)
    indices = rng.integers(0, sizes, (7, 3, len(sizes)))
    actions = choices.one_hot(indices)
    assert actions.shape == (7, 3, sum(sizes))
    assert actions.dtype == np.float32
    assert (actions.sum(-1) == len(sizes)).all()
    assert np.array_equal(choices.indices(actions), indices)
    assert choices.are_chosen(actions).all()
    assert np.array_equal(choices.decode(actions[0, 0]), indices[0, 0] + np.array(starts))
    vectors = rng.normal(size=(7, 3, sum(sizes)))
    assert np.array_equal(choices.indices(choices.nearest(vectors)), choices.indices(vectors))


def test_evenly() -> None:
    drawn = Choices((2, 3), (0, 0)).sample(6000, np.random.default_rng(0))
    assert np.abs(drawn.mean(0) - [1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3]).max() < 0.03
    assert abs((drawn[:, 0] * drawn[:, 2]).mean() - 1 / 6) < 0.03, "each for itself"


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (spaces.Discrete(3), Choices((3,), (0,), True)),
        (spaces.Discrete(3, start=-1), Choices((3,), (-1,), True)),
        (spaces.MultiDiscrete([2, 4]), Choices((2, 4), (0, 0))),
        (spaces.MultiDiscrete([2, 4], start=[1, 5]), Choices((2, 4), (1, 5))),
        (spaces.MultiDiscrete([3]), Choices((3,), (0,))),
        (spaces.Box(0, 1, (2,)), None),
    ],
)
def test_spaces(space: spaces.Space[Any], expected: Choices | None) -> None:
    found = choices_in("It", space)
    assert found == expected
    if found is not None:
        rng = np.random.default_rng(0)
        assert all(space.contains(found.decode(action)) for action in found.sample(50, rng))
        shown = ChoiceSpace(found)
        assert choices_of(shown) == found
        assert all(shown.contains(action := shown.sample()) and found.are_chosen(action) for _ in range(9))


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        (spaces.Discrete(1), "nothing to choose"),
        (spaces.MultiDiscrete([1, 1]), "nothing to choose"),
        (spaces.Discrete(10**6), "10,000 choices at most"),
        (spaces.MultiDiscrete([[2, 2], [2, 2]]), "one vector"),
    ],
)
def test_spaces_that_cannot_be_taken(space: spaces.Space[Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        choices_in("It", space)


@pytest.mark.parametrize("bad", [{"sizes": ()}, {"sizes": (2, 3)}, {"starts": (0, 1)}, {"sizes": (0,)}])
def test_choices_that_do_not_fit(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Choices(**{"sizes": (2,), "starts": (0,), "single": True, **bad})


@pytest.mark.parametrize("env_id", ["CartPole-v1", "FrozenLake-v1"])
def test_what_was_taken_is_written(env_id: str, tmp_path: Path) -> None:
    """What each state led to tells which choice it was."""
    made = collect(make_vector_env(env_id, 3, observation="vector"), tmp_path / "d", 300, 20)
    choices = made.card.choices
    assert choices is not None
    assert made.card.action_dim == choices.size
    rows = made.windows(1)
    assert choices.are_chosen(made.actions[rows]).all()
    shares = made.actions[rows].mean(axis=0)
    assert np.abs(shares - 1 / choices.size).max() < 0.1
    assert made.vectors is not None
    for row in rows[:60]:
        world: Any = gymnasium.make(env_id, is_slippery=False) if env_id == "FrozenLake-v1" else gymnasium.make(env_id)
        world.reset(seed=0)
        before, taken = made.vectors[row], choices.decode(made.actions[row])
        if env_id == "CartPole-v1":
            world.unwrapped.state = before.astype(np.float64)
            np.testing.assert_allclose(world.step(taken)[0], made.vectors[row + 1], rtol=1e-4, atol=1e-5)
        else:
            place = int(before.argmax())
            reachable = {new for _, new, *_ in gymnasium.make(env_id).unwrapped.P[place][taken]}  # type: ignore[attr-defined]
            assert int(made.vectors[row + 1].argmax()) in reachable


def test_terminal_frames_are_there(tmp_path: Path) -> None:
    """A pole that has fallen is what makes the episode end."""
    made = collect(make_vector_env("CartPole-v1", 4, observation="vector"), tmp_path / "d", 400, 100)
    assert made.vectors is not None
    assert len(made.terminal_rows) > 5
    fallen = np.abs(made.vectors[:, 2]) > 12 * np.pi / 180
    gone = np.abs(made.vectors[:, 0]) > 2.4
    assert (fallen | gone)[made.terminal_rows + 1].all()
    assert not (fallen | gone)[made.terminal_rows].any()
    assert made.rewards is not None
    assert set(made.rewards[made.windows(1)]) == {1.0}


def test_any_vector_is_taken_for_its_largest(tmp_path: Path) -> None:
    env = make_image_env("CartPole-v1", observation="vector")
    for action, chosen in (([0.2, 0.1], 0), ([-0.5, -0.4], 1)):
        env.reset(seed=0)
        one = env.step(np.array(action, np.float32))[0]
        other = gymnasium.make("CartPole-v1")
        other.reset(seed=0)
        assert np.array_equal(one, other.step(chosen)[0])

    def policy(shown: Any, rng: np.random.Generator) -> Any:
        return np.tile([0.3, 0.9], (len(shown), 1))

    made = collect(make_vector_env("CartPole-v1", 2, observation="vector"), tmp_path / "d", 20, 5, policy=policy)
    assert (made.actions[made.windows(1)] == [0, 1]).all(), "what was taken, not what was given"


def test_written_actions_are_one_hot(tmp_path: Path) -> None:
    card = DatasetCard("Test-v0", {}, (1, 1, 1), 3, choices=Choices((3,), (0,), True))
    frames, actions = np.zeros((1, 4, 1, 1, 1), np.uint8), np.eye(4, 3, dtype=np.float32)[None]
    with TransitionsWriter.create(tmp_path / "d", card) as writer:
        with pytest.raises(InputError, match="not one-hot"):
            writer.append(frames, actions / 2)
        writer.append(frames, actions)
    made = Transitions.open(tmp_path / "d")
    assert made.card.choices == card.choices
    np.save(made.path / "actions.npy", np.array(made.actions) / 2)
    with pytest.raises(InputError, match="actions that are not one-hot: collect the dataset again"):
        Transitions.open(made.path)
    with pytest.raises(InputError, match="choices among 3 do not fit action_dim=2"):
        DatasetCard("Test-v0", {}, (1, 1, 1), 2, choices=card.choices)


def test_the_recorder_writes_what_was_chosen(tmp_path: Path) -> None:
    recorder = Recorder(make_vec_env(lambda: make_image_env("CartPole-v1", image_size=8), 2), 1, keeps_states=False)
    source = EnvSource.of("CartPole-v1", image_size=8)
    with TransitionsWriter.create(tmp_path / "d", source.card(recorder.venv, 0)) as writer:
        recorder.record(writer)
        recorder.reset()
        for _ in range(4):
            recorder.step(np.array([[0.6, 0.5], [0.1, 0.2]], np.float32))
        recorder.flush()
    made = Transitions.open(tmp_path / "d")
    assert made.card.choices == source.choices == Choices((2,), (0,), True)
    assert made.actions[made.windows(1)].tolist() == [[1, 0]] * 4 + [[0, 1]] * 4


def test_corners_are_for_continuous_actions(tmp_path: Path) -> None:
    few: dict[str, Any] = {"env": "CartPole-v1", "observation": "vector", "transitions": 20}
    assert Collection(**few).collect(tmp_path / "d").n_transitions == 20
    with pytest.raises(InputError, match="have no corners: leave out corner_share"):
        Collection(**few, corner_share=0.5).collect(tmp_path / "other")


class Unbounded(gymnasium.Env[Any, Any]):
    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def __init__(self, low: Any = -np.inf, high: Any = np.inf) -> None:
        self.action_space = spaces.Box(low, high, (2,), np.float32)
        self.taken = np.zeros(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action)
        return np.asarray(action, np.float32), 0.0, False, False, {}


@pytest.mark.parametrize(("low", "high", "least"), [(-np.inf, np.inf, -3), (0.0, np.inf, 0), (-np.inf, 0.0, -3)])
def test_a_limit_for_actions_without_bounds(low: float, high: float, least: float) -> None:
    gymnasium.register("Unbounded-v0", Unbounded, disable_env_checker=True)
    try:
        env = make_image_env("Unbounded-v0", observation="vector", action_limit=3, low=low, high=high)
        env.reset()
        assert env.action_space == spaces.Box(-1, 1, (2,))
        most = 3 if high else 0
        assert env.step(np.array([-1, 1], np.float32))[0].tolist() == [least, most]
        assert env.step(np.zeros(2, np.float32))[0].tolist() == [(least + most) / 2] * 2
        with pytest.raises(InputError, match="say how large they may be"):
            make_image_env("Unbounded-v0", observation="vector", low=low, high=high)
        with pytest.raises(InputError, match="action_limit"):
            make_image_env("Unbounded-v0", observation="vector", action_limit=-1)
    finally:
        del gymnasium.registry["Unbounded-v0"]
    with pytest.raises(InputError, match="no limits: leave out action_limit"):
        make_image_env("CartPole-v1", observation="vector", action_limit=1)
