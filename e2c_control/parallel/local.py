"""Processes of this machine: one for each job, so that one that dies takes nothing but its own job with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, TypeVar, cast

from e2c_control.errors import InputError
from e2c_control.parallel.outcome import Failed

Job = TypeVar("Job")
Done = TypeVar("Done")

ATTEMPTS = 2
"""Times that a job is begun whose process dies: what dies twice, of too little memory say, would die again."""


def run_in_processes(
    function: Callable[[Job], Done], jobs: Sequence[Job], count: int
) -> Generator[tuple[Job, Done | Failed]]:
    """Run a function for each job, `count` at a time, and give back each job with its result as soon as it is there.

    Ctrl-C, or closing the generator, ends the processes that are at work; so does the end of this process, however it
    ends. Each process has one thread for NumPy.

    Args:
        function: of a module, since each process imports it.
        jobs: plain data.
        count: processes at the same time.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    waiting = deque((job, 1) for job in jobs)
    working: dict[Connection, _Worker[Job]] = {}
    try:
        while waiting or working:
            while waiting and len(working) < count:
                worker = _begin(function, *waiting.popleft())
                working[worker.connection] = worker
            for ready in cast(list[Connection], wait(list(working))):
                worker = working.pop(ready)
                outcome = _outcome(worker)
                if outcome is None:
                    waiting.append((worker.job, worker.attempt + 1))
                else:
                    yield worker.job, outcome
    finally:
        for worker in working.values():
            worker.process.terminate()
            worker.process.join()


@dataclass(frozen=True, eq=False)
class _Worker(Generic[Job]):
    """A process at work on its n-th attempt at a job."""

    job: Job
    attempt: int
    process: SpawnProcess
    connection: Connection


def _begin(function: Callable[[Job], object], job: Job, attempt: int) -> _Worker[Job]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(function, job, theirs), daemon=True)
    resource_tracker.ensure_running()  # which would unblock the signal
    # A process inherits what is blocked: Ctrl-C reaches this process alone, which ends the others.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    theirs.close()  # held by the process alone, so that its end is the end of the pipe
    return _Worker(job, attempt, process, ours)


def _outcome(worker: _Worker[Job]) -> Any:
    """Return what the process sent; None if it died without a word and may try again."""
    try:
        return worker.connection.recv()
    except EOFError:
        worker.process.join()
        if worker.attempt < ATTEMPTS:
            return None
        return Failed(f"Its process died {ATTEMPTS} times, at last with exit code {worker.process.exitcode}.")
    finally:
        worker.connection.close()
        worker.process.join()


def _work(function: Callable[[Job], object], job: Job, connection: Connection) -> None:
    """Work in the process: send the result, or why there is none."""
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        outcome = function(job)
    except InputError as error:
        outcome = Failed(str(error))
    except Exception:
        outcome = Failed(traceback.format_exc())
    connection.send(outcome)


def _follow_parent() -> None:
    """End with the process that asked, even if it was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
