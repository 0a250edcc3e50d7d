"""Model files: a network with `har.json` and `labels.txt` appended to it.

A TFLite file carries them as a zip, the layout of TFLite metadata's associated files:
`unzip -l model.tflite` lists them, and runtimes ignore them. An ONNX model is a pair of files,
`NAME.encode.onnx` and `NAME.classify.onnx`, that carry them in `metadata_props`; of a model that
looks at no pixels it is `NAME.classify.onnx` alone. All of it is data only; nothing in it is ever
executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from har_edge.errors import ModelFileError, SpecError
from har_edge.model.formats import is_flatbuffer
from har_edge.model.onnx_metadata import append_metadata, read_metadata
from har_edge.model.spec import ModelSpec
from har_edge.paths import display_path

SPEC_NAME = "har.json"
LABELS_NAME = "labels.txt"
BUNDLED = ("har15", "clips", "poses")
DEFAULT_MODEL = "har15"
BUNDLED_FOLDER = Path(__file__).resolve().parent / "bundled"

ONNX_SUFFIXES = (".encode.onnx", ".classify.onnx")
# A fixed date makes equal models equal files; 1980 is the oldest a zip can hold.
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
# Above these a file is no model for a small machine; ours have a few MB and a few KB.
MAX_FILE_BYTES = 1 << 30
MAX_ATTACHED_BYTES = 4 << 20


@dataclass(frozen=True)
class ModelFile:
    """A model file in memory: its spec, and the network.

    Attributes:
        path: The file; of an ONNX pair the one with `encode`.
        spec: What it says about itself.
        networks: One TFLite flatbuffer, or the ONNX networks of the signatures.
        size_bytes: Size on disk.
    """

    path: Path
    spec: ModelSpec
    networks: tuple[bytes, ...]
    size_bytes: int

    @property
    def is_onnx(self) -> bool:
        """Whether the networks are ONNX."""
        return self.path.suffix == ".onnx"

    @property
    def flatbuffer(self) -> bytes:
        """The network of a TFLite file."""
        return self.networks[0]


def resolve_model(model: str | os.PathLike[str] | None) -> Path:
    """Turn a bundled name (`har15`, `clips`), a path or None (the default) into a path.

    Of a folder it is the one model in it, or the one int8 `.tflite` file among several.

    Raises:
        ModelFileError: if there is no such file, or the choice in a folder is ambiguous.
    """
    name = os.fspath(model) if model is not None else DEFAULT_MODEL
    if name in BUNDLED and not Path(name).is_file():
        path = BUNDLED_FOLDER / f"{name}-int8.tflite"
        if path.is_file():
            return path
        raise ModelFileError(
            f"The bundled model '{name}' is missing from this installation. Reinstall har-edge."
        )
    path = Path(name)
    if path.is_dir():
        return model_in_folder(path)
    if name == "people" and not path.is_file():
        raise ModelFileError(
            "A model should know actions. Received people, which finds people for one: give it "
            "as --people people."
        )
    if not path.is_file():
        raise ModelFileError(
            f"There is no model {display_path(path)}. Give a file made by har-convert, or the "
            f"name of a bundled model: {', '.join(BUNDLED)}."
        )
    return path


def available_models() -> list[str]:
    """Names of the bundled models, the default first.

    Example:
        >>> available_models()
        ['har15', 'clips', 'poses']
    """
    return list(BUNDLED)


def models_in(folder: str | os.PathLike[str]) -> list[Path]:
    """The model files in a folder, by name; of an ONNX pair the one with `encode`."""
    files = sorted(p for p in Path(folder).iterdir() if p.is_file())
    return [p for p in files if p.suffix == ".tflite" or _leads(p)]


def _leads(path: Path) -> bool:
    """Whether a file names an ONNX model: it has `encode`, or there is none beside it."""
    encode, classify = ONNX_SUFFIXES
    alone = path.name.endswith(classify) and not model_parts(path)[0].is_file()
    return path.name.endswith(encode) or alone


def model_in_folder(folder: str | os.PathLike[str]) -> Path:
    """Find the model of a folder: the only one, or the only int8 `.tflite` file among several.

    Raises:
        ModelFileError: if there is none, or the choice is ambiguous.
    """
    found = models_in(folder)
    if len(found) > 1:
        flatbuffers = [p for p in found if p.suffix == ".tflite"]
        best = [p for p in flatbuffers if read_model_file(p).spec.variant == "int8"]
        found = best if len(best) == 1 else found
    if len(found) == 1:
        return found[0]
    shown = display_path(folder)
    if not found:
        raise ModelFileError(
            f"{shown} is a folder that should contain a .tflite or .onnx model. Received none. "
            f"If it is a run folder, convert it: har-convert {shown} --int8"
        )
    raise ModelFileError(
        f"{shown} should contain one model, or one int8 .tflite file among others. Received "
        f"{', '.join(p.name for p in found)}. Give the file itself."
    )


def read_model_file(path: str | os.PathLike[str]) -> ModelFile:
    """Read a model file and check that it is complete.

    Args:
        path: A `.tflite` file, or one of an ONNX model.

    Raises:
        ModelFileError: if it is unreadable, not a model of these kinds, cut short, changed, or
            has no har-edge spec.
        SpecError: if its spec is broken or of another schema version.
    """
    path = Path(path)
    if path.suffix == ".onnx":
        return _read_onnx(path)
    content, shown = _read(path), display_path(path)
    if not is_flatbuffer(content):
        raise ModelFileError(
            f"{shown} is not a TFLite model. Expected a .tflite file made by har-convert. "
            f"Received {len(content)} bytes that start with {content[:8]!r}. Check the path."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            attached = {name: read_attached(archive, name) for name in (SPEC_NAME, LABELS_NAME)}
    # A damaged zip makes zipfile raise a dozen kinds, of zlib and of struct among them.
    except Exception as error:
        raise ModelFileError(
            f"{shown} is a TFLite file without a har-edge spec, or it was cut short. Expected "
            "har.json and labels.txt at its end. Make the file with har-convert, or copy it "
            "again."
        ) from error
    spec = _read_spec(attached[SPEC_NAME], attached[LABELS_NAME], shown)
    return ModelFile(path, spec, (_network(content, spec, shown),), len(content))


def read_attached(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read an attached file, never more than its limit, whatever the directory says of it."""
    info = archive.getinfo(name)
    # Other methods unpack all that is there at once, however much one asks for.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile(f"{name} is packed in a way that no model file is")
    if info.file_size > MAX_ATTACHED_BYTES:
        raise zipfile.BadZipFile(f"{name} has {info.file_size} bytes")
    with archive.open(info) as file:
        text = file.read(MAX_ATTACHED_BYTES + 1)
        if len(text) != info.file_size or file.read(1):
            raise zipfile.BadZipFile(f"{name} is not as long as the directory says")
    return text


def model_parts(path: Path) -> list[Path]:
    """Name the files of a model: one `.tflite` file, or both of an ONNX pair.

    The first of a pair need not be there: see `ModelSpec.encodes`.

    Raises:
        ModelFileError: if an `.onnx` file is none of a pair.
    """
    if path.suffix != ".onnx":
        return [path]
    suffix = next((s for s in ONNX_SUFFIXES if path.name.endswith(s)), None)
    if suffix is None:
        raise ModelFileError(
            f"{display_path(path)} should be one of a pair of files that end in "
            f"{' and '.join(ONNX_SUFFIXES)}. Make them with har-convert --onnx."
        )
    return [path.with_name(path.name.removesuffix(suffix) + s) for s in ONNX_SUFFIXES]


def _read_onnx(path: Path) -> ModelFile:
    pair = model_parts(path)
    own = _read_onnx_part(path)
    if path == pair[1] and not own.spec.encodes:
        return own
    first, second = (own if part == path else _read_onnx_part(part) for part in pair)
    one, other = (part.spec.with_(model_bytes=0, model_sha256="") for part in (first, second))
    if one != other or not one.encodes:
        raise ModelFileError(
            f"{pair[0].name} and {pair[1].name} in {display_path(path.parent)} belong to "
            "different models. Copy both files of the same model there."
        )
    networks, size = first.networks + second.networks, first.size_bytes + second.size_bytes
    return ModelFile(pair[0], first.spec, networks, size)


def _read_onnx_part(path: Path) -> ModelFile:
    """Read one of the files of an ONNX model."""
    content, shown = _read(path), display_path(path)
    try:
        attached = read_metadata(content)
        spec_text, labels = attached[SPEC_NAME], attached[LABELS_NAME]
        if max(len(spec_text), len(labels)) > MAX_ATTACHED_BYTES:
            raise ValueError(f"more than {MAX_ATTACHED_BYTES} bytes are attached")
    except (KeyError, ValueError) as error:
        raise ModelFileError(
            f"{shown} is not an ONNX file with a har-edge spec, or it was cut short "
            f"({error}). Make it with har-convert --onnx, or copy it again."
        ) from error
    spec = _read_spec(spec_text.encode(), labels.encode(), shown)
    return ModelFile(path, spec, (_network(content, spec, shown),), len(content))


def bundled_models_with(labels: Sequence[str]) -> list[str]:
    """Names of the bundled models that know all of some labels; of those that can be read."""
    found = []
    for name in BUNDLED:
        with contextlib.suppress(ModelFileError, SpecError):
            if set(labels) <= set(read_model_file(resolve_model(name)).spec.labels):
                found.append(name)
    return found


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= MAX_FILE_BYTES:
                return file.read(size)
    except OSError as error:
        raise ModelFileError(f"{display_path(path)} cannot be read: {error.strerror}.") from error
    raise ModelFileError(
        f"{display_path(path)} should be a model of at most {MAX_FILE_BYTES} bytes. "
        f"Received {size}. Check the path."
    )


def _read_spec(text: bytes, labels: bytes, shown: str) -> ModelSpec:
    spec = ModelSpec.from_json(text, where=shown)
    if labels.decode("utf-8", errors="replace").splitlines() != list(spec.labels):
        raise ModelFileError(
            f"labels.txt and har.json in {shown} should agree. They differ. "
            "Convert the model again."
        )
    return spec


def _network(content: bytes, spec: ModelSpec, shown: str) -> bytes:
    """Cut the network off what is appended to it, and check it."""
    network = content[: spec.model_bytes] if spec.model_bytes else content
    if spec.model_sha256 and hashlib.sha256(network).hexdigest() != spec.model_sha256:
        raise ModelFileError(f"{shown} was changed or damaged after it was made. Copy it again.")
    return network


def pack_model_file(flatbuffer: bytes, spec: ModelSpec) -> bytes:
    """Append spec and labels to a TFLite flatbuffer; equal input gives equal bytes.

    Args:
        flatbuffer: The network with the signatures `encode` and `classify`, or the latter alone.
        spec: What the file will say about itself; size and checksum are filled in.

    Returns:
        The content of the model file.

    Raises:
        ModelFileError: if `flatbuffer` is not a TFLite model.
    """
    if not is_flatbuffer(flatbuffer):
        raise ModelFileError(
            "Expected a TFLite flatbuffer. Received something else. Make the file with har-convert."
        )
    buffer = io.BytesIO()
    buffer.write(flatbuffer)
    # Opened for appending, zipfile counts its offsets from the start of the whole file,
    # which is what `unzip` and other readers expect.
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for name, text in _attachments(flatbuffer, spec).items():
            archive.writestr(zipfile.ZipInfo(name, ZIP_DATE), text)
    return buffer.getvalue()


def pack_onnx_file(network: bytes, spec: ModelSpec) -> bytes:
    """Append spec and labels to an ONNX network, as `pack_model_file` does for TFLite.

    Keys that other tools show are added: name, description, license, version.
    """
    plain = {
        "name": spec.name,
        "description": spec.description,
        "license": spec.license,
        "version": str(spec.schema_version),
    }
    return append_metadata(network, {**plain, **_attachments(network, spec)})


def _attachments(network: bytes, spec: ModelSpec) -> dict[str, str]:
    digest = hashlib.sha256(network).hexdigest()
    spec = spec.with_(model_bytes=len(network), model_sha256=digest)
    return {LABELS_NAME: "\n".join(spec.labels) + "\n", SPEC_NAME: spec.to_json()}
