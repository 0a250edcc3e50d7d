"""Recordings with the spans in which an event happens."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from har_edge.errors import DataError
from har_edge.paths import display_path
from har_edge.run_folder import list_data


@dataclass(frozen=True)
class Recording:
    """A video, and when the event happens in it.

    Attributes:
        path: The file.
        group: Recordings of one group (subject, place) are no independent evidence.
        spans: Start and end of each event in seconds; none where it does not happen.
    """

    path: Path
    group: str
    spans: tuple[tuple[float, float], ...] = ()


def list_recordings(
    data: str | os.PathLike[str], events: Collection[str], root: str = ""
) -> list[Recording]:
    """List the videos of a dataset's test part, or all if it is not split.

    A file with a row of one of the event's labels has an event in that row's span; a row without
    a span says that the whole file is one. All others are recordings without an event, whatever
    else they show.

    Args:
        data: A dataset as for training, or a run folder for its own data as it was split.
        events: Labels of the event in the data.
        root: Folder that the paths of a manifest or run start from.

    Raises:
        DataError: if a part of the data cannot be used, or no video in it shows the event.
    """
    samples = [s for s in list_data(os.fspath(data), root).judged().usable() if not s.is_still]
    spans: dict[Path, list[tuple[float, float]]] = {}
    groups: dict[Path, str] = {}
    for sample in samples:
        found = spans.setdefault(sample.path, [])
        groups.setdefault(sample.path, sample.group)
        if sample.label in events:
            found.append(sample.span)
    recordings = [Recording(path, groups[path], tuple(sorted(spans[path]))) for path in spans]
    if not any(recording.spans for recording in recordings):
        labels = ", ".join(sorted({s.label for s in samples})) or "no video at all"
        raise DataError(
            f"{display_path(data)} should have a video labelled {' or '.join(sorted(events))}. "
            f"Received {labels}. Name the event as the data does: --event-label NAME."
        )
    return recordings
