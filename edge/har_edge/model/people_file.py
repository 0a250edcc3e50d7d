"""Files with a `locate` network alone: a TFLite network with `har.json` appended to it."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path

from har_edge.errors import ModelFileError
from har_edge.model.file import SPEC_NAME, ZIP_DATE, read_attached
from har_edge.model.formats import is_flatbuffer
from har_edge.model.people_spec import PeopleSpec
from har_edge.paths import display_path

MAX_FILE_BYTES = 1 << 30


def pack_people_file(flatbuffer: bytes, spec: PeopleSpec) -> bytes:
    """Append a spec to a TFLite flatbuffer; equal input gives equal bytes.

    Args:
        flatbuffer: The network with the signature `locate`.
        spec: What the file will say about itself; size and checksum are filled in.

    Raises:
        ModelFileError: if `flatbuffer` is not a TFLite model.
    """
    if not is_flatbuffer(flatbuffer):
        raise ModelFileError(
            "Expected a TFLite flatbuffer. Received something else. Make the file with har-convert."
        )
    digest = hashlib.sha256(flatbuffer).hexdigest()
    spec = replace(spec, model_bytes=len(flatbuffer), model_sha256=digest)
    buffer = io.BytesIO()
    buffer.write(flatbuffer)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(SPEC_NAME, ZIP_DATE), spec.to_json())
    return buffer.getvalue()


def read_people_file(path: str | os.PathLike[str]) -> tuple[PeopleSpec, bytes]:
    """Read a file's spec and network, and check that it is complete.

    Raises:
        ModelFileError: if it is unreadable, no such file, cut short or changed.
        SpecError: if its spec is broken, or of another kind.
    """
    path, shown = Path(path), display_path(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelFileError(f"{shown} should have at most {MAX_FILE_BYTES} bytes.")
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{shown} cannot be read: {error.strerror}.") from error
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            text = read_attached(archive, SPEC_NAME)
    # A damaged zip makes zipfile raise a dozen kinds, of zlib and of struct among them.
    except Exception as error:
        raise ModelFileError(
            f"{shown} is a file without a har-edge spec, or it was cut short. Expected har.json "
            "at its end. Make the file with har-convert, or copy it again."
        ) from error
    spec = PeopleSpec.from_json(text, where=shown)
    network = content[: spec.model_bytes] if spec.model_bytes else content
    if spec.model_sha256 and hashlib.sha256(network).hexdigest() != spec.model_sha256:
        raise ModelFileError(f"{shown} was changed or damaged after it was made. Copy it again.")
    return spec, network
