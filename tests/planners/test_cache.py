"""Compiled without a place to keep machine code: a read-only installation, no home folder, a full disk."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import e2c_control
import e2c_control.planners

DECORATED = "from e2c_control.planners import kernels, quadratic_search, rollouts; print(kernels.__file__)"
PLANNED = """
import numpy as np
from e2c_control.planners import ILQR, FunctionDynamics, Limits, LinearDynamics, Lowered, QuadraticCost

def kernel(parameters, sizes, states, controls, after):
    for b in range(len(states)):
        after[b, 0] = states[b, 0] + controls[b, 0]

model = FunctionDynamics(lambda z, u: z + u, 1, 1, lowered=Lowered(kernel, np.zeros(0), np.zeros(0, np.int64)))
plan = ILQR()(model, QuadraticCost([1.0], [[1.0]], [[0.1]]), [[0.0]], 3, Limits.symmetric(1.0, 1))
print(plan.reasons[0].name)
"""


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """A copy of the package that nobody can write to, the administrator included: a file stands where caches would."""
    package = tmp_path / "site" / "e2c_control"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(e2c_control.__file__).parent, package, ignore=ignored)
    shutil.copytree(
        Path(e2c_control.planners.__file__).parent, package / "planners", ignore=ignored, dirs_exist_ok=True
    )
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").touch()
    for path in [*package.rglob("*"), package]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield package.parent
    for path in [package, *package.rglob("*")]:
        path.chmod(0o755)


def run(program: str, where: Path, **environment: str) -> str:
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "IPYTHONDIR"), os.devnull)
    settings = os.environ | nowhere | {"PYTHONPATH": str(where), "PYTHONDONTWRITEBYTECODE": "1"} | environment
    command = [sys.executable, "-W", "error", "-c", program]
    answer = subprocess.run(command, cwd=where, env=settings, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


@pytest.mark.parametrize("folder", ["", "/dev/null/cache"], ids=["no cache folder", "one that cannot be"])
def test_kernels_are_compiled_where_nothing_can_be_written(installation, folder):
    assert Path(run(DECORATED, installation, NUMBA_CACHE_DIR=folder)).is_relative_to(installation)


@pytest.mark.slow
def test_a_plan_is_made_where_nothing_can_be_written(installation):
    assert run(PLANNED, installation) == "CONVERGED"


FULL = "import numba.core.caching as c\ndef full(*given): raise OSError(28, 'No space left on device')\n"


@pytest.mark.slow
def test_a_plan_is_made_where_the_disk_is_full(installation, tmp_path):
    fill = FULL + "c.IndexDataCacheFile._open_for_write = full\nc.IndexDataCacheFile.save = full\n"
    assert run(fill + PLANNED, installation, NUMBA_CACHE_DIR=str(tmp_path / "cache")) == "CONVERGED"
