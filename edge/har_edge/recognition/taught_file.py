"""The file of taught actions, and the backgrounds that the package carries.

It is an .npz of numbers and names, bound to its model by checksum: the features of another model
do not fit. It holds what was recorded and the background, and nothing derived; see
`har_edge.recognition.taught` for what is made of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from har_edge.errors import DataError, OutputError
from har_edge.exclusive import one_at_a_time
from har_edge.files import make_folder, sweep, write_whole
from har_edge.model.loaded import LoadedModel
from har_edge.npz import read_arrays
from har_edge.paths import data_folder, display_path
from har_edge.recognition.prediction import UNKNOWN
from har_edge.recognition.taught import Background, Taught, TaughtModel
from har_edge.visible import visible

SCHEMA_VERSION = 1
MAX_NAME_LENGTH = 60
ADVICE = "Give another --taught FILE."
# Far beyond what anybody teaches: 26,000 windows of the larger bundled model take as much.
MAX_BYTES = 256 << 20
MAX_ARRAYS = 1000
# Kinds of the arrays in it: numbers, and the text about them. Others may be pointers.
KINDS = "fU"


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
    """Where the actions that the user taught to this model are stored; the file need not exist."""
    return data_folder() / "taught" / f"{model.spec.name}-{model_checksum(model)[:12]}.npz"


def read_taught(model: LoadedModel, path: Path) -> Taught:
    """Read a file of taught actions.

    Raises:
        DataError: if it is missing, damaged or of another model.
    """
    shown = display_path(path)
    try:
        about, arrays = _read(path)
        names = [str(name) for name in about["names"]]
        if len(set(names)) != len(names):
            raise ValueError("a name occurs twice")
        windows = {name: arrays[f"windows_{i}"] for i, name in enumerate(names)}
        taught = Taught(str(about["model_sha256"]), _to_background(arrays), windows)
        made_for = visible(str(about.get("model", "?")))[:MAX_NAME_LENGTH]
    except FileNotFoundError as error:
        raise DataError(
            f"There is no file of taught actions at {shown}. Create it with: har-edge teach "
            f"NAME SOURCES --taught {shown}"
        ) from error
    # A damaged or hostile .npz makes zipfile, zlib, NumPy and JSON raise a dozen kinds.
    except Exception as error:
        reason = visible(str(error) or type(error).__name__)[:200]
        raise DataError(
            f"{shown} does not contain readable taught actions ({reason}). Teach them again."
        ) from error
    checksum = model_checksum(model)
    if taught.model_sha256 != checksum:
        raise DataError(
            f"The actions in {shown} should have been taught to {display_path(model.path)}. "
            f"They were taught to another model ({made_for}, checksum "
            f"{visible(taught.model_sha256[:12])}, not {checksum[:12]}), and the features of one "
            "model do not fit another. Use that --model, or teach them to this one in another "
            "--taught FILE."
        )
    _check(taught, model, shown)
    return taught


def taught_to(path: str | os.PathLike[str]) -> str:
    """Name the model that a file of taught actions belongs to; "" if it cannot be read."""
    try:
        return str(_read(Path(path))[0]["model"])
    # What damage raises: see `read_taught`.
    except Exception:
        return ""


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
            f"{shown} should contain windows of {size} finite numbers. Received others, so it "
            "was changed or damaged. Teach the actions again."
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
            f"The name of an action should be a single line of 1 to {MAX_NAME_LENGTH} printable "
            f"characters. Received {name!r}. Choose another name."
        )
    if name in model.spec.labels or name == UNKNOWN:
        raise DataError(f"{model.spec.name} already knows an action '{name}'. Choose another name.")


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
    write_whole(path, buffer.getbuffer(), private=True, parents=True, advice=ADVICE)


@contextlib.contextmanager
def changing(path: Path) -> Iterator[None]:
    """Keep other processes from changing a file of taught actions meanwhile.

    Raises:
        OutputError: if another one is at it, or the file's folder cannot be made.
    """
    try:
        make_folder(path.parent, private=True)
    except OSError as error:
        raise OutputError(
            f"{display_path(path)} cannot be written: {error.strerror}. {ADVICE}"
        ) from error
    with one_at_a_time(path, ADVICE):
        sweep(path.parent)
        yield


def packaged_background(model: LoadedModel) -> Background | None:
    """The background that comes with a bundled model; None for any other."""
    path = Path(__file__).parents[1] / "model" / "bundled" / f"{model.spec.name}-background.npz"
    if not path.is_file():
        return None
    about, arrays = _read(path)
    return _to_background(arrays) if about["model_sha256"] == model_checksum(model) else None


def write_background(model: LoadedModel, background: Background, path: Path) -> None:
    """Write a background as the package carries it, at half precision."""
    about = json.dumps({"model": model.spec.name, "model_sha256": model_checksum(model)})
    arrays: dict[str, Any] = _from_background(background)
    with path.open("wb") as file:
        np.savez_compressed(file, about=about, **arrays)


def described_size(model: LoadedModel) -> int:
    """Length of a described window of this model."""
    return model.spec.row_size * (2 if model.spec.clip.windowed else 1)


def model_checksum(model: LoadedModel) -> str:
    """SHA-256 of the model, by its spec or by its file, in hexadecimal."""
    return model.spec.model_sha256 or hashlib.sha256(model.path.read_bytes()).hexdigest()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the text and the arrays of a file, never more than its limits, whatever it says."""
    parts = read_arrays(path, most_bytes=MAX_BYTES, most_arrays=MAX_ARRAYS, kinds=KINDS)
    about = json.loads(str(parts.pop("about")))
    # What does not fit a float becomes infinite, and is refused as such.
    with np.errstate(over="ignore"):
        return about, {name: array.astype(np.float32) for name, array in parts.items()}


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
