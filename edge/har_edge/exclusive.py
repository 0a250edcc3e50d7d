"""One process at a time writes a result: the second is told at once, and a kill frees it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from har_edge.errors import OutputError
from har_edge.locks import try_lock
from har_edge.paths import display_path


@contextlib.contextmanager
def one_at_a_time(path: Path, advice: str) -> Iterator[None]:
    """Keep other processes from writing the same result meanwhile.

    The lock is a hidden file beside it, `.NAME.lock`, which is removed at the end; one that a
    killed process left is taken over.

    Args:
        path: The file or folder that is being made; its parent exists.
        advice: What to do if another process is at it, a sentence.

    Raises:
        OutputError: if another one is, or the lock cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with one_at_a_time(Path(folder, "run"), "Give another --out."):
        ...         print(*(path.name for path in Path(folder).iterdir()))
        .run.lock
    """
    place = path.absolute()  # '.' has no name of its own
    # Names may be as long as file systems take: 255 bytes, of which a character takes up to 4.
    lock = place.with_name(f".{place.name[:60]}.lock")
    try:
        descriptor = _take(lock)
    except OSError as error:
        raise OutputError(
            f"{display_path(path)} cannot be written: {error.strerror}. {advice}"
        ) from error
    if descriptor is None:
        raise OutputError(
            f"{display_path(path)} should be written by one process at a time. Another one is at "
            f"it. Wait for its end, or do something else: {advice}"
        )
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink()
        os.close(descriptor)


def _take(lock: Path) -> int | None:
    """Open and lock a file; None if another one has it."""
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(lock, flags, 0o600)
        if not try_lock(descriptor):
            os.close(descriptor)
            return None
        # Who held it before may have removed it between the two.
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)
