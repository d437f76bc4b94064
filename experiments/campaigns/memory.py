"""Memory: what a whole command takes at its peak, from its first import to its last line, on large datasets.

Promised is less than a gigabyte whatever the size of the dataset. The files have holes, which cost no disk, and what is
read of them is as resident as of any other file.

    python -m experiments.campaigns.memory             # writes results/memory.json, case by case
    python -m experiments.campaigns.memory --sample 0  # 4.3 GB alone, writes nothing
    python -m experiments.campaigns.memory --quick     # 100 MB, writes nothing
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from e2c_control import TransitionsWriter
from e2c_control.data import DatasetCard
from experiments.runner import Experiment, Row

MOST = 1e9
CASES = ((0.26, 40), (0.3, 40), (4.3, 40), (4.3, 16))
"""Around the size up to which frames are kept in memory, and beyond it with many or with few frames."""

MEASURED = """
import resource, sys
from e2c_control.cli import main
code = main(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def holes(path: Path, n_frames: int, side: int) -> None:
    """Write a dataset whose arrays are zero."""
    shape = (side, side, 1)
    with TransitionsWriter.create(path, DatasetCard("Holes-v0", {}, shape, 2, 2)) as writer:
        writer.append(np.zeros((1, 2, *shape), np.uint8), np.zeros((1, 2, 2), np.float32), np.zeros((1, 2, 2)))
    for name, row, dtype in (("frames", shape, np.uint8), ("actions", (2,), np.float32), ("states", (2,), np.float64)):
        np.lib.format.open_memmap(path / f"{name}.npy", "w+", dtype, (n_frames, *row))
    np.save(path / "episodes.npy", np.arange(0, n_frames + 1, 13))


def measure(gigabytes: float, side: int) -> dict[str, Any]:
    """Train a little, with checkpoints, pictures and measures of the map."""
    with tempfile.TemporaryDirectory() as folder:
        holes(Path(folder) / "data", int(gigabytes * 1e9 / side**2) // 13 * 13, side)
        train = ["train", "--dataset", f"{folder}/data", "--runs", folder, "--steps-scale", "0.01"]
        done = subprocess.run([sys.executable, "-c", MEASURED, *train], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
    peak = int(done.stderr.rsplit("peak ", 1)[1]) * 1024
    return {"gigabytes": gigabytes, "side": side, "peak_megabytes": round(peak / 1e6), "kept": peak < MOST}


def told(row: Row) -> str:
    return f"{row['gigabytes']} GB of frames of {row['side']} x {row['side']}: {row['peak_megabytes']} MB at the peak"


EXPERIMENT = Experiment(
    __file__,
    {"gigabytes": (0.26, 0.3, 4.3), "side": (40, 16)},
    measure,
    told,
    [{"gigabytes": 0.1, "side": 40}],
    exists=lambda gigabytes, side: (gigabytes, side) in CASES,
    failed=lambda row: not row["kept"],
    sample=lambda seed: [{"gigabytes": 4.3, "side": 40}],
)

if __name__ == "__main__":
    EXPERIMENT.main()
