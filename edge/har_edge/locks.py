"""Locks of the kernel (`flock`): they belong to an open file and end with its process.

So a lock that can be taken says that nobody is there any more, however the process ended, and
what it left behind may be removed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file, for as long as it is open.

    Returns:
        False if another one has it. True where a file system has no locks, as some that come over
        a network: nothing is known there of who else writes.
    """
    return _lock(descriptor) is not False


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock of a file; a link is not followed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not try_lock(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def abandoned(path: Path) -> Iterator[bool]:
    """Say whether something is there whose lock no process has, and hold that lock meanwhile.

    Args:
        path: A file or folder; a link is neither followed nor called abandoned, nor is what lies
            on a file system without locks.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        yield _lock(descriptor) is True
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool | None:
    """Take a lock: whether that went well, or None where there are none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
    return True
