"""Boxes: what two have in common, and which find is a double."""

from __future__ import annotations

import pytest

from har_edge.frames.frame import Person
from har_edge.people.boxes import area, clip_box, overlap, tidy


def test_overlap_is_that_of_both_areas() -> None:
    one = (0.0, 0.0, 0.4, 0.5)
    assert overlap(one, one) == pytest.approx(1.0)
    assert overlap(one, (0.2, 0.0, 0.6, 0.5)) == pytest.approx(0.1 / 0.3)
    assert overlap(one, (0.4, 0.0, 0.8, 0.5)) == 0  # they only touch
    assert overlap((0.2, 0.2, 0.2, 0.9), (0.2, 0.2, 0.2, 0.9)) == 0  # no box at all
    assert area((0.5, 0.5, 0.2, 0.9)) == 0


def test_boxes_end_with_the_picture() -> None:
    assert clip_box((-0.5, 0.25, 0.5, 1.5)) == (0.0, 0.25, 0.5, 1.0)
    assert clip_box((1.1, 0.2, 1.4, 0.5)) is None
    assert clip_box((0.2, float("nan"), 0.4, 0.5)) is None


def test_doubles_are_left_out() -> None:
    best = Person(0.9, (0.1, 0.1, 0.5, 0.9))
    double = Person(0.8, (0.11, 0.1, 0.5, 0.92))
    behind = Person(0.7, (0.3, 0.1, 0.7, 0.9))
    assert tidy([behind, double, best]) == (best, behind)
