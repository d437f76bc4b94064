"""Batches: the same bits resident and streamed, resumable, sliced for many processes, bounded in memory."""

import copy
import gc
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from e2c_control.data import DatasetCard, Transitions, TransitionsWriter
from e2c_control.data.sampler import WindowSampler
from e2c_control.data.store import ResidentRows, StreamedRows, open_store
from e2c_control.errors import InputError

Make = Callable[..., Transitions]


def sampler(made: Transitions, **changes: Any) -> WindowSampler:
    arguments: dict[str, Any] = {"steps": 2, "stack": 2, "batch_size": 8, "device": "cpu"}
    generator = torch.Generator().manual_seed(1)
    return WindowSampler(made, **{"generator": generator, **arguments, **changes})


def test_batch_is_what_the_arrays_hold(dataset: Make) -> None:
    made = dataset([4, 1, 3])  # frame i holds i, its action is (i, -i)
    batch = next(sampler(made, batch_size=100, with_states=True).ordered())
    assert batch.frames.dtype == torch.uint8
    assert batch.frames.shape == (5, 4, 2, 3, 1)
    starts = torch.tensor([0, 1, 2, 7, 8])
    assert batch.frames[:, 0, 0, 0, 0].tolist() == [0, 0, 1, 7, 7], "the first frame is repeated"
    assert torch.equal(batch.frames[:, 1:, 1, 2, 0].long(), starts[:, None] + torch.arange(3))
    assert batch.actions.shape == (5, 2, 2)
    assert torch.equal(1024 * batch.actions[..., 0], (starts[:, None] + torch.arange(2)).float())
    assert batch.states is not None
    assert torch.equal(batch.states[:, 1:, 0], (starts[:, None] + torch.arange(3)).double())


def test_windows_without_steps_and_without_repeated_frames(dataset: Make) -> None:
    batch = next(sampler(dataset([2, 0]), steps=0, batch_size=10).ordered())
    assert batch.frames.shape == (4, 2, 2, 3, 1)
    assert batch.actions.shape == (4, 0, 2)
    batch = next(sampler(dataset([2, 0]), steps=1, batch_size=10, repeat_first=False).ordered())
    assert batch.frames[:, :, 0, 0, 0].tolist() == [[0, 1, 2]]


def test_resident_and_streamed_give_the_same_bits(dataset: Make) -> None:
    made = dataset([7] * 20)
    resident, streamed = sampler(made), sampler(made, budget_bytes=0)
    assert isinstance(resident.store, ResidentRows)
    assert isinstance(streamed.store, StreamedRows)
    for _ in range(20):
        one, other = resident.draw(), streamed.draw()
        assert torch.equal(one.frames, other.frames)
        assert torch.equal(one.actions, other.actions)


def test_rewards_terminations_and_vectors(rewarded: Callable[[list[int]], Transitions]) -> None:
    made = rewarded([4, 3, 5, 3, 2])  # endings are 0, 1, 2, 0, 1
    for budget in (None, 0):
        batch = next(sampler(made, batch_size=100, budget_bytes=budget).ordered())
        starts = torch.tensor([0, 1, 2, 5, 6, 9, 10, 11, 12, 15, 16, 19])
        rows = starts[:, None] + torch.arange(2)
        assert batch.rewards is not None
        assert batch.terminations is not None
        assert batch.vectors is not None
        assert torch.equal(batch.rewards, rows + 0.5), "each for the action of its row"
        assert torch.equal(batch.terminations, torch.isin(rows, torch.tensor([7, 20])).float())
        assert batch.vectors.shape == (12, 4, 2)
        assert torch.equal(batch.vectors[:, 1:, 0], (starts[:, None] + torch.arange(3)).float())
        assert batch.vectors[:, 0, 0].tolist() == [0, 0, 1, 5, 5, 9, 9, 10, 11, 15, 15, 19], "the first is repeated"
        assert batch.frames.shape == (12, 4, *made.card.frame_shape)


def test_a_window_may_end_at_the_terminal_frame(rewarded: Callable[[list[int]], Transitions]) -> None:
    """And no window goes on beyond it: what it looks like is there to be learnt, what follows it does not exist."""
    made = rewarded([4, 3])
    batch = next(sampler(made, steps=3, stack=1, episodes=np.array([1]), batch_size=9).ordered())
    assert batch.vectors is not None
    assert batch.terminations is not None
    assert batch.vectors[:, -1, 0].tolist() == [8]
    assert batch.terminations.tolist() == [[0, 0, 1]]


def test_processes_share_rewards_and_vectors(rewarded: Callable[[list[int]], Transitions]) -> None:
    made = rewarded([7] * 20)
    whole = sampler(made).draw()
    for streamed in (False, True):
        shares = [sampler(made, rank=i, world_size=4, budget_bytes=0 if streamed else None).draw() for i in range(4)]
        for name in ("frames", "actions", "rewards", "terminations", "vectors"):
            assert torch.equal(torch.cat([getattr(share, name) for share in shares]), getattr(whole, name)), name


def test_without_rewards_there_are_none(dataset: Make) -> None:
    batch = sampler(dataset([7])).draw()
    assert batch.rewards is batch.terminations is batch.vectors is None


@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (0, 5), (2, 3, 2)])
def test_rows_are_read_as_a_map_shows_them(dataset: Make, shape: tuple[int, ...]) -> None:
    made = dataset([50])
    rows = np.random.default_rng(0).integers(0, 51, shape)
    assert np.array_equal(made.frames_at(rows), made.frames[rows])
    assert np.array_equal(made.frames_at(np.arange(51)), made.frames)
    assert np.array_equal(made.all_actions(), made.actions)
    assert np.array_equal(made.frames_at(rows[::-1].T), made.frames[rows[::-1].T])
    with pytest.raises(InputError, match="of 51"):
        made.frames_at(np.array([0, 51]))


def test_frames_outlive_their_folder_and_notice_that_they_are_cut(dataset: Make) -> None:
    made = dataset([50])
    before = np.array(made.frames)
    assert np.array_equal(made.frames_at(np.arange(51)), before)
    shutil.rmtree(made.path)
    assert np.array_equal(made.frames_at(np.arange(51)), before)
    made = dataset([50])
    os.truncate(made.path / "frames.npy", 200)
    with pytest.raises(OSError, match="changed while it was read"):
        made.frames_at(np.arange(51))


def test_a_copy_reads_its_frames_when_the_first_one_is_gone(dataset: Make) -> None:
    made = dataset([20, 30])
    frames = made.frames_at(np.arange(5))
    copied = copy.deepcopy(made)
    del made
    gc.collect()
    assert np.array_equal(copied.frames_at(np.arange(5)), frames)
    with pytest.raises(TypeError, match="open the dataset where it is needed"):
        pickle.dumps(copied)


def test_generator_state_is_all_there_is_to_resume(dataset: Make) -> None:
    made = dataset([7] * 20)
    first = sampler(made)
    for _ in range(5):
        first.draw()
    generator = torch.Generator()
    generator.set_state(first.generator.get_state())
    second = sampler(made, generator=generator)
    assert all(torch.equal(first.draw().frames, second.draw().frames) for _ in range(5))


def test_all_windows_are_drawn_evenly(dataset: Make) -> None:
    drawing = sampler(dataset([3, 2, 5]), steps=1, stack=1, batch_size=1000)
    first_rows = torch.cat([drawing.draw().frames[:, 0, 0, 0, 0] for _ in range(10)])
    rows, counts = first_rows.unique(return_counts=True)
    assert rows.tolist() == [0, 1, 2, 4, 5, 7, 8, 9, 10, 11]
    assert ((counts - 1000).abs() < 150).all()


def test_processes_share_one_batch(dataset: Make) -> None:
    made = dataset([7] * 20)
    whole = sampler(made).draw()
    parts = [sampler(made, rank=rank, world_size=4).draw() for rank in range(4)]
    assert torch.equal(torch.cat([part.frames for part in parts]), whole.frames)
    assert torch.equal(torch.cat([part.actions for part in parts]), whole.actions)


def test_ordered_windows(dataset: Make) -> None:
    made = dataset([9, 9])
    ordered = sampler(made, steps=1, stack=1, episodes=np.array([1]), batch_size=4)
    batches = list(ordered.ordered())
    assert [len(batch.frames) for batch in batches] == [4, 4, 1]
    assert torch.cat([batch.frames[:, 0, 0, 0, 0] for batch in batches]).tolist() == list(range(10, 19))
    (spread,) = ordered.ordered(limit=3)
    assert spread.frames[:, 0, 0, 0, 0].tolist() == [10, 14, 18]


def test_samplers_can_share_the_frames(dataset: Make) -> None:
    made = dataset([5, 5])
    store = open_store(made, "cpu")
    assert sampler(made, store=store).store is sampler(made, store=store, steps=1).store


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 9}, "its longest episode has 5 steps"),
        ({"steps": -1}, "steps is -1: give a whole number of 0 or more"),
        ({"batch_size": 9, "world_size": 2}, "does not divide among 2 processes"),
        ({"batch_size": 0}, "give 1 or more"),
    ],
)
def test_refused_requests(dataset: Make, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sampler(dataset([5, 5]), **changes)


def test_the_longest_of_the_chosen_episodes_is_told(dataset: Make) -> None:
    made = dataset([9, 4, 3])
    with pytest.raises(InputError, match="the longest of the episodes chosen here has 4 steps"):
        sampler(made, steps=8, episodes=np.array([1, 2]))
    with pytest.raises(InputError, match="its longest episode has 9 steps"):
        sampler(made, steps=10)


def test_states_that_are_not_there(tmp_path: Path) -> None:
    with TransitionsWriter.create(tmp_path / "d", DatasetCard("Test-v0", {}, (1, 1, 1), 1)) as writer:
        writer.append(np.zeros((1, 9, 1, 1, 1), np.uint8), np.zeros((1, 9, 1), np.float32))
    with pytest.raises(InputError, match="no true states"):
        sampler(Transitions.open(tmp_path / "d"), with_states=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_batches_on_cuda_are_the_same(dataset: Make) -> None:
    made = dataset([7] * 20)
    samplers = [sampler(made), sampler(made, device="cuda"), sampler(made, device="cuda", budget_bytes=0)]
    for _ in range(20):
        on_cpu, *on_cuda = (drawing.draw() for drawing in samplers)
        for batch in on_cuda:
            assert batch.frames.is_cuda
            assert torch.equal(batch.frames.cpu(), on_cpu.frames)
            assert torch.equal(batch.actions.cpu(), on_cpu.actions)
