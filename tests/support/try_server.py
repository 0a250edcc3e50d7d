"""A server that gets thousands of damaged uploads and odd requests, and what it says to them."""

from __future__ import annotations

import contextlib
import math
import socket
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.support.processes import family_of, private_bytes
from tests.support.serving import PICTURE, Serving

CLIENTS = 4
# 503 and 507 are not among them: nothing that is sent here may keep a worker or fill a disk.
REFUSALS = frozenset({400, 403, 404, 405, 408, 413, 415, 421, 422, 431, 501})
KEPT_BYTES = 200 * 2**20


def try_uploads(server: Serving, uploads: Iterable[bytes]) -> Counter[int]:
    """Send uploads, some at a time; each is answered with finite numbers, or a problem."""
    with (
        httpx.Client(base_url=server.url, timeout=60) as client,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):

        def send(content: bytes) -> int:
            answer = client.post("/predict", files={"file": ("x", content)})
            if answer.status_code == 200:
                ranked = answer.json()["all_predictions"]
                assert all(math.isfinite(each["confidence"]) for each in ranked)
            else:
                assert answer.status_code in REFUSALS, (answer.text, content[:100])
                assert answer.headers["content-type"] == "application/problem+json"
                assert "/proc" not in answer.text and "/tmp" not in answer.text
            return answer.status_code

        before = memory_bytes(server)
        good = client.post("/predict", files={"file": PICTURE.read_bytes()}).json()
        statuses = Counter(pool.map(send, uploads))
        again = client.post("/predict", files={"file": PICTURE.read_bytes()}).json()
    assert again["all_predictions"] == good["all_predictions"]
    assert memory_bytes(server) - before < KEPT_BYTES
    return statuses


def try_requests(server: Serving, requests: Iterable[bytes]) -> Counter[int]:
    """Send requests, some at a time; each is answered, as a problem if it is none, or closed."""
    before = memory_bytes(server)
    with ThreadPoolExecutor(CLIENTS) as pool:
        statuses = Counter(pool.map(lambda request: _ask(server, request), requests))
    assert httpx.get(f"{server.url}/health").status_code == 200
    assert memory_bytes(server) - before < KEPT_BYTES
    return statuses


def _ask(server: Serving, request: bytes) -> int:
    """The status of the answer; 0 if the connection is closed without one."""
    answer = b""
    with server.connect(0.5) as connection, contextlib.suppress(OSError):
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65536):
            answer += piece
    if not answer:
        return 0
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head[9:12])
    if status == 100 and body:
        head, status = body.partition(b"\r\n\r\n")[0], int(body[9:12])
    assert status < 400 or status in REFUSALS, (request[:300], answer[:300])
    if status >= 400:
        assert b"application/problem+json" in head.lower(), (request[:300], answer[:300])
    return status


def memory_bytes(server: Serving) -> int:
    """What a server and its workers hold for themselves."""
    return sum(map(private_bytes, family_of(server.process.pid)))
