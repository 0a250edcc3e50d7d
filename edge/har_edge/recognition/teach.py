"""Teach a model an action from recorded windows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.errors import DataError
from har_edge.frames.preprocess import resize_frame
from har_edge.frames.sampling import FrameSampler
from har_edge.model.loaded import LoadedModel
from har_edge.recognition.taught import MIN_WINDOWS, Background, Taught, describe
from har_edge.recognition.taught_file import (
    changing,
    check_name,
    model_checksum,
    packaged_background,
    read_taught,
    write_taught,
)
from har_edge.sources.base import FrameSource
from har_edge.sources.clips import window_indices

# Told of each frame that is recorded: its source, and its time in it, in seconds.
Heard = Callable[[FrameSource, float], object]


def record_windows(
    model: LoadedModel,
    source: FrameSource,
    *,
    duration_s: float,
    heard: Heard = lambda source, time_s: None,
) -> FloatArray:
    """Encode a source and describe its windows, a quarter of a window apart.

    Args:
        model: What encodes.
        source: Stills, a video or a camera; of a video shorter than a window the first frame is
            repeated, as in training.
        duration_s: Seconds of the source's own time after which to stop.
        heard: Told of each frame.

    Returns:
        (M, D), M at least 1, see `har_edge.recognition.taught.describe`.

    Raises:
        SourceError: if the source cannot be read.
        DataError: if it gives no frame.
    """
    clip = model.spec.clip
    segments: list[list[FloatArray]] = [[]]
    with contextlib.closing(source.frames(FrameSampler(clip.frame_rate_hz))) as frames:
        for frame in frames:
            if frame.timestamp_s > duration_s:
                break
            heard(source, frame.timestamp_s)
            if frame.after_gap:  # no window may span it
                segments.append([])
            segments[-1].append(model.encode(resize_frame(frame.pixels, clip)))
    described = []
    for features in filter(None, segments):
        for window in window_indices(len(features), clip.num_frames, max(1, clip.num_frames // 4)):
            described.append(describe(np.stack([features[i] for i in window])))
    if not described:
        raise DataError(
            f"{source.name} should give frames to learn from. Received none. Record it again."
        )
    return np.stack(described)


def teach(
    model: LoadedModel,
    name: str,
    sources: Iterable[FrameSource],
    path: Path,
    *,
    duration_s: float,
    background: Iterable[FrameSource] = (),
    heard: Heard = lambda source, time_s: None,
) -> Taught:
    """Add an action, or more windows of it, to a file of taught actions.

    Args:
        model: The model to teach.
        name: The action's name; `nothing` for what is no action.
        sources: Recordings of the action.
        path: File of taught actions; made if it is missing.
        duration_s: Seconds to take of each source.
        background: Recordings of anything else, for a model that brings no background along and a
            file that has none yet.
        heard: Told of each frame of the action.

    Returns:
        All that is taught now.

    Raises:
        DataError: if the name is taken, there are too few windows or there is no background.
        SourceError: if a source cannot be read.
        OutputError: if the file cannot be written, or another process is changing it.
    """
    check_name(name, model)
    with changing(path):
        taught = read_taught(model, path) if path.exists() else None
        if taught is None:
            taught = Taught(model_checksum(model), _find_background(model, background, duration_s))
        windows = np.concatenate(
            [record_windows(model, s, duration_s=duration_s, heard=heard) for s in sources]
        )
        if len(windows) < MIN_WINDOWS:
            raise DataError(
                f"An action needs at least {MIN_WINDOWS} {_examples(model)}. Received "
                f"{len(windows)}. Record for longer, or give more pictures."
            )
        taught = taught.with_action(name, windows)
        write_taught(model, taught, path)
    return taught


def forget(model: LoadedModel, name: str, path: Path) -> None:
    """Take an action out of a file of taught actions.

    Raises:
        DataError: if the file is missing or damaged, or the action was not taught.
        OutputError: if the file cannot be written, or another process is changing it.
    """
    read_taught(model, path).without(name)  # what is wrong is said before anything is made
    with changing(path):
        write_taught(model, read_taught(model, path).without(name), path)


def _find_background(
    model: LoadedModel, sources: Iterable[FrameSource], duration_s: float
) -> Background:
    windows = [record_windows(model, source, duration_s=duration_s) for source in sources]
    if windows:
        return Background.of(np.concatenate(windows))
    packaged = packaged_background(model)
    if packaged is None:
        raise DataError(
            f"To be taught, {model.spec.name} needs examples of other scenes. This model comes "
            "without any. Give --background FOLDER with at least 100 pictures or videos of "
            "other things, ideally those that it was trained on."
        )
    return packaged


def _examples(model: LoadedModel) -> str:
    count = model.spec.clip.num_frames
    return "frames or pictures" if count == 1 else f"windows of {count} frames"
