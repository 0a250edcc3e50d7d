"""What a run folder keeps of its training part, to calibrate on: frames, or rows of poses."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray, Pixels
from har_edge.errors import DataError
from har_edge.model.spec import ModelSpec
from har_edge.paths import display_path


def read_frames(path: Path, spec: ModelSpec) -> tuple[Pixels, NDArray[np.intp]]:
    """Read training frames.

    Args:
        path: The `.npz` file, with `frames` and `windows`.
        spec: Of the model, which has `encode`.

    Returns:
        Frames, (N, H, W, 3) uint8, and windows as rows of frame numbers, (M, T).

    Raises:
        DataError: if they are missing, damaged, or do not fit the model.
    """
    frames, windows = _read(path, "frames")
    shape = spec.clip.frame_shape
    if frames.dtype != np.uint8 or frames.shape[1:] != shape or not len(frames):
        raise DataError(
            f"{display_path(path)} should hold uint8 frames of shape (N, *{shape}). "
            f"Received {frames.shape}, {frames.dtype}."
        )
    return frames.astype(np.uint8, copy=False), _windows_of(windows, len(frames), spec, path)


def read_rows(path: Path, spec: ModelSpec) -> tuple[FloatArray, NDArray[np.intp]]:
    """Read rows of poses.

    Args:
        path: The `.npz` file, with `rows` and `windows`.
        spec: Of the model, which has no `encode`.

    Returns:
        Rows, (N, D') float32, and windows as row numbers, (M, T).

    Raises:
        DataError: if they are missing, damaged, or do not fit the model.
    """
    rows, windows = _read(path, "rows")
    fits = rows.ndim == 2 and rows.shape[1] == spec.row_size and len(rows) > 0
    if not fits or rows.dtype.kind != "f" or not np.isfinite(rows).all():
        raise DataError(
            f"{display_path(path)} should hold rows of {spec.row_size} finite numbers. "
            f"Received {rows.shape}, {rows.dtype}. Train again."
        )
    return rows.astype(np.float32), _windows_of(windows, len(rows), spec, path)


def _read(path: Path, name: str) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[name], arrays["windows"]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{display_path(path)} cannot be read: {error}. Train again.") from error


def _windows_of(
    windows: NDArray[np.generic], count: int, spec: ModelSpec, path: Path
) -> NDArray[np.intp]:
    num_frames = spec.clip.num_frames
    fits = windows.ndim == 2 and windows.shape[1] == num_frames and windows.size > 0
    if not fits or windows.dtype.kind not in "iu" or windows.min() < 0 or windows.max() >= count:
        raise DataError(
            f"{display_path(path)} should hold windows of {num_frames} frame indices. "
            f"Received {windows.shape}. Train again."
        )
    return windows.astype(np.intp)
