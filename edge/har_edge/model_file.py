"""The model file: a TFLite flatbuffer with `har.json` and `labels.txt` zipped onto its end.

That is the layout of TFLite metadata's associated files: `unzip -l model.tflite` lists
them, and runtimes ignore them. The file is data only; nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

from har_edge.errors import ModelFileError
from har_edge.preprocess import display_path
from har_edge.spec import ModelSpec

SPEC_NAME = "har.json"
LABELS_NAME = "labels.txt"
BUNDLED = ("har15", "clips")
DEFAULT_MODEL = "har15"

# Bytes 4 to 8 of every TFLite flatbuffer. Source: TFLite schema, `file_identifier`.
FLATBUFFER_ID = b"TFL3"
# A fixed date makes equal models equal files; 1980 is the oldest a zip can hold.
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ModelFile:
    """A model file in memory: what it says of itself, and the network."""

    path: Path
    spec: ModelSpec
    flatbuffer: bytes
    size_bytes: int


def resolve_model(model: str | os.PathLike[str] | None) -> Path:
    """Turn a bundled name (`har15`, `clips`), a path or None (the default) into a path.

    Raises:
        ModelFileError: if there is no such file.
    """
    name = os.fspath(model) if model is not None else DEFAULT_MODEL
    if name in BUNDLED and not Path(name).is_file():
        path = Path(__file__).parent / "models" / f"{name}-int8.tflite"
        if path.is_file():
            return path
        raise ModelFileError(
            f"The bundled model '{name}' is missing from this installation. Reinstall har-edge."
        )
    path = Path(name)
    if path.is_dir():
        raise ModelFileError(
            f"{display_path(path)} is a folder. Expected a .tflite file; "
            "har-convert makes one out of a run folder."
        )
    if not path.is_file():
        raise ModelFileError(
            f"There is no model {display_path(path)}. Give a .tflite file made by har-convert, "
            f"or one of the bundled names: {', '.join(BUNDLED)}."
        )
    return path


def read_model_file(path: str | os.PathLike[str]) -> ModelFile:
    """Read a model file and check that it is whole.

    Raises:
        ModelFileError: if it is unreadable, no TFLite file, cut short, changed, or carries
            no spec of ours.
        SpecError: if its spec is broken or of another schema version.
    """
    path = Path(path)
    shown = display_path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{shown} cannot be read: {error.strerror}.") from error
    if content[4:8] != FLATBUFFER_ID:
        raise ModelFileError(
            f"{shown} is not a TFLite model. Expected a .tflite file made by har-convert, "
            f"received {len(content)} bytes that start with {content[:8]!r}."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            spec = ModelSpec.from_json(archive.read(SPEC_NAME), where=shown)
            labels = tuple(archive.read(LABELS_NAME).decode("utf-8").splitlines())
    except (zipfile.BadZipFile, KeyError, OSError, UnicodeDecodeError) as error:
        raise ModelFileError(
            f"{shown} is a TFLite file without a har-edge spec, or it was cut short. "
            "Expected har.json and labels.txt at its end; make the file with har-convert, "
            "or copy it again."
        ) from error
    if labels != spec.labels:
        raise ModelFileError(f"{shown}: labels.txt and har.json differ. Convert the model again.")
    flatbuffer = content[: spec.model_bytes] if spec.model_bytes else content
    if spec.model_sha256 and hashlib.sha256(flatbuffer).hexdigest() != spec.model_sha256:
        raise ModelFileError(f"{shown} was changed or damaged after it was made. Copy it again.")
    return ModelFile(path=path, spec=spec, flatbuffer=flatbuffer, size_bytes=len(content))


def pack_model_file(flatbuffer: bytes, spec: ModelSpec) -> bytes:
    """Append spec and labels to a TFLite flatbuffer; equal input gives equal bytes.

    Args:
        flatbuffer: The network with the signatures `encode` and `classify`.
        spec: What the file shall say of itself; size and checksum are filled in.

    Returns:
        The content of the model file.

    Raises:
        ModelFileError: if `flatbuffer` is no TFLite model.
    """
    if flatbuffer[4:8] != FLATBUFFER_ID:
        raise ModelFileError("Expected a TFLite flatbuffer. Received something else.")
    digest = hashlib.sha256(flatbuffer).hexdigest()
    spec = spec.with_(model_bytes=len(flatbuffer), model_sha256=digest)
    buffer = io.BytesIO()
    buffer.write(flatbuffer)
    # Opened for appending, zipfile counts its offsets from the start of the whole file,
    # which is what `unzip` and other readers expect.
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(LABELS_NAME, ZIP_DATE), "\n".join(spec.labels) + "\n")
        archive.writestr(zipfile.ZipInfo(SPEC_NAME, ZIP_DATE), spec.to_json())
    return buffer.getvalue()
