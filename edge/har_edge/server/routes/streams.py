"""The live source as streams: its messages and its pictures."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio
from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from har_edge.server.feed import Message
from har_edge.server.live import LiveSession
from har_edge.server.problems import problem_docs
from har_edge.server.services import Services

KEEP_ALIVE_S = 15.0
VIEW_INTERVAL_S = 0.1
# How often a stream that has nothing to say looks whether somebody still listens.
LOOK_S = 1.0
BOUNDARY = "frame"
MISSED_AT_ONCE = 1000
AT = "Anything; another one each time makes a browser ask again for what it shows already."
PROBLEMS = problem_docs(401, 404, 408, 413, 421, 422, 429)


def stream_routes(services: Services) -> APIRouter:
    """Build the routes."""
    router = APIRouter(tags=["live"])

    @router.get(
        "/events/stream",
        response_class=StreamingResponse,
        responses={
            200: {"description": "Server-sent events.", "content": {"text/event-stream": {}}},
            **PROBLEMS,
        },
    )
    async def stream(
        request: Request, last_event_id: Annotated[str | None, Header()] = None
    ) -> StreamingResponse:
        """Predictions (at most 5 per second), events and status changes as they happen."""
        found = services.session()
        services.listeners.check()
        known = last_event_id or ""
        after = int(known) if known.isdecimal() and len(known) < 16 else None
        lines = _listen(request, services, found, after)
        return StreamingResponse(lines, media_type="text/event-stream")

    @router.get(
        "/live.mjpg",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "JPEG pictures, for an `img` element.",
                "content": {"multipart/x-mixed-replace": {}},
            },
            **PROBLEMS,
        },
    )
    async def view(
        request: Request, at: Annotated[str | None, Query(max_length=40, description=AT)] = None
    ) -> StreamingResponse:
        """Pictures of the live source, at most 640 px wide and 10 per second."""
        found = services.session()
        services.viewers.check()
        kind = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        return StreamingResponse(_view(request, services, found), media_type=kind)

    return router


async def _listen(
    request: Request, services: Services, live: LiveSession, after: int | None
) -> AsyncGenerator[bytes, None]:
    """Spell messages as server-sent events; those after a known id come first.

    Source: WHATWG HTML, section 9.2.
    """
    with services.listeners.enter(), live.feed.listen() as next_message:
        told = after if after is not None else live.last_event_id()
        yield _spell(live.status_message())
        more = True
        while more:
            missed, more = live.events(after=told, limit=MISSED_AT_ONCE)
            for told, record in missed:
                yield _spell(Message(str(record["event"]), record, told))
        spoke_s = time.monotonic()
        while services.guard.knows(request) and not await request.is_disconnected():
            try:
                with anyio.fail_after(LOOK_S):
                    message = await next_message()
            except TimeoutError:
                if time.monotonic() - spoke_s >= KEEP_ALIVE_S:
                    spoke_s = time.monotonic()
                    yield b": still here\n\n"
                continue
            if message is None:
                return
            # What was told as missed may wait in the queue too.
            if message.id is None or message.id > told:
                spoke_s = time.monotonic()
                yield _spell(message)


def _spell(message: Message) -> bytes:
    number = "" if message.id is None else f"id: {message.id}\n"
    data = json.dumps(message.data, ensure_ascii=False)
    return f"event: {message.kind}\n{number}data: {data}\n\n".encode()


async def _view(
    request: Request, services: Services, live: LiveSession
) -> AsyncGenerator[bytes, None]:
    """Send each new picture; none while there is no current one."""
    async with _viewer(services, live):
        shown = None
        while (
            services.guard.knows(request)
            and not live.feed.closed
            and not await request.is_disconnected()
        ):
            shot, coded = await to_thread.run_sync(live.picture)
            if shot is not None and shot is not shown:
                shown = shot
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(coded)}"
                yield head.encode() + b"\r\n\r\n" + coded + b"\r\n"
            await anyio.sleep(VIEW_INTERVAL_S)


@asynccontextmanager
async def _viewer(services: Services, live: LiveSession) -> AsyncIterator[None]:
    with services.viewers.enter():
        live.viewers = services.viewers.inside
        try:
            yield
        finally:
            live.viewers = services.viewers.inside - 1
