"""What the teachers say of every picture and frame, kept on the disk as it is found.

One line of JSON a file: labelling can be interrupted, and goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from har_edge.arrays import FloatArray, Pixels
from har_edge.datasets import Sample
from har_edge.errors import DataError, SourceError
from har_edge.files import whole_lines
from har_edge.frames.decode import load_image
from har_edge.paths import display_path
from har_edge.sources.files import VideoSource
from har_train.people.teachers import ROW

DIGITS = 4


@dataclass(frozen=True, eq=False)
class Labelled:
    """The people of one still, or of the first, middle and last frame of a clip.

    Attributes:
        sample: The file.
        people: For each frame (M, 56), as `Teacher` gives them.
    """

    sample: Sample
    people: tuple[FloatArray, ...]


def load_pictures(sample: Sample) -> list[Pixels]:
    """Decode a still, or the first, middle and last frame of a clip, RGB (h, w, 3).

    Raises:
        SourceError: if that fails.
    """
    if sample.is_still:
        return [load_image(sample.path)]
    return [np.ascontiguousarray(frame) for frame in VideoSource(sample.path).look()]


def label_samples(
    samples: Sequence[Sample],
    teach: Callable[[Pixels], FloatArray],
    path: Path,
    tick: Callable[[int], object] = lambda done: None,
) -> list[Labelled]:
    """Have a teacher label files, except those that a file of labels already holds.

    Args:
        samples: The files.
        teach: Gives the people of a picture.
        path: The file of labels; lines are added to it.
        tick: Called with 1 for every file.

    Returns:
        One entry a file that could be decoded, in the order of `samples`.

    Raises:
        DataError: if `path` holds something else.
    """
    known = read_labels(path)
    with path.open("a", encoding="utf-8") as file:
        for sample in samples:
            key = str(sample.path)
            if key not in known:
                try:
                    found = [teach(picture) for picture in load_pictures(sample)]
                except SourceError:
                    found = []
                rows = [np.round(people.astype(np.float64), DIGITS).tolist() for people in found]
                line = json.dumps({"path": key, "people": rows})
                file.write(f"{line}\n")
                file.flush()
                known |= _parse([line])  # as it will be read the next time
            tick(1)
    return [Labelled(s, known[str(s.path)]) for s in samples if known[str(s.path)]]


def read_labels(path: Path) -> dict[str, tuple[FloatArray, ...]]:
    """Read a file of labels: the people of each frame by path; a cut last line is dropped.

    Raises:
        DataError: if it holds something else.
    """
    try:
        return dict(_parse(whole_lines(path)))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{display_path(path)} should hold labels of har-train people. Received something "
            f"else ({error!r}). Give another --work folder."
        ) from error


def _parse(lines: Iterable[str]) -> Iterable[tuple[str, tuple[FloatArray, ...]]]:
    for line in lines:
        entry = json.loads(line)
        yield (
            entry["path"],
            tuple(np.array(rows, np.float32).reshape(-1, ROW) for rows in entry["people"]),
        )
