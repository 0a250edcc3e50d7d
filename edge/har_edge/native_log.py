"""Keep what native libraries print on their own off the terminal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def native_log_muted() -> Iterator[None]:
    """Send file descriptor 2 nowhere for a while.

    For the lines that TensorFlow and LiteRT write from native code while they load, before any
    log level reaches them. Errors are not lost: they come as exceptions.
    """
    saved = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
