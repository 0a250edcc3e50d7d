"""Teach a model an action from recorded windows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.errors import DataError
from har_edge.frames.preprocess import resize_frame
from har_edge.frames.sampling import FrameSampler
from har_edge.model.loaded import LoadedModel
from har_edge.people.locate import PeopleParts
from har_edge.recognition.finding import find_own_people
from har_edge.recognition.people import check_view, new_looker
from har_edge.recognition.taught import MIN_WINDOWS, Background, Taught, describe
from har_edge.recognition.taught_file import (
    changing,
    check_name,
    described_size,
    model_checksum,
    packaged_background,
    read_taught,
    write_taught,
)
from har_edge.recognition.teachable import Lesson, TeachableModel
from har_edge.sources.base import FrameSource
from har_edge.sources.clips import window_indices

# Told of each frame that is recorded: its source, and its time in it, in seconds.
Heard = Callable[[FrameSource, float], object]


def record_windows(
    model: LoadedModel,
    source: FrameSource,
    *,
    duration_s: float,
    people: PeopleParts | None = None,
    heard: Heard = lambda source, time_s: None,
) -> FloatArray:
    """Encode a source and describe its windows, a quarter of a window apart.

    Args:
        model: What encodes.
        source: Stills, a video or a camera; of a video shorter than a window the first frame is
            repeated, as in training.
        duration_s: Seconds of the source's own time after which to stop.
        people: What finds people, for a model that needs it: then the windows are those of the
            largest person.
        heard: Told of each frame.

    Returns:
        (M, D), see `har_edge.recognition.taught.describe`; M is at least 1, but for people, of whom
        none may be in view.

    Raises:
        SourceError: if the source cannot be read.
        DataError: if it gives no frame.
        ModelFileError: if the model needs people and nothing finds them.
    """
    check_view(model.spec, people)
    if people is not None:
        return _record_person(model, source, people, duration_s, heard)
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


def _record_person(
    model: LoadedModel, source: FrameSource, people: PeopleParts, duration_s: float, heard: Heard
) -> FloatArray:
    """Describe the windows of the largest person, (M, D), as they are when a run classifies them.

    Who is in view for less than a window all the time has a single one, with the first frame
    repeated.
    """
    spec = model.spec
    listening = TeachableModel(model, model)
    listening.listening = True
    lesson, last = Lesson(spec.clip.num_frames, duration_s), None
    windows: Sequence[FloatArray] = ()
    looker = new_looker(listening, people)
    with contextlib.closing(source.frames(FrameSampler(spec.clip.frame_rate_hz))) as frames:
        for frame in frames:
            if frame.timestamp_s > duration_s:
                break
            heard(source, frame.timestamp_s)
            last = looker.look(frame)
            windows = listening.heard()
            lesson.take(last.frame, last.predictions, windows)
    if last is not None and not lesson.windows:
        # Who was answered for early is not answered for again at the end.
        said = looker.finish() or [p for p in last.predictions if p.person is not None]
        lesson.take_short(last.frame, said, listening.heard() or windows)
    return lesson.stacked() if lesson.windows else np.zeros((0, described_size(model)), np.float32)


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

    Where the model needs people, its own network or the bundled one finds them.

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
    people = find_own_people(model) if model.spec.needs_people else None
    with changing(path):
        taught = read_taught(model, path) if path.exists() else None
        if taught is None:
            others = [
                record_windows(model, s, duration_s=duration_s, people=people) for s in background
            ]
            taught = Taught(model_checksum(model), _find_background(model, others))
        windows = np.concatenate(
            [
                record_windows(model, s, duration_s=duration_s, people=people, heard=heard)
                for s in sources
            ]
        )
        if len(windows) < MIN_WINDOWS:
            seen = "" if people is None else ", with somebody in view"
            raise DataError(
                f"An action needs at least {MIN_WINDOWS} {_examples(model)}. Received "
                f"{len(windows)}. Record for longer{seen}, or give more pictures."
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


def _find_background(model: LoadedModel, windows: Sequence[FloatArray]) -> Background:
    """Make the background of windows of other scenes; without any it is the packaged one."""
    if any(len(part) for part in windows):
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
