"""Files that are whole or not there: nobody ever sees half of one under its name."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from har_edge.errors import OutputError
from har_edge.locks import abandoned, try_lock
from har_edge.paths import display_path

# As `_partial` names what is not whole yet.
PARTIAL = re.compile(r"\..{1,50}\.[0-9a-f]{16}\.partial(\.[^.]*)?", re.DOTALL)
ADVICE = "Free some disk space, or choose another place."


def write_whole(
    path: Path,
    content: str | bytes | memoryview,
    *,
    private: bool = False,
    parents: bool = False,
    sync: bool = True,
    advice: str = ADVICE,
) -> None:
    """Write a file so that a kill, a power cut or a full disk leaves the old one or the new one.

    Args:
        path: The file. A link of this name is replaced, what it leads to stays as it is.
        content: Text, written as UTF-8, or bytes.
        private: Only the user may read it, whatever an older file allowed.
        parents: Make the folders that it lies in, if they are missing.
        sync: Wait until the disk has it; for what can be made again, that is not worth the time.
        advice: What to do if it cannot be written, a sentence.

    Raises:
        OutputError: if it cannot be written; an older file stays as it was.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_whole(Path(folder, "labels.txt"), "walking", private=True)
        ...     Path(folder, "labels.txt").read_text()
        'walking'
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if parents:
            make_folder(path.parent, private=private)
        with open_whole(path, private=private, sync=sync) as file:
            file.write(data)
    except OSError as error:
        raise OutputError(
            f"{display_path(path)} cannot be written: {error.strerror}. {advice}"
        ) from error


def check_writable(path: Path, *, parents: bool = False, advice: str = ADVICE) -> None:
    """Find out whether a file can be written, before the work whose result goes there.

    Args:
        path: The file; it stays as it is, and is not left behind where there was none.
        parents: Whether the folders that it lies in may still have to be made.
        advice: What to do if it cannot be written, a sentence.

    Raises:
        OutputError: if it cannot be written.
    """
    probe = path
    try:
        if parents and not path.parent.is_dir():
            above = next(folder for folder in path.parents if folder.exists())
            probe = above / ".probe"
        new = not os.path.lexists(probe)
        with probe.open("ab"):
            pass
        if new:
            probe.unlink()
    except OSError as error:
        raise OutputError(
            f"{display_path(path)} cannot be written: {error.strerror}. {advice}"
        ) from error


@contextlib.contextmanager
def open_whole(path: Path, *, private: bool = False, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a file that gets its name when the block ends well; for writers of a stream.

    Args:
        path: The file; see `write_whole`.
        private: Only the user may read it.
        sync: Wait until the disk has it.

    Raises:
        OSError: if it cannot be written. Nothing is left of it then, nor after any other error.
    """
    partial, descriptor = _begin(path, private=private)
    with _replacing(path, partial), os.fdopen(descriptor, "wb") as file:
        if not private:
            _keep_mode(path, file.fileno())
        yield file
        file.flush()
        if sync:
            os.fsync(file.fileno())
    if sync:
        _sync_folder(path.parent)


@contextlib.contextmanager
def whole_path(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Lend the path of an empty file that becomes `path` when the block ends well.

    For writers that open files themselves: the path lies in the same folder and ends alike, as
    many choose the format by the ending.

    Args:
        path: The file; see `write_whole`.
        private: Only the user may read it.

    Raises:
        OSError: if it cannot be written. Nothing is left of it then, nor after any other error.
    """
    partial, descriptor = _begin(path, path.suffix, private=private)
    try:
        with _replacing(path, partial):
            yield partial
            # By its path: the writer may have put a new file there.
            with partial.open("rb") as file:
                if private:
                    os.fchmod(file.fileno(), 0o600)
                else:
                    _keep_mode(path, file.fileno())
                os.fsync(file.fileno())
    finally:
        os.close(descriptor)
    _sync_folder(path.parent)


def whole_lines(path: Path) -> list[str]:
    """Read the lines of a file that grows by lines; none if it is missing.

    A last line without its end, as a kill leaves one, is cut off the file, too: what is appended
    next begins a line of its own.
    """
    if not path.exists():
        return []
    content = path.read_text(encoding="utf-8")
    whole = content[: content.rfind("\n") + 1]
    if whole != content:
        path.write_text(whole, encoding="utf-8")
    return whole.splitlines()


def sweep(folder: Path) -> None:
    """Remove what killed processes left of files that they were writing into a folder.

    What is being written now is locked, and stays.

    Args:
        folder: The folder; it need not be there.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if PARTIAL.fullmatch(entry.name):
                left = Path(entry.path)
                with abandoned(left) as nobodys:
                    if nobodys:
                        left.unlink(missing_ok=True)


def make_folder(folder: Path, *, private: bool = False) -> None:
    """Make a folder and those that it lies in, if they are missing.

    Args:
        folder: The folder; one that is there stays as it is.
        private: Only the user may look into those that are made, whatever the umask.

    Raises:
        OSError: if it cannot be made.
    """
    if private and not folder.is_dir():
        make_folder(folder.parent, private=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
    folder.mkdir(parents=True, exist_ok=True)


def create_private(path: Path) -> None:
    """Create an empty file that only the user may read; for writers that open files themselves.

    Args:
        path: The file, which must not be there: neither is a link followed, nor a file changed.

    Raises:
        OSError: if it cannot be created; FileExistsError if something has the name.
    """
    os.close(_create(path, private=True))


def hold_private(path: Path) -> int:
    """Create an empty file as `create_private` does, and hold its lock while it is written.

    Returns:
        A descriptor, which holds the lock until it is closed.

    Raises:
        OSError: if it cannot be created; FileExistsError if something has the name.
    """
    while True:
        descriptor = _create(path, private=True)
        # Somebody who removes what nobody holds may have come between the two.
        if try_lock(descriptor) and os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)


@contextlib.contextmanager
def _replacing(path: Path, partial: Path) -> Iterator[None]:
    try:
        yield
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def _partial(path: Path, ending: str = "") -> Path:
    """Choose a name beside `path` that nobody else has chosen."""
    # Long names stay as long as file systems take: 255 bytes, of which a character takes up to 4.
    return path.with_name(f".{path.name[:50]}.{os.urandom(8).hex()}.partial{ending}")


def _begin(path: Path, ending: str = "", *, private: bool) -> tuple[Path, int]:
    """Create what is to become a file, locked against `sweep`: its path and descriptor."""
    while True:
        partial = _partial(path, ending)
        descriptor = _create(partial, private=private)
        # A sweep may have come between the two.
        if try_lock(descriptor) and os.fstat(descriptor).st_nlink:
            return partial, descriptor
        os.close(descriptor)


def _create(partial: Path, *, private: bool) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(partial, flags, 0o600 if private else 0o666)


def _keep_mode(path: Path, descriptor: int) -> None:
    """Give the new file the permissions of the one that it replaces."""
    with contextlib.suppress(OSError):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            os.fchmod(descriptor, stat.S_IMODE(mode))


def _sync_folder(folder: Path) -> None:
    # The name is in the folder, not in the file. Some file systems cannot sync a folder.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
