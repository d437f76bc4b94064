"""Where jobs run: in processes of this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, TypeVar

from e2c_control.errors import InputError

if TYPE_CHECKING:
    from e2c_control.parallel.outcome import Failed

Job = TypeVar("Job")
Done = TypeVar("Done")


def check_workers(jobs: int, ray: str | None) -> None:
    """Refuse what cannot be meant by --jobs and --ray."""
    if ray is not None and jobs != 1:
        raise InputError("--jobs means nothing beside --ray: the cluster decides how many run at a time.")


def run_jobs(
    function: Callable[[Job], Done], jobs: Sequence[Job], count: int, ray: str | None
) -> Generator[tuple[Job, Done | Failed]]:
    """Yield each job with its result as soon as it is there: `count` at a time here, or on the cluster at `ray`."""
    if ray is not None:
        from e2c_control.parallel.ray_cluster import run_on_ray

        return run_on_ray(function, jobs, ray)
    from e2c_control.parallel.local import run_in_processes

    return run_in_processes(function, jobs, count)
