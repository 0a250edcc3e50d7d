"""How much time each action takes: per local day, kept in a file; and how restless answers are."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from har_edge.durations import format_duration
from har_edge.errors import OutputError
from har_edge.paths import display_path
from har_edge.recognition.prediction import Prediction
from har_edge.say import Say
from har_edge.sinks.base import Record
from har_edge.sources.base import SourceStatus

if TYPE_CHECKING:
    from har_edge.sinks.totals_file import Days, TotalsFile

KEEP_DAYS = 90
# A kill loses at most this much; an SD card is written to no more often.
SAVE_INTERVAL_S = 5.0
MAX_STEP_S = 5.0
# Time in a zone stands beside the time of actions, under the zone's name with this before it.
ZONE = "zone:"
# People of a source whose last prediction is kept in mind.
MOST_PEOPLE = 100


class Totals:
    """Sums up the time that each action takes, per local day and live source; a sink.

    The time between two predictions belongs to the answer of the later one, `unknown` included,
    as its window is what filled that time. Time without predictions belongs to none. Files are
    passed over: their time is not time of a day. Of several people each one's time counts: two who
    walk for a minute have walked for two. Time in a zone is added up as `zone:NAME`.

    What was added since the last save is added to what the file says *now*: several runs may share
    one file, and a kill or a power cut leaves it sound (`har_edge.sinks.totals_file`).

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
        note: Say,
        *,
        keep_days: int = KEEP_DAYS,
        longest_step_s: float = MAX_STEP_S,
    ) -> None:
        self.name = "totals"
        self._file: TotalsFile | None = None
        if path is not None:
            from har_edge.sinks.totals_file import TotalsFile  # SQLite: most runs keep no totals

            self.name = f"totals {display_path(path)}"
            self._file = TotalsFile(Path(path), note, keep_days=keep_days)
        self._longest_step_s = longest_step_s
        self._note = note
        self._pending: Days = {}
        self._days: Days = {}
        # By source, then by person; None is the whole picture.
        self._last: dict[str, dict[int | None, tuple[float, float]]] = {}
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
                    self._note(f"Warning: {error} Counting continues, and writing is tried again.")
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
        if self._file is None:
            _add(self._days, self._pending)
        else:
            self._days = self._file.add(self._pending)
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
        of_source = self._last.setdefault(source, {})
        last = of_source.get(prediction.person)
        of_source[prediction.person] = (now_s, at_s)
        if len(of_source) > MOST_PEOPLE:
            del of_source[min(of_source, key=lambda person: of_source[person])]
        # By the source's own time: the clock of the day may be set meanwhile.
        step_s = now_s - last[0] if last else 0.0
        if 0 < step_s <= self._longest_step_s:
            for day, seconds in split_by_day(at_s - step_s, at_s):
                counted = {prediction.action: seconds}
                if prediction.zone is not None:
                    counted[f"{ZONE}{prediction.zone}"] = seconds
                _add(self._pending, {day: {source: counted}})


def _add(days: Days, more: Days) -> None:
    for day, sources in more.items():
        for source, actions in sources.items():
            total = days.setdefault(day, {}).setdefault(source, {})
            for action, seconds in actions.items():
                total[action] = total.get(action, 0.0) + seconds


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
