"""Datasets made in parts."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from e2c_control.data import Transitions, collect, make_vector_env
from e2c_control.data.shards import Shard, join_shards
from e2c_control.errors import InputError, InputWarning


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Transitions]:
    """Three collections whose episodes are of different lengths."""
    folder = tmp_path_factory.mktemp("parts")
    found: list[Transitions] = []
    for seed, (transitions, length) in enumerate([(50, 7), (20, 20), (1, 3)]):
        env = make_vector_env("E2C/Planar-v0", 3, frame_stack=1)
        found.append(collect(env, folder / str(seed), transitions, length, seed=seed))
    return found


def test_all_episodes_are_there_in_order(parts: list[Transitions], tmp_path: Path) -> None:
    joined = join_shards(tmp_path / "all", (Shard.read(part.path) for part in parts), seed=9)
    assert joined.card == replace(parts[0].card, seed=9)
    assert joined.n_transitions == 71
    for name in ("frames", "actions", "states", "rewards", "endings"):
        assert np.array_equal(getattr(joined, name), np.concatenate([getattr(part, name) for part in parts])), name
    lengths = np.concatenate([np.diff(part.episodes) for part in parts])
    assert np.array_equal(np.diff(joined.episodes), lengths)


def test_a_part_without_rewards_leaves_none(parts: list[Transitions], tmp_path: Path) -> None:
    one, other = (Shard.read(part.path) for part in parts[:2])
    bare = replace(other, card=other.card.without(rewards=True), rewards=None, endings=None)
    assert bare.fits()
    assert not replace(bare, card=other.card).fits()
    for order in ([one, bare], [bare, one]):
        with (
            pytest.warns(InputWarning, match="recorded without rewards: the dataset keeps none")
            if order[0] is one
            else nullcontext()
        ):
            joined = join_shards(tmp_path / "all", order, seed=0, overwrite=True)
        assert joined.rewards is joined.endings is None
        assert joined.states is not None
        assert joined.n_transitions == 70
        assert not (joined.path / "endings.npy").exists()


def test_parts_of_another_kind_are_refused(parts: list[Transitions], tmp_path: Path) -> None:
    one = Shard.read(parts[0].path)
    older = replace(one, card=replace(one.card, versions={**one.card.versions, "numpy": "1.0"}))
    with pytest.raises(InputError, match="same versions"):
        join_shards(tmp_path / "all", [one, older], seed=0)
    assert list(tmp_path.iterdir()) == []
