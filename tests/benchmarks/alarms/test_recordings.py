"""Which recordings show the event, and when."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from har_benchmarks.alarms.recordings import list_recordings
from har_edge.errors import DataError
from tests.conftest import moving_square, write_video


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    for name in ("fall", "walk", "long"):
        write_video(tmp_path / f"{name}.mp4", moving_square(5), 5.0)
    return tmp_path


def manifest(folder: Path, *rows: str) -> Path:
    path = folder / "all.csv"
    path.write_text("\n".join(["path,label,group,start_s,end_s", *rows]), encoding="utf-8")
    return path


def test_spans_of_a_file_come_together(clips: Path) -> None:
    rows = (
        "long.mp4,fall,x,8,9",
        "long.mp4,walk,x,1,2",
        "long.mp4,fall,x,3,4",
        "walk.mp4,walk,y,,",
    )
    long, walk = list_recordings(manifest(clips, *rows), ["fall"])
    assert (long.path.name, long.group, long.spans) == ("long.mp4", "x", ((3.0, 4.0), (8.0, 9.0)))
    assert (walk.path.name, walk.spans) == ("walk.mp4", ())


def test_a_file_without_a_span_shows_the_event_all_the_time(clips: Path) -> None:
    rows = ("fall.mp4,fall,x,,", "walk.mp4,walk,y,,")
    fall, _ = list_recordings(manifest(clips, *rows), ["fall"])
    assert fall.spans == ((0.0, math.inf),)


def test_data_without_the_event_is_refused(clips: Path) -> None:
    with pytest.raises(DataError, match=r"labelled falling\. Received walk") as caught:
        list_recordings(manifest(clips, "walk.mp4,walk,y,,"), ["falling"])
    assert "--event-label" in str(caught.value)
