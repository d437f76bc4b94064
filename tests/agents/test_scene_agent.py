"""Scene and mover told apart: closed forms, and an agent that learns from a sketch and drives where it never was."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

from e2c_control.agents import SceneAgent
from e2c_control.data import Transitions, TransitionsWriter
from e2c_control.data.card import DatasetCard
from e2c_control.errors import InputError
from e2c_control.models.scene import Scene, SceneConfig
from e2c_control.runs.stateful import State, save
from e2c_control.training.scene import SceneSigns, SceneTraining, learn_scene

SIZE, GAIN = 20, np.array([[1.5, 0.0, 0.0], [0.5, -2.0, 0.0]])
"""Three actions, the last of which does nothing."""
GOOD = SceneSigns(1.0, 0.1, 0.1, 0.1)


def shown(walls: np.ndarray, places: np.ndarray, mover: tuple[int, ...] = (255, 240, 60)) -> np.ndarray:
    """Draw blocks of 2 x 2 pixels, as covered, over (N, SIZE, SIZE) walls, in colours."""
    edges = np.arange(SIZE)
    cover = [np.clip(np.minimum(edges + 1, p[:, None] + 1) - np.maximum(edges, p[:, None] - 1), 0, 1) for p in places.T]
    share = (cover[0][:, :, None] * cover[1][:, None, :])[..., None]
    ground = walls[..., None] * np.array([40, 90, 130.0])
    return np.rint(ground + share * (np.array(mover) - ground)).astype(np.uint8)


def layouts(count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw walls (N, SIZE, SIZE) across the middle, with a gap of 6 pixels."""
    walls = np.zeros((count, SIZE, SIZE), np.bool_)
    for wall, row, gap in zip(walls, rng.integers(6, 13, count), rng.integers(0, SIZE - 6, count), strict=True):
        wall[row : row + 2] = True
        wall[row : row + 2, gap : gap + 6] = False
    return walls


def is_free(walls: np.ndarray, places: np.ndarray) -> np.ndarray:
    inside = ((places >= 1) & (places <= SIZE - 1)).all(1)
    corners = places[:, None] + 0.999 * np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    cells = np.clip(np.floor(corners).astype(int), 0, SIZE - 1)
    return inside & ~walls[np.arange(len(walls))[:, None], cells[..., 0], cells[..., 1]].any(1)


def moved(walls: np.ndarray, places: np.ndarray, actions: np.ndarray) -> np.ndarray:
    landings = places + actions @ GAIN.T
    return np.where(is_free(walls, landings)[:, None], landings, places)


def start(walls: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    places = np.zeros((len(walls), 2))
    while not (free := is_free(walls, places)).all():
        places[~free] = rng.uniform(1, SIZE - 1, ((~free).sum(), 2))
    return places


def record(path: Path, episodes: int = 120, *, still: bool = False, second: bool = False) -> Transitions:
    """Record 30 random steps in each of some layouts; of a mover that is not seen to move, or of two."""
    steps, rng = 30, np.random.default_rng(0)
    walls = layouts(episodes, rng)
    places, other = start(walls, rng), rng.uniform(1, SIZE - 1, (episodes, 2))
    frames, actions = list[np.ndarray](), list[np.ndarray]()
    for _ in range(steps + 1):
        seen = shown(walls, places) if not still else shown(walls, np.full_like(places, 3.0))
        if second:
            other = np.clip(other + rng.uniform(-2, 2, other.shape), 1, SIZE - 1)
            seen = np.maximum(seen, shown(np.zeros_like(walls), other))
        frames.append(seen)
        actions.append(rng.uniform(-1, 1, (episodes, 3)).astype(np.float32))
        places = moved(walls, places, actions[-1])
    actions[-1] = np.zeros_like(actions[-1])
    with TransitionsWriter.create(path, DatasetCard("sketch", {}, (SIZE, SIZE, 3), 3, None, seed=0)) as writer:
        writer.append(np.stack(frames, 1), np.stack(actions, 1))
    return Transitions.open(path)


def scene(reach: int = 3, shape: tuple[int, int, int] = (SIZE, SIZE, 3), contrast: float = 0.0) -> Scene:
    torch.manual_seed(0)
    return Scene(SceneConfig(shape, 2, reach, 3, contrast)).requires_grad_(False)


def test_a_place_is_the_centroid_of_the_difference() -> None:
    rng = np.random.default_rng(1)
    walls, places = layouts(8, rng), rng.uniform(2, SIZE - 2, (8, 2))
    blank = torch.from_numpy(shown(walls, np.full((8, 2), -9.0))).float() / 255
    seen = torch.from_numpy(shown(np.zeros_like(walls), places))
    assert scene().places(seen, torch.zeros_like(blank)).numpy() == pytest.approx(places, abs=0.02)
    assert scene().places((255 * blank).round().to(torch.uint8), blank).isnan().all()


def test_patches_are_interpolated_and_know_where_the_picture_ends() -> None:
    row, column = np.indices((SIZE, SIZE)) + 0.5
    ramp = torch.from_numpy(np.stack((row, column, 2 * row - column), 2)[None]).float()
    place = torch.tensor([[9.3, 12.85]])
    patch = scene().patches(ramp, place).reshape(7, 7, 4).numpy()
    rows, columns = np.meshgrid(9.3 + np.arange(-3, 4), 12.85 + np.arange(-3, 4), indexing="ij")
    assert patch == pytest.approx(np.stack((rows, columns, 2 * rows - columns, np.ones((7, 7))), 2), abs=1e-4)
    corner = scene().patches(ramp, torch.tensor([[0.5, 0.5]])).reshape(7, 7, 4)
    assert corner[:3].abs().max() == corner[:, :3].abs().max() == 0
    assert (corner[3:, 3:, 3] == 1).all()


def test_open_places_are_the_odds_of_all_pixels_at_once() -> None:
    model = scene()
    model.room[-1].bias.fill_(-2.0)  # about as many open as closed, with fresh weights
    backgrounds = torch.rand(2, SIZE, SIZE, 3, generator=torch.Generator().manual_seed(3))
    middles = torch.from_numpy(np.argwhere(np.ones((SIZE, SIZE)))).float() + 0.5
    odds = model.odds(model.patches(backgrounds, middles.expand(2, -1, 2)))
    is_open = model.open_places(backgrounds)
    assert torch.equal(is_open.flatten(1), odds > -2.0)
    assert 0 < is_open.float().mean() < 1


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> SceneAgent:
    data = record(tmp_path_factory.mktemp("scene") / "data")
    training = SceneTraining(background_steps=800, move_steps=900, room_steps=400, windows=24, batch=256)
    return SceneAgent.learnt(data, 0, training)


def drive(agent: SceneAgent, count: int = 12, steps: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances to goals across walls of a list never seen, and the steps' actions."""
    rng = np.random.default_rng(7)
    walls = layouts(count, rng)
    middle = walls.any(2).argmax(1) + 1
    places, goals = start(walls, rng), start(walls, rng)
    while (same := (places[:, 0] < middle) == (goals[:, 0] < middle)).any():
        goals[same] = start(walls[same], rng)
    agent.set_goal(shown(walls, goals))
    state, actions = None, list[np.ndarray]()
    for _ in range(steps):
        action, state = agent.predict(shown(walls, places), state)
        actions.append(action)
        places = moved(walls, places, action)
    return np.linalg.norm(places - goals, axis=1), np.stack(actions)


def test_it_drives_through_gaps_that_it_never_saw(agent: SceneAgent) -> None:
    assert agent.signs.mover_share > 0.99
    assert agent.signs.doubt is None
    assert agent.scene.gain.numpy() == pytest.approx(GAIN, abs=0.1)
    assert agent.scene.config.reach in (4, 5)  # 2.5 pixels a step, and a block of 2
    distance, _ = drive(agent)
    assert (distance < 1.5).mean() > 0.9


def test_saved_and_loaded_it_acts_alike(agent: SceneAgent, tmp_path: Path) -> None:
    agent.save(tmp_path / "agent")
    again = SceneAgent.load(tmp_path / "agent")
    assert (again.signs, again.scene.config) == (agent.signs, agent.scene.config)
    assert np.array_equal(drive(agent, 3, 8)[1], drive(again, 3, 8)[1])
    assert not list((tmp_path / "agent").rglob("*.pt"))
    save(tmp_path / "other", State({"a": {"b": torch.zeros(1)}}, {}), "Other")
    with pytest.raises(InputError, match="no SceneAgent"):
        SceneAgent.load(tmp_path / "other")


def test_episodes_do_not_depend_on_those_beside_them(agent: SceneAgent) -> None:
    """One that begins anew in the middle acts as one that begins alone."""
    rng = np.random.default_rng(9)
    walls = layouts(3, rng)
    places, goals = start(walls, rng), shown(walls, start(walls, rng))
    agent.set_goal(goals[[0, 1]])
    _, state = agent.predict(shown(walls, places)[[0, 1]])
    agent.set_goal(goals[[0, 2]])
    seen = shown(walls, places)
    both, after = agent.predict(seen[[0, 2]], state, np.array([False, True]))
    agent.set_goal(goals[2])
    alone, fresh = agent.predict(seen[2])
    assert np.array_equal(both[1], alone)
    assert after.ways.steps[1] == pytest.approx(fresh.ways.steps[0], abs=1e-3)


def test_signs_say_where_it_does_not_hold(tmp_path: Path) -> None:
    short = SceneTraining(background_steps=5, move_steps=5, room_steps=5, windows=4, batch=16)
    _, signs = learn_scene(record(tmp_path / "two", 60, second=True), 0, short)
    assert signs.mover_share < 0.9
    assert "several things move" in str(signs.doubt)
    assert "velocity" in str(SceneSigns(1.0, 0.6, 0.1, 0.1).doubt)
    assert "one picture" in str(SceneSigns(1.0, 0.1, 0.6, 0.1).doubt)
    assert GOOD.doubt is None


def test_what_cannot_be_learnt_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no mover"):
        learn_scene(record(tmp_path / "still", 20, still=True))
    data = record(tmp_path / "moves", 20)
    (tmp_path / "moves" / "actions.npy").unlink()
    actions = np.zeros_like(data.actions)
    np.save(tmp_path / "moves" / "actions.npy", actions)
    with pytest.raises(InputError, match="No action moves"):
        learn_scene(Transitions.open(tmp_path / "moves"))


def test_stable_baselines3_evaluates_it_and_it_says_what_it_lacks() -> None:
    agent = SceneAgent(scene(shape=(40, 40, 1)), GOOD)
    env = Monitor(gym.make("E2C/Rooms-v0", horizon=6))
    seen, _ = env.reset(seed=0)
    with pytest.raises(InputError, match="no goal"):
        agent.predict(seen)
    with pytest.raises(InputError, match="uint8 of shape"):
        agent.set_goal(seen[:20])
    agent.follow_goals(env)
    _, lengths = evaluate_policy(agent, env, n_eval_episodes=2, return_episode_rewards=True)  # type: ignore[arg-type]
    assert lengths == [6, 6]
