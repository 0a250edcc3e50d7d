"""An MQTT broker, and subscribers to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mqtt import MOSQUITTO, Broker, MakeBroker, Subscribe, Subscriber


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[MakeBroker]:
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


@pytest.fixture
def subscribe() -> Iterator[Subscribe]:
    subscribers: list[Subscriber] = []

    def make(broker: Broker, *topics: str, **login: str) -> Subscriber:
        subscribers.append(Subscriber(broker.port, *(topics or ("har/#",)), **login))
        return subscribers[-1]

    yield make
    for subscriber in subscribers:
        subscriber.close()
