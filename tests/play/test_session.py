"""A session: what a person does comes out on the next frames, in worlds whose states are places and in others."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from e2c_control.agents import E2CAgent, PlanningOptions
from e2c_control.data import make_image_env
from e2c_control.envs import Task, make_task
from e2c_control.envs.viewer import MARGIN
from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding, EmbeddingConfig
from e2c_control.play import Click, GymWorld, Known, Press, Session, Steer, TaskWorld
from e2c_control.play.atlas import SIDE
from e2c_control.play.page import HEAD, MAP_LEFT, WIDTH, WORLD_LEFT, place

TINY = EmbeddingConfig(encoder_hidden=(4,), decoder_hidden=(4,), transition_hidden=(4,))


def task_world(task: Task, count: int = 30) -> TaskWorld:
    states = task.system.sample_states(count, np.random.default_rng(0))
    return TaskWorld(task, Known.of_task(task, task.observe_at_rest(states), states), seed=0)


def unlearned(shape: tuple[int, int, int], actions: int) -> E2CAgent:
    return E2CAgent.from_embedding(
        Embedding(TINY, shape, actions, torch.Generator().manual_seed(0)), PlanningOptions(iterations=0)
    )


@pytest.fixture
def session(located: Embedding, plane: Task) -> Session:
    return Session(E2CAgent.from_embedding(located, PlanningOptions()), task_world(plane))


def test_an_episode_without_end_stays_among_its_walls() -> None:
    task = make_task("E2C/Rooms-v0")
    state = task.system.sample_states(1, np.random.default_rng(0))
    states = task.system.sample_alongside(np.repeat(state, 10, axis=0), np.random.default_rng(1))
    world = TaskWorld(task, Known.of_task(task, task.observe_at_rest(states), states), seed=0)
    assert world.known.meaning == "place"
    for _ in range(3):
        np.testing.assert_array_equal(world.state[2:], states[0, 2:])
        row, column = (MARGIN + (1 - 2 * MARGIN) * value / 40 for value in states[3, :2])
        np.testing.assert_allclose(world.goal_at(column, row).state, states[3])
        world.step(world.steered(1, 1))
        assert world.picture().any()
        world.reset()
    with pytest.raises(InputError, match="different worlds"):
        world.goal_of(task.goals[1])


def click_on_place(row: float, column: float) -> Click:
    """Where the agent's picture shows a place of the planar world."""
    right, down = (SIDE * (MARGIN + (1 - 2 * MARGIN) * value / 40) for value in (column, row))
    return Click(WORLD_LEFT + right, HEAD + down)


def test_the_agent_drives_to_a_clicked_place(session: Session) -> None:
    session.handle(click_on_place(30, 12))
    assert session.world.goal.state == pytest.approx([30, 12])
    for _ in range(15):
        session.advance()
    assert session.world.in_goal
    assert "in the goal" in session._numbers()


def test_a_click_on_the_map_takes_the_nearest_known_frame(session: Session, located: Embedding) -> None:
    known = session.world.known
    for index in (3, 17):
        x, y = session.atlas.pixels(known.states[index] / 10)  # the map is of places in units of 10 pixels
        session.handle(Click(MAP_LEFT + x + 0.4, HEAD + y - 0.4))
        assert np.linalg.norm(session.world.goal.state - known.states[index]) < 0.8, "frames show whole pixels"
        np.testing.assert_array_equal(session.world.goal.observation, known.at_rest[index])


def test_arrow_keys_drive_until_the_agent_is_let(session: Session) -> None:
    session.handle(click_on_place(20, 20))
    for right, down, moved in ((1, 0, (0, 3)), (0, 1, (3, 0)), (-1, -1, (-3, -3)), (0, 0, (0, 0))):
        before = session.world.state
        session.handle(Steer(right, down))
        session.advance()
        np.testing.assert_allclose(session.world.state - before, moved, atol=1e-6)
    assert session.driver == "person"
    session.handle(Press("agent"))
    distances = [np.linalg.norm(session.world.state - 20)]
    for _ in range(4):
        session.advance()
        distances.append(np.linalg.norm(session.world.state - 20))
    assert all(after < before for before, after in pairwise(distances))


def test_the_plan_is_drawn_whoever_drives(session: Session) -> None:
    session.handle(click_on_place(35, 35))
    planned = session._planned
    assert np.linalg.norm(planned[-1] - session._goal_latent) < np.linalg.norm(planned[0] - session._goal_latent)
    session.handle(Steer(-1, 0))
    session.advance()
    now = session._trail[-1]
    np.testing.assert_allclose(session._planned[0], now)
    assert session._planned[1, 1] > now[1], "the agent would drive to the right"


def test_what_cannot_be_done_is_a_note_and_changes_nothing() -> None:
    session = Session(unlearned((40, 40, 1), 2), task_world(make_task("E2C/Planar-v0")))
    goal = session.world.goal
    session.handle(click_on_place(20.5, 5.5))  # an obstacle
    assert "click on a free place" in session.note
    assert session.world.goal is goal
    noted = session.frame()
    session.handle(Click(WIDTH - 1, 1))  # beside everything
    assert session.note == ""
    assert not np.array_equal(session.frame(), noted)


def test_pause_new_goals_reset_and_the_end(session: Session, plane: Task) -> None:
    session.handle(Press("pause"))
    still = session.frame()
    session.advance()
    np.testing.assert_array_equal(session.frame(), still)
    session.handle(Press("pause"))
    session.advance()
    assert not np.array_equal(session.frame(), still)
    goals = set[tuple[float, ...]]()
    for _ in range(5):
        session.handle(Press("goal"))
        goals.add(tuple(session.world.goal.state))
    assert len(goals) > 2
    session.handle(Press("reset"))
    assert (session.world.state <= plane.start_high).all()
    assert tuple(session.world.goal.state) in goals
    session.handle(Press("quit"))
    assert session.finished


def test_given_goals_come_first(located: Embedding, plane: Task) -> None:
    world = task_world(plane)
    session = Session(
        E2CAgent.from_embedding(located), world, [world.goal_of(state) for state in ((30.0, 8.0), (9.0, 33.0))]
    )
    assert world.goal.state.tolist() == [30, 8]
    session.handle(Press("goal"))
    assert world.goal.state.tolist() == [9, 33]


def test_the_same_events_give_the_same_frames(located: Embedding, plane: Task) -> None:
    def played() -> list[np.ndarray]:
        noisy = replace(plane, system=replace(plane.system, noise=1.0))
        session = Session(E2CAgent.from_embedding(located), task_world(noisy), seed=4)
        frames = []
        for event in (Press("goal"), Steer(1, 0), Press("agent"), Press("goal")):
            session.handle(event)
            session.advance()
            frames.append(session.frame())
        return frames

    np.testing.assert_array_equal(played(), played())


def test_a_world_whose_states_are_no_places() -> None:
    task = make_task("E2C/PendulumBalance-v0")
    session = Session(unlearned((48, 48, 2), 1), task_world(task))
    session.handle(click_on_place(20, 20))
    assert "click on the latent map" in session.note
    session.handle(Click(MAP_LEFT + 200, HEAD + 200))
    frames = session.world.goal.observation
    np.testing.assert_array_equal(frames[..., 0], frames[..., 1])
    session.handle(Steer(1, 0))
    session.advance()
    assert session.world._control == pytest.approx(task.system.control_limit)


def test_two_keys_cannot_say_three_things() -> None:
    task = make_task("E2C/ThreeLink-v0")
    session = Session(unlearned(task.observation_shape, 3), task_world(task, 5))
    session.handle(Steer(1, 0))
    assert "let the agent drive" in session.note
    assert session.driver == "agent"


def test_an_environment_of_others() -> None:
    env = make_image_env("Pendulum-v1", 2, image_size=32)
    known = Known.by_wandering(env, 1, 20, seed=0)
    assert known.meaning == "reward"
    assert len(np.unique(known.colours, axis=0)) > 10
    session = Session(unlearned((32, 32, 2), 1), GymWorld("Pendulum-v1", env, known, seed=0))
    session.handle(Steer(1, 0))
    for _ in range(200):  # after which it is truncated
        session.world.step(np.ones(1, np.float32))
    session.advance()
    frame = session.frame()
    assert (frame.dtype, frame.shape[1]) == (np.uint8, WIDTH)
    session.handle(click_on_place(20, 20))
    assert "click on the latent map" in session.note
    env.close()


@pytest.mark.parametrize(("panel", "left"), [("world", WORLD_LEFT), ("map", MAP_LEFT)])
def test_places_of_a_frame(panel: str, left: float) -> None:
    assert place(left + SIDE / 4, HEAD + SIDE / 2) == (panel, 0.25, 0.5)
    assert place(left - 1, HEAD + 5) is None
    assert place(left, HEAD + SIDE) is None
