"""Somebody else's environments: layouts of images, actions, states, modules, and what goes wrong inside them."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from e2c_control.data import DatasetCard, Transitions, TransitionsWriter, collect, make_image_env, make_vector_env
from e2c_control.data.layouts import image_layout
from e2c_control.errors import InputError, InputWarning


class Speechless(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class Shown(gymnasium.Env[Any, Any]):
    """Shows, takes, tells and raises whatever it is asked to, and renders a grey picture."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(
        self,
        space: Any = None,
        show: Any = None,
        actions: Any = None,
        told: Callable[[int], Any] | None = None,
        fails: str = "",
        still: bool = False,
        render_mode: str | None = None,
    ) -> None:
        if fails == "making":
            raise AttributeError("module 'mujoco' has no attribute\n 'MjrRect'")
        self.observation_space = space or spaces.Box(0, 255, (8, 8, 1), np.uint8)
        self.action_space = actions or spaces.Box(-1, 1, (1,), np.float32)
        self.render_mode = render_mode
        self._show, self._told, self._fails, self._still = show, told, fails, still
        self.taken: list[np.ndarray] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if self._fails == "reset":
            raise KeyError("site")
        if self._fails == "reset, without a word":
            raise Speechless
        self._time = 0
        return self._seen()

    def step(self, action: Any) -> Any:
        self.taken.append(np.array(action))
        self._time += 1
        if self._fails == "step":
            raise ZeroDivisionError("division by zero")
        return (*self._seen()[:1], 0.0, False, False, self._seen()[1])

    def close(self) -> None:
        if self._fails == "closing":
            raise OSError("no window")

    def render(self) -> Any:
        if self._fails == "render":
            raise RuntimeError("no display")
        return np.full((20, 30, 3), 100 + self._time, np.uint8)

    def _seen(self) -> tuple[Any, dict[str, Any]]:
        told = {} if self._told is None else self._told(self._time)
        if self._show is not None:
            return self._show, told
        if not isinstance(self.observation_space, spaces.Box):
            return self.observation_space.sample(), told
        value = 0 if self._still else self._time
        return np.full(self.observation_space.shape, value, self.observation_space.dtype), told


@pytest.fixture(autouse=True)
def shown_id() -> Iterator[str]:
    gymnasium.register("Shown-v0", entry_point=Shown, disable_env_checker=True)
    yield "Shown-v0"
    del gymnasium.registry["Shown-v0"]


RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (12, 16, 3)).astype(np.uint8)
STACKED = RNG.integers(0, 256, (12, 16, 9)).astype(np.uint8)


def box(like: np.ndarray, low: float, high: float) -> spaces.Box:
    return spaces.Box(low, high, like.shape, like.dtype.type)


FLOAT = (PICTURE / 255).astype(np.float32)
LAYOUTS: dict[str, tuple[np.ndarray, float, float, np.ndarray]] = {
    "channels last": (PICTURE, 0, 255, PICTURE),
    "nine channels": (STACKED, 0, 255, STACKED),
    "channels first": (PICTURE.transpose(2, 0, 1).copy(), 0, 255, PICTURE),
    "nine channels first": (STACKED.transpose(2, 0, 1).copy(), 0, 255, STACKED),
    "grey, without an axis": (PICTURE[..., 0].copy(), 0, 255, PICTURE[..., :1]),
    "frames one after another": (
        np.stack([PICTURE, 255 - PICTURE]),
        0,
        255,
        np.concatenate([PICTURE, 255 - PICTURE], -1),
    ),
    "from 0 to 1": (FLOAT, 0, 1, PICTURE),
    "from 0 to 1, channels first, float64": (PICTURE.transpose(2, 0, 1) / 255, 0, 1, PICTURE),
    "from -1 to 1": (2 * FLOAT - 1, -1, 1, PICTURE),
    "whole numbers": (PICTURE.astype(np.int64), 0, 255, PICTURE),
    "16 bits": (257 * PICTURE.astype(np.uint16), 0, 65535, PICTURE),
    "true and false": (PICTURE > 99, 0, 1, 255 * (PICTURE > 99).astype(np.uint8)),
    "black and white": ((PICTURE > 99).astype(np.uint8), 0, 1, 255 * (PICTURE > 99).astype(np.uint8)),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_images_in_another_layout_are_taken(name: str) -> None:
    shown, low, high, image = LAYOUTS[name]
    env = make_image_env("Shown-v0", space=box(shown, low, high), show=shown)
    assert env.observation_space == spaces.Box(0, 255, image.shape, np.uint8)
    assert (env.reset()[0] == image).all()
    assert (env.step(np.zeros(1, np.float32))[0] == image).all()
    vector = make_vector_env("Shown-v0", 2, frame_stack=2, space=box(shown, low, high), show=shown)
    assert (vector.reset()[0] == np.concatenate([image, image], -1)).all()


def test_resized_and_grey_where_there_is_grey() -> None:
    space = box(STACKED, 0, 255)
    assert make_image_env("Shown-v0", image_size=8, space=space, show=STACKED).reset()[0].shape == (8, 8, 9)
    with pytest.raises(InputError, match="9 channels, which have no grey: leave out grayscale"):
        make_image_env("Shown-v0", grayscale=True, space=space)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0, 255, (32, 32, 32), np.uint8),
        spaces.Box(0, 255, (32, 9, 32), np.uint8),
        spaces.Box(-np.inf, np.inf, (32, 32, 3), np.float32),
        spaces.Dict(pixels=spaces.Box(0, 255, (32, 9, 32), np.uint8), speed=spaces.Box(-1, 1, (2,))),
    ],
)
def test_what_may_be_an_image_is_not_replaced_without_a_word(space: spaces.Space[Any]) -> None:
    assert image_layout(space) is None
    for make in (lambda: make_image_env("Shown-v0", space=space), lambda: make_vector_env("Shown-v0", 2, space=space)):
        with pytest.warns(InputWarning, match="doubtful layout: its rendered picture is used instead"):
            env = make()
    assert env.observation_space.shape[-3:] == (64, 64, 1)  # type: ignore[index]


def test_vectors_are_rendered_as_the_documentation_says() -> None:
    for space in (
        spaces.Box(-1, 1, (3,)),
        spaces.Box(0, 1, (3, 4), np.float64),
        spaces.Dict(a=spaces.Box(-1, 1, (3,))),
        spaces.Box(0, 255, (0, 5, 3), np.uint8),
    ):
        assert make_image_env("Shown-v0", space=space).observation_space.shape == (64, 64, 1)


@pytest.mark.parametrize(
    ("shown", "sentence"),
    [
        (np.full((8, 8, 3), 2.0, np.float32), "shows float32 .* instead of numbers from 0 to 1"),
        (np.full((8, 8, 3), np.nan, np.float32), "not finite"),
        (np.zeros((3, 8, 8), np.float32), r"shows float32 \(3, 8, 8\)"),
        (None, "Shown-v0 "),
    ],
)
def test_observations_outside_their_space(shown: Any, sentence: str) -> None:
    env = make_image_env("Shown-v0", space=spaces.Box(0, 1, (8, 8, 3), np.float32), show=shown)
    if shown is None:
        env.unwrapped._show = "text"  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=sentence):
        env.reset()


# Actions


def test_actions_of_half_precision_are_taken() -> None:
    env = make_image_env("Shown-v0", actions=spaces.Box(-2, 5, (1,), np.float16))
    env.reset()
    env.step(np.full(1, -1, np.float32))
    assert env.unwrapped.taken[0] == -2  # type: ignore[attr-defined]


def test_a_component_that_is_fixed_is_held(tmp_path: Path) -> None:
    actions = spaces.Box(np.float32([-1, 0.5, -4]), np.float32([1, 0.5, 2]))
    env = make_image_env("Shown-v0", actions=actions)
    env.reset()
    for action in ([-1, -1, -1], [1, 1, 1], [0.25, 0.25, 0]):
        env.step(np.float32(action))
    taken = np.stack(env.unwrapped.taken)  # type: ignore[attr-defined]
    assert taken == pytest.approx(np.array([[-1, 0.5, -4], [1, 0.5, 2], [0.25, 0.5, -1]]))
    assert taken.dtype == np.float32
    vector = make_vector_env("Shown-v0", 2, frame_stack=1, actions=actions)
    made = collect(vector, tmp_path / "d", 20, 5)
    given = np.concatenate([env.unwrapped.taken for env in vector.envs])  # type: ignore[attr-defined]
    assert np.isfinite(given).all()
    assert (given[:, 1] == 0.5).all()
    assert np.isfinite(made.actions).all()


@pytest.mark.parametrize(
    ("actions", "sentence"),
    [
        (spaces.Box(-2, 2, (2,), np.int64), "only continuous actions"),
        (spaces.Box(-1, 1, (2,), np.int32), "only continuous actions"),
        (spaces.Box(0, 1, (2,), np.uint8), "only continuous actions"),
        (spaces.MultiBinary(3), "only continuous actions"),
        (spaces.Box(-3e38, 3e38, (2,), np.float32), "one bounded vector"),
        (spaces.Box(-1e300, 1e300, (2,), np.float64), "one bounded vector"),
        (spaces.Box(-1, np.inf, (2,), np.float32), "one bounded vector"),
        (spaces.Box(-np.inf, np.inf, (2,), np.float16), "one bounded vector"),
        (spaces.Box(-1, 1, (2, 2), np.float32), "one bounded vector"),
        (spaces.Box(-1, 1, (0,), np.float32), "one bounded vector"),
        (spaces.Box(0.5, 0.5, (2,), np.float32), "nothing to choose"),
        (spaces.Box(-np.inf, np.inf, (2,), np.float32), "say how large they may be .action_limit, --action-limit"),
    ],
)
def test_actions_that_cannot_be_planned(actions: spaces.Space[Any], sentence: str, tmp_path: Path) -> None:
    for make in (make_image_env, lambda name, **given: make_vector_env(name, 2, **given)):
        with pytest.raises(InputError, match=sentence):
            make("Shown-v0", actions=actions)
    with pytest.raises(InputError, match=sentence):
        collect(SyncVectorEnv([lambda: Shown(actions=actions)]), tmp_path / "d", 4, 2)


@pytest.mark.parametrize("bad", [3.0, -1.5, np.nan, np.inf])
def test_written_actions_are_in_their_limits(bad: float, tmp_path: Path) -> None:
    frames, actions = np.zeros((2, 4, 1, 1, 1), np.uint8), np.zeros((2, 4, 1), np.float32)
    actions[:, 3] = 7  # the row of the last frame is never read
    card = DatasetCard("Test-v0", {}, (1, 1, 1), 1)
    with TransitionsWriter.create(tmp_path / "d", card) as writer:
        writer.append(frames, actions)
        actions[1, 2] = bad
        said = r"actions .* scale them to" if np.isfinite(bad) else r"actions\[1, 2\] is \[(nan|inf)\]: give"
        with pytest.raises(InputError, match=said):
            writer.append(frames, actions)
        writer.append(frames, actions, lengths=np.array([3, 2]))
    path = tmp_path / "d" / "actions.npy"
    assert Transitions.open(tmp_path / "d").n_transitions == 11
    stored = np.load(path)
    stored[1] = bad
    np.save(path, stored)
    with pytest.raises(InputError, match=r"actions that are not (in \[-1, 1\]|finite)"):
        Transitions.open(tmp_path / "d")


# States


def vectors(time: int) -> Any:
    return {"state": np.array([time, 2.0])}


TOLD: dict[str, tuple[Callable[[int], Any], int | None]] = {
    "a vector": (vectors, 2),
    "a list": (lambda time: {"state": [time, 2]}, 2),
    "whole numbers, then others": (lambda time: {"state": np.array([time if time < 2 else time + 0.5])}, 1),
    "nothing": (lambda _: {}, None),
    "None": (lambda _: {"state": None}, None),
    "a dict": (lambda _: {"state": {"x": 1.0}}, None),
    "a number": (lambda _: {"state": 1.5}, None),
    "a text": (lambda _: {"state": "running"}, None),
    "a list of texts": (lambda _: {"state": ["a", "b"]}, None),
    "complex numbers": (lambda _: {"state": np.array([1j])}, None),
    "flags": (lambda _: {"state": np.array([True])}, None),
    "no numbers": (lambda _: {"state": np.zeros(0)}, None),
    "a matrix": (lambda _: {"state": np.eye(2)}, None),
    "masked": (lambda _: {"state": np.ma.array([1.0, 2.0], mask=[False, True])}, None),
    "ragged": (lambda _: {"state": [[1.0], [1.0, 2.0]]}, None),
}
CHANGING: dict[str, Callable[[int], Any]] = {
    "only at a reset": lambda time: {} if time else vectors(time),
    "longer from the third step on": lambda time: {"state": np.zeros(2 + (time > 2))},
    "longer and longer": lambda time: {"state": np.zeros(1 + time)},
    "a dict later": lambda time: {"state": {"x": 1.0}} if time == 3 else vectors(time),
    "a text later": lambda time: {"state": "over"} if time == 3 else vectors(time),
    "not a number later": lambda time: {"state": np.array([np.nan, 1.0])} if time == 3 else vectors(time),
}


@pytest.mark.parametrize("name", TOLD)
def test_states_are_kept_where_they_are_vectors(name: str, tmp_path: Path) -> None:
    told, size = TOLD[name]
    made = collect(make_vector_env("Shown-v0", 2, frame_stack=1, told=told), tmp_path / "d", 16, 4)
    assert made.card.state_dim == size
    assert made.states is None if size is None else made.states.shape[1] == size
    if name.startswith("whole"):
        assert made.states is not None
        assert made.states[:5, 0].tolist() == [0, 1, 2.5, 3.5, 4.5]


@pytest.mark.parametrize("name", CHANGING)
def test_states_that_do_not_stay_vectors_are_left_out(name: str, tmp_path: Path) -> None:
    vector = make_vector_env("Shown-v0", 2, frame_stack=1, told=CHANGING[name])
    with pytest.warns(InputWarning, match="tells no state any more"):
        made = collect(vector, tmp_path / "d", 16, 4)
    assert made.states is None
    assert not (tmp_path / "d" / "states.npy").exists()
    assert made.n_transitions == 16


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("state", [1.5, "text", {"x": 1.0}])
def test_states_of_vectors_that_a_user_made(mode: AutoresetMode, state: Any, tmp_path: Path) -> None:
    vector = SyncVectorEnv([lambda: Shown(told=lambda _: {"state": state})] * 2, autoreset_mode=mode)
    assert collect(vector, tmp_path / "d", 16, 4).states is None


# What goes wrong inside


@pytest.mark.parametrize(
    ("fails", "sentence"),
    [
        ("making", r"Shown-v0 cannot be made .*AttributeError: module 'mujoco' has no attribute 'MjrRect'\.$"),
        ("reset", r"Shown-v0 failed in reset: KeyError: 'site'\.$"),
        ("reset, without a word", r"Shown-v0 failed in reset: Speechless\.$"),
        ("closing", r"Shown-v0 failed in close: OSError: no window\.$"),
        ("step", r"Shown-v0 failed in step: ZeroDivisionError: division by zero\.$"),
        ("render", r"Shown-v0 cannot be rendered: RuntimeError: no display\.$"),
    ],
)
def test_what_an_environment_raises_is_a_sentence(fails: str, sentence: str, tmp_path: Path) -> None:
    space = spaces.Box(-1, 1, (3,)) if fails == "render" else None

    def live() -> None:
        env = make_image_env("Shown-v0", space=space, fails=fails)
        env.reset()
        env.step(np.zeros(1, np.float32))
        env.close()

    with pytest.raises(InputError, match=sentence):
        live()
    with pytest.raises(InputError, match=sentence):
        collect(make_vector_env("Shown-v0", 2, frame_stack=1, space=space, fails=fails), tmp_path / "d", 4, 2)


@pytest.mark.parametrize("black", [True, False])
def test_frames_that_never_change(black: bool, tmp_path: Path) -> None:
    given: dict[str, Any] = {"still": True} if black else {"show": np.full((8, 8, 1), 9, np.uint8)}
    like = "black frame" if black else "frame of one colour"
    with pytest.warns(InputWarning, match=f"one and the same {like} so far"):
        collect(make_vector_env("Shown-v0", 2, frame_stack=1, **given), tmp_path / "d", 16, 4)


# Modules and processes

MODULE = """
import gymnasium, numpy as np
from my_parts import SIDE

class Dot(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0, 255, (SIDE, SIDE, 1), np.uint8)
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = self.np_random.uniform(0, SIDE - 1, 2)
        return self.seen(), {}

    def step(self, action):
        self.at = np.clip(self.at + action, 0, SIDE - 1)
        return self.seen(), 0.0, False, False, {}

    def seen(self):
        frame = np.zeros((SIDE, SIDE, 1), np.uint8)
        frame[tuple(np.rint(self.at).astype(int))] = 255
        return frame

gymnasium.register("My/Dot-v0", entry_point="my_env:Dot")
"""


@pytest.fixture
def e2c(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """The command, as its script starts it: the current folder is not on the path."""
    (tmp_path / "my_env.py").write_text(MODULE)
    (tmp_path / "my_parts.py").write_text("SIDE = 9\n")

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        script = "import sys; from e2c_control.cli import main; sys.exit(main())"
        return subprocess.run(
            [sys.executable, "-P", "-c", script, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )

    return run


COLLECT = ("collect", "--out", "d", "--transitions", "20", "--episode-length", "5", "--env")


def test_a_module_in_the_current_folder(e2c: Callable[..., Any], tmp_path: Path) -> None:
    done = e2c(*COLLECT, "my_env:My/Dot-v0", "--n-envs", "2")
    assert done.returncode == 0, done.stderr
    assert Transitions.open(tmp_path / "d").frames.shape[1:] == (9, 9, 1)


def test_a_collection_of_such_a_module_goes_on(e2c: Callable[..., Any], tmp_path: Path) -> None:
    """By the command that was suggested, which names the module."""
    counting = (
        "taken = 0\n\n    def step(self, action):\n        Dot.taken += 1\n        assert Dot.taken < 15, 'worn out'"
    )
    (tmp_path / "my_env.py").write_text(MODULE.replace("def step(self, action):", counting))
    stopped = e2c(*COLLECT, "my_env:My/Dot-v0", "--n-envs", "2")
    assert stopped.returncode == 2
    (command,) = re.findall("`e2c (.*?)`", stopped.stderr)
    assert command == "collect --resume d --env my_env:My/Dot-v0"
    (tmp_path / "my_env.py").write_text(MODULE)
    done = e2c(*command.split())
    assert done.returncode == 0, done.stderr
    assert Transitions.open(tmp_path / "d").card.environment == "my_env:My/Dot-v0"


def test_what_lies_in_the_current_folder_stands_in_for_nothing(e2c: Callable[..., Any], tmp_path: Path) -> None:
    """A module is looked for there if the user names it and it is installed nowhere; nothing else is."""
    for name in ("gymnasium", "pygame", "json", "cv2"):
        (tmp_path / f"{name}.py").write_text("open('imported', 'w').close()\n")
    assert e2c(*COLLECT, "gymnasium:Pendulum-v1", "--image-size", "9").returncode == 0
    assert e2c(*COLLECT, "my_env:My/Dot-v0", "--overwrite").returncode == 0
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ("import no_such_part", "the import of my_env fails: ModuleNotFoundError: No module named 'no_such_part'."),
        ("SIDE = 9 / 0", "the import of my_env fails: ZeroDivisionError: division by zero."),
        ("SIDE = (", "the import of my_env fails: SyntaxError: "),
        ("raise SystemExit('run me')", "the import of my_env fails: SystemExit: run me."),
        ("class Stop(BaseException): pass\nraise Stop", "the import of my_env fails: Stop."),
        ("", "the import of my_env fails: ImportError: cannot import name 'SIDE'"),
    ],
)
def test_an_import_that_fails_says_why(e2c: Callable[..., Any], tmp_path: Path, parts: str, sentence: str) -> None:
    (tmp_path / "my_parts.py").write_text(parts)
    done = e2c(*COLLECT, "my_env:My/Dot-v0")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_module_that_registers_something_else(e2c: Callable[..., Any]) -> None:
    done = e2c(*COLLECT, "my_env:My/Dott-v0")
    assert done.returncode == 2
    assert "did you mean 'My/Dot-v0'?" in done.stderr


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_an_id_that_a_script_registered_in_other_processes(method: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"""
import multiprocessing
import gymnasium, numpy as np
from e2c_control.data import make_vector_env
from my_env import Dot

if __name__ == "__main__":
    multiprocessing.set_start_method({method!r})
    gymnasium.register("Mine/Only-v0", entry_point=Dot)
    env = make_vector_env("Mine/Only-v0", 2, processes=True)
    print(env.reset(seed=0)[0].shape, env.step(np.zeros((2, 2), np.float32))[0].shape)
    env.close()
""")
    (tmp_path / "my_env.py").write_text(MODULE)
    (tmp_path / "my_parts.py").write_text("SIDE = 9\n")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, env=dict(os.environ)
    )
    assert done.stdout == "(2, 9, 9, 1) (2, 9, 9, 1)\n", done.stderr
