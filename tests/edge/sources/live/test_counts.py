"""Frames are numbered over all connections, and a damaged one is owed."""

from __future__ import annotations

from har_edge.frames.sampling import FrameSampler
from har_edge.sources.live.counts import FrameCounter, LiveStats


def test_numbers_go_on_where_the_last_connection_ended() -> None:
    stats = LiveStats(read=7)
    counter = FrameCounter(stats, FrameSampler(10.0))
    assert counter.start_s is None
    assert counter.count(100.0) == (7, 0.0)
    assert counter.count(100.5) == (8, 0.5)
    assert (counter.start_s, stats.read) == (100.0, 9)


def test_a_damaged_frame_is_owed_once() -> None:
    counter = FrameCounter(LiveStats(), FrameSampler(1.0))
    counter.count(0.0)
    assert counter.is_due(0.0)
    assert not counter.is_due(0.1)
    counter.owe()
    assert (counter.stats.corrupt, counter.stats.read) == (1, 0)
    assert counter.is_due(0.2)
    assert not counter.is_due(0.3)


def test_counts_in_words() -> None:
    stats = LiveStats(read=9, black=2, reconnects=1)
    assert str(stats) == "9 frames, 2 black, 1 times reconnected"
    assert str(LiveStats()) == ""
