"""Worker threads, each with a model of its own; the event loop only waits for them."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from har_edge.model.loaded import LoadedModel
from har_edge.server.problems import ProblemError

Result = TypeVar("Result")

# M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_THRESHOLD, by their numbers in malloc.h; in bytes.
MALLOC_SETTINGS = {-1: 128 * 2**20, -2: 16 * 2**20, -3: 32 * 2**20}


@dataclass(frozen=True)
class _Job:
    """Something to do, and who waits for it."""

    do: Callable[[LoadedModel], Any]
    future: asyncio.Future[Any]

    def run(self, model: LoadedModel) -> None:
        """Do it, unless nobody waits any more, and tell the event loop."""
        if self.future.cancelled():
            return
        result, error = None, None
        try:
            result = self.do(model)
        except BaseException as raised:  # it is for the one who waits
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self.future.get_loop().call_soon_threadsafe(self._settle, result, error)
        result = error = None  # an error's traceback holds this call, with the upload

    def _settle(self, result: Any, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


class Workers:
    """A fixed number of threads that share out jobs in the order in which they come.

    Interpreters cannot be shared. On pictures that have nothing to do with each other, several
    of one thread each get more done than one of several threads, which wait for each other in
    every layer: with 32 clients and pictures of 1280 x 720 on 2 cores, two models of one thread
    gave 250 answers a second, one model of two threads 191, with a quarter of the cores idle.
    More models than cores get no more done: 2 gave 242 to 246, 3 gave 242 to 247 and 4 gave 243.
    """

    def __init__(self, load: Callable[[], LoadedModel], count: int) -> None:
        """Start the threads and load the models.

        Args:
            load: Loads a model that runs on one thread.
            count: Number of threads.
        """
        self.count = count
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        started: SimpleQueue[BaseException | None] = SimpleQueue()
        self._threads = [
            threading.Thread(
                target=self._work, args=(load, started), name=f"recognizer-{i}", daemon=True
            )
            for i in range(count)
        ]
        # Runtimes do not bear it if their thread is frozen in the middle.
        atexit.register(self._end)
        for thread in self._threads:
            thread.start()
        for error in [started.get() for _ in self._threads]:
            if error is not None:
                raise error

    async def run(self, job: Callable[[LoadedModel], Result]) -> Result:
        """Do a job on the next free thread."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(job, future))
        return await future

    def close(self) -> None:
        """Drop what has not begun and let the threads end."""
        with contextlib.suppress(Empty):
            while True:
                self._jobs.get_nowait()
        for _ in self._threads:
            self._jobs.put(None)

    def _work(
        self, load: Callable[[], LoadedModel], started: SimpleQueue[BaseException | None]
    ) -> None:
        try:
            model = load()
        except BaseException as error:  # it is for the one who starts us
            started.put(error)
            return
        started.put(None)
        while (job := self._jobs.get()) is not None:
            job.run(model)
            del job  # its picture, too

    def _end(self) -> None:
        self.close()
        for thread in self._threads:
            thread.join()


def keep_memory() -> None:
    """Let glibc keep what pictures free for the next ones, as far as it has such settings.

    Else it returns some megabytes to the system with each picture, and pays for every page of the
    next one with a fault: a third of a worker's time, and threads fault one at a time.
    Source: mallopt(3).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return
    for parameter, value in MALLOC_SETTINGS.items():
        mallopt(parameter, value)


class Gate:
    """Lets a bounded number of requests in; for one event loop."""

    def __init__(self, limit: int, what: str, *, retry_after_s: int = 1) -> None:
        self.limit = limit
        self.inside = 0
        self._what = what
        self._retry_after_s = retry_after_s

    @property
    def full(self) -> bool:
        """Whether nobody is let in now."""
        return self.inside >= self.limit

    def problem(self) -> ProblemError:
        """What who is not let in is told."""
        return ProblemError(
            429,
            f"At most {self.limit} {self._what} are served at once. Try again in "
            f"{self._retry_after_s} s.",
            headers={"Retry-After": str(self._retry_after_s)},
        )

    def check(self) -> None:
        """Turn away who comes when it is full.

        Raises:
            ProblemError: 429.
        """
        if self.full:
            raise self.problem()

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Be counted as inside; to be checked before, with nothing else done in between."""
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
