"""A person in a picture, and the names of a body's keypoints."""

from __future__ import annotations

from dataclasses import dataclass

from har_edge.arrays import Box, FloatArray

# The order of the COCO data set (Lin et al., Microsoft COCO, 2014); left and right are the
# person's own.
KEYPOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)


# Equal to itself alone: whether arrays are equal is no yes or no.
@dataclass(frozen=True, eq=False)
class Person:
    """One person in one frame.

    Example:
        >>> person = Person(score=0.9, box=(0.25, 0.25, 0.5, 0.75))
        >>> person.size
        0.125

    Attributes:
        score: How sure it is that this is a person, in [0, 1].
        box: Where the person is.
        keypoints: (17, 3), float32, in the order of `KEYPOINTS`: x and y in fractions of the
            picture, and a score in [0, 1]; None if only boxes are known.
        id: Number of the person's track in the source, from 1; None before tracking.
        located: Whether the person was found in this very frame; else the box is carried on
            from earlier ones.
    """

    score: float
    box: Box
    keypoints: FloatArray | None = None
    id: int | None = None
    located: bool = True

    @property
    def size(self) -> float:
        """Share of the picture that the box covers."""
        left, top, right, bottom = self.box
        return max(0.0, right - left) * max(0.0, bottom - top)
