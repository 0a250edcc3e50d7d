"""MQTT against a real Mosquitto that is killed and comes back."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from har_edge.errors import MissingExtraError, OutputError
from har_edge.recognition.events import Event
from har_edge.recognition.headcount import Headcount
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.visits import Visit
from har_edge.sinks.mqtt import MqttSink, parse_broker
from har_edge.sinks.queue import SinkQueue
from har_edge.sources.base import SourceStatus
from tests.conftest import ASSETS
from tests.support import records

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


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed")
    if MOSQUITTO is None:
        pytest.skip("Mosquitto is not installed (Debian: apt install mosquitto)")
    brokers: list[Broker] = []

    def make(*, persistent: bool = False, extra: str = "") -> Broker:
        broker = Broker(tmp_path, persistent=persistent, extra=extra)
        brokers.append(broker)
        broker.start()
        return broker

    yield make
    for broker in brokers:
        broker.kill()


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


@pytest.fixture
def subscribe() -> Iterator[Callable[..., Subscriber]]:
    subscribers: list[Subscriber] = []

    def make(broker: Broker, *topics: str, **login: str) -> Subscriber:
        subscribers.append(Subscriber(broker.port, *(topics or ("har/#",)), **login))
        return subscribers[-1]

    yield make
    for subscriber in subscribers:
        subscriber.close()


def event(number: int, source: str = "camera:0") -> Event:
    return records.event(number, source=source, start_at_s=1e9)


def prediction(action: str, source: str = "camera:0", at_s: float | None = None) -> Prediction:
    captured_at_s = time.time() if at_s is None else at_s
    said = records.prediction(1.0, action, 0.8, source=source)
    return replace(said, age_ms=5.0, captured_at_s=captured_at_s)


def open_queue(broker: Broker | Gate, notes: list[str], **options: Any) -> SinkQueue:
    sink = MqttSink(f"mqtt://127.0.0.1:{broker.port}", notes.append, **options)
    return SinkQueue(sink, note=notes.append)


def test_topics_payloads_and_retention(
    make_broker: Callable[..., Broker], subscribe: Callable[..., Subscriber]
) -> None:
    broker = make_broker()
    live = subscribe(broker, "har/#", "homeassistant/#")
    queue = open_queue(broker, notes := [])
    queue.put(prediction("sitting"), wait=False)
    queue.put(event(1), wait=False)
    queue.put(SourceStatus("camera:0", "black", 1e9, "The picture is black."), wait=False)
    queue.put(prediction("falling"), wait=False)
    wait_for(lambda: '"action": "falling", "confidence": 0.8' in live.last("har/camera-0/action"))
    queue.put(prediction("sitting", at_s=time.time() - 60), wait=False)  # old news
    wait_for(lambda: '"black"' in live.last("har/camera-0/status"))
    wait_for(lambda: queue.stats.delivered == 5)
    late = subscribe(broker, "har/#", "homeassistant/#")
    wait_for(lambda: late.payloads("har/camera-0/status"))
    (shown,) = late.payloads("har/camera-0/action")
    assert json.loads(shown)["action"] == "falling"
    assert "time" in json.loads(shown)
    assert json.loads(late.payloads("har/camera-0/status")[0])["status"] == "black"
    assert late.payloads("har/available") == ["online"]
    assert late.payloads("har/camera-0/event") == []  # an event is over when it was told
    (told,) = map(json.loads, live.payloads("har/camera-0/event"))
    assert (told["event"], told["number"], told["action"]) == ("action_started", 1, "sitting")
    assert told["id"].endswith(("-1-started", "-1-ended"))

    (config,) = [
        json.loads(p) for t, p, _ in late.messages if t.startswith("homeassistant/sensor/")
    ]
    assert config["state_topic"] == config["json_attributes_topic"] == "har/camera-0/action"
    assert config["options"] == ["falling", "sitting", "unknown"]
    assert config["device"]["name"] == "camera:0"
    assert [a["topic"] for a in config["availability"]] == ["har/available", "har/camera-0/status"]
    assert config["unique_id"] and config["origin"]["name"] == "har-edge"

    queue.close()
    wait_for(lambda: late.payloads("har/available") == ["online", "offline"])
    assert json.loads(late.payloads("har/camera-0/status")[-1])["status"] == "ended"
    assert notes == []


def test_each_person_has_a_topic_and_the_largest_the_cameras(
    make_broker: Callable[..., Broker], subscribe: Callable[..., Subscriber]
) -> None:
    broker = make_broker()
    live = subscribe(broker, "har/#", "homeassistant/#")
    queue = open_queue(broker, notes := [])
    empty = replace(prediction("sitting"), labels=("nobody",), probabilities=np.ones(1, np.float32))
    queue.put(replace(empty, locate_ms=1.0), wait=False)
    wait_for(lambda: '"nobody"' in live.last("har/camera-0/action"))
    for frame, (first, second) in enumerate([("sitting", "falling"), ("falling", "falling")], 1):
        for person, action in ((3, first), (5, second)):
            said = replace(prediction(action), frame=frame, person=person, locate_ms=1.0)
            queue.put(said, wait=False)
    wait_for(lambda: len(live.payloads("har/camera-0/person/3/action")) == 2)
    wait_for(lambda: len(live.payloads("har/camera-0/action")) == 3)
    shown = [json.loads(p) for p in live.payloads("har/camera-0/action")]
    assert [(p.get("person"), p["action"]) for p in shown] == [
        (None, "nobody"),
        (3, "sitting"),
        (3, "falling"),
    ]
    (other,) = map(json.loads, live.payloads("har/camera-0/person/5/action"))
    assert (other["person"], other["action"]) == (5, "falling")
    queue.close()
    config = json.loads(
        [
            p
            for t, p, _ in live.messages
            if t.startswith("homeassistant/sensor/") and '"options"' in p
        ][-1]
    )
    assert config["options"] == ["falling", "sitting", "nobody", "unknown"]
    assert notes == []


def outage(
    broker: Broker, subscriber: Subscriber, length_s: float, before: int, during: int, after: int
) -> list[str]:
    """Send events before, during and after a kill of the broker; they all have to arrive, once.

    The gate opens when the subscriber is back: a broker without a disk tells only who is there.
    """
    gate = Gate(broker)
    queue = open_queue(gate, notes := [])
    numbers = iter(range(1, before + during + after + 1))

    def send(count: int, over_s: float) -> None:
        for _ in range(count):
            queue.put(event(next(numbers)), wait=False)
            queue.put(prediction("sitting"), wait=False)
            time.sleep(over_s / count)

    send(before, 0.2)
    wait_for(lambda: len(subscriber.numbers()) == before)
    time.sleep(1.5)  # a broker with a disk saves once a second
    gate.is_open = False
    broker.kill()
    wait_for(lambda: not subscriber.ready.is_set())
    send(during, length_s)
    assert len(subscriber.numbers()) == before
    broker.start()
    assert subscriber.ready.wait(SOON_S)
    gate.is_open = True
    send(after, 0.5)
    wait_for(lambda: len(subscriber.numbers()) >= before + during + after)
    stats = queue.close(SOON_S)
    time.sleep(1.0)  # time for what should not come: a second copy
    gate.close()
    assert subscriber.numbers() == list(range(1, before + during + after + 1))
    assert (stats.overflowed, stats.refused, stats.left) == (0, 0, 0)
    return notes


@pytest.mark.parametrize("persistent", [True, False])
def test_events_of_an_outage_arrive_afterwards_in_order_and_once(
    make_broker: Callable[..., Broker], subscribe: Callable[..., Subscriber], persistent: bool
) -> None:
    broker = make_broker(persistent=persistent)
    notes = outage(broker, subscribe(broker), 3.0, before=5, during=30, after=5)
    away = sum("does not answer" in note for note in notes)
    assert away == sum("accepts records again" in note for note in notes) >= 1


@pytest.mark.slow
def test_an_outage_of_a_minute(
    make_broker: Callable[..., Broker], subscribe: Callable[..., Subscriber]
) -> None:
    broker = make_broker(persistent=True)
    outage(broker, subscribe(broker), 60.0, before=20, during=120, after=20)


def test_a_broker_that_is_away_at_the_start_is_waited_for(
    make_broker: Callable[..., Broker], subscribe: Callable[..., Subscriber]
) -> None:
    broker = make_broker(persistent=True)
    subscriber = subscribe(broker)
    time.sleep(1.5)
    broker.kill()
    queue = open_queue(broker, notes := [])
    for number in (1, 2, 3):
        queue.put(event(number), wait=False)
    wait_for(lambda: notes)
    broker.start()
    wait_for(lambda: subscriber.numbers() == [1, 2, 3])
    assert queue.close(SOON_S).left == 0


def test_a_broker_that_stays_away_costs_nothing_but_what_overflows(
    make_broker: Callable[..., Broker],
) -> None:
    broker = make_broker()
    broker.kill()
    sink = MqttSink(f"mqtt://127.0.0.1:{broker.port}", (notes := []).append)
    queue = SinkQueue(sink, note=notes.append, max_kept=10)
    for number in range(1, 51):
        queue.put(event(number), wait=False)
        queue.put(prediction("sitting"), wait=True)
    stats = queue.close(timeout_s=0.5)
    # One in the sink's hand, ten that wait, the others gave way.
    assert stats.overflowed + stats.left >= 50
    assert stats.overflowed in (39, 40)
    assert any("ecords not delivered in time" in note for note in notes)


def test_the_last_will_tells_that_a_run_was_killed(
    make_broker: Callable[..., Broker], subscribe: Callable[..., Subscriber]
) -> None:
    broker = make_broker()
    subscriber = subscribe(broker, "har/available")
    code = (
        "import sys, time; from har_edge.sinks.mqtt import MqttSink\n"
        "sink = MqttSink(sys.argv[1], print); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, f"mqtt://127.0.0.1:{broker.port}"])
    wait_for(lambda: subscriber.payloads("har/available") == ["online"])
    process.kill()
    process.wait()
    wait_for(lambda: subscriber.payloads("har/available") == ["online", "offline"])


def test_logging_in(
    make_broker: Callable[..., Broker],
    subscribe: Callable[..., Subscriber],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(passwords), "ann", "s3cr/t"],
        check=True,
        capture_output=True,
    )
    access = f"allow_anonymous false\npassword_file {passwords}\n"
    broker = make_broker(extra=access)
    subscriber = subscribe(broker, "home/#", user="ann", password="s3cr/t")
    notes: list[str] = []

    def told(url: str, timeout_s: float = SOON_S) -> int:
        queue = SinkQueue(MqttSink(url, notes.append), note=notes.append)
        queue.put(event(1), wait=False)
        return queue.close(timeout_s).delivered

    monkeypatch.delenv("HAR_MQTT_PASSWORD", raising=False)
    assert told(f"mqtt://ann:wr0ng@127.0.0.1:{broker.port}/home", 3.0) == 0
    assert any("refuses the connection: Not authorized" in note for note in notes)
    assert told(f"mqtt://ann:s3cr%2Ft@127.0.0.1:{broker.port}/home") == 1
    monkeypatch.setenv("HAR_MQTT_PASSWORD", "s3cr/t")
    assert told(f"mqtt://ann@127.0.0.1:{broker.port}/home") == 1
    wait_for(lambda: len(subscriber.payloads("home/camera-0/event")) == 2)
    assert not any(secret in note for note in notes for secret in ("wr0ng", "s3cr"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_tls_checks_the_certificate(
    make_broker: Callable[..., Broker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    options += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        ["openssl", "req", *options, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    broker = make_broker(extra=f"allow_anonymous true\nkeyfile {key}\ncertfile {certificate}\n")

    def told(notes: list[str], timeout_s: float = SOON_S) -> int:
        sink = MqttSink(f"mqtts://127.0.0.1:{broker.port}", notes.append)
        queue = SinkQueue(sink, note=notes.append)
        queue.put(event(1), wait=False)
        return queue.close(timeout_s).delivered

    assert told(unsafe := [], 3.0) == 0
    assert "certificate verify failed" in unsafe[0]
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert told(safe := []) == 1
    assert safe == []


def test_people_are_counted_and_visits_are_told(
    make_broker: Callable[..., Broker], subscribe: Callable[..., Subscriber]
) -> None:
    broker = make_broker()
    live = subscribe(broker, "har/#", "homeassistant/#")
    queue = open_queue(broker, [])
    queue.put(replace(prediction("sitting"), person=1, locate_ms=5.0), wait=False)
    for at_s, actions in ((1.0, {"sitting": 1}), (2.0, {"sitting": 1}), (3.0, {"falling": 2})):
        heads = Headcount("camera:0", at_s, sum(actions.values()), actions, time.time())
        queue.put(heads, wait=False)
        # Until the broker is reached, only the latest state is kept.
        wait_for(lambda: live.payloads("har/camera-0/people"))
    queue.put(Visit("zone_entered", 7, "camera:0", "bed", 1, 1.5), wait=False)
    wait_for(lambda: queue.stats.delivered == 5)
    wait_for(lambda: live.payloads("har/camera-0/event"))
    wait_for(lambda: '"people": 2' in live.last("har/camera-0/people"))
    told = [json.loads(payload) for payload in live.payloads("har/camera-0/people")]
    # No news is not told; what was told while the connection was made may come twice.
    assert {count["timestamp_s"] for count in told} == {1.0, 3.0}
    first, last = told[0], told[-1]
    assert (first["people"], first["action"], first["actions"]) == (1, "sitting", {"sitting": 1})
    assert (last["people"], last["actions"]) == (2, {"falling": 2})
    (visit,) = map(json.loads, live.payloads("har/camera-0/event"))
    assert visit["id"].endswith("-7-zone_entered")
    configs = [json.loads(p) for t, p, _ in live.messages if t.startswith("homeassistant/")]
    # Told at the start, and again with the first prediction.
    counter = [c for c in configs if c["state_topic"].endswith("/people")][-1]
    assert counter["device"] == configs[0]["device"]
    queue.close()


def test_sources_with_names_alike_stay_apart(
    make_broker: Callable[..., Broker], subscribe: Callable[..., Subscriber]
) -> None:
    broker = make_broker()
    subscriber = subscribe(broker)
    queue = open_queue(broker, [], discovery_prefix="")
    for number, source in enumerate(["a/b#c", "a+b/c", "a/b#c"]):
        queue.put(event(number, source), wait=False)
    queue.close()
    wait_for(lambda: subscriber.numbers("har/a-b-c/event") == [0, 2])
    wait_for(lambda: subscriber.numbers("har/a-b-c-2/event") == [1])


def test_a_watched_folder_is_one_camera(
    make_broker: Callable[..., Broker], subscribe: Callable[..., Subscriber]
) -> None:
    broker = make_broker()
    subscriber = subscribe(broker, "har/#", "homeassistant/#")
    queue = open_queue(broker, [], folders=["./in"])
    names = [f"in/{n}.jpg" for n in range(8)]
    for number, source in enumerate(names):
        queue.put(prediction("sitting", source), wait=True)
        queue.put(event(number, source), wait=True)
    queue.put(prediction("sitting", "camera:0"), wait=True)
    wait_for(lambda: queue.stats.delivered == 2 * 8 + 1)
    queue.close()
    wait_for(lambda: subscriber.numbers("har/in/event") == list(range(8)))
    # What was retained before the connection stood is sent again when it does.
    shown = [json.loads(p)["source"] for p in subscriber.payloads("har/in/action")]
    assert list(dict.fromkeys(shown)) == names
    wait_for(lambda: '"ended"' in subscriber.last("har/in/status"))
    states = [json.loads(p) for p in subscriber.payloads("har/in/status")]
    assert {(s["source"], s["status"]) for s in states} == {("in", "live"), ("in", "ended")}
    found = [json.loads(p) for t, p, _ in subscriber.messages if t.startswith("homeassistant/")]
    assert {config["device"]["name"] for config in found} == {"in", "camera:0"}


def test_serve_publishes_its_live_source(
    make_broker: Callable[..., Broker], subscribe: Callable[..., Subscriber]
) -> None:
    pytest.importorskip("fastapi", reason="needs the extra serve")
    from tests.support.chaos.mjpeg_server import MjpegServer
    from tests.support.serving import serving

    broker = make_broker()
    subscriber = subscribe(broker)
    camera = MjpegServer()
    always = ("--score-threshold", "0", "--smoothing", "0", "--min-duration", "0")
    url = f"mqtt://127.0.0.1:{broker.port}"

    def topics() -> set[str]:
        """What was published, without the camera's name."""
        return {topic.rpartition("/")[2] for topic, _, _ in subscriber.messages}

    try:
        model = ("--model", ASSETS / "tiny-int8.tflite")
        with serving(camera.url, *model, *always, "--mqtt", url):
            wait_for(lambda: topics() >= {"available", "status", "action", "event"})
            assert subscriber.payloads("har/available") == ["online"]
    finally:
        camera.stop()
    wait_for(lambda: subscriber.last("har/available") == "offline")
    (event,) = [json.loads(p) for t, p, _ in subscriber.messages if t.endswith("/event")][:1]
    assert event["event"] == "action_started"


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HAR_MQTT_PASSWORD", raising=False)
    broker = parse_broker("mqtts://ann:p%40ss@box.lan/home/har/")
    assert (broker.host, broker.port, broker.tls) == ("box.lan", 8883, True)
    assert (broker.user, broker.password, broker.prefix) == ("ann", "p@ss", "home/har")
    assert "p@ss" not in repr(broker) and "ann" not in repr(broker)
    assert parse_broker("mqtt://10.0.0.2").prefix == "har"
    monkeypatch.setenv("HAR_MQTT_PASSWORD", "100%41")
    assert parse_broker("mqtt://ann@box").password == "100%41"
    assert parse_broker("mqtt://ann:own@box").password == "own"


@pytest.mark.parametrize(
    "url",
    [
        "box",
        "http://ann:s3cret@box",
        "mqtt://ann:s3cret@",
        "mqtt://ann:s3cret@box:port",
        "mqtt://ann:s3cret@box/a+b",
        "mqtt://ann:s3cret@box/a#b",
        "mqtt://ann:s3cret@[::1",
    ],
)
def test_unusable_addresses(url: str) -> None:
    with pytest.raises(OutputError) as error:
        parse_broker(url)
    assert "s3cret" not in str(error.value)


def test_without_the_package_the_install_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt", None)
    with pytest.raises(MissingExtraError, match=r'pip install "har-edge\[mqtt\]"'):
        MqttSink("mqtt://box", print)


@pytest.mark.parametrize("url", ["mqtt://me:12/geheim@10.0.0.9", "mqtt://me:p@ge#heim@host/home"])
def test_a_password_that_should_be_encoded_is_not_taken_for_a_prefix(url: str) -> None:
    with pytest.raises(OutputError, match="%40 %2F %3F %23") as caught:
        parse_broker(url)
    assert "heim" not in str(caught.value)
