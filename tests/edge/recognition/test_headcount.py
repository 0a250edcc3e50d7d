"""How many people are in view, and how many of them do what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from har_edge.frames.frame import Frame, Person
from har_edge.recognition.headcount import Headcount, HeadCounter
from har_edge.recognition.prediction import Prediction
from har_edge.testing import make_prediction

PIXELS = np.zeros((8, 8, 3), np.uint8)


def frame(*people: int) -> Frame:
    found = tuple(Person(0.9, (0, 0, 1, 1), id=number) for number in people)
    return Frame(PIXELS, 1.0, 8, "camera:0", 0.0, people=found)


def says(person: int, action: str) -> Prediction:
    return replace(make_prediction({action: 0.75, "other": 0.25}), person=person)


def test_people_and_actions_are_counted_most_first() -> None:
    heads = HeadCounter()
    said = [says(1, "sitting"), says(2, "walking"), says(3, "walking")]
    count = heads.count(frame(1, 2, 3, 4), said)
    assert count is not None
    assert (count.people, list(count.actions.items())) == (4, [("walking", 2), ("sitting", 1)])
    assert count.action == "walking"
    again = heads.count(frame(1, 2), [])
    assert again is not None
    assert again.actions == {"sitting": 1, "walking": 1}


def test_nobody_is_counted_as_nobody_and_not_looking_as_nothing() -> None:
    heads = HeadCounter()
    count = heads.count(frame(), [])
    assert count is not None
    assert (count.people, count.action) == (0, "nobody")
    assert heads.count(replace(frame(), people=None), []) is None
    early = heads.count(frame(1), [])
    assert early is not None
    assert early.action == "unknown"


def test_its_fields_on_the_network() -> None:
    record = Headcount("camera:0", 1.2345, 2, {"walking": 2}, 1.7e9).as_dict()
    time = record.pop("time")
    assert isinstance(time, str)
    assert record == {
        "source": "camera:0",
        "timestamp_s": 1.234,
        "action": "walking",
        "people": 2,
        "actions": {"walking": 2},
    }
