"""Learning by stable-baselines3's contract, from environments given in every way, with its own callbacks."""

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree, rmtree

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CheckpointCallback,
    EvalCallback,
    EveryNTimesteps,
    StopTrainingOnMaxEpisodes,
)
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import DummyVecEnv

from e2c_control.agents import E2CAgent
from e2c_control.data import Transitions, make_image_env, make_vector_env
from e2c_control.envs import make_task
from e2c_control.errors import InputError
from e2c_control.measures import encode_means
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.logger import read_metrics

Quick = Callable[..., E2CAgent]


class Dot(gym.Env[np.ndarray, np.ndarray]):
    """An environment of a user's own that nobody registered: a dot on 8 x 8 pixels."""

    action_space = spaces.Box(-1, 1, (2,), np.float32)
    observation_space = spaces.Box(0, 255, (8, 8, 1), np.uint8)
    metadata = {"render_modes": []}  # noqa: RUF012
    closed = False

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.place = self.np_random.uniform(0, 7, 2)
        return self.picture(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.place = np.clip(self.place + action, 0, 7)
        return self.picture(), 0.0, False, False, {}

    def picture(self) -> np.ndarray:
        frame = np.zeros((8, 8, 1), np.uint8)
        frame[tuple(np.rint(self.place).astype(int))] = 255
        return frame

    def close(self) -> None:
        self.closed = True


WORLDS: dict[str, tuple[Callable[[], object], tuple[int, int, int]]] = {
    "id": (lambda: "E2C/Planar-v0", (40, 40, 1)),
    "native environment": (lambda: gym.make("E2C/PendulumBalance-v0"), (48, 48, 2)),
    "native vector": (lambda: make_vector_env("E2C/Planar-v0", 4), (40, 40, 1)),
    "rendered environment": (lambda: make_image_env("Pendulum-v1", 2, image_size=16), (16, 16, 2)),
    "own environment": (Dot, (8, 8, 1)),
    "stable-baselines3 vector": (lambda: DummyVecEnv([Dot, Dot]), (8, 8, 1)),
}


@pytest.mark.parametrize("name", WORLDS)
def test_worlds(name: str, quick: Quick) -> None:
    make, shape = WORLDS[name]
    agent = quick(make()).learn(60)
    assert agent.embedding.observation_shape == shape
    assert agent.num_timesteps >= 60
    observation = np.zeros(shape, np.uint8)
    agent.set_goal(observation)
    assert agent.predict(observation)[0].shape == (agent.embedding.action_dim,)


def test_a_users_environment_stays_open(quick: Quick) -> None:
    env = Dot()
    agent = quick(env).learn(30)
    del agent
    assert not env.closed
    env.step(np.zeros(2, np.float32))


def test_what_is_no_world(quick: Quick) -> None:
    with pytest.raises(InputError, match=r"instead of actions in \[-1, 1\]: make it with"):
        quick(gym.make("Pendulum-v1"))
    with pytest.raises(InputError, match="Unknown environment"):
        quick("Nowhere-v0")
    with pytest.raises(InputError, match="Cannot collect from a int"):
        quick(3)
    with pytest.raises(InputError, match="There is no recipe"):
        quick("E2C/Planar-v0", recipe="magic")
    with pytest.raises(InputError, match="total_timesteps is 0: give a whole number of 1 or more"):
        quick("E2C/Planar-v0").learn(0)


def test_an_agent_without_environment_cannot_learn(saved: Path) -> None:
    with pytest.raises(InputError, match=r"make it with E2CAgent\(env\)"):
        E2CAgent.load(saved).learn(10)


def test_options_come_from_the_task(quick: Quick) -> None:
    task = make_task("E2C/PendulumSwingUp-v0")
    agent = quick("E2C/PendulumSwingUp-v0")
    assert (agent.options.horizon, agent.options.state_weight) == (task.planning_horizon, task.q)
    assert (agent.embedding.config.latent_dim, agent.embedding.config.pool) == (3, 2)


@pytest.mark.parametrize(("make", "length"), [(lambda: "E2C/Planar-v0", 12), (Dot, 40)])
def test_episodes_are_longer_where_each_begins_at_a_reset(
    make: Callable[[], object], length: int, quick: Quick, tmp_path: Path
) -> None:
    quick(make(), episode_length=None, folder=tmp_path).learn(100)
    episodes = Transitions.open(tmp_path / "dataset").episodes
    assert np.diff(episodes).max() == length + 1  # frames


def test_seeds_and_second_calls(quick: Quick) -> None:
    def weights(agent: E2CAgent) -> bytes:
        return b"".join(tensor.numpy().tobytes() for tensor in agent.embedding.state_dict().values())

    first, second, third = (quick("E2C/Planar-v0", seed=seed).learn(60) for seed in (1, 1, 2))
    assert weights(first) == weights(second)
    assert weights(first) != weights(third)
    before = weights(first)
    first.learn(60, reset_num_timesteps=False)
    assert first.num_timesteps == 2 * second.num_timesteps
    assert weights(first) != before


def test_every_call_collects_other_data(quick: Quick, tmp_path: Path) -> None:
    """Whether steps are counted on or anew, and whether or not the agent was saved in between; no two seeds meet."""

    def parts(path: Path) -> list[bytes]:
        """The actions of every sixty transitions, six episodes of ten."""
        actions = Transitions.open(path).actions
        return [actions[i : i + 66].tobytes() for i in range(0, len(actions), 66)]

    folder = tmp_path / "a"
    agent = quick("E2C/Planar-v0", folder=folder).learn(60)
    agent.save(tmp_path / "saved")
    copytree(folder, tmp_path / "copy")
    agent.learn(60).learn(60, reset_num_timesteps=False)
    seen = parts(folder / "dataset")
    assert len(seen) == len(set(seen)) == 3
    rmtree(folder)
    copytree(tmp_path / "copy", folder)
    E2CAgent.load(tmp_path / "saved", "E2C/Planar-v0").learn(60)
    assert parts(folder / "dataset") == seen[:2]
    quick("E2C/Planar-v0", folder=tmp_path / "b", seed=60).learn(60)
    assert parts(tmp_path / "b" / "dataset")[0] not in seen


def test_a_kept_folder_is_a_run_like_any_other(quick: Quick, tmp_path: Path) -> None:
    quick("E2C/Planar-v0", folder=tmp_path).learn(60)
    assert (tmp_path / "dataset" / "frames.npy").is_file()
    run = next((tmp_path / "runs" / "Planar-v0").iterdir())
    assert read_metrics(run / "metrics.jsonl")


class Recorder(BaseCallback):
    """Writes down all that a callback can see."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []
        self.steps: list[int] = []

    def _on_training_start(self) -> None:
        self.events.append("training start")
        assert self.training_env.num_envs == 1
        assert self.locals["total_timesteps"] == 60

    def _on_rollout_start(self) -> None:
        self.events.append("rollout start")

    def _on_step(self) -> bool:
        self.steps.append(self.num_timesteps)
        assert len(self.locals["dones"]) == len(self.locals["rewards"])
        return True

    def _on_rollout_end(self) -> None:
        self.events.append("rollout end")

    def _on_training_end(self) -> None:
        self.events.append("training end")
        assert self.logger.name_to_value == {}, "dumped"


def test_callbacks_see_every_step(quick: Quick) -> None:
    recorder, called = Recorder(), []
    quick("E2C/Planar-v0").learn(60, callback=[recorder, EveryNTimesteps(20, Recorder())])
    assert recorder.events == ["training start", "rollout start", "rollout end", "training end"]
    assert recorder.steps == list(range(6, 61, 6)), "six environments at once, ten steps each"
    quick("E2C/Planar-v0").learn(60, callback=lambda local, others: called.append(local["dones"]) or True)
    assert len(called) == 10


def test_a_callback_stops_learning(agent: E2CAgent) -> None:
    before = agent.embedding
    agent.learn(100, callback=lambda local, others: False)
    assert agent.embedding is before
    assert agent.num_timesteps == 10


def test_callbacks_that_ship_with_stable_baselines3(quick: Quick, tmp_path: Path) -> None:
    checkpoints = CheckpointCallback(2, str(tmp_path / "kept"), save_vecnormalize=True)
    agent = quick("E2C/Planar-v0")
    env = DummyVecEnv([lambda: gym.make("E2C/Planar-v0", goal=0, horizon=3)])
    agent.follow_goals(env)
    evaluations = EvalCallback(env, n_eval_episodes=1, eval_freq=3, verbose=0, warn=False)
    agent.learn(60, callback=[checkpoints, evaluations, StopTrainingOnMaxEpisodes(1000)])
    kept = sorted((tmp_path / "kept").iterdir())
    assert len(kept) == 5
    assert E2CAgent.load(kept[0]).num_timesteps == 12
    assert np.isfinite(evaluations.last_mean_reward)


def test_the_logger_gets_the_quality_of_the_map(quick: Quick, tmp_path: Path) -> None:
    agent = quick("E2C/Planar-v0")
    agent.set_logger(configure(str(tmp_path), ["json"]))
    agent.learn(60)
    agent.logger.close()
    logged = json.loads((tmp_path / "progress.json").read_text())
    assert {"map/step_rank", "map/neighbour_overlap"} <= logged.keys()


def test_who_looks_on_is_told_how_good_the_map_is(quick: Quick, capfd: pytest.CaptureFixture[str]) -> None:
    agent = quick("E2C/Planar-v0")
    agent.learn(60)
    assert "The map looks" not in capfd.readouterr().err
    agent.learn(60, progress_bar=True)
    assert "The map looks" in capfd.readouterr().err


def test_a_goal_outlives_learning(agent: E2CAgent) -> None:
    goal = np.zeros((40, 40, 1), np.uint8)
    agent.set_goal(goal)
    agent.predict(goal)
    agent.learn(60)
    _, state = agent.predict(goal)
    assert state.plan.states[0, 0] == pytest.approx(encode_means(agent.embedding, goal[None])[0]), (
        "planned in the new embedding"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"seed": -1}, "seed is -1: give a whole number from 0 to"),
        ({"episode_length": 0}, "episode_length is 0: give a whole number of 1 or more"),
        ({"steps_scale": 0.0}, "steps_scale is 0.0: give a number above 0"),
        ({"steps_scale": float("inf")}, "steps_scale is inf"),
        ({"device": "tpu"}, "device is 'tpu': give"),
    ],
)
def test_options_of_create(quick: Quick, options: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        quick("E2C/Planar-v0", **options)


def test_parts_of_a_timestep(quick: Quick) -> None:
    with pytest.raises(InputError, match=r"total_timesteps is 1\.5"):
        quick("E2C/Planar-v0").learn(1.5)  # type: ignore[arg-type]


def test_a_kept_folder_keeps_every_call(quick: Quick, tmp_path: Path) -> None:
    agent = quick("E2C/Planar-v0", folder=tmp_path).learn(60)
    agent.learn(60)
    assert {path.name for path in tmp_path.iterdir()} == {"dataset", "runs"}
    assert Transitions.open(tmp_path / "dataset").n_transitions == 120, "all that was seen so far"
    assert len(list((tmp_path / "runs" / "Planar-v0").iterdir())) == 2


def test_a_run_of_the_command_line_is_an_agent(quick: Quick, tmp_path: Path) -> None:
    quick("E2C/Planar-v0", folder=tmp_path).learn(60).save(tmp_path / "agent")
    run = next((tmp_path / "runs" / "Planar-v0").iterdir())
    agent = E2CAgent.load(run, env="E2C/Planar-v0")
    assert agent.options.horizon == make_task("E2C/Planar-v0").planning_horizon
    known = E2CAgent.load(tmp_path / "agent").embedding.state_dict()
    assert all(torch.equal(tensor, known[name]) for name, tensor in agent.embedding.state_dict().items())
    assert agent.learn(60).num_timesteps == 60
    with pytest.raises(InputError, match="no environment to learn in"):
        E2CAgent.load(run).learn(60)
    with pytest.raises(InputError, match="was trained on observations"):
        E2CAgent.load(run, env="E2C/PendulumPump-v0")
    with pytest.raises(InputError, match=r"saved E2CAgent, not a run: open it in Python, E2CAgent\.load"):
        RunFolder.open(tmp_path / "agent")


def test_what_is_no_environment_to_follow(agent: E2CAgent) -> None:
    for given in ("E2C/Planar-v0", None):
        with pytest.raises(InputError, match="follow_goals got a"):
            agent.follow_goals(given)  # type: ignore[arg-type]


def test_an_embedding_is_no_environment(agent: E2CAgent) -> None:
    with pytest.raises(InputError, match=r"E2CAgent\.from_embedding takes an embedding"):
        E2CAgent(agent.embedding)  # type: ignore[arg-type]


def test_curves_are_those_of_stable_baselines3(quick: Quick, tmp_path: Path) -> None:
    agent = quick("E2C/Planar-v0", tensorboard_log=tmp_path / "curves").learn(60, tb_log_name="first")
    assert list((tmp_path / "curves" / "first_1").iterdir())
    agent.save(tmp_path / "agent")
    again = E2CAgent.load(tmp_path / "agent", "E2C/Planar-v0").learn(60, tb_log_name="second")
    assert list((tmp_path / "curves" / "second_1").iterdir())
    again.set_random_seed(5)
    assert again.seed == 5
