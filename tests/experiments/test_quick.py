"""Every experiment runs in its quick mode, and none of them writes a result then."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "experiments"
SCRIPTS = sorted(path for path in EXPERIMENTS.glob("*/*.py") if not path.name.startswith("_"))
ARGUMENTS = {"suites": ["planar"]}

pytestmark = pytest.mark.skipif(
    not SCRIPTS, reason="the experiments are part of a checkout, not of the installed package"
)


def module(script: Path) -> str:
    return ".".join(script.relative_to(ROOT).with_suffix("").parts)


def results() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in EXPERIMENTS.glob("*/results/*")}


@pytest.mark.parametrize("script", SCRIPTS, ids=module)
def test_quick_mode_runs_and_writes_nothing(script: Path, tmp_path: Path) -> None:
    before = results()
    command = [sys.executable, "-m", module(script), *ARGUMENTS.get(script.stem, []), "--quick"]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert not list(tmp_path.iterdir())
    assert before == results()


@pytest.mark.parametrize("script", SCRIPTS, ids=module)
def test_the_docstring_says_how_to_run_it(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert f"python -m {module(script)}" in text
    assert "--quick" in text


MEASURING = [script for script in SCRIPTS if script.stem != "report"]


@pytest.mark.parametrize("script", MEASURING, ids=module)
def test_it_goes_by_the_one_runner(script: Path) -> None:
    """Its options, its rows and what made each come from there."""
    text = script.read_text(encoding="utf-8")
    assert re.search(r"from experiments.runner import .*(Experiment|measure_whole)", text)
    assert re.search(r"\b(EXPERIMENT\.main|measure_whole)\(|\.run\(", text)
    assert "argparse" not in text
