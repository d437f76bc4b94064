"""A draw of the campaigns that measure what a machine does to commands."""

import datetime
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / "experiments").is_dir(), reason="the experiments are part of a checkout"),
]


def draw(campaign: str, seed: int) -> None:
    command = [sys.executable, "-m", f"experiments.campaigns.{campaign}", "--sample", str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=290, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_killed_commands_end_as_if_they_never_had_been() -> None:
    seed = datetime.datetime.now(datetime.UTC).toordinal()
    print(f"seed {seed}")  # shown where it fails
    draw("kills", seed)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in other units")
def test_four_gigabytes_in_one() -> None:
    draw("memory", 0)
