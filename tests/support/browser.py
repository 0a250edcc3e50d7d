"""`har-edge serve` with a camera, and what a browser makes of its page."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.support.chaos.mjpeg_server import MjpegServer

SAMPLES = ROOT / "edge" / "har_edge" / "samples"
CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_S = 15
MISSING = [name for name in ("playwright", "fastapi", "uvicorn") if not find_spec(name)]
if not CHROMIUM.exists():
    MISSING.append("chromium")
needs_browser = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")


class SampleCamera(MjpegServer):
    """Shows the two sample pictures in turn, with the noise of a sensor: else it were frozen."""

    def __init__(self) -> None:
        import cv2

        self.pictures = [
            cv2.cvtColor(cv2.imread(str(SAMPLES / name)), cv2.COLOR_BGR2RGB)
            for name in ("seated.jpg", "lying.jpg")
        ]
        super().__init__(rate_hz=10.0)

    def picture(self) -> bytes:
        import simplejpeg

        if self.mode != "normal":
            return super().picture()
        shown = self.pictures[int(time.monotonic() / 3) % 2]
        noisy = np.clip(shown + np.random.default_rng().integers(0, 5, shown.shape), 0, 255)
        data: bytes = simplejpeg.encode_jpeg(noisy.astype(np.uint8), quality=85)
        return data


class Server:
    """`har-edge serve` in a process of its own; `start` after `stop` uses the same port."""

    def __init__(self, folder: Path, *options: str, token: str | None = None) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port: int = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.options = [*options, "--port", str(self.port)]
        self.environment = {**os.environ, **({"HAR_TOKEN": token} if token else {})}
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Serve, and wait until it answers."""
        log = (self.folder / f"serve-{self.port}.log").open("ab")
        command = [sys.executable, "-m", "har_edge", "serve", *self.options]
        self.process = subprocess.Popen(
            command, cwd=self.folder, stdout=log, stderr=log, env=self.environment
        )
        deadline = time.monotonic() + 90  # networks are tried first, each in a process of its own
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/health", timeout=2)
                return
            time.sleep(0.1)
        raise AssertionError(Path(log.name).read_text(encoding="utf-8"))

    def stop(self) -> None:
        """End it as a service manager does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            finally:
                self.process.kill()
            self.process = None

    def predict(self, path: Path, content_type: str) -> dict[str, Any]:
        """Ask the API itself, without the page."""
        head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        body = f"{head}Content-Type: {content_type}\r\n\r\n".encode() + path.read_bytes()
        request = urllib.request.Request(
            f"{self.url}/predict",
            data=body + b"\r\n--b--\r\n",
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)  # type: ignore[no-any-return]


@dataclass
class Watch:
    """What went wrong on a page. `expected` are patterns of errors that a test provokes."""

    origin: str
    expected: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def attach(self, page: Any) -> None:
        """Listen to everything that the page logs and asks for."""
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._on_console)
        page.on("request", self._on_request)

    def _on_console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)

    def _on_request(self, request: Any) -> None:
        if not request.url.startswith((self.origin + "/", f"blob:{self.origin}/", "data:")):
            self.foreign.append(request.url)

    def check(self) -> None:
        """Nothing but what was provoked was logged, and no request left the origin."""
        unexpected = [e for e in self.errors if not any(re.search(p, e) for p in self.expected)]
        assert not unexpected
        assert not self.foreign


def expect(locator: Any) -> Any:
    """Playwright's assertion that waits."""
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE_S * 1000)
    return expect(locator)


def wait_until(page: Any, expression: str) -> None:
    """Wait for a JavaScript expression; Playwright's own way is barred by the content policy."""
    deadline = time.monotonic() + PATIENCE_S
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def spoken(action: str) -> str:
    """Spell an action as the page does."""
    return action.replace("_", " ")


Open = Callable[..., tuple[Any, Watch]]
