"""Worker processes, and who waits for them; the event loop itself looks into no upload."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, cast

from har_edge import errors
from har_edge.children import child_environment
from har_edge.config import ModelConfig, ServeConfig
from har_edge.errors import BackendError, HarError, SourceError
from har_edge.model.spec import ModelSpec
from har_edge.server.messages import (
    SIZE_BYTES,
    Answered,
    Upload,
    nameless_file,
    receive,
    send,
    size_of,
    unpack,
)
from har_edge.server.problems import ProblemError
from har_edge.settings import Settings

MAX_WORKERS = 4
END_TIMEOUT_S = 5.0
CRASHED = (
    "The upload should be decoded. It ended the process that did so. It is damaged, made to do "
    "harm, or takes more memory than the server has for one. Send another one."
)


@dataclass(frozen=True)
class ServedModel:
    """What is known of a model that workers have loaded.

    Attributes:
        spec: What the file says about itself, with the actions that were taught.
        path: Where it came from.
        size_bytes: Size of the file.
        backend, version: The runtime that holds it.
    """

    spec: ModelSpec
    path: Path
    size_bytes: int
    backend: str
    version: str


class Link:
    """A worker, from the server's side."""

    def __init__(self, number: int, link: socket.socket, desk: IO[bytes]) -> None:
        """Keep what leads to a worker.

        Args:
            number: Its number.
            link: The socket to it; not blocking.
            desk: Memory that it sees, too: uploads that are not large lie there. One for each, as
                making one takes longer than using it.
        """
        self.number = number
        self._link = link
        self._desk = desk

    async def ask(
        self, upload: Upload, top_k: int | None, model: str | None
    ) -> tuple[dict[str, object], bytes]:
        """Let it look into an upload: what it says, and the answer.

        Raises:
            EOFError: if it ends before it has answered.
        """
        task = {
            "kind": upload.kind,
            "format": upload.format,
            "size_bytes": upload.size_bytes,
            "top_k": top_k,
            "model": model,
        }
        try:
            send(self._link, task, self._hand_over(upload))  # fits into the empty socket
            return unpack(await self._read())
        except OSError as error:
            raise EOFError from error

    def _hand_over(self, upload: Upload) -> list[int]:
        """Put an upload on the desk; of one that is a file already, give the descriptor."""
        if not isinstance(upload.file, io.BytesIO):
            upload.file.flush()
            return [upload.file.fileno()]
        self._desk.seek(0)
        self._desk.truncate(upload.size_bytes)  # or a shorter clip would end with another's bytes
        self._desk.write(upload.file.getbuffer())
        self._desk.flush()
        return []

    async def _read(self) -> bytes:
        """Read a message; nothing comes behind it before the next question."""
        loop, found = asyncio.get_running_loop(), bytearray()
        while len(found) < SIZE_BYTES or len(found) < SIZE_BYTES + size_of(found):
            piece = await loop.sock_recv(self._link, 2**16)
            if not piece:
                raise EOFError
            found += piece
        return bytes(found[SIZE_BYTES:])

    def close(self) -> None:
        """Let it go."""
        self._link.close()
        self._desk.close()


class Nursery:
    """The process that has the model loaded and forks workers; see `har_edge.server.worker`.

    Attributes:
        models: What it has loaded.
    """

    def __init__(self, settings: Mapping[str, object]) -> None:
        """Start it, and wait until the model is loaded.

        Raises:
            HarError: if the model cannot be used.
        """
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "har_edge.server.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=child_environment(),
            )
        try:
            send(self._control, settings)
            self.models = _read_models(receive(self._control))
        except BaseException:
            self.close()
            raise

    def fork(self, number: int) -> Link:
        """Make a worker of that number, in place of the one that has it.

        Raises:
            OSError: if the process is gone.
        """
        ours, theirs = socket.socketpair()
        link = Link(number, ours, desk := nameless_file(in_memory=True))
        with theirs:
            try:
                send(self._control, {"number": number}, [theirs.fileno(), desk.fileno()])
            except BaseException:
                link.close()
                raise
        ours.setblocking(False)
        return link

    def end(self, number: int) -> None:
        """End the worker of that number at once, whatever it does."""
        with contextlib.suppress(OSError):  # with the nursery, it has ended itself
            send(self._control, {"number": number})

    def close(self) -> None:
        """End it and all its workers."""
        self._control.close()
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _read_models(
    told: tuple[dict[str, object], list[int]] | None,
) -> dict[str, ServedModel]:
    if told is None:
        raise BackendError(
            "The model should load in a process of its own. That ended without a word. Try: "
            "har-edge doctor"
        )
    facts = told[0]
    if "error" in facts:
        kind = getattr(errors, str(facts["error"]), HarError)
        raise kind(str(facts["message"]))
    served = map(_read_model, cast("list[dict[str, object]]", facts["models"]))
    return {model.spec.name: model for model in served}


def _read_model(facts: Mapping[str, object]) -> ServedModel:
    return ServedModel(
        spec=ModelSpec.from_json(str(facts["spec"])),
        path=Path(str(facts["path"])),
        size_bytes=int(str(facts["size_bytes"])),
        backend=str(facts["backend"]),
        version=str(facts["version"]),
    )


class Workers:
    """A fixed number of processes that share out uploads in the order in which they come.

    What an upload does in native code is none of the server's business: a worker that is not done
    in time, or for which nobody waits any more, is ended and replaced within milliseconds.

    Attributes:
        count: Number of processes.
        models: What they have loaded, by name, the server's own first.
    """

    def __init__(self, config: ServeConfig, models: Iterable[ModelConfig]) -> None:
        """Load the models and start the processes.

        Args:
            config: The server's settings.
            models: What to load, the server's own first.

        Raises:
            HarError: if a model cannot be used.
        """
        self.count = config.workers or min(MAX_WORKERS, len(os.sched_getaffinity(0)))
        self._settings: dict[str, object] = {
            "models": [_plain(model) for model in models],
            "decide": asdict(config.decide),
            "limits": asdict(config.limits),
            "keypoints": config.sink.keypoints,
            "workers": self.count,
        }
        self._nursery = Nursery(self._settings)
        self._starting = threading.Lock()
        self.models = self._nursery.models
        self._places = asyncio.Semaphore(self.count)
        self._idle = deque(map(self._nursery.fork, range(self.count)))
        self._empty: deque[int] = deque()

    @property
    def model(self) -> ServedModel:
        """The server's own model."""
        return next(iter(self.models.values()))

    async def run(self, upload: Upload, top_k: int | None, model: str | None = None) -> Answered:
        """Let the next free worker look into an upload.

        Args:
            upload: What came.
            top_k: Number of actions to list; None for all.
            model: Name of one of the models; None for the one that suits the upload.

        Raises:
            SourceError: if it cannot be decoded, is larger than the limits say, or ends the worker.
            RuntimeError: if the worker fails.
        """
        async with self._places:
            link = await self._take()
            told: dict[str, object] = {"last": True}
            try:
                told, body = await link.ask(upload, top_k, model)
            except EOFError:
                raise SourceError(CRASHED) from None
            finally:
                self._put_back(link, keep=not told["last"])
        if "refused" in told:
            raise SourceError(str(told["refused"]))
        if "failed" in told:
            raise RuntimeError(f"A worker failed.\n{told['failed']}")
        return Answered(body, str(told["kind"]), cast("dict[str, float]", told["latency_ms"]))

    async def _take(self) -> Link:
        """Take a worker, made anew where the last one had to go."""
        if self._idle:
            return self._idle.popleft()
        number = self._empty.popleft()
        try:
            return self._nursery.fork(number)
        except OSError:  # the nursery has gone: something on this machine ended it
            try:
                return await asyncio.to_thread(self._start_over, number)
            except BaseException:
                self._empty.append(number)
                raise

    def _start_over(self, number: int) -> Link:
        with self._starting:
            try:
                return self._nursery.fork(number)  # another upload has started it
            except OSError:
                self._nursery.close()
                self._nursery = Nursery(self._settings)
                return self._nursery.fork(number)

    def _put_back(self, link: Link, *, keep: bool) -> None:
        if keep:
            self._idle.append(link)
            return
        link.close()
        self._nursery.end(link.number)
        self._empty.append(link.number)

    def close(self) -> None:
        """End all processes."""
        while self._idle:
            self._idle.popleft().close()
        self._nursery.close()


def _plain(value: object) -> object:
    """Spell a setting so that JSON can hold it."""
    if isinstance(value, Settings):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return os.fspath(value) if isinstance(value, os.PathLike) else value


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
            f"At most {self.limit} {self._what} are served at the same time. Try again in "
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
