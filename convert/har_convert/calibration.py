"""Calibration frames from a dataset instead of the run's own: the same number of every class."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_convert.clip import LabelledClip
from har_edge.arrays import Pixels
from har_edge.errors import DataError
from har_edge.model.spec import ModelSpec
from har_edge.paths import display_path
from har_edge.sources.clips import load_frames, window_indices
from har_edge.sources.names import is_media

DEFAULT_FRAMES = 192
# Ranges from fewer frames than these say little about those to come.
MIN_FRAMES = 16


def load_calibration(data: Path, spec: ModelSpec, *, num_frames: int = 0) -> LabelledClip:
    """Choose windows from a dataset, in turn from every class.

    Args:
        data: `DATA/<class>/*`, `DATA/train/<class>/*`, or a CSV manifest with path and label, of
            which only the split `train` is used if it has splits.
        spec: Labels and preprocessing.
        num_frames: Frames in all, about; 0 for `DEFAULT_FRAMES`.

    Raises:
        DataError: if the data holds other classes than the model's, or too few frames.
        SourceError: if a chosen file cannot be decoded.
    """
    by_label = _list_manifest(data) if data.is_file() else _list_folders(data)
    shown = display_path(data)
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
    for _, files in sorted(by_label.items()):
        start = offset
        for i in random.permutation(len(files)):
            if offset > start and offset - start >= per_class - 0.5:
                break
            pixels = load_frames(files[i], spec.clip)
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


def _list_folders(data: Path) -> dict[str, list[Path]]:
    if not data.is_dir():
        raise DataError(f"There is no calibration data {display_path(data)}. Check --calibration.")
    root = data / "train" if (data / "train").is_dir() else data
    folders = (p for p in sorted(root.iterdir()) if p.is_dir())
    found = {p.name: sorted(f for f in p.rglob("*") if is_media(f)) for p in folders}
    return {label: files for label, files in found.items() if files}


def _list_manifest(path: Path) -> dict[str, list[Path]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        found: dict[str, list[Path]] = {}
        for row in rows:
            if not row["label"] or not row["path"]:
                raise KeyError(f"a path or a label in the row {row}")
            if row.get("split") in (None, "", "train"):
                found.setdefault(row["label"], []).append(path.parent / row["path"])
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError) as error:
        raise DataError(
            f"The manifest {display_path(path)} cannot be read: {error!r}. Expected the columns "
            "path,label and perhaps split."
        ) from error
    return found
