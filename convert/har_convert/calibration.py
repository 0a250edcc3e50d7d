"""Clips to calibrate and verify on, and those that a dataset gives in place of a run's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import Pixels
from har_edge.datasets import Sample
from har_edge.errors import DataError
from har_edge.model.spec import ModelSpec
from har_edge.paths import display_path
from har_edge.run_folder import list_data
from har_edge.sources.clips import load_frames, window_indices

DEFAULT_FRAMES = 192
# Ranges from fewer frames than these say little about those to come.
MIN_FRAMES = 16


@dataclass(frozen=True)
class LabelledClip:
    """Frames of one clip with the windows to classify.

    Attributes:
        frames: (N, H, W, 3), uint8, preprocessed.
        windows: Rows of frame numbers, (M, T).
        label: True class, or "" if unknown.
    """

    frames: Pixels
    windows: NDArray[np.intp]
    label: str


def thin(clip: LabelledClip, windows: int) -> LabelledClip:
    """Keep some windows, evenly spread, and the frames that they need.

    The kept frames of a run come ordered by class, so that every class keeps its share.
    """
    if windows >= len(clip.windows):
        return clip
    chosen = clip.windows[np.linspace(0, len(clip.windows) - 1, windows).astype(int)]
    used, rows = np.unique(chosen, return_inverse=True)
    return LabelledClip(clip.frames[used], rows.reshape(chosen.shape).astype(np.intp), clip.label)


def load_calibration(
    data: Path, spec: ModelSpec, *, root: str | os.PathLike[str] = "", num_frames: int = 0
) -> LabelledClip:
    """Choose windows from a dataset, in turn from every class.

    Args:
        data: A dataset as for training, or a run folder; only its training part is used.
        spec: Labels and preprocessing.
        root: Folder that the paths of a manifest or run start from, if not as `list_data` says.
        num_frames: Frames in all, about; 0 for `DEFAULT_FRAMES`.

    Raises:
        DataError: if the data holds other classes than the model's, too few frames, or a line
            that cannot be used.
        SourceError: if a chosen file cannot be decoded.
    """
    shown = display_path(data)
    if not data.exists():
        raise DataError(f"There is no calibration data {shown}. Check --calibration.")
    by_label: dict[str, list[Sample]] = {}
    for sample in list_data(data, root).training().usable():
        by_label.setdefault(sample.label, []).append(sample)
    unknown = sorted(by_label.keys() - set(spec.labels))
    if unknown or not by_label:
        raise DataError(
            f"{shown} should hold classes of the model: {', '.join(spec.labels)}. Received "
            f"{', '.join(unknown) or 'none'}. Give --calibration data of the same classes."
        )
    random = np.random.default_rng(0)
    # In frames, not in windows: a still gives one frame to a window of many.
    per_class = (num_frames or DEFAULT_FRAMES) / len(by_label)
    frames, windows, offset = list[Pixels](), list[NDArray[np.intp]](), 0
    for _, members in sorted(by_label.items()):
        start = offset
        for i in random.permutation(len(members)):
            if offset > start and offset - start >= per_class - 0.5:
                break
            sample = members[i]
            pixels = load_frames(sample.path, spec.clip, start_s=sample.start_s, end_s=sample.end_s)
            indices = window_indices(len(pixels), spec.clip.num_frames)
            used, rows = np.unique(indices[random.integers(len(indices))], return_inverse=True)
            frames.append(pixels[used])
            windows.append(rows + offset)
            offset += len(used)
    if offset < MIN_FRAMES:
        raise DataError(
            f"{shown} should give at least {MIN_FRAMES} frames to calibrate on. Received {offset}. "
            "Add stills or clips, or leave --calibration out."
        )
    return LabelledClip(np.concatenate(frames), np.stack(windows).astype(np.intp), "")
