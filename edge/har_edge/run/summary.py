"""What a run amounts to: share of time an action, confidence, speed; in memory that stays small."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from har_edge.counted import counted
from har_edge.recognition.prediction import Prediction

# A run may last for weeks, so latencies are counted in bins 1 % wide, from 1 us to 100 s.
BIN_WIDTH = 1.01
SHORTEST_MS = 1e-3
NUM_BINS = 1852
# People that a summary remembers, and those of them that it lists.
MOST_PEOPLE, LISTED_PEOPLE = 200, 10
# People of a source whose numbers are kept, so that each is counted once.
COUNTED_PEOPLE = 1000


class LatencyCounts:
    """Percentiles of any number of latencies, to within half a percent, in 15 kB."""

    def __init__(self) -> None:
        self._counts = np.zeros(NUM_BINS, dtype=np.int64)
        self.total = 0

    def add(self, latency_ms: float) -> None:
        """Count one latency."""
        place = int(math.log(max(latency_ms, SHORTEST_MS) / SHORTEST_MS) / math.log(BIN_WIDTH))
        self._counts[min(place, NUM_BINS - 1)] += 1
        self.total += 1

    def percentile(self, percent: float) -> float:
        """The latency in ms that `percent` of those counted do not exceed; NaN without any."""
        if not self.total:
            return float("nan")
        rank = max(1, math.ceil(self.total * percent / 100))
        place = int(np.searchsorted(np.cumsum(self._counts), rank))
        return float(SHORTEST_MS * BIN_WIDTH ** (place + 0.5))


class Flicker:
    """How often the answer changes: switches a minute of observed time, over all sources.

    Give one the model's own predictions and another the decided ones to see what smoothing and
    rejecting are worth.
    """

    def __init__(self) -> None:
        self.switches = 0
        self.observed_s = 0.0
        # By source, then by person; None is the whole picture.
        self._last: dict[str, dict[int | None, tuple[float, str]]] = {}

    def add(self, prediction: Prediction) -> None:
        """Take the next prediction of a source; a time that falls counts as a gap."""
        now_s, action = prediction.timestamp_s, prediction.action
        of_source = self._last.setdefault(prediction.source, {})
        last = of_source.get(prediction.person)
        of_source[prediction.person] = (now_s, action)
        if last is not None and now_s > last[0]:
            self.observed_s += now_s - last[0]
            self.switches += action != last[1]

    def reset(self, source: str) -> None:
        """Forget a source's last answers; to be called at a gap."""
        self._last.pop(source, None)

    def forget(self, source: str, person: int) -> None:
        """Forget the last answer to a person who left."""
        self._last.get(source, {}).pop(person, None)

    @property
    def per_minute(self) -> float:
        """Switches a minute; 0 if nothing was observed."""
        return self.switches / self.observed_s * 60 if self.observed_s else 0.0


class People:
    """What each person did: share of their time an action; the longest seen, in bounded memory."""

    def __init__(self) -> None:
        self.count = 0
        self._seen: dict[tuple[str, int], Counter[str]] = {}
        # Numbers of the latest people of each source, who are counted.
        self._counted: dict[str, set[int]] = {}

    def add(self, decided: Prediction) -> None:
        """Count one prediction."""
        if decided.person is None:
            return
        key = decided.source, decided.person
        counted = self._counted.setdefault(decided.source, set())
        if decided.person not in counted and key not in self._seen:
            self.count += 1
        counted.add(decided.person)
        if len(counted) > 2 * COUNTED_PEOPLE:
            # Numbers rise: of those who are forgotten here none is likely to be in view.
            counted -= set(sorted(counted)[:-COUNTED_PEOPLE])
        if key not in self._seen and len(self._seen) >= MOST_PEOPLE:
            del self._seen[min(self._seen, key=lambda k: self._seen[k].total())]
        self._seen.setdefault(key, Counter())[decided.action] += 1

    def lines(self) -> list[str]:
        """One line a person, by their numbers; of many, those seen longest."""
        if not self._seen:
            return []
        lines = [counted(self.count, "person", "people")]
        longest = sorted(self._seen.items(), key=lambda item: (-item[1].total(), item[0]))
        several = len({source for source, _ in self._seen}) > 1
        for (source, person), counts in sorted(longest[:LISTED_PEOPLE], key=lambda item: item[0]):
            shares = (f"{a} {n / counts.total():.0%}" for a, n in counts.most_common(3))
            where = f" of {source}" if several else ""
            lines.append(f"  person {person}{where}: {', '.join(shares)}")
        if len(self._seen) > LISTED_PEOPLE:
            lines.append(f"  and {self.count - LISTED_PEOPLE} more, seen shorter")
        return lines


@dataclass
class Summary:
    """Collects predictions of one run.

    Attributes:
        started_s: Monotonic time at the start, for frames per second.
        frames: Frames that were taken, those before a full window included.
        frames_skipped: Pictures and crops that the motion gate spared the encoder.
        left_out: People in view who were not looked at, summed over frames.
    """

    started_s: float = field(default_factory=time.monotonic)
    frames: int = 0
    frames_skipped: int = 0
    left_out: int = 0
    people: People = field(default_factory=People)
    _latencies: LatencyCounts = field(default_factory=LatencyCounts)
    # Action -> number of predictions, sum of their confidences.
    _actions: dict[str, tuple[int, float]] = field(default_factory=dict)
    _flicker: Flicker = field(default_factory=Flicker)
    _raw_flicker: Flicker = field(default_factory=Flicker)

    def add(self, decided: Prediction, raw: Prediction) -> None:
        """Count one prediction.

        Args:
            decided: What was said: smoothed, rejected where nothing was sure.
            raw: What the model gave.
        """
        count, confidence = self._actions.get(decided.action, (0, 0.0))
        self._actions[decided.action] = (count + 1, confidence + decided.confidence)
        self._latencies.add(decided.latency_ms)
        self._flicker.add(decided)
        self._raw_flicker.add(raw)
        self.people.add(decided)

    def forget(self, source: str, person: int) -> None:
        """Count no switch between a person's last prediction and what comes next."""
        self._flicker.forget(source, person)
        self._raw_flicker.forget(source, person)

    def note_gap(self, source: str) -> None:
        """Count no switch between a source's last prediction and its next one."""
        self._flicker.reset(source)
        self._raw_flicker.reset(source)

    @property
    def predictions(self) -> int:
        """Number of predictions so far."""
        return self._latencies.total

    def actions(self) -> list[tuple[str, float, float]]:
        """Each action with its share of the predictions and its mean confidence, most first.

        Predictions lie on a grid of equal steps, so their share is the share of time.
        """
        rows = [
            (action, count / self.predictions, confidence / count)
            for action, (count, confidence) in self._actions.items()
        ]
        return sorted(rows, key=lambda row: (-row[1], -row[2]))

    def frames_per_second(self) -> float:
        """Frames taken per second of wall-clock time."""
        return self.frames / max(1e-9, time.monotonic() - self.started_s)

    def latency_ms(self, percent: float) -> float:
        """Percentile of the time from reading a frame to its prediction."""
        return self._latencies.percentile(percent)

    def format(self) -> str:
        """Lay the summary out as a small table."""
        if not self.predictions:
            return "No prediction was made.\n"
        lines = [f"{'action':<20} {'time':>6} {'confidence':>11}"]
        lines += [f"{a:<20} {share:>6.1%} {c:>11.1%}" for a, share, c in self.actions()]
        lines.append(
            f"{counted(self.predictions, 'prediction')} from {counted(self.frames, 'frame')}, "
            f"{self.frames_per_second():.1f} frames/s, latency "
            f"p50 {self.latency_ms(50):.1f} ms, p95 {self.latency_ms(95):.1f} ms"
        )
        if self._flicker.observed_s:
            lines.append(
                f"the answer changed {self._flicker.per_minute:.1f} times a minute "
                f"(the model's own {self._raw_flicker.per_minute:.1f})"
            )
        lines += self.people.lines()
        if self.left_out:
            lines.append(
                f"people in view who were not looked at: {self.left_out / self.frames:.1f} a frame"
            )
        if self.frames_skipped:
            share = self.frames_skipped / self.frames
            lines.append(f"the encoder was spared {share:.0%} of the frames")
        return "\n".join(lines) + "\n"
