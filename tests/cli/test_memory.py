"""How much memory a whole command takes on a dataset that is larger than what may be in memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from e2c_control.data import DatasetCard, TransitionsWriter

MEASURED = """
import resource, sys
from e2c_control.cli import main
code = main(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def sparse(path: Path, n_frames: int, side: int) -> Path:
    """A dataset of holes: it costs no disk, and what is read of it is as resident as any other file's pages."""
    shape = (side, side, 1)
    with TransitionsWriter.create(path, DatasetCard("Holes-v0", {}, shape, 2, 2)) as writer:
        writer.append(np.zeros((1, 2, *shape), np.uint8), np.zeros((1, 2, 2), np.float32), np.zeros((1, 2, 2)))
    for name, row, dtype in (("frames", shape, np.uint8), ("actions", (2,), np.float32), ("states", (2,), np.float64)):
        np.lib.format.open_memmap(path / f"{name}.npy", "w+", dtype, (n_frames, *row))
    np.save(path / "episodes.npy", np.arange(0, n_frames + 1, 13))
    return path


def peak_bytes(*arguments: object) -> int:
    """Of a command in a process of its own, from its first import to its last line."""
    command = [sys.executable, "-P", "-c", MEASURED, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.rsplit("peak ", 1)[1]) * 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in other units")
@pytest.mark.parametrize(("gigabytes", "side"), [(0.5, 40), (0.55, 40), (4.3, 40), (4.3, 16)])
def test_training_stays_under_a_gigabyte(tmp_path: Path, gigabytes: float, side: int) -> None:
    data = sparse(tmp_path / "d", int(gigabytes * 1e9 / side**2) // 13 * 13, side)
    assert peak_bytes("train", "--dataset", data, "--runs", tmp_path, "--steps-scale", 0.01) < 1e9
