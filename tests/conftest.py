"""One thread for each process: the networks are small, and two workers share the machine."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def _own_key(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Runs are signed with a key of the tests, not of whoever runs them."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session", autouse=True)
def _logs_of_stable_baselines3(tmp_path_factory: pytest.TempPathFactory) -> None:
    """They would stay in the system's folder for temporary files, one for each `learn`."""
    os.environ["SB3_LOGDIR"] = str(tmp_path_factory.mktemp("sb3"))
