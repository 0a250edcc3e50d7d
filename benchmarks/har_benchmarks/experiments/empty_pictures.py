"""Pictures without anybody: drawn ones, and parts of stills in which a detector sees nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from har_edge.arrays import Box, FloatArray, Pixels
from har_edge.errors import SourceError
from har_edge.frames.decode import load_image
from har_edge.frames.opencv import import_cv2
from har_edge.people.boxes import overlap
from har_edge.people.networks import SsdLocator

HEIGHT, WIDTH = 240, 320
# A detector is asked for much less than it is sure of: what it half sees is no empty place.
DOUBT = 0.2
# Sides of the parts of a still, in those of the still; how many are tried, and how many are kept.
SIDES, TRIES, PARTS = (0.25, 0.6), 20, 3


def draw_plain(random: np.random.Generator, number: int) -> Pixels:
    """Black, white, grey or any colour all over, or from one colour to another."""
    greys = (0, 1, 5, 16, 40, 90, 128, 180, 230, 255)
    if number < len(greys):
        return np.full((HEIGHT, WIDTH, 3), greys[number], np.uint8)
    first, last = random.integers(0, 256, (2, 3))
    share = np.linspace(0, 1, WIDTH)[np.newaxis, :, np.newaxis] * (number % 2)
    return _pixels(np.broadcast_to(first + (last - first) * share, (HEIGHT, WIDTH, 3)))


def draw_noise(random: np.random.Generator, number: int) -> Pixels:
    """Grains of any size, grey or coloured, hard or soft."""
    cv2 = import_cv2()
    side = int(random.choice([1, 2, 4, 8, 16, 32]))
    grains = random.integers(0, 256, (HEIGHT // side + 1, WIDTH // side + 1, 3)).astype(np.uint8)
    if number % 2:
        grains = np.repeat(grains[..., :1], 3, axis=2)
    form = cv2.INTER_NEAREST if number % 4 < 2 else cv2.INTER_CUBIC
    return _pixels(cv2.resize(grains, (WIDTH, HEIGHT), interpolation=form))


def draw_texture(random: np.random.Generator, number: int) -> Pixels:
    """Stripes, checks, bricks, wood or dots."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    first, last = random.integers(0, 256, (2, 3)).astype(float)
    step, turn = random.uniform(6, 60), random.uniform(0, np.pi)
    across, along = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    row = np.floor(y / (step / 2))
    patterns = (
        np.sin(2 * np.pi * across / step) > 0,
        np.sin(2 * np.pi * across / step) * np.sin(2 * np.pi * along / step) > 0,
        ((x + step / 2 * (row % 2)) % step > 2) & (y % (step / 2) > 2),
        0.5 + 0.5 * np.sin(2 * np.pi * (across + 8 * np.sin(along / 20)) / step),
        (across % step - step / 2) ** 2 + (along % step - step / 2) ** 2 < (step / 3) ** 2,
    )
    share = np.asarray(patterns[number % len(patterns)], float)[..., np.newaxis]
    noise = random.normal(0, random.uniform(0, 12), (HEIGHT, WIDTH, 1))
    return _pixels(first + (last - first) * share + noise)


def draw_room(random: np.random.Generator, number: int) -> Pixels:
    """A wall, a floor, and what stands there: boxes, tables, balls and lamps."""
    cv2 = import_cv2()
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:] = random.integers(60, 240, 3)
    edge = int(random.uniform(0.45, 0.8) * HEIGHT)
    picture[edge:] = _pixels(picture[edge:] * random.uniform(0.4, 0.9))
    for _ in range(random.integers(2, 9)):
        draw = _FURNITURE[random.integers(len(_FURNITURE))]
        wide, high = random.uniform(0.05, 0.4) * WIDTH, random.uniform(0.05, 0.55) * HEIGHT
        left, bottom = (
            random.uniform(-0.1, 0.9) * WIDTH,
            random.uniform(edge - 0.3 * HEIGHT, HEIGHT),
        )
        colours = [tuple(map(int, random.integers(0, 256, 3))) for _ in range(2)]
        draw(picture, (int(left), int(bottom - high), int(wide), int(high)), colours)
    soft = cv2.GaussianBlur(picture, (3, 3), 0)
    light = np.linspace(random.uniform(0.5, 1), 1, WIDTH)[np.newaxis, :, np.newaxis]
    return _pixels(soft * light + random.normal(0, 4, soft.shape))


Place = tuple[int, int, int, int]  # left, top, width, height
Colours = Sequence[tuple[int, ...]]


def _box(picture: Pixels, place: Place, colours: Colours) -> None:
    x, y, w, h = place
    import_cv2().rectangle(picture, (x, y), (x + w, y + h), colours[0], -1)


def _table(picture: Pixels, place: Place, colours: Colours) -> None:
    x, y, w, h = place
    for part in ((x, y, w, 6), (x + 3, y, 4, h), (x + w - 7, y, 4, h)):
        _box(picture, part, colours)


def _ball(picture: Pixels, place: Place, colours: Colours) -> None:
    x, y, w, h = place
    middle, axes = (x + w // 2, y + h // 2), (w // 2, h // 2)
    import_cv2().ellipse(picture, middle, axes, 0, 0, 360, colours[0], -1)


def _lamp(picture: Pixels, place: Place, colours: Colours) -> None:
    x, y, w, h = place
    _box(picture, (x, y, int(0.4 * w), h), colours)
    import_cv2().circle(picture, (x + w // 5, y), w // 4, colours[1], -1)


_FURNITURE = (_box, _table, _ball, _lamp)

Draw = Callable[[np.random.Generator, int], Pixels]
DRAWN: Mapping[str, tuple[Draw, int]] = {
    "plain": (draw_plain, 40),
    "noise": (draw_noise, 80),
    "texture": (draw_texture, 120),
    "room": (draw_room, 140),
}


def draw_all(seed: int = 0) -> Iterator[tuple[str, Pixels]]:
    """380 pictures with their kind, the same for the same seed; RGB, (240, 320, 3), uint8."""
    random = np.random.default_rng(seed)
    for kind, (draw, count) in DRAWN.items():
        for number in range(count):
            yield kind, draw(random, number)


def cut_empty(
    paths: Sequence[Path], detector: SsdLocator, count: int, seed: int = 0
) -> Iterator[Pixels]:
    """Cut parts out of stills in which a detector sees nobody, up to three of each.

    Args:
        paths: Pictures; those that cannot be read are passed over.
        detector: It is asked for finds from a score of `DOUBT` on, of the still and of the part.
        count: How many parts at most.
        seed: Of where they lie.
    """
    random = np.random.default_rng(seed)
    detector.least_score = DOUBT
    for path in paths:
        if count == 0:
            return
        try:
            still = load_image(path)
        except SourceError:
            continue
        people = [p.box for p in detector.locate(still)]
        empty = (p for p in _parts_beside(still, people, random) if not detector.locate(p))
        for part in islice(empty, min(count, PARTS)):
            count -= 1
            yield part


def _parts_beside(
    still: Pixels, people: Sequence[Box], random: np.random.Generator
) -> Iterator[Pixels]:
    """Parts that have nothing in common with any of some boxes."""
    height, width = still.shape[:2]
    for _ in range(TRIES):
        sides = random.uniform(*SIDES, 2)
        left, top = random.uniform(0, 1 - sides)
        box = (left, top, left + sides[0], top + sides[1])
        if all(overlap(box, other) == 0 for other in people):
            rows = slice(int(top * height), int(box[3] * height))
            columns = slice(int(left * width), int(box[2] * width))
            yield np.ascontiguousarray(still[rows, columns])


def _pixels(values: FloatArray | Pixels) -> Pixels:
    pixels: Pixels = np.clip(values, 0, 255).astype(np.uint8)
    return pixels
