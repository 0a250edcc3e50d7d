"""What was said while a broker was away arrives when it is back, in order and once."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from har_edge.sinks.mqtt import MqttSink
from har_edge.sinks.queue import SinkQueue
from tests.support.mqtt import (
    SOON_S,
    Broker,
    Gate,
    MakeBroker,
    Subscribe,
    Subscriber,
    event,
    open_queue,
    prediction,
    wait_for,
)


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
    make_broker: MakeBroker, subscribe: Subscribe, persistent: bool
) -> None:
    broker = make_broker(persistent=persistent)
    notes = outage(broker, subscribe(broker), 3.0, before=5, during=30, after=5)
    away = sum("does not answer" in note for note in notes)
    assert away == sum("accepts records again" in note for note in notes) >= 1


@pytest.mark.slow
def test_an_outage_of_a_minute(make_broker: MakeBroker, subscribe: Subscribe) -> None:
    broker = make_broker(persistent=True)
    outage(broker, subscribe(broker), 60.0, before=20, during=120, after=20)


def test_a_broker_that_is_away_at_the_start_is_waited_for(
    make_broker: MakeBroker, subscribe: Subscribe
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
    make_broker: MakeBroker,
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
    make_broker: MakeBroker, subscribe: Subscribe
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
