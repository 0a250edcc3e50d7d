"""Samples that are sequences of pose sets, as a model of poses is converted and judged on them.

Tracks are what the edge would see; the rows that training draws of skeletons are not, so that
skeletons are passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

from har_edge.arrays import FloatArray
from har_edge.errors import DataError
from har_edge.model.spec import ModelSpec
from har_edge.paths import display_path
from har_edge.pose_paths import sequence_of
from har_edge.recognition.tracks_file import KIND, PoseTrack, kind_of, read_tracks, track_rows

# Datasets name the sequences of a file one after the other.
_FILES_KEPT = 4


def is_track(path: str | os.PathLike[str]) -> bool:
    """Whether a sample is a track of somebody in a video.

    Raises:
        DataError: if it lies in a file that cannot be read as a pose set.
    """
    place = sequence_of(path)
    return place is not None and _kind_of(place[0]) == KIND


def passed_over(paths: Iterable[str | os.PathLike[str]]) -> int:
    """Count the sequences that are skeletons."""
    return sum(sequence_of(path) is not None and not is_track(path) for path in paths)


def load_rows(path: str | os.PathLike[str], spec: ModelSpec) -> FloatArray:
    """Make a model's rows of a track, (T, D').

    Args:
        path: `FILE.npz#N`.
        spec: Of a model without `encode`.

    Raises:
        DataError: if there is no such track.
    """
    place = sequence_of(path)
    if place is None:
        raise DataError(
            f"{spec.name} knows people by {' and '.join(spec.head_inputs)}, so that samples should "
            f"be tracks, FILE.npz#N. Received {display_path(path)}. Make tracks of the videos."
        )
    file, number = place
    tracks = _tracks_of(file)
    if number >= len(tracks):
        raise DataError(
            f"{display_path(file)} has the tracks 0 to {len(tracks) - 1}. Received {number}. "
            "Correct the number behind #."
        )
    return track_rows(tracks[number], spec.head_inputs, frame_rate_hz=spec.clip.frame_rate_hz)


@cache
def _kind_of(file: Path) -> str:
    return kind_of(file)


@lru_cache(maxsize=_FILES_KEPT)
def _tracks_of(file: Path) -> list[PoseTrack]:
    return read_tracks(file)
