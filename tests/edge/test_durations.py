"""Times and lengths of time as people read them."""

from __future__ import annotations

import pytest

from har_edge.durations import format_duration, format_time


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0:00.00"),
        (7.254, "0:07.25"),
        (59.999, "1:00.00"),
        (61.5, "1:01.50"),
        (3725, "1:02:05.00"),
    ],
)
def test_times(seconds: float, shown: str) -> None:
    assert format_time(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0 s"),
        (4.52, "4.5 s"),
        (59.96, "1 min 0 s"),
        (128, "2 min 8 s"),
        (3599.7, "1 h 0 min"),
        (11540, "3 h 12 min"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert format_duration(seconds) == shown
