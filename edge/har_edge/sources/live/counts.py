"""The frames of a live source: their numbers and times, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass

from har_edge.frames.sampling import FrameSampler


@dataclass
class LiveStats:
    """What became of a live source's frames.

    Attributes:
        read: Whole frames that came, whether the sampler took them or not.
        corrupt: Damaged frames; dropped.
        dropped: Sampled frames that a newer one replaced before they were taken, and frames that
            the network had held back.
        black, frozen: Sampled frames that were withheld, because they showed nothing (new).
        reconnects: Connections after the first that delivered.
    """

    read: int = 0
    corrupt: int = 0
    dropped: int = 0
    black: int = 0
    frozen: int = 0
    reconnects: int = 0

    def __str__(self) -> str:
        """All counts in words, without those that are zero; empty if nothing came."""
        counts = (
            (self.read, "frames"),
            (self.dropped, "dropped for newer ones"),
            (self.corrupt, "damaged"),
            (self.black, "black"),
            (self.frozen, "frozen"),
            (self.reconnects, "times reconnected"),
        )
        return ", ".join(f"{count} {what}" for count, what in counts if count)


class FrameCounter:
    """Numbers the frames of all connections in one row, and says which of them are due.

    The reading thread calls it, with its lock held.

    Attributes:
        stats: What became of them.
        start_s: Time of the first frame; None before it came.
    """

    def __init__(self, stats: LiveStats, sampler: FrameSampler) -> None:
        self.stats = stats
        self.start_s: float | None = None
        self._sampler = sampler
        self._owed = False

    def count(self, captured_s: float) -> tuple[int, float]:
        """Count a frame; its number and its time in the source, in seconds."""
        self.start_s = captured_s if self.start_s is None else self.start_s
        self.stats.read += 1
        return self.stats.read - 1, captured_s - self.start_s

    def is_due(self, timestamp_s: float) -> bool:
        """Whether the sampler takes the frame, or is owed one for a damaged one that it took."""
        due = self._sampler.takes(timestamp_s) or self._owed
        self._owed = False
        return due

    def owe(self) -> None:
        """Count a damaged frame; the next one takes its place."""
        self.stats.corrupt += 1
        self.stats.read -= 1
        self._owed = True
