"""Cameras that were never there: skeletons in metres seen from any side."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray

# A joint nearer to the lens than this, in metres, is not seen.
NEAREST_M = 0.3
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
    """A camera as people mount them: in a hand, on a shelf, below the ceiling."""
    return Camera(
        azimuth=random.uniform(-math.pi, math.pi),
        height_m=random.uniform(0.6, 3.0),
        distance_m=random.uniform(2.0, 7.0),
        focal=random.uniform(0.7, 1.6),
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
    points = joints.astype(np.float64)
    floor, middle = _floor(points[..., 1]), _middle(points[0])
    points = points - [middle[0], floor, middle[2]]
    if camera.mirrored:
        points[..., 0] *= -1
    x, y, z = np.moveaxis(points, -1, 0)
    sin, cos = math.sin(camera.azimuth), math.cos(camera.azimuth)
    x, z = cos * x + sin * z, cos * z - sin * x
    # The lens looks at the person's middle, so a high one looks down.
    drop, away = camera.height_m - (middle[1] - floor), camera.distance_m
    tilt = math.atan2(drop, away)
    above, depth = y - camera.height_m, away - z
    up = math.cos(tilt) * above + math.sin(tilt) * depth
    ahead = math.cos(tilt) * depth - math.sin(tilt) * above
    seen = np.isfinite(ahead) & (ahead > NEAREST_M)
    safe = np.where(seen, ahead, 1.0)
    u = camera.aim[0] + camera.focal * np.where(seen, x, 0) / safe / camera.aspect
    v = camera.aim[1] - camera.focal * np.where(seen, up, 0) / safe
    picture = np.stack([u, v, np.ones_like(u)], axis=-1) * seen[..., np.newaxis]
    if camera.mirrored:
        picture = picture[:, MIRRORED]
    found: FloatArray = picture.astype(np.float32)
    return found


def _floor(heights: NDArray[np.float64]) -> float:
    """Height that two joints in a hundred lie below; by hand, for `np.nanquantile` takes longer
    than all else here."""
    known = np.sort(heights[np.isfinite(heights)])
    if not len(known):
        return 0.0
    place = 0.02 * (len(known) - 1)
    low, high = known[math.floor(place)], known[math.ceil(place)]
    return float(low + (high - low) * (place % 1))


def _middle(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """Middle of those of a frame's joints that are known, (3,)."""
    known = np.isfinite(joints)
    total: NDArray[np.float64] = np.where(known, joints, 0).sum(axis=0)
    return np.asarray(total / np.maximum(known.sum(axis=0), 1))
