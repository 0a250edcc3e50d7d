"""How much time each action takes: per local day, kept in a file; and how restless answers are."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from har_edge.durations import format_duration
from har_edge.errors import OutputError
from har_edge.paths import display_path
from har_edge.recognition.prediction import Prediction
from har_edge.sinks.base import Note, Record
from har_edge.sources.base import SourceStatus

FORMAT = "har-edge totals"
VERSION = 1
KEEP_DAYS = 90
# A kill loses at most this much; an SD card is written to no more often.
SAVE_INTERVAL_S = 5.0
MAX_STEP_S = 5.0

# Day such as 2026-03-01 -> source -> action -> seconds.
Days = dict[str, dict[str, dict[str, float]]]


class Totals:
    """Sums up the time that each action takes, per local day and live source; a sink.

    The time between two predictions belongs to the answer of the later one, `unknown` included,
    as its window is what filled that time. Time without predictions belongs to none. Files are
    passed over: their time is not time of a day.

    The file is replaced as a whole, never written into, so that it is complete after a kill or a
    power cut. What was added since the last save is added to what the file says *now*, under a
    lock on its folder: several runs may share one file.

    Args:
        path: The file; None keeps no file.
        note: Takes lines for the user.
        keep_days: Days that stay in the file, today included.
        longest_step_s: Predictions further apart have a gap between them that belongs to no action.

    Raises:
        OutputError: if the file is not one of ours, was written by a newer release, or its folder
            cannot be written. The file stays as it is.
    """

    wants: tuple[type, ...] = (Prediction, SourceStatus)

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        note: Note,
        *,
        keep_days: int = KEEP_DAYS,
        longest_step_s: float = MAX_STEP_S,
    ) -> None:
        self.path = None if path is None else Path(path)
        self.name = f"totals {display_path(path)}" if path is not None else "totals"
        self.keep_days = keep_days
        self._longest_step_s = longest_step_s
        self._note = note
        self._pending: Days = {}
        self._days: Days = {}
        self._last: dict[str, tuple[float, float]] = {}
        self._saved_s = time.monotonic()
        self._failed = False
        self.save()

    def take(self, record: Record) -> None:
        """Count the time since the source's prediction before; save from time to time."""
        if isinstance(record, SourceStatus):
            if record.state != "live":
                self._last.pop(record.source, None)
        elif isinstance(record, Prediction):
            self._count(record)
        if time.monotonic() - self._saved_s >= SAVE_INTERVAL_S:
            try:
                self.save()
                self._failed = False
            except OutputError as error:
                if not self._failed:
                    self._note(f"Warning: {error} Counting goes on; it is tried again.")
                self._failed = True

    def close(self) -> None:
        """Save what was counted.

        Raises:
            OutputError: if the file cannot be written.
        """
        self.save()

    def days(self) -> Days:
        """Seconds by day, source and action, those not saved yet included."""
        total: Days = {}
        for part in (self._days, self._pending):
            _add(total, part)
        return total

    def save(self) -> None:
        """Add what was counted since the last save to the file.

        Raises:
            OutputError: if it is not one of ours or cannot be written.
        """
        self._saved_s = time.monotonic()
        if self.path is None:
            _add(self._days, self._pending)
        else:
            try:
                with _locked(self.path.parent):
                    days = self._read(self.path)
                    _add(days, self._pending)
                    self._days = _newest(days, self.keep_days)
                    _replace(self.path, self._days)
            except OSError as error:
                raise OutputError(
                    f"{display_path(self.path)} cannot be written: {error.strerror}. Choose a "
                    "file in a folder that exists and is yours to write, and check the disk."
                ) from error
        self._pending = {}

    def format(self, day: str | None = None) -> str:
        """Lay out one day, today by default, as a small table; empty if nothing was counted."""
        day = day or _day(time.time())
        sources = self.days().get(day, {})
        lines = [f"{day}"] if sources else []
        for source, actions in sorted(sources.items()):
            lines += [f"  {source}"] if len(sources) > 1 else []
            for action, seconds in sorted(actions.items(), key=lambda item: -item[1]):
                lines.append(f"  {action:<20} {format_duration(seconds):>14}")
        return "".join(line + "\n" for line in lines)

    def _count(self, prediction: Prediction) -> None:
        at_s = prediction.captured_at_s
        if at_s is None:
            return
        source, now_s = prediction.source, prediction.timestamp_s
        last = self._last.get(source)
        self._last[source] = (now_s, at_s)
        # By the source's own time: the clock of the day may be set meanwhile.
        step_s = now_s - last[0] if last else 0.0
        if 0 < step_s <= self._longest_step_s:
            for day, seconds in split_by_day(at_s - step_s, at_s):
                _add(self._pending, {day: {source: {prediction.action: seconds}}})

    def _read(self, path: Path) -> Days:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return {}
        if not text.strip():
            return {}  # what a file system may leave of a new file after a power cut
        try:
            return _parse(text)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if not text.lstrip().startswith(f'{{"format": "{FORMAT}"'):
                raise OutputError(
                    f"{display_path(path)} should hold totals of har-edge, but holds something "
                    "else. It was left as it is. Choose another file."
                ) from error
        aside = path.with_name(f"{path.name}.damaged-{datetime.now():%Y%m%d-%H%M%S-%f}")
        path.rename(aside)
        self._note(
            f"Warning: {display_path(path)} is damaged. It was kept as {aside.name}; "
            "counting starts anew."
        )
        return {}


def _parse(text: str) -> Days:
    raw: dict[str, Any] = json.loads(text)
    if raw["format"] != FORMAT:
        raise ValueError(f"format {raw['format']!r}")
    if raw["version"] != VERSION:
        raise OutputError(
            f"The totals should have version {VERSION}. Received {raw['version']!r}. Use the "
            "har-edge release that wrote them, or choose another file."
        )
    return {
        datetime.strptime(day, "%Y-%m-%d").strftime("%Y-%m-%d"): {
            str(source): {str(action): float(s) for action, s in actions.items()}
            for source, actions in sources.items()
        }
        for day, sources in raw["days"].items()
    }


def _replace(path: Path, days: Days) -> None:
    # One name for all runs, under the lock: what a kill leaves is overwritten by the next save.
    new = path.with_name(f".{path.name}.new")
    rounded = {
        day: {s: {a: round(t, 3) for a, t in actions.items()} for s, actions in sources.items()}
        for day, sources in sorted(days.items())
    }
    text = json.dumps(
        {"format": FORMAT, "version": VERSION, "days": rounded}, indent=1, ensure_ascii=False
    )
    # On one line up to here, so that a damaged file is still known for ours.
    text = text.replace("{\n ", "{", 1) + "\n"
    try:
        with new.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock among all runs that keep totals in a folder; a kill frees it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _add(days: Days, more: Days) -> None:
    for day, sources in more.items():
        for source, actions in sources.items():
            total = days.setdefault(day, {}).setdefault(source, {})
            for action, seconds in actions.items():
                total[action] = total.get(action, 0.0) + seconds


def _newest(days: Days, keep_days: int) -> Days:
    return {day: days[day] for day in sorted(days)[-keep_days:]}


def _day(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s):%Y-%m-%d}"


def split_by_day(start_s: float, end_s: float) -> list[tuple[str, float]]:
    """Cut a stretch of Unix time at local midnights: days with the seconds that fall on them."""
    parts = []
    while start_s < end_s:
        tomorrow = datetime.fromtimestamp(start_s).date() + timedelta(days=1)
        # Naive, so in local time: a day on which the clocks change is as long as it is.
        midnight_s = datetime(tomorrow.year, tomorrow.month, tomorrow.day).timestamp()
        until_s = min(end_s, midnight_s)
        parts.append((_day(start_s), until_s - start_s))
        start_s = until_s
    return parts
