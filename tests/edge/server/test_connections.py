"""Connections that talk without end, or do not listen: each is closed, and costs little."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Iterator

import h11
import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
httpx = pytest.importorskip("httpx", reason="needs httpx")

from har_edge.server import connections  # noqa: E402
from har_edge.server.connections import (  # noqa: E402
    HEADER_BYTES,
    HEADER_LINES,
    MAX_CONNECTIONS,
    MAX_OF_ONE_ADDRESS,
    BoundedProtocol,
    Crowd,
    Refused,
    Requests,
    _plain_size,
)
from tests.conftest import ASSETS  # noqa: E402
from tests.support.server_mutants import odd_requests  # noqa: E402
from tests.support.serving import Serving, serving, wait_for  # noqa: E402

FIRST = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with serving("--model", ASSETS / "tiny-int8.tflite", "--workers", "1") as running:
        yield running


def pour(server: Serving, first: bytes, piece: bytes, most_bytes: int) -> tuple[bytes, int]:
    """Send a piece again and again until an answer comes; the answer, and how much was sent."""
    sent, answer = len(first), b""
    with server.connect(5) as connection:
        connection.sendall(first)
        connection.setblocking(False)
        until_s = time.monotonic() + 20
        while not answer and sent < most_bytes and time.monotonic() < until_s:
            # Who goes on sending is cut off in the end; the answer lies there all the same.
            with contextlib.suppress(BlockingIOError, ConnectionError):
                sent += connection.send(piece)
            with contextlib.suppress(BlockingIOError):
                answer = connection.recv(65536)
        # It is closed then, though not in the middle of what is being said.
        connection.settimeout(5)
        with contextlib.suppress(OSError):
            while connection.recv(65536):
                pass
    return answer, sent


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        pytest.param(FIRST, b"X-Line: " + b"x" * 100 + b"\r\n", id="lines"),
        pytest.param(FIRST, b"a:\r\n" * 100, id="short-lines"),
        pytest.param(FIRST + b"X-Line: ", b"x" * 1000, id="one-line"),
        pytest.param(b"GET /", b"x" * 1000, id="address"),
        pytest.param(b"G", b"E" * 1000, id="method"),
    ],
)
def test_an_endless_header_is_refused_early(server: Serving, first: bytes, piece: bytes) -> None:
    before = server.memory_bytes()
    answer, sent = pour(server, first, piece, 200 * 2**20)
    assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 ")), answer
    assert b"application/problem+json" in answer
    assert sent < 20 * 2**20  # the socket's buffers take some before the answer is there
    assert server.memory_bytes() - before < 20 * 2**20
    started_s = time.monotonic()
    assert httpx.get(f"{server.url}/health").status_code == 200
    assert time.monotonic() - started_s < 5


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        pytest.param([b"X: y"] * (HEADER_LINES - 2), 200, id="100-lines"),
        pytest.param([b"X: y"] * (HEADER_LINES - 1), 431, id="101-lines"),
        pytest.param([b"X: " + b"y" * (HEADER_BYTES - 200)], 200, id="nearly-32-KiB"),
        pytest.param([b"X: " + b"y" * (HEADER_BYTES + 1)], 431, id="more-than-32-KiB"),
        pytest.param([b"X: " + b"y" * 200_000], 431, id="200-kB"),
        pytest.param([b"Content-Length: " + b"9" * 5000], 400, id="5000-digits"),
        pytest.param([b"Content-Length: x"], 400, id="no-length"),
        pytest.param([b"Content-Length: 1", b"Content-Length: 2"], 400, id="two-lengths"),
        pytest.param([b"Transfer-Encoding: gzip"], 501, id="other-coding"),
        pytest.param([b"no colon"], 400, id="no-header"),
        pytest.param([b"X: a\0b"], 400, id="null-byte"),
    ],
)
def test_headers_are_bounded(server: Serving, lines: list[bytes], status: int) -> None:
    with server.connect(5) as connection:
        connection.sendall(FIRST + b"\r\n".join([*lines, b"Connection: close", b"", b""]))
        answer = read_all(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    if status != 200:
        assert b"connection: close" in head.lower()
        assert b"application/problem+json" in head
        assert json.loads(body)["status"] == status


def test_a_header_after_a_request_is_bounded_too(server: Serving) -> None:
    with server.connect(5) as connection:
        connection.sendall(FIRST + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(FIRST + b"X: y\r\n" * 200 + b"\r\n")
        assert b"HTTP/1.1 431 " in read_all(connection)


def test_endless_trailers_are_cut_off(server: Serving) -> None:
    before = server.memory_bytes()
    first = b"POST /session HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    with server.connect(5) as connection, contextlib.suppress(OSError):
        connection.sendall(first)
        for _ in range(2000):
            connection.sendall(b"X-Line: " + b"x" * 10_000 + b"\r\n")
        pytest.fail("the connection is still open")
    assert server.memory_bytes() - before < 20 * 2**20


def read_all(connection: socket.socket) -> bytes:
    found = b""
    while piece := connection.recv(65536):
        found += piece
    return found


WHOLE = (
    FIRST + b"\r\n",
    POST + b"Content-Length: 5\r\n\r\nhello",
    POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    POST + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
)


@pytest.mark.parametrize("step", [1, 7, 40, 10_000])
def test_requests_are_served_as_they_came(step: int) -> None:
    """Whatever is within the limits arrives, byte for byte, and no header before it is whole."""
    requests, stream, served = Requests(), b"".join(WHOLE * 2), b""
    for start in range(0, len(stream), step):
        served += requests.feed(stream[start : start + step])
        assert stream.startswith(served)
        assert served + requests.held == stream[: start + step]
    assert served == stream
    assert requests.in_head and not requests.held


def test_a_header_that_is_plain_is_one_to_the_parser_too() -> None:
    """What passes unparsed ends where the parser says; whoever comes behind is told the same."""
    plain = 0
    for request in odd_requests(3, 3000):
        size = _plain_size(request)
        if size is None:
            continue
        plain += 1
        parser = h11.Connection(h11.SERVER)
        parser.receive_data(request)
        event = parser.next_event()
        assert isinstance(event, h11.Request)
        length = int(dict(event.headers).get(b"content-length", b"0"))
        assert request[: size - length].endswith(b"\r\n\r\n")
        assert b"transfer-encoding" not in dict(event.headers)
    assert plain > 500


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(b"a:" + b" " * 31_000 + b"\0", id="spaces"),
        pytest.param(b"a: b\r\n" * 99 + b"c", id="many-lines"),
        pytest.param(b"a: b\r\n" * 5000 + b"c", id="too-many-lines"),
        pytest.param(b"a" * 31_000, id="long-name"),
        pytest.param(b"Host: a", id="two-hosts"),
        pytest.param(b"Content-Length: 1\r\nContent-Length: 1", id="two-lengths"),
        pytest.param(b"Content-Length: 1, 1", id="two-lengths-in-one"),
        pytest.param(b"Content-Length: +1", id="sign"),
        pytest.param(b"Transfer-Encoding: chunked", id="chunks"),
        pytest.param(b"a: b\n c: d", id="bare-line-feed"),
        pytest.param(b" folded", id="folded"),
        pytest.param(b"a : b", id="space-before-colon"),
        pytest.param(b"a: \0", id="null-byte"),
    ],
)
def test_headers_that_need_the_parser_are_told_from_plain_ones(lines: bytes) -> None:
    """At once, too: an expression that tries each way to read a line would not end."""
    assert _plain_size(FIRST + lines + b"\r\n\r\n") is None


def test_what_is_held_of_a_header_is_bounded() -> None:
    requests = Requests()
    with pytest.raises(Refused, match="32 KiB") as error:
        for _ in range(10_000):
            assert requests.feed(b"a" * 100) == b""
    assert error.value.status == 431
    assert len(requests.held) < HEADER_BYTES + 1000


def test_who_does_not_read_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNREAD_S", 0.3)

    class Talker(asyncio.Protocol):
        """Writes more than sockets hold."""

        lost = asyncio.Event()

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            transport.write(bytes(50 * 2**20))

        def connection_lost(self, error: Exception | None) -> None:
            self.lost.set()

    async def talk() -> None:
        loop, crowd = asyncio.get_running_loop(), Crowd()
        make = lambda: BoundedProtocol(Talker(), loop, crowd, 20.0)  # noqa: E731
        server = await loop.create_server(make, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            await asyncio.wait_for(Talker.lost.wait(), 10)
            writer.close()

    asyncio.run(talk())


def test_a_crowd_of_connections_is_bounded() -> None:
    """Those above the limits are closed at once, all others stay open."""
    above, addresses = 50, [f"127.0.0.{number}" for number in range(2, 6)]
    with serving("--upload-timeout", "120") as crowded, contextlib.ExitStack() as stack:

        def connect(address: str, count: int) -> list[socket.socket]:
            target, source = ("127.0.0.1", crowded.port), (address, 0)
            return [
                stack.enter_context(socket.create_connection(target, 20, source))
                for _ in range(count)
            ]

        # One address takes its share and no more, and there is room for others.
        share = MAX_OF_ONE_ADDRESS
        crowd = connect(addresses[0], share + above)
        wait_for(lambda: sum(map(_is_closed, crowd)) >= above)
        assert httpx.get(f"{crowded.url}/health").status_code == 200
        for address in addresses[1:3]:
            crowd += connect(address, share)
        crowd += connect(addresses[3], MAX_CONNECTIONS - 3 * share + above)
        wait_for(lambda: sum(map(_is_closed, crowd)) >= 2 * above)
        time.sleep(0.5)
        assert sum(map(_is_closed, crowd)) in range(2 * above, 2 * above + 2)  # and of /health
        stack.close()
        wait_for(lambda: httpx.get(f"{crowded.url}/health").status_code == 200)


def _is_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed a connection that was never used."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
