"""Every experiment runs in its quick mode, and none of them writes a result then."""

import subprocess
import sys
from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SCRIPTS = sorted(path for path in EXPERIMENTS.glob("*.py") if not path.name.startswith("_"))
ARGUMENTS = {"control.py": ["planar"]}

pytestmark = pytest.mark.skipif(
    not SCRIPTS, reason="the experiments are part of a checkout, not of the installed package"
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_quick_mode_runs_and_writes_nothing(script: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (EXPERIMENTS / "results").glob("*")}
    command = [sys.executable, str(script), *ARGUMENTS.get(script.name, []), "--quick"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert not list(tmp_path.iterdir())
    assert before == {path: path.stat().st_mtime_ns for path in (EXPERIMENTS / "results").glob("*")}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_docstring_says_how_to_run_it(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert f"python experiments/{script.name}" in text
    assert "--quick" in text
