"""The alarm for falls, on made-up boxes: what it takes, what calls it off, what ends it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from har_edge.arrays import Box
from har_edge.frames.frame import KEYPOINTS
from har_edge.recognition.fall_settings import FallSettings
from har_edge.recognition.falls import Alarm, FallWatch, Posture

RATE_HZ = 8
STANDING: Box = (0.40, 0.20, 0.52, 0.80)
LYING: Box = (0.30, 0.68, 0.75, 0.84)
ON_THE_FLOOR: Box = (0.36, 0.55, 0.56, 0.84)  # sits low, seen from the front
ON_A_CHAIR: Box = (0.38, 0.34, 0.54, 0.80)
SETTINGS = FallSettings(low_s=1.0, up_s=0.5)

Scene = Sequence[tuple[Box, float]]


def watch(scene: Scene, settings: FallSettings = SETTINGS, way_s: float = 0.5) -> list[Alarm]:
    """Go from box to box within `way_s`, and stay in each for some seconds."""
    looks: list[tuple[float, Box]] = []
    before = scene[0][0]
    now_s = 0.0
    for box, stay_s in scene:
        steps = max(1, round(way_s * RATE_HZ))
        for step in range(1, steps + 1):
            share = step / steps
            mixed = tuple(a + share * (b - a) for a, b in zip(before, box, strict=True))
            looks.append((now_s, mixed))  # type: ignore[arg-type]
            now_s += 1 / RATE_HZ
        for _ in range(round(stay_s * RATE_HZ)):
            looks.append((now_s, box))
            now_s += 1 / RATE_HZ
        before = box
    watcher = FallWatch(settings)
    found = [watcher.see(Posture.of(at_s, box, shape=4 / 3)) for at_s, box in looks]
    return [alarm for alarm in found if alarm is not None]


@pytest.mark.parametrize("low", [LYING, ON_THE_FLOOR])
def test_who_comes_down_fast_and_stays_low_has_fallen(low: Box) -> None:
    (alarm,) = watch([(STANDING, 2), (low, 3)])
    assert alarm.start_s == pytest.approx(2.5, abs=0.4)
    assert 1.0 <= alarm.at_s - alarm.start_s <= 2.0
    assert alarm.ended_by is None
    assert float(alarm.why["drop"]) >= SETTINGS.drop
    assert float(alarm.why["speed"]) >= SETTINGS.speed
    assert float(alarm.why["low_s"]) >= 1.0


def test_who_lies_down_slowly_has_not() -> None:
    assert watch([(STANDING, 2), (LYING, 4)], way_s=3.0) == []


def test_who_sits_down_on_a_chair_has_not() -> None:
    assert watch([(STANDING, 2), (ON_A_CHAIR, 4)]) == []


def test_who_picks_something_up_has_not() -> None:
    assert watch([(STANDING, 2), (ON_THE_FLOOR, 0.2), (STANDING, 3)]) == []


def test_the_second_look_takes_as_long_as_is_said() -> None:
    scene = [(STANDING, 2.0), (LYING, 3.5), (STANDING, 2.0)]
    assert watch(scene, FallSettings(low_s=5.0)) == []
    assert len(watch(scene, FallSettings(low_s=2.0))) == 2


def test_getting_up_ends_it() -> None:
    began, ended = watch([(STANDING, 2), (LYING, 3), (STANDING, 2)])
    assert ended.ended_by == ended.why["ended_by"] == "got_up"
    assert ended.start_s == began.start_s
    assert ended.at_s > began.at_s
    assert {**began.why, "ended_by": "got_up"} == ended.why


def test_leaving_ends_it() -> None:
    watcher = FallWatch(SETTINGS)
    for step in range(16):
        watcher.see(Posture.of(step / 8, STANDING))
    found = [watcher.see(Posture.of(2 + step / 8, LYING)) for step in range(24)]
    assert sum(alarm is not None for alarm in found) == 1
    ended = watcher.leave(6.0)
    assert ended is not None
    assert ended.ended_by == "left"
    assert watcher.leave(7.0) is None


def test_who_was_never_seen_standing_cannot_fall() -> None:
    assert watch([(LYING, 6)]) == []


def test_a_time_that_falls_back_starts_anew() -> None:
    watcher = FallWatch(SETTINGS)
    for step in range(16):
        watcher.see(Posture.of(step / 8, STANDING))
    found = [watcher.see(Posture.of(step / 8, LYING)) for step in range(16)]
    assert not any(found)


def test_the_shape_of_the_picture_counts() -> None:
    look = Posture.of(0.0, (0.0, 0.0, 0.5, 0.5), shape=2.0)
    assert (look.width, look.height) == (1.0, 0.5)


def test_hips_are_those_of_the_keypoints_if_they_lie_in_the_box() -> None:
    rows = np.zeros((len(KEYPOINTS), 3), np.float32)
    rows[KEYPOINTS.index("left_hip")] = (0.45, 0.6, 0.9)
    assert Posture.of(0.0, STANDING, rows).hips_y == pytest.approx(0.6)
    rows[KEYPOINTS.index("left_hip")] = (0.45, 0.95, 0.9)
    assert Posture.of(0.0, STANDING, rows).hips_y == pytest.approx(0.5)
