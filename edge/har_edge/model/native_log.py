"""Keep what native libraries print on their own off the terminal."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

_lock = threading.Lock()
# The file descriptor is the whole process's, so threads that mute it at once share the muting:
# the first one saves it here, the last one puts it back.
_muting = 0
_saved = -1


def keep_own_stderr() -> None:
    """Let `sys.stderr` write to a descriptor of its own; for programs, at their start.

    Else what a thread says while another one loads a network is muted, too.
    """
    stream = sys.stderr
    if isinstance(stream, io.TextIOWrapper):
        sys.stderr = os.fdopen(os.dup(2), "w", 1, stream.encoding, stream.errors)


@contextlib.contextmanager
def native_log_muted() -> Iterator[None]:
    """Send file descriptor 2 nowhere for a while; any number of threads may do so at once.

    For the lines that TensorFlow and LiteRT write from native code while they load, before any
    log level reaches them. Errors are not lost: they come as exceptions.
    """
    global _muting, _saved  # noqa: PLW0603
    with _lock:
        if _muting == 0:
            _saved = os.dup(2)
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
        _muting += 1
    try:
        yield
    finally:
        with _lock:
            _muting -= 1
            if _muting == 0:
                os.dup2(_saved, 2)
                os.close(_saved)
