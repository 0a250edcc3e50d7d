"""Views for one step of fine-tuning: drawn anew each time, from one picture or a collage of four.

Small people are rare in pictures; a collage shows four pictures at half their size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from har_edge.arrays import FloatArray, Pixels
from har_edge.errors import SourceError
from har_edge.frames.frame import KEYPOINTS
from har_train.people.labels import Labelled, load_pictures
from har_train.people.targets import Heat, Targets, draw_heat, draw_targets
from har_train.people.views import move_people, random_view, show

ZOOMS = (0.5, 1.5)  # of a picture by itself
COLLAGE_ZOOMS = (0.6, 1.5)  # of each quarter: 0.3 to 0.75 of the input
COLLAGES = 0.3  # share of views that are one
# Largest change of pixels: added, of the contrast, share of grey, and noise (standard deviation).
BRIGHTNESS, CONTRAST, NOISE = 40.0, 0.35, 8.0
GREY = 0.15  # share of views without colour


@dataclass(frozen=True, eq=False)
class Batch:
    """Views with what the maps should say of them.

    Attributes:
        frames: (N, side, side, 3), uint8.
        targets: Maps, one entry a view.
        heats: Maps of single keypoints, one entry a view.
    """

    frames: Pixels
    targets: Sequence[Targets]
    heats: Sequence[Heat]


def draw_batch(
    labelled: Sequence[Labelled], numbers: Sequence[int], random: np.random.Generator, side: int,
    cells: int,
) -> Batch:  # fmt: skip
    """Draw one view of each of some files.

    Args:
        labelled: All files that may be shown.
        numbers: Which of them; quarters of collages beside the first are drawn from all.
        random: Decides everything.
        side: Of the views, in pixels.
        cells: Of the maps, in each direction.
    """
    frames, people = zip(*(draw_view(labelled, n, random, side) for n in numbers), strict=True)
    return Batch(
        np.stack(frames),
        [draw_targets(p, cells, cells) for p in people],
        [draw_heat(p, cells, cells) for p in people],
    )


def draw_view(
    labelled: Sequence[Labelled], number: int, random: np.random.Generator, side: int
) -> tuple[Pixels, FloatArray]:
    """Draw one view and the people in it, (M, 56) in fractions of it."""
    if random.random() >= COLLAGES:
        frame, people = _one(labelled[number], random, side, ZOOMS)
    else:
        others = random.integers(0, len(labelled), 3)
        parts = [
            _one(labelled[n], random, side // 2, COLLAGE_ZOOMS) for n in (number, *map(int, others))
        ]
        rows = [np.concatenate([parts[i][0], parts[i + 1][0]], axis=1) for i in (0, 2)]
        frame = np.concatenate(rows)
        people = np.concatenate([_quarter(p, i % 2, i // 2) for i, (_, p) in enumerate(parts)])
    return _change_colours(frame, random), people


def _one(
    entry: Labelled, random: np.random.Generator, side: int, zooms: tuple[float, float]
) -> tuple[Pixels, FloatArray]:
    which, view = random.random(), random_view(random, zooms)
    try:
        pictures = load_pictures(entry.sample)
    except SourceError:  # it went since it was labelled; a view of nothing shows nobody
        return np.zeros((side, side, 3), np.uint8), entry.people[0][:0]
    number = int(which * min(len(pictures), len(entry.people)))
    picture = pictures[number]
    return (
        show(picture, view, side),
        move_people(entry.people[number], view, *picture.shape[:2]),
    )


def _quarter(people: FloatArray, column: int, row: int) -> FloatArray:
    """Move people from a view to one that has it as a quarter."""
    moved = people.copy()
    for axis, start in enumerate((column, row)):
        for columns in (slice(1 + axis, 5, 2), slice(5 + axis, 5 + 3 * len(KEYPOINTS), 3)):
            moved[:, columns] = (moved[:, columns] + start) / 2
    return moved


def _change_colours(frame: Pixels, random: np.random.Generator) -> Pixels:
    added, contrast = random.uniform(-BRIGHTNESS, BRIGHTNESS), random.uniform(-CONTRAST, CONTRAST)
    noise, grey = random.uniform(0, NOISE), random.random() < GREY
    pixels = frame.astype(np.float32)
    if grey:
        pixels = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2)
    mean = pixels.mean()
    pixels = (pixels - mean) * (1 + contrast) + mean + added
    pixels += random.normal(0, noise, frame.shape).astype(np.float32)
    return np.asarray(np.clip(np.rint(pixels), 0, 255), np.uint8)
