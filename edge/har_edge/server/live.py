"""The live source of a server: runs on a thread, remembers what it saw, tells who listens."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from har_edge.config import Private
from har_edge.durations import iso_time
from har_edge.errors import HarError
from har_edge.frames.opencv import import_cv2, rgb_to_bgr
from har_edge.recognition.answer import FileAnswer
from har_edge.recognition.events import Event
from har_edge.recognition.headcount import Headcount
from har_edge.recognition.prediction import Prediction
from har_edge.say import Say
from har_edge.server.crowd import Crowd
from har_edge.server.feed import Feed, Message
from har_edge.sinks.base import Record, Shot, Sinks
from har_edge.sinks.totals import Totals
from har_edge.sources.base import SourceStatus

KEPT_EVENTS = 10_000
HISTORY_S = 300
# Predictions a second that listeners get; more would only be drawn over.
TOLD_HZ = 5.0
TOP_K = 5
# Time over which frames per second are counted.
RATE_S = 5.0
# A picture older than this is not current, whatever the source says about itself.
FRESH_S = 10.0
VIEW_WIDTH = 640
VIEW_QUALITY = 80
STOP_TIMEOUT_S = 5.0


class OpenSinks(Sinks, Protocol):
    """Sinks that the session closes: `har_edge.sinks.fan_out.FanOut`."""

    totals: Totals | None

    def close(self) -> object:
        """Deliver what is left, with a time limit."""


class LiveSession:
    """Runs one live source and keeps what it said: the sinks of its own run.

    All methods may be called from any thread, unless they say otherwise.

    Attributes:
        source: Printable name of the source.
        feed: Tells listeners.
        viewers: How many look at pictures; none are kept without.
        crowd: Who is in view, where people are told apart.
        stopping: Whether the run shall end.
    """

    def __init__(
        self,
        source: str,
        run: Callable[[LiveSession], bool],
        sinks: OpenSinks,
        note: Say,
        private: Private | None = None,
    ) -> None:
        """Prepare a run.

        Args:
            source: Its printable name.
            run: Runs it until its end or until the session is `stopping`: the session takes what
                the run finds and sees its frames. Returns whether the source was given up.
            sinks: Where results go beside, such as a file with totals.
            note: Takes lines for the user.
            private: How people are covered in its pictures, if they are.
        """
        self.source = source
        self.private = private
        self.feed = Feed()
        self.viewers = 0
        self.predictions = 0
        self._run = run
        self._others = sinks
        self._note = note
        self.stopping = False
        self._thread = threading.Thread(target=self._watch, name="live", daemon=True)
        self._lock = threading.Lock()
        self._status = SourceStatus(self.source, "lost", time.time(), "not opened yet")
        self._latest: Prediction | None = None
        self._latest_s = 0.0
        self._told_s = 0.0
        self._times_s: deque[float] = deque()
        self._history: deque[tuple[float, str, float]] = deque(maxlen=HISTORY_S)
        # Ids rise by one from event to event.
        self._events: deque[tuple[int, dict[str, object]]] = deque(maxlen=KEPT_EVENTS)
        self._ids = itertools.count(1)
        self._before = _today(sinks.totals) if sinks.totals else {}
        self._totals = Totals(None, note)
        self._shot: Shot | None = None
        self._picture: tuple[Shot | None, bytes] = (None, b"")
        self._drawing = threading.Lock()
        self.crowd = Crowd()
        self._crowd_s = 0.0

    def start(self) -> None:
        """Start the run; on the event loop of the listeners."""
        self.feed.open()
        self._thread.start()

    def stop(self) -> None:
        """End the run and what it writes to; waits for both."""
        self.stopping = True
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)
        self._others.close()

    def _watch(self) -> None:
        detail = "stopped by an internal error; see the server's output"
        try:
            detail = "given up" if self._run(self) else "the source ended"
        except HarError as error:
            detail = str(error)
            self._note(f"Error: {error}")
        finally:
            if not self.stopping:
                self.put(SourceStatus(self.source, "ended", time.time(), detail), wait=False)

    # What the run hands on.

    @property
    def want_shots(self) -> bool:
        """Whether somebody looks."""
        return self.viewers > 0 or self._others.want_shots

    def put(self, record: Record, *, wait: bool) -> None:
        """Take what the run found."""
        self._others.put(record, wait=wait)
        if isinstance(record, FileAnswer):  # a live source gives none
            return
        if isinstance(record, Shot):
            self._shot = record
            return
        with self._lock:
            self._totals.take(record)
            if self.viewers == 0 or (isinstance(record, SourceStatus) and record.state != "live"):
                self._shot = None  # who comes later must not see it as the present
            message: Message | None = None
            if isinstance(record, Prediction):
                message = self._take_prediction(record)
            elif isinstance(record, Event):
                message = self._take_event(record)
            elif isinstance(record, SourceStatus):
                self._status = record
                self._latest = None
                self.crowd.clear()
                message = Message("status", record.as_dict())
        if message is not None:
            self.feed.publish(message)

    def hurry(self) -> None:
        """Let no `put` wait any longer for what is written beside."""
        self._others.hurry()

    def see_frame(self, shot: Shot) -> bool:
        """Remember who is in view.

        Forget the answer to what was before a gap, when the window starts anew after it.
        """
        said = shot.prediction is not None or shot.people
        with self._lock:
            told = self.crowd.see(shot, told=time.monotonic() - self._crowd_s >= 0.75 / TOLD_HZ)
            messages = [] if told is None else [Message("people", told)]
            if told is not None:
                self._crowd_s = time.monotonic()
            if shot.frame.after_gap and not said and self._latest is not None:
                self._latest = None
                status = replace(self._status, at_s=time.time()).as_dict()
                messages.append(Message("status", status))
        for message in messages:
            self.feed.publish(message)
        return True

    def _take_prediction(self, prediction: Prediction) -> Message | None:
        now_s = time.monotonic()
        self.predictions += 1
        if self._status.state == "live" and self._status.detail:
            self._status = replace(self._status, detail="")  # what it tells is past
        self._latest_s = now_s
        self._times_s.append(now_s)
        while self._times_s[0] < now_s - RATE_S:
            self._times_s.popleft()
        if not prediction.largest:
            return None  # the page lists everybody; what stands for the source is one of them
        self._latest = prediction
        at_s = prediction.captured_at_s or time.time()
        if not self._history or at_s - self._history[-1][0] >= 1.0:
            self._history.append((at_s, prediction.action, prediction.confidence))
        # Predictions come at the camera's uneven steps, so a little before time is in time.
        if now_s - self._told_s < 0.75 / TOLD_HZ:
            return None
        self._told_s = now_s
        return Message("prediction", self._prediction_record(prediction))

    def _prediction_record(self, prediction: Prediction) -> dict[str, object]:
        return {
            **prediction.as_dict(TOP_K, by_stage=True),
            "fps": round(self._fps(), 2),
            "time": iso_time(prediction.captured_at_s or time.time()),
        }

    def _take_event(self, event: Event) -> Message:
        number = next(self._ids)
        kept = {"id": number, "start_time": None, "end_time": None, **event.as_dict()}
        self._events.append((number, kept))
        return Message(event.kind, kept, number)

    # What the routes ask for.

    @property
    def state(self) -> str:
        """The source's state; see `SourceStatus`."""
        return self._status.state

    @property
    def fresh(self) -> bool:
        """Whether the last picture is current."""
        recent = self.predictions > 0 and time.monotonic() - self._latest_s < FRESH_S
        return recent and self.state == "live"

    def age_s(self) -> float:
        """Time since the last prediction; NaN before the first."""
        return time.monotonic() - self._latest_s if self.predictions else float("nan")

    def fps(self) -> float:
        """Recent predictions per second."""
        with self._lock:
            return self._fps()

    def _fps(self) -> float:
        now_s = time.monotonic()
        recent = [t for t in self._times_s if t >= now_s - RATE_S]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 2 else 0.0

    @property
    def headcount(self) -> Headcount | None:
        """How many people are in view; None where people are not told apart."""
        return self.crowd.headcount

    def snapshot(self) -> dict[str, object]:
        """All that a page shows of the present: the answer to `GET /live`."""
        with self._lock:
            latest = self._latest if self.fresh else None
            today = f"{datetime.now():%Y-%m-%d}"
            totals = dict(self._before.get(today, {}))
            for action, seconds in self._totals.days().get(today, {}).get(self.source, {}).items():
                totals[action] = totals.get(action, 0.0) + seconds
            said = latest.as_dict(TOP_K, by_stage=True) if latest else {"all_predictions": []}
            names = ("action", "confidence", "all_predictions", "latency_ms", "age_ms")
            since_s = time.time() - HISTORY_S
            return {
                "source": self.source,
                "state": self._status.state,
                "detail": self._status.detail,
                **{name: said.get(name) for name in names},
                "fps": round(self._fps(), 2) if latest else 0.0,
                "totals_today": {a: round(s, 3) for a, s in totals.items()},
                "history": [
                    (round(at_s, 3), action, round(confidence, 4))
                    for at_s, action, confidence in self._history
                    if at_s >= since_s
                ],
                **self.crowd.snapshot(since_s),
                "private": self.private,
            }

    def status_message(self) -> Message:
        """The state, for a listener that has just come."""
        return Message("status", self._status.as_dict())

    def events(self, *, after: int, limit: int) -> tuple[list[tuple[int, dict[str, object]]], bool]:
        """Events with ids above `after`, each with its id, oldest first; whether there are more."""
        with self._lock:
            first = self._events[0][0] if self._events else 1
            start = max(0, after + 1 - first)
            page = list(itertools.islice(self._events, start, start + limit))
            return page, start + limit < len(self._events)

    def last_event_id(self) -> int:
        """The id of the newest event; 0 before the first."""
        with self._lock:
            return self._events[-1][0] if self._events else 0

    def picture(self) -> tuple[Shot | None, bytes]:
        """The newest frame, at most 640 px wide, as JPEG; takes a few ms when it is new.

        Returns:
            The shot that it was made of, to be compared with the next one's, and the bytes; None
            and nothing while there is no current one.
        """
        with self._drawing:
            shot = self._shot
            if shot is None:
                return None, b""
            if self._picture[0] is not shot:
                self._picture = (shot, _to_jpeg(shot))
            return self._picture


def _to_jpeg(shot: Shot) -> bytes:
    cv2 = import_cv2()
    pixels = rgb_to_bgr(shot.frame.pixels)
    height, width = pixels.shape[:2]
    if width > VIEW_WIDTH:
        size = (VIEW_WIDTH, max(1, round(height * VIEW_WIDTH / width)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_JPEG_QUALITY, VIEW_QUALITY]
    _, coded = cv2.imencode(".jpg", pixels, quality)
    return bytes(coded)


def _today(totals: Totals) -> dict[str, dict[str, float]]:
    """What a file of totals holds of today, over all its sources: day -> action -> seconds."""
    today = f"{datetime.now():%Y-%m-%d}"
    found: dict[str, float] = {}
    for actions in totals.days().get(today, {}).values():
        for action, seconds in actions.items():
            found[action] = found.get(action, 0.0) + seconds
    return {today: found}
