"""Connections of the server: who holds one must say what it wants, in time and in few words.

Each header is looked at before the parser that serves it, whichever that is: what is too long, or
no HTTP, never reaches it. An expression knows those that are plain; all others go through a parser
of our own first. Nothing of uvicorn is used here but what it asks of any protocol that it is given.
Both parsers are h11: httptools, in C, takes less time (100 us of the 7,000 of a picture), but is of
another mind about what HTTP is, and answers in plain text.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from har_edge.server.problems import MEDIA_TYPE, problem_response

# Well below the 1,024 files that a process may have open by default.
MAX_CONNECTIONS = 500
# More than uploads and streams together that a server has by default; four addresses fill it.
MAX_OF_ONE_ADDRESS = 150
HEADER_BYTES = 32 * 1024
HEADER_LINES = 100
# A header as nearly all programs spell it. What fits is within what the parser takes, and leaves no
# doubt about where the request ends: a line is a line, and there is one host.
_LINE = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}:[\t\x20-\x7e]*\r\n"
_PLAIN_HEAD = re.compile(
    rb"[A-Z]{1,20} /[\x21-\x7e]* HTTP/1\.1\r\n(?:%b){1,%d}" % (_LINE, HEADER_LINES)
)
_HOST, _CODING = b"\r\nhost:", b"\r\ntransfer-encoding:"
_LENGTH, _LENGTH_VALUE = b"\r\ncontent-length:", re.compile(rb" ?([0-9]{1,18})\r\n")
# What is written and not read for so long is not wanted.
UNREAD_S = 10.0
# So much of a refused request is still read away, or the answer would be lost with it.
LINGER_S = 1.0
LINGER_BYTES = 2**20
# The application bounds the time of bodies that it reads; those that it does not end a bit later.
BODY_SLACK_S = 30.0


class Refused(Exception):  # noqa: N818 - the request is, nothing failed
    """A request is refused before it reaches the application."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Requests:
    """Follows the requests of one connection, by their bytes.

    Attributes:
        in_head: Whether a header is to come, or has not come whole.
        held: What has come of it.
    """

    def __init__(self) -> None:
        self.in_head = True
        self.held = b""
        self._parser = _new_parser()
        self._body_bytes = 0  # still to come of a body whose length was announced

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes, and give those that may be served.

        Raises:
            Refused: 431 if a header is too long, 400 or 501 if it is none.
        """
        served = data[: self._body_bytes]
        self._body_bytes -= len(served)
        self.in_head = self.in_head or (bool(served) and not self._body_bytes)
        data = data[len(served) :] if served else data
        while data:
            taken, data = self._parse(data)
            served += taken
        return served

    def _parse(self, data: bytes) -> tuple[bytes, bytes]:
        """Take bytes up to the end of a request at most: what may be served, and the rest."""
        if self.in_head and not self.held and (size := _plain_size(data)) is not None:
            # The parser would find the same, in five times the time.
            self._body_bytes = max(0, size - len(data))
            self.in_head = self._body_bytes == 0
            return data[:size], data[size:]
        self.held += data
        try:
            self._parser.receive_data(data)
            while (event := self._parser.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Request):
                    _check_size(event)
                    self.in_head = False
                    if (length := _announced(event)) is not None:
                        return self._pass_body(length)
                elif isinstance(event, h11.EndOfMessage):
                    return self._pass_body(0)
        except h11.RemoteProtocolError as error:
            raise _refusal(error) from error
        if self.in_head:
            return b"", b""
        taken, self.held = self.held, b""
        return taken, b""

    def _pass_body(self, length: int) -> tuple[bytes, bytes]:
        """Go on to the next request, behind what is still to come of this one's body."""
        rest = self._parser.trailing_data[0]
        end = len(self.held) - len(rest) + length
        taken, rest = self.held[:end], self.held[end:]
        self._body_bytes = end - len(taken)
        self._parser, self.held, self.in_head = _new_parser(), b"", self._body_bytes == 0
        return taken, rest


def _plain_size(data: bytes) -> int | None:
    """The size of the request that begins here, if its header is whole and plain.

    Example:
        >>> _plain_size(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 2\\r\\n\\r\\nhi, there")
        48
        >>> _plain_size(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0")
    """
    end = data.find(b"\r\n\r\n", 0, HEADER_BYTES)
    head = data[: end + 2]
    if end < 0 or not _PLAIN_HEAD.fullmatch(head):
        return None
    lower = head.lower()
    lengths = lower.count(_LENGTH)
    if lower.count(_HOST) != 1 or lengths > 1 or _CODING in lower:
        return None
    if not lengths:
        return end + 4
    length = _LENGTH_VALUE.match(lower, lower.find(_LENGTH) + len(_LENGTH))
    return end + 4 + int(length[1]) if length else None


def _announced(request: h11.Request) -> int | None:
    """The length of a request's body; None if it comes in chunks that tell theirs."""
    headers = dict(request.headers)
    if b"transfer-encoding" in headers:
        return None
    return int(headers.get(b"content-length", b"0"))


def _new_parser() -> h11.Connection:
    return h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_BYTES)


def _check_size(request: h11.Request) -> None:
    """Bound a header that came in one piece.

    Raises:
        Refused: 431.
    """
    headers = list(request.headers)
    size_bytes = len(request.target) + sum(len(name) + len(value) + 4 for name, value in headers)
    if size_bytes > HEADER_BYTES or len(headers) > HEADER_LINES:
        raise _too_long()


def _too_long() -> Refused:
    return Refused(
        431,
        f"A request's header should have at most {HEADER_BYTES // 1024} KiB and {HEADER_LINES} "
        "lines. Received more. Send fewer or shorter ones.",
    )


def _refusal(error: h11.RemoteProtocolError) -> Refused:
    if error.error_status_hint == 431:
        return _too_long()
    # The parser's words are about what came, and may hold it; the sender knows it anyway.
    return Refused(
        error.error_status_hint,
        f"Expected an HTTP/1.1 request. Received something else: {error}. Try: curl URL/health",
    )


class Crowd:
    """Counts the connections of one server, in all and of each address."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Count a connection; whether there is room for it."""
        self._counts[address] += 1
        return (
            self._counts.total() <= MAX_CONNECTIONS and self._counts[address] <= MAX_OF_ONE_ADDRESS
        )

    def leave(self, address: str) -> None:
        """Forget a connection."""
        self._counts[address] -= 1
        if not self._counts[address]:
            del self._counts[address]


def neighbourhood(peer: object) -> str:
    """What counts as one address: an IPv4 address, or the /64 that an IPv6 host has to itself.

    Example:
        >>> neighbourhood(("192.0.2.7", 5000)), neighbourhood(("2001:db8::1:2", 5000, 0, 0))
        ('192.0.2.7', '2001:db8::/64')
    """
    host = str(peer[0]) if isinstance(peer, tuple) and peer else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


class Served(Protocol):
    """What is called of uvicorn's protocol: what asyncio asks of any."""

    def connection_made(self, transport: asyncio.Transport, /) -> None:
        """Take the connection."""

    def data_received(self, data: bytes, /) -> None:
        """Take bytes."""

    def eof_received(self) -> bool | None:
        """Learn that no more bytes come."""

    def connection_lost(self, error: Exception | None, /) -> None:
        """Learn that it is gone."""

    def pause_writing(self) -> None:
        """Learn that what was written waits."""

    def resume_writing(self) -> None:
        """Learn that it waits no longer."""


class BoundedProtocol(asyncio.Protocol):
    """One connection: hands on what is within the limits, and closes what is not.

    uvicorn closes connections that are idle between requests. One whose first byte never comes,
    or whose header comes a byte a minute, it would hold for ever; headers may be as long as they
    like, and so may who does not read take.
    """

    def __init__(
        self,
        served: Served,
        loop: asyncio.AbstractEventLoop,
        crowd: Crowd,
        header_timeout_s: float,
    ) -> None:
        self._served = served
        self._loop = loop
        self._crowd = crowd
        self._header_timeout_s = header_timeout_s
        self._requests = Requests()
        self._transport: asyncio.Transport | None = None
        self._address = ""
        self._lingering_bytes: int | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, if there is room."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self._address = neighbourhood(transport.get_extra_info("peername"))
        self._served.connection_made(self._transport)
        if self._crowd.enter(self._address):
            self._watch(self._header_timeout_s)
        else:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Hand on what is within the limits."""
        if self._lingering_bytes is not None:
            self._linger(len(data))
            return
        was_in_head = self._requests.in_head
        try:
            served = self._requests.feed(data)
        except Refused as refused:
            self._refuse(refused, was_in_head)
            return
        if not self._requests.in_head:
            if was_in_head:
                self._watch(self._header_timeout_s + BODY_SLACK_S)
        elif not self._requests.held:
            self._unwatch()  # uvicorn closes it if nothing more comes
        elif served or self._deadline is None:
            self._watch(self._header_timeout_s)
        if served:
            self._served.data_received(served)

    def eof_received(self) -> bool | None:
        """Hand it on."""
        return self._served.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._unwatch()
        self.resume_writing()
        self._crowd.leave(self._address)
        self._served.connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the clock: what was written is not read."""
        assert self._transport is not None
        if self._unread is None:
            self._unread = self._loop.call_later(UNREAD_S, self._transport.abort)
        self._served.pause_writing()

    def resume_writing(self) -> None:
        """Stop that clock."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        self._served.resume_writing()

    def _refuse(self, refused: Refused, in_head: bool) -> None:
        """Say why, and close once it can be heard."""
        assert self._transport is not None
        self._unwatch()
        if not in_head:  # the application may be speaking
            self._transport.abort()
            return
        self._transport.write(_spell(refused))
        self._lingering_bytes = LINGER_BYTES
        self._watch(LINGER_S)

    def _linger(self, size_bytes: int) -> None:
        assert self._transport is not None and self._lingering_bytes is not None
        self._lingering_bytes -= size_bytes
        if self._lingering_bytes < 0:
            self._transport.close()

    def _watch(self, seconds: float) -> None:
        assert self._transport is not None
        self._unwatch()
        self._deadline = self._loop.call_later(seconds, self._transport.close)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _spell(refused: Refused) -> bytes:
    response = problem_response(refused.status, str(refused))
    phrase = HTTPStatus(refused.status).phrase
    head = (
        f"HTTP/1.1 {refused.status} {phrase}\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"Content-Length: {len(response.body)}\r\nX-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + bytes(response.body)


def bounded_protocol(header_timeout_s: float) -> type[asyncio.Protocol]:
    """Make what uvicorn takes as its `http`: its own protocol, behind ours.

    Args:
        header_timeout_s: Time for the header of a request to arrive, from its first byte, or
            from the connection's begin.
    """
    crowd = Crowd()
    make_served: Callable[..., Served] = H11Protocol

    class OfOneServer(BoundedProtocol):
        """Takes what uvicorn gives to a protocol."""

        def __init__(
            self, *, _loop: asyncio.AbstractEventLoop | None = None, **given: object
        ) -> None:
            loop = _loop or asyncio.get_running_loop()
            super().__init__(make_served(_loop=loop, **given), loop, crowd, header_timeout_s)

    return OfOneServer
