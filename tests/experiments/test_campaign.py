"""A draw of the campaign, another one every day."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "experiments").is_dir(), reason="the experiments are part of a checkout, not of the installed package"
)


@pytest.mark.slow
def test_a_draw_of_damaged_folders() -> None:
    seed = f"{datetime.now(UTC):%Y%m%d}"
    command = [sys.executable, "-m", "experiments.campaigns.damage", "--sample", seed]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    print(f"seed {seed}")  # shown where the test fails, to draw the same again
    assert done.returncode == 0, done.stdout + done.stderr
