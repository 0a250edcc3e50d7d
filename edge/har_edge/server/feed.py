"""What listeners of the live source are told, from any thread to one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

WAITING_MESSAGES = 64


@dataclass(frozen=True)
class Message:
    """What listeners are told.

    Attributes:
        kind: `prediction`, `status`, `action_started` or `action_ended`.
        data: Plain values.
        id: Of an event, else None.
    """

    kind: str
    data: dict[str, object]
    id: int | None = None


class Feed:
    """Hands messages from any thread to listeners on one event loop.

    A listener that is slow misses predictions. One that is so slow that it would miss an event
    is let go: it may come back and ask for what it missed.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queues: set[asyncio.Queue[Message | None]] = set()
        self.closed = False

    def open(self) -> None:
        """Take the running event loop for the listeners'."""
        self._loop = asyncio.get_running_loop()

    def publish(self, message: Message) -> None:
        """Tell all listeners; for any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, message)

    def close(self) -> None:
        """Let all listeners go; on the event loop."""
        self.closed = True
        for queue in self._queues:
            _end(queue)

    @contextmanager
    def listen(self) -> Iterator[Callable[[], Awaitable[Message | None]]]:
        """Give a function that waits for the next message: None at the end."""
        queue: asyncio.Queue[Message | None] = asyncio.Queue(WAITING_MESSAGES)
        self._queues.add(queue)
        if self.closed:
            _end(queue)
        try:
            yield queue.get
        finally:
            self._queues.discard(queue)

    def _deliver(self, message: Message) -> None:
        for queue in self._queues:
            if not queue.full():
                queue.put_nowait(message)
            elif message.id is not None:
                _end(queue)


def _end(queue: asyncio.Queue[Message | None]) -> None:
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(None)
