"""What is inside a model file, TFLite or ONNX, ours or not."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from har_convert.auditing.findings import Audit
from har_convert.auditing.onnx import import_onnx, pair_of
from har_convert.auditing.runtimes import LOAD_TIMEOUT_S, runtimes_for, try_runtime
from har_edge.children import ask_child
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
    parts = [path]
    if path.suffix == ".onnx":
        import_onnx()
        parts = list(pair_of(path).values())
    answer = ask_child(
        "har_convert.auditing.apart",
        [os.fspath(path)],
        ModelFileError,
        shown=display_path(path),
        limit_s=LOAD_TIMEOUT_S,
    )
    answers = {name: try_runtime(name, parts) for name in runtimes_for(path)}
    return replace(Audit.from_json(answer), runtimes=answers)
