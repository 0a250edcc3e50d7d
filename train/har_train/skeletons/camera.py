"""Cameras that were never there: skeletons in metres seen from any side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray

# A joint nearer to the lens than this, in metres, is not seen.
NEAREST_M = 0.3
# Share of cameras that look down from the ceiling.
OVERHEAD = 0.12
# A mirrored person's left arm is a right one.
MIRRORED = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


@dataclass(frozen=True)
class Camera:
    """Where the camera is, seen from the person's place on the floor.

    Attributes:
        azimuth: Direction around the person in radians; 0 looks as the recording did.
        height_m: Height of the lens above the floor.
        distance_m: Distance along the floor.
        focal: Focal length in heights of the picture; 1 sees 53 degrees from top to bottom.
        aim: Where in the picture the person's middle is at first: x and y, 0.5 is the centre.
        aspect: Width of the picture over its height.
        mirrored: Whether left and right are swapped.
    """

    azimuth: float = 0.0
    height_m: float = 1.5
    distance_m: float = 4.0
    focal: float = 1.0
    aim: tuple[float, float] = (0.5, 0.5)
    aspect: float = 16 / 9
    mirrored: bool = False


def random_camera(random: np.random.Generator) -> Camera:
    """A camera as people mount them: in a hand, on a shelf, below the ceiling, overhead."""
    overhead = random.random() < OVERHEAD
    return Camera(
        azimuth=random.uniform(-math.pi, math.pi),
        height_m=random.uniform(2.4, 4.0) if overhead else random.uniform(0.6, 3.0),
        distance_m=random.uniform(0.1, 1.8) if overhead else random.uniform(2.0, 7.0),
        focal=random.uniform(0.6, 1.2) if overhead else random.uniform(0.7, 1.6),
        aim=(random.uniform(0.35, 0.65), random.uniform(0.4, 0.6)),
        aspect=float(random.choice([4 / 3, 16 / 9, 9 / 16])),
        mirrored=bool(random.random() < 0.5),
    )


def project(joints: FloatArray, camera: Camera) -> FloatArray:
    """See joints through a camera that does not move.

    Args:
        joints: (T, 17, 3), metres, x right, y up, z towards the viewer; NaN is missing.
        camera: Where from.

    Returns:
        (T, 17, 3), float32: x and y in fractions of the picture, and 1; or three zeros where the
        joint is missing or behind the lens. Joints beside the picture keep their places.
    """
    found: FloatArray = project_all(joints[np.newaxis], [camera])[0]
    return found


def project_all(joints: FloatArray, cameras: Sequence[Camera]) -> FloatArray:
    """See sequences of one length, (N, T, 17, 3), through a camera each; see `project`."""
    points = joints.astype(np.float64)
    floors, middles = _floors(points[..., 1]), _middles(points[:, 0])

    def each(values: Iterable[float]) -> NDArray[np.float64]:
        """A number for each sequence, beside its joints."""
        return np.array(list(values))[:, np.newaxis, np.newaxis]

    x = (points[..., 0] - each(middles[:, 0])) * each(-1 if c.mirrored else 1 for c in cameras)
    y, z = points[..., 1] - each(floors), points[..., 2] - each(middles[:, 2])
    azimuth = each(camera.azimuth for camera in cameras)
    sin, cos = np.sin(azimuth), np.cos(azimuth)
    x, z = cos * x + sin * z, cos * z - sin * x
    # The lens looks at the person's middle, so a high one looks down.
    height, away = (each(c.height_m for c in cameras), each(c.distance_m for c in cameras))
    tilt = np.arctan2(height - each(middles[:, 1] - floors), away)
    above, depth = y - height, away - z
    up = np.cos(tilt) * above + np.sin(tilt) * depth
    ahead = np.cos(tilt) * depth - np.sin(tilt) * above
    seen = np.isfinite(ahead) & (ahead > NEAREST_M)
    safe, focal = np.where(seen, ahead, 1.0), each(camera.focal for camera in cameras)
    aspect = each(camera.aspect for camera in cameras)
    u = each(camera.aim[0] for camera in cameras) + focal * np.where(seen, x, 0) / safe / aspect
    v = each(camera.aim[1] for camera in cameras) - focal * np.where(seen, up, 0) / safe
    picture = np.stack([u, v, np.ones_like(u)], axis=-1) * seen[..., np.newaxis]
    mirrored = np.array([camera.mirrored for camera in cameras])
    picture[mirrored] = picture[mirrored][:, :, MIRRORED]
    return picture.astype(np.float32)


def _floors(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height that two joints in a hundred lie below, (N,), of heights (N, T, 17).

    By hand, for `np.nanquantile` takes longer than all else here.
    """
    flat = heights.reshape(len(heights), -1)
    known = np.sort(np.where(np.isfinite(flat), flat, np.inf), axis=1)
    places = 0.02 * (np.isfinite(flat).sum(axis=1) - 1).clip(0)
    low, high = (
        np.take_along_axis(known, part(places).astype(np.intp)[:, np.newaxis], axis=1)[:, 0]
        for part in (np.floor, np.ceil)
    )
    # Where nothing is known at all, both are infinite.
    low, high = (np.where(np.isfinite(ends), ends, 0.0) for ends in (low, high))
    return np.asarray(low + (high - low) * (places % 1))


def _middles(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """Middles of those joints that are known, (N, 3), of one frame each, (N, 17, 3)."""
    known = np.isfinite(joints)
    total = np.where(known, joints, 0).sum(axis=1)
    return np.asarray(total / np.maximum(known.sum(axis=1), 1))
