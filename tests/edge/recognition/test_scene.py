"""Zones, rules and falls over the people of frames that are made up."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from har_edge.arrays import Box
from har_edge.frames.frame import Frame, Person
from har_edge.people.zones import Zone, Zones
from har_edge.recognition.events import Event
from har_edge.recognition.rules import Rules, parse_rule
from har_edge.recognition.scene import Scene
from har_edge.recognition.visits import Visit
from har_edge.recognition.zones_file import ZonesFile
from har_edge.testing import make_prediction

STANDING: Box = (0.40, 0.20, 0.52, 0.80)
LYING: Box = (0.30, 0.68, 0.75, 0.84)
BED = Zone.of_box("bed", (0.2, 0.6, 0.9, 1.0))
PIXELS = np.zeros((48, 64, 3), np.uint8)


def scene(*rules: str, zones: tuple[Zone, ...] = (), fall_alarm: bool = True) -> Scene:
    numbers = count(1)
    file = ZonesFile(Zones(zones), Rules(map(parse_rule, rules)), {"low_s": 1.0, "up_s": 0.5})
    return Scene(file, lambda: next(numbers), fall_alarm=fall_alarm)


def frame(box: Box | None, at_s: float, *, live: bool = False, source: str = "camera:0") -> Frame:
    people = () if box is None else (Person(0.9, box, id=1),)
    captured_s = time.monotonic() if live else None
    return Frame(PIXELS, at_s, round(at_s * 8), source, 0.0, captured_s, people=people)


def watch(of: Scene, *stays: tuple[Box | None, float], live: bool = False) -> list[Event | Visit]:
    found, step = [], 0
    for box, seconds in stays:
        for _ in range(round(seconds * 8)):
            found += of.watch(frame(box, step / 8, live=live))
            step += 1
    return found


def test_a_fall_is_an_event_with_its_reasons() -> None:
    began, ended = watch(scene(), (STANDING, 2), (LYING, 3), (STANDING, 2))
    assert isinstance(began, Event)
    assert isinstance(ended, Event)
    assert (began.kind, began.action, began.person, began.end_s) == (
        "action_started", "fall", 1, None,
    )  # fmt: skip
    assert (ended.kind, ended.number, ended.start_s) == (
        "action_ended",
        began.number,
        began.start_s,
    )
    why = ended.as_dict()["why"]
    assert isinstance(why, dict)
    assert why["ended_by"] == "got_up"
    assert {"drop", "speed", "height", "low_s"} <= why.keys()
    assert 0.7 <= began.confidence <= 1


def test_falls_of_live_sources_have_a_time_of_day() -> None:
    (began,) = watch(scene(), (STANDING, 2), (LYING, 2), live=True)
    assert isinstance(began, Event)
    assert began.start_at_s == pytest.approx(time.time() - 1.2, abs=1.0)


def test_without_the_alarm_nobody_falls() -> None:
    assert watch(scene(fall_alarm=False), (STANDING, 2), (LYING, 3)) == []


@pytest.mark.parametrize("rule", ["falling unless zone=bed", "fall unless zone=bed"])
def test_a_rule_keeps_the_alarm_quiet_and_its_end_too(rule: str) -> None:
    of = scene(rule, zones=(BED,))
    found = watch(of, (STANDING, 2), (LYING, 3), (STANDING, 2))
    assert not [e for e in found if isinstance(e, Event)]
    assert not [e for e in of.end("camera:0") if isinstance(e, Event)]
    other = scene(rule, zones=(replace(BED, source="camera:1"),))
    assert len(watch(other, (STANDING, 2), (LYING, 3))) == 1


def test_who_leaves_or_is_lost_ends_the_alarm_and_the_visit() -> None:
    of = scene(zones=(BED,))
    found = watch(of, (STANDING, 2), (LYING, 3))
    assert [e.kind for e in found] == ["zone_entered", "action_started"]
    ended = of.watch(frame(None, 6.0), gone=(1,))
    assert [e.kind for e in ended] == ["zone_left", "action_ended"]
    assert of.end("camera:0") == []


def test_a_gap_ends_everything() -> None:
    of = scene(zones=(BED,))
    watch(of, (STANDING, 2), (LYING, 3))
    assert [e.kind for e in of.end("camera:0")] == ["zone_left", "action_ended"]
    assert of.end("camera:0") == []


def test_predictions_learn_their_zone_and_rules_speak_of_it() -> None:
    of = scene("falling unless zone=bed", zones=(BED,))
    whole = make_prediction({"falling": 0.9, "sitting": 0.1}, source="camera:0")
    assert of.place(whole) is whole
    in_bed = of.place(replace(whole, person=1, box=LYING))
    assert in_bed.zone == "bed"
    assert of.permit(in_bed).action == "unknown"
    standing = of.place(replace(whole, person=1, box=(0.4, 0.1, 0.5, 0.5)))
    assert (standing.zone, of.permit(standing).action) == (None, "falling")


def test_zones_may_be_replaced_while_it_runs() -> None:
    of = scene()
    assert watch(of, (LYING, 1)) == []
    of.zones = Zones([BED])
    (entered,) = watch(of, (LYING, 1))
    assert entered.kind == "zone_entered"


def test_frames_that_nobody_looked_at_say_nothing() -> None:
    of = scene(zones=(BED,))
    assert of.watch(replace(frame(None, 0.0), people=None)) == []
