"""Damaged uploads and requests for a server: made from good ones, in a fixed order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import moving_square, write_video
from tests.support.hostile import avi
from tests.support.serving import encode_picture

# What stands in fields of headers: sizes, counts, offsets at their ends.
EDGES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1", b"\xff\x7f", b"\0\1")
START_BYTES = 200


def good_uploads(folder: Path) -> list[bytes]:
    """A small file of each kind."""
    frames = moving_square(12)
    clips = [write_video(folder / "a.mp4", frames), write_video(folder / "a.avi", frames)]
    pictures = [
        encode_picture("JPEG", (64, 48)),
        encode_picture("JPEG", (64, 48), progressive=True),
        encode_picture("PNG", (40, 30)),
        encode_picture("WEBP", (64, 48)),
        encode_picture("BMP", (20, 16)),
    ]
    return [*pictures, *(path.read_bytes() for path in clips), avi(pictures[:2], (64, 48))]


def damaged_uploads(seed: int, number: int, folder: Path) -> Iterator[bytes]:
    """Make so many uploads, each damaged in some way."""
    choose, good = random.Random(seed), good_uploads(folder)
    damages = (_flip, _flip, _edge, _edge, _cut, _repeat, _splice)
    for _ in range(number):
        content = choose.choice(good)
        for _ in range(choose.choice((1, 1, 2, 3))):
            damage = choose.choice(damages)
            content = damage(choose, content or b"\0", good)
        yield content


def _place(choose: random.Random, content: bytes) -> int:
    """A place, more often in the header than behind it."""
    return choose.randrange(min(len(content), choose.choice((START_BYTES, len(content)))))


def _flip(choose: random.Random, content: bytes, _: list[bytes]) -> bytes:
    found = bytearray(content)
    for _ in range(choose.choice((1, 1, 4, 32))):
        found[_place(choose, content)] ^= 1 << choose.randrange(8)
    return bytes(found)


def _edge(choose: random.Random, content: bytes, _: list[bytes]) -> bytes:
    start, edge = _place(choose, content), choose.choice(EDGES)
    return content[:start] + edge + content[start + len(edge) :]


def _cut(choose: random.Random, content: bytes, _: list[bytes]) -> bytes:
    start = choose.randrange(len(content))
    return content[:start] + content[start + choose.choice((1, 10, 1000, len(content))) :]


def _repeat(choose: random.Random, content: bytes, _: list[bytes]) -> bytes:
    start = choose.randrange(len(content))
    piece = content[start : start + choose.choice((1, 10, 1000))]
    return content[:start] + piece * choose.choice((2, 50)) + content[start:]


def _splice(choose: random.Random, content: bytes, good: list[bytes]) -> bytes:
    other = choose.choice(good)
    return content[: choose.randrange(len(content))] + other[choose.randrange(len(other)) :]


PATHS = (
    "/", "/health", "/ready", "/classes", "/model", "/models", "/metrics", "/predict", "/session",
    "/live", "/live/teach", "/events", "/events/stream", "/live.mjpg", "/docs", "/openapi.json",
    "/dashboard/app.js", "/dashboard/../app.py", "//health", "/health/", "/%2e%2e/etc/passwd",
    "/\x80", "*", "http://a/",
)  # fmt: skip
METHODS = ("GET", "POST", "HEAD", "DELETE", "OPTIONS", "PUT", "TRACE", "CONNECT", "get", "X" * 99)
QUERIES = (
    "", "", "", "?top_k=1", "?top_k=-1", "?top_k=" + "9" * 400, "?model=clips", "?model=%00", "?x",
    "?%00=%ff", "?a=1&a=2",
)  # fmt: skip
VERSIONS = ("1.1",) * 10 + ("1.0", "2.0", "9")
HEADERS = (
    "Origin: http://[", "Origin: null", "Origin: http://127.0.0.1", "Content-Length: 0",
    "Content-Length: 5", "Transfer-Encoding: chunked", "Content-Type: application/json",
    "Content-Type: multipart/form-data", "Content-Type: multipart/form-data; boundary=x",
    "Content-Type: multipart/form-data; boundary=" + "x" * 500, "Expect: 100-continue",
    "Connection: keep-alive", "Connection: upgrade", "Upgrade: websocket", "Upgrade: h2c",
    "Accept: text/html", "Accept: " + "a/b," * 900, "Range: bytes=0-1", "If-None-Match: *",
    "Last-Event-ID: 9999999999999999999", "Last-Event-ID: \xb2", "Cookie: har_edge_session=x; ;=",
    "Authorization: Bearer", "Authorization: Basic \xff", 'X-Forwarded-For: "',
    "X-Forwarded-Proto: gopher",
)  # fmt: skip
BROKEN = (
    "Content-Length: -1", "Content-Length: " + "9" * 5000, "Transfer-Encoding: chunked, chunked",
    "Host: evil.example", "Host: [", "X: " + "y" * 40_000, " folded", "bad line", ": nameless",
    "X\0: y", "X: \0", "X: y\r\n" * 150 + "X: y",
)  # fmt: skip
BODIES = (
    b"", b"hello", b"{}", b'{"token": 1}', b'{"token": "' + b"x" * 2000 + b'"}', b"[" * 5000,
    b"--x\r\n\r\n--x--", b"5\r\nhello\r\n0\r\n\r\n", b"FFFFFFFFF\r\n", b"5;" + b"x" * 40_000,
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc\r\n--x--\r\n',
    b"\0" * 3000,
)  # fmt: skip


def odd_requests(seed: int, number: int) -> Iterator[bytes]:
    """Make so many requests, of which few are as they should be."""
    choose = random.Random(seed)
    for _ in range(number):
        method = choose.choice(METHODS[: choose.choice((2, len(METHODS)))])
        target = choose.choice(PATHS) + choose.choice(QUERIES)
        lines = [f"{method} {target} HTTP/{choose.choice(VERSIONS)}"]
        lines += ["Host: 127.0.0.1"] * (choose.random() < 0.9)
        lines += choose.sample(HEADERS, choose.randrange(4))
        lines += [choose.choice(BROKEN)] * (choose.random() < 0.2)
        request = "\r\n".join([*lines, "", ""]).encode("latin-1") + choose.choice(BODIES)
        if choose.random() < 0.1:
            request = _flip(choose, request, [])
        yield request
