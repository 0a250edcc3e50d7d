"""Sampling by timestamp."""

from __future__ import annotations

import numpy as np
import pytest

from har_edge.frames.sampling import FrameSampler


def taken(rate_hz: float, timestamps: list[float]) -> list[float]:
    sampler = FrameSampler(rate_hz)
    return [t for t in timestamps if sampler.takes(t)]


def at(fps: float, seconds: float) -> list[float]:
    return [i / fps for i in range(int(fps * seconds))]


@pytest.mark.parametrize("fps", [8.0, 12.0, 24.0, 25.0, 29.97, 30.0, 60.0, 120.0])
def test_one_frame_an_instant_whatever_the_source(fps: float) -> None:
    times = taken(8.0, at(fps, 4.0))
    assert len(times) in (31, 32)
    instants = np.arange(len(times)) / 8.0
    delays = np.array(times) - instants
    assert (delays > -0.0011).all()
    assert (delays < 1 / fps).all()


def test_rounded_timestamps_do_not_shift_the_grid() -> None:
    times = [round(t, 3) for t in at(24.0, 10.0)]
    assert taken(8.0, times) == times[::3]


def test_first_frame_sets_the_grid() -> None:
    assert taken(2.0, [7.3, 7.5, 7.8, 8.0, 8.31]) == [7.3, 7.8, 8.31]


def test_slow_source_is_noticed_and_nothing_is_repeated() -> None:
    sampler = FrameSampler(8.0)
    assert all(sampler.takes(t) for t in at(4.0, 5.0))
    assert sampler.missed == 19
    assert sampler.source_is_slow
    assert sampler.achieved_hz == pytest.approx(4.0)


def test_source_at_the_rate_is_not_slow() -> None:
    sampler = FrameSampler(8.0)
    jitter = np.random.default_rng(0).uniform(-0.0009, 0.0009, 80)
    for t, j in zip(at(8.0, 10.0), jitter, strict=True):
        sampler.takes(max(0.0, t + j))
    assert not sampler.source_is_slow


def test_reset_starts_a_new_grid() -> None:
    sampler = FrameSampler(1.0)
    assert sampler.takes(5.0)
    assert not sampler.takes(5.5)
    sampler.reset()
    assert sampler.takes(5.5)
    assert sampler.taken == 1
