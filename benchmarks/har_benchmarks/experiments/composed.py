"""Scenes with people whose places are known: cut out of clips and moved over a canvas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from har_edge.arrays import Box, Pixels
from har_edge.errors import SourceError
from har_edge.frames.opencv import import_cv2
from har_edge.frames.preprocess import stretch_frame
from har_edge.frames.sampling import FrameSampler
from har_edge.people.boxes import overlap
from har_edge.people.locate import Locator
from har_edge.sources.files import VideoSource

# Of somebody who is cut out: how sure the detector is, and how much of the picture it must be.
SURE, LARGE = 0.6, 0.08
# A person's crops of so many sampled frames in a row, played forth and back.
LEAST_FRAMES = 8
# Seconds in which somebody crosses the canvas.
CROSSING_S = (5.0, 9.0)


@dataclass(frozen=True)
class Sprite:
    """One person, cut out of a clip.

    Attributes:
        pictures: The crops of frames in a row, each (H, W, 3), uint8, of any size.
    """

    pictures: tuple[Pixels, ...]

    def at(self, number: int) -> Pixels:
        """The picture of a frame; after the last one they go back."""
        last = len(self.pictures) - 1
        place = number % (2 * last)
        return self.pictures[min(place, 2 * last - place)]


@dataclass(frozen=True)
class Moment:
    """One composed frame.

    Attributes:
        pixels: RGB, (H, W, 3), uint8.
        boxes: Where each person is, by number; None for who is mostly hidden.
    """

    pixels: Pixels
    boxes: tuple[Box | None, ...]


def cut_sprites(
    clips: Sequence[Path], locator: Locator, count: int, rate_hz: float
) -> list[Sprite]:
    """Cut people out of clips, one a clip.

    Args:
        clips: To look through, until there are enough.
        locator: What finds them.
        count: How many.
        rate_hz: Frames a second.

    Raises:
        SourceError: if there are fewer people in them.
    """
    found: list[Sprite] = []
    for path in clips:
        pictures = _cut(path, locator, rate_hz)
        if len(pictures) >= LEAST_FRAMES:
            found.append(Sprite(tuple(pictures)))
        if len(found) == count:
            return found
    raise SourceError(
        f"{count} people should be cut out of {len(clips)} clips. Found {len(found)}. Give more "
        "clips with people who are large in the picture."
    )


def _cut(path: Path, locator: Locator, rate_hz: float) -> list[Pixels]:
    """The longest beginning of a clip in which one person is found frame after frame."""
    pictures: list[Pixels] = []
    before: Box | None = None
    for frame in VideoSource(path).frames(FrameSampler(rate_hz)):
        people = [p for p in locator.locate(frame.pixels) if p.score >= SURE and p.size >= LARGE]
        if before is not None:
            last = before
            people = [person for person in people if overlap(person.box, last) > 0.5]
        if not people:
            break
        before = max(people, key=lambda person: person.size).box
        rows, columns = frame.pixels.shape[:2]
        left, top, right, bottom = before
        crop = frame.pixels[
            round(top * rows) : round(bottom * rows), round(left * columns) : round(right * columns)
        ]
        pictures.append(np.ascontiguousarray(crop))
    return pictures


def compose(
    sprites: Sequence[Sprite],
    *,
    count: int,
    rate_hz: float,
    size: tuple[int, int] = (360, 480),
    seed: int = 0,
    hold: int = 1,
) -> Iterator[Moment]:
    """Move people to and fro over a canvas, in front of each other.

    Args:
        sprites: Who; those that are further down are nearer.
        count: Frames.
        rate_hz: Frames a second.
        size: Height and width of the canvas.
        seed: Of speeds, heights and the canvas.
        hold: Frames for which each crop stays.
    """
    random, (rows, columns) = np.random.default_rng(seed), size
    canvas = _canvas(rows, columns, random)
    number = len(sprites)
    high = random.uniform(0.45, 0.65, number)
    feet = np.sort(random.uniform(0.8, 0.98, number))
    period_s, phase = random.uniform(*CROSSING_S, number) * 2, random.uniform(0, 1, number)
    for i in range(count):
        pixels, rectangles = canvas.copy(), []
        for who, sprite in enumerate(sprites):
            picture = sprite.at(i // hold)
            height = round(high[who] * rows)
            width = max(8, round(height * picture.shape[1] / picture.shape[0]))
            width = min(width, columns // 2)
            way = (i / rate_hz / period_s[who] + phase[who]) % 1.0
            share = 2 * way if way < 0.5 else 2 - 2 * way
            left, top = round(share * (columns - width)), round(feet[who] * rows) - height
            pixels[top : top + height, left : left + width] = stretch_frame(picture, height, width)
            rectangles.append((left, top, left + width, top + height))
        yield Moment(pixels, _visible(rectangles, rows, columns))


def _canvas(rows: int, columns: int, random: np.random.Generator) -> Pixels:
    """Soft colours without edges, in which no detector sees anybody."""
    small = random.integers(90, 150, (6, 8, 3), np.uint8)
    return np.asarray(import_cv2().resize(small, (columns, rows)), dtype=np.uint8)


def _visible(
    rectangles: Sequence[tuple[int, int, int, int]], rows: int, columns: int
) -> tuple[Box | None, ...]:
    """Boxes of those who are not hidden by half behind who is nearer."""
    nearest = np.full((rows, columns), -1)
    for who, (left, top, right, bottom) in enumerate(rectangles):
        nearest[top:bottom, left:right] = who
    boxes: list[Box | None] = []
    for who, (left, top, right, bottom) in enumerate(rectangles):
        seen = (nearest[top:bottom, left:right] == who).mean()
        box = (left / columns, top / rows, right / columns, bottom / rows)
        boxes.append(box if seen > 0.5 else None)
    return tuple(boxes)
