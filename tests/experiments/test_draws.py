"""A draw of the campaigns that measure what a machine does to commands."""

import datetime
import subprocess
import sys
from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not EXPERIMENTS.is_dir(), reason="the experiments are part of a checkout"),
]


def draw(script: str, *options: object) -> None:
    command = [sys.executable, str(EXPERIMENTS / script), "--draw", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=290, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_killed_commands_end_as_if_they_never_had_been() -> None:
    seed = datetime.datetime.now(datetime.UTC).toordinal()
    print(f"seed {seed}")  # shown where it fails
    draw("campaign_kills.py", seed)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in other units")
def test_four_gigabytes_in_one() -> None:
    draw("campaign_memory.py")
