"""Encoding on a Ray cluster that is running."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from types import ModuleType
from typing import TypeVar

from har_edge.errors import BackendError, MissingExtraError
from har_train.features.cache import (
    Fill,
)
from har_train.features.workers import Workers
from har_train.watch import Say

T = TypeVar("T")


@contextlib.contextmanager
def open_ray(address: str, say: Say) -> Iterator[Fill]:
    """Join a Ray cluster that is running; every one of its CPUs encodes.

    Args:
        address: `auto` for the cluster of this machine, HOST:PORT, or ray://HOST:PORT.
        say: Takes a line for the user.

    Raises:
        MissingExtraError: if Ray is not installed.
        BackendError: if the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("ray", "ray") from error
    try:
        _check_reachable(address)  # Ray itself would try for some minutes
        ray.init(address, log_to_driver=False, configure_logging=False)
    # Whatever the step of joining that failed raises; RayError is no OSError.
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise BackendError(
            f"--ray should be the address of a running Ray cluster. Received '{address}': {error}. "
            "Start one with: ray start --head"
        ) from error
    try:
        count = max(1, int(ray.cluster_resources().get("CPU", 1)))
        nodes = sum(node["Alive"] for node in ray.nodes())
        say(f"Encoding with {count} CPUs on {nodes} nodes of the Ray cluster {address}")
        yield Workers(_RayExecutor(ray), count, 1, say).fill
    finally:
        ray.shutdown()  # cancels what still runs there


def _check_reachable(address: str) -> None:
    """Raise OSError if nobody listens at HOST:PORT."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=10).close()


class _RayExecutor:
    """Runs functions as Ray tasks, of one CPU each."""

    def __init__(self, ray: ModuleType) -> None:
        self._ray = ray

    def submit(self, function: Callable[..., T], /, *arguments: object) -> Future[T]:
        errors = self._ray.exceptions
        # Spread: otherwise Ray fills one node before it asks the next.
        task = self._ray.remote(scheduling_strategy="SPREAD")(function)
        settled: Future[T] = Future()

        def settle(running: Future[T]) -> None:
            error = running.exception()
            if error is None:
                settled.set_result(running.result())
            elif isinstance(error, errors.RayTaskError):
                settled.set_exception(
                    BackendError(
                        f"A task on the Ray cluster failed: {error.cause}. Every node needs the "
                        "same versions of Python and har-edge[train,ray]."
                    )
                )
            else:  # the worker was killed, or its node is gone, three times over
                settled.set_exception(BrokenExecutor(str(error)))

        task.remote(*arguments).future().add_done_callback(settle)
        return settled
