"""Falls that nobody had to take: people of recorded skeletons who come down.

Sets of skeletons hold next to no falls. Here somebody who stands or walks comes down as a trunk
with head and arms that turns about the hips; the hips come down an arc about the feet, or straight
to the floor; the feet slide a little, and knees bend as the lengths of the legs ask. Where to, how
fast and how is drawn. The same at leisure, and what comes after it, are what is told from falls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_edge.frames.frame import KEYPOINTS
from har_train.skeletons.sets import Skeleton

Kind = Literal["falling", "lying down", "lying"]
FPS = 16.0
# So long is a sequence: a window of 16 frames at 8 Hz holds nearly all of it.
LENGTH_S = 2.0
# Durations of a descent in seconds: of people who trip, faint or slip, and of people who lie down.
FAST_S, SLOW_S = (0.35, 1.1), (1.8, 4.0)
# So much of a fall lies inside of its sequence, at least.
LEAST_SHARE = 0.8
# Who stands: shoulders so far above the hips, and hips above the ankles, in lengths between them.
UPRIGHT = 0.75

Points = NDArray[np.float64]
_INDEX = {name: number for number, name in enumerate(KEYPOINTS)}
_SHOULDERS, _HIPS, _ANKLES = (
    [_INDEX[f"{side}_{joint}"] for side in ("left", "right")]
    for joint in ("shoulder", "hip", "ankle")
)
_ARMS = {
    _INDEX[f"{side}_shoulder"]: [_INDEX[f"{side}_elbow"], _INDEX[f"{side}_wrist"]]
    for side in ("left", "right")
}
_LEGS = [
    [_INDEX[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle")] for side in ("left", "right")
]
_TRUNK = [n for n in range(len(KEYPOINTS)) if not any(n in leg for leg in _LEGS)]
_BODY = [_INDEX["nose"], *range(_INDEX["left_shoulder"], len(KEYPOINTS))]
_UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Descent:
    """How somebody comes down.

    Attributes:
        direction: Along the floor, (3,), of length 1.
        seconds: How long it takes.
        power: Of time, for the way that is made: 2 falls as a stone does.
        at_leisure: Whether it begins and ends softly instead.
        reach: How far from where they were the hips come to lie, in their height.
        lead: How much faster than the hips the trunk comes down; below 0, slower.
        tilt: Angle of the trunk in the end, in radians; half of pi lies flat.
        roll: Turn about the upright axis on the way, in radians.
        arms: Turns of the arms about the axis of the fall and about z, in radians.
        knees: To which side knees bend, from -1 to 1.
        slide: How far the feet slide, in heights of the hips.
        rest_m: Height of the hips in the end.
    """

    direction: Points
    seconds: float
    power: float
    at_leisure: bool
    reach: float
    lead: float
    tilt: float
    roll: float
    arms: tuple[float, float]
    knees: float
    slide: float
    rest_m: float

    def share(self, time_s: float) -> float:
        """How much of the way is made at a time since the beginning, in [0, 1]."""
        part = min(max(time_s / self.seconds, 0.0), 1.0)
        return part * part * (3 - 2 * part) if self.at_leisure else part**self.power


def random_descent(random: np.random.Generator, *, at_leisure: bool) -> Descent:
    """Draw one."""
    angle = random.uniform(0, 2 * math.pi)
    return Descent(
        direction=np.array([math.cos(angle), 0.0, math.sin(angle)]),
        seconds=random.uniform(*(SLOW_S if at_leisure else FAST_S)),
        power=random.uniform(1.3, 2.6),
        at_leisure=at_leisure,
        reach=random.uniform(0.15, 1.0),
        lead=random.uniform(-0.25, 0.25),
        tilt=math.radians(random.uniform(70, 95)),
        roll=random.normal(0, 0.5),
        arms=(random.normal(0, 0.7), random.normal(0, 0.7)),
        knees=random.uniform(-1, 1),
        slide=random.uniform(0, 0.3),
        rest_m=random.uniform(0.08, 0.18),
    )


def can_come_down(skeleton: Skeleton) -> bool:
    """Whether somebody stands upright at the end of a sequence in three dimensions, all in view."""
    if skeleton.flat or not np.isfinite(skeleton.joints[:, _BODY]).all():
        return False
    last = skeleton.joints[-1]
    shoulders, hips, ankles = (last[pair].mean(axis=0) for pair in (_SHOULDERS, _HIPS, _ANKLES))
    spans = ((shoulders - hips), (hips - ankles))
    return all(span[1] > UPRIGHT * np.linalg.norm(span) for span in spans)


def come_down(skeleton: Skeleton, kind: Kind, random: np.random.Generator) -> Skeleton:
    """Let somebody come down from where a sequence ends.

    Args:
        skeleton: Somebody for whom `can_come_down`.
        kind: A fall, the same at leisure, or what is seen after it.
        random: What draws.

    Returns:
        `LENGTH_S` seconds at `FPS`, with the kind as its label; of the same group and source.
    """
    descent = random_descent(random, at_leisure=kind == "lying down")
    count = round(LENGTH_S * FPS)
    if kind == "falling":
        start_s = random.uniform(-(1 - LEAST_SHARE), LENGTH_S / descent.seconds - LEAST_SHARE)
        start_s *= descent.seconds
    elif kind == "lying down":
        start_s = random.uniform(-0.5 * descent.seconds, 0.3)
    else:
        start_s = -descent.seconds - random.uniform(0, 2)
    times = np.arange(count) / FPS - start_s
    steps = skeleton.fps / FPS
    before = np.arange(int((times < 0).sum()), 0, -1) * steps
    numbers = np.clip(len(skeleton.joints) - 1 - np.round(before).astype(int), 0, None)
    walked = skeleton.joints[numbers].astype(np.float64)
    fell = _descend(skeleton, descent, times[times >= 0], random)
    joints = np.concatenate([walked, fell]).astype(np.float32)
    return replace(skeleton, joints=joints, fps=FPS, label=kind)


def _descend(
    skeleton: Skeleton, descent: Descent, times: Points, random: np.random.Generator
) -> Points:
    """The joints at these times since the beginning, (T, 17, 3)."""
    stood = skeleton.joints[-1].astype(np.float64)
    floor = float(np.nanquantile(skeleton.joints[:, _ANKLES, 1], 0.05))
    hips = stood[_HIPS].mean(axis=0)
    found = np.repeat(stood[np.newaxis], len(times), axis=0)
    for joints, time_s in zip(found, times, strict=True):
        _pose(joints, stood, hips, floor, descent, float(time_s))
    found[..., 1] = np.maximum(found[..., 1], floor + 0.04)
    down = found[times >= descent.seconds]
    # Nobody lies like a stone.
    found[times >= descent.seconds] = down + random.normal(0, 0.004, down.shape)
    return found


def _pose(
    joints: Points, stood: Points, hips: Points, floor: float, descent: Descent, time_s: float
) -> None:
    """Put a body where it is at a time."""
    made = descent.share(time_s)
    height = hips[1] - floor
    axis = np.cross(_UP, descent.direction)
    turn = _turn(_UP, descent.roll * made) @ _turn(
        axis, descent.tilt * descent.share(time_s * (1 + descent.lead))
    )
    arc = made * math.pi / 2
    middle = hips + descent.direction * (descent.reach * height * math.sin(arc))
    middle[1] = floor + max(descent.rest_m, height * math.cos(arc))
    joints[_TRUNK] = middle + (_with_arms(stood, descent, axis, made)[_TRUNK] - hips) @ turn.T
    slide = descent.direction * (descent.slide * height * made)
    for hip, knee, ankle in _LEGS:
        joints[hip] = middle + turn @ (stood[hip] - hips)
        thigh, shin = (float(np.linalg.norm(stood[knee] - stood[end])) for end in (hip, ankle))
        aside = _UP + descent.knees * axis
        joints[knee], joints[ankle] = _leg(joints[hip], stood[ankle] + slide, thigh, shin, aside)


def _with_arms(stood: Points, descent: Descent, axis: Points, made: float) -> Points:
    """The body with its arms thrown about, as far as the fall has come."""
    found = stood.copy()
    turn = _turn(axis, descent.arms[0] * made) @ _turn(
        np.array([0.0, 0.0, 1.0]), descent.arms[1] * made
    )
    for shoulder, arm in _ARMS.items():
        found[arm] = stood[shoulder] + (stood[arm] - stood[shoulder]) @ turn.T
    return found


def _leg(
    hip: Points, foot: Points, thigh: float, shin: float, aside: Points
) -> tuple[Points, Points]:
    """Knee and ankle of a leg whose foot should be somewhere; it comes along if that is too far."""
    way = foot - hip
    distance = float(np.linalg.norm(way)) + 1e-9
    along = way / distance
    distance = min(distance, 0.999 * (thigh + shin))
    # Where the knee lies between both, and how far beside the line (law of cosines).
    share = (thigh**2 - shin**2 + distance**2) / (2 * distance)
    bend = math.sqrt(max(thigh**2 - share**2, 0.0))
    aside = aside - along * float(aside @ along)
    aside = aside / (float(np.linalg.norm(aside)) + 1e-9)
    return hip + along * share + aside * bend, hip + along * distance


def _turn(axis: Points, angle: float) -> Points:
    """Matrix of a turn about an axis of length 1, (3, 3): Rodrigues' formula."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn: Points = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * (cross @ cross)
    return turn


def hold(skeleton: Skeleton, label: str, *, end: bool) -> Skeleton:
    """Somebody who stays as they are at the beginning or the end of a sequence.

    Who sat down sits: its end is played to and fro.

    Args:
        skeleton: The sequence.
        label: What somebody who stays so does.
        end: Whether the end is held, or the beginning.
    """
    few = max(2, round(0.15 * len(skeleton.joints)))
    part: FloatArray = skeleton.joints[-few:] if end else skeleton.joints[:few]
    there_and_back = np.concatenate([part, part[::-1]])
    wanted = math.ceil(1.5 * LENGTH_S * skeleton.fps)
    joints = np.concatenate([there_and_back] * math.ceil(wanted / len(there_and_back)))
    return replace(skeleton, joints=joints[:wanted], label=label)
