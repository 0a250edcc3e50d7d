"""A disk that is full in the middle of a file, for what is written by `har_edge.files`."""

from __future__ import annotations

import errno
import io
import os
from typing import Any

import pytest


class _Half(io.FileIO):
    """Takes half of what it is given first, and then no more."""

    def write(self, data: Any) -> int:  # of FileIO: any buffer
        content = bytes(data)
        super().write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, no file that should be whole or not there can be written."""
    monkeypatch.setattr("har_edge.files.os.fdopen", lambda descriptor, mode: _Half(descriptor, "w"))
