"""Temporary folders that go with the process that works in them, however it ends."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from har_edge.locks import abandoned, try_lock

KEEPER = Path(__file__).with_name("keeper.py")
# Two hundredths of a second pass until it has started, and as much until it has ended.
KEEPER_END_S = 10.0


@contextlib.contextmanager
def temporary_folder(prefix: str, place: Path | None = None) -> Iterator[Path]:
    """Lend a folder for the user alone, which is removed at the end.

    After a kill a small process removes it, or where that was killed too the next call with the
    same prefix.

    Args:
        prefix: Of its name, ours alone: what else begins with it may be removed.
        place: Folder that it is made in; None for the system's.

    Raises:
        OSError: if it cannot be made.

    Example:
        >>> with temporary_folder("har-example-") as folder:
        ...     print(folder.name.startswith("har-example-"), oct(folder.stat().st_mode & 0o777))
        True 0o700
    """
    place = Path(tempfile.gettempdir()) if place is None else place
    _sweep(prefix, place)
    folder, descriptor = _make(prefix, place)
    try:
        with _kept(folder):
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def _make(prefix: str, place: Path) -> tuple[Path, int]:
    """Make a folder that is locked against the sweep of others."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        # A sweep may have come between the two.
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if try_lock(descriptor) and os.fstat(descriptor).st_nlink:
                return folder, descriptor
            os.close(descriptor)


def _sweep(prefix: str, place: Path) -> None:
    """Remove the folders that nobody works in any more."""
    ours = re.compile(re.escape(prefix) + "[a-z0-9_]{8}")  # as tempfile names them
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            own = ours.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            if own and entry.stat(follow_symlinks=False).st_uid == os.getuid():
                with abandoned(Path(entry.path)) as nobodys:
                    if nobodys:
                        shutil.rmtree(entry.path, ignore_errors=True)


@contextlib.contextmanager
def _kept(folder: Path) -> Iterator[None]:
    """Have a process wait for the end of this one, and remove the folder then."""
    try:
        keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", os.fspath(KEEPER), os.fspath(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # the signals of a terminal, or of a group, are not for it
        )
    except OSError:  # no room for a process: the next call sweeps
        yield
        return
    try:
        yield
    finally:
        assert keeper.stdin is not None
        keeper.stdin.close()
        try:
            keeper.wait(KEEPER_END_S)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()
