"""The networks that find people, ours and those of others; each is a `Locator`.

| form | known by | input | gives |
|---|---|---|---|
| `locate`, of our own | signature `locate`, (1, N, 56) | letterboxed | boxes, keypoints |
| SSD, EfficientDet-Lite | boxes (1, N, 4), classes, scores, count | stretched | boxes |
| MoveNet MultiPose | (1, 6, 56) | letterboxed | boxes, keypoints |
| MoveNet single pose | (1, 1, 17, 3) | letterboxed, or a crop | keypoints of one person |

Pixels go in as 0..255, or as -128..127 where a network stores int8; but an SSD that takes real
numbers wants (x - 127.5) / 127.5, as its family is trained. Sources: the TensorFlow object
detection API, and the model cards of MoveNet.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from har_edge.arrays import Box, FloatArray, Pixels
from har_edge.frames.frame import KEYPOINTS, Person
from har_edge.frames.preprocess import (
    Letterbox,
    crop_box,
    cut_box,
    letterbox_frame,
    stretch_frame,
)
from har_edge.model.network import Network, SignatureNetwork
from har_edge.model.spec import CropSpec
from har_edge.model.tensors import Array
from har_edge.people.boxes import clip_box, tidy
from har_edge.people.locate import Locator
from har_edge.people.rescore import rescore

NUM_KEYPOINTS = len(KEYPOINTS)
ROW = 5 + 3 * NUM_KEYPOINTS
# The class that both families give people. Source: the COCO label maps.
PERSON_CLASS = 0
# A square around the person, with room for what the box misses: what MoveNet is fed in video.
POSE_CROP = CropSpec(scale=1.25, square=True)
# A joint that is less sure than this says nothing of where the person ends.
SEEN_SCORE = 0.2
# Joints lie inside a person; the box around them is widened by so much of itself on each side.
JOINT_MARGIN = 0.1
# MultiPose takes pictures of any size in steps of 32.
MULTI_POSE_SIDE = 256


# Where a file does not say from which score on it is sure; weaker finds only continue a track.
SURE_SCORE, LEAST_SHARE = 0.5, 0.75
# How far beyond sure, on the way to certain, a find is that begins a track after a second look. Of
# what is no person few get there, and of people nearly all do within some frames.
BEGIN_SHARE = 0.2


class OwnLocator:
    """Our own `locate`: (1, N, 56) with score, box and keypoints, best first."""

    name = "our own locate network"
    gives_keypoints = True

    def __init__(
        self,
        network: SignatureNetwork,
        sure_score: float = SURE_SCORE,
        weights: Sequence[float] = (),
    ) -> None:
        """Take the network.

        Args:
            network: It.
            sure_score: From which score on it is sure of a person.
            weights: Of a second look, as for `rescore`.
        """
        self._network = network
        self._weights = weights
        self.sure_score = sure_score
        self.begin_score = sure_score + (BEGIN_SHARE * (1 - sure_score) if weights else 0.0)
        self.least_score = sure_score * LEAST_SHARE
        _, self._height, self._width, _ = network.input_shape

    def locate(self, pixels: Pixels) -> tuple[Person, ...]:
        """Find people and their keypoints."""
        boxed, place = letterbox_frame(pixels, self._height, self._width)
        rows = np.asarray(self._network.run(boxed[np.newaxis])[0], np.float32)
        rows = rows[rows[:, 0] > 0]
        corners = place.to_picture(rows[:, 1:5].reshape(-1, 2, 2)).reshape(-1, 4)
        joints = _placed(rows[:, 5:].reshape(-1, NUM_KEYPOINTS, 3), place)
        placed = np.concatenate([rows[:, :1], corners, joints.reshape(-1, ROW - 5)], axis=1)
        height, width = pixels.shape[:2]
        rows = rescore(placed, width / height, self._weights)
        rows = rows[rows[:, 0] >= self.least_score]
        joints = rows[:, 5:].reshape(-1, NUM_KEYPOINTS, 3)
        return tidy(_people(rows[:, 0], rows[:, 1:5], joints))


class SsdLocator:
    """SSD or EfficientDet-Lite with TFLite's detection post-processing; boxes alone."""

    name = "a detector with boxes, classes, scores and count (SSD, EfficientDet-Lite)"
    sure_score = begin_score = 0.5
    least_score = 0.3
    gives_keypoints = False

    def __init__(self, network: Network) -> None:
        self._network = network
        _, self._height, self._width, _ = network.input_shape

    def locate(self, pixels: Pixels) -> tuple[Person, ...]:
        """Find people."""
        picture: Array = stretch_frame(pixels, self._height, self._width)[np.newaxis]
        if self._network.input_floats:
            picture = (picture.astype(np.float32) - 127.5) / 127.5
        corners, scores = _detections(self._network.run(picture))
        good = scores >= self.least_score
        corners = corners[good][:, [1, 0, 3, 2]]
        return tidy(_people(scores[good], corners, [None] * len(corners)))


class MultiPoseLocator:
    """MoveNet MultiPose: up to six people with their keypoints."""

    name = "MoveNet MultiPose"
    # It is far less sure of people than detectors are.
    sure_score = begin_score = 0.25
    least_score = 0.15
    gives_keypoints = True

    def __init__(self, network: Network) -> None:
        self._network = network
        if -1 in network.input_shape:
            network.resize(MULTI_POSE_SIDE, MULTI_POSE_SIDE)
        _, self._height, self._width, _ = network.input_shape

    def locate(self, pixels: Pixels) -> tuple[Person, ...]:
        """Find people and their keypoints."""
        boxed, place = letterbox_frame(pixels, self._height, self._width)
        rows = np.asarray(self._network.run(boxed[np.newaxis])[0][0], np.float32)
        rows = rows[rows[:, -1] >= self.least_score]
        corners = rows[:, [-4, -5, -2, -3]].reshape(-1, 2, 2)
        joints = rows[:, : 3 * NUM_KEYPOINTS].reshape(-1, NUM_KEYPOINTS, 3)[..., [1, 0, 2]]
        placed = place.to_picture(corners).reshape(-1, 4)
        return tidy(_people(rows[:, -1], placed, _placed(joints, place)))


class PoseNetwork:
    """MoveNet single pose: the keypoints of one person."""

    def __init__(self, network: Network) -> None:
        self._network = network
        _, self._height, self._width, _ = network.input_shape

    def whole(self, pixels: Pixels) -> FloatArray:
        """Keypoints of the one person in a picture, (17, 3), in fractions of it."""
        boxed, place = letterbox_frame(pixels, self._height, self._width)
        return _placed(self._run(boxed), place)

    def of_box(self, pixels: Pixels, box: Box) -> FloatArray:
        """Keypoints of the person in a box, (17, 3), in fractions of the whole picture."""
        rows, columns = pixels.shape[:2]
        cut = crop_box(box, (rows, columns), POSE_CROP)
        joints = self._run(stretch_frame(cut_box(pixels, cut), self._height, self._width))
        scale = np.array([cut.width / columns, cut.height / rows], np.float32)
        corner = np.array([cut.left / columns, cut.top / rows], np.float32)
        joints[:, :2] = joints[:, :2] * scale + corner
        return joints

    def _run(self, picture: Pixels) -> FloatArray:
        rows = self._network.run(picture[np.newaxis])[0].reshape(NUM_KEYPOINTS, 3)
        return rows[:, [1, 0, 2]].astype(np.float32)


class SinglePoseLocator:
    """MoveNet single pose on the whole picture: one person at most, with a box of the joints."""

    name = "MoveNet single pose, which sees one person"
    sure_score = begin_score = 0.3
    least_score = 0.2
    gives_keypoints = True

    def __init__(self, pose: PoseNetwork) -> None:
        self._pose = pose

    def locate(self, pixels: Pixels) -> tuple[Person, ...]:
        """Find the one person that it sees."""
        joints = self._pose.whole(pixels)
        seen = joints[joints[:, 2] >= SEEN_SCORE]
        score = float(joints[:, 2].mean())
        if score < self.least_score or len(seen) < 2:
            return ()
        low, high = seen[:, :2].min(axis=0), seen[:, :2].max(axis=0)
        margin = JOINT_MARGIN * (high - low)
        corners = np.concatenate([low - margin, high + margin])[np.newaxis]
        return tidy(_people(np.array([score], np.float32), corners, [joints]))


class PosedLocator:
    """A detector, and a pose network on the crops of its largest finds.

    Args:
        detector: Finds boxes.
        pose: Finds the keypoints of each.
        most: How many people get keypoints, the largest first.
    """

    gives_keypoints = True

    def __init__(self, detector: Locator, pose: PoseNetwork, most: int) -> None:
        self.name = f"{detector.name}, with MoveNet single pose for each person"
        self.sure_score, self.begin_score = detector.sure_score, detector.begin_score
        self._detector, self._pose, self._most = detector, pose, most

    def locate(self, pixels: Pixels) -> tuple[Person, ...]:
        """Find people, and the keypoints of the largest."""
        found = self._detector.locate(pixels)
        largest = set(sorted(range(len(found)), key=lambda i: -found[i].size)[: self._most])
        return tuple(
            Person(p.score, p.box, self._pose.of_box(pixels, p.box)) if i in largest else p
            for i, p in enumerate(found)
        )


def _detections(outputs: Sequence[Array]) -> tuple[FloatArray, FloatArray]:
    """Boxes, (N, 4) top, left, bottom, right, and scores, (N,), of the people among them.

    Files name and order the four as they like: classes are whole numbers, scores are not.
    """
    count = next(int(array[0]) for array in outputs if array.ndim == 1)
    corners = next(array for array in outputs if array.ndim == 3)[0][:count]
    first, second = (array.reshape(-1)[:count] for array in outputs if array.ndim == 2)
    whole = (first == np.floor(first)).all()
    if whole and (second == np.floor(second)).all():  # nothing was found at all
        return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    scores, classes = (second, first) if whole else (first, second)
    people = np.rint(classes) == PERSON_CLASS
    return corners[people].astype(np.float32), scores[people].astype(np.float32)


def _placed(joints: FloatArray, place: Letterbox) -> FloatArray:
    """Bring keypoints, (..., 17, 3), from a letterboxed picture into the whole one."""
    points = place.to_picture(joints[..., :2])
    return np.concatenate([points, joints[..., 2:]], axis=-1).astype(np.float32)


def _people(
    scores: FloatArray, corners: FloatArray, joints: Sequence[FloatArray | None] | FloatArray
) -> list[Person]:
    """Make people of rows; those whose numbers are none, or who lie outside, are left out."""
    found = []
    for score, edges, points in zip(scores, corners, joints, strict=True):
        left, top, right, bottom = map(float, edges)
        box = clip_box((left, top, right, bottom))
        if box is None or not np.isfinite(score):
            continue
        known = points is not None and bool(np.isfinite(points).all())
        found.append(Person(min(1.0, float(score)), box, points if known else None))
    return found
