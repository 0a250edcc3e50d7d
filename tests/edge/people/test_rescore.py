"""The second look at what `locate` finds."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest

from har_edge.arrays import FloatArray
from har_edge.model.network import SignatureNetwork
from har_edge.people.networks import OwnLocator
from har_edge.people.rescore import NUM_FEATURES, describe, rescore
from tests.edge.people.test_networks import SQUARE, WIDE, ToldSignature


def find(score: float, joints: float, box: tuple[float, ...] = (0.2, 0.2, 0.6, 0.8)) -> FloatArray:
    """A find whose joints are equally likely and lie in the corners of its box."""
    points = [(box[0], box[1], joints), (box[2], box[3], joints)]
    return np.array([score, *box, *(n for i in range(17) for n in points[i % 2])], np.float32)


# Only the mean of the joints counts: it is the last but five of the features.
BY_JOINTS = (0.0, *(float(i == NUM_FEATURES - 6) for i in range(NUM_FEATURES)))


def test_a_find_is_described_by_its_joints_and_shape() -> None:
    features = describe(np.stack([find(0.5, 0.5), find(0.9, 0.1)]), aspect=2.0)
    assert features.shape == (2, NUM_FEATURES)
    np.testing.assert_allclose(features[0, :-5], 0, atol=1e-6)  # even odds of all scores
    assert features[1, 0] == pytest.approx(np.log(9), rel=1e-5)
    np.testing.assert_allclose(features[1, 1:-5], -np.log(9), rtol=1e-5)  # ranks and mean
    shape = [np.log(0.4 * 0.6), np.log(2 * 0.4 / 0.6), 1.0, 0.0, 0.0]
    np.testing.assert_allclose(features[:, -5:], [shape, shape], atol=1e-5)


def test_joints_beside_the_box_are_counted_out() -> None:
    row = find(0.5, 0.5)
    row[5::6] = 0.9  # x of every other joint
    assert describe(row[np.newaxis], 1.0)[0, -3] == pytest.approx(8 / 17)


def test_who_has_likely_joints_goes_first() -> None:
    rows = np.stack([find(0.9, 0.2), find(0.3, 0.8), find(0.2, 0.9)])
    again = rescore(rows, 1.0, BY_JOINTS)
    np.testing.assert_allclose(again[:, 0], [0.8, 0.2], rtol=1e-5)
    np.testing.assert_array_equal(again[:, 1:], rows[1::-1, 1:])
    assert rows[0, 0] == np.float32(0.9)  # what was given stays as it was


def test_without_weights_scores_stay() -> None:
    rows = find(0.9, 0.2)[np.newaxis]
    assert rescore(rows, 1.0, ()) is rows
    assert len(rescore(rows[:0], 1.0, BY_JOINTS)) == 0


def test_what_is_no_number_gets_no_score() -> None:
    rows = np.stack([find(0.9, 0.8), find(0.9, 0.8), find(0.9, 0.8)])
    rows[1, 10] = np.inf
    rows[2, 7] = np.nan
    scores = rescore(rows, 1.0, BY_JOINTS)[:, 0]
    assert scores[0] == pytest.approx(0.8, rel=1e-5)
    assert np.isnan(scores[1:]).all()


def test_the_locator_takes_the_second_look() -> None:
    table = ToldSignature([np.stack([find(0.9, 0.2), find(0.3, 0.8), find(0.0, 0.9)])])
    locator = OwnLocator(cast(SignatureNetwork, table), 0.5, BY_JOINTS)
    (person,) = locator.locate(SQUARE)
    assert person.score == pytest.approx(0.8, rel=1e-5)
    assert locator.begin_score == pytest.approx(0.6)  # in a video, where there are more chances
    (wide,) = locator.locate(WIDE)  # its boxes are twice as high there, and cut off
    assert wide.score == pytest.approx(0.8, rel=1e-5)
