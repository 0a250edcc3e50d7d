"""A camera for tests that speaks motion JPEG over HTTP, and does all that bad ones do."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import random
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import numpy as np

from tests.support.chaos import pattern

Mode = Literal[
    "normal", "black", "frozen", "stalled", "cut off", "zeroed", "half dropped", "refused", "closed"
]
LOST_BYTES = 1400  # what one lost packet holds
REALM, NONCE = "camera", "5d1f9a"


class MjpegServer:
    """Serves http://127.0.0.1:PORT/cam; `start` after `stop` uses the same port.

    Attributes:
        mode: What is wrong with it at the moment.
        size: Width and height of its pictures.
        login: User and password that it asks for, or None.
        digest: Whether it asks for them by digest authentication, else basic.
        announced: Whether each part states its length.
        sent: Pictures sent whole.
        refusals: Requests answered with 401.
    """

    def __init__(self, rate_hz: float = 15.0, seed: int = 0) -> None:
        self.rate_hz = rate_hz
        self.mode: Mode = "normal"
        self.size = (320, 240)
        self.login: tuple[str, str] | None = None
        self.digest = False
        self.announced = True
        self.sent = 0
        self.refusals = 0
        self.rng = random.Random(seed)
        self.port = 0
        self._noise = np.random.default_rng(seed).integers(0, 13, 10**6, dtype=np.uint8)
        self._http: ThreadingHTTPServer | None = None
        self._open: set[socket.socket] = set()
        self.start()

    @property
    def url(self) -> str:
        """Where it is, without login."""
        return f"http://127.0.0.1:{self.port}/cam"

    def start(self) -> None:
        """Serve, in threads of its own."""
        camera = self

        class Handler(_Handler):
            server_of = camera

        ThreadingHTTPServer.allow_reuse_address = True
        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Vanish: break all connections and take no new ones."""
        http, self._http = self._http, None
        if http is not None:
            http.shutdown()
            http.server_close()
            for connection in list(self._open):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    @property
    def running(self) -> bool:
        """Whether it takes connections."""
        return self._http is not None

    def connected(self, connection: socket.socket, *, yes: bool) -> None:
        """Remember who is connected."""
        (self._open.add if yes else self._open.discard)(connection)

    def picture(self) -> bytes:
        """Draw and encode the picture of now."""
        width, height = self.size
        if self.mode == "black":
            return encode(bytes(width * height), width, height)
        grey = np.frombuffer(pattern.draw(pattern.now_ms(), width, height), np.uint8)
        # Like a sensor's: without noise, a picture is so small that damage has no room.
        return encode((grey + self._noise[: grey.size]).tobytes(), width, height)


def encode(grey: bytes, width: int, height: int) -> bytes:
    """Encode a grey picture, (height, width) bytes, as JPEG."""
    import simplejpeg

    pixels = np.frombuffer(grey, np.uint8).reshape(height, width, 1)
    data: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels), quality=85, colorspace="GRAY", colorsubsampling="Gray"
    )
    return data


class _Handler(BaseHTTPRequestHandler):
    server_of: MjpegServer
    protocol_version = "HTTP/1.0"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Serve pictures until the client leaves or the mode says otherwise."""
        camera = self.server_of
        if camera.mode == "refused" or not self._may():
            camera.refusals += 1
            scheme = f'Digest realm="{REALM}", nonce="{NONCE}", qop="auth", algorithm=MD5'
            self.send_response(401)
            self.send_header(
                "WWW-Authenticate", scheme if camera.digest else f'Basic realm="{REALM}"'
            )
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        camera.connected(self.connection, yes=True)
        try:
            with contextlib.suppress(OSError):
                self._stream()
        finally:
            camera.connected(self.connection, yes=False)

    def _may(self) -> bool:
        camera = self.server_of
        if camera.login is None:
            return True
        given = self.headers.get("Authorization", "")
        if not camera.digest:
            expected = base64.b64encode(":".join(camera.login).encode()).decode()
            return given == f"Basic {expected}"
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', given))

        def md5(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode()).hexdigest()

        user, password = camera.login
        answer = md5(
            md5(user, REALM, password), NONCE, fields.get("nc", ""), fields.get("cnonce", ""),
            "auth", md5("GET", self.path),
        )  # fmt: skip
        return fields.get("response") == answer

    def _stream(self) -> None:
        camera = self.server_of
        last, count = camera.picture(), 0
        while camera.running and camera.mode != "closed":
            time.sleep(1 / camera.rate_hz)
            count += 1
            if camera.mode == "half dropped" and count % 2:
                continue
            if camera.mode != "frozen":
                last = camera.picture()
            self._part(last)

    def _part(self, data: bytes) -> None:
        camera = self.server_of
        head = b"--frame\r\nContent-Type: image/jpeg\r\n"
        if camera.announced:
            head += b"Content-Length: %d\r\n" % len(data)
        middle = len(data) // 2
        if camera.mode == "stalled":
            self.wfile.write(head + b"\r\n" + data[:middle])
            while camera.mode == "stalled" and camera.running:
                time.sleep(0.02)
            self.wfile.write(data[middle:] + b"\r\n")
            return
        if camera.mode == "cut off":
            data = data[: camera.rng.randrange(len(data) // 3, len(data) - 1)]
        elif camera.mode == "zeroed":
            start = camera.rng.randrange(700, len(data) - LOST_BYTES)
            data = data[:start] + bytes(LOST_BYTES) + data[start + LOST_BYTES :]
        else:
            camera.sent += 1
        self.wfile.write(head + b"\r\n" + data + b"\r\n")
