"""Every kind of agent through one contract: learn, predict, save, load, and go on as if nothing had happened."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

from e2c_control.agents import LAX, E2CAgent, FreeEnergyAgent, PlanningOptions
from e2c_control.agents.curiosity import CuriosityOptions, PlannedCuriosity
from e2c_control.data import make_image_env
from e2c_control.errors import InputError

ENVIRONMENT = "E2C/Planar-v0"
STEPS = 64


def e2c(seed: int) -> Any:
    options = PlanningOptions(horizon=3, iterations=2, starts=1)
    return E2CAgent(ENVIRONMENT, steps_scale=0.003, episode_length=10, options=options, seed=seed)


def curious(seed: int) -> Any:
    options = CuriosityOptions(samples=20, horizon=4)
    return PlannedCuriosity(ENVIRONMENT, steps_scale=0.003, episode_length=16, options=options, seed=seed)


def free_energy(seed: int) -> Any:
    return FreeEnergyAgent(ENVIRONMENT, policy_options={"n_steps": 16}, n_envs=2, seed=seed, device="cpu")


def lax(seed: int) -> Any:
    return LAX("MlpPolicy", make_image_env(ENVIRONMENT), n_steps=16, seed=seed, device="cpu")


AGENTS: dict[str, tuple[Callable[[int], Any], Any]] = {
    "e2c": (e2c, ENVIRONMENT),
    "curious": (curious, ENVIRONMENT),
    "free energy": (free_energy, ENVIRONMENT),
    "lax": (lax, None),
}
each_agent = pytest.mark.parametrize("name", AGENTS)


def loaded(agent: Any, path: Path, name: str) -> Any:
    agent.save(path)
    world = AGENTS[name][1]
    return type(agent).load(path, env=make_image_env(ENVIRONMENT) if world is None else world, device="cpu")


def seen(count: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, 40, 40, 1)).astype(np.uint8)


def acts(agent: Any) -> list[Any]:
    """What it does about the same images, of several environments and of one, at first and later."""
    if isinstance(agent, E2CAgent):
        agent.set_goal(seen(3)[2])
    action, state = agent.predict(seen(2), deterministic=True)
    assert (action.shape, action.dtype) == ((2, 2), np.float32)
    assert np.abs(action).max() <= 1
    later, _ = agent.predict(seen(2), state, np.array([True, False]), deterministic=True)
    alone, _ = agent.predict(seen(1)[0], deterministic=True)
    assert alone.shape == (2,)
    return [action.tolist(), later.tolist(), alone.tolist()]


@each_agent
def test_contract(name: str, tmp_path: Path) -> None:
    make = AGENTS[name][0]
    agent, twin, other = make(0), make(0), make(1)
    for one in (agent, twin, other):
        assert one.learn(STEPS) is one
        assert one.num_timesteps >= STEPS
    known = acts(agent)
    assert known == acts(twin) != acts(other)
    again = loaded(agent, tmp_path / "agent", name)
    assert {path.suffix for path in (tmp_path / "agent").iterdir()} == {".json", ".safetensors"}
    assert acts(again) == known
    for one in (agent, again):
        one.learn(STEPS, reset_num_timesteps=False)
        assert one.num_timesteps == 2 * twin.num_timesteps
    assert acts(again) == acts(agent) != known, "it goes on as it would have"
    mean, _ = evaluate_policy(agent, Monitor(make_image_env(ENVIRONMENT)), n_eval_episodes=1)
    assert np.isfinite(mean)


@each_agent
def test_a_callback_sees_the_steps_and_may_stop_it(name: str) -> None:
    class Watch(BaseCallback):
        def _on_step(self) -> bool:
            return self.n_calls < 3

    agent, watch = AGENTS[name][0](0), Watch()
    agent.learn(STEPS, watch)
    assert watch.n_calls == 3
    assert watch.locals["dones"].shape == (agent.num_timesteps // 3,)
    acts(agent)


@each_agent
def test_what_is_no_agent(name: str, tmp_path: Path) -> None:
    kind = type(AGENTS[name][0](0))
    with pytest.raises(InputError, match="is not a checkpoint"):
        kind.load(tmp_path)
    make, _ = AGENTS["e2c" if name != "e2c" else "curious"]
    make(0).save(tmp_path / "agent")
    with pytest.raises(InputError, match=" no "):
        kind.load(tmp_path / "agent")
