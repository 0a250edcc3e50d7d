"""Learn the second look at what `locate` finds; see `har_edge.people.rescore`.

Which finds are people, three sources say: the teacher, where it sees somebody; of clips whose
camera stands still, what moves, because teachers hardly see who lies on the floor; and pictures
without anybody, in which every find is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray, Pixels
from har_edge.errors import DataError
from har_edge.frames.sampling import FrameSampler
from har_edge.people.boxes import overlap, share
from har_edge.people.match import match_boxes
from har_edge.people.rescore import LEAST_SCORE, describe, rescore
from har_edge.sources.files import VideoSource
from har_train.people.evaluate import MAYBE, best_threshold
from har_train.people.labels import Labelled, load_pictures
from har_train.people.teachers import ROW

# Picture (h, w, 3) -> finds (M, 56), in fractions of the picture.
Finder = Callable[[Pixels], FloatArray]

# A pixel moves if it differs from the clip's median by so many of 255 levels.
MOVED_LEVELS = 30
# Share of a box that moves where somebody is, and where nobody is.
MOVED, STILL = 0.25, 0.02
# A find of which so much lies in somebody is that person, or a part of them.
PART = 0.5
# Pictures of a clip that say what it mostly shows.
CLIP_HZ, MIN_CLIP, MAX_CLIP = 2.0, 4, 40
# A camera moves if so much of a picture does.
CAMERA_MOVED = 0.4
# Parts of pictures that are taken for pictures without people: share of each side, least pixels,
# tries, and how many of one picture.
EMPTY_SIDES, EMPTY_PIXELS, EMPTY_TRIES, EMPTY_PARTS = (0.25, 0.65), 40, 16, 3
# What is found there counts more: cameras see nobody most of the time, but most files show people.
EMPTY_WEIGHT = 2.0
# Strength of the penalty on weights, of features scaled to unit variance (sklearn's C).
PENALTY = 0.3
THRESHOLDS = tuple(np.arange(0.2, 0.75, 0.025).round(3))
# What `set_threshold` makes of the best threshold: even odds.
FINAL_THRESHOLD = 0.5
NOBODY = np.zeros((0, ROW), np.float32)


@dataclass(frozen=True, eq=False)
class Finds:
    """What was found in pictures, in numbers, and what it was.

    Attributes:
        features: (N, F), as `describe` gives them.
        right: (N,), whether each is a person.
        empty: (N,), whether there are no people in the picture.
    """

    features: NDArray[np.float64]
    right: NDArray[np.bool_]
    empty: NDArray[np.bool_]

    @classmethod
    def join(cls, parts: Iterable[Finds]) -> Finds:
        """All of some parts."""
        listed = list(parts)
        return cls(*(np.concatenate([getattr(p, f.name) for p in listed]) for f in fields(cls)))


def finds_by_teacher(rows: FloatArray, teacher: FloatArray, aspect: float) -> Finds:
    """Tell finds apart by what the teacher sees; those that it half sees are left out.

    Args:
        rows: Finds, (N, 56).
        teacher: Its people, (M, 56), unsure ones included.
        aspect: Width of the picture over its height.
    """
    rows = rows[rows[:, 0] >= LEAST_SCORE]
    right = _matched(teacher[teacher[:, 0] >= MAYBE], rows)
    wrong = ~_matched(teacher, rows)
    known = right | wrong
    nobody = np.full(int(known.sum()), not len(teacher))
    return Finds(describe(rows[known], aspect), right[known], nobody)


def finds_by_motion(
    rows: FloatArray, teacher: FloatArray, moved: NDArray[np.bool_], aspect: float
) -> Finds:
    """Tell finds of a still camera apart by what moves in their boxes, and by the teacher.

    Args:
        rows, teacher, aspect: As for `finds_by_teacher`.
        moved: (h, w), which pixels differ from what the clip mostly shows.
    """
    rows = rows[rows[:, 0] >= LEAST_SCORE]
    shares = np.array([_share_moved(moved, row) for row in rows])
    # A head is part of somebody who is seen whole, and moves as well.
    part = np.array([any(share(_box(r), _box(t)) >= PART for t in teacher) for r in rows], bool)
    right = _matched(teacher[teacher[:, 0] >= MAYBE], rows) | ((shares >= MOVED) & ~part)
    wrong = ~_matched(teacher, rows) & ((shares <= STILL) | part)
    known = right | wrong
    return Finds(describe(rows[known], aspect), right[known], np.zeros(int(known.sum()), bool))


def moved_pixels(pictures: Sequence[Pixels], clip: Sequence[Pixels]) -> list[NDArray[np.bool_]]:
    """What differs in each of some pictures from what their clip mostly shows.

    Args:
        pictures: Of the clip, (h, w, 3).
        clip: More of it, from beginning to end.

    Returns:
        One mask a picture, (h, w); none if the camera moves.
    """
    if len(clip) < MIN_CLIP or len({p.shape for p in (*pictures, *clip)}) > 1:
        return []
    usual = np.median(np.stack(clip), axis=0)
    masks = [np.abs(p - usual).max(axis=-1) >= MOVED_LEVELS for p in pictures]
    return [] if max(float(m.mean()) for m in masks) > CAMERA_MOVED else masks


def load_clip(path: Path) -> list[Pixels]:
    """Two pictures a second of a clip, RGB (h, w, 3), up to `MAX_CLIP`."""
    frames = VideoSource(path).frames(FrameSampler(CLIP_HZ))
    return [np.array(frame.pixels) for frame in islice(frames, MAX_CLIP)]


def empty_parts(
    picture: Pixels, teacher: FloatArray, random: np.random.Generator
) -> Iterator[Pixels]:
    """Parts of a picture in which the teacher sees nobody, not even an unsure one; few or none."""
    height, width = picture.shape[:2]
    left_over = EMPTY_PARTS
    for _ in range(EMPTY_TRIES):
        sides = random.uniform(*EMPTY_SIDES, 2)
        left, top = random.uniform(0, 1 - sides)
        box = (left, top, left + sides[0], top + sides[1])
        rows = slice(int(top * height), int(box[3] * height))
        columns = slice(int(left * width), int(box[2] * width))
        part = np.ascontiguousarray(picture[rows, columns])
        fits = min(part.shape[:2]) >= EMPTY_PIXELS
        if fits and all(overlap(box, _box(person)) == 0 for person in teacher):
            yield part
            left_over -= 1
        if not left_over:
            return


def collect(
    labelled: Sequence[Labelled],
    find: Finder,
    seed: int = 0,
    tick: Callable[[int], object] = lambda done: None,
) -> Finds:
    """Find people in labelled files, and tell what each find is.

    Args:
        labelled: Files with the people that the teacher sees.
        find: The network whose finds are looked at, with their own scores.
        seed: Of the parts of stills without people.
        tick: Called with 1 for every file.
    """
    random = np.random.default_rng(seed)
    parts = []
    for entry in labelled:
        pictures = load_pictures(entry.sample)
        still = entry.sample.is_still
        masks = [] if still else moved_pixels(pictures, load_clip(entry.sample.path))
        for number, (picture, teacher) in enumerate(zip(pictures, entry.people, strict=True)):
            rows, aspect = find(picture), _aspect(picture)
            if masks:
                parts.append(finds_by_motion(rows, teacher, masks[number], aspect))
            else:
                parts.append(finds_by_teacher(rows, teacher, aspect))
        for part in empty_parts(pictures[0], entry.people[0], random):
            parts.append(finds_by_teacher(find(part), NOBODY, _aspect(part)))
        tick(1)
    if not parts:
        raise DataError("DATA should have files of the part 'train'. Received none.")
    return Finds.join(parts)


def fit_weights(finds: Finds) -> tuple[float, ...]:
    """Fit the second look: its bias and weights.

    Raises:
        DataError: if all finds are people, or none is.
    """
    from sklearn.linear_model import LogisticRegression

    if finds.right.all() or not finds.right.any():
        raise DataError(
            "Among what the network finds there should be people and others. Received "
            f"{len(finds.right)} finds of one kind. Give more files."
        )
    mean, scale = finds.features.mean(axis=0), finds.features.std(axis=0) + 1e-9
    model = LogisticRegression(C=PENALTY, max_iter=2000)
    counts = np.where(finds.empty, EMPTY_WEIGHT, 1.0)
    model.fit((finds.features - mean) / scale, finds.right, sample_weight=counts)
    weights = model.coef_[0] / scale
    bias = float(model.intercept_[0] - mean @ weights)
    return (bias, *map(float, weights))


def set_threshold(
    weights: Sequence[float], labelled: Sequence[Labelled], find: Finder, seed: int = 0
) -> tuple[float, ...]:
    """Shift the bias so that the best balance of recall and precision lies at a score of 0.5.

    Parts without people are among the pictures, as often as there are.

    Args:
        weights: As `fit_weights` gives them.
        labelled: Files that the weights did not see.
        find, seed: As for `collect`.
    """
    random = np.random.default_rng(seed)
    pairs = []
    for entry in labelled:
        pictures = load_pictures(entry.sample)
        shown = [*zip(pictures, entry.people, strict=True)]
        shown += [(part, NOBODY) for part in empty_parts(*shown[0], random)]
        pairs += [(known, rescore(find(p), _aspect(p), weights)) for p, known in shown]
    threshold = best_threshold(pairs, THRESHOLDS)
    bias, *others = weights
    return (float(bias - np.log(threshold / (1 - threshold))), *others)


def _matched(wanted: FloatArray, rows: FloatArray) -> NDArray[np.bool_]:
    """Which finds have a person of their own among those wanted."""
    given = match_boxes(wanted[:, 1:5], rows[:, 1:5])
    matched: NDArray[np.bool_] = np.isin(np.arange(len(rows)), given)
    return matched


def _share_moved(moved: NDArray[np.bool_], row: FloatArray) -> float:
    height, width = moved.shape
    left, top, right, bottom = _box(row)
    part = moved[
        int(top * height) : max(int(top * height) + 1, int(bottom * height)),
        int(left * width) : max(int(left * width) + 1, int(right * width)),
    ]
    return float(part.mean()) if part.size else 0.0


def _aspect(picture: Pixels) -> float:
    return float(picture.shape[1] / picture.shape[0])


def _box(row: FloatArray) -> tuple[float, float, float, float]:
    left, top, right, bottom = map(float, row[1:5])
    return (left, top, right, bottom)
