"""The protocol of the two rooms, tried in a sketch of the world: the package of the world itself is not needed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "experiments").is_dir(), reason="the experiments are part of a checkout, not of the installed package"
)


@pytest.fixture
def two_room(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    from experiments.worlds import two_room

    return two_room


class Rightwards:
    """An agent that goes to the right, whatever it sees."""

    def set_goal(self, images: np.ndarray) -> None:
        self.goals = images

    def predict(self, observations: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        assert len(observations) == len(self.goals)
        return np.tile([1.0, 0.0], (len(observations), 1)), state


def test_problems_are_what_the_expert_saw_so_many_steps_later(two_room: Any) -> None:
    path = np.stack((np.arange(100.0) + 60, np.full(100, 50.0)), 1)
    rng = np.random.default_rng(0)
    found = two_room.pairs([path, path[:20]], two_room.Kind(25, 50, 30), 30, rng)
    assert (found[:, 1] - found[:, 0] == [25, 0]).all()
    assert len(np.unique(found[:, 0, 0])) == 30
    across = two_room.pairs([path], two_room.Kind(25, 50, 10, crossing=True), 10, rng)
    assert (across[:, 0, 0] <= two_room.WALL).all()
    assert (across[:, 1, 0] > two_room.WALL).all()


def test_lists_follow_from_the_seed_and_are_not_the_data(two_room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_room, "POOL", 40)
    first, again, other = (two_room.problems_of(two_room.Sketch(), seed, 3) for seed in (0, 0, 1))
    assert list(first) == list(two_room.KINDS)
    for name, problems in first.items():
        assert np.array_equal(problems, again[name])
        assert not np.array_equal(problems, other[name])
    draws = [two_room.generator(*words).random() for words in (("problems", 0), ("expert", 0), ("random", 0))]
    assert len(set(draws)) == 3


@pytest.mark.parametrize("data", ["expert", "random"])
def test_recordings_hold_what_moved_the_agent(two_room: Any, tmp_path: Path, data: str) -> None:
    recorded = two_room.record(two_room.Sketch(), tmp_path / "data", data, 60, 5)
    assert 60 <= recorded.n_transitions <= 60 + two_room.LONGEST[data]
    places, actions = np.asarray(recorded.states), np.asarray(recorded.actions)
    inside = (places > 30).all(1) & (places < 80).all(1)  # no wall is near
    steps = np.setdiff1d(np.flatnonzero(inside), recorded.episodes[1:] - 1)
    assert len(steps)
    assert np.allclose(places[steps + 1] - places[steps], 5 * actions[steps], atol=1e-5)


def test_the_wall_stops_all_but_the_door(two_room: Any) -> None:
    rooms = two_room.Sketch()
    for height, passes in ((49.0, True), (120.0, False)):
        rooms.begin(start=np.array([108.0, height]), target=np.array([180.0, height]))
        rooms.step(np.array([1.0, 0.0]))
        assert two_room.room_of(rooms.position) == passes


def test_reached_is_ever_and_those_that_arrived_do_not_matter_to_the_others(two_room: Any) -> None:
    starts = np.array([[30.0, 49.0]] * 5)
    goals = starts + np.array([[20.0, 0], [30.0, 0], [60.0, 0], [120.0, 0], [30.0, 30.0]])
    problems, rng = np.stack((starts, goals), 1), np.random.default_rng(0)
    worlds = [two_room.Sketch() for _ in problems]
    together = two_room.drive(Rightwards(), worlds, problems, 20, rng)
    assert together.reached.tolist() == [True, True, True, False, False]
    alone = [two_room.drive(Rightwards(), worlds, problem[None], 20, rng) for problem in problems]
    assert [bool(one.reached[0]) for one in alone] == together.reached.tolist()
    missed = np.flatnonzero(~together.reached)
    assert np.allclose([alone[n].ends[0] for n in missed], together.ends[missed])
