"""Who is in view of a live source, as pages and metrics get it."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from har_edge.frames.frame import Frame, Person
from har_edge.recognition.prediction import Prediction
from har_edge.server.crowd import Crowd
from har_edge.sinks.base import Shot
from har_edge.testing import make_prediction

PIXELS = np.zeros((8, 8, 3), np.uint8)
BOX = (0.1, 0.2, 0.3, 0.9)


def shot(*people: int, said: tuple[Prediction, ...] = (), looked: bool = True) -> Shot:
    found = tuple(Person(0.9, BOX, id=number) for number in people)
    frame = Frame(PIXELS, 0.0, 7, "camera:0", 0.0, time.monotonic(), people=found)
    return Shot(frame if looked else replace(frame, people=None), None, said)


def says(person: int, action: str = "falling") -> Prediction:
    made = make_prediction({action: 0.75, "other": 0.25}, source="camera:0")
    return replace(made, person=person, box=BOX, zone="bed")


def test_people_are_told_with_what_they_do_and_where() -> None:
    told = Crowd().see(shot(1, 2, said=(says(1),)))
    assert told is not None
    assert (told["count"], told["actions"], told["frame"]) == (2, {"falling": 1}, 7)
    first, second = told["people"]  # type: ignore[misc]
    assert first["person"] == 1
    assert (first["action"], first["confidence"], first["zone"]) == ("falling", 0.75, "bed")
    assert first["box"] == list(BOX)
    assert (second["action"], second["confidence"]) == (None, None)


def test_what_somebody_does_holds_until_they_leave() -> None:
    crowd = Crowd()
    crowd.see(shot(1, said=(says(1),)))
    told = crowd.see(shot(1))
    assert told is not None
    assert told["people"][0]["action"] == "falling"  # type: ignore[index]
    crowd.see(shot())
    told = crowd.see(shot(1))
    assert told is not None
    assert told["people"][0]["action"] is None  # type: ignore[index]


def test_nobody_is_no_people_and_not_looking_is_not_known() -> None:
    crowd = Crowd()
    assert crowd.see(shot(looked=False)) is None
    assert crowd.snapshot(0.0)["people"] is None
    crowd.see(shot())
    assert (crowd.snapshot(0.0)["people"], crowd.snapshot(0.0)["count"]) == ([], 0)
    crowd.clear()
    assert crowd.snapshot(0.0)["count"] is None


def test_what_people_did_is_kept_for_a_while() -> None:
    crowd = Crowd()
    now_s = time.time()
    crowd.see(shot(1, 2, said=(says(1), says(2, "sitting"))))
    crowd.see(shot(1, 2))  # within the same second
    rows = crowd.snapshot(now_s - 60)["people_history"]
    assert [row[1:3] for row in rows] == [(1, "falling"), (2, "sitting")]  # type: ignore[attr-defined]
    assert crowd.snapshot(now_s + 60)["people_history"] == []


def test_nothing_is_told_that_is_not_wanted() -> None:
    crowd = Crowd()
    assert crowd.see(shot(1), told=False) is None
    assert crowd.headcount is not None
    assert crowd.headcount.people == 1
