"""Which frames a model sees: instants on a fixed grid, found by timestamp.

A clip model is trained on frames 1 / frame_rate_hz apart. Counting frames would make it
see a 30 fps file at another speed than a 12 fps camera; going by timestamps picks the same
instants from both.
"""

from __future__ import annotations

import math

# Containers round timestamps to their time base, usually 1 ms or finer.
TOLERANCE_S = 0.001


class FrameSampler:
    """Takes the first frame at or after each instant k / rate, counted from the first frame.

    A frame is never taken twice: where the source is slower than the rate, instants stay
    empty and `missed` counts them.
    """

    def __init__(self, frame_rate_hz: float) -> None:
        self.frame_rate_hz = frame_rate_hz
        self.reset()

    def reset(self) -> None:
        """Forget the grid; the next frame starts a new one."""
        self._start_s: float | None = None
        self._last_s = 0.0
        self._next_instant = 0
        self.taken = 0
        self.missed = 0

    def takes(self, timestamp_s: float) -> bool:
        """Say whether the frame with this timestamp is wanted; timestamps must not fall."""
        if self._start_s is None:
            self._start_s = timestamp_s
        instant = self._instant(timestamp_s, self._start_s)
        if instant < self._next_instant:
            return False
        self.missed += instant - self._next_instant
        self._next_instant = instant + 1
        self._last_s = timestamp_s
        self.taken += 1
        return True

    def instant_of(self, timestamp_s: float) -> int | None:
        """Number the instant of a frame: of those of one instant, the first is taken.

        Returns:
            None as long as the grid has not started, and for times before its start.

        Example:
            >>> sampler = FrameSampler(8.0)
            >>> sampler.instant_of(0.5), sampler.takes(0.5), sampler.instant_of(0.76)
            (None, True, 2)
        """
        if self._start_s is None or timestamp_s < self._start_s:
            return None
        return self._instant(timestamp_s, self._start_s)

    def passes_over(self, timestamp_s: float) -> bool:
        """Whether a frame would not be taken, for sure, so that it need not even be decoded.

        A sampler that counts frames counts those that it passes over, too.

        Example:
            >>> sampler = FrameSampler(8.0)
            >>> sampler.takes(0.0), sampler.passes_over(0.04), sampler.passes_over(0.125)
            (True, True, False)
        """
        instant = self.instant_of(timestamp_s)
        return instant is not None and instant < self._next_instant

    def _instant(self, timestamp_s: float, start_s: float) -> int:
        return math.floor((timestamp_s - start_s + TOLERANCE_S) * self.frame_rate_hz)

    @property
    def source_is_slow(self) -> bool:
        """Whether the source left more than one instant in ten empty."""
        return self.missed > 0.1 * (self.taken + self.missed)

    @property
    def achieved_hz(self) -> float:
        """Frames taken per second of the source's own time; the rate itself before the second."""
        if self._start_s is None or self.taken < 2:
            return self.frame_rate_hz
        return (self.taken - 1) / (self._last_s - self._start_s)
