"""Folders that are watched: the files in them, and those that come later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from har_edge.errors import SourceError
from har_edge.media import Skipped, is_media, list_files
from har_edge.paths import display_path


def watched_folders(folders: Iterable[str]) -> list[Path]:
    """Check that folders to watch are there.

    Raises:
        SourceError: if one is not.
    """
    paths = [Path(folder) for folder in folders]
    for path in paths:
        if not path.is_dir():
            raise SourceError(f"{display_path(path)} is no folder to watch. Make it first.")
    return paths


def iter_new_files(
    folders: Iterable[str],
    stopped: Callable[[], bool],
    *,
    poll_s: float = 1.0,
    sleep: Callable[[float], object] = time.sleep,
    skipped: Skipped | None = None,
) -> Iterator[str]:
    """Yield the stills and videos of folders, and those that come later once they are complete.

    A file is complete when its size and time are the same in two looks, `poll_s` apart. The
    folders are looked at, not listened to: that works on network drives, too.

    Args:
        folders: Folders; what lies below them counts.
        stopped: Says whether to end; asked at least every `poll_s`.
        poll_s: Time between two looks.
        sleep: Waits so many seconds.
        skipped: Takes what is passed over.

    Raises:
        SourceError: if a folder is not there at the start.
    """
    paths = watched_folders(folders)
    seen: dict[Path, tuple[int, int]] = {}
    done: set[Path] = set()
    while not stopped():
        try:
            files = {p for folder in paths for p in list_files(folder, skipped)}
        except OSError:  # a folder below was deleted meanwhile: what is there shows the next look
            sleep(poll_s)
            continue
        done &= files  # a name that was deleted may come again
        for path in sorted(files - done):
            before, now = seen.get(path), _state(path)
            if now is None or now != before:
                seen[path] = now or (0, -1)
                continue
            done.add(path)
            # Looked into once it is complete: before, it is empty, or of half a header.
            if not is_media(path, skipped):
                continue
            yield str(path)
            if stopped():
                return
        seen = {path: state for path, state in seen.items() if path in files - done}
        sleep(poll_s)


def _state(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return (facts.st_size, facts.st_mtime_ns)
