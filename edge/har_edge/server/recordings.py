"""The clips of events that a live source left in the folder of `--save-events`, to be watched."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from har_edge.config import FilePath
from har_edge.sinks.base import safe_name
from har_edge.sinks.event_clips import is_own_clip

MOST_LISTED = 200
KINDS = {".mp4": "video/mp4", ".mkv": "video/x-matroska"}


class Recordings:
    """Lists finished clips and finds one by its name; no other file of the folder.

    Args:
        folder: The folder of `--save-events`; None if no clips are kept.
        source: Name of the live source, which is part of the names of its clips.
        labels: Actions, by which clips of other sources and earlier runs are told apart.
    """

    def __init__(self, folder: FilePath | None, source: str, labels: Sequence[str] = ()) -> None:
        self._folder = None if folder is None else Path(folder)
        self._source = safe_name(source)
        # The longest first: one may end like another.
        self._labels = sorted(labels, key=len, reverse=True)

    @property
    def kept(self) -> bool:
        """Whether clips are kept at all."""
        return self._folder is not None

    def newest(self) -> list[dict[str, object]]:
        """The newest clips, the last one first: name, action, when it was saved, size."""
        if self._folder is None or not self._folder.is_dir():
            return []
        clips = [path for path in self._folder.iterdir() if is_own_clip(path, whole=True)]
        found = [(path.stat(), path) for path in clips]
        found.sort(key=lambda one: (one[0].st_mtime_ns, one[1].name), reverse=True)
        return [
            {
                "name": path.name,
                "action": self._action(path.name),
                "saved": datetime.fromtimestamp(facts.st_mtime, timezone.utc).isoformat(),
                "size_bytes": facts.st_size,
            }
            for facts, path in found[:MOST_LISTED]
        ]

    def find(self, name: str) -> Path | None:
        """The clip of a name, as `newest` gives it; None if there is none."""
        # It comes from a stranger, and might lead elsewhere.
        if self._folder is None or Path(name).name != name:
            return None
        path = self._folder / name
        return path if is_own_clip(path, whole=True) else None

    def _action(self, name: str) -> str:
        """What stands between the source and the number in a clip's name."""
        shown = name.partition("_")[2].rpartition("_")[0]
        known = (label for label in self._labels if shown.endswith(f"_{safe_name(label)}"))
        return next(known, shown.removeprefix(f"{self._source}_"))
