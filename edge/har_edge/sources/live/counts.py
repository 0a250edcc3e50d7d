"""What became of the frames of a live source."""

from __future__ import annotations

from dataclasses import dataclass


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
