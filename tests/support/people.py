"""People for tests: bright rectangles in dark pictures, and what finds them without a network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from har_edge.arrays import Box, Pixels
from har_edge.frames.frame import Frame, Person
from har_edge.frames.opencv import import_cv2
from har_edge.people.boxes import clip_box
from tests.conftest import ROOT

SHARED = Path(os.environ.get("HAR_DATA") or ROOT.parent / "shared" / "data").parent
TEACHERS = SHARED / "pretrained" / "teachers"
SSD = "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"
MOVENET = "movenet_single_pose_lightning_ptq.tflite"


class BrightLocator:
    """Takes every bright rectangle for a person, as surely as it is bright.

    Attributes:
        looked: Pictures that it was shown.
    """

    name = "bright rectangles"
    sure_score = begin_score = 0.5
    gives_keypoints = True

    def __init__(self) -> None:
        self.looked = 0

    def locate(self, pixels: Pixels) -> tuple[Person, ...]:
        """Find them, the largest first."""
        self.looked += 1
        rows, columns = pixels.shape[:2]
        bright = (np.ascontiguousarray(pixels).max(axis=2) > 100).astype(np.uint8)
        _, _, stats, _ = import_cv2().connectedComponentsWithStats(bright)
        found = []
        for left, top, width, height, size in stats[1:].tolist():
            box = (left / columns, top / rows, (left + width) / columns, (top + height) / rows)
            if size > 4:
                found.append(Person(0.9, box))
        return tuple(sorted(found, key=lambda person: -person.size))


def draw_people(boxes: Sequence[Box], height: int = 60, width: int = 80, shade: int = 0) -> Pixels:
    """A dark picture with a bright, textured rectangle for each box."""
    pixels = np.full((height, width, 3), 20, np.uint8)
    for number, box in enumerate(boxes):
        inside = clip_box(box)
        if inside is None:
            continue
        left, right = round(inside[0] * width), round(inside[2] * width)
        top, bottom = round(inside[1] * height), round(inside[3] * height)
        ramp = np.linspace(110, 250, max(1, right - left)).astype(np.uint8)
        pixels[top:bottom, left:right] = ramp[np.newaxis, :, np.newaxis]
        pixels[top:bottom, left:right, number % 3] = 120 + shade % 100
    return pixels


def draw_frames(
    moments: Sequence[Sequence[Box]], rate_hz: float = 10.0, source: str = "drawn.mp4"
) -> list[Frame]:
    """A frame for each moment; shades change, so that no two crops are alike."""
    return [
        Frame(draw_people(boxes, shade=7 * i), i / rate_hz, i, source, 1.0)
        for i, boxes in enumerate(moments)
    ]


def teacher(name: str) -> Path:
    """A published network; skips the test where it is absent."""
    path = TEACHERS / name
    if not path.is_file():
        pytest.skip(f"no published network: looked for {path}")
    return path
