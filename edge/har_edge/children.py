"""Child processes of our own: they find what their parent found, and end when it ends."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # Source: linux/prctl.h


def child_environment() -> dict[str, str]:
    """Give the environment in which a child imports what this process imports, and no other.

    Without it `python -m` looks into the current folder first, where anybody's files may lie.
    """
    search = os.pathsep.join(path for path in sys.path if path)
    return {**os.environ, "PYTHONPATH": search, "PYTHONSAFEPATH": "1"}


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends, however that does.

    For the main function of a child, at its start.
    """
    # Other libraries of C than glibc and musl, and other systems than Linux, have no prctl.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def say_signal(number: int) -> str:
    """Name a signal that ended a child.

    Example:
        >>> say_signal(11)
        'SIGSEGV'
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
