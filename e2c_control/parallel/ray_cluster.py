"""A Ray cluster that is there already, through Ray's own client: it queues, places and repeats what was lost."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator, Sequence
from importlib import import_module
from typing import Any, TypeVar

from e2c_control.errors import InputError
from e2c_control.parallel.outcome import Failed

CONNECT_SECONDS = 10
"""How long a machine may take to answer at all."""

Job = TypeVar("Job")
Done = TypeVar("Done")


def run_on_ray(
    function: Callable[[Job], Done], jobs: Sequence[Job], address: str
) -> Generator[tuple[Job, Done | Failed]]:
    """Run a function for each job on the cluster, and give back each job with its result as soon as it is there.

    Each job is a task on one core. Ray repeats a task whose worker or machine is lost, as often as it does by default.
    Every machine of the cluster needs this version of e2c-control.

    Args:
        function: of a module that every machine has.
        jobs: plain data.
        address: of the cluster, as `ray.init` takes it: "auto", "host:port" or "ray://host:port".

    Raises:
        InputError: Ray is not installed, or there is no cluster at the address.
    """
    ray = _connected(address)
    try:
        remote = ray.remote(num_cpus=1)(function)
        waiting = {remote.remote(job): job for job in jobs}
        while waiting:
            (ready,), _ = ray.wait(list(waiting), num_returns=1)
            yield waiting.pop(ready), _outcome(ray, ready)
    finally:
        ray.shutdown()  # ends what is still at work for this client


def _connected(address: str) -> Any:
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        raise InputError("Ray is not installed: pip install 'e2c-control[ray]'.") from error
    host, colon, port = address.rpartition(":")
    try:
        if colon and "/" not in host:
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()  # Ray would try for minutes
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"There is no Ray cluster at {address!r} ({str(error).splitlines()[0]}): start one with "
            "`ray start --head`, or correct the address."
        ) from error
    return ray


def _outcome(ray: Any, ready: object) -> Any:
    try:
        return ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        return Failed(str(error.cause if isinstance(error.cause, InputError) else error))
    except ray.exceptions.RayError as error:
        return Failed(f"Ray gave it up: {error}")
