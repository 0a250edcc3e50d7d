"""What `classify` takes of one person in one frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.frames.frame import Person
from har_edge.model.spec import HeadInput
from har_edge.people.pose import box_motion, pose_features


def head_row(
    inputs: Sequence[HeadInput],
    features: FloatArray | None,
    person: Person,
    *,
    before: Person | None,
    seconds: float,
    aspect: float,
) -> FloatArray:
    """Put the parts side by side, (D',), float32.

    Args:
        inputs: Which parts, as in the spec.
        features: Of the person's crop, (D,); None if they are no part.
        person: In this frame.
        before: The same person in the sampled frame before; None in the first.
        seconds: Time since that.
        aspect: Width of the picture over its height.
    """
    rows: list[FloatArray] = []
    if "features" in inputs and features is not None:
        rows.append(features)
    if "pose" in inputs:
        rows.append(pose_features(person.keypoints, person.box, aspect))
    if "motion" in inputs:
        earlier = before.box if before is not None else None
        rows.append(box_motion(person.box, earlier, seconds, aspect))
    return rows[0] if len(rows) == 1 else np.concatenate(rows)
