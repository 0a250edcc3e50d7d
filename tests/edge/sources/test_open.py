"""What is opened for which name, and which names are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from har_edge.errors import SourceError
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.live.source import LiveSource
from har_edge.sources.open import open_source


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.mp4", b"this is not a video", "not a video"),
        ("empty.mp4", b"", "0 bytes"),
        ("notes.docx", b"PK", "not a known kind"),
    ],
)
def test_unusable_files_are_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message):
        open_source(tmp_path / name)


def test_missing_files_are_refused(tmp_path: Path) -> None:
    for name in ("gone.mp4", "gone.jpg", "gone"):
        with pytest.raises(SourceError, match="does not exist"):
            list(open_source(tmp_path / name).frames(FrameSampler(5.0)))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("camera:0", LiveSource),
        ("camera:/dev/v4l/by-id/usb-x", LiveSource),
        ("/dev/video3", LiveSource),
        ("picamera:0", LiveSource),
        ("rtsp://127.0.0.1:1/x", LiveSource),
        ("rtmp://127.0.0.1:1/x", LiveSource),
    ],
)
def test_names_of_live_sources(name: str, kind: type) -> None:
    source = open_source(name)
    assert isinstance(source, kind)
    assert source.live
    assert source.name == name
