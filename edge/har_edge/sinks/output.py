"""Open the file that a command writes to, or standard output."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TextIO

from har_edge.durations import format_time as format_time  # noqa: PLC0414 - others take it here
from har_edge.errors import OutputError
from har_edge.locks import try_lock
from har_edge.paths import display_path


def open_output(path: str | os.PathLike[str] | None) -> TextIO:
    """Open the output file, or standard output for None or '-'.

    Raises:
        OutputError: if it cannot be written.
    """
    if path is None or os.fspath(path) == "-":
        # A process may be started without one; mypy believes that there always is.
        stream: TextIO | None = sys.stdout
        if stream is None:
            raise OutputError(
                "Standard output is closed. Open it, or write to a file: --output FILE."
            )
        return stream
    file = Path(path)
    try:
        return os.fdopen(_open_file(file), "w", encoding="utf-8", newline="")
    except OSError as error:
        raise OutputError(
            f"{display_path(path)} cannot be written: {error.strerror}. Choose a file in an "
            "existing folder that you can write to."
        ) from error


def _open_file(path: Path) -> int:
    """Open what `--output` names; of files only the user may read, and one run at a time write."""
    try:
        special = not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        special = False
    # A device, a named pipe, or what the system itself links to: /dev/stdout, which may be a file.
    if special or path.is_relative_to("/dev") or path.is_relative_to("/proc"):
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    if path.is_symlink():
        raise OutputError(
            f"{display_path(path)} should be a file. Received a link, which somebody else may "
            "have put there. Name the file itself."
        )
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        if not try_lock(descriptor):
            raise OutputError(
                f"{display_path(path)} should be written by one run at a time. Another one is at "
                "it. Give another --output."
            )
        os.fchmod(descriptor, 0o600)
        os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
