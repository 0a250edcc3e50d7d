"""Visits to zones: coming in, staying, leaving."""

from __future__ import annotations

from itertools import count

import pytest

from har_edge.recognition.visits import Visit, VisitTracker


def visits(zones: str, step_s: float = 0.25, *, started_at_s: float | None = None) -> list[Visit]:
    """One letter a step is the zone that person 1 is in; a dot is none."""
    numbers = count(1)
    tracker = VisitTracker(lambda: next(numbers), settle_s=0.5)
    found = []
    for index, zone in enumerate(zones):
        now_s = index * step_s
        at_s = None if started_at_s is None else started_at_s + now_s
        found += tracker.see("camera:0", 1, None if zone == "." else zone, now_s, at_s)
    return found + tracker.end("camera:0")


def told(found: list[Visit]) -> list[tuple[str, str, float, float | None]]:
    return [(v.kind, v.zone, v.start_s, v.dwell_s) for v in found]


def test_a_visit_is_told_once_it_is_certain() -> None:
    assert told(visits("..aaaa...")) == [
        ("zone_entered", "a", 0.5, None),
        ("zone_left", "a", 0.5, 0.75),
    ]


def test_who_is_there_from_the_start_came_in_then() -> None:
    assert told(visits("aaaa")) == [("zone_entered", "a", 0.0, None), ("zone_left", "a", 0.0, 0.75)]


@pytest.mark.parametrize("zones", ["..a..a...", "....", "..aa.."])
def test_who_passes_along_an_edge_did_not_come_in(zones: str) -> None:
    assert visits(zones) == []


def test_short_lapses_do_not_end_a_visit() -> None:
    assert told(visits("aaa.aabaa")) == [
        ("zone_entered", "a", 0.0, None),
        ("zone_left", "a", 0.0, 2.0),
    ]


def test_from_zone_to_zone() -> None:
    found = visits("aaabbb")
    assert [(v.kind, v.zone, v.number) for v in found] == [
        ("zone_entered", "a", 1),
        ("zone_left", "a", 1),
        ("zone_entered", "b", 2),
        ("zone_left", "b", 2),
    ]


def test_people_are_followed_apart() -> None:
    tracker = VisitTracker(lambda: 1)
    for step in range(4):
        tracker.see("camera:0", 1, "a", step / 4)
        tracker.see("camera:0", 2, None, step / 4)
        tracker.see("camera:1", 1, "b", step / 4)
    assert tracker.end_person("camera:0", 2) == []
    assert [v.zone for v in tracker.end("camera:0")] == ["a"]
    assert tracker.end("camera:0") == []
    assert [v.zone for v in tracker.end_person("camera:1", 1)] == ["b"]


def test_live_sources_have_times_of_day() -> None:
    entered, left = (v.as_dict() for v in visits("aaaa", started_at_s=1.7e9))
    assert entered["start_time"] is not None
    assert entered["end_time"] is None
    assert left["end_time"] is not None
    assert "start_time" not in visits("aaaa")[0].as_dict()
