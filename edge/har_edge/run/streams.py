"""What a run keeps of each source while it is read."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.recognition.decide import Deciders
from har_edge.recognition.headcount import HeadCounter
from har_edge.recognition.look import Looker
from har_edge.recognition.tally import FileTally
from har_edge.run.progress import Progress
from har_edge.sources.base import FrameSource

if TYPE_CHECKING:
    from har_edge.sources.live.counts import LiveStats


def live_stats(source: FrameSource) -> LiveStats | None:
    """Counters of a live source; None of a file."""
    if not source.live:
        return None
    from har_edge.sources.live.source import LiveSource  # a run over files starts without it

    return source.stats if isinstance(source, LiveSource) else None


@dataclass
class Stream:
    """What is kept of one source while it is read.

    Attributes:
        looker: Recognises what it shows.
        deciders: Decide on that.
        dues: Says which frames need a prediction; None for all.
        dropped: Counts frames that were read, but gave way to newer ones.
        tally: Adds up what a file shows as a whole.
    """

    source: FrameSource
    sampler: FrameSampler
    looker: Looker
    deciders: Deciders
    dues: FrameSampler | None
    progress: Progress | None
    dropped: Callable[[], int]
    tally: FileTally
    opened_s: float = field(default_factory=time.monotonic)
    warned: bool = False
    black_frames: int = 0
    crowded: bool = False
    heads: HeadCounter = field(default_factory=HeadCounter)

    def is_due(self, frame: Frame) -> bool:
        """Whether a prediction is wanted of the window that ends with this frame."""
        return self.dues is None or self.dues.takes(frame.timestamp_s)

    def sees_black(self) -> bool:
        """Whether a live source withheld black frames since this was last asked."""
        stats = live_stats(self.source)
        if stats is None:
            return False
        before, self.black_frames = self.black_frames, stats.black
        return self.black_frames > before
