"""The teachers: published networks whose answers are the labels of `locate`.

An SSD says where people are, a pose network where their keypoints are, on a square around each.
Both are TFLite files that a user names; neither is in this repository.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from har_edge.arrays import FloatArray, Pixels
from har_edge.errors import DataError
from har_edge.frames.opencv import import_cv2
from har_edge.model.runtimes import import_runtime
from har_edge.paths import display_path
from har_train.people.network import NUM_KEYPOINTS

ROW = 5 + 3 * NUM_KEYPOINTS  # score; left, top, right, bottom; 17 times x, y, score
PERSON = 0  # COCO's number of it in SSD files
LEAST_SCORE = 0.2  # of a box that is kept at all
# Side of the square around a person, in longer sides of the box. Source: the pose network's own
# tracker crops so.
CROP_SCALE = 1.25


class Network:
    """A TFLite file with one input.

    Args:
        path: The file.
        outputs: How many outputs it should have.

    Raises:
        DataError: if it is no such file.
    """

    def __init__(self, path: str | os.PathLike[str], outputs: int) -> None:
        shown = display_path(Path(path))
        module = import_runtime("litert")
        try:
            interpreter = module.Interpreter(model_path=os.fspath(path), num_threads=1)
            interpreter.allocate_tensors()
            source, *others = interpreter.get_input_details()
            targets = interpreter.get_output_details()
        except Exception as error:  # the package raises whatever comes to it
            raise DataError(
                f"{shown} should be a TFLite file that a teacher is read from. Received something "
                f"else ({error}). Check the path."
            ) from error
        if others or len(targets) != outputs or len(source["shape"]) != 4:
            raise DataError(
                f"{shown} should have one input, a picture, and {outputs} outputs. Received "
                f"{1 + len(others)} and {len(targets)}. See har-train people --help for the files "
                "that teach."
            )
        self._interpreter = interpreter
        self._source: int = source["index"]
        self._targets: list[int] = [target["index"] for target in targets]
        self.side: int = int(source["shape"][1])
        self._dtype: type[np.generic] = source["dtype"]

    def __call__(self, picture: Pixels) -> list[FloatArray]:
        """Run it on one picture of its size, (side, side, 3): its outputs without the batch."""
        self._interpreter.set_tensor(self._source, picture[np.newaxis].astype(self._dtype))
        self._interpreter.invoke()
        return [np.asarray(self._interpreter.get_tensor(t))[0] for t in self._targets]


class Teacher:
    """Boxes of an SSD with keypoints of a pose network.

    Args:
        detector: SSD with TFLite's detection post-processing.
        pose: MoveNet for a single person.

    Raises:
        DataError: if one is no such file.
    """

    def __init__(self, detector: str | os.PathLike[str], pose: str | os.PathLike[str]) -> None:
        self._detector = Network(detector, 4)
        self._pose = Network(pose, 1)

    def __call__(self, frame: Pixels) -> FloatArray:
        """Find people in a picture.

        Args:
            frame: RGB, (h, w, 3), uint8.

        Returns:
            (M, 56), see `ROW`, in fractions of the picture, the best first.
        """
        boxes = self.find_boxes(frame)
        people = np.zeros((len(boxes), ROW), np.float32)
        for person, box in zip(people, boxes, strict=True):
            person[:5] = box
            person[5:] = self.find_keypoints(frame, box[1:]).ravel()
        return people

    def find_boxes(self, frame: Pixels) -> FloatArray:
        """Score, left, top, right and bottom of each person, (M, 5)."""
        cv2 = import_cv2()
        side = (self._detector.side,) * 2
        resized = cv2.resize(frame, side, interpolation=cv2.INTER_AREA)
        boxes, classes, scores, _ = self._detector(resized)
        chosen = (classes == PERSON) & (scores >= LEAST_SCORE)
        corners = np.clip(boxes[chosen][:, [1, 0, 3, 2]], 0, 1)
        found = np.concatenate([scores[chosen, np.newaxis], corners], axis=1)
        return np.asarray(found[np.argsort(-found[:, 0])], np.float32)

    def find_keypoints(self, frame: Pixels, box: Sequence[float] | FloatArray) -> FloatArray:
        """x, y and score of the 17 keypoints of the person in a box, (17, 3)."""
        height, width = frame.shape[:2]
        left, top, right, bottom = np.array(box) * [width, height, width, height]
        half = CROP_SCALE / 2 * max(right - left, bottom - top, 2.0)
        x, y = (left + right) / 2 - half, (top + bottom) / 2 - half
        (people,) = self._pose(cut_square(frame, x, y, 2 * half, self._pose.side))
        points = people[0]
        found = np.empty((NUM_KEYPOINTS, 3), np.float32)
        found[:, 0] = (x + 2 * half * points[:, 1]) / width
        found[:, 1] = (y + 2 * half * points[:, 0]) / height
        found[:, 2] = points[:, 2]
        return found


def cut_square(frame: Pixels, x: float, y: float, size: float, side: int) -> Pixels:
    """Cut a square out of a picture, black where there is none, and bring it to a size.

    Args:
        frame: RGB, (h, w, 3), uint8.
        x, y: Its left upper corner, in pixels.
        size: Its side in pixels of the picture.
        side: Its side in pixels of the result.
    """
    cv2 = import_cv2()
    scale = side / size
    shrink = max(1, int(1 / scale))
    if shrink > 1:  # linear interpolation alone would skip pixels
        small = (max(1, frame.shape[1] // shrink), max(1, frame.shape[0] // shrink))
        factor_x, factor_y = small[0] / frame.shape[1], small[1] / frame.shape[0]
        frame = cv2.resize(frame, small, interpolation=cv2.INTER_AREA)
    else:
        factor_x = factor_y = 1.0
    # Pixel centres lie at half numbers on both sides.
    scale_x, scale_y = scale / factor_x, scale / factor_y
    matrix = np.array(
        [
            [scale_x, 0, -x * scale + 0.5 * scale_x - 0.5],
            [0, scale_y, -y * scale + 0.5 * scale_y - 0.5],
        ],
        np.float32,
    )
    cut: Pixels = cv2.warpAffine(
        np.ascontiguousarray(frame), matrix, (side, side), flags=cv2.INTER_LINEAR
    )
    return cut
