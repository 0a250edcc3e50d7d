"""Calibration frames from a dataset instead of the run's own: the same number of every class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_convert.clip import NO_FRAMES, LabelledClip
from har_edge.arrays import FloatArray, Pixels
from har_edge.datasets import Sample
from har_edge.errors import DataError
from har_edge.model.spec import ModelSpec
from har_edge.paths import display_path
from har_edge.pose_paths import sequence_of
from har_edge.recognition.track_samples import is_track, load_rows, passed_over
from har_edge.run_folder import list_data
from har_edge.say import Say
from har_edge.sources.clips import load_frames, window_indices

DEFAULT_FRAMES = 192
# Rows of poses are small, and quick to make.
DEFAULT_ROWS = 8192
# Ranges from fewer frames than these say little about those to come.
MIN_FRAMES = 16


def load_calibration(
    data: Path,
    spec: ModelSpec,
    *,
    root: str | os.PathLike[str] = "",
    num_frames: int = 0,
    say: Say = lambda line: None,
) -> LabelledClip:
    """Choose windows from a dataset, in turn from every class.

    Args:
        data: A dataset as for training, or a run folder; only its training part is used.
        spec: Labels and preprocessing.
        root: Folder that the paths of a manifest or run start from, if not as `list_data` says.
        num_frames: Frames in all, about; 0 for `DEFAULT_FRAMES`, or for `DEFAULT_ROWS` of tracks.
        say: Takes a line about what cannot be used.

    Raises:
        DataError: if the data holds other classes than the model's, too few frames, or a line
            that cannot be used.
        SourceError: if a chosen file cannot be decoded.
    """
    by_label = calibration_samples(data, spec.labels, root=root)
    if not spec.encodes:
        by_label = _tracks_alone(by_label, data, say)
    random = np.random.default_rng(0)
    # In frames, not in windows: a still gives one frame to a window of many.
    usual = DEFAULT_FRAMES if spec.encodes else DEFAULT_ROWS
    per_class = (num_frames or usual) / len(by_label)
    frames, windows, offset = list[Pixels | FloatArray](), list[NDArray[np.intp]](), 0
    for _, members in sorted(by_label.items()):
        start = offset
        for i in random.permutation(len(members)):
            if offset > start and offset - start >= per_class - 0.5:
                break
            given = _load(members[i], spec)
            indices = window_indices(len(given), spec.clip.num_frames)
            used, rows = np.unique(indices[random.integers(len(indices))], return_inverse=True)
            frames.append(given[used])
            windows.append(rows + offset)
            offset += len(used)
    if offset < MIN_FRAMES:
        raise DataError(
            f"{display_path(data)} should give at least {MIN_FRAMES} frames for calibration. "
            f"Received {offset}. Add stills or clips, or leave --calibration out."
        )
    chosen = np.stack(windows).astype(np.intp)
    if spec.encodes:
        return LabelledClip(np.concatenate(frames).astype(np.uint8), chosen, "")
    return LabelledClip(NO_FRAMES, chosen, "", np.concatenate(frames).astype(np.float32))


def _load(sample: Sample, spec: ModelSpec) -> Pixels | FloatArray:
    """All frames of a sample, or all rows of a track."""
    if not spec.encodes:
        return load_rows(sample.path, spec)
    return load_frames(sample.path, spec.clip, start_s=sample.start_s, end_s=sample.end_s)


def calibration_samples(
    data: Path, labels: Sequence[str], *, root: str | os.PathLike[str] = ""
) -> dict[str, list[Sample]]:
    """Find the samples that may be calibrated on, by label.

    Args:
        data, root: See `load_calibration`.
        labels: The model's.

    Raises:
        DataError: if there are none, some of other labels, or a line that cannot be used.
    """
    shown = display_path(data)
    if not data.exists():
        raise DataError(f"There is no calibration data {shown}. Check --calibration.")
    by_label: dict[str, list[Sample]] = {}
    for sample in list_data(data, root).training().usable():
        by_label.setdefault(sample.label, []).append(sample)
    unknown = sorted(by_label.keys() - set(labels))
    if unknown or not by_label:
        raise DataError(
            f"{shown} should have the classes of the model: {', '.join(labels)}. Received "
            f"{', '.join(unknown) or 'none'}. Give --calibration data with the same classes."
        )
    return by_label


def _tracks_alone(
    by_label: dict[str, list[Sample]], data: Path, say: Say
) -> dict[str, list[Sample]]:
    """Leave skeletons out: the edge would never see such rows."""
    count = passed_over(s.path for members in by_label.values() for s in members)
    if count:
        say(f"skeletons in the calibration data are passed over: {count}")
    found = {
        label: kept
        for label, members in by_label.items()
        if (kept := [s for s in members if sequence_of(s.path) is None or is_track(s.path)])
    }
    if not found:
        raise DataError(
            f"{display_path(data)} should hold tracks of videos to calibrate on. Received "
            f"{count} skeletons. Give --calibration data with tracks."
        )
    return found
