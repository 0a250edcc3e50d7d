"""Clients that send a picture again and again; the server itself takes a minute to load."""

from __future__ import annotations

import asyncio
import io
import os

import pytest
from PIL import Image

from har_benchmarks.experiments.serve_load import Load, Spent, picture, send_all
from tests.benchmarks.experiments.conftest import Experiment


def test_the_picture_is_a_photo_of_this_height() -> None:
    with Image.open(io.BytesIO(picture(480))) as photo:
        assert photo.size == (853, 480)


def test_answers_are_counted_and_refusals_wait() -> None:
    statuses = [b"200 OK", b"429 Too Many Requests\r\nRetry-After: 0", b"200 OK"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while statuses:
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(size)
            writer.write(b"HTTP/1.1 " + statuses.pop() + b"\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    async def load() -> Load:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await send_all(port, b"picture", 1, 0.3)

    found = asyncio.run(load())
    assert found.statuses == {200: 2, 429: 1}
    assert len(found.latencies_ms) == 2
    summary = found.summary(2.0)
    assert summary["recognised_hz"] == 1.0
    assert summary["statuses"] == {"200": 2, "429": 1}


def test_time_on_the_cores_is_shared_out() -> None:
    start = Spent(clients_s=1.0, server_s=2.0, busy_s=10.0, idle_s=5.0)
    found = Spent(2.0, 4.0, 14.0, 9.0).since(start, answers=100)
    assert found["server_share_of_cores"] == 0.25
    assert found["clients_share_of_cores"] == 0.125
    assert found["others_share_of_cores"] == 0.125
    assert found["idle_share_of_cores"] == 0.5
    assert found["server_cpu_ms_each"] == 20.0
    assert Spent.now(os.getpid()).busy_s > 0


@pytest.mark.slow
def test_a_server_is_measured(experiment: Experiment) -> None:
    pytest.importorskip("fastapi")
    assert '"128_clients"' in experiment("serve-load", "--seconds", "2", "--height", "480")
