"""What is drawn into pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from har_edge.arrays import Pixels
from har_edge.frames.frame import Frame, Person
from har_edge.people.draw import colour_of
from har_edge.recognition.prediction import Prediction
from har_edge.sinks.base import Shot
from har_edge.sinks.overlay import annotate, draw_frame
from har_edge.testing import make_prediction

GREY = np.full((240, 320, 3), 90, np.uint8)


def drawn_shot(shot: Shot, pixels: Pixels | None = None) -> Pixels:
    return draw_frame(shot.frame, shot.prediction, shot.people, pixels)


def said(person: int | None) -> Prediction:
    return replace(make_prediction({"falling": 0.75, "sitting": 0.25}), person=person)


def shot(*people: Person, prediction: Prediction | None = None, apart: bool = True) -> Shot:
    frame = Frame(GREY, 1.5, 12, "a.mp4", 0.0, people=people if apart else None)
    return Shot(frame, prediction, tuple(said(person.id) for person in people))


def test_without_people_it_is_the_action_and_the_time() -> None:
    drawn = drawn_shot(shot(prediction=said(None), apart=False))
    np.testing.assert_array_equal(drawn, annotate(GREY, "falling 75%", "0:01.50"))
    early = drawn_shot(shot(apart=False))
    np.testing.assert_array_equal(early, annotate(GREY, "", "0:01.50"))


def test_people_are_drawn_in_their_colours_as_opencv_has_them() -> None:
    people = [Person(0.9, (0.1 + x, 0.4, 0.3 + x, 0.9), id=n) for n, x in ((1, 0.0), (2, 0.5))]
    drawn = drawn_shot(shot(*people))
    for number, left in ((1, 32), (2, 192)):
        place = drawn[150, left - 2 : left + 3].reshape(-1, 3)
        assert (place == np.array(colour_of(number)[::-1])).all(axis=1).any()
    assert not GREY[150, 32].any() or (GREY == 90).all()  # the frame's own pixels stay


def test_who_is_carried_on_has_a_thin_box_and_no_action_yet_is_a_number() -> None:
    large = np.full((1080, 1920, 3), 90, np.uint8)
    person = Person(0.9, (0.4, 0.4, 0.6, 0.9), id=1)

    def drawn(located: bool) -> int:
        frame = Frame(large, 0.0, 0, "a.mp4", 0.0, people=(replace(person, located=located),))
        return int((drawn_shot(Shot(frame, None)) != 90).any(axis=2).sum())

    assert drawn(True) > drawn(False)


def test_another_size_of_the_same_picture_is_drawn_alike() -> None:
    person = Person(0.9, (0.25, 0.25, 0.75, 0.75), id=3)
    half = drawn_shot(shot(person), np.ascontiguousarray(GREY[::2, ::2]))
    assert half.shape == (120, 160, 3)
    rows, _ = np.nonzero((half == np.array(colour_of(3)[::-1])).all(axis=2))
    assert 88 <= rows.max() <= 91
