"""Teach a model an action from recorded windows, and keep what was taught.

A file of taught actions is an .npz of numbers and names, bound to its model by checksum: the
features of another model do not fit. It holds what was recorded and the background, and nothing
derived; see `har_edge.recognition.taught` for what is made of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.errors import DataError
from har_edge.files import write_whole
from har_edge.frames.preprocess import resize_frame
from har_edge.frames.sampling import FrameSampler
from har_edge.model.loaded import LoadedModel
from har_edge.paths import data_folder, display_path
from har_edge.recognition.prediction import UNKNOWN
from har_edge.recognition.taught import NOTHING, Background, Taught, TaughtModel, describe
from har_edge.sources.base import FrameSource
from har_edge.sources.clips import window_indices

SCHEMA_VERSION = 1
MIN_WINDOWS = 3
MAX_NAME_LENGTH = 60
# What reading a damaged .npz ends in.
BROKEN = (
    OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, NotImplementedError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def load_taught(model: LoadedModel, path: str | os.PathLike[str] | None = None) -> LoadedModel:
    """Add the taught actions to a model.

    Args:
        model: The model that they were taught to.
        path: Their file; None for the user's own, see `default_taught_path`, if there is one.

    Returns:
        The model with the actions; the model itself if there are none.

    Raises:
        DataError: if the file is missing, damaged or of another model.
    """
    if path is None and not default_taught_path(model).is_file():
        return model
    taught = read_taught(model, default_taught_path(model) if path is None else Path(path))
    return TaughtModel(model, taught) if taught.names else model


def default_taught_path(model: LoadedModel) -> Path:
    """Where the actions that the user taught to this model lie; the file need not exist."""
    return data_folder() / "taught" / f"{model.spec.name}-{_checksum(model)[:12]}.npz"


def read_taught(model: LoadedModel, path: Path) -> Taught:
    """Read a file of taught actions.

    Raises:
        DataError: if it is missing, damaged or of another model.
    """
    shown = display_path(path)
    try:
        about, arrays = _read(path)
        windows = {name: arrays[f"windows_{i}"] for i, name in enumerate(about["names"])}
        taught = Taught(str(about["model_sha256"]), _to_background(arrays), windows)
    except FileNotFoundError as error:
        raise DataError(
            f"There is no file of taught actions {shown}. Make it with: har-edge teach NAME "
            f"SOURCES --taught {shown}"
        ) from error
    except BROKEN as error:
        raise DataError(
            f"{shown} holds no taught actions that can be read ({error}). Teach them again."
        ) from error
    if taught.model_sha256 != _checksum(model):
        raise DataError(
            f"The actions in {shown} were taught to another model than "
            f"{display_path(model.path)} ({about.get('model', '?')}, checksum "
            f"{taught.model_sha256[:12]}, not {_checksum(model)[:12]}), and features of one do not "
            "fit another. Choose that --model, or teach them to this one in another --taught FILE."
        )
    _check(taught, model, shown)
    return taught


def _check(taught: Taught, model: LoadedModel, shown: str) -> None:
    """Refuse arrays that do not fit together, or names that the model has."""
    size = described_size(model)
    background = taught.background
    shapes = [background.mean[np.newaxis], background.directions, *taught.windows.values()]
    fits = (
        all(a.ndim == 2 and len(a) and a.shape[1] == size for a in shapes)
        and background.variances.shape == background.directions.shape[:1]
        and all(np.isfinite(a).all() for a in (*shapes, background.variances))
        and background.residual > 0
        and (background.variances > 0).all()
    )
    if not fits:
        raise DataError(
            f"{shown} should hold windows of {size} finite numbers. Received others; it was "
            "changed or damaged. Teach the actions again."
        )
    for name in taught.names:
        check_name(name, model)


def check_name(name: str, model: LoadedModel) -> None:
    """Refuse a name that no taught action of this model can have.

    Raises:
        DataError: if the model has it already, or it is no printable line of a label's length.
    """
    if not name.isprintable() or name != name.strip() or not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise DataError(
            f"The name of an action is one line of 1 to {MAX_NAME_LENGTH} printable characters. "
            f"Received {name!r}."
        )
    if name in model.spec.labels or name == UNKNOWN:
        raise DataError(
            f"'{name}' is an action that {model.spec.name} knows already. Choose another name."
        )


def write_taught(model: LoadedModel, taught: Taught, path: Path) -> None:
    """Write a file of taught actions, whole or not at all.

    Raises:
        OutputError: if it cannot be written.
    """
    about = {
        "schema_version": SCHEMA_VERSION,
        "model": model.spec.name,
        "model_sha256": taught.model_sha256,
        "names": list(taught.windows),
    }
    windows = {f"windows_{i}": w for i, w in enumerate(taught.windows.values())}
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {**_from_background(taught.background), **windows}
    np.savez_compressed(buffer, about=json.dumps(about), **arrays)
    write_whole(path, buffer.getbuffer(), parents=True, advice="Give another --taught FILE.")


def record_windows(model: LoadedModel, source: FrameSource, *, duration_s: float) -> FloatArray:
    """Encode a source and describe its windows, a quarter of a window apart.

    Args:
        model: What encodes.
        source: Stills, a video or a camera; of a video shorter than a window the first frame is
            repeated, as in training.
        duration_s: Seconds of the source's own time after which to stop.

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


def packaged_background(model: LoadedModel) -> Background | None:
    """The background that comes with a bundled model; None for any other."""
    path = Path(__file__).parents[1] / "model" / "bundled" / f"{model.spec.name}-background.npz"
    if not path.is_file():
        return None
    about, arrays = _read(path)
    return _to_background(arrays) if about["model_sha256"] == _checksum(model) else None


def write_background(model: LoadedModel, background: Background, path: Path) -> None:
    """Write a background as the package carries it, at half precision."""
    about = json.dumps({"model": model.spec.name, "model_sha256": _checksum(model)})
    arrays: dict[str, Any] = _from_background(background)
    with path.open("wb") as file:
        np.savez_compressed(file, about=about, **arrays)


def teach(
    model: LoadedModel,
    name: str,
    sources: Iterable[FrameSource],
    path: Path,
    *,
    duration_s: float,
    background: Iterable[FrameSource] = (),
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

    Returns:
        All that is taught now.

    Raises:
        DataError: if the name is taken, there are too few windows or there is no background.
        SourceError: if a source cannot be read.
        OutputError: if the file cannot be written.
    """
    check_name(name, model)
    taught = read_taught(model, path) if path.exists() else None
    if taught is None:
        taught = Taught(_checksum(model), _find_background(model, background, duration_s))
    windows = np.concatenate([record_windows(model, s, duration_s=duration_s) for s in sources])
    if len(windows) < MIN_WINDOWS:
        raise DataError(
            f"An action is taught by at least {MIN_WINDOWS} {_examples(model)}. Received "
            f"{len(windows)}. Record for longer, or give more pictures."
        )
    taught = taught.with_action(name, windows)
    write_taught(model, taught, path)
    return taught


def report(taught: Taught, name: str) -> str:
    """Say what a model knows now, and how much alike the windows of an action are."""
    count = len(taught.windows[name])
    if name == NOTHING:
        return f"Learned from {count} windows what is no action here."
    found = taught.recognised_from_others(name)
    line = (
        f"Learned '{name}' from {count} windows; {found} of them would be recognised from the "
        "others."
    )
    if found < count / 2:
        line += (
            " They are little alike, or look like other actions: record more of them, with the "
            "person as large as in use."
        )
    return line


def _find_background(
    model: LoadedModel, sources: Iterable[FrameSource], duration_s: float
) -> Background:
    windows = [record_windows(model, source, duration_s=duration_s) for source in sources]
    if windows:
        return Background.of(np.concatenate(windows))
    packaged = packaged_background(model)
    if packaged is None:
        raise DataError(
            f"To teach {model.spec.name}, it must be known what other scenes look like, and this "
            "model brings nothing along. Give --background FOLDER with at least 100 pictures or "
            "videos of other things, best those that it was trained on."
        )
    return packaged


def described_size(model: LoadedModel) -> int:
    """Length of a described window of this model."""
    return model.spec.feature_size * (1 if model.spec.clip.num_frames == 1 else 2)


def _examples(model: LoadedModel) -> str:
    count = model.spec.clip.num_frames
    return "frames or pictures" if count == 1 else f"windows of {count} frames"


def _checksum(model: LoadedModel) -> str:
    return model.spec.model_sha256 or hashlib.sha256(model.path.read_bytes()).hexdigest()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        return about, {name: file[name].astype(np.float32) for name in file if name != "about"}


def _from_background(background: Background) -> dict[str, Any]:
    return {
        "mean": background.mean.astype(np.float16),
        "directions": background.directions.astype(np.float16),
        "variances": background.variances,
        "residual": np.float32(background.residual),
    }


def _to_background(arrays: dict[str, Any]) -> Background:
    return Background(
        arrays["mean"], arrays["directions"], arrays["variances"], float(arrays["residual"])
    )
