"""One process at a time in a run folder, and no lock that outlives its process."""

import subprocess
import sys
from pathlib import Path

import pytest

from e2c_control.errors import InputError
from e2c_control.runs.lock import locked


def test_a_second_one_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(InputError, match="in use by another process"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    script = f"""
import time
from pathlib import Path
from e2c_control.runs.lock import locked
with locked(Path({str(tmp_path)!r})):
    print("locked", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(InputError, match="in use"), locked(tmp_path):
            pass
        process.kill()
        process.wait()
    with locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot write"), locked(tmp_path / "gone"):
        pass
