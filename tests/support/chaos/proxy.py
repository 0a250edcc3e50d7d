"""A TCP proxy that does to an RTSP connection what bad networks and cameras do."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import threading
import time
from collections.abc import Iterator

INTERLEAVED = 0x24  # `$`: a binary packet between the messages. Source: RFC 2326, 10.12.


class Proxy:
    """Forwards connections to a port of this machine.

    Attributes:
        port: Where it listens.
        drop: Share of RTP packets that are left out.
        damage: Share of RTP packets of which some bytes are changed.
        drop_key_frames: Whether H.264 pictures that stand for themselves are left out.
        stalled: Whether to forward nothing from the server, in the middle of a packet.
    """

    def __init__(self, target: int, seed: int = 0) -> None:
        self._target = target
        self._rng = random.Random(seed)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.drop = self.damage = 0.0
        self.stalled = self.drop_key_frames = False
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def calm(self) -> None:
        """Do no harm any more."""
        self.drop = self.damage = 0.0
        self.stalled = self.drop_key_frames = False

    def cut(self) -> None:
        """Break all connections; new ones are taken."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop."""
        self.stalled = False
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            for args in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._forward, args=args, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, faulty: bool) -> None:
        with contextlib.suppress(OSError):
            for part in self._parts(source) if faulty else self._raw(source):
                sink.sendall(part)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        with self._lock:
            self._open -= {source, sink}

    @staticmethod
    def _raw(source: socket.socket) -> Iterator[bytes]:
        while data := source.recv(2**16):
            yield data

    def _parts(self, source: socket.socket) -> Iterator[bytes]:
        buffer = bytearray()
        for data in self._raw(source):
            buffer += data
            while length := _whole(buffer):
                part = bytearray(buffer[:length])
                del buffer[:length]
                yield from self._treat(part)

    def _treat(self, part: bytearray) -> Iterator[bytes]:
        if self.stalled:
            half = len(part) // 2
            yield bytes(part[:half])
            while self.stalled:
                time.sleep(0.02)
            yield bytes(part[half:])
        elif part[0] == INTERLEAVED and part[1] == 0:  # channel 0: RTP, not RTCP
            if self._rng.random() < self.drop or (self.drop_key_frames and _of_key_frame(part)):
                return
            # Behind the headers of the packet, of RTP and of the NAL unit.
            if len(part) > 20 and self._rng.random() < self.damage:
                for _ in range(1 + len(part) // 50):
                    part[self._rng.randrange(20, len(part))] ^= self._rng.randrange(1, 256)
            yield bytes(part)
        else:
            yield bytes(part)


def _of_key_frame(part: bytes | bytearray) -> bool:
    """Whether an RTP packet holds (a part of) an IDR slice. Source: RFC 6184, 5.2 and 5.8."""
    kind, part_kind = part[16] & 31, part[17] & 31
    return (part_kind if kind == 28 else kind) == 5  # 28: FU-A, a fragment of a unit


def _whole(buffer: bytearray) -> int:
    """Length of the packet or message at the start; 0 if it is not complete."""
    if not buffer:
        return 0
    if buffer[0] == INTERLEAVED:
        length = 4 + int.from_bytes(buffer[2:4], "big")
        return length if len(buffer) >= max(4, length) else 0
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return 0
    body = re.search(rb"(?i)content-length:\s*(\d+)", buffer[:end])
    length = end + 4 + (int(body[1]) if body else 0)
    return length if len(buffer) >= length else 0
