"""Servers that sources read from."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.chaos.mjpeg_server import MjpegServer


@pytest.fixture
def camera() -> Iterator[MjpegServer]:
    """A motion JPEG camera."""
    pytest.importorskip("simplejpeg")
    server = MjpegServer()
    yield server
    server.stop()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server of the files in the test's folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    handler = partial(Quiet, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
