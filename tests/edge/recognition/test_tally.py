"""One answer for a whole file."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from har_edge.frames.frame import Frame
from har_edge.recognition.decide import Decider
from har_edge.recognition.look import nobody_in
from har_edge.recognition.prediction import NOBODY, Prediction
from har_edge.recognition.tally import FileTally
from tests.support.records import weighed

LABELS = ("falling", "sitting")


def prediction(falling: float, at_s: float) -> Prediction:
    return weighed(falling, 1 - falling, at_s=at_s, labels=LABELS)


def tally_of(*predictions: Prediction, windowed: bool = True) -> FileTally:
    tally = FileTally("a.mp4", partial(Decider, LABELS, smoothing_s=0.0), windowed=windowed)
    for each in predictions:
        tally.add(each, each)
    return tally


def test_windows_count_alike_and_the_first_reaches_back_to_the_start() -> None:
    tally = tally_of(prediction(0.9, 2.0), prediction(0.8, 2.5), prediction(0.1, 3.0))
    answer = tally.answer(3.5)
    assert (answer.action, answer.windows, answer.error) == ("falling", 3, None)
    assert answer.confidence == pytest.approx(0.6)
    assert answer.seconds == {"falling": 2.5, "sitting": 1.0}


def test_a_single_frame_holds_until_the_next() -> None:
    tally = tally_of(prediction(0.9, 0.0), prediction(0.2, 0.5), windowed=False)
    assert tally.answer(1.4).seconds == pytest.approx({"sitting": 0.9, "falling": 0.5})


def test_a_short_clip_is_one_window_and_a_picture_takes_no_time() -> None:
    assert tally_of(prediction(0.9, 0.5)).answer(0.6).seconds == {"falling": 0.6}
    picture = tally_of(prediction(0.9, 0.0), windowed=False).answer(None)
    assert (picture.action, picture.seconds, picture.windows) == ("falling", {"falling": 0.0}, 1)


def test_a_length_that_is_not_that_of_the_picture_is_not_believed() -> None:
    windows = (prediction(0.9, 2.0), prediction(0.9, 2.5))
    for end_s in (60.0, 1.0, None):
        assert tally_of(*windows).answer(end_s).seconds == {"falling": 2.5}


def test_each_person_has_an_answer_of_their_own() -> None:
    def of(person: int, falling: float, at_s: float) -> Prediction:
        return replace(prediction(falling, at_s), person=person)

    tally = tally_of(
        of(2, 0.9, 2.0), of(1, 0.2, 2.0), of(1, 0.4, 2.5), of(2, 0.7, 2.5), of(1, 0.6, 3.0)
    )
    answer = tally.answer(3.0)
    assert (answer.action, answer.windows) == ("falling", 5)
    assert answer.confidence == pytest.approx(0.56)
    assert answer.people is not None
    first, second = answer.people
    assert (first.person, first.action, first.windows) == (1, "sitting", 3)
    assert first.confidence == pytest.approx(0.6)
    assert first.seconds == pytest.approx({"sitting": 0.5, "falling": 0.5})
    assert (second.person, second.action, second.windows) == (2, "falling", 2)
    assert second.confidence == pytest.approx(0.8)
    assert second.seconds == pytest.approx({"falling": 0.5})


def test_people_are_told_only_where_they_are_looked_for() -> None:
    assert tally_of(prediction(0.9, 0.5)).answer(0.6).people is None
    empty = nobody_in(Frame(np.zeros((2, 2, 3), np.uint8), 0.0, 0, "a.mp4", 0.0))
    answer = tally_of(empty).answer(None)
    assert (answer.action, answer.people) == (NOBODY, ())


def test_of_a_crowd_those_seen_longest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("har_edge.recognition.tally.MOST_PEOPLE", 2)
    seen = [(1, 2.0), (1, 2.5), (2, 2.5), (3, 3.0), (1, 3.0)]
    tally = tally_of(*(replace(prediction(0.9, at_s), person=n) for n, at_s in seen))
    assert [p.person for p in tally.answer(3.0).people or ()] == [1, 3]


def test_what_cannot_be_read_has_its_reason() -> None:
    answer = tally_of().answer(None, "It is empty.")
    assert (answer.action, answer.confidence, answer.windows) == (None, None, 0)
    assert answer.as_dict()["error"] == "It is empty."
