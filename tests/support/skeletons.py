"""Skeletons that were drawn, not recorded."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from har_edge.arrays import FloatArray


def standing(count: int = 20) -> FloatArray:
    """Somebody 1.7 m tall who faces the viewer and does nothing, (T, 17, 3) in metres."""
    body = np.zeros((17, 3), np.float32)
    heights = [
        1.6,
        1.65,
        1.65,
        1.62,
        1.62,
        1.4,
        1.4,
        1.1,
        1.1,
        0.85,
        0.85,
        0.9,
        0.9,
        0.5,
        0.5,
        0.1,
        0.1,
    ]
    body[:, 1] = heights
    # The person's left is at the viewer's right.
    body[1::2, 0], body[2::2, 0] = 0.2, -0.2
    return np.repeat(body[np.newaxis], count, axis=0)


def falling(count: int = 20) -> FloatArray:
    """The same body, which turns about its feet until it lies, to the viewer's right."""
    found = standing(count)
    for k, frame in enumerate(found):
        angle = -math.pi / 2 * k / (count - 1)
        x, y = frame[:, 0].copy(), frame[:, 1].copy()
        frame[:, 0] = math.cos(angle) * x - math.sin(angle) * y
        frame[:, 1] = math.sin(angle) * x + math.cos(angle) * y
    return found


def save(path: Path, kind: str = "3d", **changes: object) -> Path:
    joints = np.concatenate([standing(5), falling(7)]).astype(np.float16)
    arrays: dict[str, object] = {
        "xyz": joints,
        "off": np.array([0, 5, 12]),
        "label": np.array(["standing", "falling"]),
        "group": np.array(["a", "b"]),
        "fps": np.array([15.0, 15.0], np.float32),
        "coco": np.arange(17),
        "kind": np.array(kind),
    }
    arrays |= changes
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})  # type: ignore[arg-type]
    return path
