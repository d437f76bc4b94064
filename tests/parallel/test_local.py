"""Jobs in processes: real ones, that fail, die, or lose the process that asked."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from e2c_control.parallel.local import ATTEMPTS, run_in_processes
from e2c_control.parallel.outcome import Failed

WORK = """
import os, signal, time
from pathlib import Path
from e2c_control.errors import InputError

def square(number):
    return number * number

def careful(number):
    if number == 1:
        raise InputError("1 is too small: give more.")
    return {"zero": 1 / (number - 2)}

def dies_once(path):
    begun = Path(path)
    if not begun.exists():
        begun.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"

def dies(path):
    with open(path, "a") as log:
        log.write("x")
    os.kill(os.getpid(), signal.SIGKILL)

def rests(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """A module of its own, as processes import what they run."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "work_of_processes.py").write_text(WORK)
    sys.path.insert(0, str(folder))
    try:
        yield import_module("work_of_processes")
    finally:
        sys.path.remove(str(folder))


def until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody waited for yet is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_every_job_has_its_result(work: ModuleType) -> None:
    assert sorted(run_in_processes(work.square, [3, 1, 2], 2)) == [(1, 1), (2, 4), (3, 9)]
    assert list(run_in_processes(work.square, [], 2)) == []


def test_a_job_that_fails_takes_no_other_with_it(work: ModuleType) -> None:
    found = dict(run_in_processes(work.careful, [1, 2, 3], 2))
    assert found[1] == Failed("1 is too small: give more.")
    assert isinstance(found[2], Failed)
    assert "ZeroDivisionError" in found[2].reason
    assert found[3] == {"zero": 1.0}


def test_a_process_that_is_killed_has_its_job_run_again(work: ModuleType, tmp_path: Path) -> None:
    assert [done for _, done in run_in_processes(work.dies_once, [str(tmp_path / "a")], 1)] == ["done"]


def test_a_job_that_always_kills_its_process_is_reported(work: ModuleType, tmp_path: Path) -> None:
    ((_, found),) = run_in_processes(work.dies, [str(tmp_path / "a")], 1)
    assert isinstance(found, Failed)
    assert "exit code -9" in found.reason
    assert (tmp_path / "a").read_text() == "x" * ATTEMPTS


def test_an_interrupt_ends_what_is_at_work(work: ModuleType, tmp_path: Path) -> None:
    begun = [tmp_path / "a", tmp_path / "b"]

    def interrupt() -> None:
        until(lambda: all(path.exists() and path.read_text() for path in begun))
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)  # as Ctrl-C, which a test runner may ignore
    try:
        threading.Thread(target=interrupt).start()
        with (
            pytest.raises(KeyboardInterrupt),
            closing(run_in_processes(work.rests, list(map(str, begun)), 2)) as results,
        ):
            next(results)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert all(gone(int(path.read_text())) for path in begun)


def test_processes_end_with_the_one_that_asked(work: ModuleType, tmp_path: Path) -> None:
    assert work.__file__ is not None
    script = (
        "import sys; from e2c_control.parallel.local import run_in_processes; import work_of_processes as work\n"
        "if __name__ == '__main__': list(run_in_processes(work.rests, [sys.argv[1]], 1))\n"
    )
    (tmp_path / "asks.py").write_text(script)
    paths = os.pathsep.join(filter(None, (str(Path(work.__file__).parent), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": paths}
    begun = tmp_path / "begun"
    asks = subprocess.Popen([sys.executable, str(tmp_path / "asks.py"), str(begun)], env=environment)
    until(lambda: begun.exists() and begun.read_text())
    asks.kill()
    asks.wait()
    until(lambda: gone(int(begun.read_text())))
