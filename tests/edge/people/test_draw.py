"""People in pictures: colours that stay, lines where they belong, labels that can be read."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from har_edge.arrays import Pixels
from har_edge.frames.frame import KEYPOINTS
from har_edge.people.draw import (
    COLOURS,
    NOBODY,
    Area,
    colour_of,
    draw_box,
    draw_label,
    draw_skeleton,
    line_width,
)

WHITE = (255, 255, 255)


def black(width: int = 320, height: int = 240) -> Pixels:
    return np.zeros((height, width, 3), np.uint8)


def test_a_person_keeps_the_colour() -> None:
    assert len(set(COLOURS)) == len(COLOURS)
    assert [colour_of(n) for n in range(1, len(COLOURS) + 1)] == list(COLOURS)
    assert colour_of(len(COLOURS) + 1) == COLOURS[0]
    assert colour_of(None) == NOBODY


def test_colours_carry_black_text() -> None:
    # Relative luminance and contrast. Source: WCAG 2.2.
    for colour in COLOURS:
        linear = (np.array(colour) / 255) ** 2.2
        luminance = float(linear @ [0.2126, 0.7152, 0.0722])
        assert (luminance + 0.05) / 0.05 >= 4.5


def test_a_box_is_drawn_on_its_edges() -> None:
    picture = black()
    draw_box(picture, (0.25, 0.25, 0.75, 0.75), WHITE)
    rows, columns = np.nonzero(picture.any(axis=2))
    assert (rows.min(), rows.max()) == pytest.approx((59.5, 179.5), abs=1.5)
    assert (columns.min(), columns.max()) == pytest.approx((79.5, 239.5), abs=1.5)
    assert not picture[70:170, 90:230].any()


def test_lines_are_thin_in_small_pictures() -> None:
    assert line_width(black(160, 120)) == 1
    assert line_width(black(1920, 1080)) == 4
    large, thin = black(1280, 720), black(1280, 720)
    draw_box(large, (0.2, 0.2, 0.8, 0.8), WHITE)
    draw_box(thin, (0.2, 0.2, 0.8, 0.8), WHITE, thin=True)
    assert large.sum() > 2 * thin.sum() > 0


def test_limbs_are_drawn_between_ends_that_are_seen() -> None:
    rows = np.zeros((len(KEYPOINTS), 3), np.float32)
    rows[KEYPOINTS.index("left_shoulder")] = (0.25, 0.5, 0.9)
    rows[KEYPOINTS.index("left_elbow")] = (0.75, 0.5, 0.9)
    rows[KEYPOINTS.index("left_wrist")] = (0.75, 0.9, 0.1)
    picture = black()
    draw_skeleton(picture, rows, WHITE)
    assert picture[119, 160].any() or picture[120, 160].any()
    assert not picture[140:].any()


def test_keypoints_far_outside_do_no_harm() -> None:
    rows = np.full((len(KEYPOINTS), 3), 1e30, np.float32)
    draw_skeleton(black(), rows, WHITE)


@pytest.mark.parametrize(
    "box", [(-0.2, -0.2, 0.1, 0.1), (0.95, 0.0, 1.0, 1.0), (0.0, 0.99, 0.2, 1.0)]
)
def test_labels_stay_inside_the_picture(box: tuple[float, float, float, float]) -> None:
    picture = black()
    taken: list[Area] = []
    draw_label(picture, box, ("1 falling 83%",), WHITE, taken)
    ((left, top, right, bottom),) = taken
    assert left >= 0 <= top
    assert right <= 320
    assert bottom <= 240
    assert 0 < picture[top:bottom, left:right].mean() < 255


def test_labels_have_fewer_words_where_there_is_little_room() -> None:
    wide: list[Area] = []
    narrow: list[Area] = []
    texts = ("1 using_a_laptop 83%", "1 using_a_laptop", "1")
    draw_label(black(), (0.1, 0.5, 0.4, 0.9), texts, WHITE, wide)
    draw_label(black(60, 60), (0.1, 0.5, 0.4, 0.9), texts, WHITE, narrow)
    assert wide[0][2] - wide[0][0] > 100
    assert narrow[0][2] - narrow[0][0] < 30


def test_labels_make_room_for_each_other() -> None:
    taken: list[Area] = []
    for _ in range(4):
        draw_label(black(), (0.1, 0.3, 0.4, 0.9), ("1 falling 83%",), WHITE, taken)
    tops = [area[1] for area in taken]
    assert tops == sorted(set(tops))
    assert all(b[1] >= a[3] for a, b in pairwise(taken))
