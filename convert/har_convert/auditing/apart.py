"""Take a model file apart: `python -m har_convert.auditing.apart FILE`, for `audit` alone.

A program of its own, for LiteRT, which says what XNNPACK runs, may end the process on a file that
it does not understand.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from har_convert.auditing.onnx import audit_onnx
from har_convert.auditing.tflite import audit_flatbuffer
from har_edge.children import answer_parent
from har_edge.errors import ModelFileError
from har_edge.paths import display_path

# Memory that it may take beside this many times the file.
LIMIT_BYTES, LIMIT_TIMES = 2 << 30, 16


def main() -> None:
    """Give what is found as JSON."""
    path = Path(sys.argv[1])
    size = path.stat().st_size if path.is_file() else 0
    answer_parent(lambda: _take_apart(path), LIMIT_BYTES + LIMIT_TIMES * size)


def _take_apart(path: Path) -> bytes:
    if path.suffix == ".onnx":
        found = audit_onnx(path)
    else:
        try:
            content = path.read_bytes()
        except OSError as error:
            shown = display_path(path)
            raise ModelFileError(f"{shown} cannot be read: {error.strerror}.") from error
        found = audit_flatbuffer(content, display_path(path))
    return json.dumps(found.as_dict()).encode()


if __name__ == "__main__":
    main()
