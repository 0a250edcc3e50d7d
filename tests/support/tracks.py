"""Tracks of people who were drawn, not recorded."""

from __future__ import annotations

import numpy as np

from har_edge.recognition.tracks_file import PoseTrack


def made_track(
    count: int = 20,
    *,
    seed: int = 0,
    label: str = "standing",
    group: str = "a",
    aspect: float = 4 / 3,
    fps: float = 8.0,
) -> PoseTrack:
    """Somebody who wanders about and moves all joints, always in view."""
    random = np.random.default_rng(seed)
    centre = 0.5 + np.cumsum(random.normal(0, 0.01, (count, 2)), axis=0)
    half = np.array([0.1, 0.3]) * (1 + random.uniform(-0.1, 0.1, (count, 2)))
    boxes = np.hstack([centre - half, centre + half])
    places = centre[:, np.newaxis] + half[:, np.newaxis] * random.uniform(-1, 1, (count, 17, 2))
    scores = random.uniform(0, 1, (count, 17, 1))
    keypoints = np.concatenate([places, scores], axis=2).astype(np.float32)
    return PoseTrack(keypoints, boxes, aspect, fps, label, group)
