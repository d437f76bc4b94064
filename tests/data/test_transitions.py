"""The dataset folder: what numpy sees in it, which windows it has, and what it says when it is damaged."""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from e2c_control.data import DatasetCard, Transitions, TransitionsWriter, stack_frames
from e2c_control.errors import InputError

Make = Callable[..., Transitions]


def test_plain_numpy_opens_the_folder(dataset: Make) -> None:
    path = dataset([3, 1, 2]).path
    frames, actions = np.load(path / "frames.npy"), np.load(path / "actions.npy")
    assert frames.shape == (9, 2, 3, 1)
    assert frames.dtype == np.uint8
    assert (frames[:, 0, 0, 0] == np.arange(9)).all()
    assert np.load(path / "episodes.npy").tolist() == [0, 4, 6, 9]
    assert np.load(path / "states.npy").shape == (9, 1)
    # The row of an episode's last frame is zero.
    assert (1024 * actions[:, 0]).tolist() == [0, 1, 2, 0, 4, 0, 6, 7, 0]
    card = json.loads((path / "dataset.json").read_text())
    assert card["environment"] == "Test-v0"
    assert card["environment_kwargs"] == {"noise": 0.5}
    assert "numpy" in card["versions"]


def test_episodes_of_different_length_written_at_once(tmp_path: Path) -> None:
    frames = np.arange(2 * 4, dtype=np.uint8).reshape(2, 4, 1, 1, 1)
    with TransitionsWriter.create(tmp_path / "d", DatasetCard("Test-v0", {}, (1, 1, 1), 1)) as writer:
        writer.append(frames, np.ones((2, 4, 1), np.float32), lengths=np.array([1, 3]))
    made = Transitions.open(tmp_path / "d")
    assert made.frames.ravel().tolist() == [0, 1, 4, 5, 6, 7]
    assert made.actions.ravel().tolist() == [1, 0, 1, 1, 1, 0]
    assert made.episodes.tolist() == [0, 2, 6]
    assert (made.n_episodes, made.n_transitions) == (2, 4)


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=6),
    steps=st.integers(0, 5),
    stack=st.integers(1, 3),
    repeat_first=st.booleans(),
)
def test_windows_are_those_inside_an_episode(lengths: list[int], steps: int, stack: int, repeat_first: bool) -> None:
    ends = np.cumsum([0, *(length + 1 for length in lengths)])
    made = _in_memory(ends)
    episode = np.repeat(np.arange(len(lengths)), np.diff(ends))
    first = 0 if repeat_first else stack - 1
    expected = [
        row
        for row in range(ends[-1])
        if row + steps < ends[-1] and episode[row + steps] == episode[row] and row - ends[episode[row]] >= first
    ]
    starts = made.windows(steps, stack, repeat_first=repeat_first)
    assert starts.dtype == np.int64
    assert starts.tolist() == expected
    rows = made.window_rows(starts, steps, stack)
    assert rows.shape == (len(expected), stack + steps)
    assert (episode[rows] == episode[starts][:, None]).all()
    assert (rows[:, stack - 1 :] == starts[:, None] + np.arange(steps + 1)).all()
    before = np.maximum(starts[:, None] - np.arange(stack - 1, 0, -1), ends[episode[starts]][:, None])
    assert (rows[:, : stack - 1] == before).all()


def test_windows_of_chosen_episodes(dataset: Make) -> None:
    assert dataset([3, 1, 2]).windows(2, episodes=np.array([2, 0])).tolist() == [0, 1, 6]


def test_split_is_deterministic_and_complete(dataset: Make) -> None:
    made = dataset([1] * 20)
    train, held_out = made.split(0.25, seed=3)
    assert len(held_out) == 5
    assert sorted([*train, *held_out]) == list(range(20))
    assert np.array_equal(held_out, made.split(0.25, seed=3)[1])
    assert not np.array_equal(held_out, made.split(0.25, seed=4)[1])
    assert [len(part) for part in made.split(0.0)] == [20, 0]
    assert [len(part) for part in dataset([1, 1]).split(0.01)] == [1, 1]
    with pytest.raises(InputError, match="held_out is"):
        made.split(1.0)
    with pytest.raises(InputError, match="collect more episodes"):
        dataset([5]).split(0.1)


def test_stack_joins_channels_oldest_first() -> None:
    frames = np.arange(2 * 3 * 1 * 1 * 2).reshape(2, 3, 1, 1, 2)
    joined = stack_frames(frames)
    assert joined.shape == (2, 1, 1, 6)
    assert joined[1].ravel().tolist() == frames[1].ravel().tolist()


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _edit_card(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (lambda path: path.rename(path.with_name("moved")), "no dataset at"),
    "no card": (lambda path: (path / "dataset.json").unlink(), "not a dataset"),
    "broken card": (lambda path: (path / "dataset.json").write_text("{"), "dataset.json is damaged"),
    "list as card": (lambda path: (path / "dataset.json").write_text("[1]"), "dataset.json is damaged"),
    "other version": (lambda path: _edit_card(path / "dataset.json", version=99), "version 99"),
    "unknown field": (lambda path: _edit_card(path / "dataset.json", colour="red"), "unknown"),
    "other frame shape": (
        lambda path: _edit_card(path / "dataset.json", frame_shape=[9, 9, 1]),
        "frames.npy has shape",
    ),
    "no frames": (lambda path: (path / "frames.npy").unlink(), "frames.npy is missing"),
    "truncated frames": (lambda path: _truncate(path / "frames.npy"), "frames.npy is truncated"),
    "truncated actions": (lambda path: _truncate(path / "actions.npy"), "actions.npy is truncated"),
    "truncated header": (lambda path: os.truncate(path / "actions.npy", 20), "actions.npy is truncated"),
    "empty file": (lambda path: os.truncate(path / "episodes.npy", 0), "episodes.npy is truncated"),
    "float frames": (lambda path: np.save(path / "frames.npy", np.zeros((9, 2, 3, 1))), "holds float64"),
    "pickled": (lambda path: np.save(path / "actions.npy", np.array([{}, 1])), "not a .npy file"),
    "fewer actions": (
        lambda path: np.save(path / "actions.npy", np.zeros((8, 2), np.float32)),
        "actions.npy has shape",
    ),
    "no states": (lambda path: (path / "states.npy").unlink(), "states.npy is missing"),
    "offsets beyond": (lambda path: np.save(path / "episodes.npy", np.array([0, 4, 6, 10])), "does not fit"),
    "offsets backward": (lambda path: np.save(path / "episodes.npy", np.array([0, 6, 4, 9])), "does not fit"),
    "infinite state": (
        lambda path: np.save(path / "states.npy", np.full((9, 1), np.nan)),
        "states.npy holds states that are not finite",
    ),
    "text as frame stack": (
        lambda path: _edit_card(path / "dataset.json", frame_stack="two"),
        "frame_stack is 'two', where a whole number",
    ),
    "number as environment": (
        lambda path: _edit_card(path / "dataset.json", environment=7),
        "environment is 7, where a text belongs",
    ),
    "numbers as versions": (
        lambda path: _edit_card(path / "dataset.json", versions={"numpy": 2}),
        "numpy is 2, where a text belongs",
    ),
    "infinite action": (
        lambda path: np.save(path / "actions.npy", np.full((9, 2), np.inf, np.float32)),
        "not finite",
    ),
}


def test_rewards_endings_and_vectors(rewarded: Callable[[list[int]], Transitions]) -> None:
    made = rewarded([3, 1, 2, 0])
    paid, seen = np.load(made.path / "rewards.npy"), np.load(made.path / "vectors.npy")
    assert paid.dtype == seen.dtype == np.float32
    assert paid.tolist() == [0.5, 1.5, 2.5, 0, 4.5, 0, 6.5, 7.5, 0, 0], "an episode's last row is 0, whatever was given"
    assert np.array_equal(seen, np.stack([np.arange(10), -np.arange(10)], axis=1))
    assert np.load(made.path / "endings.npy").tolist() == [0, 1, 2, 0]
    assert made.terminal_rows.tolist() == [4], "the action that led to the last frame of the episode that terminated"
    assert np.load(made.path / "frames.npy").shape == (10, *made.card.frame_shape)
    assert (made.n_transitions, len(made.frames)) == (6, 10)
    assert made.card.has_frames == (made.card.frame_shape != (0, 0, 0))


REWARDED_DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no rewards": (lambda path: (path / "rewards.npy").unlink(), "rewards.npy is missing"),
    "no endings": (lambda path: (path / "endings.npy").unlink(), "endings.npy is missing"),
    "no vectors": (lambda path: (path / "vectors.npy").unlink(), "vectors.npy is missing"),
    "truncated rewards": (lambda path: _truncate(path / "rewards.npy"), "rewards.npy is truncated"),
    "fewer rewards": (lambda path: np.save(path / "rewards.npy", np.zeros(8, np.float32)), "has shape .* instead of"),
    "float64 rewards": (lambda path: np.save(path / "rewards.npy", np.zeros(9)), "holds float64"),
    "a reward that is none": (
        lambda path: np.save(path / "rewards.npy", np.where(np.arange(9) == 5, np.nan, 0).astype(np.float32)),
        "rewards that are not finite, first in episode 1, row 1 of it",
    ),
    "an infinite vector": (
        lambda path: np.save(path / "vectors.npy", np.where(np.eye(9, 2) == 1, np.inf, 0).astype(np.float32)),
        "vectors that are not finite, first in episode 0, row 0 of it",
    ),
    "longer vectors": (lambda path: np.save(path / "vectors.npy", np.zeros((9, 3), np.float32)), "has shape"),
    "fewer endings": (lambda path: np.save(path / "endings.npy", np.zeros(2, np.uint8)), "does not fit the 3 episodes"),
    "another ending": (lambda path: np.save(path / "endings.npy", np.full(3, 3, np.uint8)), "does not fit the 3"),
    "vectors unnamed": (lambda path: _edit_card(path / "dataset.json", vector_dim=7), "has shape"),
    "half a frame": (lambda path: _edit_card(path / "dataset.json", frame_shape=[0, 3, 1]), "give sides and channels"),
    "neither frames nor vectors": (
        lambda path: _edit_card(path / "dataset.json", frame_shape=[0, 0, 0], vector_dim=None),
        "frame_shape is .0, 0, 0.: give sides",
    ),
    "rewards of another type": (lambda path: _edit_card(path / "dataset.json", rewards="yes"), "rewards is 'yes'"),
}


@pytest.mark.parametrize("damage", REWARDED_DAMAGES)
def test_damaged_dataset_with_rewards(rewarded: Callable[[list[int]], Transitions], damage: str) -> None:
    path = rewarded([3, 1, 2]).path
    spoil, message = REWARDED_DAMAGES[damage]
    spoil(path)
    with pytest.raises(InputError, match=message) as caught:
        Transitions.open(path)
    assert str(caught.value).count("\n") == 0
    assert str(path) in str(caught.value)


def test_an_episode_of_one_frame_did_not_end(rewarded: Callable[[list[int]], Transitions]) -> None:
    path = rewarded([3, 0, 2]).path
    np.save(path / "endings.npy", np.ones(3, np.uint8))
    with pytest.raises(InputError, match="does not fit"):
        Transitions.open(path)


REWARDED: dict[str, Any] = {
    "frames": np.zeros((2, 4, 2, 3, 1), np.uint8),
    "actions": np.zeros((2, 4, 2)),
    "rewards": np.ones((2, 4)),
    "vectors": np.ones((2, 4, 5)),
}
WRONGLY_REWARDED: list[tuple[dict[str, Any], str]] = [
    ({"rewards": None}, "card has rewards: give rewards exactly where"),
    ({"vectors": None}, "card has vectors: give vectors exactly where"),
    ({"rewards": np.ones((2, 4, 1))}, "rewards are float64 of shape"),
    ({"rewards": np.array([[1, 1, 1, 1], [1, np.nan, 1, 1]])}, r"rewards\[1, 1\] is nan: give finite numbers"),
    ({"rewards": np.array([[1, 1, 1, 1], [1, 1, 1e39, 1]])}, r"rewards\[1, 2\] is 1e\+39: give finite numbers"),
    ({"vectors": np.full((2, 4, 5), np.inf)}, r"vectors\[0, 0\] is \[inf"),
    ({"vectors": np.ones((2, 4, 4))}, "vectors are float64 of shape"),
    ({"vectors": [[[1.0], [1.0, 2.0]]]}, "vectors are no array"),
    ({"endings": [0, 3]}, "endings are .0, 3.: give 0"),
    ({"endings": [0, 1], "lengths": [3, 0]}, "endings are"),
    ({"endings": [0]}, "endings are int64 of shape"),
]


@pytest.mark.parametrize(("wrong", "sentence"), WRONGLY_REWARDED)
def test_rewards_and_vectors_that_do_not_fit(tmp_path: Path, wrong: dict[str, Any], sentence: str) -> None:
    card = DatasetCard("Test-v0", {}, (2, 3, 1), 2, rewards=True, vector_dim=5)
    with TransitionsWriter.create(tmp_path / "d", card) as writer:
        with pytest.raises(InputError, match=sentence):
            writer.append(**{**REWARDED, **wrong})
        writer.append(**{**REWARDED, "rewards": np.array([[1, 1, 1, np.nan]] * 2)})
    made = Transitions.open(tmp_path / "d")
    assert made.rewards is not None
    assert made.rewards.tolist() == [1, 1, 1, 0] * 2, "refused whole; the last row is never read"


def test_endings_stand_beside_rewards_alone(tmp_path: Path) -> None:
    with TransitionsWriter.create(tmp_path / "d", CARD) as writer:
        with pytest.raises(InputError, match="no rewards: give endings only beside them"):
            writer.append(**EPISODES, endings=[0, 1])
        with pytest.raises(InputError, match="has no rewards: give rewards exactly"):
            writer.append(**EPISODES, rewards=np.zeros((2, 4)))
        writer.append(**EPISODES)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_dataset(dataset: Make, damage: str) -> None:
    path = dataset([3, 1, 2]).path
    spoil, message = DAMAGES[damage]
    spoil(path)
    with pytest.raises(InputError, match=message) as caught:
        Transitions.open(path)
    assert str(caught.value).count("\n") == 0
    assert str(path) in str(caught.value)


EPISODES: dict[str, np.ndarray] = {
    "frames": np.arange(2 * 4 * 6, dtype=np.uint8).reshape(2, 4, 2, 3, 1),
    "actions": np.full((2, 4, 2), 0.5, np.float32),
    "states": np.ones((2, 4, 1)),
}
CARD = DatasetCard("Test-v0", {}, (2, 3, 1), action_dim=2, state_dim=1)
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"actions": np.zeros((2, 3, 2))}, r"of shape \(2, 3, 2\): give numbers of shape \(2, 4, 2\), one for each of the"),
    ({"actions": np.zeros((2, 4))}, r"of shape \(2, 4\): give numbers of shape \(2, 4, 2\)"),
    ({"actions": np.zeros((2, 4, 2), complex)}, "complex128"),
    ({"actions": np.full((2, 4, 2), "x")}, "actions are <U1"),
    ({"actions": [[1.0], [1.0, 2.0]]}, "no array"),
    ({"actions": None}, "actions are object"),
    ({"actions": np.full((2, 4, 2), np.nan)}, "finite"),
    ({"actions": np.full((2, 4, 2), 3)}, "reach 3: scale them to"),
    ({"actions": torch.zeros(2, 4, 2, requires_grad=True)}, "no array"),
    ({"frames": np.zeros((2, 4, 2, 3, 1))}, r"frames are float64 of shape \(2, 4, 2, 3, 1\)"),
    ({"frames": np.zeros((2, 4, 2, 3, 1), np.int64)}, "frames are int64"),
    ({"frames": np.zeros((2, 4, 2, 3, 1), np.uint16)}, "frames are uint16: give uint8"),
    ({"frames": np.zeros((4, 2, 3, 1), np.uint8)}, r"give whole numbers of shape \(any, any, 2, 3, 1\)"),
    ({"frames": np.zeros((2, 4, 1, 2, 3), np.uint8)}, r"shape \(2, 4, 1, 2, 3\)"),
    ({"frames": np.zeros((2, 0, 2, 3, 1), np.uint8)}, "one at least"),
    ({"states": None}, "card has states: give states exactly where"),
    ({"states": np.zeros((2, 4, 2))}, r"states are float64 of shape \(2, 4, 2\)"),
    ({"states": np.full((2, 4, 1), np.inf)}, r"states\[0, 0\] is \[inf\]: give finite numbers"),
    ({"lengths": np.array([4, 3])}, "lengths go from 3 to 4: give 0 to 3"),
    ({"lengths": np.array([-1, 3])}, "lengths go from -1"),
    ({"lengths": np.array([1.0, 3.0])}, "lengths are float64"),
    ({"lengths": 3}, r"lengths are int64 of shape \(\)"),
    ({"lengths": np.array([3, 3, 3])}, r"of shape \(3,\): give whole numbers of shape \(2\)"),
]


@pytest.mark.parametrize(("wrong", "sentence"), WRONG)
def test_episodes_that_do_not_fit_are_refused_whole(tmp_path: Path, wrong: dict[str, Any], sentence: str) -> None:
    with TransitionsWriter.create(tmp_path / "d", CARD) as writer:
        with pytest.raises(InputError, match=sentence) as caught:
            writer.append(**{**EPISODES, **wrong})
        assert "\n" not in str(caught.value)
        writer.append(**EPISODES)
    assert Transitions.open(tmp_path / "d").n_transitions == 6


def test_states_that_no_card_names_are_not_dropped_in_silence(tmp_path: Path) -> None:
    card = DatasetCard("Test-v0", {}, (2, 3, 1), action_dim=2)
    with TransitionsWriter.create(tmp_path / "d", card) as writer:
        with pytest.raises(InputError, match="no states: give states exactly where"):
            writer.append(**EPISODES)
        writer.append(EPISODES["frames"], EPISODES["actions"])


@pytest.mark.parametrize(
    "given",
    [
        {"actions": EPISODES["actions"].astype(np.float64)},
        {"actions": EPISODES["actions"].astype(np.float16)},
        {"actions": torch.full((2, 4, 2), 0.5)},
        {name: value.tolist() for name, value in EPISODES.items() if name != "frames"},
        {name: np.asfortranarray(value) for name, value in EPISODES.items()},
        {"lengths": [3, 3]},
        {"states": np.ones((2, 4, 1), np.int8), "lengths": np.array([3, 3], np.uint8)},
    ],
)
def test_other_numbers_that_fit_are_the_same(tmp_path: Path, given: dict[str, Any]) -> None:
    for name, episodes in (("one", EPISODES), ("other", {**EPISODES, **given})):
        with TransitionsWriter.create(tmp_path / name, CARD) as writer:
            writer.append(**episodes)
    one, other = (Transitions.open(tmp_path / name) for name in ("one", "other"))
    for part in ("frames", "actions", "states", "episodes"):
        assert np.array_equal(getattr(one, part), getattr(other, part))


def test_a_dataset_of_no_episode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No episode was appended"), TransitionsWriter.create(tmp_path / "d", CARD):
        pass
    assert not any(tmp_path.iterdir())


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_whatever_is_appended_is_kept_or_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Arrays of any shape and dtype: a dataset that opens and holds them, or a sentence and nothing of them."""
    folder = tmp_path_factory.mktemp("any")
    given = {name: data.draw(_odd(value), label=name) for name, value in EPISODES.items()}
    given |= {"lengths": data.draw(st.none() | _odd(np.array([3, 2])), label="lengths")}
    with TransitionsWriter.create(folder / "d", CARD) as writer:
        writer.append(**EPISODES)
        try:
            writer.append(**given)
            added = np.asarray(given["frames"]).shape[0]
        except InputError:
            added = 0
    made = Transitions.open(folder / "d")
    assert made.n_episodes == 2 + added
    assert len(made.frames) == len(made.actions) == len(made.states) == made.episodes[-1]


def _odd(sound: np.ndarray) -> st.SearchStrategy[Any]:
    """Something like a sound array: itself, of another dtype or shape, with other numbers, or no array."""
    dtypes = st.sampled_from(["?", "u1", "i2", "i8", "f2", "f4", "f8", "c8", "O", "U3", "M8[s]"])
    shapes = st.lists(st.integers(0, 4), max_size=5).map(tuple) | st.just(sound.shape)
    numbers = st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1, 0, 1, 255, 256, 2**63 - 1])
    made = st.tuples(shapes, dtypes, numbers).map(_filled)
    return st.just(sound) | made | st.sampled_from([None, 3, "x", [], [[1], [1, 2]], {}, object()])


def _filled(made: tuple[tuple[int, ...], str, Any]) -> np.ndarray:
    shape, dtype, number = made
    with warnings.catch_warnings(action="ignore"):
        return np.full(shape, float(number) if dtype not in ("M8[s]", "U3") else 1).astype(dtype)


def test_writer_refuses_what_is_there(dataset: Make, tmp_path: Path) -> None:
    made = dataset([1])
    with pytest.raises(InputError, match="exists already"), TransitionsWriter.create(made.path, made.card):
        pass
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("words")
    for path in (tmp_path / "thesis", tmp_path / "thesis" / "chapter.tex"):
        with (
            pytest.raises(InputError, match="is not a dataset"),
            TransitionsWriter.create(path, made.card, overwrite=True),
        ):
            pass
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "words"


def test_only_a_folder_that_is_nothing_but_a_dataset_is_replaced(dataset: Make, tmp_path: Path) -> None:
    made = dataset([2])
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "dataset.json").write_text(made.card.to_json())  # as a training run notes it
    (made.path / "notes.txt").write_text("words")
    for path, message in ((run, "is not a dataset"), (made.path, "holds 'notes.txt' besides a dataset")):
        with pytest.raises(InputError, match=message), TransitionsWriter.create(path, made.card, overwrite=True):
            pass
    assert (run / "checkpoints").is_dir()
    assert (made.path / "notes.txt").read_text() == "words"


def test_names_that_no_disk_takes(dataset: Make, tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="Cannot write"),
        TransitionsWriter.create(tmp_path / ("n" * 300), dataset([1]).card),
    ):
        pass


def test_failed_overwrite_leaves_the_old_dataset(dataset: Make, tmp_path: Path) -> None:
    made = dataset([2])
    with (
        pytest.raises(InputError, match=r"frames are uint8 of shape \(1, 2, 9, 9, 1\)"),
        TransitionsWriter.create(made.path, made.card, overwrite=True) as writer,
    ):
        writer.append(np.zeros((1, 2, 9, 9, 1), np.uint8), np.zeros((1, 2, 2), np.float32), np.zeros((1, 2, 1)))
    assert Transitions.open(made.path).n_transitions == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["dataset"]


def test_disk_without_room(dataset: Make) -> None:
    made = dataset([2])
    with (
        pytest.raises(InputError, match="MB free"),
        TransitionsWriter.create(made.path, made.card, expected_frames=10**15, overwrite=True),
    ):
        pass
    assert Transitions.open(made.path).n_transitions == 2


def test_disk_that_fills_up(tmp_path: Path) -> None:
    """A file size limit makes the kernel refuse a write half way, as a full disk does."""
    script = f"""
import resource, signal, numpy as np
from e2c_control.data import DatasetCard, TransitionsWriter
from e2c_control.errors import InputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with TransitionsWriter.create({str(tmp_path / "d")!r}, DatasetCard("Test-v0", {{}}, (40, 40, 1), 1)) as writer:
        writer.append(np.zeros((2, 50, 40, 40, 1), np.uint8), np.zeros((2, 50, 1), np.float32))
except InputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "No space left to write" in done.stdout
    assert not any(tmp_path.iterdir())


def test_unwritable_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    card = DatasetCard("Test-v0", {}, (1, 1, 1), 1)
    with pytest.raises(InputError, match="Cannot write"), TransitionsWriter.create(tmp_path / "file" / "d", card):
        pass


def _in_memory(ends: np.ndarray) -> Transitions:
    card = DatasetCard("Test-v0", {}, (1, 1, 1), 1, versions={})
    frames = np.zeros((ends[-1], 1, 1, 1), np.uint8)
    return Transitions(Path(), card, frames, np.zeros((ends[-1], 1), np.float32), ends, None)
