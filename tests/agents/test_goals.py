"""Goals: images in any layout of memory, those of episodes that follow one another, and what a saved agent knows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TransformObservation
from stable_baselines3.common.vec_env import DummyVecEnv

from e2c_control.agents import E2CAgent, PlanningOptions
from e2c_control.data import make_vector_env
from e2c_control.envs import make_task
from e2c_control.errors import InputError
from e2c_control.models.embedding import Embedding

HORIZON = 3


@pytest.fixture
def driver(located: Embedding) -> E2CAgent:
    return E2CAgent.from_embedding(located, PlanningOptions(horizon=3, iterations=1, episode_steps=HORIZON))


def images(count: int, seed: int = 0) -> np.ndarray:
    task = make_task("E2C/Planar-v0")
    return task.observe_at_rest(task.system.sample_states(count, np.random.default_rng(seed)))


def fixed(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "upside down": lambda image: image[::-1],
    "mirrored": lambda image: image[:, ::-1],
    "channels reversed": lambda image: image[..., ::-1],
    "transposed": lambda image: image.swapaxes(0, 1),
    "column-major": np.asfortranarray,
    "read-only": fixed,
    "broadcast": lambda image: np.broadcast_to(image, (2, *image.shape)),
}


@pytest.mark.parametrize("view", VIEWS)
def test_goals_and_observations_in_any_layout_of_memory(driver: E2CAgent, view: str) -> None:
    goal, observation = images(2)
    driver.set_goal(VIEWS[view](goal))
    seen, _ = driver.predict(VIEWS[view](observation))
    driver.set_goal(np.array(VIEWS[view](goal)))
    copied, _ = driver.predict(np.array(VIEWS[view](observation)))
    assert (seen == copied).all()


def planar() -> Any:
    return gym.make("E2C/Planar-v0", horizon=HORIZON)


VECTORS: dict[str, Callable[[], Any]] = {
    "of this project": lambda: make_vector_env("E2C/Planar-v0", 4, horizon=HORIZON),
    "of Gymnasium": lambda: SyncVectorEnv([planar] * 4),
    "of Gymnasium, reset at once": lambda: SyncVectorEnv([planar] * 4, autoreset_mode=AutoresetMode.SAME_STEP),
    "of stable-baselines3": lambda: DummyVecEnv([planar] * 4),
}


@pytest.mark.parametrize("name", VECTORS)
def test_the_goal_is_that_of_the_episode_shown(driver: E2CAgent, name: str) -> None:
    """Also where the loop takes `terminated | truncated` for the start of an episode, and the vector resets later."""
    env, task = VECTORS[name](), make_task("E2C/Planar-v0")
    observations: Any = env.reset() if isinstance(env, DummyVecEnv) else env.reset(seed=0)[0]
    driver.follow_goals(env)
    state, start, elapsed, ended = None, None, np.zeros(4, int), np.zeros(4, bool)
    seen = set[bytes]()
    for _ in range(5 * HORIZON):
        actions, state = driver.predict(observations, state, start)
        if isinstance(env, DummyVecEnv):
            goals = np.stack([one.unwrapped._episodes.goals[0] for one in env.envs])
        else:
            inner = [env.unwrapped] if hasattr(env.unwrapped, "task") else [one.unwrapped for one in env.envs]
            goals = np.concatenate([one._episodes.goals for one in inner])
        assert driver._goal_images is not None
        assert (driver._goal_images == task.observe_at_rest(goals)).all()
        assert state.steps.tolist() == elapsed.tolist(), "an episode is counted from its own first frame"
        seen.add(goals.tobytes())
        if isinstance(env, DummyVecEnv):
            observations, _, start, _ = env.step(actions)
            elapsed = np.where(start, 0, elapsed + 1)
        else:
            observations, _, terminated, truncated, _ = env.step(actions)
            start = terminated | truncated
            at_once = "at once" in name
            elapsed = np.where(start if at_once else ended, 0, elapsed + 1)
            ended = start
    assert len(seen) > 2


def test_vectors_that_count_no_steps(driver: E2CAgent) -> None:
    """Then an episode is a new one where its goal is."""

    class Mute(SyncVectorEnv):
        def get_attr(self, name: str) -> Any:
            if name == "elapsed_steps":
                raise AttributeError(name)
            return super().get_attr(name)

    env = Mute([planar] * 4)
    observations, _ = env.reset(seed=0)
    driver.follow_goals(env)
    state, start = None, None
    for _ in range(4 * HORIZON):
        actions, state = driver.predict(observations, state, start)
        goals = np.stack([np.asarray(one.get_wrapper_attr("goal_observation")) for one in env.envs])
        assert (driver._goal_images == goals).all()
        observations, _, terminated, truncated, _ = env.step(actions)
        start = terminated | truncated


def invert(env: Any) -> Any:
    return TransformObservation(env, lambda seen: 255 - seen, env.observation_space)


@pytest.mark.parametrize("several", [False, True])
def test_goals_go_through_the_wrappers_of_the_frames(driver: E2CAgent, several: bool) -> None:
    env = SyncVectorEnv([lambda: invert(planar())] * 2) if several else invert(planar())
    observation, _ = env.reset(seed=0)
    driver.follow_goals(env)
    driver.predict(observation)
    inner = env.envs if several else [env]  # type: ignore[attr-defined]
    goals = np.stack([one.unwrapped.goal_observation for one in inner])
    assert (driver._goal_images == 255 - goals).all()


def test_wrappers_that_hide_how_a_goal_would_look(driver: E2CAgent) -> None:
    class Cut(gym.Wrapper):
        observation_space = gym.spaces.Box(0, 255, (40, 40, 1), np.uint8)

    env = Cut(gym.make("E2C/PendulumBalance-v0"))
    env.reset(seed=0)
    with pytest.raises(InputError, match=r"Cut changes observations, .*: call set_goal"):
        driver.follow_goals(env)


def test_environments_without_goals(driver: E2CAgent) -> None:
    class Plain(gym.Env):
        observation_space = gym.spaces.Box(0, 255, (40, 40, 1), np.uint8)
        action_space = gym.spaces.Box(-1, 1, (2,), np.float32)

    for env in (Plain(), SyncVectorEnv([Plain]), DummyVecEnv([Plain])):
        with pytest.raises(InputError, match="has no goal_observation to follow: call set_goal"):
            driver.follow_goals(env)


def test_a_follower_that_was_saved_follows_nobody(driver: E2CAgent, agent: E2CAgent, tmp_path: Path) -> None:
    env = planar()
    observation, _ = env.reset(seed=0)
    agent.follow_goals(env)
    agent.predict(observation)
    agent.save(tmp_path / "agent")
    again = E2CAgent.load(tmp_path / "agent")
    for _ in range(2):
        with pytest.raises(InputError, match=r"followed the goals .* not saved with it: call follow_goals\(env\) or"):
            again.predict(observation)
        again.save(tmp_path / "again")
        again = E2CAgent.load(tmp_path / "again")
    again.follow_goals(env)
    assert (again.predict(observation)[0] == agent.predict(observation)[0]).all()
    again.set_goal(images(1)[0])
    again.save(tmp_path / "again")
    E2CAgent.load(tmp_path / "again").predict(observation)


@pytest.mark.parametrize("planner", ["ilqr", "cem", "mppi", "lqr"])
@pytest.mark.parametrize("episode_steps", [None, 5])
def test_no_plan_depends_on_the_environments_beside_it(
    located: Embedding, planner: str, episode_steps: int | None
) -> None:
    """They are at other steps of their episodes, and have other goals."""
    driver = E2CAgent.from_embedding(located, PlanningOptions(horizon=4, planner=planner, episode_steps=episode_steps))
    shown, goals = images(15).reshape(5, 3, 40, 40, 1), images(3, seed=1)
    starts = np.array([[False] * 3, [False, True, False], [False] * 3, [False, False, True], [True, False, False]])
    driver.set_goal(goals)
    state, together = None, []
    for seen, start in zip(shown, starts, strict=True):
        actions, state = driver.predict(seen, state, start)
        together.append(actions)
    for i in range(3):
        driver.set_goal(goals[i])
        state = None
        for step, (seen, start) in enumerate(zip(shown[:, i], starts[:, i], strict=True)):
            action, state = driver.predict(seen[None], state, start[None])
            assert action[0] == pytest.approx(together[step][i], abs=1e-6)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"iterations": 4.5}, "iterations is 4.5: give a whole number"),
        ({"iterations": -1}, "iterations is -1"),
        ({"horizon": 0}, "horizon is 0"),
        ({"horizon": "10"}, "horizon is '10'"),
        ({"starts": 0}, "starts is 0"),
        ({"planner": "cem", "samples": 1}, "samples is 1"),
        ({"state_weight": -1}, "state_weight is -1: give a number of 0 or more"),
        ({"state_weight": np.nan}, "state_weight is nan"),
        ({"state_weight": "1"}, "state_weight is '1'"),
        ({"action_weight": (1.0, -1.0)}, "action_weight is -1.0"),
        ({"action_weight": ()}, "action_weight is "),
        ({"action_weight": np.eye(2)}, "action_weight is "),
        ({"action_weight": (np.inf,)}, "action_weight is inf"),
        ({"disagreement": -0.5}, "disagreement is -0.5"),
        ({"episode_steps": 0}, "episode_steps is 0"),
        ({"linearization": "exact"}, "linearization is 'exact'"),
        ({"planner": "ilrq"}, "no planner 'ilrq'.*did you mean 'ilqr'"),
        ({"frame_filter": 0.5}, "frame_filter is 0.5"),
    ],
)
def test_planning_options_check_their_fields(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        PlanningOptions(**options)


def test_numbers_in_other_clothes(located: Embedding) -> None:
    options = PlanningOptions(
        horizon=np.int64(4),
        iterations=4.0,
        state_weight=np.float32(2),
        action_weight=np.array([1, 2]),  # type: ignore[arg-type]
    )
    assert options == PlanningOptions(horizon=4, iterations=4, state_weight=2.0, action_weight=(1.0, 2.0))
    assert PlanningOptions(action_weight=3) == PlanningOptions(action_weight=(3.0,))  # type: ignore[arg-type]
    agent = E2CAgent.from_embedding(located, PlanningOptions(action_weight=(1.0, 2.0, 3.0)))
    with pytest.raises(InputError, match="action_weight has 3 numbers and the embedding 2 actions"):
        agent.set_goal(images(1)[0])
