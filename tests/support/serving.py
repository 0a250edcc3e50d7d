"""A server as a user starts it, in a process of its own, on a free port of this machine."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from tests.conftest import ROOT

SAMPLES = ROOT / "edge" / "har_edge" / "samples"
PICTURE = SAMPLES / "seated.jpg"
CLIP = SAMPLES / "falling.mp4"


@dataclass(frozen=True)
class Serving:
    """A server that runs.

    Attributes:
        url: Where it is.
        port: Its port.
        process: Its process.
        output: What it says.
    """

    url: str
    port: int
    process: subprocess.Popen[bytes]
    output: IO[str]

    def said(self) -> str:
        """All that it has said to the user so far."""
        self.output.seek(0)
        return self.output.read()

    def memory_bytes(self, *, peak: bool = False) -> int:
        """Memory that it holds, or held at most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    def connect(self, timeout_s: float = 20) -> socket.socket:
        """Open a plain connection, for requests that no client would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)


@contextmanager
def serving(*arguments: str | Path, token: str | None = None) -> Iterator[Serving]:
    """Run `har-edge serve` until the block ends; it must then end by itself."""
    environ = {**os.environ, **({"HAR_TOKEN": token} if token else {})}
    command = [sys.executable, "-m", "har_edge", "serve", "--port", "0", *map(str, arguments)]
    # A file and no pipe, which a server that has much to say would wait for.
    with tempfile.TemporaryFile("w+") as said:

        def address() -> re.Match[str] | None:
            said.seek(0)
            text = said.read()
            assert process.poll() is None, text
            return re.search(r"(https?://127\.0\.0\.1:(\d+))  ", text)

        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=environ)
        try:
            wait_for(address, 60)
            found = address()
            assert found
            server = Serving(found[1], int(found[2]), process, said)
            wait_for(lambda: _answers(server))
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            finally:
                process.kill()
        said.seek(0)
        text = said.read()
        assert "Traceback" not in text, text


def _answers(server: Serving) -> bool:
    try:
        server.connect(1).close()
    except OSError:
        return False
    return True


def wait_for(is_so: Callable[[], object], timeout_s: float = 20) -> None:
    """Wait until something is so."""
    until_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < until_s, "it did not become so"
        time.sleep(0.05)


def encode_picture(
    form: str = "JPEG", size: tuple[int, int] = (320, 240), **options: object
) -> bytes:
    """A picture of soft colours in some format."""
    from PIL import Image

    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
    stream = io.BytesIO()
    small.resize(size, Image.Resampling.BICUBIC).save(stream, form, **options)
    return stream.getvalue()
