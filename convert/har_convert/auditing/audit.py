"""What is inside a model file, TFLite or ONNX, ours or not."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from har_convert.auditing.findings import Audit
from har_convert.auditing.onnx import audit_onnx
from har_convert.auditing.runtimes import runtimes_for, try_runtime
from har_convert.auditing.tflite import audit_flatbuffer
from har_edge.errors import ModelFileError
from har_edge.paths import display_path


def audit(path: str | os.PathLike[str]) -> Audit:
    """Take a model file apart and try it in each runtime that is installed.

        >>> from har_edge.model.file import resolve_model
        >>> found = audit(resolve_model("clips"))
        >>> sorted(signature.name for signature in found.signatures)
        ['classify', 'encode']
        >>> found.flex_ops
        ()
        >>> found.runtimes["litert"]
        'loads and runs'

    Args:
        path: A `.tflite` or `.onnx` file, ours or not; of an ONNX pair either one.

    Returns:
        What was found; prints as `har-convert audit` prints it.

    Raises:
        ModelFileError: if it cannot be read or is no model.
    """
    path = Path(path)
    if path.suffix == ".onnx":
        return audit_onnx(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{display_path(path)} cannot be read: {error.strerror}.") from error
    found = audit_flatbuffer(content, display_path(path))
    answers = {name: try_runtime(name, [path]) for name in runtimes_for(path)}
    return replace(found, runtimes=answers)
