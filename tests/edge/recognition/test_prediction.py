"""What a prediction says about itself, to people and to programs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from har_edge.testing import make_prediction


def test_the_whole_picture_is_nobody_in_particular() -> None:
    said = make_prediction({"falling": 1.0}).as_dict()
    assert not {"person", "box", "located", "zone", "keypoints"} & said.keys()


def test_a_person_has_a_place() -> None:
    of_the_picture = make_prediction({"falling": 1.0}, source="a.mp4")
    keypoints = np.full((17, 3), 0.123456, np.float32)
    prediction = replace(
        of_the_picture,
        person=3,
        box=(0.1, 0.2, 0.33333, 0.4),
        keypoints=keypoints,
        located=False,
        zone="bed",
    )
    said = prediction.as_dict()
    assert said["person"] == 3
    assert said["box"] == [0.1, 0.2, 0.3333, 0.4]
    assert said["located"] is False
    assert said["zone"] == "bed"
    assert "keypoints" not in said
    assert prediction.as_dict(keypoints=True)["keypoints"] == [[0.1235] * 3] * 17
    assert replace(prediction, keypoints=None).as_dict(keypoints=True)["keypoints"] is None
    assert str(prediction) == "person 3: falling 100%, 0:00.00 of a.mp4"
