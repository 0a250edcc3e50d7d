"""What the frozen backbone gives for views of labelled pictures, kept on the disk.

The backbone is most of the work of a training and changes nothing from epoch to epoch. Each
file's views are a `.npz` of their own, so that an interrupted pass goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray, Pixels
from har_edge.errors import SourceError
from har_edge.files import open_whole
from har_train.model.network import import_keras
from har_train.model.types import KerasModel
from har_train.people.labels import Labelled, load_pictures
from har_train.people.network import TAPS
from har_train.people.views import View, move_people, random_view, show

Halves = NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class Features:
    """Some views.

    Attributes:
        taps: Outputs of `TAPS`, the finest first, each (V, rows, columns, channels).
        target: What the published top gives for them, (V, rows, columns, channels).
        people: The people of each view, (M, 56) in fractions of the input.
    """

    taps: tuple[Halves, ...]
    target: Halves
    people: tuple[FloatArray, ...]


class Backbone:
    """The published network up to the pyramid.

    Args:
        published: As `load_published` left it.
    """

    def __init__(self, published: KerasModel) -> None:
        names = (*TAPS, "lateral_top")
        outputs = [published.get_layer(name).output for name in names]
        self._part = import_keras().Model(published.input, outputs)
        self.side = published.input_shape[1]

    def __call__(self, frame: Pixels) -> list[FloatArray]:
        """Run it on one input, (side, side, 3) uint8: taps and target without the batch."""
        scaled = (frame[np.newaxis] / 127.5 - 1).astype(np.float32)
        return [np.asarray(found)[0] for found in self._part.predict_on_batch(scaled)]


def cache_features(
    labelled: Sequence[Labelled],
    backbone: Backbone,
    folder: Path,
    tick: Callable[[int], object] = lambda done: None,
) -> list[Path]:
    """Run the backbone on two views of each frame: the plain one, and one drawn at random.

    Args:
        labelled: Files with their people.
        backbone: The network.
        folder: Where the features lie; files that are there are not made again.
        tick: Called with 1 for every file.

    Returns:
        One file for each of `labelled` that could be decoded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for entry in labelled:
        key = hashlib.sha256(str(entry.sample.path).encode()).hexdigest()[:16]
        path = folder / f"{key}.npz"
        if not path.exists():
            try:
                features = _look(entry, backbone, int(key[:8], 16))
            except SourceError:
                continue
            finally:
                tick(1)
            _save(features, path)
        else:
            tick(1)
        made.append(path)
    return made


def _look(entry: Labelled, backbone: Backbone, seed: int) -> Features:
    random = np.random.default_rng(seed)
    rows: list[list[FloatArray]] = []
    people: list[FloatArray] = []
    for picture, found in zip(load_pictures(entry.sample), entry.people, strict=True):
        for view in (View(), random_view(random)):
            rows.append(backbone(show(picture, view, backbone.side)))
            people.append(move_people(found, view, *picture.shape[:2]))
    *taps, target = (np.stack(arrays).astype(np.float16) for arrays in zip(*rows, strict=True))
    return Features(tuple(taps), target, tuple(people))


def _save(features: Features, path: Path) -> None:
    arrays: dict[str, NDArray[np.generic]] = {
        "target": features.target,
        "counts": np.array([len(p) for p in features.people]),
        "people": np.concatenate(features.people),
        **{f"tap{i}": tap for i, tap in enumerate(features.taps)},
    }
    with open_whole(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_features(paths: Sequence[Path]) -> Iterator[Features]:
    """Read features, one file after the other."""
    for path in paths:
        with np.load(path, allow_pickle=False) as arrays:
            people = np.split(arrays["people"], np.cumsum(arrays["counts"])[:-1])
            taps = tuple(arrays[f"tap{i}"] for i in range(len(TAPS)))
            yield Features(taps, arrays["target"], tuple(people))
