"""One answer for a whole file."""

from __future__ import annotations

import pytest

from har_edge.recognition.decide import Decider
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.tally import FileTally
from tests.support.records import weighed

LABELS = ("falling", "sitting")


def prediction(falling: float, at_s: float) -> Prediction:
    return weighed(falling, 1 - falling, at_s=at_s, labels=LABELS)


def tally_of(*predictions: Prediction, windowed: bool = True) -> FileTally:
    tally = FileTally("a.mp4", Decider(LABELS, smoothing_s=0.0), windowed=windowed)
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


def test_what_cannot_be_read_has_its_reason() -> None:
    answer = tally_of().answer(None, "It is empty.")
    assert (answer.action, answer.confidence, answer.windows) == (None, None, 0)
    assert answer.as_dict()["error"] == "It is empty."
