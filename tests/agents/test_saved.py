"""Saved agents load elsewhere, and nothing in them is ever unpickled."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from e2c_control.agents import E2CAgent
from e2c_control.errors import InputError

ELSEWHERE = """
import pickle, sys
import numpy as np, torch

from e2c_control.agents import E2CAgent

def refuse(*args, **kwargs):
    raise AssertionError("unpickled")

kept = pickle.load, pickle.loads, pickle.Unpickler
pickle.load = pickle.loads = pickle.Unpickler = torch.load = refuse
agent = E2CAgent.load(sys.argv[1])
pickle.load, pickle.loads, pickle.Unpickler = kept  # numba keeps what it compiled in pickles of its own
action, _ = agent.predict(np.load(sys.argv[2], allow_pickle=False))
print(action.tolist())
"""


def test_a_fresh_process_acts_the_same(agent: E2CAgent, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    observations, goals = (rng.integers(0, 256, (3, 40, 40, 1)).astype(np.uint8) for _ in range(2))
    agent.set_goal(goals)
    agent.save(tmp_path / "agent")
    np.save(tmp_path / "observations.npy", observations)
    command = [sys.executable, "-P", "-c", ELSEWHERE, str(tmp_path / "agent"), str(tmp_path / "observations.npy")]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=True)
    assert json.loads(done.stdout) == agent.predict(observations)[0].tolist()


def test_what_is_saved_comes_back(agent: E2CAgent, tmp_path: Path) -> None:
    agent.save(tmp_path / "agent")
    again = E2CAgent.load(tmp_path / "agent", env="E2C/Planar-v0")
    assert again.options == agent.options
    assert (again.seed, again.num_timesteps) == (agent.seed, agent.num_timesteps)
    again.learn(60)
    suffixes = {path.suffix for path in (tmp_path / "agent").iterdir()}
    assert suffixes == {".json", ".safetensors"}


def test_an_environment_that_does_not_fit_is_refused(agent: E2CAgent, tmp_path: Path) -> None:
    agent.save(tmp_path / "agent")
    with pytest.raises(InputError, match="was trained on observations"):
        E2CAgent.load(tmp_path / "agent", env="E2C/PendulumSwingUp-v0")


def test_a_saved_agent_is_replaced_by_the_next(agent: E2CAgent, tmp_path: Path) -> None:
    agent.save(tmp_path / "agent")
    agent.num_timesteps = 7
    agent.save(tmp_path / "agent")
    assert E2CAgent.load(tmp_path / "agent").num_timesteps == 7


def test_damaged_and_foreign_folders(agent: E2CAgent, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a checkpoint"):
        E2CAgent.load(tmp_path)
    agent.save(tmp_path / "agent")
    weights, meta = tmp_path / "agent" / "embedding.safetensors", tmp_path / "agent" / "checkpoint.json"
    content, text = weights.read_bytes(), json.loads(meta.read_text())
    weights.write_bytes(content[:-10])
    with pytest.raises(InputError, match="truncated or damaged"):
        E2CAgent.load(tmp_path / "agent")
    weights.write_bytes(content)
    for change, sentence in (({"agent": "Other"}, "holds Other, no E2CAgent"), ({"options": {}}, "another version")):
        meta.write_text(json.dumps({**text, "meta": {**text["meta"], **change}}))
        with pytest.raises(InputError, match=sentence):
            E2CAgent.load(tmp_path / "agent")
