"""Between recognition and each sink: one thread and one bounded queue.

What a `SinkQueue` promises:

- `put` never waits for a live source, and for files only while the sink gets on.
- Events and states are kept, up to `MAX_KEPT` of them. Predictions and pictures never displace
  them; of those the oldest are dropped when a sink is slow. All that is lost is counted.
- What was taken is handed on in order, each record once: of a live source at once, of files within
  `TICK_S`, because waking the sink's thread costs more than most sinks need for a record.

What it does when `Sink.take` raises:

- `TryLaterError`: the same record again, after a wait that doubles up to `LONGEST_RETRY_S`, for as
  long as the run lasts. Said once an outage, at most once a minute, and when it is over.
- another `OutputError`: this record is lost and counted, the next one is tried; after
  `MAX_REFUSED` in a row the sink is given up.
- anything else: the sink is given up at once.

A sink given up takes nothing more. If it is vital, such as standard output, `put` and `close`
raise what it raised, which ends the run.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field

from har_edge.backoff import Backoff
from har_edge.errors import OutputError
from har_edge.recognition.events import Event
from har_edge.recognition.prediction import Prediction
from har_edge.say import Say
from har_edge.sinks.base import Record, Shot, Sink, TryLaterError

# Events and states that wait for a sink: at one event a second, a quarter of an hour.
MAX_KEPT = 1000
# Predictions that wait: half a minute at 8 a second.
MAX_PREDICTIONS = 256
# Pictures that wait; one of 1920 x 1080 takes 6 MB.
MAX_SHOTS = 4
# Records of files that gather before the sink is woken, and the longest that one waits for that.
BATCH = 64
TICK_S = 0.1
MAX_REFUSED = 10
# A server that is away is asked more and more rarely; who closes waits no longer than this for it.
LONGEST_RETRY_S = 30.0
CLOSING_RETRY_S = 0.5
CLOSE_TIMEOUT_S = 5.0
# An unsteady network shall not fill a log: outages are said this far apart, refusals so often.
SAY_OUTAGE_EVERY_S = 60.0
MAX_REFUSALS_SAID = 5
# A sink that has not finished one record for so long is not waited for.
STUCK_AFTER_S = 5.0


@dataclass
class QueueStats:
    """What became of the records that were put into a queue.

    Attributes:
        delivered: Taken by the sink.
        dropped: Predictions and pictures that gave way to newer ones, or waited at the end.
        overflowed: Events and states that gave way to newer ones: more than the bound waited.
        refused: Records that the sink could never take, and those put after it was given up.
        left: Events and states that still waited when closing ran out of time, with the record
            that the sink had in hand.
    """

    delivered: int = 0
    dropped: int = 0
    overflowed: int = 0
    refused: int = 0
    left: int = 0

    def __str__(self) -> str:
        """What was lost, in words; empty if nothing was."""
        parts = (
            (self.overflowed, "events and states that newer ones pushed out"),
            (self.refused, "records not accepted"),
            (self.left, "records not delivered in time"),
            (self.dropped, "predictions and pictures dropped"),
        )
        return ", ".join(f"{what}: {count}" for count, what in parts if count)


@dataclass
class _Queues:
    """One bounded queue a kind; taken from in the order in which records came."""

    limits: dict[type, int]
    waiting: dict[type, deque[tuple[int, Record]]] = field(default_factory=dict)
    count: int = 0

    def is_full(self, kind: type) -> bool:
        return len(self.waiting.get(kind, ())) >= self.limits[kind]

    def append(self, kind: type, record: Record) -> None:
        self.count += 1
        self.waiting.setdefault(kind, deque()).append((self.count, record))

    def pop_oldest(self, kind: type) -> None:
        self.waiting[kind].popleft()

    def pop(self) -> Record:
        oldest = min((q for q in self.waiting.values() if q), key=lambda q: q[0][0])
        return oldest.popleft()[1]

    def __len__(self) -> int:
        return sum(map(len, self.waiting.values()))


class SinkQueue:
    """Hands records to one sink on a thread of its own.

    Args:
        sink: Where they go.
        note: Takes lines for the user.
        vital: Whether the run cannot go on without it (its main output).
        max_kept: Events and states that may wait.
        max_predictions: Predictions that may wait.
        max_shots: Pictures that may wait.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        note: Say,
        vital: bool = False,
        max_kept: int = MAX_KEPT,
        max_predictions: int = MAX_PREDICTIONS,
        max_shots: int = MAX_SHOTS,
    ) -> None:
        self.sink = sink
        self.vital = vital
        self.stats = QueueStats()
        self._note = note
        # Events and states share a queue, so that both are within the bound together.
        self._queues = _Queues({Event: max_kept, Prediction: max_predictions, Shot: max_shots})
        self._changed = threading.Condition()
        self._in_hand = 0
        self._progress_s = time.monotonic()
        self._finishing = False
        self._out_of_time = False
        self._hurried = False
        self._error: BaseException | None = None
        self._said: set[str] = set()
        self._outage_said_s = float("-inf")
        self._thread = threading.Thread(target=self._work, name=f"sink {sink.name}", daemon=True)
        self._thread.start()

    def put(self, record: Record, *, wait: bool) -> None:
        """Give a record to the sink; kinds that it does not want are passed over.

        Args:
            record: What to hand on; not to be changed afterwards.
            wait: Whether to wait for room, so that nothing is lost: True for files. A sink that
                is stuck is not waited for, unless it is vital.

        Raises:
            BaseException: what a vital sink was given up for.
        """
        if not isinstance(record, self.sink.wants):
            return
        kind = type(record) if type(record) in (Prediction, Shot) else Event
        with self._changed:
            while wait and self._queues.is_full(kind) and self._worth_waiting():
                self._changed.notify_all()
                self._changed.wait(TICK_S)
            if self._error is not None:
                self.stats.refused += 1
                if self.vital:
                    raise self._error
                return
            if self._queues.is_full(kind):
                self._queues.pop_oldest(kind)
                self._count_lost(kind)
            self._queues.append(kind, record)
            if not wait or len(self._queues) >= BATCH:
                self._changed.notify_all()

    def hurry(self) -> None:
        """Let no `put` wait any longer: somebody wants the run to end. Safe in signal handlers."""
        self._hurried = True

    def finish(self) -> None:
        """Begin to close: hand on what waits, in the background."""
        with self._changed:
            self._finishing = True
            self._changed.notify_all()

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> QueueStats:
        """Hand on what waits, close the sink and say what was lost.

        Args:
            timeout_s: Time limit for all of it. A vital sink has none until `hurry` is called.

        Raises:
            BaseException: what a vital sink was given up for.
        """
        self.finish()
        until_s = float("inf")
        while self._thread.is_alive() and time.monotonic() < until_s:
            if until_s == float("inf") and (self._hurried or not self.vital):
                until_s = time.monotonic() + timeout_s
            # In short waits, as a signal may come; not in none at all where no time is left.
            self._thread.join(min(0.1, max(0.0, until_s - time.monotonic())))
        with self._changed:
            self._out_of_time = True
            self._changed.notify_all()
            kept = len(self._queues.waiting.get(Event, ()))
            self.stats.left = kept + self._in_hand
            self.stats.dropped += len(self._queues) - kept
            self._queues.waiting.clear()
            if self._error is not None and self.vital:
                raise self._error
            lost = str(self.stats)
        if lost:
            self._note(f"Warning: {self.sink.name} lost some. {lost[0].upper()}{lost[1:]}.")
        elif self._thread.is_alive():
            self._note(f"Warning: {self.sink.name} could not be closed in {timeout_s:g} s.")
        return self.stats

    def _worth_waiting(self) -> bool:
        if self._error is not None or self._hurried:
            return False
        return self.vital or time.monotonic() - self._progress_s < STUCK_AFTER_S

    def _count_lost(self, kind: type) -> None:
        if kind is Event:
            self.stats.overflowed += 1
            self._say_once(
                f"Warning: {self.sink.name} is too slow or away: more than "
                f"{self._queues.limits[Event]} events wait for it, the oldest are dropped."
            )
        else:
            self.stats.dropped += 1

    def _say_once(self, message: str) -> None:
        if message not in self._said and len(self._said) < MAX_REFUSALS_SAID:
            self._said.add(message)
            self._note(message)

    # From here on: the sink's thread.

    def _work(self) -> None:
        for step in (self._hand_on, self.sink.close):
            try:
                step()
            except BaseException as error:
                self._give_up(error)

    def _hand_on(self) -> None:
        refused_in_row = 0
        while (record := self._next()) is not None:
            try:
                if not self._deliver(record):
                    return  # closing ran out of time; the record in hand counts as left
                refused_in_row = 0
            except OutputError as error:
                refused_in_row += 1
                if self.vital or refused_in_row >= MAX_REFUSED:
                    raise
                self._refuse(error)

    def _next(self) -> Record | None:
        with self._changed:
            while not len(self._queues):
                if self._finishing:
                    return None
                # A sink that waits for work is not stuck.
                self._progress_s = time.monotonic()
                self._changed.wait(TICK_S)
            self._progress_s = time.monotonic()
            record = self._queues.pop()
            self._in_hand = 1
            self._changed.notify_all()
            return record

    def _deliver(self, record: Record) -> bool:
        """Offer a record until it is taken; False if closing ran out of time before."""
        backoff, said = Backoff(longest_s=LONGEST_RETRY_S), False
        while True:
            try:
                self.sink.take(record)
            except TryLaterError as error:
                if not said and time.monotonic() - self._outage_said_s >= SAY_OUTAGE_EVERY_S:
                    self._note(f"Warning: {error} What waits is kept and sent later.")
                    self._outage_said_s, said = time.monotonic(), True
                pause_s = backoff.next_s()
                if not self._pause(pause_s if error.after_s is None else error.after_s):
                    return False
                continue
            if said:
                self._note(f"{self.sink.name} takes records again.")
            with self._changed:
                self.stats.delivered += 1
                self._empty_hand()
                self._progress_s = time.monotonic()
            return True

    def _pause(self, seconds: float) -> bool:
        """Sleep, less where the queue is being closed; False once its time is over."""
        until_s = time.monotonic() + seconds
        with self._changed:
            while not self._out_of_time and (left_s := until_s - time.monotonic()) > 0:
                if self._finishing and left_s > CLOSING_RETRY_S:
                    until_s = time.monotonic() + CLOSING_RETRY_S
                else:
                    self._changed.wait(left_s)
            return not self._out_of_time

    def _empty_hand(self) -> None:
        if self._out_of_time:
            self.stats.left -= self._in_hand  # it came through after all
        self._in_hand = 0

    def _refuse(self, error: OutputError) -> None:
        with self._changed:
            self.stats.refused += 1
            self._empty_hand()
        self._say_once(f"Warning: {error}")

    def _give_up(self, error: BaseException) -> None:
        with self._changed:
            first, self._error = self._error is None, self._error or error
            self.stats.refused += len(self._queues) + self._in_hand
            self._empty_hand()
            self._queues.waiting.clear()
            self._changed.notify_all()
        if first and not self.vital:
            reason = error if isinstance(error, OutputError) else f"{type(error).__name__}: {error}"
            self._note(f"Error: {self.sink.name} gets nothing more. {reason}")
