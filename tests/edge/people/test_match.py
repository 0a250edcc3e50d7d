"""Which found box is which wanted one."""

from __future__ import annotations

import numpy as np

from har_edge.people.match import match_boxes, overlaps


def test_overlap_is_common_area_in_that_of_both() -> None:
    boxes = np.array([[0, 0, 1, 1], [0.5, 0, 1.5, 1], [3, 3, 4, 4]])
    found = overlaps(boxes, boxes)
    np.testing.assert_allclose(np.diag(found), 1)
    np.testing.assert_allclose(found[0], [1, 1 / 3, 0])


def test_the_best_chooses_first_and_each_box_is_given_once() -> None:
    wanted = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [50, 50, 60, 60.0]])
    found = np.array([[0, 0, 10, 9], [0, 0, 10, 10], [21, 0, 31, 10], [80, 80, 90, 90.0]])
    assert match_boxes(wanted, found).tolist() == [0, 2, -1]


def test_without_boxes_nothing_is_given() -> None:
    none = np.zeros((0, 4))
    assert match_boxes(none, np.ones((2, 4))).tolist() == []
    assert match_boxes(np.ones((2, 4)), none).tolist() == [-1, -1]
    assert overlaps(none, none).shape == (0, 0)
