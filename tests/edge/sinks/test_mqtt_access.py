"""Who may reach a broker, and what its address says: passwords, certificates, topics."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from har_edge.errors import MissingExtraError, OutputError
from har_edge.sinks.mqtt import MqttSink, parse_broker
from har_edge.sinks.queue import SinkQueue
from tests.support.mqtt import SOON_S, MakeBroker, Subscribe, event, wait_for


def test_logging_in(
    make_broker: MakeBroker,
    subscribe: Subscribe,
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
    make_broker: MakeBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
