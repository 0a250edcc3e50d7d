"""The queue: nothing stalls, nothing that was promised is lost, all loss is counted."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from har_edge.errors import OutputError
from har_edge.frames.frame import Frame
from har_edge.recognition.events import Event
from har_edge.recognition.prediction import Prediction
from har_edge.sinks import queue as module
from har_edge.sinks.base import Record, Shot, TryLaterError
from har_edge.sinks.queue import SinkQueue
from har_edge.sources.base import SourceStatus
from tests.support.records import event, status, weighed
from tests.support.serving import wait_for

ALL = (Prediction, Event, SourceStatus, Shot)
# Far more than any of this takes, far less than a stall.
SOON_S = 10.0


def prediction(number: int) -> Prediction:
    return weighed(0.4, 0.6, at_s=number / 8, frame=number)


def shot(number: int) -> Shot:
    return Shot(Frame(np.zeros((2, 2, 3), np.uint8), 0.0, number, "a", 0.0), None)


class Collector:
    """Keeps what it takes; may be told to wait at a gate, or to raise what `fails` gives."""

    name = "collector"

    def __init__(self, wants: tuple[type, ...] = ALL) -> None:
        self.wants = wants
        self.taken: list[Record] = []
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.waits = threading.Event()
        self.fails: Callable[[Record], BaseException | None] = lambda record: None
        self.closed = 0

    def take(self, record: Record) -> None:
        self.threads.add(threading.get_ident())
        if not self.gate.is_set():
            self.waits.set()
            self.gate.wait()
        if error := self.fails(record):
            raise error
        self.taken.append(record)

    def close(self) -> None:
        self.threads.add(threading.get_ident())
        self.closed += 1


@pytest.fixture
def sink() -> Iterator[Collector]:
    sink = Collector()
    yield sink
    sink.gate.set()  # let the thread of a stuck sink end


def stuck(sink: Collector, notes: list[str], **limits: int) -> SinkQueue:
    """A queue whose sink never finishes the first record it is given."""
    sink.gate.clear()
    queue = SinkQueue(sink, note=notes.append, **limits)
    queue.put(event(0), wait=False)
    assert sink.waits.wait(SOON_S)
    return queue


def test_everything_arrives_in_order_on_one_other_thread(sink: Collector) -> None:
    queue = SinkQueue(sink, note=pytest.fail)
    records: list[Record] = []
    for i in range(500):
        records += [prediction(i), event(i), shot(i), status(i)]
    for record in records:
        queue.put(record, wait=True)
    stats = queue.close()
    assert sink.taken == records
    assert sink.closed == 1
    assert len(sink.threads) == 1 and threading.get_ident() not in sink.threads
    assert (stats.delivered, str(stats)) == (len(records), "")


@pytest.mark.parametrize("wait", [False, True])
def test_few_records_do_not_wait_for_many(sink: Collector, wait: bool) -> None:
    queue = SinkQueue(sink, note=pytest.fail)
    queue.put(prediction(0), wait=wait)
    wait_for(lambda: bool(sink.taken))
    queue.close()


def test_only_wanted_kinds_are_queued() -> None:
    sink = Collector(wants=(Event,))
    queue = SinkQueue(sink, note=pytest.fail)
    for record in (prediction(1), event(1), shot(1), status(1)):
        queue.put(record, wait=False)
    assert queue.close().delivered == 1
    assert sink.taken == [event(1)]


def test_a_stuck_sink_never_stalls_a_live_source_and_all_loss_is_counted(sink: Collector) -> None:
    notes: list[str] = []
    queue = stuck(sink, notes, max_kept=20, max_predictions=10, max_shots=2)
    started = time.monotonic()
    for i in range(1, 2001):
        queue.put(prediction(i), wait=False)
        queue.put(shot(i), wait=False)
    for i in range(1, 18):
        queue.put(event(i), wait=False)
    for i in range(3):
        queue.put(status(i), wait=False)
    assert time.monotonic() - started < SOON_S
    assert queue.stats.dropped == (2000 - 10) + (2000 - 2)
    assert queue.stats.overflowed == 0
    for i in range(18, 23):
        queue.put(event(i), wait=False)
    assert queue.stats.overflowed == 5
    assert len(notes) == 1 and "more than 20 events are waiting" in notes[0]
    sink.gate.set()
    stats = queue.close()
    events = [r for r in sink.taken if isinstance(r, Event)]
    # In hand, then the newest that fit; the oldest gave way.
    assert [e.number for e in events] == [0, *range(6, 23)]
    assert [r for r in sink.taken if isinstance(r, SourceStatus)] == [status(i) for i in range(3)]
    kept = [r.frame for r in sink.taken if isinstance(r, Prediction)]
    assert kept == list(range(1991, 2001))
    assert [r.frame.index for r in sink.taken if isinstance(r, Shot)] == [1999, 2000]
    assert stats.delivered == len(sink.taken) == 1 + 20 + 10 + 2
    assert "displaced by newer ones: 5" in notes[-1]
    assert "predictions and pictures dropped: 3988" in notes[-1]


def test_predictions_never_displace_events(sink: Collector) -> None:
    queue = stuck(sink, [], max_predictions=3)
    for i in range(1, 900):
        queue.put(event(i), wait=False)
        queue.put(prediction(i), wait=False)
    sink.gate.set()
    queue.close(SOON_S)
    assert [r.number for r in sink.taken if isinstance(r, Event)] == list(range(900))


def test_closing_has_a_limit_and_says_what_was_left(sink: Collector) -> None:
    notes: list[str] = []
    queue = stuck(sink, notes)
    for i in range(1, 8):
        queue.put(event(i), wait=False)
        queue.put(prediction(i), wait=False)
    started = time.monotonic()
    stats = queue.close(timeout_s=0.2)
    assert time.monotonic() - started < SOON_S
    assert (stats.left, stats.dropped) == (8, 7)
    assert notes == [
        "Warning: collector lost some. Records not delivered in time: 8, "
        "predictions and pictures dropped: 7."
    ]


def test_files_wait_for_room_and_lose_nothing(sink: Collector) -> None:
    queue = stuck(sink, [], max_predictions=2)
    done = threading.Event()

    def feed() -> None:
        for i in range(10):
            queue.put(prediction(i), wait=True)
        done.set()

    threading.Thread(target=feed, daemon=True).start()
    assert not done.wait(0.3)
    sink.gate.set()
    assert done.wait(SOON_S)
    assert queue.close().delivered == 11
    assert queue.stats.dropped == 0


def test_a_stuck_sink_is_not_waited_for_unless_vital(
    sink: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STUCK_AFTER_S", 0.2)
    queue = stuck(sink, [], max_predictions=2)
    for i in range(5):
        queue.put(prediction(i), wait=True)
    assert queue.stats.dropped == 3

    main = Collector()
    vital = SinkQueue(main, note=pytest.fail, vital=True, max_predictions=2)
    main.gate.clear()
    done = threading.Event()

    def feed() -> None:
        for i in range(5):
            vital.put(prediction(i), wait=True)
        done.set()

    threading.Thread(target=feed, daemon=True).start()
    assert not done.wait(0.6)
    vital.hurry()  # as a signal does
    assert done.wait(SOON_S)
    main.gate.set()
    assert vital.stats.dropped > 0


def test_waiting_for_a_vital_sink_is_no_busy_loop(
    sink: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    joins: list[float | None] = []
    join = threading.Thread.join

    def counted(thread: threading.Thread, timeout: float | None = None) -> None:
        joins.append(timeout)
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", counted)
    sink.gate.clear()
    queue = SinkQueue(sink, note=pytest.fail, vital=True)
    queue.put(event(0), wait=False)
    threading.Timer(0.5, sink.gate.set).start()
    # The other sinks have taken all the time there was.
    assert queue.close(timeout_s=0.0).delivered == 1
    assert len(joins) < 20


def test_a_record_is_offered_again_until_it_is_taken(
    sink: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("har_edge.backoff.FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(module, "SAY_OUTAGE_EVERY_S", 0.0)
    tries: list[Record] = []

    def fails(record: Record) -> BaseException | None:
        tries.append(record)
        away = len(tries) in (1, 2, 3, 6)
        return TryLaterError("The server is away.") if away else None

    sink.fails = fails
    notes: list[str] = []
    queue = SinkQueue(sink, note=notes.append)
    for i in range(4):
        queue.put(event(i), wait=False)
    stats = queue.close(SOON_S)
    assert sink.taken == [event(i) for i in range(4)]
    assert [r.number for r in tries if isinstance(r, Event)] == [0, 0, 0, 0, 1, 2, 2, 3]
    assert (stats.delivered, str(stats)) == (4, "")
    # Once an outage, and once when it is over.
    assert [n.split(".")[0] for n in notes] == [
        "Warning: The server is away",
        "collector accepts records again",
    ] * 2


def test_what_keeps_failing_does_not_fill_the_log(
    sink: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("har_edge.backoff.FIRST_RETRY_S", 0.001)
    tries: dict[int, int] = {}

    def fails(record: Record) -> BaseException | None:
        assert isinstance(record, Event)
        tries[record.number] = tries.get(record.number, 0) + 1
        if tries[record.number] == 1:
            return TryLaterError("The server is away.")
        return OutputError(f"Not number {record.number}.") if record.number % 2 else None

    sink.fails = fails
    notes: list[str] = []
    queue = SinkQueue(sink, note=notes.append)
    for number in range(100):
        queue.put(event(number), wait=False)
    stats = queue.close(SOON_S)
    assert (stats.delivered, stats.refused) == (50, 50)
    assert sum("is away" in note for note in notes) == 1
    assert sum("Not number" in note for note in notes) == module.MAX_REFUSALS_SAID
    assert "Records not accepted: 50" in notes[-1]


def test_closing_ends_an_outage(sink: Collector) -> None:
    sink.fails = lambda record: TryLaterError("The server is away.")
    notes: list[str] = []
    queue = SinkQueue(sink, note=notes.append)
    for i in range(3):
        queue.put(event(i), wait=False)
    started = time.monotonic()
    stats = queue.close(timeout_s=0.3)
    assert time.monotonic() - started < SOON_S
    assert stats.left == 3
    assert notes[-1] == "Warning: collector lost some. Records not delivered in time: 3."


def test_a_refused_record_is_lost_alone_and_said_once(sink: Collector) -> None:
    refused = {2, 3, 7}
    sink.fails = lambda r: (
        OutputError("It was not accepted.")
        if isinstance(r, Event) and r.number in refused
        else None
    )
    notes: list[str] = []
    queue = SinkQueue(sink, note=notes.append)
    for i in range(10):
        queue.put(event(i), wait=False)
    stats = queue.close()
    assert (stats.delivered, stats.refused) == (7, 3)
    assert notes == [
        "Warning: It was not accepted.",
        "Warning: collector lost some. Records not accepted: 3.",
    ]


def test_a_sink_that_refuses_everything_is_given_up(sink: Collector) -> None:
    sink.fails = lambda record: OutputError("It was not accepted.")
    notes: list[str] = []
    queue = SinkQueue(sink, note=notes.append)
    for i in range(100):
        queue.put(event(i), wait=False)
    stats = queue.close()
    assert (stats.delivered, stats.refused, stats.left) == (0, 100, 0)
    assert sum("receives nothing more" in note for note in notes) == 1
    assert sink.closed == 1


def test_a_sink_with_a_bug_is_given_up_at_once_and_the_run_goes_on(sink: Collector) -> None:
    sink.fails = lambda record: ZeroDivisionError("division by zero")
    notes: list[str] = []
    queue = SinkQueue(sink, note=notes.append)
    queue.put(event(1), wait=False)
    wait_for(lambda: bool(notes))
    queue.put(event(2), wait=True)
    assert queue.close().refused == 2
    assert "collector receives nothing more. ZeroDivisionError: division by zero" in notes[0]


def test_a_vital_sink_that_fails_ends_the_run(sink: Collector) -> None:
    sink.fails = lambda record: BrokenPipeError(32, "Broken pipe")
    queue = SinkQueue(sink, note=pytest.fail, vital=True)
    queue.put(prediction(1), wait=True)
    wait_for(lambda: sink.closed == 1)
    with pytest.raises(BrokenPipeError):
        queue.put(prediction(2), wait=True)
    with pytest.raises(BrokenPipeError):
        queue.close()


@pytest.mark.parametrize("seed", range(6))
def test_every_record_is_accounted_for_once(
    sink: Collector, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Several threads, a sink that is slow, away or refuses at random: the sums have to match."""
    monkeypatch.setattr("har_edge.backoff.FIRST_RETRY_S", 0.001)
    monkeypatch.setattr(module, "MAX_REFUSED", 10**9)
    rng = random.Random(seed)

    def fails(record: Record) -> BaseException | None:
        time.sleep(rng.choice([0, 0, 0, 0.001]))
        kinds = [None, None, None, TryLaterError("away"), OutputError("no")]
        return rng.choice(kinds)

    sink.fails = fails
    queue = SinkQueue(sink, note=lambda line: None, max_kept=20, max_predictions=5, max_shots=2)

    def feed(thread: int) -> None:
        for i in range(200):
            number = thread * 1000 + i
            for make in (prediction, event, shot):
                queue.put(make(number), wait=False)

    threads = [threading.Thread(target=feed, args=(thread,)) for thread in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = queue.close(timeout_s=rng.choice([0.0, SOON_S]))
    wait_for(lambda: sink.closed == 1)
    lost = stats.dropped + stats.overflowed + stats.refused + stats.left
    assert stats.delivered + lost == 3 * 200 * 3
    assert stats.delivered == len(sink.taken)
    # In the order in which each thread put them, none twice.
    for thread in range(3):
        for kind in (Prediction, Event):
            numbers = [
                r.frame if isinstance(r, Prediction) else r.number
                for r in sink.taken
                if isinstance(r, kind) and isinstance(r, Prediction | Event)
            ]
            mine = [number for number in numbers if number // 1000 == thread]
            assert mine == sorted(set(mine))
