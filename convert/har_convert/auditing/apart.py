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
from har_edge.errors import HarError, ModelFileError
from har_edge.paths import display_path

# Memory that it may take beside this many times the file.
LIMIT_BYTES, LIMIT_TIMES = 2 << 30, 16


def main() -> None:
    """Give what is found as JSON."""
    path = Path(sys.argv[1])
    size = path.stat().st_size if path.is_file() else 0
    answer_parent(lambda: take_apart(path), LIMIT_BYTES + LIMIT_TIMES * size)


def take_apart(path: Path) -> bytes:
    """Take a file apart: the `Audit` as JSON.

    Raises:
        ModelFileError: if it cannot be read, is no model or a damaged one.
    """
    shown = display_path(path)
    try:
        if path.suffix == ".onnx":
            found = audit_onnx(path)
        else:
            found = audit_flatbuffer(path.read_bytes(), shown)
        return json.dumps(found.as_dict(), allow_nan=False).encode()
    except HarError:
        raise
    except OSError as error:
        raise ModelFileError(f"{shown} cannot be read: {error.strerror}.") from error
    # Protobuf, flatbuffers and zipfile raise a dozen kinds of a damaged file.
    except Exception as error:
        raise ModelFileError(f"{shown} is damaged: {error!r}. Copy it again.") from error


if __name__ == "__main__":
    main()
