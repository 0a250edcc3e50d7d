"""A real Mosquitto that is killed and comes back, and who listens to it."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from har_edge.recognition.events import Event
from har_edge.recognition.prediction import Prediction
from har_edge.sinks.mqtt import MqttSink
from har_edge.sinks.queue import SinkQueue
from tests.support import records

MakeBroker = Callable[..., "Broker"]
Subscribe = Callable[..., "Subscriber"]


MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
SOON_S = 60.0


def wait_for(condition: Callable[[], Any], within_s: float = SOON_S) -> None:
    until_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until_s, "waited in vain"
        time.sleep(0.02)


class Broker:
    """A Mosquitto on a port of its own, with or without a disk to remember by."""

    def __init__(self, folder: Path, *, persistent: bool, extra: str = "") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.config = folder / "mosquitto.conf"
        memory = f"persistence {str(persistent).lower()}\npersistence_location {folder}/\n"
        access = extra or "allow_anonymous true\n"
        self.config.write_text(
            f"listener {self.port} 127.0.0.1\nuser root\n{memory}autosave_interval 1\n{access}"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO
        self.process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self.config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self.answers)

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Gate:
    """A way to the broker that can be shut, so that a test decides when the sender is back."""

    def __init__(self, broker: Broker) -> None:
        self.is_open = True
        self._broker = broker
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return  # closed
            try:
                if not self.is_open:
                    raise ConnectionRefusedError
                far = socket.create_connection(("127.0.0.1", self._broker.port))
            except OSError:
                near.close()
                continue
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.close()


class Subscriber:
    """Everything below some topics, in the order in which it came; comes back by itself."""

    def __init__(self, port: int, *topics: str, **login: str) -> None:
        from paho.mqtt import client as mqtt
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        self.messages: list[tuple[str, str, bool]] = []
        self.ready = threading.Event()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        if login:
            self.client.username_pw_set(login["user"], login["password"])
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe([(t, 2) for t in topics])
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_disconnect = lambda *_: self.ready.clear()
        # A session that outlives the connection, for brokers that remember it.
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = 600
        self.client.on_message = lambda _c, _d, m: self.messages.append(
            (m.topic, m.payload.decode(), m.retain)
        )
        self.client.connect("127.0.0.1", port, properties=session)
        self.client.loop_start()
        assert self.ready.wait(SOON_S)

    def payloads(self, topic: str) -> list[str]:
        return [payload for at, payload, _ in self.messages if at == topic]

    def last(self, topic: str) -> str:
        return (self.payloads(topic) or [""])[-1]

    def numbers(self, topic: str = "har/camera-0/event") -> list[int]:
        return [json.loads(payload)["number"] for payload in self.payloads(topic)]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def event(number: int, source: str = "camera:0") -> Event:
    return records.event(number, source=source, start_at_s=1e9)


def prediction(action: str, source: str = "camera:0", at_s: float | None = None) -> Prediction:
    captured_at_s = time.time() if at_s is None else at_s
    said = records.prediction(1.0, action, 0.8, source=source)
    return replace(said, age_ms=5.0, captured_at_s=captured_at_s)


def open_queue(broker: Broker | Gate, notes: list[str], **options: Any) -> SinkQueue:
    sink = MqttSink(f"mqtt://127.0.0.1:{broker.port}", notes.append, **options)
    return SinkQueue(sink, note=notes.append)
