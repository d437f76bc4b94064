"""What environments show: images, vectors, both, and Dicts of several; recorded as it was shown."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.env_util import make_vec_env

from e2c_control.cli import main
from e2c_control.data import Transitions, collect, make_image_env, make_vector_env
from e2c_control.data.collection import Collection
from e2c_control.data.doubts import doubts
from e2c_control.data.senses import ImageSpace, Senses, VectorSpace
from e2c_control.data.source import EnvSource
from e2c_control.errors import InputError, InputWarning


@pytest.fixture(autouse=True)
def headless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


SIDE = 8
PARTS: dict[str, spaces.Space[Any]] = {
    "arm": spaces.Box(-np.inf, np.inf, (2,), np.float64),
    "front": spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8),
    "gripper": spaces.Discrete(3),
    "top": spaces.Box(0, 255, (SIDE, SIDE), np.uint8),
}


class Robot(gymnasium.Env[Any, Any]):
    """Shows what is asked for of two cameras, an arm and a gripper, all of which count the steps."""

    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, keys: tuple[str, ...] = tuple(PARTS), bad: str = "", ends: int = 3) -> None:
        self.observation_space = spaces.Dict({key: PARTS[key] for key in keys})
        self.keys, self.bad, self.ends, self.steps = keys, bad, ends, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return self._show(), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        return self._show(), float(self.steps), self.steps == self.ends, False, {}

    def _show(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "arm": np.array([self.steps, -self.steps], np.float64),
            "front": np.full((SIDE, SIDE, 3), 10 * self.steps + np.arange(3), np.uint8),
            "gripper": np.int64(self.steps % 3),
            "top": np.full((SIDE, SIDE), 100 + self.steps, np.uint8),
        }
        if self.steps == 2 and self.bad:
            shown["arm"] = {"longer": np.zeros(3), "not finite": np.full(2, np.nan), "text": "arm"}[self.bad]
        return {key: shown[key] for key in self.keys}


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    gymnasium.register("Robot-v0", entry_point=Robot, disable_env_checker=True)
    yield
    del gymnasium.registry["Robot-v0"]


def check_robot(made: Transitions, channels: int, size: int) -> None:
    """Frames and vectors tell the step that they are of."""
    assert made.card.frame_shape == ((SIDE, SIDE, channels) if channels else (0, 0, 0))
    assert made.card.vector_dim == (size or None)
    assert made.endings is not None
    for start, end, ending in zip(made.episodes[:-1], made.episodes[1:], made.endings, strict=True):
        steps = np.arange(end - start)
        assert bool(ending) == (len(steps) == 4)
        if channels > 1:
            assert (made.frames[start:end, 0, 0, :3] == 10 * steps[:, None] + np.arange(3)).all()
        if channels in (1, 4):
            assert (made.frames[start:end, :, :, -1] == 100 + steps[:, None, None]).all()
        if size:
            assert made.vectors is not None
            arm, gripper = made.vectors[start:end, :2], made.vectors[start:end, 2:]
            assert (arm == np.stack([steps, -steps], axis=1)).all(), "in the order of their names"
            assert (gripper == np.eye(3)[steps % 3]).all()


@pytest.mark.parametrize(
    ("looks", "channels", "size"),
    [
        ({}, 4, 0),
        ({"camera": "top"}, 1, 0),
        ({"camera": "front"}, 3, 0),
        ({"observation": "both"}, 4, 5),
        ({"observation": "both", "camera": "top"}, 1, 5),
        ({"observation": "vector"}, 0, 5),
    ],
)
def test_a_dict_is_recorded_as_it_was_shown(looks: dict[str, Any], channels: int, size: int, tmp_path: Path) -> None:
    made = collect(make_vector_env("Robot-v0", 3, frame_stack=1, **looks), tmp_path / "d", 50, 8)
    check_robot(made, channels, size)
    assert made.card.environment_kwargs == looks, "which make it again"
    names = ("front", "top") if channels == 4 else (looks["camera"],) if channels else ()
    assert made.card.cameras == names
    assert made.card.vector_parts == ({"arm": 2, "gripper": 3} if size else {})
    assert Transitions.open(made.path).card == made.card


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("looks", [{"observation": "both"}, {"observation": "vector"}])
def test_every_way_of_resetting(mode: AutoresetMode, looks: dict[str, Any], tmp_path: Path) -> None:
    vector_env = SyncVectorEnv([lambda: make_image_env("Robot-v0", 1, **looks)] * 3, autoreset_mode=mode)
    check_robot(collect(vector_env, tmp_path / "d", 50, 8), 4 if looks["observation"] == "both" else 0, 5)


@pytest.mark.parametrize("processes", [False, True])
def test_stacks(processes: bool) -> None:
    envs = make_vector_env("Robot-v0", 2, frame_stack=2, observation="both", processes=processes)
    shown, _ = envs.reset(seed=0)
    assert shown["image"].shape == (2, SIDE, SIDE, 8)
    assert shown["vector"].shape == (2, 10)
    assert (shown["vector"][:, :5] == shown["vector"][:, 5:]).all(), "a reset repeats its first"
    shown = envs.step(np.zeros((2, 1), np.float32))[0]
    assert shown["vector"][0].tolist() == [0, 0, 1, 0, 0, 1, -1, 0, 1, 0], "oldest first"
    assert shown["image"][0, 0, 0].tolist() == [0, 1, 2, 100, 10, 11, 12, 101]
    envs.close()


def test_the_policy_sees_what_is_shown(tmp_path: Path) -> None:
    for looks, kind in (({"observation": "both"}, dict), ({"observation": "vector"}, np.ndarray)):
        seen: list[Any] = []

        def policy(shown: Any, rng: np.random.Generator, seen: list[Any] = seen) -> Any:
            seen.append(shown)
            return np.zeros((2, 1))

        collect(make_vector_env("Robot-v0", 2, frame_stack=1, **looks), tmp_path / kind.__name__, 8, 4, policy=policy)
        assert all(isinstance(one, kind) for one in seen)
        vectors = [one["vector"] if isinstance(one, dict) else one for one in seen]
        assert [vector.shape for vector in vectors] == [(2, 5)] * len(seen)


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ("longer", r"shows a vector 'arm' of 3 numbers instead of 2"),
        ("not finite", "shows a vector 'arm' that is not finite"),
        ("text", "shows a vector 'arm' that is none of"),
    ],
)
def test_bad_vectors_are_told(bad: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        collect(make_vector_env("Robot-v0", 2, observation="vector", bad=bad), tmp_path / "d", 20, 8)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("looks", "sentence"),
    [
        ({"camera": "side"}, "shows images front, top, and no 'side'"),
        ({"observation": "vector", "camera": "top"}, "a vector and no image: leave out camera"),
        ({"observation": "vector", "image_size": 16}, "a vector and no image: leave out image_size"),
        ({"observation": "sound"}, "observation is 'sound'"),
        ({"observation": "vector", "keys": ("front", "top")}, "images alone: leave out the vector"),
        ({"keys": ("arm",)}, "cannot render one"),
    ],
)
def test_what_cannot_be_shown(looks: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make_image_env("Robot-v0", **looks)


def test_images_of_different_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARTS, "top", spaces.Box(0, 255, (9, 9), np.uint8))
    with pytest.raises(InputError, match="images of different sizes, front, top: choose one"):
        make_image_env("Robot-v0")
    assert make_image_env("Robot-v0", camera="front").observation_space.shape == (SIDE, SIDE, 3)


STOCK = [
    ("Pendulum-v1", (3,), (16, 16, 1)),
    ("MountainCarContinuous-v0", (2,), (16, 16, 1)),
    ("CartPole-v1", (4,), (16, 16, 1)),
    ("FrozenLake-v1", (16,), (16, 16, 1)),
]


@pytest.mark.parametrize(("env_id", "vector", "image"), STOCK)
def test_stock_environments(env_id: str, vector: tuple[int], image: tuple[int, int, int], tmp_path: Path) -> None:
    """The same seeds take the same actions whatever is looked at, and vectors are the environment's own."""
    made = {
        observation: collect(
            make_vector_env(
                env_id, 2, observation=observation, **({} if observation == "vector" else {"image_size": 16})
            ),
            tmp_path / observation,
            30,
            10,
            seed=3,
        )
        for observation in ("image", "vector", "both")
    }
    for name in ("actions", "rewards", "endings", "episodes"):
        assert np.array_equal(getattr(made["image"], name), getattr(made["both"], name)), name
        assert np.array_equal(getattr(made["vector"], name), getattr(made["both"], name)), name
    assert made["vector"].vectors is not None
    assert np.array_equal(made["vector"].vectors, np.array(made["both"].vectors))
    assert np.array_equal(made["image"].frames, made["both"].frames)
    assert made["both"].card.frame_shape == image
    assert (made["vector"].card.vector_dim,) == vector
    own = gymnasium.make(env_id)
    env = make_image_env(env_id, observation="vector")
    shown = spaces.flatten(own.observation_space, own.reset(seed=4)[0])
    assert np.array_equal(env.reset(seed=4)[0], shown.astype(np.float32))


def test_rewards_are_the_environments_own(tmp_path: Path) -> None:
    made = collect(make_vector_env("Pendulum-v1", 2, observation="vector"), tmp_path / "d", 100, 10)
    assert made.rewards is not None
    assert made.vectors is not None
    rows = made.windows(1)
    cosine, sine, speed = made.vectors[rows].T
    paid = -(np.arctan2(sine, cosine) ** 2 + 0.1 * speed**2 + 0.001 * (2 * made.actions[rows, 0]) ** 2)
    np.testing.assert_allclose(made.rewards[rows], paid, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("looks", [{}, {"observation": "vector"}, {"observation": "both", "camera": "front"}])
def test_sources(looks: dict[str, Any]) -> None:
    source = EnvSource.of("Robot-v0", 2, **looks)
    senses = source.senses
    assert source.frame_stack == 2
    assert (source.frame_shape, source.vector_dim) == (senses.frame_shape, senses.vector_dim)
    card = source.card(make_vec_env(lambda: make_image_env("Robot-v0", 2, **looks), 2), seed=5)
    assert (card.frame_shape, card.vector_dim, card.seed) == (senses.frame_shape, senses.vector_dim, 5)
    env = make_image_env("Robot-v0", **looks)
    given = EnvSource.of(env)
    assert given.senses == senses
    assert given.frame_stack == 1


def test_an_environment_that_shows_a_vector_is_taken_as_it_is(tmp_path: Path) -> None:
    class Plain(gymnasium.Env[Any, Any]):
        observation_space = spaces.Box(-1, 1, (2,), np.float64)
        action_space = spaces.Box(-1, 1, (1,), np.float32)

        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
            super().reset(seed=seed)
            return self.np_random.uniform(-1, 1, 2), {}

        def step(self, action: Any) -> Any:
            return self.np_random.uniform(-1, 1, 2), 0.5, False, False, {}

    source = EnvSource.of(Plain(), 3)
    assert (source.vector_dim, source.frame_stack, source.frame_shape) == (2, 3, (0, 0, 0))
    made = collect(source.vectors(1), tmp_path / "d", 10, 5, frame_stack=3)
    assert made.vectors is not None
    assert made.vectors.std() > 0.3


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "d"
    few = ("--transitions", "60", "--n-envs", "2")
    assert main(["collect", "--env", "Pendulum-v1", "--observation", "vector", "--out", str(out), *few]) == 0
    made = Transitions.open(out)
    assert (made.n_transitions, made.card.vector_dim, made.card.has_frames) == (60, 3, False)
    assert "vectors of 3 numbers" in capsys.readouterr().out
    assert main(["train", "--dataset", str(out), "--runs", str(tmp_path)]) == 2
    assert "is trained on images: collect them beside the vectors" in capsys.readouterr().err
    again = Collection(env="Pendulum-v1", observation="vector", transitions=60, n_envs=2).collect(tmp_path / "again")
    assert np.array_equal(again.vectors, made.vectors)  # type: ignore[arg-type]


def test_parts_and_vectors(tmp_path: Path) -> None:
    """Parts of several processes are joined."""
    options: dict[str, Any] = {"env": "Pendulum-v1", "observation": "vector", "transitions": 5_400, "n_envs": 8}
    made = Collection(**options, jobs=2).collect(tmp_path / "d")
    assert (made.n_transitions, made.card.vector_dim) == (5_400, 3)
    assert made.vectors is not None
    np.testing.assert_allclose((np.array(made.vectors[:, :2]) ** 2).sum(1), 1, atol=1e-5)


def test_vectors_that_never_change(tmp_path: Path) -> None:
    class Still(Robot):
        def _show(self) -> dict[str, Any]:
            return {**super()._show(), "arm": np.zeros(2)}

    gymnasium.register("Still-v0", entry_point=Still, disable_env_checker=True)
    with pytest.warns(InputWarning, match="one and the same vector so far"):
        made = collect(make_vector_env("Still-v0", 2, observation="vector", keys=("arm",)), tmp_path / "d", 20, 5)
    del gymnasium.registry["Still-v0"]
    assert not list(doubts(made, 5, resets=True)), "said while it was collected"


def test_random_actions_that_see_the_same_again(tmp_path: Path) -> None:
    """Positions of a car in a valley after few steps of random pushes repeat, those of a walk in the plane do not."""
    made = collect(make_vector_env("MountainCarContinuous-v0", 4, observation="vector"), tmp_path / "d", 800, 5)
    assert len(made.frames) > 400
    told = list(doubts(made, 5, resets=True))
    assert all("one colour" not in doubt for doubt in told)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(3),
        spaces.Box(0, 1, (2, 2)),
        spaces.Box(0, 255, (4, 4), np.uint8),
        spaces.Box(-5, 5, (3,), np.int64),
        spaces.Dict(image=ImageSpace((4, 4, 1)), state=VectorSpace(2, {})),
        spaces.Dict(image=VectorSpace(2, {}), vector=VectorSpace(2, {})),
    ],
)
def test_other_spaces_are_none_of_ours(space: spaces.Space[Any]) -> None:
    assert Senses.of(space) is None
