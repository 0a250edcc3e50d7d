"""Views of a picture, and the labels that move with them."""

from __future__ import annotations

import numpy as np
import pytest

from har_edge.arrays import FloatArray
from har_edge.frames.frame import KEYPOINTS
from har_train.people.teachers import ROW
from har_train.people.views import View, back_to_picture, move_people, random_view, show

HEIGHT, WIDTH = 90, 160


def one_person(left: float, top: float, right: float, bottom: float) -> FloatArray:
    row = np.zeros((1, ROW), np.float32)
    row[0, :5] = 1, left, top, right, bottom
    row[0, 5:] = np.tile([left, top, 0.9], 17)
    return row


def test_the_plain_view_is_the_picture_in_the_middle() -> None:
    picture = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    seen = show(picture, View(), 64)
    assert seen.shape == (64, 64, 3)
    assert (seen[32] > 150).all()
    assert not seen[:13].any()
    assert not seen[-13:].any()


@pytest.mark.parametrize("seed", range(8))
def test_a_box_stays_on_what_it_shows(seed: int) -> None:
    """A white square is where its moved box says, whatever the view."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[30:60, 60:100] = 255
    people = one_person(60 / WIDTH, 30 / HEIGHT, 100 / WIDTH, 60 / HEIGHT)
    view = random_view(np.random.default_rng(seed))
    seen = show(picture, view, 256)[..., 0] > 127
    rows, columns = (np.nonzero(seen.any(axis=axis))[0] for axis in (1, 0))
    if not len(rows):
        pytest.skip("the square is outside")
    expected = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / 256
    np.testing.assert_allclose(
        move_people(people, view, HEIGHT, WIDTH)[0, 1:5], expected, atol=0.02
    )


def test_mirrored_people_change_sides() -> None:
    people = one_person(0.1, 0.2, 0.4, 0.9)
    joints = people[0, 5:].reshape(17, 3)
    joints[KEYPOINTS.index("left_wrist"), :2] = (0.3, 0.5)
    moved = move_people(people, View(mirrored=True), 100, 100)[0]
    np.testing.assert_allclose(moved[1:5], [0.6, 0.2, 0.9, 0.9], atol=1e-6)
    right = moved[5:].reshape(17, 3)[KEYPOINTS.index("right_wrist")]
    np.testing.assert_allclose(right[:2], [0.7, 0.5], atol=1e-6)


def test_people_outside_are_left_out_and_cut_ones_cut() -> None:
    view = View(zoom=2, x=0, y=0)  # the left upper quarter
    people = np.concatenate([one_person(0.6, 0.6, 0.9, 0.9), one_person(0.2, 0.2, 0.6, 0.4)])
    moved = move_people(people, view, 100, 100)
    np.testing.assert_allclose(moved[:, 1:5], [[0.4, 0.4, 1, 0.8]], atol=1e-6)
    assert move_people(people[:0], view, 100, 100).shape == (0, ROW)


def test_there_and_back_again() -> None:
    people = one_person(0.1, 0.2, 0.4, 0.9)
    again = back_to_picture(move_people(people, View(), HEIGHT, WIDTH), HEIGHT, WIDTH)
    np.testing.assert_allclose(again, people, atol=1e-5)
